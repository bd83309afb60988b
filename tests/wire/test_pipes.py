"""What is written to a pipe leaves in order and whole: at once where it comes alone, together where much comes."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import anyio
import anyio.lowlevel
import pytest

from magictunnel.wire.lines import LineTooLong
from magictunnel.wire.pipes import LineReader, PipeWriter, read_lines, write_to

pytestmark = pytest.mark.anyio


class Counted(PipeWriter):
    """Notes how much went out each time."""

    def __init__(self) -> None:
        super().__init__(clock=lambda: self.now)
        self.now = 0.0
        self.puts: list[int] = []

    def _put(self, pieces: Sequence[bytes], size: int) -> None:
        self.puts.append(size)
        super()._put(pieces, size)


@pytest.fixture
def ends() -> tuple[int, int]:
    """Both ends of a pipe; whoever gets one closes it."""
    return os.pipe()


@asynccontextmanager
async def written(ends: tuple[int, int]) -> AsyncIterator[tuple[Counted, list[bytes], anyio.Event]]:
    """A writer, the lines that arrive at the other end, and word of its end."""
    lines: list[bytes] = []
    over = anyio.Event()

    def ended(_broke: LineTooLong | None) -> None:
        over.set()

    writer, reader = Counted(), LineReader(lines.append, ended)
    with anyio.fail_after(10):
        await write_to(ends[1], writer)
        await read_lines(ends[0], reader)
        yield writer, lines, over
        await writer.flushed()
        writer.finish()
        await over.wait()
        reader.close()
        await anyio.lowlevel.checkpoint()


async def test_what_comes_alone_goes_at_once(ends: tuple[int, int]) -> None:
    async with written(ends) as (writer, lines, _over):
        for number in range(3):
            writer.write(b"%d" % number, b"\n")
            assert writer.puts == [2] * (number + 1)
            writer.now += 0.001
    assert lines == [b"0", b"1", b"2"]


async def test_what_comes_together_goes_together_and_in_order(ends: tuple[int, int]) -> None:
    async with written(ends) as (writer, lines, _over):
        for _ in range(3):
            for number in range(100):
                writer.write(b"%03d" % number, b"\n")
                writer.now += 0.00003
            assert not writer.is_empty
            await anyio.wait_all_tasks_blocked()
            assert writer.is_empty
        assert writer.puts == [4, 396, 400, 400]
        writer.write(b"soon after", b"\n")
        writer.now += 0.001
        writer.write(b"later, but after what waits", b"\n")
        assert len(writer.puts) == 4
        await anyio.wait_all_tasks_blocked()
        assert len(writer.puts) == 5
        writer.now += 0.001
        writer.write(b"alone", b"\n")
        assert writer.puts[-1] == 6
    several = [b"%03d" % number for number in range(100)] * 3
    assert lines == [*several, b"soon after", b"later, but after what waits", b"alone"]


async def test_what_is_large_does_not_wait_for_more(ends: tuple[int, int]) -> None:
    large = b"x" * 40_000
    async with written(ends) as (writer, lines, over):
        for _ in range(4):
            writer.write(large, b"\n")
        assert writer.puts == [40_001] * 4
        await writer.flushed()
        writer.finish()
        await over.wait()
    assert lines == [large] * 4


async def test_of_much_that_is_small_whoever_reads_it_has_some_while_more_is_made(ends: tuple[int, int]) -> None:
    small = b"x" * 299
    async with written(ends) as (writer, lines, over):
        for _ in range(20):
            writer.write(small, b"\n")
        assert writer.puts == [300, 2_100, 2_100]
        await writer.flushed()
        writer.finish()
        await over.wait()
    assert lines == [small] * 20


@pytest.mark.parametrize("number", [1, 2, 50])
async def test_what_was_written_before_the_end_arrives(number: int, ends: tuple[int, int]) -> None:
    async with written(ends) as (writer, lines, over):
        for _ in range(number):
            writer.write(b"a", b"\n")
        writer.finish()
        writer.write(b"too late", b"\n")
        await over.wait()
    assert lines[:number] == [b"a"] * number


async def test_whatever_was_written_has_left_when_it_is_flushed(ends: tuple[int, int]) -> None:
    reading, writing = ends
    writer = PipeWriter()
    with anyio.fail_after(10):
        await write_to(writing, writer)
        for _ in range(50):
            writer.write(b"a", b"\n")
        await writer.flushed()
        assert os.read(reading, 1_000) == b"a\n" * 50
        writer.finish()
        await anyio.wait_all_tasks_blocked()
    os.close(reading)


async def test_a_reader_that_has_gone_is_told_once_and_nothing_more_is_written(ends: tuple[int, int]) -> None:
    lost: list[None] = []
    gone = anyio.Event()

    def on_lost() -> None:
        lost.append(None)
        gone.set()

    writer = PipeWriter(on_lost)
    with anyio.fail_after(10):
        await write_to(ends[1], writer)
        os.close(ends[0])
        for _ in range(3):
            writer.write(b"a", b"\n")
        await gone.wait()
        writer.write(b"a", b"\n")
        writer.finish()
        await anyio.wait_all_tasks_blocked()
    assert len(lost) == 1
