"""Which cores are whose: where the system puts a client and what it measures decides a third of what a call costs."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def kept_apart(*, is_wanted: bool) -> Iterator[Callable[[], None]]:
    """What is started in the block has all cores but one, which this process takes when it calls what it is given.

    With one core, or where nobody can choose, nothing is done.
    """
    cores = os.sched_getaffinity(0) if is_wanted and hasattr(os, "sched_getaffinity") else set()
    if len(cores) < 2:
        yield lambda: None
        return
    own = {min(cores)}
    os.sched_setaffinity(0, cores - own)
    try:
        yield lambda: os.sched_setaffinity(0, own)
    finally:
        os.sched_setaffinity(0, cores)
