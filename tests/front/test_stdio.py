"""Our stdout carries the protocol alone, whoever prints; and we end with our stdin."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from pathlib import Path

import anyio
import pytest
from anyio.abc import ByteReceiveStream

from tests.support.raw import HANDSHAKE, Script, command, text, tool

pytestmark = pytest.mark.anyio

PATIENCE = 15.0
SERVES_AND_PRINTS = """
import os, subprocess, sys
import anyio
from magictunnel.config.model import Config
from magictunnel.front.server import FrontServer
from magictunnel.front.stdio import serve_stdio
from magictunnel.gateway import build, running

class Noisy(FrontServer):
    def create_initialization_options(self, *args, **kwargs):
        print("printed", flush=True)
        os.write(1, b"written to fd 1\\n")
        subprocess.run(["echo", "echoed by a child"], check=True)
        print(f"stdin has {sys.stdin.read()!r}", file=sys.stderr)
        return super().create_initialization_options(*args, **kwargs)

async def main():
    async with running(build(Config())) as gateway:
        await serve_stdio(Noisy(gateway))

anyio.run(main)
print("printed at the end")
"""
INITIALIZE = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {"protocolVersion": HANDSHAKE, "capabilities": {}, "clientInfo": {"name": "raw", "version": "1"}},
}


async def read_all(stream: ByteReceiveStream, into: list[bytes], *, task_status: anyio.abc.TaskStatus[None]) -> None:
    task_status.started()
    async for chunk in stream:
        into.append(chunk)  # noqa: PERF401 it is looked at meanwhile


async def test_stdout_is_the_protocol_alone_and_the_end_of_stdin_is_ours() -> None:
    out: list[bytes] = []
    err: list[bytes] = []
    lines = [b"this is no JSON", b"", json.dumps(INITIALIZE).encode(), b'{"jsonrpc":"2.0","id":2,"method":"ping"}']
    with anyio.fail_after(PATIENCE):
        async with await anyio.open_process(
            [sys.executable, "-c", SERVES_AND_PRINTS], stdin=subprocess.PIPE, stderr=subprocess.PIPE
        ) as process:
            assert process.stdin is not None
            assert process.stdout is not None
            assert process.stderr is not None
            async with anyio.create_task_group() as tasks:
                await tasks.start(read_all, process.stdout, out)
                await tasks.start(read_all, process.stderr, err)
                await process.stdin.send(b"\n".join(lines) + b"\n")
                while b"".join(out).count(b"\n") < 2:
                    await anyio.sleep(0.01)
                await process.stdin.aclose()
            assert await process.wait() == 0

    answers = [json.loads(line) for line in b"".join(out).splitlines()]
    assert [answer["id"] for answer in answers] == [1, 2]
    talk = b"".join(err).decode()
    for said in ("printed\n", "written to fd 1\n", "echoed by a child\n", "stdin has ''\n", "printed at the end\n"):
        assert said in talk
    assert "our client wrote no JSON-RPC: b'this is no JSON'" in talk


SERVED = """
import sys, anyio
from magictunnel.config.load import load
from magictunnel.front.server import FrontServer
from magictunnel.front.stdio import serve_stdio
from magictunnel.gateway import build, running
from pathlib import Path

async def main():
    async with running(build(load(Path(sys.argv[1])))) as gateway:
        await serve_stdio(FrontServer(gateway))

anyio.run(main, backend_options={"use_uvloop": sys.argv[2] == "uvloop"})
"""
CALL = {"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": {"name": "s__slow", "arguments": {}}}
LINES = b"".join(
    json.dumps(one).encode() + b"\n"
    for one in (INITIALIZE, {"jsonrpc": "2.0", "method": "notifications/initialized"}, CALL)
)


def served(folder: Path, loop: str) -> list[str]:
    """A gateway with one server whose tool takes longer than a moment."""
    slow = Script(
        name="s",
        offers={"tools": [tool("slow")]},
        answers={"tools/call slow": text("done")},
        delay_on={"tools/call slow": 0.3},
    )
    entry, *args = command(slow, folder)
    config = folder / "config.json"
    config.write_text(json.dumps({"mcpServers": {"s": {"command": entry, "args": args}}, "discovery": {"mode": "off"}}))
    return [sys.executable, "-c", SERVED, str(config), loop]


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
async def test_what_was_asked_before_the_end_of_stdin_is_answered_though_it_came_with_the_opening(
    tmp_path: Path, loop: str
) -> None:
    with anyio.fail_after(PATIENCE):
        done = await anyio.run_process(served(tmp_path, loop), input=LINES, stderr=None)

    assert [json.loads(line)["id"] for line in done.stdout.splitlines()] == [1, 2]


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
async def test_one_socket_may_be_both_our_stdin_and_our_stdout(tmp_path: Path, loop: str) -> None:
    """As inetd and socat hand it over."""
    ours, its = socket.socketpair()
    with ours, its, anyio.fail_after(PATIENCE):
        async with await anyio.open_process(served(tmp_path, loop), stdin=its, stdout=its, stderr=None) as process:
            its.close()
            await anyio.to_thread.run_sync(ours.sendall, LINES)
            came = b""
            while came.count(b"\n") < 2:
                came += await anyio.to_thread.run_sync(ours.recv, 65_536, abandon_on_cancel=True)
            ours.shutdown(socket.SHUT_WR)
            assert await process.wait() == 0

    assert [json.loads(line)["id"] for line in came.splitlines()] == [1, 2]


async def test_a_client_whose_socket_is_reset_is_served_no_longer(tmp_path: Path) -> None:
    """Whoever started us may well go on, as inetd does."""
    ours, its = socket.socketpair()
    with anyio.fail_after(PATIENCE):
        async with await anyio.open_process(served(tmp_path, "asyncio"), stdin=its, stdout=its, stderr=None) as process:
            its.close()
            await anyio.to_thread.run_sync(ours.sendall, LINES)
            await anyio.wait_readable(ours)
            ours.close()  # with an answer unread, which resets it
            await process.wait()


async def test_when_no_answer_can_be_written_any_more_nothing_more_is_listened_to(tmp_path: Path) -> None:
    with anyio.fail_after(PATIENCE):
        async with (
            await anyio.open_file("/dev/full", "wb") as full,
            await anyio.open_process(
                served(tmp_path, "asyncio"), stdin=subprocess.PIPE, stdout=full, stderr=subprocess.PIPE
            ) as process,
        ):
            assert process.stdin is not None
            assert process.stderr is not None
            await process.stdin.send(LINES)
            talk = b"".join([chunk async for chunk in process.stderr])
            await process.wait()

    assert b"our client cannot be answered any more: [Errno 28] No space left on device" in talk
