"""CapabilityBackend: one capability file, seen as a Backend. It may become another file while it serves."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import cached_property
from itertools import count

import anyio
from anyio import to_thread
from anyio.abc import TaskGroup

from magictunnel.backends.base import ANY_TERMS, AtPhase, Link, Request, Terms
from magictunnel.backends.local import LocalBackend
from magictunnel.capabilities.base import Output, Site, Tell
from magictunnel.capabilities.content.prompts import Prompts
from magictunnel.capabilities.content.resources import Resources
from magictunnel.capabilities.content.result import failure, result_of
from magictunnel.capabilities.content.spill import Spills
from magictunnel.capabilities.language.expression import MISSING
from magictunnel.capabilities.language.model import CapabilityFile, Tool
from magictunnel.capabilities.ways import Ways
from magictunnel.catalog.model import Json, Kind, Listing
from magictunnel.errors import BadParams, MethodNotOffered, RunError, UnknownEntry

_LARGE = 256 * 1024
PROGRESS = "notifications/progress"


class CapabilityBackend(LocalBackend):
    """Offers what a file declares. See `Backend`."""

    def __init__(self, name: str, file: CapabilityFile, site: Site) -> None:
        self._spills = Spills(name)
        self._version = Version(file, site, self._spills)
        self._tasks: TaskGroup | None = None
        """While it is connected."""
        super().__init__(name, lambda: self._version.listing, self._answered)

    def become(self, file: CapabilityFile, site: Site) -> None:
        """Offer what another file declares. Calls that are under way end as they began."""
        former, self._version = self._version, Version(file, site, self._spills)
        if former.is_idle and self._tasks is not None:
            self._tasks.start_soon(former.close)

    @property
    def directories(self) -> tuple[str, ...]:
        """The folders whose files it offers."""
        return self._version.directories

    def look(self) -> bool:
        """Look into its folders again; whether it offers something else now."""
        before = self._version.listing
        del self._version.listing
        return not self._version.listing.is_like(before)

    @asynccontextmanager
    async def connect(self, at: AtPhase, terms: Terms = ANY_TERMS) -> AsyncIterator[Link]:
        """See `Backend.connect`."""
        async with super().connect(at, terms) as link, anyio.create_task_group() as self._tasks:
            try:
                yield link
            finally:
                self._tasks = None
                with anyio.CancelScope(shield=True):
                    await self._version.close()

    async def _answered(self, request: Request) -> Json:
        version = self._version
        try:
            return await version.answer(request)
        finally:
            if version is not self._version and version.is_idle:
                with anyio.CancelScope(shield=True):
                    await version.close()


class Version:
    """A file as it is at one time, and for as long as calls of it are under way."""

    def __init__(self, file: CapabilityFile, site: Site, spills: Spills) -> None:
        self._file = file
        self._folder = site.folder
        self._tools = {tool.name: tool for tool in file.tools if tool.enabled}
        self._ways = ways = Ways(file, site)
        self._resources = Resources(file, site.folder, ways.http.fetch, ways.http.run)
        self._prompts = Prompts(file, site.folder, self._resources.read)
        self._spills = spills
        self._under_way = 0

    @cached_property
    def listing(self) -> Listing:
        """What it offers, with the files that its directories had when they were looked into last."""
        entries = {
            Kind.TOOL: tuple(map(definition, self._tools.values())),
            Kind.PROMPT: self._prompts.listed(),
            Kind.RESOURCE: self._resources.listed(),
            Kind.TEMPLATE: self._resources.templates(),
        }
        offered = {kind.capability: {"listChanged": True} for kind, found in entries.items() if found}
        if self._tools:  # what is too large of a result can be read
            offered.setdefault("resources", {})
        return Listing(entries, offered, self._file.instructions)

    @property
    def directories(self) -> tuple[str, ...]:
        """The folders whose files it offers."""
        named = (resource.directory for resource in self._file.resources if resource.directory)
        return tuple(str(self._folder / path) for path in named)

    @property
    def is_idle(self) -> bool:
        """Whether no call of it is under way."""
        return self._under_way == 0

    async def close(self) -> None:
        """Close its connections."""
        await self._ways.aclose()

    async def answer(self, request: Request) -> Json:
        """Answer one request.

        Raises:
            CallError: there is nothing of that name, or it cannot be answered.
        """
        self._under_way += 1
        try:
            match request.method:
                case "tools/call":
                    return await self._called(request)
                case "prompts/get":
                    return await self._prompts.got(_text(request, "name"), request.params.get("arguments"))
                case "resources/read":
                    uri = _text(request, "uri")
                    return self._spills.read(uri) or await self._resources.read(uri)
                case "completion/complete":
                    return {"completion": {"values": []}}
            raise MethodNotOffered(request.method)
        finally:
            self._under_way -= 1

    async def _called(self, request: Request) -> Json:
        name = _text(request, "name")
        tool = self._tools.get(name)
        if tool is None:
            raise UnknownEntry("tool", name)
        try:
            output = await self._ways.run(tool, request.params.get("arguments"), request, _telling(request))
        except RunError as error:
            return failure(error)
        if len(output.body) < _LARGE and output.value is MISSING:
            return self._fitted(tool, output)
        return await to_thread.run_sync(self._fitted, tool, output)  # or nobody else would be answered meanwhile

    def _fitted(self, tool: Tool, output: Output) -> Json:
        return self._spills.fit(result_of(output, has_schema=tool.output_schema is not None), tool.spill)


def definition(tool: Tool) -> Json:
    """A tool as it is listed."""
    meta = tool.meta | ({"tags": list(tool.tags)} if tool.tags else {})
    told = {
        "title": tool.title,
        "description": tool.description or None,
        "outputSchema": tool.output_schema,
        "annotations": tool.annotations or None,
        "icons": list(tool.icons) or None,
        "_meta": meta or None,
    }
    shown = {key: value for key, value in told.items() if value is not None}
    return {"name": tool.name, "inputSchema": tool.input_schema} | shown


def _text(request: Request, key: str) -> str:
    value = request.params.get(key)
    if not isinstance(value, str):
        raise BadParams(f"{key} must be a string")
    return value


def _telling(request: Request) -> Tell:
    """Tells whoever calls how far its call is."""
    numbers = count(1)

    async def tell(line: str) -> None:
        await request.caller.back.tell(PROGRESS, {"progress": next(numbers), "message": line})

    return tell
