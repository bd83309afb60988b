"""Calls of clients that are begun without a task: see `Express`. Each way in has its own way to answer them."""

from __future__ import annotations

from abc import abstractmethod
from typing import Generic, TypeVar

from mcp.server.connection import Connection

from magictunnel.catalog.model import Json
from magictunnel.express import Express, Short
from magictunnel.front.encode import encoded
from magictunnel.front.handlers import Handlers

Written = TypeVar("Written")


class ShortWay:
    """What `Handlers` do for a call, where it needs no task."""

    def __init__(self, express: Express, handlers: Handlers, server_info: Json) -> None:
        self.express = express
        self._handlers = handlers
        self.server_info = server_info

    def begin(self, call: Short, method: str, params: Json, connection: Connection | None) -> bool:
        """Begin a call. False: nothing was sent, and it is to be answered as all requests are.

        `connection`: that of its session; None in the stateless era.
        """
        if not self._handlers.is_under_way:
            return False
        try:
            caller = self._handlers.caller_of(params, connection, stateless=connection is None)
            if not self.express.begin(call, method, params, caller):
                return False
        except Exception:  # noqa: BLE001 whatever it is, the ordinary way comes to it too, and says so
            return False
        self._handlers.enter()
        return True

    def over(self, call: Short, result: Json) -> None:
        """A call is answered."""
        self.express.over(call, result)
        self._handlers.leave()

    def gone(self) -> None:
        """A call that went on as a request is over."""
        self._handlers.leave()


class ShortCall(Short, Generic[Written]):
    """One of them."""

    __slots__ = ("_way",)

    _way: ShortWay

    @abstractmethod
    def written(self, result: Json) -> Written | None:
        """The answer as it goes out; None: it cannot, now or at all."""

    @abstractmethod
    def give(self, written: Written) -> None:
        """Have it go out. Nothing is to be waited for, and nothing can go wrong with it any more."""

    def take(self, result: Json) -> bool:
        """See `Waiting.take`."""
        way = self._way
        try:
            told = way.express.result(self, result)
            if told is None:
                return False
            told = encoded(told, self.method, stateless=self.caller.stateless, server_info=way.server_info)
            written = self.written(told)
        except Exception:  # noqa: BLE001 the ordinary way comes to the same point, and says so
            return False
        if written is None:
            return False
        self.give(written)  # before all else: its client can go on meanwhile
        way.over(self, told)
        return True

    def ended(self, _task: object = None) -> None:
        """See `Begun.ended`."""
        super().ended()
        self._way.gone()
