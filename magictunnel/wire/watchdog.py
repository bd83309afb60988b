"""Finds and signals what servers left behind; run as a script, it ends what is left of a gateway that was killed.

The standard library only, and little of it: the script is to be up before the first server is.
"""

from __future__ import annotations

import os
import signal
import sys
import time

MARK = "MAGICTUNNEL_MARK"
"""The variable in the environment of a server, and of all that it starts, that says whose they are."""
GRACE = 1.0
"""Seconds for what is left to go after SIGTERM, and again after SIGKILL."""
_POLL = 0.05
_GLANCES = 50
"""At the youngest process, about 30 us each."""


def born(pid: int) -> str:
    """When a process started, as the system counts it; with its number that is nobody else. "" if unknown or gone."""
    try:
        with open(f"/proc/{pid}/stat", "rb", 0) as about:
            return about.read().rpartition(b") ")[2].split()[19].decode()
    except (OSError, IndexError):
        return ""


def remains(groups: dict[int, str], mark: str) -> list[int]:
    """Who is left of `groups` (leader -> when it was born) and of all with `mark`, as `os.kill` takes them.

    A group is its leader's number made negative; a process that left its group stands for itself.
    """
    alive = [-leader for leader, since in groups.items() if _is_same(leader, since) and sent(-leader, 0)]
    return alive + [pid for pid in marked(mark) if _group_of(pid) not in groups]


def marked(mark: str) -> list[int]:
    """The living processes with `mark` (or one that starts with it) in their environment; none without a /proc.

    Every process is looked at, about 7 us each: shorter in one go than in a thread that gives way at every file.
    """
    try:
        return [int(name) for name in os.listdir("/proc") if name.isdigit() and _carries(name, mark)]
    except OSError:
        return []


def struck(mark: str) -> bool:
    """Kill the living processes with `mark`; whether there were any.

    Whoever goes on as its own child again and again has another number by the time all are looked at; but it is one of
    the youngest.
    """
    found = sum(sent(pid, signal.SIGKILL) for pid in marked(mark))
    for _ in range(_GLANCES):
        pid = _youngest()
        found += _carries(pid, mark) and sent(int(pid), signal.SIGKILL)
    return found > 0


def _youngest() -> str:
    """The number that was given last; 0 without a /proc."""
    try:
        with open("/proc/loadavg", "rb", 0) as about:
            return about.read().split()[-1].decode()
    except (OSError, IndexError):
        return "0"


def is_left(one: int, mark: str) -> bool:
    """Whether one of what `remains` named is still there."""
    return sent(one, 0) if one < 0 else _carries(str(one), mark)


def sent(one: int, number: int) -> bool:
    """Send a signal to a process or (negative) a group; whether anybody was there to get it."""
    try:
        os.kill(one, number)
    except OSError:
        return False
    return True


def _carries(pid: str, mark: str) -> bool:
    try:
        with open(f"/proc/{pid}/environ", "rb", 0) as environment:
            return f"{MARK}={mark}".encode() in environment.read()
    except OSError:  # it has ended, or is not ours to read
        return False


def _is_same(leader: int, since: str) -> bool:
    """Whether that number still means the group we know: numbers of processes are used again."""
    try:
        return os.getsid(leader) == leader and born(leader) == since
    except ProcessLookupError:  # the leader is gone; nobody gets its number while the group has members
        return True
    except OSError:
        return False


def _group_of(pid: int) -> int:
    try:
        return os.getpgid(pid)
    except OSError:
        return 0


def hear(groups: dict[int, str], line: str) -> None:
    """Take in a line of the gateway's: `+LEADER BORN` for a group that started, `-LEADER` for one that has ended."""
    leader, _, since = line[1:].strip().partition(" ")
    if line.startswith("+"):
        groups[int(leader)] = since
    else:
        groups.pop(int(leader), None)


def end(groups: dict[int, str], mark: str) -> None:
    """End all that is left: SIGTERM, a moment to go, SIGKILL. Who was just being started is found in that moment."""
    told: set[int] = set()
    until = time.monotonic() + GRACE
    while time.monotonic() < until:
        for one in set(remains(groups, mark)) - told:
            sent(one, signal.SIGTERM)
            told.add(one)
        time.sleep(_POLL)
    while time.monotonic() < until + GRACE and (left := remains(groups, mark)):
        for one in left:
            sent(one, signal.SIGKILL)
        time.sleep(_POLL)


def main() -> None:
    """Listen to the gateway on stdin; when that ends, the gateway was killed: else it would have killed us first."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    groups: dict[int, str] = {}
    for line in sys.stdin:
        hear(groups, line)
    end(groups, sys.argv[1])


if __name__ == "__main__":
    main()
