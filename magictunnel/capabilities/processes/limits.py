"""A bound on the memory of a program; run as a script, it takes the bound upon itself and becomes that program.

The standard library only, and little of it. Where the bound is set by whoever starts the program, it comes too late.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence

IS_LINUX = sys.platform == "linux"


def limited(argv: Sequence[str], max_memory: int) -> list[str]:
    """`argv` started with at most `max_memory` bytes of memory, as is each process that it starts (Linux)."""
    return [sys.executable, "-I", "-S", __file__, str(max_memory), *argv]


def main() -> None:
    """Become the program of the command line, which is `BYTES PROGRAM ARGUMENT...`."""
    import resource

    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    wanted = int(sys.argv[1])
    most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    for number in (signal.SIGPIPE, signal.SIGXFSZ):  # Python ignores them, and what is ignored is inherited
        signal.signal(number, signal.SIG_DFL)
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
    try:
        os.execvp(sys.argv[2], sys.argv[2:])  # noqa: S606  no shell is what is wanted
    except OSError as error:
        sys.exit(f"{sys.argv[2]} cannot be started: {error.strerror}")


if __name__ == "__main__":
    main()
