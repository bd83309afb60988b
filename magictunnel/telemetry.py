"""How we talk: log lines on stderr, each call's lines under one id, no secret in any of them."""

from __future__ import annotations

import itertools
import logging
import sys
from collections.abc import Callable

LEVELS = ("debug", "info", "warning", "error")
_QUIET = ("mcp", "client", "httpx2", "httpcore2", "uvicorn", "sse_starlette", "asyncio", "watchfiles")
"""Loggers of libraries: what they have to say about a backend is said by us, once, with its name."""

_call_numbers = itertools.count(1)


def call_id() -> str:
    """A short id, unique in this process, that all lines of one call carry and its error shows."""
    return f"c{next(_call_numbers):x}"


def printable(text: str, keep: str = "\n\t") -> str:
    """`text` without control characters, except those to `keep`: what others wrote must not drive a terminal."""
    return "".join(char if char.isprintable() or char in keep else " " for char in text)


class _MaskedFormatter(logging.Formatter):
    def __init__(self, mask: Callable[[str], str]) -> None:
        super().__init__("%(asctime)s %(levelname)-7s %(message)s", datefmt="%H:%M:%S")
        self._mask = mask

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 the standard library's name
        return printable(super().formatMessage(record), keep="")

    def format(self, record: logging.LogRecord) -> str:
        return self._mask(super().format(record))


def start_logging(level: str, mask: Callable[[str], str]) -> None:
    """Log to stderr from `level` (one of LEVELS) up; libraries only from error up, unless debugging."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_MaskedFormatter(mask))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    logging.getLogger("aiosqlite").setLevel(logging.CRITICAL)  # it tells every row, whole
    if level != "debug":
        for name in _QUIET:
            logging.getLogger(name).setLevel(logging.CRITICAL)
