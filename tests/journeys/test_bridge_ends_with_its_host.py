"""Bridge outlives its host (12): our stdin closes, or whoever started us is gone; then so are we, and all of ours."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import anyio
import pytest

from tests.support.process import HAS_PROC, config_file, entry, gone, marked, over_stdio, shell
from tests.support.raw import Json, Script, tool
from tests.support.watchdogs import parent_of
from tests.support.world import PATIENCE

pytestmark = [pytest.mark.anyio, pytest.mark.skipif(not HAS_PROC, reason="looks processes up in /proc")]

WITHIN = 3.0
"""Seconds for all of us to be gone."""
LIST = b'{"jsonrpc":"2.0","id":1,"method":"tools/list"}\n'
CALL = b'{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"hangs__wait"}}\n'
HELLO = (
    b'{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},'
    b'"clientInfo":{"name":"host","version":"1"}}}\n{"jsonrpc":"2.0","method":"notifications/initialized"}\n'
)


def servers(folder: Path, mark: str) -> dict[str, Json]:
    """Servers that go by themselves, through a shell, and with a grandchild elsewhere that has to be killed."""
    offers = {"tools": [tool("wait")]}
    lines = {
        "plain": 'exec "$@"',
        "wrapped": 'exec 3<&0; "$@" <&3 & wait',
        "hangs": 'setsid sh -c \'trap "" TERM INT HUP; sleep 600; sleep 600\' & exec "$@"',
    }
    found: dict[str, Json] = {}
    for name, line in lines.items():
        it = entry(Script(name=name, offers=offers, hang_on=["tools/call wait"]), folder)
        found[name] = shell(line, it["command"], *it["args"], env={"TEST_MARK": mark})
    return found


@contextmanager
def host(config: Path, mark: str, line: str) -> Iterator[subprocess.Popen[bytes]]:
    """A host that is a line of shell around the gateway. Its stdin is a pipe that we hold: it stays open."""
    words = [sys.executable, "-m", "magictunnel", "serve", "--stdio", "-c", str(config)]
    with subprocess.Popen(
        ["/bin/sh", "-c", line, "sh", *words],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "TEST_MARK": mark},
        start_new_session=True,
    ) as process:
        try:
            yield process
        finally:
            for pid in marked(mark):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)


async def test_when_our_stdin_closes_we_and_all_of_ours_are_gone(tmp_path: Path) -> None:
    mark = uuid.uuid4().hex
    with anyio.fail_after(PATIENCE):
        async with over_stdio(config_file(tmp_path, servers(tmp_path, mark)), env={"TEST_MARK": mark}) as tunnel:
            await tunnel.open()
            await tunnel.request("tools/list")
            with anyio.fail_after(WITHIN):
                await tunnel.close_stdin()
                assert await tunnel.ended() == 0
                assert await gone(mark, within=WITHIN) == {}


@pytest.mark.parametrize("last", [b"", CALL], ids=["nothing in flight", "a call in flight"])
async def test_when_our_parent_is_killed_and_somebody_else_holds_our_stdin_we_are_gone_too(
    last: bytes, tmp_path: Path
) -> None:
    mark = uuid.uuid4().hex
    config = config_file(tmp_path, servers(tmp_path, mark), start_wait="20s")
    with anyio.fail_after(PATIENCE):
        with host(config, mark, 'exec 3<&0; "$@" <&3 & wait') as process:
            await answers(process, HELLO, LIST)
            tell(process, last)
            assert [pid for pid in marked(mark) if parent_of(pid) == process.pid]
            process.kill()
            process.wait()
            assert await gone(mark, within=WITHIN) == {}


async def test_a_parent_that_was_gone_before_we_looked_is_no_reason_to_go(tmp_path: Path) -> None:
    mark = uuid.uuid4().hex
    config = config_file(tmp_path, {"plain": servers(tmp_path, mark)["plain"]}, start_wait="20s")
    with anyio.fail_after(PATIENCE):
        with host(config, mark, 'exec 3<&0; "$@" <&3 & exit 0') as process:
            process.wait()
            until = anyio.current_time() + 1.0  # it looks at its parent ten times a second
            await answers(process, HELLO)
            while anyio.current_time() < until:
                await answers(process, LIST)


async def answers(process: subprocess.Popen[bytes], *messages: bytes) -> None:
    """Send it messages, and wait for an answer to each that is a request."""
    assert process.stdout is not None
    for message in messages:
        tell(process, message)
        while b'"result"' not in await anyio.to_thread.run_sync(process.stdout.readline, abandon_on_cancel=True):
            pass


def tell(process: subprocess.Popen[bytes], message: bytes) -> None:
    assert process.stdin is not None
    process.stdin.write(message)
    process.stdin.flush()
