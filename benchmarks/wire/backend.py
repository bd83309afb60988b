"""An instant MCP server, both eras, without any MCP library: over stdio, or over HTTP with `--http PORT [--sse]`.

Its tools (`--tools N`) echo `text`, or answer with `size` bytes. It stands alone, so that it starts at once with
`python -S`: what is not installed there it does without.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import Any

try:
    import orjson

    def dumps(value: Any) -> bytes:
        """A value as JSON."""
        return orjson.dumps(value)

    loads = orjson.loads
except ImportError:
    import json

    loads = json.loads  # type: ignore[assignment]  # it reads bytes as well

    def dumps(value: Any) -> bytes:
        """A value as JSON."""
        return json.dumps(value).encode()


HANDSHAKE, STATELESS = "2025-11-25", "2026-07-28"
VERSION_KEY = "io.modelcontextprotocol/protocolVersion"
SCHEMA = {
    "type": "object",
    "properties": {
        "text": {"type": "string", "description": "What to say."},
        "size": {"type": "integer", "description": "How many bytes to answer with instead."},
    },
}
ABOUT = {"capabilities": {"tools": {}}, "serverInfo": {"name": "raw", "version": "1"}}
CACHE = {"ttlMs": 0, "cacheScope": "private"}


class Server:
    """What every transport serves."""

    def __init__(self, tools: int) -> None:
        self._tools = [
            {"name": f"tool{number}", "description": f"Says number {number} back.", "inputSchema": SCHEMA}
            for number in range(tools)
        ]

    def handle(self, message: dict[str, Any]) -> bytes | None:
        """The answer to one message; None: there is none."""
        if "id" not in message or "method" not in message:
            return None
        params = message.get("params") or {}
        result = self._result(message["method"], params)
        if result is None:
            error = {"code": -32601, "message": "Method not found"}
            return dumps({"jsonrpc": "2.0", "id": message["id"], "error": error})
        if VERSION_KEY in (params.get("_meta") or ()):
            result["resultType"] = "complete"
        return dumps({"jsonrpc": "2.0", "id": message["id"], "result": result})

    def _result(self, method: str, params: dict[str, Any]) -> dict[str, Any] | None:
        if method == "tools/call":
            arguments = params.get("arguments") or {}
            text = "x" * arguments["size"] if arguments.get("size") else arguments.get("text", "")
            return {"content": [{"type": "text", "text": text}]}
        if method == "tools/list":
            return {"tools": self._tools, **(CACHE if "_meta" in params else {})}
        if method == "initialize":
            asked = params.get("protocolVersion", HANDSHAKE)
            return ABOUT | {"protocolVersion": asked if asked < STATELESS else HANDSHAKE}
        if method == "server/discover":
            return ABOUT | CACHE | {"supportedVersions": [STATELESS]}
        return {} if method == "ping" else None


def serve_stdio(server: Server) -> None:
    """Serve until stdin ends: read what there is, answer all of it at once."""
    # One block for all reads: whether glibc takes a new one from the system each time depends on who starts this.
    block, held = memoryview(bytearray(1 << 20)), b""
    while size := os.readv(0, [block]):
        chunk = bytes(block[:size])
        held += chunk
        if b"\n" not in chunk:
            continue
        *lines, held = held.split(b"\n")
        answers = [server.handle(loads(line)) for line in lines if line.strip()]
        _write(b"".join(answer + b"\n" for answer in answers if answer))


def _write(data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(1, view) :]


def serve_http(server: Server, port: int, *, is_sse: bool) -> None:
    """Serve streamable HTTP at any path until killed."""
    import asyncio

    import httptools
    import uvloop

    class Connection(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            self.write: Callable[[bytes], None] = transport.write  # type: ignore[attr-defined]  # it is a Transport
            self.parser = httptools.HttpRequestParser(self)
            self.body: list[bytes] = []

        def data_received(self, data: bytes) -> None:
            self.parser.feed_data(data)

        def on_body(self, body: bytes) -> None:
            self.body.append(body)

        def on_message_complete(self) -> None:
            body, self.body = b"".join(self.body), []
            self.write(http_answer(server, self.parser.get_method(), body, is_sse=is_sse))

    async def main() -> None:
        listening = await asyncio.get_running_loop().create_server(Connection, "127.0.0.1", port, backlog=1024)
        await listening.serve_forever()

    uvloop.run(main())


def http_answer(server: Server, method: bytes, body: bytes, *, is_sse: bool) -> bytes:
    """One whole response."""
    if method != b"POST":
        status = b"200 OK" if method == b"DELETE" else b"405 Method Not Allowed"
        return b"HTTP/1.1 " + status + b"\r\nContent-Length: 0\r\n\r\n"
    message = loads(body)
    answer = server.handle(message)
    if answer is None:
        return b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n"
    session = b"Mcp-Session-Id: raw\r\n" if message["method"] == "initialize" else b""
    kind = b"application/json"
    if is_sse and message["method"] == "tools/call":
        kind, answer = b"text/event-stream", b"event: message\ndata: " + answer + b"\n\n"
    top = b"HTTP/1.1 200 OK\r\nContent-Type: " + kind + b"\r\n" + session
    return b"%sContent-Length: %d\r\n\r\n%s" % (top, len(answer), answer)


def main(words: list[str]) -> None:
    """Serve as the command line says."""
    server = Server(int(words[words.index("--tools") + 1]) if "--tools" in words else 50)
    if "--http" in words:
        serve_http(server, int(words[words.index("--http") + 1]), is_sse="--sse" in words)
    else:
        serve_stdio(server)


if __name__ == "__main__":
    main(sys.argv[1:])
