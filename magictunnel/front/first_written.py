"""The first words for the next start: asked of a front like ours, so that they cannot be others, and kept in a file."""

from __future__ import annotations

import contextlib
import logging
import os
import re
from collections.abc import Collection, Mapping
from itertools import count
from pathlib import Path

import anyio
from anyio import to_thread
from mcp_types.version import HANDSHAKE_PROTOCOL_VERSIONS, MODERN_PROTOCOL_VERSIONS

from magictunnel.catalog.live import LiveCatalog
from magictunnel.catalog.model import Json
from magictunnel.config.discovery import DiscoveryConfig
from magictunnel.discovery.views import Views
from magictunnel.errors import CallError
from magictunnel.front.first_talk import CLIENT_CAPABILITIES, LISTS, PROTOCOL_VERSION
from magictunnel.front.first_words import MAX_SIZE, Files, name_of, pack, read_regular, view_name
from magictunnel.front.pipe import PipeClient
from magictunnel.front.server import FrontServer
from magictunnel.gateway import Gateway
from magictunnel.pipeline.call import Call
from magictunnel.store.place import words_path
from magictunnel.wire.audience import Audience
from magictunnel.wire.caller import Caller, no_limits
from magictunnel.wire.codec import Text, dumps
from magictunnel.wire.ours import is_ours

_CALM = 1.0
"""Seconds after a change for others that come with it."""
_PATIENCE = 10.0
"""Seconds for all answers, which need nobody else."""
_MAX_FILES = 64
"""Configs whose first words are kept; the one that was longest not written goes first."""
_NAME = re.compile(r"[0-9a-f]{32}")

logger = logging.getLogger(__name__)

Asked = tuple[str, str, Json]
"""The name of an answer, and the method and params that it answers."""


class _Still:
    """A gateway at one moment: it lists, and can do nothing else. See `front.handlers.Source`."""

    rights = staticmethod(no_limits)
    is_settled = True

    def __init__(self, gateway: Gateway, *, by_itself: bool) -> None:
        """`by_itself`: whether all its clients search long lists by themselves."""
        self.live = LiveCatalog(gateway.live.rules)
        self.live.current = gateway.live.current
        given = gateway.config.discovery
        discovery = given.model_copy(update={"deferring": ("*",) if by_itself else ()})
        self.views = _views(self.live, discovery)
        self.audience = Audience()
        self.express = gateway.express

    async def handle(self, call: Call) -> Json:
        """See `Source`."""
        raise CallError(f"{call.name} cannot be called now")

    async def follow(self, call: Call) -> None:
        """See `Source`."""

    async def settled(self) -> None:
        """See `Source`."""

    async def welcome(self, *, stateless: bool) -> None:
        """See `Source`."""

    async def settle_levels(self, session: str) -> None:
        """See `Source`."""

    async def tell_servers(self, session: str, method: str, params: Json, to: Collection[str] | None = None) -> None:
        """See `Source`."""

    async def unsubscribe(self, caller: Caller) -> None:
        """See `Source`."""

    def mask(self, text: str) -> str:
        """See `Source`."""
        return text


def _views(live: LiveCatalog, discovery: DiscoveryConfig) -> Views:
    return Views(live, lambda: discovery)


class _Ear:
    """Takes what a client would be sent."""

    is_full = False

    def __init__(self) -> None:
        self.lines: list[bytes] = []
        self._news = anyio.Event()

    def write(self, *pieces: Text) -> None:
        """See `peer.Outlet`."""
        self.lines.append(b"".join(pieces))
        self._news.set()

    async def next(self) -> bytes:
        """The next line, without its end."""
        while not self.lines:
            self._news = anyio.Event()
            await self._news.wait()
        return self.lines.pop(0).rstrip(b"\n")

    async def drained(self) -> None:
        """See `peer.Outlet`."""


async def answers_of(gateway: Gateway) -> Mapping[str, bytes]:
    """What a client would be answered first, by name; what it would be refused is left out."""
    answers: dict[str, bytes] = {}
    for by_itself in (False, True):
        server = FrontServer(_Still(gateway, by_itself=by_itself))
        view = view_name(by_itself=by_itself)
        for version in HANDSHAKE_PROTOCOL_VERSIONS if gateway.is_welcome(stateless=False) else ():
            answers |= await _said(server, _handshake(version, view))
        for version in MODERN_PROTOCOL_VERSIONS:
            answers |= await _said(server, _stateless(version, view, opens=gateway.is_welcome(stateless=True)))
    return answers


def _handshake(version: str, view: str) -> list[Asked]:
    about = {"protocolVersion": version, "capabilities": {}, "clientInfo": {"name": "next", "version": "0"}}
    opening = (name_of("initialize", version, view), "initialize", about)
    return [opening, *((name_of(method, "", view), method, {}) for method in ("ping", *LISTS))]


def _stateless(version: str, view: str, *, opens: bool) -> list[Asked]:
    meta = {"_meta": {PROTOCOL_VERSION: version, CLIENT_CAPABILITIES: {}}}
    methods = ("server/discover", *LISTS) if opens else LISTS
    return [(name_of(method, version, view), method, meta) for method in methods]


async def _said(server: FrontServer, asked: list[Asked]) -> dict[str, bytes]:
    """What `server` answers a client that asks this, one after the other."""
    ear = _Ear()
    client = PipeClient(server, ear)
    said: dict[str, bytes] = {}
    numbers = count()
    with anyio.fail_after(_PATIENCE):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(client.run)
            for name, method, params in asked:
                number = next(numbers)
                client.peer.received(dumps({"jsonrpc": "2.0", "id": number, "method": method, "params": params}))
                line = await ear.next()
                start = b'{"jsonrpc":"2.0","id":%d' % number
                if line.startswith(start + b',"result":') and b"\n" not in line:
                    said[name] = line.removeprefix(start)
            client.peer.end()
    return said


class Keeper:
    """Keeps what the next host is to be told at once that starts us with the same config."""

    def __init__(self, gateway: Gateway, environ: Mapping[str, str]) -> None:
        self._gateway = gateway
        self._has_place = bool(environ.get("MAGICTUNNEL_STORE"))
        """Whether the environment says where things are kept."""
        self._path = words_path(gateway.config.file, environ)
        self._turn = anyio.Lock()
        self._wake = anyio.Event()
        """Set when it may be something else by now."""
        self._wake.set()
        gateway.views.subscribe(lambda _differs: self._wake.set())
        gateway.hooks.append(lambda _name, _state: self._wake.set())

    async def run(self) -> None:
        """Write it again whenever it is something else, until cancelled."""
        await self._gateway.settled()
        while self._place is not None:
            await anyio.sleep(_CALM)
            await self.keep()
            await self._wake.wait()

    async def keep(self) -> None:
        """Write it now, if it may be something else, and all of it is known."""
        if (path := self._place) is None:
            return
        async with self._turn:
            if not self._wake.is_set():
                return
            self._wake = anyio.Event()
            try:
                await self._keep(path)
            except Exception as error:  # noqa: BLE001 whatever it is, the next host only waits a little longer
                logger.debug("what hosts are told at once is not kept: %r", error)

    @property
    def _place(self) -> Path | None:
        """Where it is written; None: nowhere, since it could not be used."""
        return self._path if self._gateway.rights is no_limits and is_ours() else None

    async def _keep(self, path: Path) -> None:
        config = self._gateway.config
        if config.store and not self._has_place:  # the next start cannot know of it before it has read the config
            await to_thread.run_sync(_removed, path)
        elif self._gateway.is_complete:
            content = pack(await answers_of(self._gateway), config.discovery.deferring, _absolute(config.digests))
            await to_thread.run_sync(_removed if content is None else _written, path, content or b"")


def _absolute(files: Files) -> Files:
    return tuple((os.path.abspath(file), digest) for file, digest in files)


def _removed(path: Path, _content: bytes = b"") -> None:
    path.unlink(missing_ok=True)


def _written(path: Path, content: bytes) -> None:
    """Have `path` hold this, whole or not at all, for nobody else to read."""
    if read_regular(path, MAX_SIZE, is_private=True) == content:
        return
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    beside.unlink(missing_ok=True)
    try:
        handle = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with open(handle, "wb") as file:
            file.write(content)
        os.replace(beside, path)
    finally:
        beside.unlink(missing_ok=True)
    _prune(path.parent)


def _is_ours(file: Path) -> bool:
    """Whether it is named as we name them: somebody may keep a folder of that name for something else."""
    return _NAME.fullmatch(file.name) is not None


def _prune(folder: Path) -> None:
    """Let go of what has not been written for longest, where there is too much."""
    with contextlib.suppress(OSError):
        files = sorted(filter(_is_ours, folder.iterdir()), key=lambda file: file.stat().st_mtime)
        for file in files[:-_MAX_FILES]:
            file.unlink(missing_ok=True)
