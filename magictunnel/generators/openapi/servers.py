"""Where a described API is: its servers, with the defaults of their variables filled in. Pure."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urljoin, urlsplit

from magictunnel.catalog.model import Json
from magictunnel.generators.openapi.documents import NotCarried

_VARIABLE = re.compile(r"\{([^{}]+)\}")
_PLAIN = re.compile(r"https?://[^\s/?#@\\${}]+[^\s?#\\{}]*", re.IGNORECASE)


def url_of(server: Any, where: str) -> str:
    """The absolute URL of `server`, which a description read from `where` names.

    Raises:
        NotCarried: it has none that requests could be sent to.
    """
    url = server.get("url") if isinstance(server, dict) else None
    if not isinstance(url, str):
        raise NotCarried("a server without a URL")
    variables = server.get("variables")
    filled = _VARIABLE.sub(lambda found: _default(found[1], variables if isinstance(variables, dict) else {}), url)
    absolute = urljoin(where if where.startswith("http") else "", filled)
    if absolute.startswith("//"):
        absolute = f"https:{absolute}"
    if not _PLAIN.fullmatch(absolute) or "${" in absolute:
        raise NotCarried(f"its server {url[:200]!r} is no absolute http(s) URL")
    return absolute.rstrip("/")


def is_private(url: str) -> bool:
    """Whether `url` tells by itself that it is on this machine or in a private network."""
    host = urlsplit(url).hostname or ""
    names = (".localhost", ".local", ".internal")
    return host == "localhost" or host.endswith(names) or bool(re.match(r"127\.|10\.|192\.168\.|\[?::1", host))


def _default(name: str, variables: Json) -> str:
    variable = variables.get(name)
    choices = variable.get("enum") if isinstance(variable, dict) else None
    default = variable.get("default") if isinstance(variable, dict) else None
    if default is None and isinstance(choices, list) and choices:
        default = choices[0]
    if default is None:
        raise NotCarried(f"a server whose variable {name!r} has no default")
    return str(default)
