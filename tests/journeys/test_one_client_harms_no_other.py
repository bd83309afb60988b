"""What one client sends, or does not read, is its own trouble: the servers that it shares with others go on."""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import anyio
import pytest

from tests.journeys.test_calls_without_a_task import ENVELOPE, WAYS, body, headers, piped, scene, stats
from tests.support.office import site
from tests.support.raw import Json
from tests.support.rawclient import raw_client
from tests.support.wires import own_wire
from tests.support.world import PATIENCE, World, world

pytestmark = [pytest.mark.anyio, own_wire]

NAME = "io.modelcontextprotocol/clientInfo"
DEEP = '{"name":' + "[" * 1_000 + "]" * 1_000 + "}"
"""A client that calls itself something that takes too many steps to write down."""
TRICKS = ["bad name", "deep name", "deep abilities", "garbage"]


def posted(w: World, sent: bytes, **more: str) -> bytes:
    """A request over HTTP."""
    lines = [f"{key}: {value}" for key, value in (headers("s__echo") | more).items()]
    head = ["POST /mcp HTTP/1.1", f"host: 127.0.0.1:{w.port}", f"content-length: {len(sent)}", *lines, "", ""]
    return "\r\n".join(head).encode("latin-1") + sent


def trick(w: World, kind: str) -> bytes:
    """A request that nobody can take for a call in order."""
    sent = body("s__echo", 2)
    if kind == "bad name":
        return posted(w, sent, **{"mcp-name": "=?base64?\xe9?="})
    if kind == "deep name":
        return posted(w, sent.replace(json.dumps(ENVELOPE[NAME]).encode(), DEEP.encode()))
    if kind == "deep abilities":
        return posted(w, sent.replace(b'clientCapabilities": {}', b'clientCapabilities": ' + DEEP.encode()))
    return b"\x00\xff nothing of HTTP\r\n\r\n"


async def responses(connection: anyio.abc.SocketStream, count: int) -> list[tuple[int, Json]]:
    """The statuses and bodies of so many responses, or of all until the connection is closed."""
    data, found = b"", list[tuple[int, Json]]()
    with suppress(anyio.EndOfStream):
        while len(found) < count:
            head, end, rest = data.partition(b"\r\n\r\n")
            length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0] or 0)
            if end and len(rest) >= length:
                text, data = rest[:length], rest[length:]
                found.append((int(head.split()[1]), json.loads(text) if text.startswith(b"{") else {}))
            else:
                data += await connection.receive()
    return found


@pytest.mark.parametrize("kind", TRICKS)
@pytest.mark.parametrize("way", WAYS, ids="-".join)
async def test_what_a_client_sends_behind_its_call_harms_no_other(
    way: tuple[str, str], kind: str, tmp_path: Path
) -> None:
    async with scene(way, tmp_path) as w, raw_client(w.port, "stateless") as other:
        assert "result" in await other.request("tools/call", {"name": "s__echo"})
        before = links(w)
        async with await anyio.connect_tcp("127.0.0.1", w.port) as connection, anyio.create_task_group() as tasks:
            await connection.send(posted(w, body("s__slow", 1), **{"mcp-name": "s__slow"}))
            await w.until(lambda: stats(w).in_flight == 1)
            await connection.send(trick(w, kind))
            for _ in range(5):
                tasks.start_soon(works, other)
            (status, answer), *more = await responses(connection, 2)
        assert (status, answer["id"], "result" in answer) == (200, 1, True)
        assert all(400 <= code < 500 or body.get("id") == 2 for code, body in more)
        assert set(before) <= set(links(w))


def links(w: World) -> list[Any]:
    """The connections to the server; clients that can do other things may have their own."""
    return list(w.gateway._pool.get("s").links())


async def works(client: Any) -> None:
    assert "result" in await client.request("tools/call", {"name": "s__slow"})


@pytest.mark.parametrize("way", WAYS, ids="-".join)
@pytest.mark.parametrize("field", [NAME, "io.modelcontextprotocol/clientCapabilities"], ids=["name", "abilities"])
async def test_a_client_that_nests_too_deep_over_a_pipe_is_answered_and_heard_on(
    way: tuple[str, str], field: str, tmp_path: Path
) -> None:
    async with scene(way, tmp_path) as w, piped(w, "stateless") as client:
        await client.works("s__echo")
        meta = ENVELOPE | {field: "deep"}
        sent = {"jsonrpc": "2.0", "id": 77, "method": "tools/call", "params": {"name": "s__echo", "_meta": meta}}
        client.writer.write(json.dumps(sent).replace('"deep"', DEEP).encode() + b"\n")
        answer = await client.answer(77)
        assert {"result", "error"} & answer.keys()
        await client.works("s__echo")


async def test_a_client_that_goes_in_the_middle_of_a_request_is_no_error(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Its head is one that is not answered here, so that the SDK waits for the body."""
    async with scene(("stdio", "stateless"), tmp_path) as w, raw_client(w.port, "stateless") as other:
        sent = posted(w, body("s__echo", 1), origin=f"http://127.0.0.1:{w.port}")
        async with await anyio.connect_tcp("127.0.0.1", w.port) as connection:
            await connection.send(sent)
            assert (await responses(connection, 1))[0][0] == 200
            await connection.send(sent[:-9])
        for _ in range(5):
            await works(other)
    assert [record.getMessage() for record in caplog.records if record.levelname == "ERROR"] == []


@pytest.mark.parametrize("over", ["stdio", "http"])
async def test_a_client_that_goes_without_reading_its_answer_is_no_error(over: str, tmp_path: Path) -> None:
    errors: list[Json] = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, context: errors.append(context))
    with anyio.fail_after(2 * PATIENCE):
        async with (
            site(over, tmp_path) as srv,
            world(more={"srv": srv.config}) as w,
            raw_client(w.port, "stateless") as other,
        ):
            await w.until_ready()
            assert "result" in await other.request("tools/call", {"name": "srv__echo"})
            async with await anyio.connect_tcp("127.0.0.1", w.port) as connection:
                sent = body("srv__big", 1, size=5_000_000)
                await connection.send(posted(w, sent, **{"mcp-name": "srv__big"}))
                assert (await connection.receive(12)).startswith(b"HTTP/1.1 200")
            assert "result" in await other.request("tools/call", {"name": "srv__echo"})
            await w.until(lambda: stats(w).in_flight == 0)
    assert errors == []
