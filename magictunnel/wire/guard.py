"""Guard: knows the processes that a gateway started, and keeps a watchdog that ends them should we be killed."""

from __future__ import annotations

import itertools
import logging
import os
import subprocess
import sys
from secrets import token_hex

from magictunnel.wire import watchdog

logger = logging.getLogger(__name__)


class Guard:
    """One per gateway: `with guard`. The watchdog comes with the first server, and goes with the block."""

    def __init__(self, *, watched: bool = True) -> None:
        self._watched = watched and sys.platform != "win32"
        self._token = token_hex(8)
        self._numbers = itertools.count(1)
        self._groups: dict[int, str] = {}
        self._watchdog: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Guard:
        return self

    def __exit__(self, *_error: object) -> None:
        """Let the watchdog go: it has nothing to do, unless a server's end went wrong."""
        last, self._watchdog = self._watchdog, None
        if last is not None and self._groups:
            _hang_up(last)
        elif last is not None:
            _put_down(last)

    def mark(self) -> str:
        """The mark of one more server, no other's and the start of no other's. From here on there is a watchdog."""
        if self._watched and (self._watchdog is None or self._watchdog.poll() is not None):
            self._start()
        return f"{self._token}/{next(self._numbers)}/"

    def watch(self, leader: int, since: str) -> None:
        """A server runs, in a group that `leader` leads, which was born at `since`."""
        self._groups[leader] = since
        self._tell(f"+{leader} {since}\n")

    def forget(self, leader: int) -> None:
        """That group has ended; its number may be somebody else's from now on."""
        self._groups.pop(leader, None)
        self._tell(f"-{leader}\n")

    def _tell(self, line: str) -> None:
        if self._watchdog is not None and not _heard(self._watchdog, line):
            logger.warning("our watchdog no longer hears us: another is started")
            self._start()

    def _start(self) -> None:
        if self._watchdog is not None:
            _put_down(self._watchdog)
        self._watchdog = _watchdog(f"{self._token}/")
        if self._watchdog is not None:
            for leader, since in self._groups.items():
                _heard(self._watchdog, f"+{leader} {since}\n")


UNWATCHED = Guard(watched=False)
"""For servers that nobody ends if we are killed; at an end in order they are ended as any others are."""


def _watchdog(mark: str) -> subprocess.Popen[bytes] | None:
    """A watchdog over all with `mark`; in a session of its own, so that no Ctrl-C and no hangup is meant for it."""
    # Behind another MagicTunnel we carry its mark. The watchdog must not: it ends what is left after we were killed.
    env = {key: value for key, value in os.environ.items() if key != watchdog.MARK}
    try:
        started = subprocess.Popen(
            [sys.executable, "-I", "-S", "-E", watchdog.__file__, mark],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd="/",
            env=env,
            start_new_session=True,
        )
    except OSError as error:
        logger.warning("no watchdog could be started (%s): should we be killed, servers may live on", error)
        return None
    assert started.stdin is not None
    os.set_blocking(started.stdin.fileno(), False)
    return started


def _heard(listener: subprocess.Popen[bytes], line: str) -> bool:
    """Write a line to the watchdog; False if it has ended, or has not read for so long that its pipe is full."""
    assert listener.stdin is not None
    try:
        os.write(listener.stdin.fileno(), line.encode())
    except OSError:
        return False
    return True


def _hang_up(listener: subprocess.Popen[bytes]) -> None:
    """Have it end all it knows of, as if we had been killed; that takes it two seconds at most."""
    assert listener.stdin is not None
    listener.stdin.close()
    listener.wait()


def _put_down(listener: subprocess.Popen[bytes]) -> None:
    """Kill it before its pipe closes: it would take that for our end, and end our servers."""
    listener.kill()
    _hang_up(listener)
