"""What a client has said to a thread of ours, said again to the front; what was answered is not answered twice."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from secrets import token_hex

from magictunnel.catalog.model import Kind
from magictunnel.front.decode import LISTS
from magictunnel.front.first import Taken
from magictunnel.front.first_talk import Heard
from magictunnel.wire.codec import Text, dumps
from magictunnel.wire.pipes import LineReader, PipeWriter

_START = b'{"jsonrpc":"2.0","id":"'
_REFUSED = b',"error":'

logger = logging.getLogger(__name__)


class FirstWriter(PipeWriter):
    """Keeps back the answers that the client has had already, and compares them with these."""

    def __init__(self, on_lost: Callable[[], None], on_stale: Callable[[Kind], None]) -> None:
        """`on_stale`: told of which kind another list would be given now."""
        super().__init__(on_lost)
        self._on_stale = on_stale
        self._token = token_hex(8)
        self._had: dict[bytes, Heard] = {}

    def again(self, heard: Heard) -> bytes:
        """The line of a request that was answered already, under an id by which its next answer is known."""
        number = f"{self._token}/{len(self._had)}"
        self._had[number.encode()] = heard
        return dumps(heard.message | {"id": number})

    def write(self, *pieces: Text) -> None:
        """See `PipeWriter.write`."""
        if self._had and bytes(pieces[0]).startswith(_START):
            number, _, answer = b"".join(pieces).removeprefix(_START).partition(b'"')
            if heard := self._had.pop(number, None):
                self._compare(heard, answer.rstrip(b"\n"))
                if not self._had:  # all that is written from here on is news, and need not be looked at
                    self.write = super().write  # type: ignore[method-assign]  # for this one alone
                return
        super().write(*pieces)

    def _compare(self, heard: Heard, answer: bytes) -> None:
        method = heard.message["method"]
        kind = LISTS.get(method)
        if answer.startswith(_REFUSED):
            logger.warning("our client was answered %s at once, which is refused now: %.200r", method, answer)
        if kind is not None and answer != heard.answer and _value(answer) != _value(heard.answer):
            self._on_stale(kind)


def _value(answer: bytes) -> object:
    return json.loads(b'{"id":0' + answer)


def replay(taken: Taken, writer: PipeWriter, reader: LineReader, received: Callable[[bytes], None]) -> None:
    """Have the front go on where the thread has ended. `received`: takes a line; `reader`: what no line is yet."""
    if taken.unsent:
        writer.write(taken.unsent)
    for heard in taken.heard:
        received(writer.again(heard) if heard.answer and isinstance(writer, FirstWriter) else heard.line)
    taken.heard.clear()
    if taken.rest:
        reader.data_received(taken.rest)
