"""A request that is being answered beside the SDK, until it has something to say: then the SDK carries it on."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, MutableMapping
from typing import Any

from mcp.shared.dispatcher import CallOptions
from mcp.shared.exceptions import MCPError, NoBackChannelError

from magictunnel.catalog.model import Json
from magictunnel.front.inbound import Context, Inbound

KEY = "magictunnel.carried"
"""Where an ASGI scope has it."""


class Carried:
    """See `mcp.shared.dispatcher.Outbound`: the channel of a request that the SDK has not seen yet."""

    def __init__(self, begin: Callable[[], asyncio.Future[None]]) -> None:
        """`begin`: has the SDK see it; done when its client is answered, or has gone."""
        self._begin: Callable[[], asyncio.Future[None]] | None = begin
        """None: it is over."""
        self._carrier: asyncio.Future[None] | None = None
        self._channel: asyncio.Future[Inbound] | None = None
        self._outcome: asyncio.Future[Json | MCPError] | None = None
        self.task: asyncio.Task[None] | None = None
        """In which it is answered."""
        self.is_given_up = False
        """Its client waits for it no more."""

    @property
    def is_handed_over(self) -> bool:
        """Whether the SDK answers its client."""
        return self._carrier is not None

    def hand_over(self) -> None:
        """Have the SDK answer its client, unless that is being done, or is done."""
        if self._carrier is None and self._begin is not None:
            loop = asyncio.get_running_loop()
            self._outcome, self._channel = loop.create_future(), loop.create_future()
            self._carrier = self._begin()
            self._carrier.add_done_callback(self._not_taken)

    def end(self) -> None:
        """What it is answered with is known. If the SDK has not seen it by now, it never does: that would make the call
        once more.
        """
        self._begin = None

    def client_gone(self) -> None:
        """Its client waits for it no more. What the SDK has taken, it ends."""
        channel = self._channel
        if channel is None or not channel.done() or channel.exception() is not None:
            self.give_up()

    def give_up(self) -> None:
        """End it."""
        if not self.is_given_up and self.task is not None:
            self.is_given_up = True
            self.task.cancel()

    def survive(self) -> None:
        """What was to be cancelled is: its task goes on, to say so."""
        if self.task is not None:
            self.task.uncancel()

    async def go_on(self, inbound: Inbound) -> Json:
        """Where the SDK has come with it: use its channel from now on, and wait for the result.

        Raises:
            MCPError: the error that it ends with.
        """
        assert self._outcome is not None
        assert self._channel is not None
        if not self._channel.done():
            self._channel.set_result(inbound)
        try:
            outcome = await asyncio.shield(self._outcome)
        except asyncio.CancelledError:
            self.give_up()
            raise
        if isinstance(outcome, MCPError):
            raise outcome
        return outcome

    async def settle(self, outcome: Json | MCPError) -> None:
        """It has ended; wait until the SDK has told its client."""
        assert self._outcome is not None
        assert self._carrier is not None
        self._outcome.set_result(outcome)
        await asyncio.shield(self._carrier)

    async def send_raw_request(
        self, method: str, params: Mapping[str, Any] | None, opts: CallOptions | None = None
    ) -> dict[str, Any]:
        """See `Outbound`."""
        inbound = await self._beyond(method)
        return await inbound.channel.send_raw_request(method, params, opts)

    async def notify(self, method: str, params: Mapping[str, Any] | None, opts: CallOptions | None = None) -> None:
        """See `Outbound`; what cannot be told any more is dropped."""
        try:
            inbound = await self._beyond(method)
        except NoBackChannelError:
            return
        await inbound.channel.notify(method, params, opts)

    async def let_go(self) -> None:
        """Its answer will take a while: see `Back.let_go`."""
        try:
            inbound = await self._beyond("close")
        except NoBackChannelError:
            return
        if inbound.let_go is not None:
            await inbound.let_go()

    async def _beyond(self, method: str) -> Inbound:
        self.hand_over()
        if self._channel is None:
            raise NoBackChannelError(method)
        try:
            return await asyncio.shield(self._channel)
        except _NotTaken:
            raise NoBackChannelError(method) from None

    def _not_taken(self, _carrier: asyncio.Future[None]) -> None:
        """The SDK has answered its client by itself, if at all."""
        if self._channel is not None and not self._channel.done():
            self._channel.set_exception(_NotTaken())
            self._channel.exception()  # nobody may have asked


class _NotTaken(Exception):
    pass


def carry(scope: MutableMapping[str, Any], carried: Carried) -> None:
    """Have whoever handles the request of this ASGI scope find `carried`."""
    scope[KEY] = carried


def carried_by(ctx: Context) -> Carried | None:
    """What answers this request already; told once, for the SDK keeps the scope longer than it is needed."""
    scope = getattr(ctx.request, "scope", None)
    found = scope.pop(KEY, None) if isinstance(scope, dict) else None
    return found if isinstance(found, Carried) else None
