"""Log lines go to stderr, one line each, masked; libraries keep quiet."""

from __future__ import annotations

import io
import logging
import os
import re
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from typing import TextIO

import pytest

from magictunnel import telemetry
from magictunnel.telemetry import LEVELS, call_id, flush_log, printable, start_logging, tell

LOGGER = logging.getLogger("magictunnel.x")
_PLENTY = 30.0
"""Seconds in which anything is written that is ever going to be."""


@pytest.fixture(autouse=True)
def _logging_as_it_was(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for switch in ("_srcfile", "logThreads", "logProcesses", "logMultiprocessing"):
        monkeypatch.setattr(logging, switch, getattr(logging, switch))
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


def told(capfd: pytest.CaptureFixture[str]) -> str:
    """What was written to stderr, and only there."""
    flush_log(_PLENTY)
    out, err = capfd.readouterr()
    assert out == ""
    return err


def test_every_call_has_an_id_of_its_own() -> None:
    assert len({call_id() for _ in range(100)}) == 100


def test_a_line_goes_to_stderr_alone_and_is_masked(capfd: pytest.CaptureFixture[str]) -> None:
    start_logging("info", mask)

    LOGGER.info("%s: %s", "key", "hunter2")

    assert re.fullmatch(r"\d\d:\d\d:\d\d INFO    key: \*\*\*\n", told(capfd))


def test_a_traceback_is_masked_too(capfd: pytest.CaptureFixture[str]) -> None:
    start_logging("info", mask)

    try:
        raise ValueError("hunter2")
    except ValueError:
        LOGGER.exception("a defect")

    err = told(capfd)
    assert "ValueError: ***" in err
    assert "hunter2" not in err


def test_what_others_wrote_can_neither_start_a_line_nor_drive_the_terminal(capfd: pytest.CaptureFixture[str]) -> None:
    start_logging("info", mask)

    LOGGER.info("said: %s", "a\n12:00:00 ERROR forged\x1b[2J\r")

    err = told(capfd)
    assert err.count("\n") == 1
    assert "\x1b" not in err


@pytest.mark.parametrize("level", LEVELS)
def test_lines_below_the_level_are_left_out(level: str, capfd: pytest.CaptureFixture[str]) -> None:
    start_logging(level, mask)

    for name in LEVELS:
        LOGGER.log(logging.getLevelName(name.upper()), name)

    lines = [line.split()[-1] for line in told(capfd).splitlines()]
    assert lines == list(LEVELS[LEVELS.index(level) :])


def test_libraries_are_quiet_unless_debugging(capfd: pytest.CaptureFixture[str]) -> None:
    logging.getLogger("mcp").setLevel(logging.NOTSET)
    start_logging("debug", mask)
    logging.getLogger("mcp.client").warning("heard")
    flush_log(_PLENTY)
    start_logging("info", mask)
    logging.getLogger("mcp.client").error("not heard")

    err = told(capfd)
    assert "heard" in err
    assert "not heard" not in err


@pytest.mark.parametrize(
    ("text", "keep", "shown"),
    [("a\x1b[31mb\x07", "\n\t", "a [31mb "), ("a\n\tb", "\n\t", "a\n\tb"), ("a\n\tb", "", "a  b"), ("ü→", "", "ü→")],
)
def test_printable_text_has_no_control_characters(text: str, keep: str, shown: str) -> None:
    assert printable(text, keep) == shown


def test_what_a_record_says_is_what_it_said_when_it_was_made(capfd: pytest.CaptureFixture[str]) -> None:
    start_logging("info", mask)
    changing = ["before"]

    LOGGER.info("%s", changing)
    changing[0] = "after"

    assert "['before']" in told(capfd)


def test_lines_are_written_in_their_order_whoever_logs_them(capfd: pytest.CaptureFixture[str]) -> None:
    start_logging("info", mask)

    def log_some(name: str) -> None:
        for number in range(500):
            LOGGER.info("%s %d", name, number)

    threads = [threading.Thread(target=log_some, args=(name,)) for name in "ab"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(_PLENTY)

    lines = [line.split()[2:] for line in told(capfd).splitlines()]
    for name in "ab":
        assert [number for who, number in lines if who == name] == [str(number) for number in range(500)]


def test_a_line_that_every_call_has_is_an_ordinary_one(
    capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    start_logging("info", mask)
    tell(LOGGER, "100% hunter2\x1b")
    logging.getLogger().addHandler(caplog.handler)
    tell(LOGGER, "heard 100%")
    logging.getLogger().removeHandler(caplog.handler)
    logging.getLogger().setLevel("ERROR")
    tell(LOGGER, "not heard")

    first, second = told(capfd).splitlines()
    assert first.endswith(" INFO    100% *** ")
    assert second.endswith(" INFO    heard 100%")
    assert caplog.messages == ["heard 100%"]


def test_what_cannot_be_said_keeps_nothing_else_from_being_said(capfd: pytest.CaptureFixture[str]) -> None:
    start_logging("info", mask)

    LOGGER.info("half a character: %s", "\ud83d")
    LOGGER.info("said")

    assert [line.split(maxsplit=2)[2] for line in told(capfd).splitlines()] == ["half a character:  ", "said"]


def test_a_stream_that_is_no_file_is_written_to_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    start_logging("info", mask)

    LOGGER.info("hunter2")
    flush_log(_PLENTY)

    assert stream.getvalue().endswith(" INFO    ***\n")


# --- hosts that do not read


@pytest.fixture
def pipe() -> Iterator[tuple[int, TextIO]]:
    """The end of a pipe that nobody reads yet, and the stream that writes into it."""
    reading, writing = os.pipe()
    stream = os.fdopen(writing, "w")
    yield reading, stream
    stream.close()
    os.close(reading)


@pytest.fixture
def read_all() -> Iterator[Callable[[int, str], str]]:
    """Reads from a file descriptor until a text has come."""

    def read(fd: int, end: str) -> str:
        seen = b""
        while end.encode() not in seen:
            seen += os.read(fd, 65_536)
        return seen.decode()

    return read


@pytest.mark.parametrize("blocks", [True, False])
def test_whoever_does_not_read_holds_up_nobody_and_misses_the_oldest_lines(
    blocks: bool,
    pipe: tuple[int, TextIO],
    read_all: Callable[[int, str], str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    reading, stream = pipe
    os.set_blocking(stream.fileno(), blocks)
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setattr(telemetry, "MAX_WAITING", 100)
    monkeypatch.setattr(telemetry, "TOGETHER", 10)
    start_logging("info", mask)

    LOGGER.info("first %s", "x" * 1_000_000)
    assert os.read(reading, 1)  # it is being written, and that does not end
    for number in range(1_000):
        LOGGER.info("line %d", number)
    LOGGER.info("the end")

    lines = read_all(reading, "the end\n").splitlines()
    assert lines[0].endswith("x")
    missing = re.search(r" WARNING (\d+) line\(s\) are missing here", lines[1])
    assert missing
    first = int(missing[1])
    assert 900 <= first <= 911
    told = [line.split(maxsplit=2)[2] for line in lines[2:]]
    assert told == [*(f"line {at}" for at in range(first, 1_000)), "the end"]


def test_long_lines_that_nobody_reads_take_no_more_room_than_others(
    pipe: tuple[int, TextIO], read_all: Callable[[int, str], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    reading, stream = pipe
    monkeypatch.setattr(sys, "stderr", stream)
    start_logging("info", mask)

    LOGGER.info("x" * 1_000_000)
    assert os.read(reading, 1)
    monkeypatch.setattr(telemetry, "MAX_WAITING_TEXT", 10_000)
    monkeypatch.setattr(telemetry, "TEXT_TOGETHER", 2_000)
    for number in range(50):
        LOGGER.info("%s %d", "z" * 1_000, number)
    LOGGER.info("the end")

    told = read_all(reading, "the end\n")
    assert 7 <= told.count("z" * 1_000) <= 10
    assert " line(s) are missing here" in told


def test_a_host_that_has_gone_is_not_missed() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w", closefd=True) as stream:
        handler = telemetry._Handler(mask, stream)
        logger = logging.Logger("alone")
        logger.addHandler(handler)
        for number in range(3):
            logger.error("%d", number)
        handler.flush(_PLENTY)


_SCRIPT = """
import logging, sys
from magictunnel.telemetry import start_logging
start_logging("info", lambda text: text.replace("hunter2", "***"))
for number in range({lines}):
    logging.getLogger("magictunnel.x").info("line %d hunter2", number)
{last}
"""


def _ended(script: str, stderr: int) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-c", script]
    return subprocess.run(command, stderr=stderr, stdout=subprocess.DEVNULL, timeout=_PLENTY, check=False)


@pytest.mark.parametrize("last", ["", "raise SystemExit(0)", "1 / 0"])
def test_what_is_left_is_written_when_the_process_ends(last: str) -> None:
    reading, writing = os.pipe()
    with os.fdopen(reading, "rb") as seen:
        with os.fdopen(writing, "wb"):
            _ended(_SCRIPT.format(lines=500, last=last), writing)
        lines = [line for line in seen.read().decode().splitlines() if " INFO " in line]

    assert [line.split(maxsplit=2)[2] for line in lines] == [f"line {number} ***" for number in range(500)]


def test_a_host_that_reads_nothing_does_not_keep_the_process_from_ending() -> None:
    reading, writing = os.pipe()
    with os.fdopen(reading, "rb"), os.fdopen(writing, "wb"):
        ended = _ended(_SCRIPT.format(lines=50_000, last=""), writing)

    assert ended.returncode == 0
