"""Which connections run over our own transports. Needs nothing, so that it can be asked before anything is imported."""

from __future__ import annotations

import os
import stat
import sys

SWITCH = "MAGICTUNNEL_WIRE"
"""Environment variable; `sdk`: connections run over the SDK's own transports, to tell whether ours is at fault."""


def is_ours() -> bool:
    """Whether connections run over our own transports. On Windows an event loop cannot wait for our kind of pipe."""
    return sys.platform != "win32" and os.environ.get(SWITCH, "").lower() != "sdk"


def can_be_polled(fd: int) -> bool:
    """Whether this is a pipe or a socket: files and terminals can only be waited for in a thread."""
    mode = os.fstat(fd).st_mode
    return stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)
