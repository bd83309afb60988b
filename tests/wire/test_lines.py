"""Bytes in any chunks -> bounded lines -> messages."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Sequence

import pytest
from mcp_types import JSONRPCError

from magictunnel.wire.lines import LineTooLong, split_lines
from magictunnel.wire.typed import decode, encode

pytestmark = pytest.mark.anyio

REQUEST = b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"x","_meta":{"odd":null}}}'


async def of(chunks: Sequence[bytes]) -> AsyncIterator[bytes]:
    for chunk in chunks:
        yield chunk


async def lines(*chunks: bytes, limit: int = 100) -> list[bytes]:
    return [line async for line in split_lines(of(chunks), limit)]


@pytest.mark.parametrize(
    ("chunks", "expected"),
    [
        ([b"one\ntwo\n"], [b"one", b"two"]),
        ([b"on", b"e\ntw", b"o\n"], [b"one", b"two"]),
        ([b"o", b"n", b"e", b"\n"], [b"one"]),
        ([b"one", b"\n", b"two\n"], [b"one", b"two"]),
        ([b"one\r\ntwo\r\n"], [b"one", b"two"]),
        ([b"one\r", b"\ntwo\n"], [b"one", b"two"]),
        ([b"\n\n one \n \r\n\ttwo\n"], [b"one", b"two"]),
        (["zwei→drei\n".encode()[:6], "zwei→drei\n".encode()[6:]], ["zwei→drei".encode()]),
        ([b"one\nrest without an end"], [b"one"]),
        ([b"", b"one\n", b""], [b"one"]),
        ([], []),
    ],
    ids=[
        "whole",
        "split anywhere",
        "byte by byte",
        "newline alone",
        "CRLF",
        "CRLF split",
        "blank lines and spaces",
        "inside a character",
        "no last newline",
        "empty chunks",
        "nothing",
    ],
)
async def test_lines_are_the_same_however_they_are_cut_into_chunks(chunks: list[bytes], expected: list[bytes]) -> None:
    assert await lines(*chunks) == expected


async def test_a_line_may_be_as_long_as_the_limit_and_no_longer() -> None:
    assert await lines(b"x" * 50, b"x" * 50, b"\n", limit=100) == [b"x" * 100]
    with pytest.raises(LineTooLong):
        await lines(b"x" * 50, b"x" * 51, limit=100)


async def test_the_limit_is_for_one_line_and_not_for_the_whole_stream() -> None:
    assert len(await lines(*[b"x" * 60 + b"\n"] * 50, limit=100)) == 50


async def test_lines_before_one_that_is_too_long_are_still_given() -> None:
    given = split_lines(of([b"one\n", b"x" * (1 << 20), b"x"]), limit=1 << 20)

    assert await anext(given) == b"one"
    with pytest.raises(LineTooLong, match="longer than 1 MiB"):
        await anext(given)


@pytest.mark.parametrize(
    "line",
    [
        b"Server started",
        b"{}",
        b"[]",
        b"null",
        b'{"jsonrpc":"2.0"',
        b'{"jsonrpc":"1.0","id":1,"method":"x"}',
        b'{"jsonrpc":"2.0","id":1,"method":7}',
        b'{"id":1,"result":{}}',
        b'"\xff"',
    ],
)
def test_a_line_that_is_no_message_is_told_and_skipped(line: bytes) -> None:
    junk: list[bytes] = []

    assert decode(line, junk.append) is None
    assert junk == [line]


@pytest.mark.parametrize(
    "message",
    [
        {"jsonrpc": "2.0", "id": "a", "method": "x"},
        {"jsonrpc": "2.0", "method": "notifications/x", "params": {"b": [1, None]}},
        {"jsonrpc": "2.0", "id": 0, "result": {"unknown": {"deep": [{"ü": 1.5}]}, "content": []}},
        {"jsonrpc": "2.0", "id": 7, "error": {"code": -1, "message": "m", "data": {"x": None}}},
    ],
    ids=["request", "notification", "result", "error"],
)
def test_a_message_goes_out_as_one_line_with_everything_that_came_in(message: dict[str, object]) -> None:
    junk: list[bytes] = []
    decoded = decode(json.dumps(message).encode(), junk.append)

    assert decoded is not None
    line = encode(decoded)
    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1
    assert json.loads(line) == message
    assert junk == []


def test_a_newline_inside_a_text_does_not_end_the_line() -> None:
    decoded = decode(b'{"jsonrpc":"2.0","method":"x","params":{"t":"a\\nb\\u2028c"}}', lambda junk: None)

    assert decoded is not None
    assert encode(decoded).count(b"\n") == 1


@pytest.mark.parametrize("result", ['{"x":"\\ud800"}', "[" * 400 + "]" * 400], ids=["half a character", "too deep"])
def test_an_answer_that_cannot_be_read_is_an_error_for_who_waits_for_it(result: str) -> None:
    junk: list[bytes] = []

    message = decode(f'{{"jsonrpc":"2.0","id":"a","result":{result}}}'.encode(), junk.append)

    assert message is not None
    assert isinstance(message.message, JSONRPCError)
    assert (message.message.id, junk) == ("a", [])
    assert "cannot be read" in message.message.error.message
