"""Processes that mean harm, or do it: each ends in a clear answer, and nothing of it is left."""

from __future__ import annotations

import fcntl
import json
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import anyio
import pytest

from magictunnel.capabilities.base import Output
from magictunnel.capabilities.content.result import result_of
from magictunnel.capabilities.language.model import Command, Python
from magictunnel.capabilities.processes.command import run_command
from magictunnel.capabilities.processes.limits import IS_LINUX
from magictunnel.capabilities.processes.python import run_python
from magictunnel.wire.codec import is_writable
from tests.capabilities.running import PATIENCE, python, site
from tests.support.process import HAS_PROC, gone, marked

pytestmark = [pytest.mark.anyio, pytest.mark.skipif(not HAS_PROC, reason="looks for processes in /proc")]

IGNORES_SIGTERM = (
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); open('up', 'w').close(); time.sleep(600)"
)
LEFT_THE_GROUP = (
    "import os, time\n"
    "if os.fork() == 0:\n"
    "    os.setsid()\n"
    "    if os.fork() == 0:\n"
    "        open('up', 'w').close()\n"
    "    time.sleep(600)\n"
    "time.sleep(600)"
)
MANY_CHILDREN = (
    "import os, time\n"
    "for n in range(100):\n"
    "    if os.fork() == 0:\n"
    "        if n % 3 == 0: os.setsid()\n"
    "        time.sleep(600)\n"
    "open('up', 'w').close()\n"
    "time.sleep(600)"
)
FORKS_WITHOUT_END = (
    "import os, time\n"
    "open('up', 'w').close()\n"
    "for n in range(2_000):\n"
    "    if os.fork() == 0:\n"
    "        time.sleep(600)\n"
    "time.sleep(600)"
)
FULL_PIPES = (
    "import sys, threading, time\n"
    "threading.Thread(target=lambda: sys.stderr.write('x' * 1_000_000)).start()\n"
    "open('up', 'w').close()\n"
    "time.sleep(600)"
)


@pytest.fixture
async def mark(tmp_path: Path) -> AsyncIterator[str]:
    """Stands in the environment of every process of one test; none of them outlives it."""
    mark = f"mark-{tmp_path}"
    yield mark
    await gone(mark, within=0.0)


async def ran(folder: Path, mark: str, argv: list[Any], **more: Any) -> Output:
    """What a command comes to whose processes carry `mark`."""
    command = Command.model_validate({"argv": argv, "env": {"TEST": mark}} | more)
    return await run_command(command, {}, site(folder))


@pytest.mark.parametrize("code", [IGNORES_SIGTERM, LEFT_THE_GROUP, MANY_CHILDREN, FORKS_WITHOUT_END, FULL_PIPES])
async def test_nothing_is_left_of_one_that_is_cancelled(code: str, tmp_path: Path, mark: str) -> None:
    with anyio.fail_after(PATIENCE):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(ran, tmp_path, mark, python(code))
            while not (tmp_path / "up").exists():
                await anyio.sleep(0.01)
            assert marked(mark)
            tasks.cancel_scope.cancel()

    assert marked(mark) == {}


NEVER_THERE = (
    "import fcntl, os, time\n"
    "lock = open('lock', 'w')\n"
    "fcntl.flock(lock, fcntl.LOCK_EX)\n"
    "if os.fork(): time.sleep(600)\n"
    "open('up', 'w').close()\n"
    "end = time.time() + 5\n"
    "while time.time() < end:\n"
    "    if os.fork(): os._exit(0)\n"
    "    os.setsid()\n"
)
"""It goes on as its own child, in a session of its own, a thousand times a second. All of them hold the lock."""


def is_locked(path: Path) -> bool:
    """Whether a living process holds the lock."""
    with path.open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


async def test_nothing_is_left_of_one_that_is_never_where_it_is_looked_for(tmp_path: Path, mark: str) -> None:
    with anyio.fail_after(PATIENCE):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(ran, tmp_path, mark, python(NEVER_THERE))
            while not (tmp_path / "up").exists():
                await anyio.sleep(0.01)
            tasks.cancel_scope.cancel()

    assert not is_locked(tmp_path / "lock")


async def test_nothing_is_left_whenever_it_is_cancelled(tmp_path: Path, mark: str) -> None:
    for thousandths in range(16):
        with anyio.fail_after(PATIENCE), anyio.move_on_after(thousandths / 1_000):
            await ran(tmp_path, mark, ["/bin/sh", "-c", "exec sleep 600"])

        assert marked(mark) == {}


async def test_a_deadline_ends_one_at_once(tmp_path: Path, mark: str) -> None:
    began = anyio.current_time()
    with anyio.fail_after(PATIENCE), anyio.move_on_after(0.3) as scope:
        await ran(tmp_path, mark, ["sleep", "600"])

    assert scope.cancelled_caught
    assert anyio.current_time() - began < 2.0
    assert marked(mark) == {}


@pytest.mark.parametrize("argv", [["yes"], ["/bin/sh", "-c", "yes & yes & wait"]])
async def test_endless_output_is_cut(argv: list[str], tmp_path: Path, mark: str) -> None:
    with anyio.fail_after(PATIENCE):
        output = await ran(tmp_path, mark, argv, max_output=1_000_000)

    assert (len(output.body), output.is_cut, output.failed) == (1_000_000, True, "")
    assert marked(mark) == {}


async def test_an_endless_line_is_cut_while_it_is_told(tmp_path: Path, mark: str) -> None:
    heard: list[str] = []

    async def tell(line: str) -> None:
        heard.append(line)

    argv = python("import sys\nwhile True: sys.stdout.write('x' * 65536)")
    command = Command.model_validate({"argv": argv, "env": {"TEST": mark}, "progress": True, "max_output": "4MB"})
    with anyio.fail_after(PATIENCE):
        output = await run_command(command, {}, site(tmp_path), tell)

    assert (len(output.body), output.is_cut) == (4 << 20, True)
    assert heard == []


async def test_endless_talk_on_stderr_is_a_failure(tmp_path: Path, mark: str) -> None:
    with anyio.fail_after(PATIENCE):
        output = await ran(tmp_path, mark, ["/bin/sh", "-c", "yes why >&2"], max_output="1MB")

    assert output.failed == "wrote more than 1048576 bytes to stderr, and was ended"
    assert output.body.endswith(b"why")
    assert marked(mark) == {}


async def test_exactly_as_much_as_is_read_is_not_cut(tmp_path: Path, mark: str) -> None:
    with anyio.fail_after(PATIENCE):
        output = await ran(tmp_path, mark, python("print('x' * 999)"), max_output=1_000)

    assert (len(output.body), output.is_cut) == (1_000, False)


async def test_binary_garbage_comes_back_as_it_is_and_as_a_result(tmp_path: Path, mark: str) -> None:
    code = "import sys; sys.stdout.buffer.write(bytes(range(256)) * 100); sys.stderr.buffer.write(b'\\xff\\xfe' * 100)"
    with anyio.fail_after(PATIENCE):
        output = await ran(tmp_path, mark, python(code))
        failed = await ran(tmp_path, mark, python(f"{code}; sys.exit(1)"))

    assert output.body == bytes(range(256)) * 100
    assert is_writable(result_of(output, has_schema=False))
    assert is_writable(result_of(failed, has_schema=False))


async def test_a_very_long_argument_arrives(tmp_path: Path, mark: str) -> None:
    code = "import json, sys; print(json.dumps([len(sys.argv), sys.argv[1]]))"
    text = "--x;'\"\n$(id)" * 9_000
    command = Command.model_validate({"argv": python(code, "{{text}}"), "env": {"TEST": mark}})
    with anyio.fail_after(PATIENCE):
        output = await run_command(command, {"text": text}, site(tmp_path))

    assert len(text) > 100_000
    assert json.loads(output.body) == [2, text]


needs_linux = pytest.mark.skipif(not IS_LINUX, reason="bounds on memory are Linux's")


@needs_linux
@pytest.mark.parametrize("by", ["itself", "its child"])
async def test_one_that_wants_too_much_memory_fails(by: str, tmp_path: Path, mark: str) -> None:
    hog = "x = bytearray(2_000_000_000); print(len(x))"
    child = f"import subprocess, sys; sys.exit(subprocess.run([sys.executable, '-S', '-c', {hog!r}]).returncode)"
    with anyio.fail_after(PATIENCE):
        output = await ran(tmp_path, mark, python(hog if by == "itself" else child), max_memory="300MB")

    assert output.failed == "exited with 1"
    assert b"MemoryError" in output.body


@needs_linux
async def test_one_that_wants_little_memory_runs_as_ever(tmp_path: Path, mark: str) -> None:
    code = "import json, os, signal, sys; print(json.dumps([sys.argv[1:], str(signal.getsignal(signal.SIGPIPE))]))"
    argv = ["/bin/sh", "-c", 'exec "$0" "$@"', *python(code, "a b", "--x")]
    with anyio.fail_after(PATIENCE):
        limited = await ran(tmp_path, mark, argv, max_memory="300MB")
        free = await ran(tmp_path, mark, argv)

    assert limited.body == free.body
    assert json.loads(limited.body)[0] == ["a b", "--x"]


@needs_linux
async def test_a_program_that_is_none_says_so_within_a_bound_too(tmp_path: Path, mark: str) -> None:
    (tmp_path / "odd").write_bytes(b"\x00\x01\x02")
    (tmp_path / "odd").chmod(0o755)
    with anyio.fail_after(PATIENCE):
        output = await ran(tmp_path, mark, ["./odd"], max_memory="300MB")

    assert output.failed == "exited with 1"
    assert output.body == b"./odd cannot be started: Exec format error"


@needs_linux
async def test_a_function_that_wants_too_much_memory_fails(tmp_path: Path, mark: str) -> None:
    (tmp_path / "hog.py").write_text("def hog():\n    return len(bytearray(2_000_000_000))\n")
    declared = Python.model_validate({"function": "hog:hog", "max_memory": "300MB", "env": {"TEST": mark}})
    with anyio.fail_after(PATIENCE):
        output = await run_python(declared, {}, site(tmp_path))

    assert output.failed == "MemoryError"


async def test_a_function_that_never_returns_is_gone_when_it_is_cancelled(tmp_path: Path, mark: str) -> None:
    (tmp_path / "slow.py").write_text(
        "import subprocess, time\n"
        "def slow():\n"
        "    subprocess.Popen(['sleep', '600'], start_new_session=True)\n"
        "    open('up', 'w').close()\n"
        "    time.sleep(600)\n"
    )
    declared = Python.model_validate({"function": "slow:slow", "env": {"TEST": mark}})
    with anyio.fail_after(PATIENCE):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(run_python, declared, {}, site(tmp_path))
            while not (tmp_path / "up").exists():
                await anyio.sleep(0.01)
            assert len(marked(mark)) >= 2
            tasks.cancel_scope.cancel()

    assert marked(mark) == {}


@pytest.mark.parametrize(
    ("body", "failed"),
    [
        ("import os; os._exit(7)", "exited with 7"),
        ("import os; os._exit(0)", "ended before the function returned"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", "was ended by SIGSEGV"),
        ("import sys; sys.exit(3)", "SystemExit: 3"),
        ("def f(): return f()\n    return f()", "RecursionError: maximum recursion depth exceeded"),
    ],
)
async def test_a_function_that_ends_its_process_is_a_failure(body: str, failed: str, tmp_path: Path) -> None:
    (tmp_path / "bad.py").write_text(f"def bad():\n    {body}\n")
    with anyio.fail_after(PATIENCE):
        output = await run_python(Python(function="bad:bad"), {}, site(tmp_path))

    assert output.failed.startswith(failed)


async def test_many_at_once_are_all_answered(tmp_path: Path, mark: str) -> None:
    answers: list[bytes] = []

    async def one(number: int) -> None:
        answers.append((await ran(tmp_path, mark, [sys.executable, "-S", "-c", f"print({number})"])).body)

    with anyio.fail_after(PATIENCE):
        async with anyio.create_task_group() as tasks:
            for number in range(30):
                tasks.start_soon(one, number)

    assert sorted(answers) == sorted(b"%d\n" % number for number in range(30))
    assert marked(mark) == {}
