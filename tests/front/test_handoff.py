"""Requests find their worker from what their clients were given; connections get there whole, or not at all."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import struct
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from magictunnel.errors import BadParams
from magictunnel.front.handoff import Handoff
from magictunnel.front.head import MAX_HEAD
from magictunnel.front.parking import Parking
from magictunnel.front.reader import RequestReader
from magictunnel.front.workers import Sorter, Worker

OURS = Worker(2, 4, "cafe")
MAX_BODY = 300_000


def post(body: bytes = b"", *lines: str, path: str = "/mcp") -> bytes:
    head = [f"POST {path} HTTP/1.1", "host: localhost", *lines, f"content-length: {len(body)}"]
    return "\r\n".join(head).encode("latin-1") + b"\r\n\r\n" + body


def owner(request: bytes) -> int | None:
    """Whose it is, if it comes in one piece."""
    sorter = Sorter(OURS)
    taken = RequestReader(MAX_BODY, sorter.is_needed).take(request)
    return sorter.owner(taken) if taken else None


PARKED = b'{"params": {"requestState": "mt-cafe-3-0123abcd.x"}}'


@pytest.mark.parametrize(
    ("request_", "number"),
    [
        (post(b"{}"), 2),
        (post(b"{}", "mcp-session-id: w3-abc"), 3),
        (post(b"{}", "MCP-Session-Id:w1-abc"), 1),
        (b"GET /mcp HTTP/1.1\r\nMcp-Session-Id: w4-x\r\n\r\n", 4),
        (b"DELETE /mcp HTTP/1.1\r\nmcp-session-id: w1-x\r\n\r\n", 1),
        (post(b"{}", path="/messages/w1/?session_id=x"), 1),
        (post(PARKED), 3),
        (post(PARKED, "mcp-session-id: w1-abc"), 1),
        (post(PARKED, "connection: close"), 3),
        (post(PARKED.replace(b"cafe", b"beef")), 2),
        (post(PARKED.replace(b"-3-", b"-9-")), 2),
        (post(b"{}", "mcp-session-id: abc"), 2),
        (post(b"{}", "mcp-session-id: w0-abc"), 2),
        (post(b"{}", "mcp-session-id: w5-abc"), 2),
        (post(b"{}", "mcp-session-id: w9999-abc"), 2),
        (post(b"{}", "x-mcp-session-id: w3-abc"), 2),
        (post(b"{}", "x: mcp-session-id: w3-abc"), 2),
        (b"\x16\x03\x01 is no HTTP", 2),
        (b"POST /mcp HTTP/1.1\r\n" + b"x" * MAX_HEAD, 2),
        (b"\r\n\r\n" + post(PARKED), 3),
        (b"\r\n\r\n", None),
    ],
)
def test_a_request_belongs_to_whoever_gave_its_client_what_it_says(request_: bytes, number: int | None) -> None:
    assert owner(request_) == number


@given(
    st.sampled_from([post(PARKED), post(b"{}", "mcp-session-id: w3-abc"), post(PARKED * 20, path="/messages/w1/")]),
    st.lists(st.integers(0, 2_000), max_size=6),
)
def test_it_does_not_matter_in_what_pieces_a_request_comes(request: bytes, cuts: list[int]) -> None:
    ends = sorted({cut % len(request) for cut in cuts} | {len(request)})
    sorter, pending = Sorter(OURS), b""
    reader = RequestReader(MAX_BODY, sorter.is_needed)
    for start, end in zip([0, *ends], ends, strict=False):
        pending += request[start:end]
        if start < end and (taken := reader.take(request[start:end])) is not None:
            assert (sorter.owner(taken), taken.data) == (owner(request), pending)
            break
    else:
        pytest.fail("it was never known")


@given(st.text(st.characters(max_codepoint=255), max_size=40))
def test_a_session_is_known_by_the_id_that_was_given_out_and_by_no_other(session: str) -> None:
    assert OURS.inner(OURS.outer(session)) == session
    assert OURS.inner(session) != session or not session


def test_a_body_that_is_too_long_to_look_at_is_not_waited_for() -> None:
    head = post(b"").replace(b"content-length: 0", f"content-length: {MAX_BODY + 1}".encode())
    assert owner(head) == 2


def test_a_state_of_another_worker_is_no_business_of_a_server() -> None:
    first, second = Parking(), Parking()
    first.share(OURS.family, OURS.label)
    second.share(OURS.family, "3-")
    state = first.visits_first("binding", {})["requestState"]

    assert owner(post(json.dumps({"params": {"requestState": state}}).encode())) == OURS.number
    assert second.is_ours(state)
    assert not Parking().is_ours(state)
    with pytest.raises(BadParams, match="not as it was given out"):
        second.resume(state, lambda: "binding", {})
    assert first.resume(state, lambda: "binding", {}) is None


# --- from worker to worker


class Taken:
    """What a worker was handed, and told."""

    def __init__(self) -> None:
        self.connections: list[tuple[socket.socket, bytes]] = []
        self.news: list[bytes] = []
        self.moved = anyio.Event()
        self.is_met = False

    async def adopt(self, connection: socket.socket, request: bytes) -> None:
        self.connections.append((connection, request))
        self.moved.set()

    def hear(self, news: bytes) -> None:
        if news == b"nonsense":
            raise ValueError("nonsense")
        if news == b"first" and self.is_met:
            return
        self.is_met = True
        self.news.append(news)
        self.moved.set()


@asynccontextmanager
async def listening() -> AsyncIterator[tuple[Handoff, Taken, Path]]:
    """The ways of worker 1, what worker 2 gets, and the socket of that."""
    with tempfile.TemporaryDirectory() as folder:
        here, there = (Handoff(Worker(number, 2, "cafe"), Path(folder), MAX_BODY) for number in (1, 2))
        taken = Taken()
        with anyio.fail_after(20):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(there.serve, taken.adopt, taken.hear)
                while not taken.news:  # it is told as soon as it listens, if not before
                    await here.tell(b"first")
                    await anyio.sleep(0.005)
                taken.news.clear()
                taken.moved = anyio.Event()
                yield here, taken, Path(folder) / "2"
                tasks.cancel_scope.cancel()


@pytest.mark.anyio
@pytest.mark.parametrize("size", [1, 100_000, MAX_BODY])
async def test_a_connection_is_handed_over_with_what_was_read_of_it(size: int) -> None:
    request = os.urandom(size)
    async with listening() as (here, taken, _path):
        near, far = socket.socketpair()
        with near, far:
            assert await here.give(2, far.fileno(), request)
            far.close()
            await taken.moved.wait()
            ((connection, read),) = taken.connections
            with connection:
                assert read == request
                connection.sendall(b"hello")
                assert near.recv(5) == b"hello"
                assert not os.get_inheritable(connection.fileno())


@pytest.mark.anyio
async def test_a_connection_whose_giver_has_waited_too_long_is_taken_all_the_same() -> None:
    """It has let go of it: nobody else could answer."""
    async with listening() as (_here, taken, path):
        near, far = socket.socketpair()
        with near, far, socket.socket(socket.AF_UNIX) as giver:
            giver.connect(str(path))
            socket.send_fds(giver, [struct.pack("!cI", b"r", 3) + b"abc"], [far.fileno()])
            giver.close()
            await taken.moved.wait()
            ((connection, read),) = taken.connections
            with connection:
                assert read == b"abc"
                connection.sendall(b"hello")
                assert near.recv(5) == b"hello"


@pytest.mark.anyio
async def test_where_nobody_listens_nothing_is_taken() -> None:
    with tempfile.TemporaryDirectory() as folder, socket.socket() as some:
        here = Handoff(Worker(1, 2, "cafe"), Path(folder), MAX_BODY)
        assert not await here.give(2, some.fileno(), b"request")
        await here.tell(b"news")


@pytest.mark.anyio
async def test_a_connection_that_another_worker_does_not_take_stays_ours() -> None:
    async with listening() as (here, taken, _path):
        near, far = socket.socketpair()
        with near, far:
            assert not await here.give(2, far.fileno(), os.urandom(MAX_BODY * 10))
            near.sendall(b"still here")
            assert far.recv(10) == b"still here"
    assert taken.connections == []


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("sent", "with_connection"),
    [
        (b"", False),
        (b"r", False),
        (b"GET / HTTP/1.1\r\n\r\n", False),
        (struct.pack("!cI", b"r", 3) + b"abc", False),
        (struct.pack("!cI", b"r", 2**32 - 1), True),
        (struct.pack("!cI", b"r", 100) + b"cut off", True),
        (struct.pack("!cI", b"n", 2**31), False),
        (struct.pack("!cI", b"n", 8) + b"nonsense", False),
        (struct.pack("!cI", b"n", 4) + b"news", True),
        (struct.pack("!cI", b"?", 0), True),
    ],
)
async def test_what_is_no_message_of_a_worker_is_dropped_with_its_connection(
    sent: bytes, with_connection: bool
) -> None:
    async with listening() as (here, taken, path):
        near, far = socket.socketpair()
        with near, far:
            with socket.socket(socket.AF_UNIX) as stranger:
                stranger.connect(str(path))
                if with_connection:
                    socket.send_fds(stranger, [sent], [far.fileno()])
                elif sent:
                    stranger.sendall(sent)
            far.close()
            if with_connection:  # nobody keeps it
                near.setblocking(False)
                assert await asyncio.get_running_loop().sock_recv(near, 1) == b""
        await here.tell(b"goes on")
        await taken.moved.wait()

    assert taken.news == [b"goes on"]
    assert taken.connections == []
