"""Servers that others wrote: through us, a client gets what a direct connection gives it, field by field."""

from __future__ import annotations

import pytest

from tests.peers.compare import KINDS, SERVER_INFO
from tests.peers.install import NO_NODE, NODE
from tests.peers.recorder import ROUTES, Recorder, Route
from tests.peers.servers import FROM_NPM, FROM_PYPI, OVER_HTTP, OVER_SSE, Ask

needs_node = pytest.mark.skipif(NODE is None, reason=NO_NODE)
every_route = pytest.mark.parametrize("route", ROUTES, ids=str)
every_server = pytest.mark.parametrize(
    "name", [*(pytest.param(name, marks=needs_node) for name in FROM_NPM), *FROM_PYPI]
)
over_the_network = pytest.mark.parametrize("name", [OVER_HTTP, OVER_SSE])
in_both_eras = pytest.mark.parametrize("route", ROUTES[:2], ids=str)


@every_route
@pytest.mark.parametrize("kind", KINDS)
def test_a_client_sees_the_sum_of_what_each_server_shows(recorder: Recorder, route: Route, kind: str) -> None:
    key = KINDS[kind][1]
    wanted = recorder.merged(route.era, kind)
    listed = recorder.through(tuple(recorder.servers), route).listed[kind]
    assert {entry[key]: entry for entry in listed} == {entry[key]: entry for entry in wanted}
    assert [entry[key] for entry in listed] == [entry[key] for entry in wanted]


@every_route
@every_server
def test_a_server_answers_as_if_nobody_stood_in_between(recorder: Recorder, route: Route, name: str) -> None:
    assert recorder.differences(name, route, recorder.through(tuple(recorder.servers), route)) == {}


@needs_node
@pytest.mark.parametrize("route", [route for route in ROUTES if route.era == "stateless"], ids=str)
def test_a_tool_that_runs_as_a_task_alone_has_a_result_for_a_stateless_client(recorder: Recorder, route: Route) -> None:
    direct = recorder.direct("everything", route.era).answered["everything"]["task wanted"]["result"]
    ours = recorder.through(tuple(recorder.servers), route).answered["everything"]["task wanted"]["result"]
    assert direct["isError"]
    assert not ours.get("isError")
    assert ours["content"][0]["text"].startswith("# Research Report: x")


@needs_node
@in_both_eras
@over_the_network
def test_a_server_over_the_network_does_too(recorder: Recorder, route: Route, name: str) -> None:
    tour = recorder.through((name,), route)
    direct = recorder.direct(name, route.era)
    for kind, (_, key) in KINDS.items():
        named = [
            entry | ({key: entry[key].removeprefix(f"{name}__")} if key == "name" else {})
            for entry in tour.listed[kind]
        ]
        assert named == direct.listed[kind]
    assert recorder.differences(name, route, tour) == {}


@every_server
def test_every_tool_prompt_and_resource_of_it_is_asked_for(recorder: Recorder, name: str) -> None:
    server = recorder.server(name)
    asked = {str(ask.params.get("name")) for ask in server.asks.values()}
    listed = recorder.direct(name, "handshake").listed
    offered = {str(entry["name"]) for kind in ("tools", "prompts") for entry in listed[kind]}
    assert offered - asked - set(server.not_called) == set()
    asked_uris = {ask.params["uri"] for ask in server.asks.values() if "uri" in ask.params}
    assert bool(asked_uris) == bool(listed["resources"])


@needs_node
def test_the_tours_show_everything_that_an_answer_can_have(recorder: Recorder) -> None:
    answers = [
        answer for name in recorder.servers for answer in recorder.direct(name, "handshake").answered[name].values()
    ]
    results = [answer["result"] for answer in answers if "result" in answer]
    blocks = [block for result in results for block in result.get("content", [])]
    contents = [content for result in results for content in result.get("contents", [])]
    assert {block["type"] for block in blocks} == {"text", "image", "audio", "resource_link", "resource"}
    assert {key for content in contents for key in content} >= {"uri", "mimeType", "text", "blob", "_meta"}
    assert {key for result in results for key in result} >= {
        "content", "contents", "messages", "completion", "structuredContent", "isError", "_meta", "description",
    }  # fmt: skip
    assert {answer["error"]["code"] for answer in answers if "error" in answer} >= {-32602, -32603}
    assert [told["progressToken"] for answer in answers for told in answer.get("told", [])] == ["p"] * 3 + [0] * 2


@pytest.mark.parametrize("route", [route for route in ROUTES if route.era == "stateless"], ids=str)
def test_the_stateless_era_is_told_what_it_demands(recorder: Recorder, route: Route) -> None:
    for name, answers in recorder.through(tuple(recorder.servers), route).answered.items():
        for label, ask in recorder.server(name).asks.items():
            if (result := answers[label].get("result")) is None:
                continue
            assert result["resultType"] == "complete"
            assert result["_meta"][SERVER_INFO]["name"] == "magictunnel"
            assert ("ttlMs" in result, "cacheScope" in result) == (ask.method == "resources/read",) * 2


@every_route
def test_what_nobody_has_is_refused_as_the_protocol_says(recorder: Recorder, route: Route) -> None:
    asks = [
        Ask("tools/call", {"name": "git__nothing", "arguments": {}}),
        Ask("prompts/get", {"name": "fetch__nothing"}),
        Ask("resources/read", {"uri": "nobody://has/this"}),
        Ask(
            "completion/complete", {"ref": {"type": "ref/prompt", "name": "x"}, "argument": {"name": "a", "value": ""}}
        ),
    ]
    servers = {name: recorder.servers[name] for name in ("git", "fetch", "fast")}

    async def record() -> None:
        _, answers = await recorder.ask_through(servers, route, asks)
        tool, prompt, resource, completion = (answer["error"]["code"] for answer in answers)
        assert (tool, prompt) == (-32602, -32602)
        assert resource == -32602, "one server has resources, so what it says itself is passed on"
        assert completion in (-32601, -32602), "none of these three completes anything"

    recorder.run(record)


@needs_node
@every_route
def test_two_servers_with_the_same_resources_are_told_apart(recorder: Recorder, route: Route) -> None:
    page = "demo://resource/static/document/features.md"
    direct = recorder.direct("everything", "handshake")

    async def record() -> None:
        async with recorder.running(OVER_HTTP) as remote:
            servers = {"one": recorder.servers["everything"], "two": remote}
            asks = [Ask("resources/read", {"uri": f"{name}+{page}"}) for name in servers]
            ambiguous = Ask("resources/read", {"uri": page})
            tour, (first, second, refused) = await recorder.ask_through(servers, route, [*asks, ambiguous])
        for kind in ("resources", "resourceTemplates"):
            key = KINDS[kind][1]
            wanted = [entry | {key: f"{name}+{entry[key]}"} for name in servers for entry in direct.listed[kind]]
            assert tour.listed[kind] == wanted
        contents = direct.answered["everything"]["static"]["result"]["contents"]
        for name, answer in (("one", first), ("two", second)):
            assert answer["result"]["contents"] == [contents[0] | {"uri": f"{name}+{page}"}]
        assert refused["error"]["code"] in (-32002, -32602)

    recorder.run(record)
