"""An HTTP client under the SDK's transports: one exchange that fails is that exchange's failure, nobody else's.

The SDK runs all exchanges of a connection in one task group, where an error of one ends every other, and waits without
bound for the answer to a notification. This client turns such errors into answers, and bounds such waits.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from typing import Any

import anyio
import httpx2
from mcp_types import CONNECTION_CLOSED

from magictunnel.wire.evidence import Evidence
from magictunnel.wire.stale import FORGOTTEN, is_stale

NOT_SENT = "the server cannot be reached, nothing was sent"
CUT_OFF = "the answer was cut off"
"""Messages of the JSON-RPC errors that stand in for answers; `McpLink` tells by them what became of a call."""

TOO_LARGE = "the answer is larger than 64 MiB"
MAX_EVENT = 64 * 1024 * 1024
"""Bytes in one answer; the SDK's own limit of 1 MiB for an SSE event refuses results that stdio lets through."""

_CONNECT_TIMEOUT = 10.0
_ASIDE_TIMEOUT = 2.0
"""Seconds for exchanges that carry no call: notifications, and the end of a session."""
_GLANCE = 0.01
_REMEMBERED = 10_000
_OPENINGS = ("initialize", "server/discover")
_SESSION = "mcp-session-id"


class CallClient(httpx2.AsyncClient):
    """Deadlines of calls are not its business: a stream may be silent for as long as its call may take."""

    def __init__(self, headers: Any, evidence: Evidence, telling: tuple[str, ...]) -> None:
        """`telling`: the HTTP methods whose error statuses explain a failure; others may be refused."""

        async def note(response: httpx2.Response) -> None:
            if response.request.method in telling:
                evidence.http_status = response.status_code if response.is_error else None

        super().__init__(
            headers=headers,
            timeout=httpx2.Timeout(None, connect=_CONNECT_TIMEOUT),
            limits=httpx2.Limits(max_connections=None, max_keepalive_connections=32),
            event_hooks={"response": [note]},
        )
        self._answer: Callable[[Any, str], None] | None = None
        self.on_early_end: Callable[[], Awaitable[None]] | None = None
        """Told, in the exchange's own context, that a server has ended a stream before it answered on it."""
        self._scopes: dict[Any, anyio.CancelScope] = {}
        self._sent: deque[Any] = deque(maxlen=_REMEMBERED)
        """Numbers of the calls that were sent last."""
        self._streams: dict[Any, httpx2.Response] = {}

    def build_request(self, method: str, url: httpx2.URL | str, *, json: Any = None, **options: Any) -> httpx2.Request:
        """See `httpx2.AsyncClient.build_request`; JSON that is written already (see `written`) goes as it is."""
        if not isinstance(json, bytes):
            return super().build_request(method, url, json=json, **options)
        request = super().build_request(method, url, content=json, **options)
        request.headers.setdefault("content-type", "application/json")
        return request

    def answer_aside(self, answer: Callable[[Any, str], None]) -> None:
        """Answers come on another stream: what stands in for one goes to `answer` (number, message)."""
        self._answer = answer

    def _stand_in(self, request: httpx2.Request, number: Any, message: str) -> httpx2.Response:
        """A JSON-RPC error as the answer to `request`, where none came."""
        if self._answer is None:
            answer = {"jsonrpc": "2.0", "id": number, "error": error_of(message)}
            return httpx2.Response(200, json=answer, request=request)
        self._answer(number, message)
        return _accepted(request)

    def lead_nowhere(self, request: httpx2.Request) -> None:
        """The response to `request` was a redirect that is not followed: whoever waits for an answer is told."""
        message = _message(request)
        if "method" in message and "id" in message:
            self._stand_in(request, message["id"], CUT_OFF)

    async def until_quiet(self, waiting: Callable[[], Iterable[Any]]) -> None:
        """Wait until no call is being sent, nor about to be. `waiting`: the numbers of those that are not answered."""
        while self._scopes or not set(waiting()) <= set(self._sent):
            await anyio.sleep(_GLANCE)

    async def send(self, request: httpx2.Request, **options: Any) -> httpx2.Response:
        """See `httpx2.AsyncClient.send`."""
        message = _message(request)
        method = message.get("method")
        if request.method == "DELETE":
            return await self._end_session(request, options)
        if request.method == "GET" or method in _OPENINGS:
            return await super().send(request, **options)
        if method is not None and "id" in message:
            return await self._call(request, message["id"], options)
        request.extensions["timeout"] = httpx2.Timeout(_ASIDE_TIMEOUT).as_dict()
        try:
            response = await super().send(request, **options)
            is_over = response.is_error and self._answer is not None
            if response.is_redirect:  # read here: the SDK reads it where nobody can catch that this fails
                is_over = not await _read_whole(response)
            if not is_over:
                return response
            await response.aclose()
            return _accepted(request)
        except httpx2.RequestError:
            return _accepted(request)
        finally:
            if method == "notifications/cancelled":
                await self._abandon((message.get("params") or {}).get("requestId"))

    async def _end_session(self, request: httpx2.Request, options: dict[str, Any]) -> httpx2.Response:
        """Tell the server that it can free our session, although we are being cancelled."""
        with anyio.CancelScope(shield=True), anyio.move_on_after(_ASIDE_TIMEOUT):
            return await super().send(request, **options)
        return _accepted(request)

    async def _call(self, request: httpx2.Request, number: Any, options: dict[str, Any]) -> httpx2.Response:
        """One call; what kept it from being sent, or its answer from coming whole, is told as its answer."""
        with anyio.CancelScope() as scope:
            self._scopes[number] = scope
            self._sent.append(number)
            try:
                response = await super().send(request, **options)
                if response.is_error and (message := await self._refusal(response)):
                    return self._stand_in(request, number, message)
                if response.is_redirect or response.headers.get("content-type", "").startswith("application/json"):
                    if not await _read_whole(response):
                        return self._stand_in(request, number, TOO_LARGE)
                else:
                    self._remember(number, response)
                    response.stream = _Watched(response.stream, self._ended_early)
                return response
            except (httpx2.ConnectError, httpx2.ConnectTimeout):
                return self._stand_in(request, number, NOT_SENT)
            except httpx2.RequestError:  # what cannot be decoded, too
                return self._stand_in(request, number, CUT_OFF)
            finally:
                self._scopes.pop(number, None)
        return self._stand_in(request, number, "cancelled")

    async def _refusal(self, response: httpx2.Response) -> str:
        """What stands in for an error status, if something has to; where answers come aside, anything has to.

        There every request is within a session, else those that name one.
        """
        if not await _read_whole(response):
            return TOO_LARGE
        is_aside = self._answer is not None
        named = is_aside or _SESSION in response.request.headers
        if named and is_stale(response.status_code, response.content):
            return FORGOTTEN
        return CUT_OFF if is_aside else ""

    async def _ended_early(self) -> None:
        if self.on_early_end is not None:
            await self.on_early_end()

    def _remember(self, number: Any, response: httpx2.Response) -> None:
        self._streams = {key: known for key, known in self._streams.items() if not known.is_closed}
        self._streams[number] = response

    async def _abandon(self, number: Any) -> None:
        """Let go of a cancelled call: the server owes it no answer, and would hold its connection for ever."""
        if scope := self._scopes.pop(number, None):
            scope.cancel()
        if stream := self._streams.pop(number, None):
            await stream.aclose()


class _Watched(httpx2.AsyncByteStream):
    """A response stream that tells when it has come to its end; whoever has its answer closes it before."""

    def __init__(self, stream: Any, on_end: Callable[[], Awaitable[None]]) -> None:
        self._stream = stream
        self._on_end = on_end

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for chunk in self._stream:
            yield chunk
        await self._on_end()

    async def aclose(self) -> None:
        """See `AsyncByteStream.aclose`."""
        await self._stream.aclose()


def _message(request: httpx2.Request) -> dict[str, Any]:
    if request.method != "POST":
        return {}
    try:
        message = json.loads(request.content)
    except (ValueError, httpx2.RequestNotRead):
        return {}
    return message if isinstance(message, dict) else {}


async def _read_whole(response: httpx2.Response) -> bool:
    """Read its body; False if there is too much of it."""
    response.stream = _Bounded(response.stream)
    try:
        await response.aread()
    except _TooMuch:
        await response.aclose()
        return False
    return True


class _TooMuch(Exception):
    pass


class _Bounded(httpx2.AsyncByteStream):
    """A body of at most MAX_EVENT bytes as they come; raises _TooMuch."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    async def __aiter__(self) -> AsyncIterator[bytes]:
        size = 0
        async for chunk in self._stream:
            size += len(chunk)
            if size > MAX_EVENT:
                raise _TooMuch
            yield chunk

    async def aclose(self) -> None:
        """See `AsyncByteStream.aclose`."""
        await self._stream.aclose()


def _accepted(request: httpx2.Request) -> httpx2.Response:
    return httpx2.Response(202, request=request)


def error_of(message: str) -> dict[str, Any]:
    """A JSON-RPC error that stands for a connection that failed."""
    return {"code": CONNECTION_CLOSED, "message": message}
