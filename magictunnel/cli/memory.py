"""How this process deals with memory: what is looked for as garbage, and what goes back to the system."""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress

_GARBAGE = (5_000, 20, 20)
"""How much is made before garbage is looked for. What a call makes is gone with it, and a look at all there is while
1,000 clients are told something takes longer than to tell them.
"""
_LARGE = 4 * 1024 * 1024
"""Bytes of a block that goes back to the system as soon as it is free. To take one anew costs a page fault for each
4 KB of it, which is more than all else that is done with it.
"""
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
"""See mallopt(3)."""


@contextmanager
def undisturbed() -> Iterator[None]:
    """Nobody looks for garbage while the block lasts, and never among what it made: modules make a great many objects,
    all of which stay. That is a tenth of the time of a start.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.set_threshold(*_GARBAGE)
        gc.enable()


def give_back() -> None:
    """Have large blocks go back to the system once they are free. Of results of 10 MB, glibc keeps 20 MB otherwise."""
    if not sys.platform.startswith("linux"):
        return
    import ctypes

    with suppress(OSError, AttributeError):  # another C library
        libc = ctypes.CDLL(None)
        libc.mallopt(_M_MMAP_THRESHOLD, _LARGE)
        libc.mallopt(_M_TRIM_THRESHOLD, 2 * _LARGE)
