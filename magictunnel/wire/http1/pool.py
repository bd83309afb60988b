"""The connections to one origin: one for each exchange under way, and those that wait for the next."""

from __future__ import annotations

import asyncio
import ssl
from collections import deque
from functools import cache
from time import monotonic

import anyio

from magictunnel.wire.http1.address import Address
from magictunnel.wire.http1.connection import Connection
from magictunnel.wire.http1.dial import dial

CONNECT_TIMEOUT = 10.0
"""Seconds."""
MAX_IDLE = 256
IDLE_TIMEOUT = 4.0
"""Seconds that a connection is kept unused: common servers close theirs after 5."""


class Unreachable(Exception):
    """No connection could be made; nothing was sent."""


class Pool:
    """Connections that are opened when they are needed, and kept for the next exchange."""

    def __init__(self, address: Address) -> None:
        self._address = address
        self._origin = address.origin
        self._idle: deque[Connection] = deque()
        """Those used last at the end."""
        self._all: set[Connection] = set()
        self._sweep: asyncio.TimerHandle | None = None
        self._is_closed = False

    def take(self) -> Connection | None:
        """A connection that waits, if there is a good one. Nobody else is given it before it is free again."""
        while self._idle:
            connection = self._idle.pop()
            if connection.is_fresh:
                return connection
            connection.close()
        return None

    async def connect(self) -> Connection:
        """A new connection, for whoever asks.

        Raises:
            Unreachable: nobody answers there, or nobody we can trust.
        """
        address, origin = self._address, self._origin
        tls = _tls() if address.is_secure else None
        loop = asyncio.get_running_loop()
        try:
            with anyio.fail_after(CONNECT_TIMEOUT):
                dialled = await dial(address.host, address.port)
                _, connection = await loop.create_connection(
                    lambda: Connection(self._free, self._lost, origin),
                    sock=dialled,
                    ssl=tls,
                    server_hostname=address.host if tls else None,
                )
        except (OSError, ssl.SSLError, UnicodeError, ValueError) as error:  # TimeoutError is an OSError
            raise Unreachable(f"{type(error).__name__}: {error}") from error
        if self._is_closed or connection.is_closing or origin is not self._origin:
            connection.close()
            raise Unreachable("it hung up, or moved, before anything was sent")
        self._all.add(connection)
        return connection

    def move(self, address: Address) -> None:
        """From now on connections are made there."""
        self._address = address
        if address.origin != self._origin:
            self._origin = address.origin
            self._drop(until=float("inf"))

    def close(self) -> None:
        """End all connections. Whoever waits for a response is told."""
        self._is_closed = True
        if self._sweep is not None:
            self._sweep.cancel()
        for connection in tuple(self._all):
            connection.close()
        self._idle.clear()

    def _free(self, connection: Connection) -> None:
        if self._is_closed or connection.origin is not self._origin:
            connection.close()
            return
        connection.idle_since = monotonic()
        self._idle.append(connection)
        if len(self._idle) > MAX_IDLE:
            self._idle.popleft().close()
        if self._sweep is None:
            self._sweep = asyncio.get_running_loop().call_later(IDLE_TIMEOUT, self._swept)

    def _swept(self) -> None:
        now = monotonic()
        self._drop(until=now - IDLE_TIMEOUT)
        if self._idle:
            left = self._idle[0].idle_since + IDLE_TIMEOUT - now
            self._sweep = asyncio.get_running_loop().call_later(left, self._swept)
        else:
            self._sweep = None

    def _drop(self, until: float) -> None:
        """Close those that have not been used since."""
        while self._idle and self._idle[0].idle_since <= until:
            self._idle.popleft().close()

    def _lost(self, connection: Connection) -> None:
        self._all.discard(connection)
        if connection in self._idle:
            self._idle.remove(connection)


@cache
def _tls() -> ssl.SSLContext:
    """Made once: it reads all certificates that this system trusts."""
    context = ssl.create_default_context()
    context.set_alpn_protocols(["http/1.1"])
    return context
