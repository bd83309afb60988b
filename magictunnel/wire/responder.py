"""Responder: what a server says and asks over HTTP, on its way to the hooks, and our answers on their way back."""

from __future__ import annotations

import logging
from collections.abc import Callable, Coroutine
from contextvars import copy_context
from typing import Any

import anyio
from mcp.shared.dispatcher import as_request_id, coerce_request_id
from mcp_types import RequestId

from magictunnel.catalog.model import Json
from magictunnel.wire.asked import Asked
from magictunnel.wire.base import Number
from magictunnel.wire.codec import dumps
from magictunnel.wire.endpoint import CANCELLED, Endpoint
from magictunnel.wire.messages import Unsent, error_data, result_line

logger = logging.getLogger(__name__)


class Responder(Endpoint):
    """Deals with the messages of a server, each in a task of its own, begun in the order in which they came."""

    def __init__(self) -> None:
        super().__init__()
        self._context = copy_context()
        """What is set here, and not where something happened to be sent, is what the hooks see."""
        self._questions: dict[RequestId, anyio.CancelScope] = {}

    async def send_answer(self, body: bytes) -> None:
        """Send what answers a question. To be defined by who knows how."""
        raise NotImplementedError

    def start(self, work: Coroutine[Any, Any, None]) -> None:
        """Run something beside the exchanges, which lets no error out."""
        self._context.run(self.crew.start, work)

    def dispatch(self, message: Json, number: Number, done: Callable[[], None]) -> None:
        """Have a notification or a question dealt with; `done` is called once it is."""
        if self.is_closed:
            return
        self.heard += 1
        method, params = message["method"], message.get("params")
        if message.get("id") is not None:
            # Known from now on: the next message, in this very step, may take it back.
            scope = self._questions[coerce_request_id(message["id"])] = anyio.CancelScope()
            self.start(self._question(Asked(self, method, params, message["id"]), number, done, scope))
            return
        if method == CANCELLED:
            self._withdraw((params or {}).get("requestId"))
        if self._is_intercepted(method, params):
            done()
        else:
            self.start(self._told(method, params, number, done))

    def _withdraw(self, asked: object) -> None:
        """The server does not want an answer any more."""
        known = as_request_id(asked)
        if known is not None and (scope := self._questions.get(coerce_request_id(known))):
            scope.cancel()

    async def _told(self, method: str, params: Json | None, number: Number, done: Callable[[], None]) -> None:
        try:
            if (taken := self._hearing(method, params, number)) is not None:
                await taken
        except Exception:
            logger.exception("a notification could not be handled: %r", method)
        finally:
            done()

    async def _question(self, asked: Asked, number: Number, done: Callable[[], None], scope: anyio.CancelScope) -> None:
        """One question of the server, answered unless it takes it back: that cancels `scope`, perhaps by now."""
        assert asked.request_id is not None
        key = coerce_request_id(asked.request_id)
        with scope:
            try:
                if not scope.cancel_called:
                    answer = await self._answer(asked, number)
                    asked.is_over = True
                    await self.send_answer(answer)
            except Exception:
                logger.exception("an answer could not be sent: %r", asked.method)
            finally:
                if self._questions.get(key) is scope:
                    del self._questions[key]
                done()

    async def _answer(self, asked: Asked, number: Number) -> bytes:
        """The answer to a question, in whole; an error if it could not be answered, or its answer not be written."""
        assert asked.request_id is not None
        try:
            return b"".join(result_line(asked.request_id, await self._answering(asked, number)))
        except Exception as error:  # noqa: BLE001 whatever it is becomes an answer
            return self._error(asked.request_id, error)

    def _error(self, number: RequestId, error: Exception) -> bytes:
        told = error_data(error)
        try:
            dumps([told.message, told.error.data])
        except ValueError as why:
            error = Unsent(f"cannot be written as JSON: {why}")
        try:
            return b"".join(self._refused(number, error))
        except Unsent:  # not even its number can be written
            return b""
