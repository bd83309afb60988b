"""A client that was answered at once is taken over: nothing is answered twice, and what has changed is told."""

from __future__ import annotations

import json
import os

import anyio
import pytest

from magictunnel.catalog.model import Kind
from magictunnel.front.first import Taken
from magictunnel.front.first_replay import FirstWriter, replay
from magictunnel.front.first_talk import Heard
from magictunnel.wire.pipes import LineReader, write_to
from tests.support.raw import Json

pytestmark = pytest.mark.anyio

LIST = b',"result":{"tools":[{"name":"a"}]}}'


def heard(method: str, answer: bytes = b',"result":{}}', number: object = 1) -> Heard:
    message = {"jsonrpc": "2.0", "id": number, "method": method}
    return Heard(json.dumps(message).encode(), message, answer)


class Front:
    """What a front would be told, and a client would read."""

    def __init__(self) -> None:
        self.got: list[Json] = []
        self.stale: list[Kind] = []
        self.lost: list[str] = []
        self.writer = FirstWriter(lambda: self.lost.append("client"), self.stale.append)
        self.reader = LineReader(self.take, lambda _broke: None)
        self._reading, self._writing = os.pipe()

    async def open(self, taken: Taken) -> None:
        await write_to(self._writing, self.writer)
        replay(taken, self.writer, self.reader, self.take)

    def take(self, line: bytes) -> None:
        self.got.append(json.loads(line))

    def answer(self, at: int, answer: bytes) -> None:
        self.writer.write(b'{"jsonrpc":"2.0","id":' + json.dumps(self.got[at]["id"]).encode(), answer, b"\n")

    async def told(self) -> bytes:
        """All that the client was sent."""
        with anyio.fail_after(5):
            await self.writer.flushed()
        self.writer.finish()
        os.set_blocking(self._reading, False)
        try:
            return os.read(self._reading, 65_536)
        except BlockingIOError:
            return b""
        finally:
            os.close(self._reading)


async def test_answers_that_were_given_are_kept_back_and_others_are_not() -> None:
    front = Front()
    await front.open(Taken(-1, -1, [heard("initialize"), heard("tools/list", LIST)], b'{"id":1}\n{"i', b"half\n"))

    assert [message["method"] for message in front.got[:2]] == ["initialize", "tools/list"]
    assert front.got[2] == {"id": 1}
    for at in (1, 2, 0):
        front.answer(at, LIST)
    front.writer.write(b"news\n")
    assert await front.told() == b"half\n" + b'{"jsonrpc":"2.0","id":1' + LIST + b"\n" + b"news\n"
    assert front.stale == []


async def test_a_client_that_uses_one_id_for_everything_is_understood() -> None:
    front = Front()
    await front.open(Taken(-1, -1, [heard("ping"), heard("ping"), heard("ping")], b"", b""))

    assert len({message["id"] for message in front.got}) == 3
    for at in (2, 0, 1):
        front.answer(at, b',"result":{}}')
    assert await front.told() == b""


@pytest.mark.parametrize(
    ("now", "is_stale"),
    [
        (LIST, False),
        (b', "result": {"tools": [{"name": "a"}]}}', False),
        (b',"result":{"tools":[]}}', True),
        (b',"error":{"code":-32601,"message":"no"}}', True),
    ],
)
async def test_a_list_that_is_another_by_now_is_news(now: bytes, is_stale: bool) -> None:
    front = Front()
    await front.open(Taken(-1, -1, [heard("tools/list", LIST), heard("ping")], b"", b""))

    front.answer(0, now)
    front.answer(1, b',"result":{"other":1}}')
    assert front.stale == ([Kind.TOOL] if is_stale else [])
    assert await front.told() == b""


async def test_a_notification_is_passed_on_as_it_is() -> None:
    front = Front()
    line = b'{"jsonrpc":"2.0","method":"notifications/initialized"}'
    await front.open(Taken(-1, -1, [heard("initialize"), Heard(line, json.loads(line), b"")], b"", b""))

    assert front.got[1] == json.loads(line)
    await front.told()
