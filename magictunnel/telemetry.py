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
TOGETHER = 64
TEXT_TOGETHER = 64_000
"""Lines, and characters, that are kept, written and dropped in one piece."""
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
        ours.put(time.time(), "INFO", message, "")


def flush_log(within: float = _LAST_WORDS) -> None:
    """Have all lines written that were logged so far, if that takes no longer than `within` seconds.

    An ordinary end of the process does it by itself.
    """
    for handler in logging.getLogger().handlers:
        if isinstance(handler, _Handler):
            handler.flush(within)


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
            self.put(record.created, record.levelname, record.getMessage(), trace)
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
        self._fresh: list[str] = []
        self._packs: deque[tuple[int, str]] = deque()
        """How many lines, and all of them in one piece."""
        self._count = self._size = self._fresh_size = 0
        self._dropped = 0
        self._wanted = threading.Event()
        self._hurry = threading.Event()
        self._done = threading.Condition(self._lock)
        self._is_writing = False
        self._thread: threading.Thread | None = None
        self._second = 0
        self._clock = ""

    def put(self, at: float, level: str, message: str, trace: str) -> None:
        """Have a line written soon. `at`: seconds since the epoch; `trace`: of an error, on lines of its own."""
        with self._lock:
            line = self._line(at, level, message, trace)
            is_first = not self._count
            self._fresh.append(line)
            self._count += 1
            self._fresh_size += len(line)
            if len(self._fresh) >= TOGETHER or self._fresh_size >= TEXT_TOGETHER:
                self._pack()
            if is_first and self._thread is None:
                self._thread = threading.Thread(target=self._run, name="log", daemon=True)
                self._thread.start()
        if is_first:
            self._wanted.set()

    def _pack(self) -> None:
        """Make one of the lines of late, by who wrote them: it is another core that would have to let go of each."""
        fresh, self._fresh = self._fresh, []
        self._size += self._fresh_size
        self._fresh_size = 0
        self._packs.append((len(fresh), "".join(fresh)))
        while self._count > MAX_WAITING or self._size > MAX_WAITING_TEXT:
            count, text = self._packs.popleft()
            self._count -= count
            self._size -= len(text)
            self._dropped += count

    def flush(self, within: float) -> None:
        """Wait until nothing is left to be written, for `within` seconds at most."""
        self._hurry.set()
        with self._done:
            self._done.wait_for(lambda: not (self._count or self._dropped or self._is_writing), within)
        self._hurry.clear()

    def _run(self) -> None:
        while True:
            self._wanted.wait()
            self._wanted.clear()
            text = self._taken()
            with suppress(Exception):  # whoever read what we say has gone, and nobody is left to be told so
                self._write(self._mask(text))
            with self._done:
                self._is_writing = False
                self._done.notify_all()
            self._hurry.wait(_PAUSE)

    def _taken(self) -> str:
        """All that waits, in one piece."""
        with self._lock:
            self._pack()
            texts = [text for _, text in self._packs]
            if self._dropped:
                said = f"{self._dropped} line(s) are missing here: they were not read in time"
                texts.insert(0, self._line(time.time(), "WARNING", said, ""))
            self._packs.clear()
            self._count = self._size = self._dropped = 0
            self._is_writing = True
        return "".join(texts)

    def _line(self, at: float, level: str, message: str, trace: str) -> str:
        if not self._second <= at < self._second + 1:
            self._second = int(at)
            self._clock = time.strftime("%H:%M:%S", time.localtime(at))
        if not message.isprintable():
            message = printable(message, keep="")
        return f"{self._clock} {level:<7} {message}\n{trace}\n" if trace else f"{self._clock} {level:<7} {message}\n"


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
