"""Our stdout carries the protocol alone, whoever prints; and we end with our stdin."""

from __future__ import annotations

import json
import subprocess
import sys

import anyio
import pytest
from anyio.abc import ByteReceiveStream

from tests.support.raw import HANDSHAKE

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
