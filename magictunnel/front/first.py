"""The first words of a host that started us: heard and answered by a thread, while everything else is imported."""

from __future__ import annotations

import json
import os
import select
import sys
import threading
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from magictunnel.config.find import find_config
from magictunnel.errors import ConfigError
from magictunnel.front.first_talk import MAX_LINE, Heard, Talk
from magictunnel.front.first_words import Words, read_words
from magictunnel.front.standard import claim_standard_streams
from magictunnel.store.place import words_path
from magictunnel.wire.ours import can_be_polled, is_ours

_CHUNK = 1 << 16
_MAX_HELD = 8 * 1024 * 1024
"""Bytes that are read of what others are to answer."""


class Taken(NamedTuple):
    """How far things have come. The descriptors are the taker's."""

    reading: int
    writing: int
    heard: list[Heard]
    """Emptied by whoever goes by it: it may be large."""
    rest: bytes
    """What came behind that; its last line may be a part of one."""
    unsent: bytes
    """What of the answers the client has not read yet."""


class First:
    """One client on two descriptors that are ours alone, answered from `words` until somebody else takes over."""

    def __init__(self, words: Words, streams: tuple[int, int], wake: tuple[int, int]) -> None:
        """`wake`: a pipe, for us alone."""
        self._talk = Talk(words)
        self._reading, self._writing = streams
        self._heard: list[Heard] = []
        self._rest = bytearray()
        self._unsent = b""
        self._is_over = False
        """Whether something came that is for others; then all that follows is."""
        self._is_deaf = False
        """Whether nothing more will come."""
        self._woken, self._wake = wake
        for fd in streams:
            os.set_blocking(fd, False)
        self._thread = threading.Thread(target=self._run, name="first words", daemon=True)
        with suppress(RuntimeError):  # there may be no more threads: then nothing is said
            self._thread.start()

    def take(self) -> Taken:
        """End this, and say how far it has come. At once: nothing that a client does or leaves undone holds it up."""
        os.close(self._wake)
        if self._thread.ident is not None:
            self._thread.join()
        os.close(self._woken)
        taken = Taken(self._reading, self._writing, self._heard, bytes(self._rest), self._unsent)
        del self._talk, self._heard, self._rest, self._unsent  # who started this has it for as long as we live
        return taken

    def _run(self) -> None:
        try:
            while self._go_on():
                pass
        except Exception:  # noqa: BLE001 whatever it is: what came is there, and others see to it
            return

    def _go_on(self) -> bool:
        """Wait for one of those we hear, and do what it wants; False: we are to end."""
        poll = select.poll()
        poll.register(self._woken, select.POLLIN)
        if self._unsent:
            poll.register(self._writing, select.POLLOUT)
        elif not self._is_deaf and len(self._rest) < _MAX_HELD:
            poll.register(self._reading, select.POLLIN)
        ready = [fd for fd, _ in poll.poll()]
        if self._woken in ready:
            return False
        if self._writing in ready and self._unsent:
            self._send(b"")
        else:
            self._hear()
        self._answer()
        return True

    def _hear(self) -> None:
        try:
            chunk = os.read(self._reading, _CHUNK)
        except BlockingIOError:
            return
        self._is_deaf = not chunk
        self._rest += chunk

    def _answer(self) -> None:
        """Answer what has come, as long as it is read."""
        while not self._is_over and not self._unsent:
            end = self._rest.find(b"\n", 0, MAX_LINE)
            if end < 0:
                self._is_over = len(self._rest) >= MAX_LINE
                return
            line = bytes(self._rest[:end]).strip()
            heard = self._talk.take(line) if line else None
            self._is_over = bool(line) and heard is None
            if self._is_over:
                return
            del self._rest[: end + 1]
            if heard is not None:
                self._heard.append(heard)
                if heard.answer:
                    number = json.dumps(heard.message["id"]).encode()
                    self._send(b'{"jsonrpc":"2.0","id":' + number + heard.answer + b"\n")

    def _send(self, line: bytes) -> None:
        self._unsent += line
        try:
            self._unsent = self._unsent[os.write(self._writing, self._unsent) :]
        except BlockingIOError:
            return


def begin(config: Path | None, environ: Mapping[str, str]) -> First | None:
    """Answer the host that started us with this config, from what the last run with it has kept. None: nothing is said.

    Whatever is in doubt is left to those who come later, and never an error.
    """
    if sys.platform == "win32" or not is_ours():
        return None
    try:
        path = words_path(str(find_config(config, environ, Path.cwd())), environ)
        words = read_words(path) if path else None
        if words is None or not can_be_polled(0, 1):
            return None
        wake = os.pipe()  # before we have the streams: nobody else could take them any more
        return First(words, claim_standard_streams(), wake)
    except (OSError, ConfigError):
        return None
