"""Exchanges with one server: a request, its response, and the redirect between them that may be followed."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Mapping
from typing import Any, Protocol

from magictunnel.wire.http1.address import Address
from magictunnel.wire.http1.connection import SMALL, Connection, Receiver
from magictunnel.wire.http1.head import Head, head, start_of_head, without
from magictunnel.wire.http1.pool import Pool

_NONE: frozenset[str] = frozenset()


class Awaited(Receiver, Protocol):
    """Takes a response for whoever waits for it."""

    connection: Connection | None
    address: Address | None
    """Where the request was sent."""

    @property
    def outcome(self) -> asyncio.Future[Any]: ...

    @property
    def head(self) -> Head: ...

    def renew(self) -> None:
        """Take another response instead."""
        ...

    def abandon(self) -> None:
        """Nobody waits any more."""
        ...


class Client:
    """Whatever is sent goes to one origin, with the headers that were configured for it."""

    def __init__(self, address: Address, configured: Mapping[str, str]) -> None:
        """Raises BadHeader if the address or a header has characters that HTTP does not allow."""
        self.address = address
        self._configured = {name.lower(): value for name, value in configured.items()}
        self._starts: dict[tuple[str, frozenset[str]], str] = {}
        self._pool = Pool(address)
        self._start("POST", {})

    def close(self) -> None:
        """End all connections."""
        self._pool.close()

    async def exchange(self, method: str, fields: Mapping[str, str], body: bytes | None, reply: Awaited) -> Any:
        """Send a request, and wait for what becomes of it: the outcome of `reply`.

        Raises:
            BadHeader: one of `fields` is none. Nothing was sent.
            Unreachable: nothing was sent.
        """
        try:
            if (rest := self._send(method, fields, body, reply)) is not None:
                await rest
        except asyncio.CancelledError:
            reply.abandon()
            raise
        return await self.outcome(method, fields, body, reply)

    def begin(self, fields: Mapping[str, str], body: bytes, reply: Awaited) -> bool:
        """Send a POST at once. False: that would take a new connection, or more than one write.

        Raises:
            BadHeader: one of `fields` is none. Nothing was sent.
        """
        whole = head(self._start("POST", fields), fields, len(body))
        connection = self._pool.take() if len(body) <= SMALL else None
        if connection is None:
            return False
        reply.connection, reply.address = connection, self.address
        connection.send(whole, body, reply)
        return True

    async def outcome(self, method: str, fields: Mapping[str, str], body: bytes | None, reply: Awaited) -> Any:
        """What becomes of a request that was sent. Raises Unreachable: nobody is where a redirect leads."""
        try:
            outcome = await reply.outcome
            if 300 <= reply.head.status < 400 and self._follow(reply):
                reply.renew()
                if (rest := self._send(method, fields, body, reply)) is not None:
                    await rest
                outcome = await reply.outcome
        except asyncio.CancelledError:
            reply.abandon()
            raise
        return outcome

    def refusal(self, head: Head) -> str:
        """Why the redirect that this response is was not followed; empty if it is none."""
        return self.address.refusal(head.status, head.get(b"location"))

    def _send(
        self, method: str, fields: Mapping[str, str], body: bytes | None, reply: Awaited
    ) -> Awaitable[None] | None:
        """Send a request. What is returned ends when all of it is written; None: it is."""
        whole = head(self._start(method, fields), fields, None if body is None else len(body))
        connection = self._pool.take()
        reply.address = self.address
        if connection is None:
            return self._send_anew(whole, body or b"", reply)
        reply.connection = connection
        return connection.send(whole, body or b"", reply)

    async def _send_anew(self, whole: bytes, body: bytes, reply: Awaited) -> None:
        """Send a request over a new connection, if it is still wanted by then."""
        connection = await self._pool.connect()
        if reply.outcome.done():
            connection.close()
            return
        reply.connection = connection
        if (rest := connection.send(whole, body, reply)) is not None:
            await rest

    def _start(self, method: str, fields: Mapping[str, str]) -> str:
        """What the head begins with; what a message says itself counts for more than what was configured."""
        overlap = frozenset(self._configured.keys() & fields.keys()) if self._configured else _NONE
        start = self._starts.get((method, overlap))
        if start is None:
            start = start_of_head(method, self.address, without(self._configured, overlap))
            self._starts[method, overlap] = start
        return start

    def _follow(self, reply: Awaited) -> bool:
        """Go where a redirect leads, now and from now on, if that is within our origin: nothing has been executed."""
        left, head = reply.address, reply.head
        moved = left.redirected(head.status, head.get(b"location")) if left else None
        if moved is None:
            return False
        if left is self.address:  # and nobody else was led away from there meanwhile
            self.address = moved
            self._starts.clear()
            self._pool.move(moved)
        return True
