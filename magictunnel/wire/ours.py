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


def can_be_polled(reading: int, writing: int) -> bool:
    """Whether both are pipes or sockets: files and terminals can only be waited for in a thread.

    So is a single socket for both, as inetd hands it over: event loops take what it is sent for its end.
    """
    ends = os.fstat(reading), os.fstat(writing)
    if stat.S_ISSOCK(ends[0].st_mode) and os.path.samestat(*ends):
        return False
    return all(stat.S_ISFIFO(end.st_mode) or stat.S_ISSOCK(end.st_mode) for end in ends)
