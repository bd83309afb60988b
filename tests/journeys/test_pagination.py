"""Long lists: all pages of servers, however they number them, and our own, while the list changes (26)."""

from __future__ import annotations

import base64
import json
import logging
from pathlib import Path

import anyio
import pytest

from magictunnel.catalog.model import Json
from tests.support.raw import Script, tool
from tests.support.rawclient import RawClient, raw_client
from tests.support.world import LIST_ALL, PATIENCE, World, world

pytestmark = pytest.mark.anyio

INVALID_PARAMS = -32602
MANY = [tool(f"t{at:03}") for at in range(250)]
KINDS = {
    "tools": ("tools/list", "name"),
    "prompts": ("prompts/list", "name"),
    "resources": ("resources/list", "uri"),
    "resourceTemplates": ("resources/templates/list", "uriTemplate"),
}


async def pages(client: RawClient, method: str = "tools/list", kind: str = "tools") -> list[list[str]]:
    """The names on each page, until there is no further one."""
    found: list[list[str]] = []
    params: Json = {}
    while len(found) < 1_000:
        result = (await client.request(method, params))["result"]
        found.append([item[KINDS[kind][1]] for item in result[kind]])
        if "nextCursor" not in result:
            return found
        params = {"cursor": result["nextCursor"]}
    raise AssertionError("the pages do not end")


async def names(w: World, era: str = "stateless") -> list[str]:
    async with raw_client(w.port, era) as client:
        return [name for page in await pages(client) for name in page]


async def test_all_pages_of_a_server_are_read(server_era: str, over: str, tmp_path: Path) -> None:
    if over == "sse" and server_era == "stateless":
        pytest.skip("the HTTP+SSE transport belongs to the handshake era")
    with anyio.fail_after(PATIENCE):
        script = Script(name="s", era=server_era, offers={"tools": MANY}, page_size=50)
        async with world([script], tmp_path, over=over, **LIST_ALL) as w:
            assert await names(w) == [f"s__{each['name']}" for each in MANY]


async def test_every_kind_is_read_to_its_end(client_era: str) -> None:
    offers: dict[str, list[Json]] = {
        kind: [{key: f"x:{at}" if key != "name" else f"n{at}", "name": f"n{at}"} for at in range(7)]
        for kind, (_, key) in KINDS.items()
    }
    with anyio.fail_after(PATIENCE):
        script = Script(name="s", offers=offers, page_size=3)
        async with world([script], over="http", page_size=2) as w, raw_client(w.port, client_era) as client:
            for kind, (method, _) in KINDS.items():
                assert [len(page) for page in await pages(client, method, kind)] == [2, 2, 2, 1]


async def test_a_cursor_that_comes_again_ends_the_list(caplog: pytest.LogCaptureFixture) -> None:
    script = Script(name="s", offers={"tools": MANY}, page_size=50, repeat_cursor=True)
    with anyio.fail_after(PATIENCE):
        async with world([script], over="http") as w:
            assert await names(w) == [f"s__{each['name']}" for each in MANY[:50]]
            asked = [message for message in w.servers["s"].received if message["method"] == "tools/list"]
            assert len(asked) <= 2 * 3  # a listing reads the first page twice; one more may follow the listen stream
    (told, *_) = [record.message for record in caplog.records if "does not end" in record.message]
    assert "s: its list of tools" in told


async def test_an_empty_cursor_is_the_end(caplog: pytest.LogCaptureFixture) -> None:
    """Some servers write "" where there is no further page; asking on would list everything twice."""
    answer: Json = {"tools": [tool("a"), tool("b")], "nextCursor": ""}
    script = Script(name="s", capabilities={"tools": {}}, answers={"tools/list": answer})
    with anyio.fail_after(PATIENCE):
        async with world([script], over="http") as w:
            assert await names(w) == ["s__a", "s__b"]
            assert w.gateway.live.current.conflicts == ()
            assert w.gateway.status["s"].counts["tools"] == 2
    assert not [
        record
        for record in caplog.records
        if record.levelno >= logging.WARNING and record.name.startswith("magictunnel")
    ]


async def test_what_a_server_lists_twice_is_listed_once_and_told() -> None:
    script = Script(
        name="s", offers={"tools": [tool("a", description="first"), tool("b"), tool("a", description="second")]}
    )
    with anyio.fail_after(PATIENCE):
        async with world([script], over="http") as w:
            assert await names(w) == ["s__a", "s__b"]
            catalog = w.gateway.live.current
            assert catalog.entries["tools"]["s__a"].definition["description"] == "first"
            assert [(clash.name, clash.backends) for clash in catalog.conflicts] == [("a", ("s",))]


@pytest.mark.parametrize("size", [1, 3, 5, 1_000])
async def test_our_pages_are_the_list(size: int, client_era: str) -> None:
    scripts = [Script(name=name, offers={"tools": MANY[:5]}) for name in ("a", "b")]
    with anyio.fail_after(PATIENCE):
        async with world(scripts, over="http", page_size=size) as w, raw_client(w.port, client_era) as client:
            told = await pages(client)
            assert [name for page in told for name in page] == [f"{s}__t{at:03}" for s in "ab" for at in range(5)]
            assert all(len(page) <= size for page in told)
            assert all(len(page) == size for page in told[:-1])


async def test_a_cursor_survives_changes_of_the_list(client_era: str) -> None:
    """Servers before and behind the cursor change between two pages: what stayed comes once, none is missed."""
    scripts = [Script(name=name, offers={"tools": MANY[:4]}) for name in ("a", "m", "z")]
    with anyio.fail_after(PATIENCE):
        async with world(scripts, over="http", page_size=6) as w, raw_client(w.port, client_era) as client:
            first = (await client.request("tools/list"))["result"]
            assert [item["name"] for item in first["tools"]][-1] == "m__t001"
            await w.until_ready()
            await w.until(lambda: all(server.listeners for server in w.servers.values()))
            w.servers["a"].change("tools", [tool("new"), *MANY[:9]])
            w.servers["z"].change("tools", [MANY[3], tool("newer")])
            await w.until(lambda: {"a__new", "z__newer"} <= set(w.gateway.live.current.entries["tools"]))
            second = (await client.request("tools/list", {"cursor": first["nextCursor"]}))["result"]
            assert [item["name"] for item in second["tools"]] == ["m__t002", "m__t003", "z__t003", "z__newer"]
            w.servers["m"].change("tools", [])
            await w.until(lambda: "m__t000" not in w.gateway.live.current.entries["tools"])
            late = (await client.request("tools/list", {"cursor": first["nextCursor"]}))["result"]
            assert {"z__t003", "z__newer"} <= {item["name"] for item in late["tools"]}


@pytest.mark.parametrize("method", [method for method, _ in KINDS.values()])
async def test_a_cursor_that_is_not_ours_is_refused(method: str, client_era: str) -> None:
    offers: dict[str, list[Json]] = {"tools": MANY[:2], "prompts": [], "resources": [], "resourceTemplates": []}
    made = [
        base64.urlsafe_b64encode(json.dumps(value).encode()).decode() for value in ([-1, "x"], ["x", 1], {}, 1, None)
    ]
    bad: list[object] = ["", "nonsense", "50", "é", "A" * 100_000, 5, True, [], {}, *made]
    with anyio.fail_after(PATIENCE):
        script = Script(name="s", offers=offers)
        async with world([script], over="http", page_size=1) as w, raw_client(w.port, client_era) as client:
            for cursor in bad:
                answer = await client.request(method, {"cursor": cursor})
                assert answer["error"]["code"] == INVALID_PARAMS, cursor
                assert "Traceback" not in json.dumps(answer)
            assert "result" in await client.request(method, {"cursor": None})
