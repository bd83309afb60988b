"""What is wrong with a request as it is declared, before anybody calls it. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from magictunnel.capabilities.http.places import Misplaced, pieces, place_of
from magictunnel.capabilities.http.styles import COOKIE_STYLES, HEADER_STYLES, PATH_STYLES, QUERY_STYLES
from magictunnel.capabilities.language.requests import (
    ApiKey,
    ClientCredentials,
    Credential,
    Http,
    HttpDefaults,
    Style,
    Written,
)

FORBIDDEN = frozenset({
    "accept-encoding", "connection", "content-length", "expect", "host", "keep-alive", "te", "trailer",
    "transfer-encoding", "upgrade",
})  # fmt: skip
"""Headers (in lower case) that say how a message is carried: they are ours to write."""
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_LINE_END = re.compile(r"[\r\n\0]")
_REFERENCE = re.compile(r"\$\{[^}]*\}")


def faults(http: Http, defaults: HttpDefaults) -> Iterator[str]:
    """What is wrong with `http`, each with the key where it stands."""
    yield from _url_faults(http, defaults)
    for key, parts, styles in (
        ("path", http.path, PATH_STYLES),
        ("query", http.query, QUERY_STYLES),
        ("headers", http.headers, HEADER_STYLES),
        ("cookies", http.cookies, COOKIE_STYLES),
        ("form", http.form or {}, QUERY_STYLES),
        ("multipart", http.multipart or {}, frozenset({Style.FORM, Style.JSON})),
    ):
        yield from _style_faults(key, parts, styles)
    yield from (f"headers.{name}: {why}" for name in http.headers if (why := _header_fault(name)))
    yield from (f"http.headers.{name}: {why}" for name in defaults.headers if (why := _header_fault(name)))
    yield from (f"cookies.{name!r} is no name of a cookie" for name in http.cookies if not _TOKEN.fullmatch(name))
    yield from _line_end_faults(http, defaults)
    yield from _idle_faults(http)


def auth_faults(auth: Mapping[str, Credential]) -> Iterator[str]:
    """What is wrong with the credentials of a file, each with the key where it stands (behind `auth.`)."""
    for name, credential in auth.items():
        if isinstance(credential, ApiKey) and credential.place == "header" and (why := _header_fault(credential.name)):
            yield f"{name}.name: {credential.name!r} {why}"
        if isinstance(credential, ApiKey) and credential.place == "cookie" and not _TOKEN.fullmatch(credential.name):
            yield f"{name}.name: {credential.name!r} is no name of a cookie"
        if isinstance(credential, ClientCredentials):
            yield from _token_url_faults(name, credential)


def _token_url_faults(name: str, credential: ClientCredentials) -> Iterator[str]:
    if "{{" in credential.token_url:
        yield f"{name}.token_url takes no placeholders"
        return
    try:
        place_of(_supposed(credential.token_url))
    except Misplaced as error:
        yield f"{name}.token_url: {error}"


def _url_faults(http: Http, defaults: HttpDefaults) -> Iterator[str]:
    try:
        place = place_of(_supposed(http.url), defaults.base_url and _supposed(defaults.base_url))
    except Misplaced as error:
        yield f"url: {error}"
        return
    names = {name.strip() for name in pieces(place.path)[1::2]}
    yield from (f"path.{name} stands nowhere in the path of `url`" for name in http.path if name not in names)


def _supposed(url: str) -> str:
    """`url` with something in the place of each reference, whose value is looked at when it is there."""
    if start := _REFERENCE.match(url):
        rest = url[start.end() :]
        url = ("https" if rest.startswith("://") else "https://1") + rest
    return _REFERENCE.sub("1", url)


def _style_faults(key: str, parts: Mapping[str, Written], styles: frozenset[Style]) -> Iterator[str]:
    for name, part in parts.items():
        if part.style is not None and part.style not in styles:
            known = ", ".join(style.value for style in Style if style in styles)
            yield f"{key}.{name}.style: {part.style.value} is not for {key} ({known})"
        if part.reserved and key != "query":
            yield f"{key}.{name}.reserved is for `query` only"


def _header_fault(name: str) -> str:
    if not _TOKEN.fullmatch(name):
        return "is no name of a header"
    if name.lower() in FORBIDDEN or name.lower().startswith("proxy-"):
        return "cannot be set: it says how a message is carried"
    return ""


def _line_end_faults(http: Http, defaults: HttpDefaults) -> Iterator[str]:
    fixed = {f"http.headers.{name}": text for name, text in defaults.headers.items()}
    fixed |= {f"headers.{name}": part.value for name, part in http.headers.items() if isinstance(part.value, str)}
    fixed["content_type"] = http.content_type or ""
    for name, part in (http.multipart or {}).items():
        fixed[f"multipart.{name}.content_type"] = part.content_type or ""
    yield from (f"{key} has a line end in it" for key, text in fixed.items() if _LINE_END.search(text))


def _idle_faults(http: Http) -> Iterator[str]:
    """Keys that would do nothing."""
    if http.base64 and http.body is None:
        yield "base64 belongs to `body`"
    carries = "json_" in http.model_fields_set or any(one is not None for one in (http.form, http.multipart, http.body))
    if http.content_type is not None and not carries:
        yield "content_type belongs to json, form, multipart or body"
    if http.stream is not None and http.pages is not None:
        yield "stream and pages exclude each other"
