"""Log lines go to stderr, one line each, masked; libraries keep quiet."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest

from magictunnel.telemetry import LEVELS, call_id, printable, start_logging


@pytest.fixture(autouse=True)
def _logging_as_it_was() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    quiet = {name: logging.getLogger(name).level for name in ("mcp", "client", "httpx2", "uvicorn", "asyncio")}
    quiet |= {name: logging.getLogger(name).level for name in ("httpcore2", "sse_starlette")}
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    for name, before in quiet.items():
        logging.getLogger(name).setLevel(before)


def mask(text: str) -> str:
    return text.replace("hunter2", "***")


def test_every_call_has_an_id_of_its_own() -> None:
    assert len({call_id() for _ in range(100)}) == 100


def test_a_line_goes_to_stderr_alone_and_is_masked(capfd: pytest.CaptureFixture[str]) -> None:
    start_logging("info", mask)

    logging.getLogger("magictunnel.x").info("%s: %s", "key", "hunter2")

    out, err = capfd.readouterr()
    assert out == ""
    assert err.endswith("INFO    key: ***\n")


def test_a_traceback_is_masked_too(capfd: pytest.CaptureFixture[str]) -> None:
    start_logging("info", mask)

    try:
        raise ValueError("hunter2")
    except ValueError:
        logging.getLogger("magictunnel.x").exception("a defect")

    err = capfd.readouterr().err
    assert "ValueError: ***" in err
    assert "hunter2" not in err


def test_what_others_wrote_can_neither_start_a_line_nor_drive_the_terminal(capfd: pytest.CaptureFixture[str]) -> None:
    start_logging("info", mask)

    logging.getLogger("magictunnel.x").info("said: %s", "a\n12:00:00 ERROR forged\x1b[2J\r")

    err = capfd.readouterr().err
    assert err.count("\n") == 1
    assert "\x1b" not in err


@pytest.mark.parametrize("level", LEVELS)
def test_lines_below_the_level_are_left_out(level: str, capfd: pytest.CaptureFixture[str]) -> None:
    start_logging(level, mask)

    for name in LEVELS:
        logging.getLogger("magictunnel.x").log(logging.getLevelName(name.upper()), name)

    told = [line.split()[-1] for line in capfd.readouterr().err.splitlines()]
    assert told == list(LEVELS[LEVELS.index(level) :])


def test_libraries_are_quiet_unless_debugging(capfd: pytest.CaptureFixture[str]) -> None:
    logging.getLogger("mcp").setLevel(logging.NOTSET)
    start_logging("debug", mask)
    logging.getLogger("mcp.client").warning("heard")
    start_logging("info", mask)
    logging.getLogger("mcp.client").error("not heard")

    err = capfd.readouterr().err
    assert "heard" in err
    assert "not heard" not in err


@pytest.mark.parametrize(
    ("text", "keep", "shown"),
    [("a\x1b[31mb\x07", "\n\t", "a [31mb "), ("a\n\tb", "\n\t", "a\n\tb"), ("a\n\tb", "", "a  b"), ("ü→", "", "ü→")],
)
def test_printable_text_has_no_control_characters(text: str, keep: str, shown: str) -> None:
    assert printable(text, keep) == shown
