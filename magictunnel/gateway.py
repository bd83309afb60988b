"""Composition root: builds all parts from a Config and owns the task group they run in."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import lru_cache

import anyio

from magictunnel.backends.base import Backend
from magictunnel.backends.mcp import McpBackend
from magictunnel.backends.pool import Pool
from magictunnel.backends.states import Limits, Status
from magictunnel.backends.supervisor import Supervisor
from magictunnel.catalog.links import Links
from magictunnel.catalog.live import LiveCatalog
from magictunnel.catalog.model import Conflict, Entry, Kind, Listing
from magictunnel.config.model import Config
from magictunnel.config.rules import is_needed, merge_rules, settings_of
from magictunnel.pipeline import pipeline
from magictunnel.pipeline.call import Handler
from magictunnel.pipeline.patience import CallLimits
from magictunnel.router import LimitsOf, Router
from magictunnel.secrets import Secrets
from magictunnel.subscriptions import Subscriptions
from magictunnel.wire.audience import Audience

_GREETING = 1.0
"""Seconds that a host which started us may take to say its first word."""

logger = logging.getLogger(__name__)


class Gateway:
    """One MCP server's worth of many: the live catalog, and the one way into it."""

    def __init__(
        self,
        config: Config,
        secrets: Secrets,
        live: LiveCatalog,
        audience: Audience,
        pool: Pool,
        router: Router,
        subscriptions: Subscriptions,
    ) -> None:
        self.config = config
        self.secrets = secrets
        self.live = live
        self.audience = audience
        """The client sessions that are connected."""
        self.handle: Handler = pipeline(router)
        """Takes every Call, through the whole pipeline, to its result."""
        self.follow = router.follow
        self.unsubscribe = subscriptions.drop
        self.settle_levels = pool.settle_levels
        self.welcome = pool.welcome
        self.tell_servers = pool.tell
        self._pool = pool
        self._greets = False
        self._settled = anyio.Event()

    def mask(self, text: str) -> str:
        """`text` without any secret that was given to a server."""
        return self.secrets.mask(text)

    @property
    def status(self) -> Mapping[str, Status]:
        """Each backend's status, by name."""
        return self._pool.status

    def timeout_of(self, entry: Entry) -> float:
        """Seconds that a call of `entry` may take."""
        return settings_of(self.config, entry.backend, entry.kind, entry.original).timeout

    @property
    def is_settled(self) -> bool:
        """Whether `settled` would return at once."""
        return self._settled.is_set()

    async def settled(self) -> None:
        """Wait until every server is up or has failed once; at most `start_wait` seconds from the start on."""
        await self._settled.wait()

    def greet(self) -> None:
        """Before servers are opened, wait a moment for a client to say what it can do: one is about to."""
        self._greets = True
        self.audience.grows = False

    async def run(self) -> None:
        """Keep all backends alive until cancelled. For the one client that started us, they are opened as it is."""
        with anyio.move_on_after(_GREETING if self._greets else 0):
            await self.audience.met()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._pool.run, name="pool")
            await self._pool.settled(self.config.start_wait)
            self._settled.set()


def build(
    config: Config,
    *,
    secrets: Secrets | None = None,
    backends: Sequence[Backend] = (),
    audience: Audience | None = None,
) -> Gateway:
    """Put a gateway together: a backend for each server of `config`, and `backends` of our own beside them.

    `audience`: whom it serves, where that is known beforehand.
    """
    secrets = secrets or own_secrets()
    live = LiveCatalog(merge_rules(config))
    publish = publisher(live)
    servers = [
        McpBackend(name, server, secrets) for name, server in config.servers.items() if is_needed(server, config)
    ]
    audience = audience or Audience(grows=True)
    links = Links(lambda: live.rules)
    subscriptions = Subscriptions(
        lambda name: pool.get(name).followed, lambda name, uri: links.publish(live.current, name, uri)
    )
    pool = Pool(
        Supervisor(backend, _limits(config, backend.name), publish, audience, subscriptions)
        for backend in (*servers, *backends)
    )
    router = Router(pool, links, subscriptions, audience, limits_of=_limits_of(config), rules=lambda: live.rules)
    return Gateway(config, secrets, live, audience, pool, router, subscriptions)


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
    """Takes listings into the catalog, and logs each conflict that comes of it once."""
    told: set[Conflict] = set()

    def publish(backend: str, listing: Listing | None) -> None:
        live.replace(backend, listing)
        for conflict in live.current.conflicts:
            if conflict not in told:
                told.add(conflict)
                logger.warning("%s", conflict)

    return publish


def own_secrets() -> Secrets:
    """The environment, and `MAGICTUNNEL_PYTHON`: the interpreter we run on, for servers that are written in Python."""
    return Secrets({"MAGICTUNNEL_PYTHON": sys.executable, **os.environ})


def _limits(config: Config, server: str) -> Limits:
    settings = settings_of(config, server)
    return Limits(settings.start_timeout, settings.grace, settings.session, settings.ask_timeout, settings.poll)


def _limits_of(config: Config) -> LimitsOf:
    @lru_cache(4_096)
    def limits_of(backend: str, kind: Kind | None, name: str) -> CallLimits:
        settings = settings_of(config, backend, kind, name)
        return CallLimits(settings.timeout, settings.ask_timeout)

    return limits_of
