"""A client is answered by a thread, in order, until somebody else takes over; nothing it said is lost or said twice."""

from __future__ import annotations

import fcntl
import json
import os
import select
import struct
import termios
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from magictunnel.front.first import First, Taken, begin
from magictunnel.front.first_words import Words, pack, unpack
from tests.front.test_first_talk import OPENING, line, words

PATIENCE = 5_000
"""Milliseconds that any wait here may take."""


class Host:
    """Both ends of a thread's pipes."""

    def __init__(self, words: Words) -> None:
        reading, self.to_it = os.pipe()
        self.from_it, writing = os.pipe()
        self.first = First(words, (reading, writing), os.pipe())
        self._came = b""
        self._taken: Taken | None = None

    def say(self, *lines: bytes) -> None:
        os.write(self.to_it, b"".join(line + b"\n" for line in lines))

    def answer(self) -> Any:
        """The next answer."""
        while b"\n" not in self._came:
            assert wait(self.from_it, select.POLLIN)
            self._came += os.read(self.from_it, 65_536)
        found, _, self._came = self._came.partition(b"\n")
        return json.loads(found)

    def is_read(self) -> None:
        """Wait until all that was said has been read."""
        while struct.unpack("i", fcntl.ioctl(self.first._reading, termios.FIONREAD, b"\0" * 4))[0]:
            assert wait(self.to_it, select.POLLOUT)

    def taken(self) -> Taken:
        self._taken = self.first.take()
        return self._taken

    def close(self) -> None:
        taken = self._taken or self.first.take()
        for fd in (self.to_it, self.from_it, taken.reading, taken.writing):
            os.close(fd)


def wait(fd: int, event: int) -> bool:
    poll = select.poll()
    poll.register(fd, event)
    return bool(poll.poll(PATIENCE))


def plain(size: int = 0) -> Words:
    """Words of which each answer is JSON; one is `size` bytes long, and more."""
    answers = {name: b',"result":{"is":"%s"}' % name.encode() + b" " * size + b"}" for name in words().places}
    found = unpack(pack(answers, (), ()) or b"")
    assert found is not None
    return found[0]


@pytest.fixture
def host() -> Iterator[Host]:
    one = Host(plain())
    yield one
    one.close()


def test_it_answers_in_order_and_hands_over_what_it_heard(host: Host) -> None:
    asked = [line("initialize", OPENING), line("notifications/initialized", id=...), line("tools/list", id="two")]
    host.say(*asked)

    assert [host.answer()["id"], host.answer()["id"]] == [1, "two"]
    taken = host.taken()
    assert [heard.line for heard in taken.heard] == asked
    assert [bool(heard.answer) for heard in taken.heard] == [True, False, True]
    assert (taken.rest, taken.unsent) == (b"", b"")


def test_what_comes_behind_a_call_waits_for_others_to_the_byte(host: Host) -> None:
    behind = [line("tools/call", {"name": "x"}, id=2), line("tools/list", id=3), b"junk", b"a part"]
    host.say(line("initialize", OPENING), line("ping", id=9))
    os.write(host.to_it, b"\n".join(behind))

    assert [host.answer()["id"], host.answer()["id"]] == [1, 9]
    host.is_read()
    taken = host.taken()
    assert len(taken.heard) == 2
    left = b"" if len(taken.rest) == len(b"\n".join(behind)) else os.read(taken.reading, 65_536)
    assert taken.rest + left == b"\n".join(behind)


def test_a_message_that_comes_in_pieces_is_one(host: Host) -> None:
    whole = line("initialize", OPENING) + b"\n"
    for at in range(0, len(whole), 7):
        os.write(host.to_it, whole[at : at + 7])

    assert host.answer()["id"] == 1


def test_a_client_that_hangs_up_is_still_answered(host: Host) -> None:
    host.say(line("initialize", OPENING), line("tools/list", id=2))
    os.close(host.to_it)
    host.to_it = os.open(os.devnull, os.O_RDONLY)

    assert [host.answer()["id"], host.answer()["id"]] == [1, 2]
    assert len(host.taken().heard) == 2


def test_a_client_that_does_not_read_holds_nobody_up() -> None:
    host = Host(plain(size=100_000))
    try:
        host.say(line("initialize", OPENING), *(line("tools/list", id=number) for number in range(2, 50)))
        assert wait(host.from_it, select.POLLIN)
        taken = host.taken()
        assert taken.unsent
        assert len(taken.heard) < 49
        said = b"".join(heard.line + b"\n" for heard in taken.heard) + taken.rest
        assert said.count(b"\n") in (0, 49)  # what it has not read yet is still in the pipe
    finally:
        host.close()


def test_a_client_that_is_gone_is_no_error(host: Host) -> None:
    os.close(host.from_it)
    host.from_it = os.open(os.devnull, os.O_RDONLY)
    host.say(line("initialize", OPENING))

    host.is_read()
    taken = host.taken()
    assert len(taken.heard) + taken.rest.count(b"\n") == 1


def test_what_is_not_for_it_is_read_up_to_a_bound(host: Host) -> None:
    os.set_blocking(host.to_it, False)
    sent = 0
    while wait_briefly(host.to_it):
        sent += os.write(host.to_it, b"x" * 65_536)
        assert sent < 10 * 1024 * 1024

    assert 8 * 1024 * 1024 <= len(host.taken().rest) < sent + 1


def wait_briefly(fd: int) -> bool:
    poll = select.poll()
    poll.register(fd, select.POLLOUT)
    return bool(poll.poll(200))


def test_where_nothing_is_kept_nothing_is_said(tmp_path: Path) -> None:
    for store in ("off", str(tmp_path / "s.db")):
        assert begin(tmp_path / "c.json", {"MAGICTUNNEL_STORE": store}) is None


def test_where_no_thread_can_be_started_nothing_is_said_and_all_is_handed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(_thread: object) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refused)
    host = Host(plain())
    host.say(b"anything")
    taken = host.taken()

    assert (taken.heard, taken.rest) == ([], b"")
    assert os.read(taken.reading, 100) == b"anything\n"
    host.close()
