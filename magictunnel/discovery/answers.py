"""What the tools of discovery answer: they find, describe and call others."""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime

from magictunnel.backends.base import Request
from magictunnel.catalog.live import LiveCatalog
from magictunnel.catalog.model import Entry, Json, Kind
from magictunnel.config.discovery import DiscoveryConfig
from magictunnel.discovery import code
from magictunnel.discovery.asked import (
    KINDS,
    CallAsked,
    DescribeAsked,
    FindAsked,
    Mistake,
    ScriptAsked,
    SmartAsked,
    asked,
)
from magictunnel.discovery.calling import Calling
from magictunnel.discovery.effects import Effect
from magictunnel.discovery.filler import Filler
from magictunnel.discovery.finder import Finder
from magictunnel.discovery.replies import Bound, found_reply, mistake, reply, use_of
from magictunnel.discovery.scripts import no_scripts, script_limits
from magictunnel.discovery.search import Scope
from magictunnel.discovery.smart import Smart
from magictunnel.discovery.usage import Event, Usage
from magictunnel.discovery.vectors import Vectors
from magictunnel.errors import MethodNotOffered
from magictunnel.pipeline.call import Handler
from magictunnel.secrets import Secrets
from magictunnel.wire.caller import Caller

SCRIPTS = 4
SCRIPTS_EACH = 2
"""Scripts that run at a time, each in a process of its own: of all clients, and of one."""
MAX_SAID = 4_000
"""Characters of a server's instructions that are told with its tools."""

Tool = Callable[[Json, Request], Awaitable[Json]]


class Answers:
    """Answers the tools that `tools.listing` lists."""

    def __init__(
        self,
        live: LiveCatalog,
        config: Callable[[], DiscoveryConfig],
        handle: Callable[[], Handler],
        usage: Usage,
        vectors: Vectors | None,
        secrets: Secrets,
        now: Callable[[], datetime],
    ) -> None:
        """See `Discovery`."""
        self._live = live
        self._config = config
        self._finder = finder = Finder(live, usage, vectors)
        self._usage = usage
        self._calling = Calling(live, handle, usage)
        self._smart = Smart(finder, self._calling, usage, config, Filler(config, secrets), now)
        self._scripts: Counter[str] = Counter()
        """How many of each client run."""
        self._tools: Mapping[str, Tool] = {
            "find_tools": self._find,
            "describe_tools": self._describe,
            "smart_tool_discovery": self._be_smart,
            "run_script": self._run,
            **{effect.door: self._door(effect) for effect in Effect},
        }

    async def index(self) -> None:
        """Have what is offered now indexed."""
        await self._finder.current()

    async def answer(self, request: Request) -> Json:
        """Answer one call of one of the tools.

        Raises:
            CallError: as a direct call of the tool that is called through it.
        """
        tool = self._tools.get(str(request.params.get("name")))
        if request.method != "tools/call" or tool is None:
            raise MethodNotOffered(request.method)
        try:
            return await tool(request.params.get("arguments") or {}, request)
        except Mistake as error:
            return mistake(str(error))

    async def _find(self, arguments: Json, request: Request) -> Json:
        wanted = asked(FindAsked, arguments)
        servers = frozenset({self._server(wanted.server, request.caller)}) if wanted.server else None
        tags = frozenset({wanted.tag}) if wanted.tag else None
        scope = Scope(kinds=KINDS[wanted.kind], servers=servers, tags=tags)
        found = await self._finder.find(wanted.request, request.caller, scope, wanted.limit)
        self._usage.note(Event.SHOWN, [one.entry for one in found.whole.ranked])
        return reply(found_reply(found, wanted.detail))

    def _server(self, name: str, caller: Caller) -> str:
        """The backend that a client calls `name`, among those whose tools it may use.

        Raises:
            Mistake: there is none.
        """
        catalog = self._live.current
        entries = (entry for kind in Kind for entry in catalog.of(kind).values() if caller.allows(entry))
        known = {self._live.rules.of(backend).alias: backend for backend in {entry.backend for entry in entries}}
        known |= {backend: backend for backend in known.values()}
        if found := known.get(name) or {key.lower(): backend for key, backend in known.items()}.get(name.lower()):
            return found
        near = difflib.get_close_matches(name[:64], known, n=3) or sorted(known)[:20]
        raise Mistake(f"there is no server {name[:64]!r} (there are: {', '.join(near)})")

    async def _describe(self, arguments: Json, request: Request) -> Json:
        wanted = asked(DescribeAsked, arguments)
        found: list[Entry] = []
        unknown: list[str] = []
        for name in dict.fromkeys(wanted.names):
            entry = self._calling.known(name, request.caller)
            found.append(entry) if entry else unknown.append(name)
        self._usage.note(Event.SHOWN, found)
        catalog = self._live.current
        said = {entry.backend: catalog.said.get(entry.backend, "")[:MAX_SAID] for entry in found}
        bound = Bound()
        told: Json = {
            "tools": [{"name": entry.name, "use": use_of(entry)} | bound.fits(entry.definition) for entry in found]
        }
        if found and not no_scripts(self._config().code):
            told["signatures"] = code.signatures(found)
        if instructions := {server: text for server, text in said.items() if text}:
            told["servers_say"] = instructions
        if unknown:
            told["unknown"] = unknown
        return reply(told, is_error=not found)

    def _door(self, effect: Effect) -> Tool:
        async def call(arguments: Json, request: Request) -> Json:
            wanted = asked(CallAsked, arguments)
            return await self._calling.through(effect, wanted.name, wanted.arguments or {}, request)

        return call

    async def _be_smart(self, arguments: Json, request: Request) -> Json:
        return await self._smart.answer(asked(SmartAsked, arguments), request)

    async def _run(self, arguments: Json, request: Request) -> Json:
        if why := no_scripts(self._config().code):
            raise Mistake(why)
        wanted = asked(ScriptAsked, arguments)

        async def call(entry: Entry, given: Json) -> Json:
            return await self._calling.whole(entry, given, request)

        tools = self._calling.permitted(request.caller)
        with self._one_script(request.caller):
            return await code.run_script(wanted.code, tools, call, script_limits(self._config().code))

    @contextmanager
    def _one_script(self, caller: Caller) -> Iterator[None]:
        """While one more script of a client runs. Raises Mistake: too many do."""
        who = caller.session or caller.name
        if self._scripts.total() >= SCRIPTS or self._scripts[who] >= SCRIPTS_EACH:
            raise Mistake(f"{self._scripts.total()} scripts run already: try again when one of them has ended")
        self._scripts[who] += 1
        try:
            yield
        finally:
            self._scripts[who] -= 1
            self._scripts += Counter()  # without those who have none any more
