"""What servers start ends with them, wherever it went; and with us, however we ended. Nobody else is touched."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import anyio
import pytest

from magictunnel.wire import watchdog
from magictunnel.wire.evidence import Evidence
from magictunnel.wire.guard import Guard
from magictunnel.wire.process import server_process
from magictunnel.wire.watchdog import MARK, born
from tests.support.memory import until
from tests.support.process import HAS_PROC, gone, marked
from tests.support.watchdogs import has_ended, watchdogs_of

pytestmark = [pytest.mark.anyio, pytest.mark.skipif(not HAS_PROC, reason="looks for processes in /proc")]

PATIENCE = 10.0
READS_STDIN = "exec 9<&0; echo up; while read -r line <&9; do :; done"
"""A line of shell: a server that ends when its stdin closes."""
DEAF = "trap '' TERM INT HUP; echo up; sleep 600; sleep 600"
"""One that ends by SIGKILL only."""


@pytest.fixture
async def mark(tmp_path: Path) -> AsyncIterator[str]:
    """Stands in the environment of every process of one test; none of them outlives it."""
    mark = f"mark-{tmp_path}"
    yield mark
    await gone(mark, within=0.0)


@asynccontextmanager
async def server(line: str, mark: str, guard: Guard | None = None) -> AsyncIterator[int]:
    """A server that is that line of shell and says when it is up; yields its pid."""
    command = ("/bin/sh", "-c", line)
    env = {"PATH": os.environ["PATH"], "TEST": mark}
    async with server_process("s", command, env, None, Evidence(), *([guard] if guard else [])) as process:
        assert process.stdout is not None
        await process.stdout.receive()
        yield process.pid


@contextmanager
def group(mark: str, line: str = DEAF, **env: str) -> Iterator[int]:
    """A process in a group and session of its own, which is up; yields its pid."""
    env = {"PATH": os.environ["PATH"], "TEST": mark} | env
    with subprocess.Popen(["/bin/sh", "-c", line], stdout=subprocess.PIPE, env=env, start_new_session=True) as process:
        assert process.stdout is not None
        process.stdout.readline()
        try:
            yield process.pid
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


@contextmanager
def script(token: str) -> Iterator[subprocess.Popen[bytes]]:
    """The watchdog as it is started, with our hand on its stdin."""
    words = [sys.executable, "-I", "-S", "-E", watchdog.__file__, f"{token}/"]
    with subprocess.Popen(words, stdin=subprocess.PIPE, start_new_session=True) as process:
        yield process


async def hangs_up(listener: subprocess.Popen[bytes], *lines: str) -> None:
    """Tell it these lines and close its stdin, as the end of a gateway does; returns when it has ended."""
    assert listener.stdin is not None
    listener.stdin.write("".join(f"{line}\n" for line in lines).encode())
    listener.stdin.close()
    await until(lambda: listener.poll() is not None)
    assert listener.returncode == 0


@pytest.mark.parametrize(
    "line",
    [
        f"setsid sh -c '{DEAF.replace(chr(39), chr(34))}' & {READS_STDIN}",
        f"setsid sh -c 'setsid sleep 600 & setsid sleep 600 & sleep 600' & {READS_STDIN}",
        "setsid sleep 600 & echo up",
        f"setsid sleep 600 & {DEAF}",
    ],
    ids=["it ignores SIGTERM", "it left whom it started too", "the server crashed", "the server ignores SIGTERM"],
)
async def test_who_left_the_group_ends_with_the_server(line: str, mark: str) -> None:
    with anyio.fail_after(PATIENCE):
        async with server(line, mark) as leader:
            await until(lambda: any(os.getpgid(pid) != leader for pid in marked(mark)))
        assert marked(mark) == {}


async def test_a_server_does_not_end_what_another_of_the_same_gateway_started(mark: str) -> None:
    with anyio.fail_after(PATIENCE):
        with Guard() as guard:
            async with server(f"setsid sleep 600 & {READS_STDIN}", f"{mark}-one", guard):
                for _ in range(12):
                    async with server(READS_STDIN, f"{mark}-two", guard):
                        pass
                assert len(marked(f"{mark}-one")) == 2


async def test_who_left_the_group_and_took_the_mark_off_is_left_alone(mark: str) -> None:
    with anyio.fail_after(PATIENCE):
        with Guard() as guard:
            async with server(f"setsid env -u {MARK} sleep 600 & {READS_STDIN}", mark, guard) as leader:
                await until(lambda: any(os.getpgid(pid) != leader for pid in marked(mark)))
                await until(lambda: len(marked(mark)) == 2)
            assert list(marked(mark).values()) == ["sleep 600 "]
        assert list(marked(mark).values()) == ["sleep 600 "]


async def test_a_watchdog_comes_with_the_first_server_and_goes_with_the_guard(mark: str) -> None:
    with anyio.fail_after(PATIENCE):
        with Guard() as guard:
            assert watchdogs_of(os.getpid()) == []
            async with server(READS_STDIN, mark, guard), server(READS_STDIN, mark, guard):
                ours = await our_watchdog()
            async with server(READS_STDIN, mark, guard):
                assert await our_watchdog() == ours
        assert not os.path.exists(f"/proc/{ours}")  # noqa: ASYNC240


async def test_servers_do_not_hold_what_the_watchdog_listens_to(mark: str) -> None:
    with anyio.fail_after(PATIENCE):
        with Guard() as guard:
            async with server(READS_STDIN, mark, guard) as leader:
                line = files_of(await our_watchdog())["0"]
                assert line.startswith("pipe:")
                assert line not in files_of(leader).values()


async def test_a_watchdog_that_died_is_replaced_by_one_that_knows_all(mark: str) -> None:
    with anyio.fail_after(PATIENCE):
        with group(mark) as not_ended_by_us, Guard() as guard:
            async with server(READS_STDIN, mark, guard):
                guard.watch(not_ended_by_us, born(not_ended_by_us))
                died = await our_watchdog()
                os.kill(died, signal.SIGKILL)
                await until(lambda: has_ended(died))
            assert await our_watchdog() != died
            guard.__exit__()
            assert has_ended(not_ended_by_us)


async def test_a_watchdog_that_is_stuck_is_replaced_and_harms_nobody(mark: str) -> None:
    with anyio.fail_after(PATIENCE):
        with Guard() as guard:
            async with server(READS_STDIN, mark, guard) as leader:
                stuck = await our_watchdog()
                os.kill(stuck, signal.SIGSTOP)
                while not has_ended(stuck):
                    for number in range(500):
                        guard.forget((1 << 30) + number)
                assert await our_watchdog() != stuck
                assert not has_ended(leader)


async def test_without_a_watchdog_servers_run_all_the_same(mark: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/no/such/python")
    with anyio.fail_after(PATIENCE):
        with Guard() as guard:
            async with server(READS_STDIN, mark, guard):
                assert marked(mark)
    assert marked(mark) == {}


async def test_when_its_stdin_ends_the_watchdog_ends_all_that_is_left(mark: str) -> None:
    """Groups it was told of, whatever is in them; and whoever carries the mark, told of or not."""
    polite = "trap 'echo bye >&2; exit' TERM; echo up; sleep 600 & wait"
    with (
        group(mark) as deaf,
        group(mark, polite) as told,
        group(mark, MAGICTUNNEL_MARK="t0/7/") as untold,
        script("t0") as listener,
    ):
        with anyio.fail_after(PATIENCE):
            await hangs_up(listener, f"+{deaf} {born(deaf)}", f"+{told} {born(told)}")
            for pid in (deaf, told, untold):
                await until(lambda pid=pid: has_ended(pid))


async def test_the_watchdog_signals_nobody_it_does_not_know_for_certain(mark: str) -> None:
    """A group that was forgotten; one whose number another has now; marks of other gateways; who leads no session."""
    with (
        group(mark) as forgotten,
        group(mark) as newer,
        group(mark, MAGICTUNNEL_MARK="t00/1/") as foreign,
        group(mark, "sleep 600 & echo up; wait") as parent,
        script("t0") as listener,
    ):
        with anyio.fail_after(PATIENCE):
            child = next(pid for pid in marked(mark) if os.getpgid(pid) == parent and pid != parent)
            await hangs_up(
                listener,
                *(f"+{pid} {born(pid)}" for pid in (forgotten, child)),
                f"-{forgotten}",
                f"+{newer} {int(born(newer)) - 1}",
            )
            assert not [pid for pid in (forgotten, newer, foreign, parent, child) if has_ended(pid)]


async def test_the_watchdog_outlives_the_signals_that_end_gateways(mark: str) -> None:
    with group(mark) as leader, script("t0") as listener:
        with anyio.fail_after(PATIENCE):
            ignored = f"{(1 << 0) | (1 << 1) | (1 << 14):016x}"  # SIGHUP, SIGINT, SIGTERM
            await until(lambda: is_ignoring(listener.pid, ignored))
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                listener.send_signal(number)
            await hangs_up(listener, f"+{leader} {born(leader)}")
            await until(lambda: has_ended(leader))


async def test_the_watchdog_of_a_gateway_behind_another_does_not_carry_its_mark(
    mark: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(MARK, "outer/1/")
    with anyio.fail_after(PATIENCE):
        with Guard() as guard:
            async with server(READS_STDIN, mark, guard):
                assert await our_watchdog() not in marked("outer/1/")


def files_of(pid: int) -> dict[str, str]:
    """The open files of a process: descriptor -> what it leads to."""
    found: dict[str, str] = {}
    for fd in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):  # closed meanwhile
            found[fd.name] = os.readlink(fd)
    return found


def is_ignoring(pid: int, signals: str) -> bool:
    """Whether that process ignores (at least) this mask of signals."""
    status = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    wanted = int(signals, 16)
    return int(status["SigIgn"], 16) & wanted == wanted


async def our_watchdog() -> int:
    """The one watchdog of this process; it has no name yet while it is being started."""
    await until(lambda: len(watchdogs_of(os.getpid())) == 1)
    return watchdogs_of(os.getpid())[0]
