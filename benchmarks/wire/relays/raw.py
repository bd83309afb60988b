"""The floor: what a gateway of plain asyncio protocols costs that parses each message once, and maps ids and names.

`python -m benchmarks.wire.relays.raw CONFIG [--http PORT] [--uvloop]`. It lists all servers of CONFIG on each
`tools/list`, prefixes their names, and does nothing else that a gateway does.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from benchmarks.wire.relays.pipes import PipeBack, serve_pipes

Json = dict[str, Any]
Reply = Callable[[Json], None]
HANDSHAKE, STATELESS = "2025-11-25", "2026-07-28"
ABOUT: Json = {"name": "relay", "version": "1"}
INITIALIZE: Json = {"protocolVersion": HANDSHAKE, "capabilities": {}, "clientInfo": ABOUT}
STATED: Json = {"capabilities": {"tools": {}}, "serverInfo": ABOUT}
ENVELOPE: Json = {
    "io.modelcontextprotocol/protocolVersion": STATELESS,
    "io.modelcontextprotocol/clientInfo": ABOUT,
    "io.modelcontextprotocol/clientCapabilities": {},
}


class Back(Protocol):
    """A connection to one backend."""

    async def open(self) -> None:
        """Be ready to send."""
        ...

    def send(self, message: Json, reply: Reply) -> None:
        """Send a request; its answer comes with the id that it was sent with."""
        ...


class Relay:
    """Routes calls, merges lists."""

    def __init__(self, backs: dict[str, Back]) -> None:
        self._backs = backs
        self._ready = False
        self._early: list[tuple[Json, Reply]] = []

    async def open(self) -> None:
        """Open all backends; requests that come before wait."""
        await asyncio.gather(*(back.open() for back in self._backs.values()))
        self._ready = True
        for message, reply in self._early:
            self.handle(message, reply)

    def handle(self, message: Json, reply: Reply) -> None:
        """Answer one request, now or later."""
        method = message["method"]
        if method == "tools/call" and self._ready:
            alias, _, name = message["params"]["name"].partition("__")
            message["params"]["name"] = name
            self._backs[alias].send(message, reply)
        elif method in ("tools/call", "tools/list") and not self._ready:
            self._early.append((message, reply))
        elif method == "tools/list":
            self._list(message, reply)
        else:
            reply({"jsonrpc": "2.0", "id": message["id"], "result": self._about(method)})

    def _about(self, method: str) -> Json:
        if method == "initialize":
            return STATED | {"protocolVersion": HANDSHAKE}
        if method == "server/discover":
            cache = {"ttlMs": 0, "cacheScope": "private", "resultType": "complete"}
            return STATED | cache | {"supportedVersions": [STATELESS]}
        return {}

    def _list(self, message: Json, reply: Reply) -> None:
        lists: dict[str, Json] = {}

        def one(alias: str, answer: Json) -> None:
            for tool in answer["result"]["tools"]:
                tool["name"] = f"{alias}__{tool['name']}"
            lists[alias] = answer["result"]
            if len(lists) == len(self._backs):
                tools = [tool for alias in self._backs for tool in lists[alias]["tools"]]
                reply({"jsonrpc": "2.0", "id": message["id"], "result": answer["result"] | {"tools": tools}})

        for alias, back in self._backs.items():
            back.send(dict(message), lambda answer, alias=alias: one(alias, answer))  # type: ignore[misc]  # a default


def backs(config: Json) -> dict[str, Back]:
    """One connection for each server."""
    found: dict[str, Back] = {}
    for alias, server in config["mcpServers"].items():
        opening = INITIALIZE if server["era"] == "handshake" else None
        if "url" in server:
            from benchmarks.wire.relays.web import HttpBack

            found[alias] = HttpBack(server["url"], opening)
        else:
            found[alias] = PipeBack([server["command"], *server["args"]], opening)
    return found


async def main(words: list[str], config: Json) -> None:
    """Serve until the client hangs up."""
    relay = Relay(backs(config))
    if "--http" in words:
        from benchmarks.wire.relays.web import serve_web

        await relay.open()
        await serve_web(relay.handle, int(words[words.index("--http") + 1]))
    else:
        serving = asyncio.get_running_loop().create_task(serve_pipes(relay.handle))
        await relay.open()
        await serving


def read(path: str) -> Json:
    """A config."""
    found: Json = json.loads(Path(path).read_text(encoding="utf-8"))
    return found


if __name__ == "__main__":
    if "--uvloop" in sys.argv:
        import uvloop

        uvloop.run(main(sys.argv[1:], read(sys.argv[1])))
    else:
        asyncio.run(main(sys.argv[1:], read(sys.argv[1])))
