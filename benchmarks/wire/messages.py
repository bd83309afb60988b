"""What the load clients say: requests of both eras as bytes, and whether an answer is the right one. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import orjson

Json = dict[str, Any]
CLIENT = {"name": "bench", "version": "1"}
INITIALIZED = b'{"jsonrpc":"2.0","method":"notifications/initialized"}'


class Era(StrEnum):
    """How a client opens."""

    HANDSHAKE = "handshake"
    STATELESS = "stateless"

    @property
    def version(self) -> str:
        """The protocol's revision."""
        return "2025-11-25" if self is Era.HANDSHAKE else "2026-07-28"


INITIALIZE: Json = {"protocolVersion": Era.HANDSHAKE.version, "capabilities": {}, "clientInfo": CLIENT}
ENVELOPE: Json = {
    "io.modelcontextprotocol/protocolVersion": Era.STATELESS.version,
    "io.modelcontextprotocol/clientInfo": CLIENT,
    "io.modelcontextprotocol/clientCapabilities": {},
}


class WrongAnswer(Exception):
    """An answer that is an error, or somebody else's, or not what the backend says."""


def request(number: int, method: str, params: Mapping[str, Any], era: Era) -> bytes:
    """One request."""
    sent = dict(params) | ({"_meta": ENVELOPE} if era is Era.STATELESS else {})
    return orjson.dumps({"jsonrpc": "2.0", "id": number, "method": method, "params": sent})


@dataclass(frozen=True)
class Calls:
    """Calls of one tool: each asks for a text of its own, or for `size` bytes."""

    tool: str
    era: Era
    size: int = 0

    def template(self) -> bytes:
        """A request with `%d` where its number goes, so that making one costs the client next to nothing."""
        arguments: Json = {"size": self.size} if self.size else {"text": "@text@"}
        text = request(0, "tools/call", {"name": self.tool, "arguments": arguments}, self.era).decode()
        text = text.replace("%", "%%").replace('"id":0', '"id":%(n)d', 1).replace("@text@", "t%(n)d")
        return text.encode()

    def make(self, template: bytes, number: int) -> bytes:
        """The request of this number."""
        return template % {b"n": number}

    def check(self, answer: Mapping[str, Any], number: int) -> None:
        """Raises WrongAnswer unless this answers the request of that number."""
        try:
            text = answer["result"]["content"][0]["text"]
        except (KeyError, IndexError, TypeError):
            raise WrongAnswer(f"call {number}: {json.dumps(answer)[:400]}") from None
        if answer.get("id") != number or (len(text) != self.size if self.size else text != f"t{number}"):
            raise WrongAnswer(f"call {number} was answered with {text[:60]!r}, id {answer.get('id')}")


def head(host: str, path: str, era: Era, method: str, name: str = "", session: str = "") -> bytes:
    """The head of a POST, up to the number of its bytes."""
    lines = [
        f"POST {path} HTTP/1.1",
        f"Host: {host}",
        "Content-Type: application/json",
        "Accept: application/json, text/event-stream",
    ]
    if method != "initialize":
        lines.append(f"MCP-Protocol-Version: {era.version}")
    if session:
        lines.append(f"Mcp-Session-Id: {session}")
    if era is Era.STATELESS:
        lines += [f"Mcp-Method: {method}", *([f"Mcp-Name: {name}"] if name else [])]
    return ("\r\n".join(lines) + "\r\nContent-Length: ").encode()
