"""Failure mode 2: one of several servers forgets its session; its tools fail for ever, and the client cannot tell."""

from __future__ import annotations

from pathlib import Path

import anyio
import pytest

from tests.support.office import site
from tests.support.raw import text
from tests.support.rawclient import RawClient, raw_client
from tests.support.world import PATIENCE, world

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("loss", ["forgotten", "restarted"])
@pytest.mark.parametrize("over", ["http", "sse"])
async def test_one_lost_session_of_two_is_no_concern_of_the_client(
    over: str, loss: str, client_era: str, tmp_path: Path
) -> None:
    with anyio.fail_after(PATIENCE):
        async with (
            site(over, tmp_path, "one", era="handshake") as one,
            site(over, tmp_path, "two", era="handshake") as two,
            world(more={"one": one.config, "two": two.config}) as w,
            raw_client(w.port, client_era) as client,
        ):
            await w.until_ready()
            assert await counted(client, "one") == await counted(client, "two") == text("1")["content"]
            session = client._session
            assert bool(session) == (client_era == "handshake")
            assert one.office is not None
            if loss == "forgotten":
                one.office.lose()
            else:
                await one.office.restart()
            assert await counted(client, "one") == text("1")["content"]
            assert await counted(client, "two") == text("2")["content"]
            assert one.transcript.ran("count") == two.transcript.ran("count") == 2
            assert client._session == session


async def counted(client: RawClient, server: str) -> object:
    """What the counter of a server says."""
    answer = await client.request("tools/call", {"name": f"{server}__count"})
    assert "result" in answer, answer
    return answer["result"]["content"]
