"""Failure mode 10: a server that was started again is called healthy, and has no tools."""

from __future__ import annotations

import contextlib
import os
import signal
from pathlib import Path
from typing import Any

import anyio
import pytest
from mcp.client.client import Client

from magictunnel.backends.states import State
from tests.support.office import Site, site
from tests.support.rawclient import RawClient, local_http
from tests.support.worker import TOOLS
from tests.support.world import PATIENCE, World, world

pytestmark = pytest.mark.anyio

OFFERS = {
    "tools": TOOLS,
    "prompts": [{"name": "ask"}],
    "resources": [{"uri": "raw://one", "name": "one"}],
    "resourceTemplates": [{"uriTemplate": "raw://{id}", "name": "item"}],
}
LAST_LIST = "resources/templates/list"
WAYS = [("stdio", "handshake"), ("stdio", "stateless"), ("http", "handshake"), ("sse", "handshake")]


async def told(w: World, client_era: str) -> dict[str, Any]:
    """All that a new client is told."""
    async with local_http(w.port, timeout=PATIENCE) as http:
        about = await RawClient(http, client_era, {}).open()
    async with w.client(client_era) as client:
        return {key: about[key] for key in ("capabilities", "instructions")} | await listed(client)


async def listed(client: Client) -> dict[str, Any]:
    return {
        "tools": [item.name for item in (await client.list_tools()).tools],
        "prompts": [item.name for item in (await client.list_prompts()).prompts],
        "resources": [str(item.uri) for item in (await client.list_resources()).resources],
        "templates": [item.uri_template for item in (await client.list_resource_templates()).resource_templates],
    }


async def end(srv: Site) -> None:
    """Have the server die at once, and come back when it is opened again."""
    if srv.office is not None:
        await srv.office.restart()
        return
    for message in srv.transcript.messages:
        if message["method"] == "started":
            with contextlib.suppress(ProcessLookupError):
                os.kill(message["pid"], signal.SIGKILL)


@pytest.mark.parametrize("way", WAYS, ids="-".join)
async def test_a_server_that_came_back_is_ready_when_all_of_it_is_back(
    way: tuple[str, str], client_era: str, tmp_path: Path
) -> None:
    over, era = way
    # Between its last two lists there is time to see what it is called.
    slowly = {LAST_LIST: 0.3}
    script = {"era": era, "offers": OFFERS, "instructions": "Mind the gap.", "delay_on": slowly}
    with anyio.fail_after(PATIENCE):
        async with site(over, tmp_path, **script) as srv, world(more={"srv": srv.config}) as w:
            await w.until_ready()
            before = await told(w, client_era)
            assert "Mind the gap." in before["instructions"]
            await end(srv)
            if over != "http":  # there, nothing but a call tells that the server has forgotten us
                await w.until(lambda: w.gateway.status["srv"].state is not State.READY or lists(srv) >= 2)
                await w.until(lambda: w.gateway.status["srv"].state is State.READY)
                assert lists(srv) >= 2
            assert await told(w, client_era) == before
            async with w.client(client_era) as client:
                assert (await client.call_tool("srv__echo")).content
            await w.until_ready()
            assert await told(w, client_era) == before


def lists(srv: Site) -> int:
    """How often all of its lists were had."""
    return srv.transcript.count(LAST_LIST)
