"""On which core who runs. Where the system wakes each process decides more of a single call than who is measured."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from benchmarks.wire import procs


@contextmanager
def on_one_core() -> Iterator[None]:
    """In the block this process and all that it has started share a core; then they have all cores again.

    With one core, or where nobody can choose, nothing is done.
    """
    cores = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set()
    if len(cores) < 2:
        yield
        return
    _put_all({min(cores)})
    try:
        yield
    finally:
        _put_all(cores)


def _put_all(cores: set[int]) -> None:
    """Every thread of all of us; what they start later is where they are."""
    for pid in procs.tree(os.getpid()):
        for thread in procs.threads(pid):
            with suppress(OSError):  # it has ended meanwhile
                os.sched_setaffinity(thread, cores)
