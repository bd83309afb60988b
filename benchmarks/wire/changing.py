"""The instant server, whose list grows by a tool whenever one is called; it says so, after the answer. Over stdio."""

from __future__ import annotations

from typing import Any

from benchmarks.wire import backend


class Changing(backend.Server):
    """See `backend.Server`."""

    def handle(self, message: dict[str, Any]) -> bytes | None:
        """The answer to one message, and what comes behind it."""
        answer = super().handle(message)
        if answer is None or message["method"] != "tools/call":
            return answer
        self._tools = [*self._tools, {"name": f"new{len(self._tools)}", "inputSchema": backend.SCHEMA}]
        return answer + b"\n" + backend.dumps({"jsonrpc": "2.0", "method": "notifications/tools/list_changed"})


if __name__ == "__main__":
    backend.ABOUT["capabilities"] = {"tools": {"listChanged": True}}
    backend.serve_stdio(Changing(20))
