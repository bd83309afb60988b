"""What a process and all below it have used: processor time and memory, from /proc. Linux."""

from __future__ import annotations

import os
from collections import defaultdict
from pathlib import Path

TICK = os.sysconf("SC_CLK_TCK")
PROC = Path("/proc")


def tree(root: int) -> list[int]:
    """The process and its descendants that live."""
    children: dict[int, list[int]] = defaultdict(list)
    for entry in PROC.iterdir():
        if entry.name.isdigit() and (fields := _stat(int(entry.name))):
            children[int(fields[1])].append(int(entry.name))
    found, waiting = [], [root]
    while waiting:
        found.append(waiting.pop())
        waiting += children[found[-1]]
    return found


def _stat(pid: int) -> list[str]:
    """The fields of /proc/PID/stat from the state on; none if it is gone."""
    try:
        return (PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


def born(pid: int) -> str:
    """When a process started, so that another of the same id is not taken for it; empty if it is gone."""
    fields = _stat(pid)
    return fields[19] if fields else ""


def runs(pid: int, script: str) -> bool:
    """Whether a process runs that script."""
    try:
        words = (PROC / str(pid) / "cmdline").read_bytes().split(b"\0")
    except OSError:
        return False
    return any(word.endswith(b"/" + script.encode()) for word in words[:5])


def processor_time(pids: list[int]) -> float:
    """Seconds that these processes, and those they have waited for, have computed."""
    return sum(_processor_time(pid) for pid in pids)


def _processor_time(pid: int) -> float:
    """To the nanosecond where the kernel tells, for threads that live; in ticks for those that are gone."""
    if not (fields := _stat(pid)):
        return 0.0
    own, reaped = (int(fields[11]) + int(fields[12])) / TICK, (int(fields[13]) + int(fields[14])) / TICK
    return max(own, _scheduled(pid)) + reaped


def _scheduled(pid: int) -> float:
    try:
        stats = [PROC / str(pid) / "task" / str(thread) / "schedstat" for thread in threads(pid)]
        return sum(int(stat.read_text().split()[0]) for stat in stats) / 1e9
    except (OSError, IndexError):
        return 0.0


def threads(pid: int) -> list[int]:
    """The ids of its threads; none if it is gone."""
    try:
        return [int(thread.name) for thread in (PROC / str(pid) / "task").iterdir()]
    except OSError:
        return []


def memory(pids: list[int], key: str = "VmRSS") -> int:
    """Bytes of these processes that are in memory; with `VmHWM`: that were, at most."""
    return sum(_memory(pid, key) for pid in pids)


def _memory(pid: int, key: str) -> int:
    try:
        lines = (PROC / str(pid) / "status").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{key}:")), 0)


def forget_peak(pid: int) -> None:
    """Count `VmHWM` anew, where we may."""
    try:
        (PROC / str(pid) / "clear_refs").write_text("5")
    except OSError:
        return
