"""One server, step by step: resolved, started or reached, opened, listed, called; and what was found on the way."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

import anyio

from magictunnel.backends.base import Link, Phase, Request
from magictunnel.backends.link import McpLink
from magictunnel.backends.mcp import McpBackend
from magictunnel.catalog.merge import MergeRules, merge
from magictunnel.catalog.model import EMPTY, Json, Kind, Listing
from magictunnel.config.model import ServerConfig
from magictunnel.errors import BackendError, StartFailure
from magictunnel.secrets import Secrets
from magictunnel.wire.guard import Guard

_HARMLESS_KEYWORDS = frozenset({"$schema", "additionalProperties", "description", "properties", "title", "type"})
"""What a schema may say without asking for any argument; an empty `required` aside."""


class Step(StrEnum):
    """What a server has to get through."""

    RESOLVE = "resolve"
    SPAWN = "spawn"
    REACH = "reach"
    OPEN = "open"
    LIST = "list"
    CALL = "call"


_OF_PHASE = {
    Phase.RESOLVE: Step.RESOLVE,
    Phase.LAUNCH: Step.SPAWN,
    Phase.CONNECT: Step.REACH,
    Phase.HANDSHAKE: Step.OPEN,
    Phase.LIST: Step.LIST,
    Phase.SERVE: Step.CALL,
}


_ORDER = {step: number for number, step in enumerate(Step)}


@dataclass(frozen=True, slots=True)
class Dialect:
    """How a server speaks, and what it says of itself."""

    version: str
    is_stateless: bool
    about: str
    """Its name and version, as it tells them; it may tell none."""
    capabilities: Json


@dataclass(slots=True)
class Checkup:
    """What was found of one server."""

    server: str
    steps: tuple[Step, ...]
    """What it has to get through, in this order."""
    begun: dict[Step, float] = field(default_factory=dict)
    """When each step began (monotonic seconds)."""
    ended: float = 0.0
    failure: StartFailure | None = None
    dialect: Dialect | None = None
    counts: Mapping[Kind, int] = field(default_factory=lambda: EMPTY)
    called: str = ""
    """What was called, and what came of it."""
    stderr: tuple[str, ...] = ()

    @property
    def failed(self) -> Step | None:
        """Where it went wrong."""
        return _OF_PHASE[Phase(self.failure.phase)] if self.failure else None

    @property
    def took(self) -> Mapping[Step, float]:
        """Seconds of each step, up to the one that failed."""
        last = _ORDER[self.failed or Step.CALL]
        reached = [step for step in self.begun if _ORDER[step] <= last]
        ends = [*(self.begun[step] for step in reached[1:]), self.ended]
        return {step: end - self.begun[step] for step, end in zip(reached, ends, strict=True)}

    def at(self, phase: Phase) -> None:
        """It has got this far; it may begin again, in its other era."""
        if phase is Phase.RESOLVE:
            self.begun.clear()
        self.begun[_OF_PHASE[phase]] = anyio.current_time()


def steps_of(config: ServerConfig) -> tuple[Step, ...]:
    """What a server has to get through: one that is started and then reached, both."""
    skipped = {Step.SPAWN} if not config.command else set() if config.url else {Step.REACH}
    return tuple(step for step in Step if step not in skipped)


async def check_up(
    name: str, config: ServerConfig, secrets: Secrets, rules: MergeRules, guard: Guard, within: float
) -> Checkup:
    """Take a server through its steps, `within` seconds to the complete listing, and again for the call."""
    found = Checkup(name, steps_of(config))
    backend = McpBackend(name, config, secrets, guard)
    phase = Phase.RESOLVE

    def at(reached: Phase) -> None:
        nonlocal phase
        phase = reached
        found.at(reached)

    try:
        with anyio.fail_after(within) as scope:
            async with backend.connect(at) as link:
                found.dialect = _dialect(link)
                at(Phase.LIST)
                listing = await _listing(link)
                found.counts = {kind: len(entries) for kind, entries in listing.entries.items()}
                scope.deadline = anyio.current_time() + within
                at(Phase.SERVE)
                found.called = await _called(link, name, listing, rules)
    except TimeoutError:
        found.failure = backend.explain(phase, TimeoutError(f"no answer within {within:g} s"))
    except Exception as error:  # noqa: BLE001 whatever it is, it is what was looked for
        found.failure = backend.explain(phase, error)
    found.ended = anyio.current_time()
    found.stderr = tuple(line for line in backend.evidence.stderr if line)
    return found


def harmless_tool(tools: Iterable[Json]) -> str | None:
    """The first of `tools` that says it changes nothing, and needs no arguments."""
    return next((str(tool["name"]) for tool in tools if "name" in tool and _is_harmless(tool)), None)


def _is_harmless(tool: Json) -> bool:
    hints, schema, execution = (_object(tool.get(key)) for key in ("annotations", "inputSchema", "execution"))
    is_read_only = hints.get("readOnlyHint") is True and hints.get("destructiveHint") is not True
    needs_nothing = not schema.get("required") and schema.keys() - {"required"} <= _HARMLESS_KEYWORDS
    return is_read_only and needs_nothing and execution.get("taskSupport") != "required"


async def _listing(link: Link) -> Listing:
    return Listing({kind: tuple(await link.list(kind)) for kind in Kind}, link.capabilities)


def _dialect(link: Link) -> Dialect:
    info = link.session.server_info if isinstance(link, McpLink) else None
    about = f"{info.name} {info.version}".strip() if info else ""
    return Dialect(link.era, link.stateless, about, link.capabilities)


async def _called(link: Link, name: str, listing: Listing, rules: MergeRules) -> str:
    """Call what can have no effect: of the tools that are offered one that says so, else no tool at all."""
    offered = merge({name: listing}, rules).of(Kind.TOOL).values()
    tool = harmless_tool(entry.definition | {"name": entry.original} for entry in offered)
    if tool is None:
        try:
            await link.ping()
        except BackendError:
            return "it answers, though no ping"
        return "it answers server/discover" if link.stateless else "it answers a ping"
    result = await link.request(Request("tools/call", {"name": tool, "arguments": {}}))
    return f"tool {tool!r} answers{' with an error of its own' if result.get('isError') else ''}"


def _object(value: object) -> Json:
    return value if isinstance(value, dict) else {}
