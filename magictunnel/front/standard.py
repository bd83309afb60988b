"""Our stdin and stdout, for the protocol alone: whatever else is printed goes to stderr."""

from __future__ import annotations

import os
import stat
import sys

from magictunnel.errors import ConfigError


def claim_standard_streams() -> tuple[int, int]:
    """Private descriptors for the wire; fd 0 then reads nothing, and what is printed to fd 1 goes to stderr.

    Raises:
        ConfigError: there is none of them.
    """
    try:
        sys.stdout.flush()
        reading, writing = _own(0, os.O_RDONLY), _own(1, os.O_WRONLY)
    except (AttributeError, OSError) as error:
        raise ConfigError(
            "there is no stdin or stdout to serve on", hint="let a host start this, or use --http"
        ) from error
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    return reading, writing


def _own(fd: int, mode: int) -> int:
    """A descriptor of our own for what `fd` is; for a pipe on Linux, one that shares not even its flags with others."""
    if sys.platform == "linux" and stat.S_ISFIFO(os.fstat(fd).st_mode):
        try:
            return os.open(f"/proc/self/fd/{fd}", mode | os.O_NONBLOCK)
        except OSError:
            pass  # it is somebody else's, or there is no /proc
    return os.dup(fd)
