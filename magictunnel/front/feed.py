"""What workers tell each other: that a server offers something else. Whoever hears it looks for itself."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Mapping

import anyio

from magictunnel.backends.states import State
from magictunnel.catalog.digest import canonical
from magictunnel.catalog.model import Catalog, Kind
from magictunnel.errors import MagicTunnelError
from magictunnel.front.handoff import Handoff
from magictunnel.gateway import Gateway

COMPANY = 0.25
"""Seconds to wait after a change for others that come with it."""
_MAX_NAMED = 2_000
"""Servers in one piece of news."""

logger = logging.getLogger(__name__)


class Feed:
    """Tells the other workers of changes here, and has what they tell of looked at."""

    def __init__(self, gateway: Gateway, handoff: Handoff) -> None:
        self._gateway = gateway
        self._handoff = handoff
        self._seen = gateway.live.current
        self._rules = gateway.live.rules
        self._changed: set[str] = set()
        """Servers that the others are to be told of."""
        self._heard: set[str] = set()
        """Those to be listed again."""
        self._asked = ""
        """The one that is being listed again because of the others: what comes of it is no news to them."""
        self._wake = anyio.Event()
        gateway.live.subscribe(self._look)

    def _look(self, _kinds: frozenset[Kind]) -> None:
        was, self._seen = self._seen, self._gateway.live.current
        is_ruled, self._rules = self._rules is not self._gateway.live.rules, self._gateway.live.rules
        if is_ruled or not self._gateway.is_settled:
            return  # the others read the same config, and start as we do
        changed = changed_servers(was, self._seen) & self._gateway.status.keys()
        if news := changed - {self._asked}:
            self._changed |= news
            self._wake.set()

    def hear(self, news: bytes) -> None:
        """Take in what another worker tells. What we know already is no reason to look.

        Raises:
            ValueError: it is none of what workers tell.
        """
        told = json.loads(news)
        if not isinstance(told, dict) or len(told) > _MAX_NAMED:
            raise ValueError("these are no servers and what they offer")
        for name, offered in told.items():
            if name in self._gateway.status and offer(self._gateway.live.current, name) != offered:
                self._heard.add(name)
        self._wake.set()

    async def run(self) -> None:
        """Tell and look, until cancelled."""
        while True:
            await self._wake.wait()
            await anyio.sleep(COMPANY)
            self._wake = anyio.Event()
            changed, self._changed = sorted(self._changed)[:_MAX_NAMED], set()
            heard, self._heard = self._heard, set()
            if changed:
                catalog = self._gateway.live.current
                await self._handoff.tell(json.dumps({name: offer(catalog, name) for name in changed}).encode())
            for name in sorted(heard):
                await self._list_again(name)

    async def _list_again(self, name: str) -> None:
        status = self._gateway.status.get(name)
        if status is None or status.state not in (State.READY, State.DEGRADED):
            return  # what it offers is seen when it comes up
        self._asked = name
        try:
            await self._gateway.refresh(name)
        except MagicTunnelError as error:
            logger.info("%s: another worker saw it change, and it cannot be listed now: %s", name, error)
        finally:
            self._asked = ""


def changed_servers(was: Catalog, now: Catalog) -> set[str]:
    """Of those that are listed in both: who offers something else."""
    before, after = _by_owner(was), _by_owner(now)
    return {name for name in {*was.backends} & {*now.backends} if before.get(name) != after.get(name)}


def offer(catalog: Catalog, server: str) -> str:
    """What a server offers, as a digest."""
    offered = canonical(_by_owner(catalog).get(server, []))
    return hashlib.sha256(offered.encode("utf-8", "surrogatepass")).hexdigest()


def _by_owner(catalog: Catalog) -> Mapping[str, list[object]]:
    owned: dict[str, list[object]] = {}
    for kind in Kind:
        for entry in catalog.of(kind).values():
            owned.setdefault(entry.backend, []).append((kind.value, entry.original, entry.definition))
    return owned
