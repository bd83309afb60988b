"""A real HTTP server that notes what arrived, byte for byte, and answers as it is told; by default with an echo."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from tests.support.web import served


@dataclass(frozen=True)
class Arrived:
    """One request."""

    method: str
    path: str
    """As it was sent."""
    query: str
    headers: list[tuple[str, str]]
    body: bytes

    @property
    def target(self) -> str:
        return f"{self.path}?{self.query}" if self.query else self.path

    def all(self, name: str) -> list[str]:
        """The headers of that name."""
        return [value for key, value in self.headers if key == name]

    def header(self, name: str) -> str:
        (value,) = self.all(name)
        return value


@dataclass(frozen=True)
class Reply:
    """One answer."""

    body: bytes | AsyncIterator[bytes] | Iterable[bytes] = b""
    status: int = 200
    content_type: str = "application/json"
    headers: dict[str, str] = field(default_factory=dict)


Answer = Callable[[Arrived], Reply | Awaitable[Reply]]


class Recorder:
    """What arrived, and how it is answered."""

    def __init__(self) -> None:
        self.arrived: list[Arrived] = []
        self.port = 0
        self._answers: dict[str, Answer] = {}

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def last(self) -> Arrived:
        return self.arrived[-1]

    def on(self, path: str, answer: Answer | Reply) -> None:
        """Have requests for `path` answered so."""
        self._answers[path] = (lambda _: answer) if isinstance(answer, Reply) else answer

    def in_turn(self, path: str, *replies: Reply) -> None:
        """Have them answered by one after the other, and by the last one from then on."""
        left = list(replies)
        self.on(path, lambda _: left.pop(0) if len(left) > 1 else left[0])

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        request = await _arrived(scope, receive)
        self.arrived.append(request)
        reply = self._answers.get(request.path, echo)(request)
        if not isinstance(reply, Reply):
            reply = await reply
        await _send(reply, send)


def echo(request: Arrived) -> Reply:
    """What arrived, as JSON."""
    told = {
        "method": request.method,
        "path": request.path,
        "query": request.query,
        "headers": dict(request.headers),
        "body": request.body.decode("latin-1"),
    }
    return as_json(told)


def as_json(value: Any, status: int = 200, **headers: str) -> Reply:
    named = {name.replace("_", "-"): text for name, text in headers.items()}
    return Reply(json.dumps(value).encode(), status, headers=named)


@asynccontextmanager
async def recorder() -> AsyncIterator[Recorder]:
    """A recorder on a port of its own."""
    app = Recorder()
    async with served(app) as port:  # type: ignore[arg-type]
        app.port = port
        yield app


async def _arrived(scope: Any, receive: Any) -> Arrived:
    body = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"):
            break
    headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"]]
    path, query = scope["raw_path"].decode("latin-1"), scope["query_string"].decode("latin-1")
    return Arrived(scope["method"], path, query, headers, body)


async def _send(reply: Reply, send: Any) -> None:
    headers = {"content-type": reply.content_type} | reply.headers
    if isinstance(reply.body, bytes):
        headers |= {"content-length": str(len(reply.body))}
    raw = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": reply.status, "headers": raw})
    async for chunk in _chunks(reply.body):
        await send({"type": "http.response.body", "body": chunk, "more_body": True})
    await send({"type": "http.response.body", "body": b""})


async def _chunks(body: bytes | AsyncIterator[bytes] | Iterable[bytes]) -> AsyncIterator[bytes]:
    if isinstance(body, bytes):
        yield body
    elif isinstance(body, AsyncIterator):
        async for chunk in body:
            yield chunk
    else:
        for chunk in body:
            yield chunk
