"""Look and call without serving: `list`, `inspect`, `call`, `read`, `prompt`, `check`."""

from __future__ import annotations

import difflib
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from magictunnel.backends.states import State, Status
from magictunnel.catalog.find import find, visible
from magictunnel.catalog.model import Entry, Json, Kind, everything
from magictunnel.cli.arguments import parse_arguments
from magictunnel.cli.options import AsJson, Config
from magictunnel.cli.session import FAILED, SHELL, opened, run
from magictunnel.cli.show import (
    content_text,
    counted,
    is_terminal,
    only_blob,
    say,
    show_bytes,
    show_json,
    show_rows,
    show_text,
)
from magictunnel.cli.times import ago
from magictunnel.config.model import Problem
from magictunnel.errors import BackendUnavailable, ConfigError, StartFailure, UnknownEntry
from magictunnel.pipeline.call import Call
from magictunnel.telemetry import call_id

if TYPE_CHECKING:
    from magictunnel.gateway import Gateway
    from magictunnel.store.listings import Freshness

Words = Annotated[list[str] | None, typer.Argument(help="key=value …, or '{…}', or @file.json")]

_LISTED = {"tools": (Kind.TOOL,), "prompts": (Kind.PROMPT,), "resources": (Kind.RESOURCE, Kind.TEMPLATE)}
_METHODS = {Kind.TOOL: "tools/call", Kind.PROMPT: "prompts/get", Kind.RESOURCE: "resources/read"}


def list_(
    what: Annotated[str, typer.Argument(help="servers, tools, resources or prompts")] = "tools",
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """List what is merged: tools (default), servers, resources or prompts."""

    async def main() -> int:
        if what != "servers" and what not in _LISTED:
            raise ConfigError(f"cannot list {what!r}", hint=f"list servers, {', '.join(_LISTED)}")
        async with opened(config) as gateway:
            if what == "servers":
                from magictunnel.cli.fresh import saved_freshness  # its help goes without a store

                _show_servers(gateway, await saved_freshness(gateway.config), as_json)
            else:
                _show_entries(gateway, _LISTED[what], as_json)
                _tell_who_is_down(gateway)
        return 0

    run(main)


def inspect(name: str, config: Config = None, as_json: AsJson = False) -> None:
    """Show one tool, prompt or resource whole: its owner, its name there, and its definition."""

    async def main() -> int:
        async with opened(config, tell_problems=False, until=_has(tuple(Kind), name)) as gateway:
            entry = _named(gateway, tuple(Kind), name)
            shown: Json = {"kind": entry.kind.word, "server": entry.backend, "name_there": entry.original}
            shown |= {"timeout": gateway.timeout_of(entry), "definition": entry.definition}
            if as_json:
                show_json(shown)
            else:
                show_rows(("", ""), [(key, str(value)) for key, value in shown.items() if key != "definition"])
                show_json(entry.definition)
        return 0

    run(main)


def call(name: str, arguments: Words = None, config: Config = None, as_json: AsJson = False) -> None:
    """Call a tool. Values take the type its schema gives them."""

    async def main() -> int:
        async with opened(config, tell_problems=False, until=_has((Kind.TOOL,), name)) as gateway:
            entry = _named(gateway, (Kind.TOOL,), name)
            parsed = parse_arguments(arguments or (), entry.definition.get("inputSchema") or {})
            result = await _send(gateway, Kind.TOOL, name, {"name": name, "arguments": parsed})
            return _show_result(result, result.get("content"), as_json)

    run(main)


def read(uri: str, config: Config = None, as_json: AsJson = False) -> None:
    """Read a resource."""

    async def main() -> int:
        async with opened(config, tell_problems=False, until=_has((Kind.RESOURCE,), uri)) as gateway:
            result = await _send(gateway, Kind.RESOURCE, uri, {"uri": uri})
            return _show_result(result, result.get("contents"), as_json)

    run(main)


def prompt(name: str, arguments: Words = None, config: Config = None, as_json: AsJson = False) -> None:
    """Get a prompt, filled in."""

    async def main() -> int:
        async with opened(config, tell_problems=False, until=_has((Kind.PROMPT,), name)) as gateway:
            entry = _named(gateway, (Kind.PROMPT,), name)
            texts = {str(item.get("name")): {"type": "string"} for item in entry.definition.get("arguments") or ()}
            parsed = parse_arguments(arguments or (), {"properties": texts})
            result = await _send(gateway, Kind.PROMPT, name, {"name": name, "arguments": parsed})
            messages = [message for message in result.get("messages") or () if isinstance(message, dict)]
            return _show_result(result, [message.get("content") for message in messages], as_json)

    run(main)


def check(config: Config = None, as_json: AsJson = False) -> None:
    """Connect to every server and say how far each got; exit code 1 if one failed."""

    async def main() -> int:
        async with opened(config, tell_problems=False) as gateway:
            _show_check(gateway, as_json)
            failed = [status for status in gateway.status.values() if status.state is not State.READY]
            return FAILED if failed or gateway.config.problems else 0

    run(main)


async def _send(gateway: Gateway, kind: Kind, name: str, params: Json) -> Json:
    catalog = gateway.live.current
    request = Call(call_id(), _METHODS[kind], kind, name, params, SHELL, catalog)
    return await gateway.handle(request)


def _has(kinds: Sequence[Kind], name: str) -> Callable[[Gateway], bool]:
    """Whether what a command is about is there already; the other servers need not be waited for."""
    return lambda gateway: any(name in gateway.live.current.of(kind) for kind in kinds)


def _named(gateway: Gateway, kinds: Sequence[Kind], name: str) -> Entry:
    """The entry of that name, of the first kind that has one.

    Raises:
        BackendUnavailable: nobody has it, and a server whose names begin like it is down.
        UnknownEntry: nobody has it.
    """
    catalog = gateway.live.current
    for kind in kinds:
        if entry := find(catalog, kind, name, everything):
            return entry
    for server, failure in _down(gateway).items():
        if name.startswith(gateway.live.rules.of(server).alias + gateway.live.rules.names.separator):
            raise BackendUnavailable(server, f"{failure.phase}: {failure.cause}", hint=failure.hint)
    word = kinds[0].word if len(kinds) == 1 else "tool, prompt or resource"
    close = difflib.get_close_matches(name, [known for kind in kinds for known in catalog.of(kind)], n=2)
    meant = f"did you mean {' or '.join(close)}?" if close else f"see `magictunnel list {kinds[0].value}`"
    raise UnknownEntry(word, name, hint=meant)


def _down(gateway: Gateway) -> dict[str, StartFailure]:
    return {
        name: status.failure
        for name, status in gateway.status.items()
        if status.failure is not None and status.state is not State.READY
    }


def _tell_who_is_down(gateway: Gateway) -> None:
    if down := _down(gateway):
        say(f"note: {len(down)} of {len(gateway.status)} servers are down: {', '.join(down)} (see check)", "yellow")


def _show_result(result: Json, blocks: Any, as_json: bool) -> int:
    if as_json:
        show_json(result)
    elif data := only_blob(blocks):
        show_bytes(data)
    else:
        texts = list(content_text(blocks))
        show_text("\n".join(texts)) if texts else show_json(result.get("structuredContent", result))
    return FAILED if result.get("isError") else 0


def _show_entries(gateway: Gateway, kinds: Sequence[Kind], as_json: bool) -> None:
    catalog = gateway.live.current
    entries = [entry for kind in kinds for entry in visible(catalog, kind, everything)]
    if as_json:
        show_json([_owner(entry) | entry.definition for entry in entries])
        return
    rows = [(entry.name, entry.backend, str(entry.definition.get("description") or "")) for entry in entries]
    show_rows(("name", "server", "description"), rows)
    for clash in catalog.conflicts:
        say(f"note: {clash}", "yellow")


def _owner(entry: Entry) -> Json:
    return {"server": entry.backend, "name_there": entry.original, "visibility": entry.visibility}


def _show_servers(gateway: Gateway, saved: Mapping[str, Freshness], as_json: bool) -> None:
    if as_json:
        show_json([_facts(name, status) | _times(saved.get(name)) for name, status in gateway.status.items()])
        return
    down, now = _down(gateway), time.time()
    rows: list[tuple[str, ...]] = []
    for name, status in gateway.status.items():
        state = "down" if name in down else status.state.value
        kinds = [str(status.counts.get(kind, 0)) for kind in Kind]
        fresh = [ago(moment, now) for moment in _times(saved.get(name)).values()]
        if is_terminal():
            rows.append((name, state, status.era, counted(status.counts), *fresh))
        else:
            rows.append((name, state, status.era, *kinds, *fresh, down[name].told if name in down else ""))
    show_rows(("server", "state", "protocol", "offers", "saved", "changed"), rows)
    for name, failure in down.items() if is_terminal() else ():
        show_text(f"{name}: {failure.told}")


def _times(saved: Freshness | None) -> Json:
    """When a gateway last saw what a server offers, and when that changed (seconds of the epoch; None: not known)."""
    return {"listed_at": saved and saved.listed_at, "changed_at": saved and saved.changed_at}


def _show_check(gateway: Gateway, as_json: bool) -> None:
    problems = gateway.config.problems
    if as_json:
        facts = [_facts(name, status) for name, status in gateway.status.items()]
        show_json([*facts, *map(_problem_facts, problems)])
        return
    rows = [_verdict(name, status) for name, status in gateway.status.items()]
    rows += [(problem.server, "FAILED", "config", "", "", "", problem.placed) for problem in problems]
    show_rows(("server", "status", "phase", "protocol", "offers", "took", "why"), rows)
    for conflict in gateway.live.current.conflicts:
        say(f"note: {conflict}", "yellow")


def _verdict(name: str, status: Status) -> tuple[str, ...]:
    counts = counted(status.counts)
    if status.state is State.READY:
        return name, "ok", status.phase.value, status.era, counts, f"{status.took:.1f} s", ""
    failure = status.failure
    if failure is None:
        return name, "FAILED", status.phase.value, status.era, counts, "", "it is still starting"
    return name, "FAILED", failure.phase, status.era, counts, "", failure.told


def _problem_facts(problem: Problem) -> Json:
    facts: Json = {"server": problem.server, "state": "misconfigured", "phase": "config", "error": problem.message}
    return facts | {"hint": problem.hint or None, "file": problem.file, "line": problem.line}


def _facts(name: str, status: Status) -> Json:
    failure = status.failure if status.state is not State.READY else None
    return {
        "server": name,
        "state": status.state.value,
        "phase": failure.phase if failure else status.phase.value,
        "protocol": status.era,
        "counts": {kind.value: count for kind, count in status.counts.items()},
        "seconds": round(status.took, 3),
        "error": failure.cause if failure else None,
        "hint": failure.hint if failure else None,
    }
