"""A scripted server with tools that count, cut the connection, block, or say too much; over stdio as a process.

Its transcript is a file, so what it was asked outlives it. Like `raw`, it needs no MCP library.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tests.support.raw import Crash, Json, RawServer, Script, text, tool

ROOT = Path(__file__).parents[2]
READS = {"annotations": {"readOnlyHint": True}}
IDEMPOTENT = {"annotations": {"idempotentHint": True}}
TOOLS = [
    tool("echo"),
    tool("count"),
    tool("cut"),
    tool("cut_read", **READS),
    tool("cut_idempotent", **IDEMPOTENT),
    tool("cut_always", **READS),
    tool("reset"),
    tool("fail", **READS),
    tool("refuse", **READS),
    tool("block"),
    tool("big"),
    tool("endless"),
    tool("change"),
]
"""What a worker offers if its script does not say otherwise."""
CUTS_ONCE = ("cut", "cut_read", "cut_idempotent")
"""Tools that run, and cut the connection instead of answering, the first time that they are ever called."""


class Endless(Exception):
    """The server is to write a line that does not end."""


class Transcript:
    """Every message that reached a server, in all of its lives."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)

    @property
    def messages(self) -> list[Json]:
        """In the order in which they were handled; a line that is just being written is not one yet."""
        if not self.path.exists():
            return []
        return [json.loads(line) for line in self.path.read_text("utf-8").splitlines(keepends=True) if line[-1] == "\n"]

    def count(self, method: str, name: str | None = None) -> int:
        """How many messages of that method came (for the tool or prompt of that name)."""
        found = [message for message in self.messages if message.get("method") == method]
        return len([one for one in found if name is None or (one.get("params") or {}).get("name") == name])

    def ran(self, name: str) -> int:
        """How many times a tool was executed."""
        return self.count("tools/call", name)


class Worker(RawServer):
    """One session of a server, or one process of it; what it counts is its own."""

    def __init__(self, script: Script) -> None:
        super().__init__(script)
        self.counted = 0
        self.transcript = Transcript(script.transcript)

    def _called(self, method: str, params: Json) -> Json | None:
        name = params.get("name")
        if method != "tools/call" or not hasattr(self, f"_run_{name}"):
            return super()._called(method, params)
        self.calls_answered += 1
        done: Json = getattr(self, f"_run_{name}")(params.get("arguments") or {})
        return done

    def _run_count(self, _arguments: Json) -> Json:
        self.counted += 1
        return text(str(self.counted))

    def _run_cut(self, _arguments: Json) -> Json:
        return self._cut("cut")

    def _run_cut_read(self, _arguments: Json) -> Json:
        return self._cut("cut_read")

    def _run_cut_idempotent(self, _arguments: Json) -> Json:
        return self._cut("cut_idempotent")

    def _run_cut_always(self, _arguments: Json) -> Json:
        raise Crash

    def _run_reset(self, _arguments: Json) -> Json:
        raise Crash

    def _cut(self, name: str) -> Json:
        if self.transcript.ran(name) == 1:
            raise Crash
        return text("done")

    def _run_fail(self, _arguments: Json) -> Json:
        return text("it failed", isError=True)

    def _run_refuse(self, _arguments: Json) -> Json:
        return {"error": {"code": -32099, "message": "it is refused", "data": {"why": "because"}}}

    def _run_block(self, arguments: Json) -> Json:
        time.sleep(arguments["seconds"])
        return text("done")

    def _run_big(self, arguments: Json) -> Json:
        return text("x" * arguments["size"])

    def _run_endless(self, _arguments: Json) -> Json:
        raise Endless


def worker(name: str, folder: Path, **keys: Any) -> Script:
    """The script of a worker, with a transcript in `folder`."""
    keys = {"offers": {"tools": TOOLS}, "transcript": str(folder / f"{name}.transcript")} | keys
    return Script(name=name, **keys)


def worker_entry(script: Script, folder: Path, **more: Any) -> Json:
    """The config entry of a worker over stdio; its script is written anew, and read at its start."""
    path = folder / f"{script.name}.script.json"
    path.write_text(json.dumps(asdict(script)), encoding="utf-8")
    started = {"command": sys.executable, "args": ["-S", "-m", "tests.support.worker", str(path)], "cwd": str(ROOT)}
    return started | more


def _serve(script: Script) -> None:
    """Serve over stdin and stdout, one message at a time, until stdin ends."""

    def send(message: Json) -> None:
        sys.stdout.write(json.dumps(message) + "\n")
        sys.stdout.flush()

    server = Worker(script)
    server.pushes.append(send)
    for line in sys.stdin:
        _answer(server, json.loads(line), send)


def _answer(server: Worker, message: Json, send: Callable[[Json], None]) -> None:
    time.sleep(server.delay(message))
    try:
        if (reply := server.handle(message, send)) is not None:
            send(reply)
    except Crash:
        os._exit(3)
    except Endless:
        while True:
            sys.stdout.write("x" * 1_000_000)


def main(path: str) -> None:
    """Serve the script in that file, after noting in its transcript that it was started."""
    script = Script(**json.loads(Path(path).read_text("utf-8")))
    if script.transcript:
        with Path(script.transcript).open("a", encoding="utf-8") as file:
            file.write(json.dumps({"method": "started", "pid": os.getpid(), "at": time.time()}) + "\n")
    if script.exit_at_once is not None:
        sys.exit(script.exit_at_once)
    _serve(script)


if __name__ == "__main__":
    main(sys.argv[1])
