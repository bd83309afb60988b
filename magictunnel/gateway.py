"""Composition root: builds all parts from a Config and owns the task group they run in."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import anyio

from magictunnel.backends.base import Backend
from magictunnel.backends.local import LocalBackend
from magictunnel.backends.mcp import McpBackend
from magictunnel.backends.pool import Pool
from magictunnel.backends.standing import OnState
from magictunnel.backends.states import Limits, State, Status, limits_for
from magictunnel.backends.stats import Stats
from magictunnel.backends.supervisor import Supervisor
from magictunnel.capabilities.declared import with_problems
from magictunnel.capabilities.shelf import Shelf
from magictunnel.catalog.find import everything_of
from magictunnel.catalog.links import Links
from magictunnel.catalog.live import LiveCatalog
from magictunnel.catalog.model import Conflict, Entry, Json, Kind, Listing
from magictunnel.config.changes import Changes, changes, identity, settled
from magictunnel.config.discovery import DISCOVERY, Mode
from magictunnel.config.model import Config, Problem
from magictunnel.config.rules import longest_call, merge_rules, needed, settings_of
from magictunnel.discovery.backend import Discovery
from magictunnel.discovery.usage import Usage
from magictunnel.discovery.views import Views
from magictunnel.express import Express
from magictunnel.pipeline import pipeline
from magictunnel.pipeline.call import Handler
from magictunnel.pipeline.patience import CallLimits
from magictunnel.router import Router
from magictunnel.secrets import Secrets
from magictunnel.store.memory import Memory
from magictunnel.subscriptions import Subscriptions
from magictunnel.wire.audience import Audience
from magictunnel.wire.caller import Rights, no_limits
from magictunnel.wire.guard import Guard

if TYPE_CHECKING:
    from magictunnel.discovery.vectors import Vectors

_OWN_LIMITS = Limits(start_timeout=30.0, grace=0.0)
_GREETING = 1.0
"""Seconds that a host which started us may take to say its first word."""

logger = logging.getLogger(__name__)


class Gateway:
    """One MCP server's worth of many: the live catalog, and the one way into it."""

    def __init__(
        self,
        config: Config,
        secrets: Secrets,
        audience: Audience,
        memory: Memory,
        own: Sequence[Backend],
        rights: Rights,
        store: Path | None,
    ) -> None:
        self.config = config
        self.secrets = secrets
        self.rights = rights
        """What each client may use."""
        self.audience = audience
        """The client sessions that are connected."""
        self.live = LiveCatalog(merge_rules(config))
        self.live.subscribe(_tell_of_change)
        self.views = Views(self.live, lambda: self.config.discovery)
        """What each client is shown."""
        self._publish = publisher(self.live)
        self._memory = memory
        self._guard = Guard()
        self._pool = pool = Pool()
        links = Links(lambda: self.live.rules)
        self._subscriptions = Subscriptions(
            lambda name: pool.get(name).followed, lambda name, uri: links.publish(self.live.current, name, uri)
        )
        self._limits_of = lru_cache(4_096)(self._limits)
        router = Router(
            pool, links, self._subscriptions, audience, limits_of=self._limits_of, rules=lambda: self.live.rules
        )
        self.handle: Handler = pipeline(router)
        """Takes every Call, through the whole pipeline, to its result."""
        self.express = Express(self.live, pool, router.outward, self._limits_of)
        """Begins a call for which no task is needed."""
        self.follow = router.follow
        self.unsubscribe = self._subscriptions.drop
        self.settle_levels = pool.settle_levels
        self.welcome = pool.welcome
        self.tell_servers = pool.tell
        self.hooks: list[OnState] = []
        """Told, synchronously, of each server that comes into another state. See also `live.subscribe`."""
        self._greets = False
        self._settled = anyio.Event()
        self._usage = Usage(self.live, store)
        self.vectors = self._made_vectors(store)
        """Of what is offered; None: things are found by their words."""
        self._discovery = Discovery(
            self.live, lambda: self.config.discovery, lambda: self.handle, self._usage, self.vectors, secrets
        )
        for backend in (*map(self._backend, needed(config)), *own):
            pool.add(self._supervisor(backend))
        self.shelf = Shelf(secrets, self._guard, self.live, lambda: self.handle, self.settled)
        self._declare(config)
        self._discover(is_wanted=config.discovery.mode is not Mode.OFF)

    @property
    def discovery_facts(self) -> Json:
        """How tools are found here, for the person who runs it."""
        vectors = self.vectors
        if vectors is None:
            return self.views.facts | {"embeddings": None}
        done, wanted = vectors.progress
        made = {"done": done, "wanted": wanted, "is_ready": vectors.is_ready, "failed": vectors.failed}
        return self.views.facts | {"embeddings": made}

    def _made_vectors(self, store: Path | None) -> Vectors | None:
        wanted = self.config.discovery.embeddings
        if wanted is None:
            return None
        from magictunnel.discovery.embedding import open_embedder
        from magictunnel.discovery.vectors import Vectors

        base = Path(self.config.file).parent
        vectors = Vectors(lambda: open_embedder(wanted, self.secrets, base), store, mask=self.mask)
        self.live.subscribe(lambda _kinds: vectors.wanted(everything_of(self.live.current)))
        return vectors

    def _discover(self, *, is_wanted: bool) -> None:
        """Have the tools of discovery offered, or not."""
        is_there = DISCOVERY in self._pool.status
        offered = self._discovery.backend.offered() if is_wanted else None
        if is_there and not is_wanted:
            self._pool.remove(DISCOVERY)
        elif is_wanted and not is_there:
            self._keep(self._discovery.backend)
        self.live.replace(DISCOVERY, offered)

    def _keep(self, backend: LocalBackend) -> None:
        """Keep a backend of our own, which needs no start."""
        supervisor = Supervisor(backend, _OWN_LIMITS, self._publish, self.audience)
        supervisor.listed.recall(backend.offered())
        self._pool.add(supervisor)

    def _declare(self, config: Config) -> tuple[str, ...]:
        """Offer what the capability files of `config` declare now; the names of those that are others now."""
        what = self.shelf.update(config)
        self.live.rule(self.shelf.ruled(merge_rules(config)))
        for name in what.removed:
            self._remove(name)
        for backend in what.added:
            self._keep(backend)
        for backend in (*what.added, *what.changed):
            self.live.replace(backend.name, backend.offered())
        for backend in what.changed:
            backend.changed(*Kind)
        return what.names

    def _remove(self, name: str) -> None:
        self._pool.remove(name)
        self._subscriptions.forget(name)
        self.live.replace(name, None)

    def mask(self, text: str) -> str:
        """`text` without any secret that was given to a server."""
        return self.secrets.mask(text)

    @property
    def status(self) -> Mapping[str, Status]:
        """Each server's status, by name."""
        return _of_servers(self._pool.status)

    @property
    def stats(self) -> Mapping[str, Stats]:
        """What the calls of each server came to, by name."""
        return _of_servers(self._pool.stats)

    def timeout_of(self, entry: Entry) -> float:
        """Seconds that a call of `entry` may take."""
        return settings_of(self.config, entry.backend, entry.kind, entry.original).timeout

    @property
    def is_settled(self) -> bool:
        """Whether `settled` would return at once."""
        return self._settled.is_set()

    @property
    def is_complete(self) -> bool:
        """Whether it is known of every server what it offers."""
        return self._pool.is_known

    def is_welcome(self, *, stateless: bool) -> bool:
        """Whether `welcome` would learn nothing more of that era."""
        return self._pool.is_welcome(stateless=stateless)

    async def settled(self) -> None:
        """Wait until it is known of every server what it offers, or that it fails; `start_wait` seconds at most."""
        await self._settled.wait()

    def greet(self) -> None:
        """Before servers are opened, wait a moment for a client to say what it can do: one is about to."""
        self._greets = True
        self.audience.grows = False

    async def run(self) -> None:
        """Keep all backends alive until cancelled. For the one client that started us, they are opened as it is."""
        with self._guard:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._memory.run, name="memory")
                tasks.start_soon(self._usage.run, name="usage")
                tasks.start_soon(self._discovery.run, self._is_searched, name="index")
                if self.vectors is not None:
                    tasks.start_soon(self.vectors.run, name="vectors")
                await self._recall()
                with anyio.move_on_after(_GREETING if self._greets else 0):
                    await self.audience.met()
                tasks.start_soon(self._pool.run, name="pool")
                await self._pool.settled(self.config.start_wait)
                self._settled.set()

    async def _recall(self) -> None:
        """List what servers offered last time: if that is known of all, nobody has to wait for any."""
        wanted = self._identities()
        known = await self._memory.load(wanted)
        still = self._identities()  # the config may be another one by now
        for name, listing in known.items():
            if still.get(name) == wanted[name]:
                self._pool.get(name).listed.recall(listing)
                self._publish(name, listing)
        if self._pool.is_known:
            self._settled.set()

    def _identities(self) -> dict[str, str]:
        return {name: identity(self.config.servers[name]) for name in needed(self.config)}

    def apply(self, new: Config) -> Changes:
        """Go by another config from now on. What is the same in it is not touched; what changes has a moment to end.

        A server that cannot be used as it is written now goes on as it was.
        """
        new = settled(self.config, new)
        what = changes(self.config, new)
        self.config = new
        self._limits_of.cache_clear()
        is_discovered = new.discovery.mode is not Mode.OFF
        if not is_discovered:  # while it is known whose tools these are
            self._discover(is_wanted=False)
        what = replace(what, declared=self._declare(new))
        running = self._pool.status.keys()
        for name in {*what.removed, *what.restarted} & running - set(needed(new)):
            self._remove(name)
        for name in needed(new):
            if name in what.restarted or name not in running:
                self._pool.add(self._supervisor(self._backend(name)))
        for name in set(what.kept) & set(needed(new)):
            self._pool.get(name).patience = longest_call(new, name)
        if is_discovered:
            self._discover(is_wanted=True)
        self._pool.order(new.servers)
        self.views.look()
        return what

    def blame(self, problem: Problem) -> None:
        """The config as it is written now cannot be used at all: told among its problems, until another one can."""
        others = tuple(one for one in self.config.problems if one.server or one.file != self.config.file)
        self.config = self.config.model_copy(update={"problems": (*others, problem)})

    def _is_searched(self) -> bool:
        """Whether clients will probably search, by how much there is."""
        discovery = self.config.discovery
        is_much = len(self.live.current.of(Kind.TOOL)) > discovery.max_tools
        return discovery.mode is Mode.SEARCH or (is_much and discovery.mode is Mode.AUTO)

    def restart(self, name: str) -> None:
        """Open a server anew. Raises BackendUnavailable: there is none of that name."""
        self._pool.get(name).restart()

    async def refresh(self, name: str) -> None:
        """List a server again, now. Raises CallError: there is none of that name, it is down, or cannot be listed."""
        self.shelf.look(name)
        await self._pool.get(name).refresh()

    async def tried(self, name: str) -> Status:
        """The status of a server once its current attempt has ended, well or badly."""
        return await self._pool.get(name).tried()

    def _limits(self, backend: str, kind: Kind | None, name: str) -> CallLimits:
        if backend == DISCOVERY:  # what is called through it has limits of its own
            return CallLimits(float("inf"), settings_of(self.config, backend).ask_timeout)
        settings = settings_of(self.config, backend, kind, name)
        declared = self.shelf.now.timeout_of(backend, name) if kind is Kind.TOOL else None
        return CallLimits(declared or settings.timeout, settings.ask_timeout)

    def _backend(self, name: str) -> Backend:
        return McpBackend(name, self.config.servers[name], self.secrets, self._guard)

    def _supervisor(self, backend: Backend) -> Supervisor:
        limits = limits_for(self.config, backend.name)
        return Supervisor(backend, limits, self._listed, self.audience, self._subscriptions, self._stepped)

    def _listed(self, name: str, listing: Listing | None) -> None:
        self._publish(name, listing)
        if listing is not None and name in self.config.servers:
            self._memory.note(name, identity(self.config.servers[name]), listing)

    def _stepped(self, name: str, state: State) -> None:
        for hook in self.hooks:
            try:
                hook(name, state)
            except Exception:
                logger.exception("a hook failed at %s, %s", name, state)


def build(
    config: Config,
    *,
    secrets: Secrets | None = None,
    backends: Sequence[Backend] = (),
    audience: Audience | None = None,
    store: Path | None = None,
    rights: Rights = no_limits,
) -> Gateway:
    """Put a gateway together: a backend for each server of `config`, and `backends` of our own beside them.

    `audience`: whom it serves, where that is known beforehand. `store`: the file that keeps what servers offered, and
    what became of it. `rights`: what each client may use.
    """
    audience = audience or Audience(grows=True)
    config = with_problems(config)
    return Gateway(config, secrets or own_secrets(), audience, Memory(store), backends, rights, store)


@asynccontextmanager
async def running(gateway: Gateway) -> AsyncIterator[Gateway]:
    """Run `gateway` while the block lasts; every process and connection of it is gone afterwards."""
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(gateway.run, name="gateway")
        try:
            yield gateway
        finally:
            tasks.cancel_scope.cancel()


def publisher(live: LiveCatalog) -> Callable[[str, Listing | None], None]:
    """Takes listings into the catalog, and logs each conflict that comes of it once for as long as it lasts."""
    told: set[Conflict] = set()

    def publish(backend: str, listing: Listing | None) -> None:
        nonlocal told
        live.replace(backend, listing)
        before, told = told, set(live.current.conflicts)
        for conflict in live.current.conflicts:
            if conflict not in before:
                logger.warning("%s", conflict)

    return publish


def _tell_of_change(kinds: frozenset[Kind]) -> None:
    logger.info("the catalog has changed: %s", ", ".join(f"{kind.word}s" for kind in Kind if kind in kinds))


T = TypeVar("T")


def _of_servers(found: Mapping[str, T]) -> Mapping[str, T]:
    """Without what we keep for ourselves."""
    return {name: one for name, one in found.items() if name != DISCOVERY}


def own_secrets() -> Secrets:
    """The environment, and `MAGICTUNNEL_PYTHON`: the interpreter we run on, for servers that are written in Python."""
    return Secrets({"MAGICTUNNEL_PYTHON": sys.executable, **os.environ})
