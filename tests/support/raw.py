"""A scripted MCP server, written without any MCP library so that it can send whatever a test wants on the wire.

`Script` is data: what it offers, what it answers, and how it misbehaves. `RawServer.handle` is the whole server;
`python raw.py SCRIPT.json` serves it over stdio, `tests.support.web` over HTTP and SSE. It speaks both eras, or one.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

Json = dict[str, Any]
HANDSHAKE, STATELESS = "2025-11-25", "2026-07-28"
VERSION_KEY = "io.modelcontextprotocol/protocolVersion"
SUBSCRIPTION_KEY = "io.modelcontextprotocol/subscriptionId"
LISTS = {
    "tools/list": "tools",
    "prompts/list": "prompts",
    "resources/list": "resources",
    "resources/templates/list": "resourceTemplates",
}
SUBSCRIBE = ("resources/subscribe", "resources/unsubscribe")
CHANGED = {"tools": "tools", "prompts": "prompts", "resources": "resources", "resourceTemplates": "resources"}


def tool(name: str, **more: Any) -> Json:
    """A minimal tool definition."""
    return {"name": name, "description": f"does {name}", "inputSchema": {"type": "object"}} | more


def text(value: str, **more: Any) -> Json:
    """A minimal tool result."""
    return {"content": [{"type": "text", "text": value}]} | more


@dataclass
class Script:
    """What a server offers, answers, and does wrong. Everything in it is JSON."""

    name: str = "raw"
    era: str = "both"
    """both | handshake | stateless"""
    offers: dict[str, list[Json]] = field(default_factory=dict)
    """tools / prompts / resources / resourceTemplates -> definitions"""
    capabilities: Json | None = None
    """What it advertises; None: what follows from `offers`."""
    instructions: str = ""
    answers: dict[str, Json] = field(default_factory=dict)
    """`method name-or-uri` (or just `method`) -> a result, or {"error": {...}}; a tool that is not here echoes."""
    page_size: int = 0
    repeat_cursor: bool = False
    hang_on: list[str] = field(default_factory=list)
    crash_on: list[str] = field(default_factory=list)
    delay_on: dict[str, float] = field(default_factory=dict)
    """`method name` or `method` -> seconds before it is answered (others are answered meanwhile)."""
    answer_after: dict[str, int] = field(default_factory=dict)
    """`tools/call name` -> how many other tool calls are answered before it is, however long that takes."""
    junk: list[str] = field(default_factory=list)
    """Lines written to stdout before anything else."""
    chatter: list[str] = field(default_factory=list)
    """Lines written to stderr before anything else."""
    only_junk: bool = False
    exit_at_once: int | None = None
    transcript: str = ""
    """A file that gets every message received, one JSON per line."""


class Crash(Exception):
    """The server is to drop dead."""


class RawServer:
    """One server; `push` sends a message to the client outside of any answer (None: nobody to push to)."""

    def __init__(self, script: Script) -> None:
        self.script = script
        self.offers = {kind: list(found) for kind, found in script.offers.items()}
        self.pushes: list[Callable[[Json], None]] = []
        self.listeners: dict[Any, Callable[[Json], None]] = {}
        self.filters: dict[Any, Json] = {}
        """What each listener listens for."""
        self.subscribed: set[str] = set()
        """URIs that were subscribed to in the handshake era."""
        self.received: list[Json] = []
        self.calls_answered = 0

    def change(self, kind: str, definitions: list[Json], *, times: int = 1) -> None:
        """Offer something else from now on, and say so (`times` times) in every era."""
        self.offers[kind] = definitions
        note = {"jsonrpc": "2.0", "method": f"notifications/{CHANGED[kind]}/list_changed"}
        for _ in range(times):
            for push in self.pushes:
                push(note)
            for subscription, push in self.listeners.items():
                push(note | {"params": {"_meta": {SUBSCRIPTION_KEY: subscription}}})

    def update(self, uri: str, **more: Any) -> None:
        """Say that a resource was updated to whoever subscribed to it, in each era's way."""
        note = {"jsonrpc": "2.0", "method": "notifications/resources/updated"}
        if uri in self.subscribed:
            self.push(note["method"], {"uri": uri} | more)
        for subscription, push in self.listeners.items():
            if uri in (self.filters[subscription].get("resourceSubscriptions") or ()):
                push(note | {"params": {"uri": uri, "_meta": {SUBSCRIPTION_KEY: subscription}} | more})

    def push(self, method: str, params: Json, **more: Any) -> None:
        """Send a notification outside of any answer; with an `id`, a request."""
        for push in self.pushes:
            push({"jsonrpc": "2.0", "method": method, "params": params} | more)

    def delay(self, message: Json) -> float:
        """Seconds to wait before handling a message."""
        delays = self.script.delay_on
        return delays.get(self._key(message), delays.get(message.get("method", ""), 0.0))

    def waits(self, message: Json) -> bool:
        """Whether other calls are to be answered before this one."""
        return self.calls_answered < self.script.answer_after.get(self._key(message), 0)

    def handle(self, message: Json, push: Callable[[Json], None]) -> Json | None:
        """The answer to one message; None where there is none (yet)."""
        self._record(message)
        method, params = message.get("method", ""), message.get("params") or {}
        if method == "notifications/cancelled":
            self.listeners.pop(params.get("requestId"), None)
        if "id" not in message or not method or method in self.script.hang_on:
            return None
        if method in self.script.crash_on or self._key(message) in self.script.crash_on:
            raise Crash
        stateless = VERSION_KEY in (params.get("_meta") or {})
        if self.script.era == ("handshake" if stateless else "stateless"):
            refusal = {"code": -32022, "message": "unsupported version", "data": {"supported": [STATELESS]}}
            return self._error(message, {"code": -32601, "message": "Method not found"} if stateless else refusal)
        if method == "subscriptions/listen":
            self.listeners[message["id"]] = push
            self.filters[message["id"]] = params.get("notifications", {})
            acknowledged = {
                "notifications": params.get("notifications", {}),
                "_meta": {SUBSCRIPTION_KEY: message["id"]},
            }
            push({"jsonrpc": "2.0", "method": "notifications/subscriptions/acknowledged", "params": acknowledged})
            return None
        result = self._result(method, params, message)
        if "error" in result:
            return self._error(message, result["error"])
        if stateless:
            result = {"resultType": "complete"} | result
        return {"jsonrpc": "2.0", "id": message["id"], "result": result}

    def _result(self, method: str, params: Json, message: Json) -> Json:
        script = self.script
        about = {"capabilities": self.capabilities} | (
            {"instructions": script.instructions} if script.instructions else {}
        )
        if method == "initialize":
            named = {"protocolVersion": HANDSHAKE, "serverInfo": {"name": script.name, "version": "1"}}
            return script.answers.get(method) or about | named
        if method == "server/discover":
            return about | {"supportedVersions": [STATELESS], "ttlMs": 0, "cacheScope": "private"}
        if (answer := script.answers.get(self._key(message)) or script.answers.get(method)) is not None:
            return answer
        if method in LISTS:
            return self._page(LISTS[method], params.get("cursor"))
        called = self._called(method, params)
        return {"error": {"code": -32601, "message": "Method not found"}} if called is None else called

    def _called(self, method: str, params: Json) -> Json | None:
        script = self.script
        if method == "tools/call" and params.get("name") == "change":
            self.change(**params["arguments"])
            return text("changed")
        if method == "tools/call":
            self.calls_answered += 1
            return text(
                json.dumps({"server": script.name, "tool": params["name"], "arguments": params.get("arguments")})
            )
        if method == "resources/read":
            return {"contents": [{"uri": params["uri"], "text": f"{params['uri']} of {script.name}"}]}
        if method == "prompts/get":
            content = {"type": "text", "text": f"{params['name']} of {script.name}"}
            return {"messages": [{"role": "user", "content": content}]}
        if method == "completion/complete":
            return {"completion": {"values": [f"{script.name}:{json.dumps(params['ref'], sort_keys=True)}"]}}
        return {} if method == "ping" or self._is_set(method, params) else None

    def _is_set(self, method: str, params: Json) -> bool:
        """Whether this is a setting of a session, and of one that it knows."""
        if method in SUBSCRIBE and self.capabilities.get("resources", {}).get("subscribe"):
            (self.subscribed.add if method == SUBSCRIBE[0] else self.subscribed.discard)(params["uri"])
            return True
        return method == "logging/setLevel" and "logging" in self.capabilities

    @property
    def capabilities(self) -> Json:
        """What it says it can do."""
        if self.script.capabilities is not None:
            return self.script.capabilities
        return {CHANGED[kind]: {"listChanged": True} for kind in self.offers}

    def _page(self, kind: str, cursor: str | None) -> Json:
        found, size, start = self.offers.get(kind, []), self.script.page_size, int(cursor or 0)
        if not size:
            return {kind: found}
        end = start + size
        if self.script.repeat_cursor:
            return {kind: found[start:end], "nextCursor": "0"}
        return {kind: found[start:end]} | ({"nextCursor": str(end)} if end < len(found) else {})

    def _key(self, message: Json) -> str:
        params = message.get("params") or {}
        return f"{message.get('method')} {params.get('name', params.get('uri', ''))}".strip()

    def _error(self, message: Json, error: Json) -> Json:
        return {"jsonrpc": "2.0", "id": message["id"], "error": error}

    def _record(self, message: Json) -> None:
        self.received.append(message)
        if self.script.transcript:
            with Path(self.script.transcript).open("a", encoding="utf-8") as file:
                file.write(json.dumps(message) + "\n")


def command(script: Script, folder: Path) -> list[str]:
    """The command line that serves `script` over stdio."""
    path = folder / f"{script.name}.script.json"
    path.write_text(json.dumps(asdict(script)), encoding="utf-8")
    return [sys.executable, "-S", __file__, str(path)]


def serve_stdio(script: Script) -> None:
    """Serve over stdin and stdout until stdin ends; delayed answers do not hold up others."""
    lock = threading.Lock()

    def send(message: Json) -> None:
        with lock:
            sys.stdout.write(json.dumps(message) + "\n")
            sys.stdout.flush()

    def answer(message: Json) -> None:
        time.sleep(server.delay(message))
        while server.waits(message):
            time.sleep(0.002)
        try:
            if (reply := server.handle(message, send)) is not None:
                send(reply)
        except Crash:
            os._exit(3)

    server = RawServer(script)
    server.pushes.append(send)
    for line in _opening(script):
        message = json.loads(line)
        if server.delay(message) or server.waits(message):
            threading.Thread(target=answer, args=(message,), daemon=True).start()
        else:
            answer(message)


def _opening(script: Script) -> Iterator[str]:
    for line in script.chatter:
        sys.stderr.write(line + "\n")
    for line in script.junk:
        sys.stdout.write(line + "\n")
    sys.stderr.flush()
    sys.stdout.flush()
    if script.exit_at_once is not None:
        sys.exit(script.exit_at_once)
    for line in sys.stdin:
        if not script.only_junk:
            yield line
            continue
        sys.stdout.write("I have no idea what you mean\n")
        sys.stdout.flush()


if __name__ == "__main__":
    serve_stdio(Script(**json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))))
