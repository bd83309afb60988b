"""A server of HTTP that does what it likes: each call has its own answer or an error, and nothing is told elsewhere."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from typing import Any

import anyio
import anyio.lowlevel
from hypothesis import given
from hypothesis import strategies as st
from mcp.shared.exceptions import MCPError

from magictunnel.wire.evidence import Evidence
from magictunnel.wire.streamable import HttpWire, http_wire
from tests.fuzz.budget import tries
from tests.wire.http1.stage import Asked, Stage, played

PATIENCE = 20.0
SECRET = "Bearer secret-of-one-origin"


def response(body: bytes, *lines: str, status: str = "200 OK") -> bytes:
    told = (f"HTTP/1.1 {status}", "content-type: application/json", f"content-length: {len(body)}", *lines)
    return "\r\n".join((*told, "", "")).encode("latin-1") + body


def result(number: Any, nonce: Any) -> bytes:
    return json.dumps({"jsonrpc": "2.0", "id": number, "result": {"nonce": nonce}}).encode()


def event(data: bytes, *fields: bytes) -> bytes:
    return b"".join(one + b"\n" for one in fields) + b"data: " + data + b"\n\n"


def stream(*events: bytes, end: bytes = b"0\r\n\r\n") -> bytes:
    head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
    return head + b"".join(b"%x\r\n%s\r\n" % (len(one), one) for one in events) + end


def said(kind: str, number: Any, nonce: int, elsewhere: str) -> bytes:
    """What the server sends for a request."""
    own, wrong = result(number, nonce), result(number, -1)
    note = b'{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":"x","progress":1}}'
    question = b'{"jsonrpc":"2.0","id":1,"method":"ping"}'
    other = result(int(number) + 1, -1) if str(number).isdigit() else wrong
    plays: dict[str, Callable[[], bytes]] = {
        "json": lambda: response(own),
        "json of another": lambda: response(other),
        "json twice": lambda: response(own) + response(wrong),
        "stream": lambda: stream(event(note), event(own)),
        "stream of another": lambda: stream(event(other), event(own)),
        "stream twice": lambda: stream(event(own), event(wrong)),
        "stream and more": lambda: stream(event(own)) + response(wrong),
        "stream without end": lambda: stream(event(note), event(own), end=b""),
        "flood": lambda: stream(*[event(note)] * 2_000, event(question), event(own)),
        "junk in a stream": lambda: stream(b"\0\xff\r\n\n:\ndata\n\n", event(b"{}"), event(b"7"), event(own)),
        "bad chunk": lambda: stream(event(own), end=b"zz\r\n"),
        "large chunk": lambda: stream(event(note), end=b"ffffffffffffffffff\r\n"),
        "chunks without end": lambda: stream(event(note), end=b"5;" + b"x" * 70_000),
        "hints": lambda: b"HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n" * 5 + response(own),
        "flood of hints": lambda: b"HTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n" * 2_000,
        "bomb": lambda: b"HTTP/1.1 200 OK\r\n" + b"x: y\r\n" * 40_000,
        "long line": lambda: b"HTTP/1.1 200 OK\r\nx: " + b"y" * 300_000,
        "two lengths": lambda: response(own, "content-length: 7"),
        "length and chunks": lambda: response(own, "transfer-encoding: chunked"),
        "too long": lambda: response(b"x").replace(b"length: 1", b"length: 99999999999"),
        "negative": lambda: response(own).replace(b"content-length: ", b"content-length: -"),
        "upgrade": lambda: response(own, "connection: upgrade", "upgrade: h2c", status="101 Switching Protocols"),
        "no content": lambda: b"HTTP/1.1 204 No Content\r\n\r\n" + response(wrong),
        "folded": lambda: response(own, "x: y\r\n z"),
        "old": lambda: response(own).replace(b"HTTP/1.1", b"HTTP/1.0"),
        "not http": lambda: b"SSH-2.0-x\r\n",
        "redirect": lambda: response(own, f"location: {elsewhere}", status="307 Temporary Redirect"),
        "redirect by name": lambda: response(
            own, f"location: {elsewhere.replace('127.0.0.1', 'localhost')}", status="308 X"
        ),
        "see other": lambda: response(own, f"location: {elsewhere}", status="303 See Other"),
        "same place": lambda: response(own, "location: /mcp", status="307 Temporary Redirect"),
        "unauthorized": lambda: response(
            own, f'www-authenticate: Bearer resource_metadata="{elsewhere}"', status="401 X"
        ),
        "error": lambda: response(own, status="500 X"),
        "nothing": lambda: b"",
        "cut off": lambda: response(own)[:-5],
        "array": lambda: response(b"[" + own + b"]"),
        "packed": lambda: response(own, "content-encoding: gzip"),
        "half a character": lambda: response(own[:-2] + b',"x":"\xed\xa0\x80"}}'),
    }
    return plays[kind]()


KINDS = (
    "json",
    "json of another",
    "json twice",
    "stream",
    "stream of another",
    "stream twice",
    "stream and more",
    "flood",
    "stream without end",
    "junk in a stream",
    "bad chunk",
    "large chunk",
    "chunks without end",
    "hints",
    "flood of hints",
    "bomb",
    "long line",
    "two lengths",
    "length and chunks",
    "too long",
    "negative",
    "upgrade",
    "no content",
    "folded",
    "old",
    "not http",
    "redirect",
    "redirect by name",
    "see other",
    "same place",
    "unauthorized",
    "error",
    "nothing",
    "cut off",
    "array",
    "packed",
    "half a character",
)

NAMED_WRONG = frozenset({"stream of another"})
"""An answer on the stream of a request is taken for its own, whatever id it has, as the SDK does."""


async def call(wire: HttpWire, nonce: int, outcomes: dict[int, Any], seconds: float | None) -> None:
    try:
        outcomes[nonce] = await wire.send_raw_request("tools/call", {"nonce": nonce}, {"timeout": seconds})
    except MCPError as error:
        outcomes[nonce] = error


async def play_all(kinds: list[str], seed: int, *, at_once: bool, is_open: bool) -> None:
    chance = random.Random(seed)
    outcomes: dict[int, Any] = {}
    elsewhere: list[Stage] = []

    async def play(asked: Asked) -> None:
        nonce = asked.message.get("params", {}).get("nonce")
        if asked.message.get("method") != "tools/call" or not isinstance(nonce, int):
            await asked.answer(202)
        elif nonce >= len(kinds):
            await asked.send(response(result(asked.message["id"], nonce)))
        else:
            data = said(kinds[nonce], asked.message["id"], nonce, elsewhere[0].url)
            at = chance.randint(0, len(data))
            await asked.send(data[:at])
            await anyio.lowlevel.checkpoint()
            await asked.send(data[at:])
            if not is_open:
                asked.hang_up()

    async def seen(asked: Asked) -> None:
        await asked.send(response(result(asked.message.get("id"), -1)))

    headers = {"Authorization": SECRET}
    with anyio.fail_after(PATIENCE):
        async with played(seen) as other, played(play) as stage:
            elsewhere.append(other)
            async with http_wire(stage.url, headers, Evidence()) as wire:
                async with anyio.create_task_group() as tasks:
                    for nonce in range(len(kinds)):
                        if at_once:
                            tasks.start_soon(call, wire, nonce, outcomes, 0.3)
                        else:
                            await call(wire, nonce, outcomes, 0.3)
                for nonce in range(len(kinds), len(kinds) + 3):
                    await call(wire, nonce, outcomes, None)
                    assert outcomes[nonce] == {"nonce": nonce}, outcomes[nonce]
                assert not wire._in_flight or at_once or is_open
            await stage.until(lambda: not stage.open)
            assert not other.requests
    is_named = at_once and not NAMED_WRONG.isdisjoint(
        kinds
    )  # then the server has answered another call under its own id
    for nonce in range(len(kinds)):
        got, wanted = outcomes[nonce], {nonce, -1} if is_named or kinds[nonce] in NAMED_WRONG else {nonce}
        assert isinstance(got, MCPError) or got["nonce"] in wanted, (kinds[nonce], got)


@given(
    kinds=st.lists(st.sampled_from(KINDS), min_size=1, max_size=6),
    seed=st.integers(0, 2**32),
    at_once=st.booleans(),
    is_open=st.booleans(),
)
@tries(8)
def test_each_call_has_its_own_answer_or_an_error(kinds: list[str], seed: int, at_once: bool, is_open: bool) -> None:
    anyio.run(lambda: play_all(kinds, seed, at_once=at_once, is_open=is_open))
