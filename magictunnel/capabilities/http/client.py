"""Sends requests and reads their answers, within bounds: the connections of one file.

The proxies of the environment are not used: they would resolve names themselves, and reach what may not be reached.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from http import HTTPStatus
from urllib.parse import urljoin

import httpcore2

import magictunnel
from magictunnel.capabilities.http.addresses import GuardedNetwork, tls_context
from magictunnel.capabilities.http.inflate import ACCEPTED, Inflater, Unreadable
from magictunnel.capabilities.http.places import Misplaced, pairs_in, place_of
from magictunnel.capabilities.http.request import Built
from magictunnel.errors import RunError

CONNECT_TIMEOUT = 10.0
SILENCE_TIMEOUT = 300.0
"""Seconds without a byte; a call's own deadline is usually nearer."""
MAX_REDIRECTS = 5
_CONNECTIONS = 32
_KEEP_ALIVE = 15.0
_MAX_TOLD = 200
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_SAME_METHOD = frozenset({307, 308})

Take = Callable[[bytes], Awaitable[None]]
"""Takes each piece of a body as it comes."""
Watch = Callable[["Answer"], Take | None]
"""`(answer whose body is yet to come)` -> what takes it meanwhile."""


class NoAnswer(RunError):
    """Nothing, or not all, came back: the connection was not made, or broke."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back."""

    request: Built
    """The last one that was sent, if some were redirected."""
    status: int
    reason: str
    headers: tuple[tuple[str, str], ...]
    body: bytes
    is_cut: bool = False

    def header(self, name: str) -> str:
        """The first of that name; empty: there is none."""
        return next((value for key, value in self.headers if key == name), "")

    @property
    def failed(self) -> str:
        """How it says that it failed; empty: it does not."""
        return f"{self.status} {self.reason}".strip() + f" from {self.request.told}" if self.status >= 400 else ""


class Client:
    """Makes connections when they are first needed, and keeps them for a while."""

    def __init__(self, *, allow_private: bool) -> None:
        self._allow_private = allow_private
        self._plain: httpcore2.AsyncConnectionPool | None = None
        self._secure: httpcore2.AsyncConnectionPool | None = None

    async def send(self, built: Built, limit: int, watch: Watch | None = None) -> Answer:
        """Send `built`, follow where it is sent on to within its origin, and read at most `limit` bytes of the answer.

        `watch` sees the start of an answer that is no failure.

        Raises:
            NoAnswer: the connection was not made, or broke.
            RunError: it may not be sent there, or what came cannot be read.
        """
        for _ in range(MAX_REDIRECTS + 1):
            answer = await self._send(built, limit, watch)
            onward = redirected(answer)
            if onward is None:
                return answer
            built = onward
        raise RunError(
            f"{built.told}: redirected more than {MAX_REDIRECTS} times", hint="name where it is now in `url`"
        )

    async def aclose(self) -> None:
        """Close all connections."""
        pools, self._plain, self._secure = (self._plain, self._secure), None, None
        for pool in pools:
            if pool is not None:
                await pool.aclose()

    async def _send(self, built: Built, limit: int, watch: Watch | None) -> Answer:
        try:
            async with self._open(built) as response:
                return await _read(built, response, limit, watch)
        except (httpcore2.NetworkError, httpcore2.TimeoutException, httpcore2.ProtocolError) as error:
            raise _no_answer(built, error) from error
        except Unreadable as error:
            raise RunError(f"{built.told}: what it answered cannot be read: {error}") from error

    @asynccontextmanager
    async def _open(self, built: Built) -> AsyncIterator[httpcore2.Response]:
        origin = built.origin
        url = httpcore2.URL(
            scheme=origin.scheme.encode(), host=origin.host.encode(), port=origin.port, target=built.target.encode()
        )
        headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in _all_headers(built)]
        async with self._pool(origin.scheme).stream(
            built.method,
            url,
            headers=headers,
            content=built.body,
            extensions={"timeout": {"connect": CONNECT_TIMEOUT, "read": SILENCE_TIMEOUT, "write": SILENCE_TIMEOUT}},
        ) as response:
            yield response

    def _pool(self, scheme: str) -> httpcore2.AsyncConnectionPool:
        """Plain connections go without the certificates of authorities, which take long to read."""
        if scheme == "http":
            self._plain = self._plain or self._made(is_secure=False)
            return self._plain
        self._secure = self._secure or self._made(is_secure=True)
        return self._secure

    def _made(self, *, is_secure: bool) -> httpcore2.AsyncConnectionPool:
        return httpcore2.AsyncConnectionPool(
            ssl_context=tls_context() if is_secure else None,
            max_connections=_CONNECTIONS,
            keepalive_expiry=_KEEP_ALIVE,
            network_backend=GuardedNetwork(allow_private=self._allow_private),
        )


def redirected(answer: Answer) -> Built | None:
    """The request that follows from an answer which sends us on; None: it does not, or not this method.

    Raises:
        RunError: as `moved`.
    """
    request, status, location = answer.request, answer.status, answer.header("location")
    if status not in _REDIRECTS or not location:
        return None
    if request.method not in ("GET", "HEAD") and status not in _SAME_METHOD:
        return None
    return moved(request, location)


def moved(request: Built, location: str) -> Built:
    """`request` at `location`, within its origin.

    Raises:
        RunError: that is at another origin, which no answer may choose.
    """
    try:
        place = place_of(urljoin(request.url, location).partition("#")[0].replace(" ", "%20"))
    except (Misplaced, ValueError) as error:
        raise RunError(f"{request.told}: sent on to what is no URL", hint="name where it is now in `url`") from error
    if place.origin != request.origin:
        raise RunError(
            f"{request.told}: sent on to {place.origin}, which is not asked: only the file says who is",
            hint=f"write {place.origin} in `url`, if it is to be trusted",
        )
    return replace(request, path=place.path, query=pairs_in(place.query))


def _all_headers(built: Built) -> list[tuple[str, str]]:
    lines = built.lines
    given = {name.lower() for name, _ in lines}
    own = [
        ("Host", built.origin.netloc),
        ("User-Agent", f"magictunnel/{magictunnel.__version__}"),
        ("Accept", "*/*"),
        ("Accept-Encoding", ACCEPTED),
    ]
    if built.body is not None or built.method in ("POST", "PUT", "PATCH"):
        lines.append(("Content-Length", str(len(built.body or b""))))
    return [line for line in own if line[0].lower() not in given] + lines


async def _read(built: Built, response: httpcore2.Response, limit: int, watch: Watch | None) -> Answer:
    headers = tuple((name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in response.headers)
    answer = Answer(built, response.status, _reason(built, response), headers, b"")
    take = watch(answer) if watch is not None and response.status < 300 else None
    body = bytearray()
    inflater = Inflater(answer.header("content-encoding"), limit)
    async for piece in _inflated(response, inflater):
        room = limit - len(body)
        body += piece[:room]
        if take is not None:
            await take(piece[:room])
        if len(piece) > room:
            return replace(answer, body=bytes(body), is_cut=True)
    return replace(answer, body=bytes(body))


async def _inflated(response: httpcore2.Response, inflater: Inflater) -> AsyncIterator[bytes]:
    async for chunk in response.aiter_stream():
        for piece in inflater.feed(chunk):
            yield piece


def _reason(built: Built, response: httpcore2.Response) -> str:
    """The words that belong to the status; those that were sent may say anything."""
    try:
        return HTTPStatus(response.status).phrase
    except ValueError:
        told = response.extensions.get("reason_phrase", b"")
        return built.mask("".join(filter(str.isprintable, told.decode("latin-1"))))[:40]


def _no_answer(built: Built, error: Exception) -> NoAnswer:
    host = built.origin.netloc
    if isinstance(error, httpcore2.ConnectTimeout):
        return NoAnswer(f"{host} cannot be reached: no connection within {CONNECT_TIMEOUT:g} s", hint=_REACH)
    if isinstance(error, httpcore2.ConnectError):
        return NoAnswer(f"{host} cannot be reached: {_why(built, error)}", hint=_REACH)
    if isinstance(error, httpcore2.TimeoutException):
        return NoAnswer(f"{built.told}: nothing came for {SILENCE_TIMEOUT:g} s", hint="try again later")
    return NoAnswer(f"{built.told}: the answer broke off: {_why(built, error)}", hint="try again later")


_REACH = "check that it is up, and `url` in the capability file"


def _why(built: Built, error: BaseException) -> str:
    """The words of what lies at the root of `error`, in one line."""
    words = str(error)
    root = error.__context__  # the pool cuts off what was the cause
    while root is not None:
        if isinstance(root, ConnectionError) and root.errno:
            words = os.strerror(root.errno)  # its own words tell the address once more
        elif isinstance(root, OSError):
            words = root.strerror or words
        root = root.__cause__ or root.__context__
    return built.mask(" ".join(words.split()))[:_MAX_TOLD] or type(error).__name__
