"""What goes with a request in each era, and what comes off a result."""

from __future__ import annotations

from typing import Any

import pytest

from magictunnel.backends.envelope import CLIENT_INFO, enveloped, forwardable, headers, inner_result
from magictunnel.errors import BadParams
from magictunnel.wire.caller import Caller

VERSION = "io.modelcontextprotocol/protocolVersion"
INFO = "io.modelcontextprotocol/clientInfo"
CAPABILITIES = "io.modelcontextprotocol/clientCapabilities"
SERVER_INFO = "io.modelcontextprotocol/serverInfo"
LOG_LEVEL = "io.modelcontextprotocol/logLevel"
CALLERS = {VERSION: "1999-01-01", INFO: {"name": "caller"}, CAPABILITIES: {"sampling": {}}, LOG_LEVEL: "debug"}


@pytest.mark.parametrize(
    ("meta", "kept"),
    [
        ({"mine": 1, "progressToken": 7, "io.modelcontextprotocol/subscriptionId": 3} | CALLERS, {"mine": 1}),
        ({"com.example/x": None}, {"com.example/x": None}),
        ({}, {}),
        (None, {}),
        ("text", {}),
        ([1], {}),
    ],
)
def test_only_what_is_meant_for_the_other_end_is_passed_on(meta: Any, kept: dict[str, Any]) -> None:
    assert forwardable(meta) == kept


def test_a_request_of_the_stateless_era_says_who_we_are_and_what_its_caller_can_do() -> None:
    params = {"name": "x", "arguments": {"odd": [None]}, "_meta": {"mine": 1, "progressToken": 7} | CALLERS}

    caller = Caller("c", stateless=True, capabilities={"elicitation": {}})
    sent = enveloped(params, "2026-07-28", caller, 12, stateless=True)

    assert sent == {
        "name": "x",
        "arguments": {"odd": [None]},
        "_meta": {
            "mine": 1,
            "progressToken": 12,
            VERSION: "2026-07-28",
            INFO: CLIENT_INFO,
            CAPABILITIES: {"elicitation": {}},
        },
    }
    assert params["_meta"][VERSION] == "1999-01-01"


def test_a_request_of_the_handshake_era_carries_no_envelope() -> None:
    def sent(params: dict[str, Any]) -> dict[str, Any]:
        caller = Caller("c", session="h1", capabilities={"sampling": {}}, log_level="debug")
        return enveloped(params, "2025-11-25", caller, 12, stateless=False)

    assert sent({"name": "x", "_meta": {"mine": 1} | CALLERS}) == {"name": "x", "_meta": {"mine": 1}}
    assert sent({"name": "x", "_meta": CALLERS}) == {"name": "x"}
    assert sent({"name": "x"}) == {"name": "x"}


@pytest.mark.parametrize("stateless", [True, False])
@pytest.mark.parametrize("token", ["t", 0, 7])
def test_progress_is_asked_for_under_our_own_number_where_the_caller_asked_for_it(stateless: bool, token: Any) -> None:
    def token_of(params: dict[str, Any]) -> Any:
        return enveloped(params, "v", Caller("c"), 12, stateless=stateless).get("_meta", {}).get("progressToken")

    assert token_of({"_meta": {"progressToken": token}}) == 12
    assert token_of({"_meta": {}}) is None
    assert token_of({}) is None


@pytest.mark.parametrize(
    ("caller", "level"),
    [
        (Caller("c", stateless=True, log_level="error"), "error"),
        (Caller("c", stateless=True), None),
        (Caller("c", session="stdio", stateless=True), None),
        (Caller("c", session="h1", log_level="error"), "error"),
        (Caller("c", session="h1"), "debug"),
        (Caller("magictunnel"), None),
    ],
    ids=["stateless", "stateless, no level", "on a pipe", "session", "session, no level", "us"],
)
def test_a_stateless_server_is_told_which_log_messages_its_caller_wants(caller: Caller, level: str | None) -> None:
    """A session that never set a level gets them all, as from a server of its own era."""
    assert enveloped({}, "v", caller, 12, stateless=True)["_meta"].get(LOG_LEVEL) == level
    assert "_meta" not in enveloped({}, "v", caller, 12, stateless=False)


def test_headers_name_the_method_and_the_entry_in_the_stateless_era() -> None:
    def sent(method: str, params: dict[str, Any]) -> dict[str, str]:
        found = headers(method, params, "2026-07-28", stateless=True, mirrored={})
        return {name.lower(): value for name, value in found.items()}

    assert sent("tools/call", {"name": "x"}) == {
        "mcp-protocol-version": "2026-07-28",
        "mcp-method": "tools/call",
        "mcp-name": "x",
    }
    assert sent("resources/read", {"uri": "x:1"})["mcp-name"] == "x:1"
    assert "mcp-name" not in sent("tools/list", {})
    assert "mcp-name" not in sent("tools/call", {"name": 7})


def test_a_name_that_is_no_header_text_is_encoded() -> None:
    name = headers("tools/call", {"name": "größe\n"}, "v", stateless=True, mirrored={})["mcp-name"]

    assert name.isascii()
    assert name.isprintable()


def test_mirrored_arguments_go_as_headers_too() -> None:
    def sent(params: dict[str, Any]) -> dict[str, str]:
        found = headers("tools/call", params, "v", stateless=True, mirrored={("region",): "Region"})
        return {name.lower(): value for name, value in found.items() if name.lower().startswith("mcp-param-")}

    assert sent({"name": "x", "arguments": {"region": "eu", "other": 1}}) == {"mcp-param-region": "eu"}
    assert sent({"name": "x", "arguments": {"other": 1}}) == {}
    assert sent({"name": "x", "arguments": "odd"}) == {}
    assert sent({"name": "x"}) == {}


@pytest.mark.parametrize(
    ("method", "params"),
    [
        ("tools/call", {"name": "\ud800"}),
        ("resources/read", {"uri": "raw://\ud800"}),
        ("tasks/get", {"taskId": "\udfff"}),
        ("tools/call", {"name": "x", "arguments": {"region": "\ud800"}}),
    ],
)
def test_half_a_character_in_a_header_is_the_request_s_own_failure(method: str, params: dict[str, Any]) -> None:
    with pytest.raises(BadParams, match="was not sent"):
        headers(method, params, "v", stateless=True, mirrored={("region",): "Region"})


def test_the_handshake_era_has_one_header() -> None:
    sent = headers("tools/call", {"name": "x"}, "2025-11-25", stateless=False, mirrored={("a",): "A"})

    assert {name.lower(): value for name, value in sent.items()} == {"mcp-protocol-version": "2025-11-25"}


@pytest.mark.parametrize(
    ("result", "inner"),
    [
        ({"content": [], "resultType": "complete"}, {"content": []}),
        ({"resultType": "complete", "_meta": {SERVER_INFO: {"name": "s"}}}, {}),
        ({"content": [], "_meta": {"mine": 1, SERVER_INFO: {}}}, {"content": [], "_meta": {"mine": 1}}),
    ],
)
def test_a_result_loses_what_belongs_to_its_connection(result: dict[str, Any], inner: dict[str, Any]) -> None:
    assert inner_result(result) == inner


@pytest.mark.parametrize(
    "result",
    [
        {"content": [], "odd": {"_meta": {SERVER_INFO: 1}}},
        {"resultType": "input_required", "requestState": "s"},
        {"_meta": {"mine": 1}},
        {"_meta": "odd"},
    ],
)
def test_any_other_result_passes_as_the_very_same_object(result: dict[str, Any]) -> None:
    assert inner_result(result) is result
