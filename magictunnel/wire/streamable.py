"""Streamable HTTP: a dispatcher whose every message is an exchange of our own HTTP client."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Awaitable, Mapping
from contextlib import asynccontextmanager
from functools import lru_cache
from itertools import count
from typing import Any

import anyio
import httpx2
from mcp.shared.dispatcher import CallOptions, as_request_id, coerce_request_id
from mcp.shared.exceptions import MCPError
from mcp_types import INVALID_REQUEST, REQUEST_TIMEOUT, RequestId
from mcp_types.version import MODERN_PROTOCOL_VERSIONS

from magictunnel.catalog.model import Json
from magictunnel.errors import BadParams
from magictunnel.wire.base import Waiting
from magictunnel.wire.endpoint import CANCELLED
from magictunnel.wire.evidence import Evidence
from magictunnel.wire.http import NOT_SENT
from magictunnel.wire.http1.address import Address
from magictunnel.wire.http1.client import Client
from magictunnel.wire.http1.head import BadHeader, Fields, Head
from magictunnel.wire.http1.pool import Unreachable
from magictunnel.wire.messages import Unsent, notification_line, request_line
from magictunnel.wire.reply import Ended, Outcome, Reply, Sent, Whole
from magictunnel.wire.responder import Responder
from magictunnel.wire.streams import Streams, unnoted
from magictunnel.wire.verdict import JSON_TYPE, broken, is_answer, plain_result, result_of, verdict

SESSION = "mcp-session-id"
VERSION = "mcp-protocol-version"
_ASIDE_TIMEOUT = 2.0
"""Seconds for exchanges that carry no call: notifications, and the end of a session."""
_ANSWER_TIMEOUT = 30.0
"""Seconds for an answer of ours to reach the server that has asked."""
_OPENINGS = ("initialize", "server/discover")
_NONE = Fields()

logger = logging.getLogger(__name__)


class HttpWire(Responder):
    """See `Wire`. A request waits for its own response; a task is started only for what a server says and asks."""

    is_http = True

    def __init__(self, client: Client, evidence: Evidence) -> None:
        super().__init__()
        self._client = client
        self._evidence = evidence
        self._streams = Streams(client, self._fields)
        self._numbers = count(1)
        self._in_flight: dict[RequestId, Reply] = {}
        """Requests that are not answered, whether or not anybody waits for that."""
        self._session = ""
        self._version = ""
        """Of the latest message that named one; the messages that name none themselves are sent with it."""

    # --- requests

    async def send_raw_request(
        self, method: str, params: Mapping[str, Any] | None, opts: CallOptions | None = None
    ) -> dict[str, Any]:
        """See `Outbound.send_raw_request`.

        Raises:
            MCPError: the server's own error, or one that stands for an answer that did not come.
            BadParams: it cannot be written. Nothing was sent.
            httpx2.ConnectError, httpx2.ConnectTimeout: a session cannot be opened, since nobody is there.
        """
        opts = opts or {}
        if opts.get("timeout") is not None:
            return await self._timed(method, params, opts)
        if self.is_closed:
            raise broken("Connection closed")
        number = self._number_of(opts)
        body = request_line(number, method, params)
        if method == "initialize":
            self._version = ""
        fields = self._fields(opts.get("headers"))
        reply = self._in_flight[coerce_request_id(number)] = self._reply(number, fields)
        coming = self._client.exchange("POST", fields, body, reply)
        try:
            return await self._answered(method, fields, reply, coming)
        except BadHeader as error:
            raise BadParams(f"the request was not sent: {error}") from error
        except anyio.get_cancelled_exc_class():
            with anyio.CancelScope(shield=True):
                await self._give_up(number, opts)
            raise

    def begin(self, number: int, method: str, params: Json, headers: Mapping[str, str], waiting: Waiting) -> bool:
        """See `Wire.begin`."""
        if self.is_closed:
            return False
        body = request_line(number, method, params)
        fields = self._fields(headers)
        reply = self._reply(number, fields)
        try:
            if not self._client.begin(fields, body, reply):
                return False
        except BadHeader as error:
            raise BadParams(f"the request was not sent: {error}") from error
        reply.waiting, reply.sent = waiting, Sent(method, fields, body)
        self._in_flight[number] = reply
        return True

    def keep(self, number: int) -> None:
        """See `Wire.keep`."""
        self._in_flight[number].waiting = None

    async def awaited(self, number: int) -> Json:
        """See `Wire.awaited`."""
        reply = self._in_flight[number]
        assert reply.sent is not None
        (method, fields, body), reply.sent = reply.sent, None
        return await self._answered(method, fields, reply, self._client.outcome("POST", fields, body, reply))

    def abandon(self, number: int) -> None:
        """See `Wire.abandon`."""
        reply = self._in_flight[number]
        reply.sent = None
        reply.abandon()
        if not reply.is_read_on:
            self._forget(reply)

    async def _answered(self, method: str, fields: Mapping[str, str], reply: Reply, coming: Awaitable[Outcome]) -> Json:
        try:
            outcome = await coming
            self.heard += reply.head.status > 0
            if isinstance(outcome, Ended):
                outcome = reply.found or await self._resumed(reply, outcome)
        except Unreachable as error:
            raise self._unreachable(method, error) from error
        finally:
            if not reply.is_read_on:
                self._forget(reply)
        return self._result(method, fields, reply, outcome)

    async def _timed(self, method: str, params: Mapping[str, Any] | None, opts: CallOptions) -> dict[str, Any]:
        """See `send_raw_request`. Calls are timed elsewhere: this is for what the SDK's session asks itself."""
        untimed = opts.copy()
        seconds = untimed.pop("timeout")
        try:
            with anyio.fail_after(seconds):
                return await self.send_raw_request(method, params, untimed)
        except TimeoutError:
            raise MCPError(REQUEST_TIMEOUT, f"Request {method!r} timed out") from None

    def _number_of(self, opts: CallOptions) -> RequestId:
        number = opts.get("request_id")
        if number is None:
            return next(number for number in self._numbers if number not in self._in_flight)
        known = self._in_flight.get(coerce_request_id(number))
        if known is not None:
            if not known.is_abandoned:
                raise ValueError(f"request id {number!r} is already in flight")
            known.close()
        return number

    def _reply(self, number: RequestId, fields: Mapping[str, str]) -> Reply:
        is_modern = fields.get(VERSION) in MODERN_PROTOCOL_VERSIONS
        return Reply(self, number, is_modern=is_modern, note=self._note)

    async def _give_up(self, number: RequestId, opts: CallOptions) -> None:
        if opts.get("cancel_on_abandon", True):
            await self.notify(CANCELLED, {"requestId": number, "reason": "nobody waits for it any more"})

    def _result(self, method: str, fields: Mapping[str, str], reply: Reply, outcome: Any) -> Json:
        """What has become of a request. Raises MCPError."""
        if isinstance(outcome, Whole):
            outcome = self._verdict(method, fields, reply, outcome)
        if isinstance(outcome, MCPError):
            raise outcome
        if method == "initialize":
            self._session = reply.head.get(SESSION.encode()) or self._session
        return result_of(outcome)

    def _verdict(self, method: str, fields: Mapping[str, str], reply: Reply, whole: Whole) -> Json | MCPError:
        """What a response that is no stream says."""
        if 300 <= whole.head.status < 400 and (refused := self._client.refusal(whole.head)):
            return MCPError(INVALID_REQUEST, refused)
        assert reply.number is not None
        is_named = SESSION in fields and method not in _OPENINGS
        return verdict(reply.number, whole.head, whole.body, named_session=is_named, has_session=bool(self._session))

    def _unreachable(self, method: str, error: Unreachable) -> Exception:
        if method not in _OPENINGS:
            return broken(NOT_SENT)
        kind = httpx2.ConnectTimeout if isinstance(error.__cause__, TimeoutError) else httpx2.ConnectError
        return kind(str(error), request=httpx2.Request("POST", self._client.address.url))

    async def _resumed(self, reply: Reply, ended: Ended) -> Outcome:
        """The answer to a request whose stream has ended before it, if the server goes on with it on another."""
        if not ended.last_id or reply.is_modern:
            return broken("SSE stream ended without a response")
        if self.on_let_go is not None:
            await self.on_let_go(reply.number)
        return await self._streams.resumed(reply, ended)

    # --- what comes

    def take(self, message: Json, reply: Reply) -> None:
        """See `Taker.take`. An answer may come on the stream of news, if a server has lost the one it belongs on."""
        if not is_answer(message):
            if reply.waiting is not None:
                reply.waiting.promote()
            reply.waits()
            self.dispatch(message, reply.number, reply.is_dealt_with)
            return
        number = as_request_id(message.get("id"))
        waiting = self._in_flight.get(coerce_request_id(number)) if number is not None else None
        if waiting is None or waiting.is_abandoned:
            self.heard += 1
            self.late_answers += 1
        else:
            waiting.answer(message)

    def give(self, reply: Reply, outcome: Outcome) -> bool:
        """See `Taker.give`."""
        waiting, number = reply.waiting, reply.number
        assert waiting is not None
        assert type(number) is int
        result = None  # of a redirect, an ended stream and an error there is none
        if isinstance(outcome, Whole):
            result = plain_result(number, outcome.head, outcome.body)
        elif isinstance(outcome, dict) and outcome.get("error") is None and reply.head.status < 300:
            result = outcome["result"]
        if result is None or not waiting.take(result):
            waiting.promote()
            return False
        self.heard += 1
        del self._in_flight[number]
        return True

    def is_astray(self, message: Json, reply: Reply) -> bool:
        """See `Taker.is_astray`. Any other id is one that the server has got wrong, as some do."""
        number = as_request_id(message.get("id"))
        waiting = self._in_flight.get(coerce_request_id(number)) if number is not None else None
        return waiting is not None and waiting is not reply

    def drop(self, reply: Reply, *, is_answered: bool) -> None:
        """See `Taker.drop`."""
        self._forget(reply)
        if is_answered:
            self.heard += 1
            self.late_answers += 1

    def _forget(self, reply: Reply) -> None:
        key = coerce_request_id(reply.number) if reply.number is not None else None
        if key is not None and self._in_flight.get(key) is reply:
            del self._in_flight[key]

    def _note(self, head: Head) -> None:
        self._evidence.http_status = head.status if head.is_error else None

    # --- what is told

    async def notify(self, method: str, params: Mapping[str, Any] | None, opts: CallOptions | None = None) -> None:
        """See `Outbound.notify`; what cannot be written is dropped, and so is what the server does not take in time."""
        if self.is_closed:
            return
        cancelled = self._named(params) if method == CANCELLED else None
        if method == CANCELLED and self._is_cancelled_by_closing(cancelled):
            return
        try:
            body = notification_line(method, params)
        except Unsent as error:
            self.lost(f"{method!a:.80} {error}")
            return
        fields = self._fields((opts or {}).get("headers"))
        if method == "notifications/initialized" and self._session:
            self.start(self._streams.listened(self._news))
        try:
            await self._post(fields, body, _ASIDE_TIMEOUT)
        finally:
            if cancelled is not None:
                cancelled.end(broken("cancelled"))

    def _news(self, may_have_missed: bool) -> Reply | None:
        """What hears the news of a server, for as long as it may know us."""
        note = self._news_again if may_have_missed else unnoted
        return Reply(self, None, note=note) if self._session and not self.is_closed else None

    def _news_again(self, head: Head) -> None:
        if head.status == 200 and self.on_missed is not None:
            self.on_missed()

    def _named(self, params: Mapping[str, Any] | None) -> Reply | None:
        number = as_request_id((params or {}).get("requestId"))
        return self._in_flight.get(coerce_request_id(number)) if number is not None else None

    def _is_cancelled_by_closing(self, cancelled: Reply | None) -> bool:
        """In the stateless era the end of its connection cancels a request, and nothing else does."""
        if cancelled is None:
            return self._version in MODERN_PROTOCOL_VERSIONS
        if cancelled.is_modern:
            cancelled.end(broken("cancelled"))
        return cancelled.is_modern

    async def send_answer(self, body: bytes) -> None:
        """See `Responder.send_answer`."""
        if body:
            await self._post(self._fields(), body, _ANSWER_TIMEOUT)

    async def _post(self, fields: Mapping[str, str], body: bytes, seconds: float) -> None:
        """Send what is not answered. Whether it arrives is known to nobody."""
        reply = Reply(self, None, note=self._note)
        try:
            with anyio.move_on_after(seconds):
                await self._client.exchange("POST", fields, body, reply)
        except (Unreachable, BadHeader) as error:
            logger.debug("a message did not reach the server: %s", error)
        finally:
            if not reply.outcome.done() or reply.outcome.cancelled():
                reply.close()

    def _fields(self, own: Mapping[str, str] | None = None) -> Mapping[str, str]:
        """The headers of one message; `own` are those that it says itself."""
        own = _NONE if own is None else own
        fields = (_known_fields if type(own) is Fields else fields_of)(self._session, self._version, own)
        self._version = fields.get(VERSION, "")
        return fields

    # --- its end

    def end(self) -> None:
        """See `Endpoint.end`. Whoever waits for an answer is told that none will come."""
        super().end()
        for reply in tuple(self._in_flight.values()):
            reply.end(broken("Connection closed"))

    async def leave(self) -> None:
        """Tell the server that it can free our session."""
        if not self._session:
            return
        fields = self._fields()
        session, self._session = self._session, ""
        reply = Reply(self, None, note=unnoted)
        with anyio.CancelScope(shield=True), anyio.move_on_after(_ASIDE_TIMEOUT):
            try:
                await self._client.exchange("DELETE", {**fields, SESSION: session}, None, reply)
            except (Unreachable, BadHeader) as error:
                logger.debug("the end of a session could not be told: %s", error)


def fields_of(session: str, version: str, own: Mapping[str, str]) -> dict[str, str]:
    """The headers of a message, by name in lower case; what it says itself, `own`, counts for more than `version`."""
    fields = {"accept": "application/json, text/event-stream", "content-type": JSON_TYPE}
    if session:
        fields[SESSION] = session
    if version:
        fields[VERSION] = version
    return fields | {name.lower(): value for name, value in own.items()}


@lru_cache(maxsize=256)
def _known_fields(session: str, version: str, own: Fields) -> Fields:
    """The same: most messages are calls of the same tools."""
    return Fields(fields_of(session, version, own))


@asynccontextmanager
async def http_wire(url: str, headers: Mapping[str, str], evidence: Evidence) -> AsyncIterator[HttpWire]:
    """A wire to the server at `url`. `headers`: those that a person has configured.

    Raises:
        httpx2.UnsupportedProtocol, httpx2.LocalProtocolError: `url` or `headers` are none that HTTP allows.
    """
    try:
        client = Client(Address.of(url), headers)
    except BadHeader as error:
        raise httpx2.LocalProtocolError(str(error)) from error
    wire = HttpWire(client, evidence)
    try:
        yield wire
    finally:
        wire.end()
        try:
            await wire.leave()
        finally:
            client.close()
            with anyio.CancelScope(shield=True):
                await wire.crew.end()
