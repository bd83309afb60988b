"""`magictunnel serve --stdio` as a process: whatever is written to it, it says JSON-RPC only, and ends when told to."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fuzz.budget import tries
from tests.fuzz.client import META
from tests.fuzz.gate import BACKEND
from tests.support.raw import HANDSHAKE

PATIENCE = 20.0
GARBAGE = (
    b"\n",
    b"{}\n",
    b"[]\n",
    b"null\n",
    b"\xff\xfe\n",
    b"{\n",
    b"\0\n",
    b'"x"\n',
    b"[" * 50_000 + b"\n",
    b"9" * 9_000 + b"\n",
    b'{"jsonrpc":"2.0","id":null,"method":"ping"}\n',
    b'{"jsonrpc":"2.0","id":[],"method":"ping"}\n',
    b'{"jsonrpc":"2.0","id":5.5,"method":"ping"}\n',
    b'{"jsonrpc":"2.0","id":6,"method":[]}\n',
    b'{"jsonrpc":"2.0","id":7}\n',
    b'{"jsonrpc":"2.0","id":8,"result":{}}\n',
    b'{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":[]}}\n',
    b'[{"jsonrpc":"2.0","id":9,"method":"ping"}]\n',
    b'{"jsonrpc":"2.0","id":10,"method":"no/such","params":[]}\n',
    b'{"jsonrpc":"2.0","id":11,"method":"tools/call","params":{"name":[],"arguments":7}}\n',
    b'{"jsonrpc":"2.0","id":12,"method":"tools/list","params":{"cursor":[]}}\n',
    b'{"jsonrpc":"2.0","method":"x","params":7}\n',
    b'{"jsonrpc":"2.0","id":13,"method":"ping","params":{"_meta":[]}}\n',
    b'{"jsonrpc":"2.0","id":"\\ud800","method":"ping"}\n',
    b'{"jsonrpc":"2.0","id":14,"method":"tools/call","params":{"name":"e__echo","arguments":{"a":"\\ud800"}}}\n',
    b'{"jsonrpc":"2.0","id":15,"method":"initialize","params":7}\n',
    "é\u2028\x85\n".encode(),
    b"\r\r\n",
    b"x" * 200_000 + b"\n",
    b'{"jsonrpc":"2.0","method":"notifications/initialized"}\n',
    b'{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":[]}}\n',
)


class Process:
    """One that runs, with a reader of what it says."""

    def __init__(self, folder: Path) -> None:
        config = folder / "config.json"
        entry = {"command": sys.executable, "args": [str(BACKEND)]}
        config.write_text(json.dumps({"mcpServers": {"e": entry}, "discovery": {"mode": "off"}}))
        self.talk = (folder / "talk").open("w+b")
        self._process = subprocess.Popen(
            [sys.executable, "-m", "magictunnel", "serve", "--stdio", "-c", str(config)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.talk,
        )
        assert self._process.stdin
        assert self._process.stdout
        self._to, self._from = self._process.stdin.fileno(), self._process.stdout.fileno()
        os.set_blocking(self._to, False)
        self._rest = b""
        self.heard: list[Any] = []

    def say(self, data: bytes, *, is_read: bool = True) -> int:
        """Write all of it within the time there is, reading meanwhile or not; how much was taken."""
        view, deadline = memoryview(data), time.monotonic() + (PATIENCE if is_read else 0.5)
        while view and time.monotonic() < deadline:
            readable, writable, _ = select.select([self._from] if is_read else [], [self._to], [], 0.1)
            if readable and not self.read():
                break
            if writable:
                try:
                    view = view[os.write(self._to, view[: 1 << 16]) :]
                except BrokenPipeError:
                    break
        return len(data) - len(view)

    def read(self) -> bool:
        """Take in what there is; every line has to be JSON-RPC."""
        data = os.read(self._from, 1 << 20)
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            message = json.loads(line.decode(), parse_constant=pytest.fail)
            assert message["jsonrpc"] == "2.0"
            self.heard.append(message)
        return bool(data)

    def answer(self, number: Any) -> Any:
        """The answer with this id."""
        deadline = time.monotonic() + PATIENCE
        while not (found := [one for one in self.heard if one.get("id") == number and "method" not in one]):
            assert time.monotonic() < deadline, f"no answer to {number!r}"
            if select.select([self._from], [], [], 0.1)[0]:
                assert self.read(), "it has ended"
        return found[0]

    def end(self) -> None:
        """Close its stdin; it has to end by itself, without a last half line, and without a traceback."""
        self._process.stdin.close()  # type: ignore[union-attr]
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            if select.select([self._from], [], [], 0.1)[0] and not self.read():
                break
        assert self._process.wait(PATIENCE) == 0
        assert not self._rest
        self.talk.seek(0)
        assert b"Traceback" not in self.talk.read()

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout, self.talk):
            pipe.close()  # type: ignore[union-attr]


def line(number: int, method: str, params: Any) -> bytes:
    return json.dumps({"jsonrpc": "2.0", "id": number, "method": method, "params": params}).encode() + b"\n"


def hello(process: Process, era: str) -> None:
    """Open the session of an era, which it has from then on."""
    if era == "handshake":
        about = {"protocolVersion": HANDSHAKE, "capabilities": {}, "clientInfo": {"name": "f", "version": "1"}}
        process.say(line(1_000, "initialize", about) + b'{"jsonrpc":"2.0","method":"notifications/initialized"}\n')
        process.answer(1_000)
    else:
        process.say(called(1_000, era))
        judge(process, 1_000)


def called(number: int, era: str) -> bytes:
    """A call that echoes its own number."""
    meta = {} if era == "handshake" else {"_meta": META}
    return line(number, "tools/call", {"name": "e__echo", "arguments": {"nonce": number}} | meta)


def judge(process: Process, number: int) -> None:
    assert json.loads(process.answer(number)["result"]["content"][0]["text"]) == {"nonce": number}


@given(data=st.data(), era=st.sampled_from(["handshake", "stateless"]))
@tries(1)
def test_garbage_between_calls_disturbs_none(tmp_path_factory: Any, data: st.DataObject, era: str) -> None:
    process = Process(tmp_path_factory.mktemp("stdio"))
    try:
        hello(process, era)
        for number in range(2_000, 2_010):
            garbage = b"".join(data.draw(st.lists(st.sampled_from(GARBAGE), max_size=12)))
            process.say(garbage + called(number, era))
        for number in range(2_000, 2_010):
            judge(process, number)
        process.say(data.draw(st.sampled_from([b"", b"{", b'{"jsonrpc":"2.0","id":3', b"\xc3"])))
        process.end()
    finally:
        process.kill()


@given(count=st.integers(1_000, 3_000), is_closed=st.booleans())
@tries(1)
def test_who_does_not_read_is_waited_for(tmp_path_factory: Any, count: int, is_closed: bool) -> None:
    process = Process(tmp_path_factory.mktemp("stdio"))
    try:
        hello(process, "handshake")
        whole = b"".join(called(number, "handshake") for number in range(2_000, 2_000 + count))
        taken = process.say(whole, is_read=False)
        if not is_closed:
            process.say(whole[taken:])
            for number in range(2_000, 2_000 + count):
                judge(process, number)
        process.end()
    finally:
        process.kill()
