"""What a generator has made: shown, or checked and written; and what its user has to do next."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from importlib.util import find_spec
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from anyio.to_thread import run_sync

from magictunnel.capabilities.authoring.literals import has_secret
from magictunnel.capabilities.authoring.references import variables
from magictunnel.capabilities.parse import parse
from magictunnel.catalog.model import Json
from magictunnel.cli.session import FAILED
from magictunnel.cli.show import say, show_json, show_rows, show_text
from magictunnel.config.text import MAX_MADE, read_text
from magictunnel.errors import ConfigError
from magictunnel.gateway import own_secrets
from magictunnel.generators.base import Generated, not_public
from magictunnel.generators.write import to_text, write_file
from magictunnel.secrets import SERVICE

if TYPE_CHECKING:
    from magictunnel.generators.openapi import Options

_PATIENCE = 1.0
"""Seconds after which somebody who waits is told how far it is."""
_HEADER = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_BY_REFERENCE = re.compile(r"(?:[A-Za-z][A-Za-z-]{0,30} )?\$\{[^}]+\}")


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to become of what is made."""

    output: Path | None
    force: bool
    dry_run: bool
    as_json: bool


@dataclass(slots=True)
class Watched:
    """Tells on stderr how far something is that takes its time. It is a `Progress`."""

    _next: float = field(default_factory=lambda: time.monotonic() + _PATIENCE)

    def __call__(self, what: str, done: int, of: int) -> None:
        if time.monotonic() >= self._next:
            self._next = time.monotonic() + _PATIENCE
            say(f"{what}: {done:,} of {of:,}", "dim")


async def from_openapi(spec: str, options: Options, wanted: Wanted, root: Path | None = None) -> int:
    """Make a capability file of the OpenAPI description at `spec`; the exit code. `root`: what it may refer to.

    Raises:
        ConfigError: it cannot be read, or what is made cannot be written.
    """
    from magictunnel.generators.openapi import generate
    from magictunnel.generators.read import read, told

    _ensure_free(wanted)
    if options.base_url and has_secret(options.base_url):
        raise ConfigError(
            "--base-url has a secret in it, which would stand in the file", hint="leave it out of the URL"
        )
    source = await run_sync(read, spec, root)
    made = await run_sync(lambda: generate(source, options, Watched()))
    made = reachable(made, options.base_url or spec)
    return await _delivered(made, f"{told(source.where).rpartition('/')[2]} by magictunnel generate openapi", wanted)


async def from_graphql(
    schema: str, url: str | None, header: Sequence[str], options: dict[str, Any], wanted: Wanted
) -> int:
    """Make a capability file of the GraphQL schema at `schema`, a file or an endpoint; the exit code.

    Raises:
        ConfigError: it cannot be read, or what is made cannot be written.
    """
    if find_spec("graphql") is None:
        raise ConfigError("graphql-core is not installed here", hint="pip install 'magictunnel[generate]'")
    from magictunnel.generators.graphql import Options, generate, introspected, schema_of

    _ensure_free(wanted)
    headers = headers_by_reference(header)
    is_endpoint = schema.lower().startswith(("http://", "https://"))
    endpoint = endpoint_of(url or (schema if is_endpoint else ""))
    if is_endpoint:
        secrets = own_secrets()
        sent = {name: secrets.expand(value, f"--header {name}") for name, value in headers.items()}
        text = await introspected(endpoint_of(schema), sent)
    else:
        text = await run_sync(read_text, Path(schema), MAX_MADE)
    where = schema.partition("?")[0]
    chosen = Options(endpoint, headers=headers, **options)
    made = await run_sync(lambda: generate(schema_of(text, where), chosen, Watched()))
    made = reachable(made, endpoint)
    return await _delivered(made, f"{where.rpartition('/')[2]} by magictunnel generate graphql", wanted)


def headers_by_reference(given: Sequence[str]) -> dict[str, str]:
    """`K=V` words -> headers. Raises ConfigError: a word is none, or holds a value that is no reference."""
    headers = {}
    for word in given:
        name, sign, value = word.partition("=")
        if not sign or not _HEADER.fullmatch(name):
            raise ConfigError(
                f"--header {name[:80]!a} is not K=V", hint="write it like --header 'Authorization=${TOKEN}'"
            )
        if not _BY_REFERENCE.fullmatch(value) or ":-" in value:
            raise ConfigError(
                f"--header {name} has a value that would stand in the file",
                hint=f"set a variable to it, and write --header '{name}=${{VARIABLE}}'",
            )
        headers[name] = value
    return headers


def endpoint_of(url: str) -> str:
    """`url`, if it may stand in a file. Raises ConfigError: it is none, or has a secret in it."""
    parts = urlsplit(url)
    if not url:
        raise ConfigError("where the API is has to be told", hint="--url https://HOST/graphql")
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ConfigError(f"{url.partition('?')[0]} is no http(s) URL", hint="write it like https://HOST/graphql")
    if has_secret(url):
        raise ConfigError("the URL has a secret in it, which would stand in the file", hint="send it by --header")
    return url


def reachable(made: Generated, typed: str) -> Generated:
    """`made`, with leave to reach a private address where it is the one that was `typed` for it."""
    host = urlsplit(typed).hostname or ""
    if not _is_private(host) or {urlsplit(url).hostname for url in _urls(made.file)} != {host}:
        return made
    file = {**made.file, "http": {**made.file.get("http", {}), "allow_private": True}}
    file |= {"tools": file.pop("tools")}
    note = f"http.allow_private is set, for {host} is an address of this machine or of a private network"
    undone = not_public(str(file["http"].get("base_url")))
    return Generated(file, made.made, made.left_out, (*(one for one in made.notes if one != undone), note))


def _urls(file: Json) -> Iterator[str]:
    """All that say where it goes."""
    if base := file.get("http", {}).get("base_url"):
        yield base
    for tool in file["tools"]:
        url = str((tool.get("graphql") or tool.get("http") or {}).get("url", ""))
        if "://" in url:
            yield url


def _is_private(host: str) -> bool:
    try:
        return not ip_address(host).is_global
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


# --- what becomes of it


def _ensure_free(wanted: Wanted) -> None:
    """Raise ConfigError, before there is work for nothing, if something stands where it is to be written."""
    if wanted.output and wanted.output.exists() and not (wanted.force or wanted.dry_run):
        raise ConfigError("it is there already", file=str(wanted.output), hint="--force writes over it")


async def _delivered(made: Generated, origin: str, wanted: Wanted) -> int:
    if wanted.dry_run:
        _show_plan(made, wanted)
    elif not made.made:
        pass
    elif wanted.output is None:
        _show_file(made, origin, wanted)
    else:
        await _write(made, origin, wanted.output, over=wanted.force)
        if wanted.as_json:
            show_json({"file": str(wanted.output)} | _report(made))
        else:
            show_text(f"wrote {wanted.output}: {_count(made)}")
        say(f"note: to serve it, have this in the config: capabilities: [{wanted.output}]", "dim")
    _tell(made, wanted)
    return 0 if made.made else FAILED


def _count(made: Generated) -> str:
    return f"{len(made.made):,} tool{'s' if len(made.made) != 1 else ''}"


def _show_plan(made: Generated, wanted: Wanted) -> None:
    if wanted.as_json:
        show_json(_report(made))
        return
    rows = [(one.name, one.what, "") for one in made.made]
    show_rows(("tool", "of", "left out because"), [*rows, *(("-", one.what, one.why) for one in made.left_out)])


def _show_file(made: Generated, origin: str, wanted: Wanted) -> None:
    if wanted.as_json:
        show_json(made.file)
    else:
        show_text(to_text(made.file, "", _comment(made, origin)))


async def _write(made: Generated, origin: str, output: Path, *, over: bool) -> None:
    """Write it, if it can be read: what could not would be a defect of the generator, and of no use to anybody."""
    text = to_text(made.file, str(output), _comment(made, origin))
    await run_sync(parse, text, str(output))
    write_file(output, text, over=over)


def _comment(made: Generated, origin: str) -> list[str]:
    return [f"{_count(made)} made of {origin}.", "Edit it as you like; made anew, it is written over."]


def _tell(made: Generated, wanted: Wanted) -> None:
    for note in made.notes:
        say(f"note: {note}", "dim")
    for name in variables(made.file) if made.made else ():
        say(f"note: {_how_to_set(name)}", "dim")
    if not made.made:
        say("error: there is nothing here to make a tool of", "red")
    if made.left_out and not wanted.dry_run:
        say(f"note: {len(made.left_out):,} left out; --dry-run says why", "yellow")


def _how_to_set(name: str) -> str:
    if name.startswith("keyring:"):
        return f"store its secret: keyring set {SERVICE} {name.removeprefix('keyring:')}"
    return f"set {name}" + ("" if os.environ.get(name) else ", which is not set here")


def _report(made: Generated) -> Json:
    return {
        "tools": [{"name": one.name, "of": one.what} for one in made.made],
        "left_out": [asdict(one) for one in made.left_out],
        "variables": variables(made.file),
        "notes": list(made.notes),
    }
