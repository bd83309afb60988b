"""How we talk: log lines on stderr, each call's lines under one id, no secret in any of them."""

from __future__ import annotations

import itertools
import logging
import os
import select
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import TextIO

LEVELS = ("debug", "info", "warning", "error")
MAX_WAITING = 10_000
"""Lines that wait for a host which does not read what we say; the oldest are dropped first."""
MAX_WAITING_TEXT = 4_000_000
"""Characters of them together."""
_PAUSE = 0.05
"""Seconds between two writes while there is much to say: many lines at once cost little more than one."""
_LAST_WORDS = 1.0
"""Seconds that a host has to read what is left when we end."""
_QUIET = ("mcp", "client", "httpx2", "httpcore2", "uvicorn", "sse_starlette", "asyncio", "watchfiles")
"""Loggers of libraries: what they have to say about a backend is said by us, once, with its name."""
_UNUSED = ("logThreads", "logProcesses", "logMultiprocessing", "logAsyncioTasks")
"""What the standard library would find out for every line, and no line of ours shows."""

_FORMATTER = logging.Formatter()
_call_numbers = itertools.count(1)


def call_id() -> str:
    """A short id, unique in this process, that all lines of one call carry and its error shows."""
    return f"c{next(_call_numbers):x}"


def printable(text: str, keep: str = "\n\t") -> str:
    """`text` without control characters, except those to `keep`: what others wrote must not drive a terminal."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() or char in keep else " " for char in text)


def start_logging(level: str, mask: Callable[[str], str]) -> None:
    """Log to stderr from `level` (one of LEVELS) up; libraries only from error up, unless debugging.

    Lines are written beside all else, so that nobody waits for whoever reads them; see `flush_log`.
    """
    for switch in _UNUSED:
        setattr(logging, switch, False)
    logging._srcfile = None  # as its documentation says: the caller is not looked for
    root = logging.getLogger()
    root.handlers[:] = [_Handler(mask, sys.stderr)]
    root.setLevel(level.upper())
    logging.getLogger("aiosqlite").setLevel(logging.CRITICAL)  # it tells every row, whole
    if level != "debug":
        for name in _QUIET:
            logging.getLogger(name).setLevel(logging.CRITICAL)


def tell(logger: logging.Logger, message: str) -> None:
    """What `logger.info` does, for lines that every call has: where only we listen, no record is made of it."""
    handlers = logging.root.handlers
    if len(handlers) != 1 or not isinstance(ours := handlers[0], _Handler):
        logger.info("%s", message)
    elif logger.isEnabledFor(logging.INFO):
        ours.put((time.time(), "INFO", message, ""))


def flush_log(within: float = _LAST_WORDS) -> None:
    """Have all lines written that were logged so far, if that takes no longer than `within` seconds.

    An ordinary end of the process does it by itself.
    """
    for handler in logging.getLogger().handlers:
        if isinstance(handler, _Handler):
            handler.flush(within)


_Line = tuple[float, str, str, str]
"""When, which level, what, and the trace of an error on lines of its own: as much of a record as is shown."""


class _Handler(logging.Handler):
    """Takes what a record says at the moment it is made; the rest is its thread's."""

    def __init__(self, mask: Callable[[str], str], stream: TextIO) -> None:
        super().__init__()
        self._writer = _Writer(mask, stream)
        self.put = self._writer.put

    def createLock(self) -> None:  # noqa: N802 the standard library's name
        """None: the writer has its own, which nobody holds while waiting for anything."""
        self.lock = None

    def emit(self, record: logging.LogRecord) -> None:
        """See `logging.Handler.emit`."""
        try:
            trace = _trace(record) if record.exc_info or record.stack_info else ""
            self.put((record.created, record.levelname, record.getMessage(), trace))
        except Exception:  # noqa: BLE001 as the standard library's handlers do
            self.handleError(record)

    def flush(self, within: float = _LAST_WORDS) -> None:
        """See `flush_log`. The standard library calls it when the process ends."""
        self._writer.flush(within)


def _trace(record: logging.LogRecord) -> str:
    raised = [_FORMATTER.formatException(record.exc_info)] if record.exc_info else []
    return "\n".join(raised + ([record.stack_info] if record.stack_info else []))


class _Writer:
    """Writes lines in their order, in a thread that may be held up without holding up anybody else."""

    def __init__(self, mask: Callable[[str], str], stream: TextIO) -> None:
        self._mask = mask
        self._write = _sink(stream)
        self._lock = threading.RLock()  # what is being collected as garbage may have something to say
        self._waiting: deque[_Line] = deque()
        self._size = 0
        self._dropped = 0
        self._wanted = threading.Event()
        self._hurry = threading.Event()
        self._done = threading.Condition(self._lock)
        self._is_writing = False
        self._thread: threading.Thread | None = None
        self._second = 0
        self._clock = ""

    def put(self, line: _Line) -> None:
        """Have `line` written soon."""
        with self._lock:
            is_first = not self._waiting
            self._waiting.append(line)
            self._size += _size(line)
            while len(self._waiting) > MAX_WAITING or self._size > MAX_WAITING_TEXT:
                self._size -= _size(self._waiting.popleft())
                self._dropped += 1
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="log", daemon=True)
                self._thread.start()
        if is_first:
            self._wanted.set()

    def flush(self, within: float) -> None:
        """Wait until nothing is left to be written, for `within` seconds at most."""
        self._hurry.set()
        with self._done:
            self._done.wait_for(lambda: not (self._waiting or self._is_writing), within)
        self._hurry.clear()

    def _run(self) -> None:
        while True:
            self._wanted.wait()
            self._wanted.clear()
            lines, dropped = self._taken()
            with suppress(Exception):  # whoever read what we say has gone, and nobody is left to be told so
                self._write(self._text(lines, dropped))
            with self._done:
                self._is_writing = False
                self._done.notify_all()
            self._hurry.wait(_PAUSE)

    def _taken(self) -> tuple[deque[_Line], int]:
        with self._lock:
            taken = self._waiting, self._dropped
            self._waiting, self._size, self._dropped = deque(), 0, 0
            self._is_writing = True
        return taken

    def _text(self, lines: deque[_Line], dropped: int) -> str:
        """All of them in one piece, without anything in it that must not be seen."""
        shown = [self._shown(line) for line in lines]
        if dropped:
            said = f"{dropped} line(s) are missing here: they were not read in time"
            shown.insert(0, self._shown((lines[0][0] if lines else time.time(), "WARNING", said, "")))
        return self._mask("".join(shown))

    def _shown(self, line: _Line) -> str:
        at, level, message, trace = line
        if int(at) != self._second:
            self._second = int(at)
            self._clock = time.strftime("%H:%M:%S", time.localtime(at))
        head = printable(f"{self._clock} {level:<7} {message}", keep="")
        return f"{head}\n{trace}\n" if trace else f"{head}\n"


def _size(line: _Line) -> int:
    return len(line[2]) + len(line[3])


def _sink(stream: TextIO) -> Callable[[str], None]:
    """How `stream` is written to: past its own buffer, whose lock would be held for as long as nobody reads."""
    try:
        fd = stream.fileno()
    except (OSError, ValueError):  # it is no file
        return stream.write  # type: ignore[return-value]  # how much was written is nobody's business
    return lambda text: _written(fd, text.encode(errors="backslashreplace"))


def _written(fd: int, data: bytes) -> None:
    left = memoryview(data)
    while left:
        try:
            left = left[os.write(fd, left) :]
        except BlockingIOError:  # whoever shares the pipe with us has set it so
            select.select([], [fd], [])
