"""A server that counts: each execution stands in a journal before it is answered, whatever becomes of the answer.

`python -S server.py FOLDER [--port PORT] [--era ERA] [--generation N]` serves it over stdio or over HTTP, in raw Python
that starts at once. Files in FOLDER/orders make it misbehave, once each; whoever finds a file first takes it:
hang, stall, cut, torn (see `Counter`), and over HTTP refuse and expire (see `Web`).
"""

from __future__ import annotations

import argparse
import json
import os
import socket
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

Json = dict[str, Any]
HANDSHAKE, STATELESS = "2025-11-25", "2026-07-28"
VERSION_KEY = "io.modelcontextprotocol/protocolVersion"
ONCE, OFTEN = "once.log", "often.log"
"""Journals of what may run once only, and of what may be sent again."""
TOOLS: dict[str, Json] = {
    "count": {},
    "slow": {},
    "peek": {"readOnlyHint": True},
    "again": {"idempotentHint": True},
}
STALE = (
    (404, -32600, "Session not found"),
    (404, -32001, "Session not found"),
    (400, -32000, "Bad Request: No valid session ID provided"),
    (400, -32600, "Invalid Request: Session not found"),
    (503, -32001, "Service Unavailable: MCP session is unknown on this API instance."),
    (404, -32001, "Not Found: MCP session is unknown or expired on this API instance."),
    (404, 0, ""),
)
"""How servers say that they do not know a session: HTTP status, JSON-RPC code (0: no JSON body), message."""
_TICK = 0.05


class Answer(NamedTuple):
    """What a request leads to: the reply, the fault that befalls it, and seconds until then."""

    reply: Json
    fault: str = ""
    wait: float = 0.0


class Counter:
    """The server behind both transports."""

    def __init__(self, folder: Path, era: str, generation: int) -> None:
        self.folder, self.era, self.generation = folder, era, generation
        for name in ("orders", "pids"):
            (folder / name).mkdir(parents=True, exist_ok=True)
        (folder / "pids" / str(os.getpid())).touch()
        self.hangs_until = 0.0
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
        self.journals = {name: os.open(folder / name, flags, 0o600) for name in (ONCE, OFTEN)}

    def order(self, name: str) -> str | None:
        """Take the order of that name, if there is one: what it says."""
        path = self.folder / "orders" / name
        taken = path.with_name(f"{name}.{os.getpid()}.{threading.get_ident()}")
        try:
            path.rename(taken)
        except OSError:
            return None
        said = taken.read_text(encoding="utf-8")
        taken.unlink()
        return said

    def hang(self) -> None:
        """Do nothing at all for a while, if that is the order. What waits is done afterwards."""
        if seconds := self.order("hang"):
            self.hangs_until = time.monotonic() + float(seconds)
        time.sleep(max(0.0, self.hangs_until - time.monotonic()))

    def handle(self, message: Json) -> Answer | None:
        """The answer to one message; None for a notification."""
        method, params = message.get("method", ""), message.get("params") or {}
        if "id" not in message or not method:
            return None
        stateless = VERSION_KEY in (params.get("_meta") or {})
        if method == "tools/call":
            return self._called(message["id"], params, stateless=stateless)
        result = self._told(method, stateless=stateless)
        if result is None:
            return Answer(failed(message["id"], -32601, "Method not found"))
        return Answer(done(message["id"], result, stateless=stateless))

    def _told(self, method: str, *, stateless: bool) -> Json | None:
        if self.era == ("handshake" if stateless else "stateless"):
            return None
        about = {"capabilities": {"tools": {}}, "serverInfo": {"name": "counter", "version": str(self.generation)}}
        if method == "initialize":
            return about | {"protocolVersion": HANDSHAKE}
        if method == "server/discover":
            return about | {"supportedVersions": [STATELESS], "ttlMs": 0, "cacheScope": "private"}
        if method == "tools/list":
            return {"tools": [self._tool(name, hints) for name, hints in TOOLS.items()]}
        return {} if method == "ping" and not stateless else None

    def _tool(self, name: str, hints: Json) -> Json:
        described = f"{name}, generation {self.generation}"
        return {"name": name, "description": described, "inputSchema": {"type": "object"}, "annotations": hints}

    def _called(self, number: Any, params: Json, *, stateless: bool) -> Answer:
        name, arguments = params["name"], params.get("arguments") or {}
        call = str(arguments["call_id"])
        os.write(self.journals[OFTEN if TOOLS[name] else ONCE], f"{call}\n".encode())
        wait = float(arguments.get("seconds", 0))
        reply = done(number, {"content": [{"type": "text", "text": call}]}, stateless=stateless)
        if stalled := self.order("stall"):
            return Answer(reply, wait=float(stalled))
        fault = next((fault for fault in ("cut", "torn") if self.order(fault) is not None), "")
        return Answer(reply, fault, 0 if fault else wait)


def done(number: Any, result: Json, *, stateless: bool) -> Json:
    """A result as its era has it."""
    return {"jsonrpc": "2.0", "id": number, "result": ({"resultType": "complete"} if stateless else {}) | result}


def failed(number: Any, code: int, message: str) -> Json:
    """An error."""
    return {"jsonrpc": "2.0", "id": number, "error": {"code": code, "message": message}}


def serve_stdio(counter: Counter) -> None:
    """Serve until stdin ends. `cut` and `torn` are deaths: before the answer, or in the middle of it."""
    lock = threading.Lock()

    def send(answer: Answer) -> None:
        if answer.wait:
            time.sleep(answer.wait)
        line = json.dumps(answer.reply).encode() + b"\n"
        with lock:
            if answer.fault == "cut":
                os._exit(3)
            os.write(1, line[: len(line) // 2] if answer.fault else line)
            if answer.fault:
                os._exit(3)

    for line in sys.stdin.buffer:
        counter.hang()
        answer = counter.handle(json.loads(line))
        if answer and answer.wait:
            threading.Thread(target=send, args=(answer,), daemon=True).start()
        elif answer:
            send(answer)


class Web:
    """Streamable HTTP on one port, a thread for each connection.

    Orders: `refuse` closes the port and idle connections for that many seconds; `expire` forgets all sessions, and has
    them answered in the spelling of that number; `cut` and `torn` end the connection of a call that has run.
    """

    def __init__(self, counter: Counter, port: int) -> None:
        self.counter, self.port = counter, port
        self.sessions: set[str] = set()
        self.idle: set[socket.socket] = set()

    def serve(self) -> None:
        """Serve for ever."""
        listener = self._listen()
        while True:
            if seconds := self.counter.order("refuse"):
                listener.close()
                self._hang_up()
                time.sleep(float(seconds))
                listener = self._listen()
            if (spelling := self.counter.order("expire")) is not None:
                (self.counter.folder / "spelling").write_text(spelling, encoding="utf-8")
                self._count(self.sessions.clear)
            with suppress(TimeoutError):
                connection, _address = listener.accept()
                connection.settimeout(None)
                threading.Thread(target=self._converse, args=(connection,), daemon=True).start()

    def _listen(self) -> socket.socket:
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", self.port))
        listener.listen(128)
        listener.settimeout(_TICK)
        return listener

    def _hang_up(self) -> None:
        for connection in tuple(self.idle):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def _count(self, change: Any, *session: str) -> None:
        change(*session)
        (self.counter.folder / "sessions").write_text(str(len(self.sessions)), encoding="utf-8")

    def _converse(self, connection: socket.socket) -> None:
        with connection, connection.makefile("rb") as stream, suppress(OSError, ValueError):
            while True:
                self.idle.add(connection)
                method = stream.readline().split(b" ")[0].decode()
                self.idle.discard(connection)
                if not method or not self._exchange(connection, stream, method):
                    return

    def _exchange(self, connection: socket.socket, stream: BinaryIO, method: str) -> bool:
        """One request and its answer; whether the connection can go on."""
        headers = {}
        while line := stream.readline().strip():
            name, _, value = line.decode().partition(":")
            headers[name.lower()] = value.strip()
        body = stream.read(int(headers.get("content-length", 0)))
        self.counter.hang()
        session = headers.get("mcp-session-id", "")
        if method == "POST":
            return self._posted(connection, json.loads(body), session)
        if method == "DELETE":
            self._count(self.sessions.discard, session)
            connection.sendall(http(200))
            return True
        if session not in self.sessions:
            connection.sendall(http(405) if self.counter.era == "stateless" else self._stale())
            return True
        return self._stream(connection, session)

    def _posted(self, connection: socket.socket, message: Json, session: str) -> bool:
        opened = ""
        if message.get("method") == "initialize" and self.counter.era != "stateless":
            opened = os.urandom(8).hex()
            self._count(self.sessions.add, opened)
        elif session not in self.sessions and not is_stateless(message, self.counter.era):
            connection.sendall(self._stale())
            return True
        answer = self.counter.handle(message)
        if answer is None:
            connection.sendall(http(202))
            return True
        data = json.dumps(answer.reply).encode()
        if answer.wait:
            return self._streamed(connection, data, answer.wait)
        whole = http(200, data, f"mcp-session-id: {opened}\r\n" if opened else "")
        connection.sendall(whole if not answer.fault else whole[: len(whole) - 20] if answer.fault == "torn" else b"")
        return not answer.fault

    def _stream(self, connection: socket.socket, session: str) -> bool:
        """A stream on which nothing is ever said, for as long as its session lives."""
        connection.sendall(http(200, None, "content-type: text/event-stream\r\n"))
        connection.settimeout(_TICK)
        while session in self.sessions:
            with suppress(TimeoutError):
                return bool(connection.recv(1))
        return False

    def _streamed(self, connection: socket.socket, data: bytes, wait: float) -> bool:
        """An answer that takes its time: its stream begins at once, and ends the connection."""
        connection.sendall(http(200, None, "content-type: text/event-stream\r\n"))
        time.sleep(wait)
        connection.sendall(b"event: message\r\ndata: " + data + b"\r\n\r\n")
        return False

    def _stale(self) -> bytes:
        with suppress(OSError, ValueError):
            status, code, message = STALE[int((self.counter.folder / "spelling").read_text(encoding="utf-8"))]
            return http(status, json.dumps(failed(None, code, message)).encode() if code else b"")
        return http(404, json.dumps(failed(None, -32600, "Session not found")).encode())


def is_stateless(message: Json, era: str) -> bool:
    """Whether a message needs no session of a server of that era."""
    return era != "handshake" and VERSION_KEY in ((message.get("params") or {}).get("_meta") or {})


def http(status: int, body: bytes | None = b"", more: str = "") -> bytes:
    """A response of HTTP/1.1; without a body (None), it lasts until the connection ends."""
    sized = "connection: close\r\n" if body is None else f"content-length: {len(body)}\r\n"
    kind = "content-type: application/json\r\n" if body else ""
    return f"HTTP/1.1 {status} so\r\n{kind}{sized}{more}\r\n".encode() + (body or b"")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--era", choices=["both", "handshake", "stateless"], default="both")
    parser.add_argument("--generation", type=int, default=0)
    options = parser.parse_args()
    counter = Counter(options.folder, options.era, options.generation)
    if options.port:
        Web(counter, options.port).serve()
    else:
        serve_stdio(counter)


if __name__ == "__main__":
    main()
