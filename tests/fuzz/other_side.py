"""The other side of a peer, over two real pipes, and what it may do."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from hypothesis import strategies as st

from magictunnel.catalog.model import Json
from magictunnel.wire.peer import Peer
from magictunnel.wire.pipes import LineReader, PipeWriter, read_lines, write_to

JUNK = (
    b"",
    b" ",
    b"{}",
    b"[]",
    b"null",
    b"1",
    b'"x"',
    b"{",
    b"\xff\xfe",
    b"\0",
    b"[" * 100_000,
    b'{"jsonrpc":"2.0"}',
    b'{"jsonrpc":"2.0","id":{},"result":{}}',
    b'{"jsonrpc":"2.0","id":1,"method":["x"]}',
    b'{"jsonrpc":"1.0","id":1,"result":{}}',
    b'{"jsonrpc":"2.0","id":true,"result":{}}',
    b'{"jsonrpc":"2.0","id":1.0,"result":{}}',
    b'{"jsonrpc":"2.0","id":1,"result":[]}',
    b'{"jsonrpc":"2.0","id":null,"error":{"code":1}}',
    b'{"jsonrpc":"2.0","id":99999,"error":7}',
    b'{"id":1,"result":{}}',
    b'{"jsonrpc":"2.0","id":[1],"method":"x"}',
    b'{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":[1]}}',
    b'{"jsonrpc":"2.0","method":"notifications/cancelled","params":[]}',
    b'{"jsonrpc":"2.0","id":"' + b"9" * 5_000 + b'","result":{}}',
    b'{"jsonrpc":"2.0","id":' + b"9" * 5_000 + b',"result":{}}',
    b'{"jsonrpc":"2.0","method":"' + b"x" * 100_000 + b'"}',
)


@dataclass
class Scene:
    """A peer over two real pipes, and the other ends of them."""

    peer: Peer
    reader: LineReader
    writer: PipeWriter
    to_peer: int
    from_peer: int
    asked: list[asyncio.Task[Json]] = field(default_factory=list)
    heard: bytes = b""

    def say(self, *lines: bytes, end: bytes = b"\n") -> None:
        """Have the peer hear this; what does not fit the pipe is not said."""
        try:
            os.write(self.to_peer, b"".join(line + end for line in lines))
        except (BlockingIOError, BrokenPipeError):
            return

    def hear(self) -> None:
        """Take in what the peer has said."""
        try:
            while data := os.read(self.from_peer, 1 << 20):
                self.heard += data
        except BlockingIOError:
            return

    @property
    def messages(self) -> list[Json]:
        return [json.loads(line) for line in self.heard.split(b"\n") if line]

    def numbers(self) -> dict[int, Any]:
        """What each of the peer's requests wants to hear -> the id under which it was asked."""
        return {one["params"]["nonce"]: one["id"] for one in self.messages if one.get("method") == "ask"}


async def scene(inline: frozenset[str] = frozenset()) -> Scene:
    """One that runs, and answers what it is asked after a turn or two of the loop."""
    (theirs_in, ours_out), (ours_in, theirs_out) = os.pipe(), os.pipe()
    for fd in (theirs_in, theirs_out):
        os.set_blocking(fd, False)
    writer = PipeWriter()
    peer = Peer(writer, on_junk=lambda _line: None, inline=inline)
    peer.inlet = reader = LineReader(peer.received, lambda _broke: peer.end())
    await write_to(ours_out, writer)
    await read_lines(ours_in, reader)
    return Scene(peer, reader, writer, theirs_out, theirs_in)


async def on_request(_ctx: Any, method: str, params: Mapping[str, Any] | None) -> dict[str, Any]:
    for _ in range(int((params or {}).get("turns", 0)) % 5):
        await asyncio.sleep(0)
    if method == "hang":
        await asyncio.Event().wait()
    if method == "fail":
        raise RuntimeError("no")
    return {"echo": params or {}}


async def on_notify(_ctx: Any, _method: str, _params: Mapping[str, Any] | None) -> None:
    await asyncio.sleep(0)


def written(number: Any, **more: Any) -> bytes:
    return json.dumps({"jsonrpc": "2.0", "id": number} | more).encode()


def answers(kind: str, number: Any, nonce: int) -> list[bytes]:
    """How the other side answers a request of ours."""
    right: Json = {"nonce": nonce}
    wrong: Json = {"code": -nonce - 1, "message": f"no {nonce}"}
    inner = json.dumps(written(number + 1, result={"nonce": -1}).decode()).encode()
    said = {
        "right": [written(number, result=right)],
        "as text": [written(str(number), result=right)],
        "twice": [written(number, result=right), written(number, result=right | {"is_second": True})],
        "error": [written(number, error=wrong)],
        "both": [written(number, result=right, error=wrong)],
        "null error": [written(number, result=right, error=None)],
        "odd error": [written(number, error="what")],
        "other order": [b'{"result":{"nonce":%d},"jsonrpc":"2.0","id":%d}' % (nonce, number)],
        "half a character": [b'{"jsonrpc":"2.0","id":%d,"result":{"nonce":%d,"x":"\\ud800"}}' % (number, nonce)],
        "unreadable": [b'{"jsonrpc":"2.0","id":%d,"result":{"x":\xff}}' % number],
        "posing": [b'{"id":%d,"result":{"nonce":-1},%s' % (number + 1, written(number, result=right)[1:])],
        "posing in text": [b'{"jsonrpc":"2.0","id":%d,"result":{"nonce":%d,"t":%s}}' % (number, nonce, inner)],
        "wrong id": [written(10_000 + nonce, result=right), written(f" {number}x", result=right)],
    }
    return said[kind]


ANSWERS = (
    "right",
    "as text",
    "twice",
    "error",
    "both",
    "null error",
    "odd error",
    "other order",
    "half a character",
    "unreadable",
    "posing",
    "posing in text",
    "wrong id",
)
METHODS = ("echo", "hang", "fail", "ping")
ids = st.sampled_from([1, 2, 3, "1", "x", 10**30, -1, 0, "\u2028", "é"])
steps = st.one_of(
    st.tuples(st.just("ask"), st.sampled_from([None, None, 0.001, 5.0])),
    st.tuples(st.just("answer"), st.tuples(st.integers(0, 8), st.sampled_from(ANSWERS))),
    st.tuples(st.just("answer"), st.tuples(st.integers(0, 8), st.just("right"))),
    st.tuples(st.just("abandon"), st.integers(0, 8)),
    st.tuples(st.just("request"), st.tuples(ids, st.sampled_from(METHODS), st.integers(0, 4))),
    st.tuples(st.just("cancel"), ids),
    st.tuples(
        st.just("junk"), st.integers(0, len(JUNK) - 1) | st.binary(max_size=30).filter(lambda data: b"\n" not in data)
    ),
    st.tuples(st.just("half_a_line"), st.binary(max_size=20)),
    st.tuples(st.just("turn"), st.integers(0, 3)),
    st.tuples(st.just("flood"), st.sampled_from(["notifications/x", "notifications/progress", "echo"])),
)


class Steps:
    """What each step of a script does."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene

    async def ask(self, seconds: float | None) -> None:
        nonce = len(self._scene.asked)
        opts: Any = {} if seconds is None else {"timeout": seconds}
        asking = self._scene.peer.send_raw_request("ask", {"nonce": nonce}, opts)
        self._scene.asked.append(asyncio.get_running_loop().create_task(asking))

    async def answer(self, how: tuple[int, str]) -> None:
        nonce, kind = how
        await asyncio.sleep(0)
        self._scene.hear()
        if (number := self._scene.numbers().get(nonce)) is not None:
            self._scene.say(*answers(kind, number, nonce))

    async def abandon(self, nonce: int) -> None:
        if nonce < len(self._scene.asked):
            self._scene.asked[nonce].cancel()

    async def request(self, how: tuple[Any, str, int]) -> None:
        number, method, turns = how
        self._scene.say(written(number, method=method, params={"turns": turns}))

    async def cancel(self, number: Any) -> None:
        told = {"method": "notifications/cancelled", "params": {"requestId": number}}
        self._scene.say(json.dumps({"jsonrpc": "2.0"} | told).encode())

    async def junk(self, what: int | bytes) -> None:
        self._scene.say(JUNK[what] if isinstance(what, int) else what)

    async def half_a_line(self, what: bytes) -> None:
        self._scene.say(what.replace(b"\n", b""), end=b"")

    async def turn(self, count: int) -> None:
        for _ in range(count):
            await asyncio.sleep(0)

    async def flood(self, method: str) -> None:
        number = {"id": 7} if method == "echo" else {}
        self._scene.say(*[json.dumps({"jsonrpc": "2.0", "method": method} | number).encode()] * 300)
