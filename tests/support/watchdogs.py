"""The watchdogs that processes keep, and whose child a process is."""

from __future__ import annotations

import contextlib
from pathlib import Path


def watchdogs_of(pid: int) -> list[int]:
    """The living children of `pid` that are watchdogs."""
    found: list[int] = []
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            child = int(folder.name)
            if b"watchdog.py" in (folder / "cmdline").read_bytes() and parent_of(child) == pid:
                found.append(child)
    return found


def parent_of(pid: int) -> int:
    """The parent of a living process; 0 if it has ended."""
    about = _about(pid).split()
    return int(about[1]) if about else 0


def has_ended(pid: int) -> bool:
    """Whether that process has ended, waited for or not."""
    return _about(pid)[:1] in ("", "Z")


def _about(pid: int) -> str:
    """Its state, its parent and more; "" if nobody has that number."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2]
    except OSError:
        return ""
