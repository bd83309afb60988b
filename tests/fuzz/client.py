"""Requests byte by byte over a socket, and the answers as they came; every wait is bounded."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httptools

from tests.support.raw import HANDSHAKE, STATELESS, VERSION_KEY, Json

PATIENCE = 10.0
"""Seconds for any answer: whoever waits longer hangs."""
META = {
    VERSION_KEY: STATELESS,
    "io.modelcontextprotocol/clientInfo": {"name": "fuzz", "version": "1"},
    "io.modelcontextprotocol/clientCapabilities": {},
}


@dataclass
class Answer:
    """One response."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def messages(self) -> list[Json]:
        """What it says in JSON-RPC, be it JSON or a stream of events."""
        if self.headers.get("content-type", "").startswith("application/json"):
            return [json.loads(self.body)] if self.body else []
        lines = self.body.decode().replace("\r\n", "\n").split("\n")
        return [json.loads(line[5:]) for line in lines if line.startswith("data:") and line[5:].strip()]

    @property
    def final(self) -> Json:
        """The answer proper, without what was told before."""
        return next((message for message in self.messages if "method" not in message), {})

    @property
    def verdict(self) -> tuple[int, Any]:
        """Status class and error code: that in which two servers have to agree."""
        if not self.headers.get("content-type", "").startswith(("application/json", "text/event-stream")):
            return self.status // 100, None
        error = self.final.get("error")
        return self.status // 100, error["code"] if error else "result" if "result" in self.final else None

    @property
    def echoed(self) -> Any:
        """The arguments that the tool was called with."""
        return json.loads(self.final["result"]["content"][0]["text"])


class Line:
    """One connection."""

    def __init__(self, port: int, patience: float = PATIENCE) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=patience)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._parser = httptools.HttpResponseParser(self)
        self._patience = patience
        self._answers: list[Answer] = []
        self._headers: dict[str, str] = {}
        self._body = b""
        self.is_over = False

    def close(self) -> None:
        self._socket.close()

    def reset(self) -> None:
        """Close so that the other side notices at once, whatever is still on its way."""
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        self._socket.close()

    def send(self, *pieces: bytes, pause: float = 0.0) -> None:
        """Send; `pause`: seconds between the pieces, so that they come as several."""
        try:
            for piece in pieces:
                self._socket.sendall(piece)
                if pause:
                    time.sleep(pause)
        except (BrokenPipeError, ConnectionResetError):
            pass  # what came before may say why

    def hush(self) -> None:
        """Close our half."""
        self._socket.shutdown(socket.SHUT_WR)

    def answers(self, count: int) -> list[Answer]:
        """So many answers, or fewer if the connection ends; a hang is a TimeoutError."""
        deadline = time.monotonic() + self._patience
        while len(self._answers) < count and not self.is_over:
            self._socket.settimeout(max(0.01, deadline - time.monotonic()))
            try:
                data = self._socket.recv(1 << 18)
            except ConnectionResetError:
                data = b""
            if not data:
                self.is_over = True
                if self._headers and not self._headers.keys() & {"content-length", "transfer-encoding"}:
                    self.on_message_complete()  # it ends with the connection
                break
            self._parser.feed_data(data)
        found, self._answers[:] = self._answers[:count], self._answers[count:]
        return found

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers[name.decode().lower()] = value.decode("latin-1").strip()

    def on_body(self, body: bytes) -> None:
        self._body += body

    def on_message_complete(self) -> None:
        status = self._parser.get_status_code()
        if status >= 200:
            self._answers.append(Answer(status, self._headers, self._body))
        self._headers, self._body = {}, b""


@contextmanager
def line(port: int, patience: float = PATIENCE) -> Iterator[Line]:
    made = Line(port, patience)
    try:
        yield made
    finally:
        made.close()


def head(fields: Mapping[str, str], length: int | None, start: str = "POST /mcp HTTP/1.1") -> bytes:
    """A head; `length` is that of the body, None to say nothing of it."""
    told = dict(fields) | ({} if length is None else {"content-length": str(length)})
    return "".join((f"{start}\r\n", *(f"{key}: {value}\r\n" for key, value in told.items()), "\r\n")).encode("latin-1")


def fields(session: str = "", **more: str) -> dict[str, str]:
    """The headers of an ordinary request: of a session of the handshake era, or of the stateless one."""
    era = {"mcp-session-id": session, "mcp-protocol-version": HANDSHAKE} if session else stateless_fields()
    about = {"host": "127.0.0.1", "content-type": "application/json", "accept": "application/json, text/event-stream"}
    return about | era | more


def stateless_fields(tool: str = "e__echo") -> dict[str, str]:
    return {"mcp-protocol-version": STATELESS, "mcp-method": "tools/call", "mcp-name": tool}


def message(number: Any, arguments: Json, tool: str = "e__echo", session: str = "", token: Any = None) -> Json:
    """A `tools/call`; `token`: where progress is to be told."""
    meta = ({} if session else META) | ({} if token is None else {"progressToken": token})
    params = {"name": tool, "arguments": arguments} | ({"_meta": meta} if meta else {})
    return {"jsonrpc": "2.0", "id": number, "method": "tools/call", "params": params}


def call(number: Any, arguments: Json, tool: str = "e__echo", session: str = "", token: Any = None) -> bytes:
    """A whole request with it."""
    body = json.dumps(message(number, arguments, tool, session, token)).encode()
    own = {} if session else {"mcp-name": tool}
    return head(fields(session, **own), len(body)) + body


def opened(port: int) -> str:
    """A new session of the handshake era, in which calls are ordinary by now."""
    about = {"protocolVersion": HANDSHAKE, "capabilities": {}, "clientInfo": {"name": "fuzz", "version": "1"}}
    hello = json.dumps({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": about}).encode()
    done = json.dumps({"jsonrpc": "2.0", "method": "notifications/initialized"}).encode()
    own = {"host": "localhost", "content-type": "application/json", "accept": "application/json, text/event-stream"}
    with line(port) as wire:
        wire.send(head(own, len(hello)) + hello)
        session = wire.answers(1)[0].headers["mcp-session-id"]
        wire.send(head(fields(session), len(done)) + done)
        assert wire.answers(1)[0].status == 202
        for number in (1, 2):  # the SDK wants to see a session now and then
            wire.send(call(number, {}, session=session))
            assert wire.answers(1)[0].echoed == {}
    return session
