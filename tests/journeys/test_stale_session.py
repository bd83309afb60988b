"""Failure mode 1: a server restarts, or forgets our session, and every call fails from then on.

Whichever way it says that it does not know us, one new session is opened and the call is made in it: once.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import pytest
from mcp.client.client import Client

from tests.support.office import Office, Stale, site
from tests.support.world import PATIENCE, World, world

pytestmark = pytest.mark.anyio

SPELLINGS = {
    "Python SDK": Stale(404, -32600, "Session not found"),
    "TypeScript SDK": Stale(404, -32001, "Session not found"),
    "TypeScript example": Stale(400, -32000, "Bad Request: No valid session ID provided"),
    "400": Stale(400, -32600, "Invalid Request: Session not found"),
    "503": Stale(503, -32001, "Service Unavailable: MCP session is unknown on this API instance."),
    "no JSON": Stale(404, 0, "Not Found"),
    "unknown or expired": Stale(404, -32001, "Not Found: MCP session is unknown or expired on this API instance."),
}
OVER_HTTP = ("http", "sse")
AT_ONCE = 20


@asynccontextmanager
async def scene(
    over: str, client_era: str, folder: Path, front: str = "memory", era: str = "handshake"
) -> AsyncIterator[tuple[World, Office, Client]]:
    """A client that has made one call, and the server that answered it."""
    with anyio.fail_after(PATIENCE):
        async with site(over, folder, era=era) as srv, world(more={"srv": srv.config}) as w:
            await w.until_ready()
            async with w.client(client_era, front) as client:
                assert await said(client, "srv__echo")
                assert srv.office is not None
                yield w, srv.office, client


async def said(client: Client, name: str) -> str:
    """Call a tool; the text of its result."""
    result = await client.call_tool(name)
    assert not result.is_error
    return str(result.content[0].text)


async def assert_one_new_session(client: Client, office: Office, *, before: int) -> None:
    """The next call works, ran once, and each session that was lost was replaced once at most."""
    assert await said(client, "srv__count") == "1"
    assert office.transcript.ran("count") == 1
    assert 1 <= office.opened - before <= max(1, office.lost)
    if office.lost == 1:
        assert office.transcript.count("initialize") == before + 1
    assert await said(client, "srv__count") == "2"


@pytest.mark.parametrize("spelling", SPELLINGS)
async def test_a_forgotten_session_is_replaced_and_the_call_made_in_the_new_one(
    spelling: str, client_era: str, tmp_path: Path
) -> None:
    async with scene("http", client_era, tmp_path) as (w, office, client):
        office.stale = SPELLINGS[spelling]
        before = office.opened
        office.lose()
        await assert_one_new_session(client, office, before=before)
        assert w.gateway.status["srv"].state == "ready"


@pytest.mark.parametrize("spelling", [Stale(404, 0, "Could not find session"), *list(SPELLINGS.values())[:3]])
async def test_a_forgotten_session_over_sse_is_replaced_too(spelling: Stale, client_era: str, tmp_path: Path) -> None:
    """The stream still stands, and would be silent for ever: only the answer to the POST says that it is over."""
    async with scene("sse", client_era, tmp_path) as (_w, office, client):
        office.stale = spelling
        before = office.opened
        office.lose()
        await assert_one_new_session(client, office, before=before)


@pytest.mark.parametrize("front", ["memory", "http"])
@pytest.mark.parametrize("over", OVER_HTTP)
async def test_a_server_that_was_restarted_at_its_port_is_just_called(
    over: str, client_era: str, front: str, tmp_path: Path
) -> None:
    async with scene(over, client_era, tmp_path, front) as (_w, office, client):
        before = office.opened
        await office.restart(
            gap=over == "http"
        )  # over SSE we notice at once, and then wait a while before we try again
        await assert_one_new_session(client, office, before=before)


async def test_a_restarted_server_of_the_stateless_era_is_just_called(client_era: str, tmp_path: Path) -> None:
    """It has no sessions to lose."""
    async with scene("http", client_era, tmp_path, era="stateless") as (_w, office, client):
        await office.restart()
        assert await said(client, "srv__count") == "1"
        assert (office.opened, office.transcript.ran("count")) == (0, 1)


async def test_a_server_of_both_eras_that_forgot_a_session_is_just_called(client_era: str, tmp_path: Path) -> None:
    async with scene("http", client_era, tmp_path, era="both") as (_w, office, client):
        before = office.opened
        office.lose()
        assert await said(client, "srv__count") == "1"
        assert office.transcript.ran("count") == 1
        assert office.opened - before <= office.lost <= 1


@pytest.mark.parametrize("over", OVER_HTTP)
async def test_calls_that_meet_a_forgotten_session_together_share_one_new_one(
    over: str, client_era: str, tmp_path: Path
) -> None:
    async with scene(over, client_era, tmp_path) as (_w, office, client):
        before = office.opened
        office.lose()
        counted: list[str] = []

        async def count() -> None:
            counted.append(await said(client, "srv__count"))

        async with anyio.create_task_group() as tasks:
            for _ in range(AT_ONCE):
                tasks.start_soon(count)
        assert sorted(map(int, counted)) == list(range(1, AT_ONCE + 1))
        assert office.transcript.ran("count") == AT_ONCE
        assert 1 <= office.opened - before <= office.lost
