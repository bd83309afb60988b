"""A server's process and everything it started are gone at the end, and its last words are kept."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path

import anyio
import pytest

from magictunnel.wire.evidence import KEPT_LINES, MAX_LINE, Evidence
from magictunnel.wire.process import server_process
from tests.support.process import HAS_PROC, gone, marked

pytestmark = [pytest.mark.anyio, pytest.mark.skipif(not HAS_PROC, reason="looks for processes in /proc")]

PATIENCE = 10.0


def env(mark: str) -> dict[str, str]:
    return {"PATH": os.environ["PATH"], "MARK": mark}


def python(code: str) -> Sequence[str]:
    return (sys.executable, "-S", "-c", code)


async def first_line(process: anyio.abc.Process) -> bytes:
    """What it says when it has set itself up."""
    assert process.stdout is not None
    return await process.stdout.receive()


@pytest.fixture
def mark(tmp_path: Path) -> str:
    """Stands in the environment of every process of one test."""
    return f"mark-{tmp_path}"


LEAVES = "import sys; print('up', flush=True); sys.stdin.read(); sys.exit(5)"
STUBBORN = (
    "import signal, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\nprint('up', flush=True)\ntime.sleep(600)"
)
WITH_CHILD = (
    "import subprocess, sys\n"
    "subprocess.Popen([sys.executable, '-S', '-c', 'import time; time.sleep(600)'], stdin=subprocess.DEVNULL)\n"
    "print('up', flush=True)\n"
    "{leader}"
)
WITH_STUBBORN_CHILD = (
    "import subprocess, sys\n"
    "child = 'import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); "
    "print(1, flush=True); time.sleep(600)'\n"
    "subprocess.Popen([sys.executable, '-S', '-c', child], stdin=subprocess.DEVNULL)\n"
    "sys.stdin.read()"
)


async def test_a_server_that_leaves_when_its_stdin_closes_is_waited_for(mark: str) -> None:
    evidence = Evidence()
    with anyio.fail_after(PATIENCE):
        async with server_process("s", python(LEAVES), env(mark), None, evidence) as process:
            assert await first_line(process) == b"up\n"
            assert evidence.exit_code is None

    assert evidence.exit_code == 5


@pytest.mark.parametrize(
    "code",
    [
        STUBBORN,
        WITH_CHILD.format(leader="sys.stdin.read()"),
        WITH_CHILD.format(leader=""),
        WITH_STUBBORN_CHILD,
    ],
    ids=["ignores SIGTERM", "has a child", "left, its child did not", "its child ignores SIGTERM"],
)
async def test_nothing_of_a_server_is_left(code: str, mark: str) -> None:
    with anyio.fail_after(PATIENCE):
        async with server_process("s", python(code), env(mark), None, Evidence()) as process:
            await first_line(process)
            assert marked(mark)

    assert await gone(mark, within=0.5) == {}


async def test_nothing_is_left_when_the_block_is_cancelled(mark: str) -> None:
    with anyio.fail_after(PATIENCE), anyio.CancelScope() as scope:
        async with server_process("s", python(LEAVES), env(mark), None, Evidence()) as process:
            await first_line(process)
            scope.cancel()
            await anyio.sleep_forever()

    assert await gone(mark, within=0.5) == {}


async def test_nothing_is_left_when_the_block_raises(mark: str) -> None:
    with anyio.fail_after(PATIENCE), pytest.RaisesGroup(LookupError):
        async with server_process("s", python(LEAVES), env(mark), None, Evidence()) as process:
            await first_line(process)
            raise LookupError

    assert await gone(mark, within=0.5) == {}


async def test_stderr_is_kept_and_bounded(mark: str) -> None:
    code = "import sys\nfor n in range(200): print('line', n, file=sys.stderr)\nprint('x' * 9999, file=sys.stderr)"
    evidence = Evidence()
    with anyio.fail_after(PATIENCE):
        async with server_process("s", python(code), env(mark), None, evidence):
            while not (evidence.stderr and evidence.stderr[-1].startswith("x")):
                await anyio.sleep(0.01)

    assert len(evidence.stderr) == KEPT_LINES
    assert list(evidence.stderr)[-2:] == ["line 199", "x" * MAX_LINE]


async def test_a_server_that_floods_stderr_with_one_endless_line_is_not_held_up(mark: str) -> None:
    code = (
        "import sys\nfor _ in range(64): sys.stderr.write('x' * 65536)\nprint('written', flush=True)\nsys.stdin.read()"
    )
    evidence = Evidence()
    with anyio.fail_after(PATIENCE):
        async with server_process("s", python(code), env(mark), None, evidence) as process:
            assert await first_line(process) == b"written\n"

    assert evidence.exit_code == 0


async def test_a_server_gets_the_environment_and_the_folder_it_is_given_and_no_other(mark: str, tmp_path: Path) -> None:
    code = "import os; print(os.getcwd(), sorted(os.environ), flush=True)"
    given = env(mark) | {"ODD KEY": "ü"}
    with anyio.fail_after(PATIENCE):
        async with server_process("s", python(code), given, str(tmp_path), Evidence()) as process:
            said = (await first_line(process)).decode()

    assert said.startswith(str(tmp_path))
    assert "'ODD KEY'" in said
    assert "HOME" not in said


@pytest.mark.parametrize(
    ("command", "cwd", "error"),
    [
        (["/no/such/binary"], None, FileNotFoundError),
        ([__file__], None, PermissionError),
        ([sys.executable], "/no/such/folder", FileNotFoundError),
    ],
    ids=["no such file", "not executable", "no such folder"],
)
async def test_what_cannot_be_started_raises_and_leaves_nothing(
    command: list[str], cwd: str | None, error: type[OSError], mark: str
) -> None:
    with anyio.fail_after(PATIENCE), pytest.raises(error):
        async with server_process("s", command, env(mark), cwd, Evidence()):
            raise AssertionError("it cannot be running")

    assert marked(mark) == {}
