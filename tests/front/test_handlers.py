"""A request becomes a Call, and its result or error what the caller's era expects."""

from __future__ import annotations

import base64
import json
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest

from magictunnel.catalog.model import Json, Kind, Listing
from magictunnel.errors import BackendError, BackendUnavailable, BadParams, CallError, UnknownEntry
from magictunnel.front import lists
from magictunnel.front.lists import Lists
from magictunnel.front.server import FrontServer
from magictunnel.wire.caller import Caller
from tests.support.front import Client, PlayedSource, client_of, front_of
from tests.support.raw import tool
from tests.support.world import ERAS

pytestmark = pytest.mark.anyio

SERVER_INFO = "io.modelcontextprotocol/serverInfo"
OFFERS = Listing(
    {
        Kind.TOOL: [tool("x", odd={"deep": None}), tool("y")],
        Kind.PROMPT: [{"name": "p"}],
        Kind.RESOURCE: [{"uri": "x:1", "name": "r"}],
        Kind.TEMPLATE: [{"uriTemplate": "x:{id}", "name": "t"}],
    },
    capabilities={"completions": {}},
)
LISTS = {
    "tools/list": "tools",
    "prompts/list": "prompts",
    "resources/list": "resources",
    "resources/templates/list": "resourceTemplates",
}


@pytest.fixture
def source() -> PlayedSource:
    made = PlayedSource()
    made.live.replace("a", OFFERS)
    return made


@asynccontextmanager
async def opened(source: PlayedSource, era: str, page_size: int = 1_000) -> AsyncIterator[Client]:
    async with front_of(source, page_size) as server, client_of(server, era) as client:
        await client.open()
        yield client


# --- lists


@pytest.mark.parametrize("era", ERAS)
async def test_every_list_is_what_the_catalog_has(era: str, source: PlayedSource) -> None:
    async with opened(source, era) as client:
        for method, key in LISTS.items():
            result = (await client.request(method))["result"]
            assert result[key] == [entry.definition for entry in source.live.current.of(Kind(key)).values()]

    assert source.calls == []


async def test_a_stateless_list_says_that_it_must_not_be_cached_and_who_answers(source: PlayedSource) -> None:
    async with opened(source, "stateless") as client:
        result = (await client.request("tools/list"))["result"]

    assert {key: result[key] for key in ("resultType", "ttlMs", "cacheScope")} == {
        "resultType": "complete",
        "ttlMs": 0,
        "cacheScope": "private",
    }
    assert result["_meta"][SERVER_INFO]["name"] == "magictunnel"


@pytest.mark.parametrize(("count", "scope"), [(2, "public"), (100, "private")])
async def test_a_list_that_not_all_clients_share_is_not_to_be_shared_by_a_cache(count: int, scope: str) -> None:
    """Beyond the budget, clients that search by themselves are shown another list than others."""
    source = PlayedSource()
    tools = [{"name": f"t{number}"} for number in range(count)]
    hints = {Kind.TOOL: {"ttlMs": 5_000, "cacheScope": "public"}}
    source.live.replace("a", Listing({Kind.TOOL: tools}, {"tools": {"listChanged": True}}, "", hints))
    async with opened(source, "stateless") as client:
        result = (await client.request("tools/list"))["result"]

    assert (result["cacheScope"], result["ttlMs"]) == (scope, 5_000)


async def test_a_handshake_list_has_nothing_that_its_era_does_not_know(source: PlayedSource) -> None:
    async with opened(source, "handshake") as client:
        assert set((await client.request("tools/list"))["result"]) == {"tools"}


@pytest.mark.parametrize("era", ERAS)
async def test_a_long_list_comes_in_pages(era: str, source: PlayedSource) -> None:
    async with opened(source, era, page_size=1) as client:
        first = (await client.request("tools/list"))["result"]
        second = (await client.request("tools/list", {"cursor": first["nextCursor"]}))["result"]

    assert [found["name"] for found in (*first["tools"], *second["tools"])] == ["a__x", "a__y"]
    assert "nextCursor" not in second


@pytest.mark.parametrize("length", [1, 10_000])
async def test_cursors_that_a_client_made_up_are_answered_and_hardly_kept(
    length: int, source: PlayedSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lists, "MAX_KEPT", 50_000)
    front = Lists(source.live, source.views, source.rights, {}, 1_000)
    for position in range(200):
        cursor = base64.urlsafe_b64encode(json.dumps([position, "x" * length]).encode()).decode()
        told = front.answer("tools/list", {"cursor": cursor}, Caller("me"))
        assert "nextCursor" not in told

    assert sum(2_000 + len(wanted.cursor) for wanted in front._kept) < 60_000


@pytest.mark.parametrize("era", ERAS)
@pytest.mark.parametrize("method", ["prompts/list", "resources/templates/list", "prompts/get", "completion/complete"])
async def test_a_method_that_no_server_offers_is_not_found(era: str, method: str) -> None:
    source = PlayedSource()
    source.live.replace("a", Listing({Kind.TOOL: [tool("x")]}))
    params = {"name": "p", "ref": {"type": "ref/prompt", "name": "p"}, "argument": {"name": "n", "value": "v"}}
    async with opened(source, era) as client:
        error = (await client.request(method, params))["error"]

    assert error["code"] == -32601
    assert error["message"] == f"Method not found: {method}"


@pytest.mark.parametrize("era", ERAS)
async def test_first_answers_wait_for_the_servers(era: str, source: PlayedSource) -> None:
    source.up = anyio.Event()
    async with client_of(FrontServer(source), era) as client, anyio.create_task_group() as tasks:
        tasks.start_soon(client.open)
        with anyio.move_on_after(0.05):
            await client.until(lambda: bool(client.messages))
        assert client.messages == []

        source.up.set()
        await client.until(lambda: bool(client.messages))


# --- calls


@pytest.mark.parametrize("era", ERAS)
@pytest.mark.parametrize(
    ("method", "params", "kind", "name"),
    [
        ("tools/call", {"name": "a__x", "arguments": {"odd": [None]}, "more": 1}, Kind.TOOL, "a__x"),
        ("tools/call", {"name": "a__x"}, Kind.TOOL, "a__x"),
        ("tools/call", {"name": "a__x", "arguments": None}, Kind.TOOL, "a__x"),
        ("prompts/get", {"name": "a__p", "arguments": {"k": "v"}}, Kind.PROMPT, "a__p"),
        ("resources/read", {"uri": "x:1"}, Kind.RESOURCE, "x:1"),
        ("completion/complete", {"ref": {"type": "ref/prompt", "name": "a__p"}}, Kind.PROMPT, "a__p"),
        ("completion/complete", {"ref": {"type": "ref/resource", "uri": "x:{id}"}}, Kind.TEMPLATE, "x:{id}"),
    ],
)
async def test_a_call_has_its_kind_its_name_and_raw_params(
    era: str, method: str, params: Json, kind: Kind, name: str, source: PlayedSource
) -> None:
    async with opened(source, era) as client:
        assert "result" in await client.request(method, params)

    (made,) = source.calls
    assert (made.method, made.kind, made.name) == (method, kind, name)
    assert {key: value for key, value in made.params.items() if key != "_meta"} == params
    assert made.catalog is source.live.current


@pytest.mark.parametrize("era", ERAS)
async def test_a_caller_is_known_by_its_name_its_era_and_what_it_declared(era: str, source: PlayedSource) -> None:
    async with opened(source, era) as client:
        await client.request("tools/call", {"name": "a__x"})

    caller = source.calls[0].caller
    assert (caller.name, caller.stateless) == ("raw", era == "stateless")
    assert caller.capabilities == ({"elicitation": {}} if era == "stateless" else {"roots": {}})


async def test_a_result_passes_as_it_came_in_the_handshake_era(source: PlayedSource) -> None:
    source.answer = {"content": [{"type": "odd"}], "structuredContent": [1], "more": {"ü": None}, "_meta": {"m": 1}}
    async with opened(source, "handshake") as client:
        assert (await client.request("tools/call", {"name": "a__x"}))["result"] == source.answer


async def test_a_stateless_result_says_besides_what_kind_it_is_and_who_answers(source: PlayedSource) -> None:
    source.answer = {"content": [], "more": {"ü": None}, "_meta": {"m": 1}}
    async with opened(source, "stateless") as client:
        result = (await client.request("tools/call", {"name": "a__x"}))["result"]

    assert result.pop("resultType") == "complete"
    assert result["_meta"].pop(SERVER_INFO)["name"] == "magictunnel"
    assert result == source.answer


async def test_questions_of_a_server_reach_a_stateless_client_untouched(source: PlayedSource) -> None:
    source.answer = {"resultType": "input_required", "requestState": "s", "inputRequests": {"q": {"odd": 1}}}
    async with opened(source, "stateless") as client:
        result = (await client.request("tools/call", {"name": "a__x"}))["result"]

    assert {key: value for key, value in result.items() if key != "_meta"} == source.answer


# --- sessions


MORE = Listing(
    OFFERS.entries,
    capabilities={
        "logging": {},
        "resources": {"subscribe": True},
        "tasks": {"list": {}},
        "extensions": {"io.modelcontextprotocol/tasks": {}, "com.example/notes": {}},
    },
)


@pytest.fixture
def more() -> PlayedSource:
    """A source with servers that can do more."""
    made = PlayedSource()
    made.live.replace("a", MORE)
    return made


async def test_a_level_is_that_of_its_session_and_its_servers_are_told(more: PlayedSource) -> None:
    async with opened(more, "handshake") as client:
        assert (await client.request("logging/setLevel", {"level": "error"}))["result"] == {}
        (known,) = more.audience.callers

    assert known.log_level == "error"
    assert more.settled_levels == [known.session]


@pytest.mark.parametrize("level", ["odd", None, 3, ["error"]])
async def test_a_level_that_does_not_exist_is_refused(level: Any, more: PlayedSource) -> None:
    async with opened(more, "handshake") as client:
        assert (await client.request("logging/setLevel", {"level": level}))["error"]["code"] == -32602

    assert more.settled_levels == []


@pytest.mark.parametrize("method", ["resources/subscribe", "resources/unsubscribe"])
async def test_a_subscription_is_a_call_of_its_session(method: str, more: PlayedSource) -> None:
    async with opened(more, "handshake") as client:
        (known,) = more.audience.callers
        assert (await client.request(method, {"uri": "x:1"}))["result"] == {}

    (made,) = more.calls
    assert (made.method, made.kind, made.name, made.params) == (method, Kind.RESOURCE, "x:1", {"uri": "x:1"})
    assert made.caller == known
    assert made.caller.back is known.back


@pytest.mark.parametrize("method", ["logging/setLevel", "resources/subscribe", "resources/unsubscribe"])
async def test_what_no_server_can_do_for_a_session_is_not_found(method: str, source: PlayedSource) -> None:
    async with opened(source, "handshake") as client:
        assert (await client.request(method, {"level": "error", "uri": "x:1"}))["error"]["code"] == -32601

    assert source.calls == []


@pytest.mark.parametrize("method", ["logging/setLevel", "resources/subscribe", "resources/unsubscribe", "tasks/list"])
async def test_what_the_stateless_era_does_in_another_way_is_not_found_there(method: str, more: PlayedSource) -> None:
    async with opened(more, "stateless") as client:
        assert (await client.request(method, {"level": "error", "uri": "x:1"}))["error"]["code"] == -32601

    assert more.calls == []


async def test_that_a_session_s_roots_changed_is_passed_on_to_its_servers(more: PlayedSource) -> None:
    async with opened(more, "handshake") as client:
        (known,) = more.audience.callers
        await client.send({"method": "notifications/roots/list_changed", "params": {"_meta": {"mine": 1}}})
        await client.request("ping")

    assert more.told == [(known.session, "notifications/roots/list_changed", {"_meta": {"mine": 1}})]


@pytest.mark.parametrize("name", ["cancelled", "initialized", "progress", "roots", "odd"])
async def test_no_server_can_have_what_is_said_to_us_passed_on_by_calling_an_extension_so(name: str) -> None:
    source = PlayedSource()
    source.live.replace("a", Listing(capabilities={"extensions": {f"com.example/{name}": {}}}))
    async with opened(source, "handshake") as client:
        for said in ("cancelled", "initialized", "progress"):
            params = {"requestId": 99, "progressToken": 99, "progress": 1}
            await client.send({"method": f"notifications/{said}", "params": params})
        await client.request("ping")

    assert source.told == []


# --- beyond the core


@pytest.mark.parametrize("era", ERAS)
async def test_a_method_of_an_extension_is_a_call_like_any_other(era: str, more: PlayedSource) -> None:
    more.answer = {"odd": [None]}
    async with opened(more, era) as client:
        result = (await client.request("notes/add", {"text": "x", "_meta": {"mine": 1}}))["result"]
        assert (await client.request("other/add", {"text": "x"}))["error"]["code"] == -32601

    assert result["odd"] == [None]
    (made,) = more.calls
    assert (made.method, made.kind, made.name) == ("notes/add", None, "notes/add")
    assert (made.params["text"], made.params["_meta"]["mine"]) == ("x", 1)


async def test_a_notification_of_an_extension_is_passed_on_to_its_servers(more: PlayedSource) -> None:
    async with opened(more, "handshake") as client:
        (known,) = more.audience.callers
        for method in ("notifications/notes/seen", "notifications/other/seen"):
            await client.send({"method": method, "params": {"text": "x"}})
        await client.request("ping")

    assert more.told == [(known.session, "notifications/notes/seen", {"text": "x"})]


TASK_METHODS = {"handshake": ("get", "result", "cancel"), "stateless": ("get", "update", "cancel")}


@pytest.mark.parametrize(("era", "verb"), [(era, verb) for era, verbs in TASK_METHODS.items() for verb in verbs])
async def test_what_concerns_a_task_is_a_call_by_its_id(era: str, verb: str, more: PlayedSource) -> None:
    more.answer = {"taskId": "t1", "status": "working"}
    can = {"extensions": {"io.modelcontextprotocol/tasks": {}}}
    async with front_of(more) as server, client_of(server, era, capabilities=can) as client:
        await client.open()
        result = (await client.request(f"tasks/{verb}", {"taskId": "t1", "odd": None}))["result"]
        bad = (await client.request(f"tasks/{verb}", {"taskId": 7}))["error"]

    assert result["status"] == "working"
    assert bad["code"] == -32602
    (made,) = more.calls
    assert (made.method, made.kind, made.name) == (f"tasks/{verb}", None, "t1")
    assert made.params["odd"] is None


@pytest.mark.parametrize("era", ERAS)
async def test_without_a_server_that_has_tasks_there_are_none(era: str, source: PlayedSource) -> None:
    async with opened(source, era) as client:
        for verb in ("get", "cancel", "list", "result", "update"):
            assert (await client.request(f"tasks/{verb}", {"taskId": "t1"}))["error"]["code"] == -32601

    assert source.calls == []


async def test_a_stateless_client_says_that_it_knows_of_tasks_before_it_asks_for_one(more: PlayedSource) -> None:
    async with opened(more, "stateless") as client:
        error = (await client.request("tasks/get", {"taskId": "t1"}))["error"]

    assert error["code"] == -32021
    assert error["data"]["requiredCapabilities"] == {"extensions": {"io.modelcontextprotocol/tasks": {}}}
    assert more.calls == []


# --- errors


@pytest.mark.parametrize("era", ERAS)
@pytest.mark.parametrize(
    ("method", "params", "message"),
    [
        ("tools/call", {}, "name must be a string"),
        ("tools/call", {"name": 7}, "name must be a string"),
        ("tools/call", {"name": "a__x", "arguments": [1]}, "arguments must be an object"),
        ("tools/call", {"name": "a__x", "arguments": []}, "arguments must be an object"),
        ("tools/call", {"name": "a__x", "arguments": False}, "arguments must be an object"),
        ("tools/call", {"name": "a__x", "arguments": "text"}, "arguments must be an object"),
        ("prompts/get", {"name": None}, "name must be a string"),
        ("resources/read", {"name": "x:1"}, "uri must be a string"),
        ("completion/complete", {}, "ref must be a ref/prompt or a ref/resource"),
        ("completion/complete", {"ref": "a__p"}, "ref must be a ref/prompt or a ref/resource"),
        (
            "completion/complete",
            {"ref": {"type": "ref/tool", "name": "x"}},
            "ref must be a ref/prompt or a ref/resource",
        ),
        ("completion/complete", {"ref": {"type": ["ref/prompt"]}}, "ref must be a ref/prompt or a ref/resource"),
        ("completion/complete", {"ref": {"type": "ref/prompt"}}, "name must be a string"),
        ("completion/complete", {"ref": {"type": "ref/resource", "name": "x"}}, "uri must be a string"),
        ("tools/list", {"cursor": 7}, "This cursor is not one of ours"),
        ("tools/list", {"cursor": "bm9uc2Vuc2U="}, "This cursor is not one of ours"),
    ],
)
async def test_bad_params_are_told_as_such_and_reach_nobody(
    era: str, method: str, params: Json, message: str, source: PlayedSource
) -> None:
    async with opened(source, era) as client:
        error = (await client.request(method, params))["error"]

    assert (error["code"], error["message"], error["data"]["error"]) == (-32602, message, "bad_params")
    assert source.calls == []


async def test_a_meta_that_is_no_object_is_bad(source: PlayedSource) -> None:
    async with opened(source, "handshake") as client:
        error = (await client.request("tools/call", {"name": "a__x", "_meta": [1]}))["error"]

    assert error["code"] == -32602
    assert source.calls == []


@pytest.mark.parametrize(
    ("method", "error", "handshake", "stateless"),
    [
        ("resources/read", UnknownEntry("resource", "x:1"), -32002, -32602),
        ("tools/call", UnknownEntry("tool", "x"), -32602, -32602),
        ("resources/read", BadParams("no"), -32602, -32602),
        ("tools/call", BackendUnavailable("s", "c"), -32060, -32060),
        ("tools/call", BackendError(-7, "no"), -7, -7),
    ],
)
@pytest.mark.parametrize("era", ERAS)
async def test_each_era_gets_the_code_it_knows(
    era: str, method: str, error: CallError, handshake: int, stateless: int, source: PlayedSource
) -> None:
    source.answer = error
    async with opened(source, era) as client:
        told = (await client.request(method, {"name": "a__x", "uri": "x:1"}))["error"]

    assert told["code"] == (handshake if era == "handshake" else stateless)
    assert told["message"] == error.message
    assert told.get("data") == error.data


@pytest.mark.parametrize("era", ERAS)
async def test_a_defect_of_ours_is_told_by_a_number_that_stands_in_the_log_and_by_nothing_else(
    era: str, source: PlayedSource, caplog: pytest.LogCaptureFixture
) -> None:
    source.answer = RuntimeError("/srv/internal hunter2")
    async with opened(source, era) as client:
        error = (await client.request("tools/call", {"name": "a__x"}))["error"]
        assert "result" in await client.request("tools/list")

    assert error["code"] == -32603
    assert "hunter2" not in str(error)
    assert "RuntimeError" not in str(error)
    (record,) = [record for record in caplog.records if record.levelno == logging.ERROR]
    number = error["message"].removeprefix("Internal error ").removesuffix(": see the log")
    assert record.getMessage() == f"[{number}] tools/call: a defect of ours"
    assert record.exc_info is not None


async def test_no_secret_stands_in_an_error(source: PlayedSource) -> None:
    source.secret = "hunter2"
    source.answer = BackendError(-7, "cannot log in with hunter2")
    async with opened(source, "stateless") as client:
        error = (await client.request("tools/call", {"name": "a__x"}))["error"]

    assert error["message"] == "cannot log in with ***"


@pytest.mark.parametrize("method", ["tools/list", "tools/call"])
async def test_a_session_that_has_not_shaken_hands_gets_nothing(method: str, source: PlayedSource) -> None:
    async with client_of(FrontServer(source), "handshake") as client:
        error = (await client.request(method, {"name": "a__x"}))["error"]

    assert (error["code"], error["message"]) == (-32600, "This session is not initialized")
    assert source.calls == []


@pytest.mark.parametrize("era", ERAS)
async def test_a_method_that_nobody_knows_is_not_found(era: str, source: PlayedSource) -> None:
    async with opened(source, era) as client:
        assert (await client.request("odd/method"))["error"]["code"] == -32601
