"""The command line run in the test's own process: it sets up logging for a process of its own, which is undone."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

_LIBRARIES = ("mcp", "client", "httpx2", "httpcore2", "uvicorn", "sse_starlette", "asyncio")


@pytest.fixture(autouse=True)
def _logging_as_it_was() -> Iterator[None]:
    loggers = [logging.getLogger(), *map(logging.getLogger, _LIBRARIES)]
    before = [(logger, logger.level, logger.handlers[:]) for logger in loggers]
    yield
    for logger, level, handlers in before:
        logger.setLevel(level)
        logger.handlers[:] = handlers


@pytest.fixture(autouse=True)
def _nobodys_config(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No config but the one a test names, and no terminal tricks."""
    for name in (
        "MAGICTUNNEL_CONFIG",
        "MAGICTUNNEL_HTTP",
        "MAGICTUNNEL_LOG_LEVEL",
        "MAGICTUNNEL_LOOP",
        "FORCE_COLOR",
        "XDG_CONFIG_HOME",
    ):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
