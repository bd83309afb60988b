"""Only what is exactly right is answered at once; from the first other message on, everything is for others."""

from __future__ import annotations

import json
from typing import Any

import mcp_types
import pytest
from hypothesis import given
from hypothesis import strategies as st

from magictunnel.front import decode, first_talk
from magictunnel.front.first_talk import CLIENT_CAPABILITIES, CLIENT_INFO, LOG_LEVEL, PROTOCOL_VERSION, Talk
from magictunnel.front.first_words import Words, name_of
from magictunnel.wire.codec import dumps
from tests.support.raw import HANDSHAKE, STATELESS, Json

ABOUT = {"name": "raw", "version": "1"}
OPENING = {"protocolVersion": HANDSHAKE, "capabilities": {}, "clientInfo": ABOUT}
META = {PROTOCOL_VERSION: STATELESS, CLIENT_CAPABILITIES: {}, CLIENT_INFO: ABOUT}


def words() -> Words:
    """Each answer is its own name."""
    names = [name_of("initialize", HANDSHAKE, view) for view in ("others", "deferring")]
    for view in ("others", "deferring"):
        names += [name_of(method, "", view) for method in ("ping", "tools/list")]
        names += [name_of(method, STATELESS, view) for method in ("server/discover", "tools/list")]
    body, places = b"", {}
    for name in names:
        places[name] = (len(body), len(name))
        body += name.encode()
    return Words(("claude-code",), places, body)


def line(method: str, params: Any = None, **more: Any) -> bytes:
    message = {"jsonrpc": "2.0", "id": 1, "method": method} | ({} if params is None else {"params": params}) | more
    return json.dumps({key: value for key, value in message.items() if value is not ...}).encode()


def answer(talk: Talk, *args: Any, **more: Any) -> str | None:
    heard = talk.take(line(*args, **more))
    return None if heard is None else heard.answer.decode()


def opened(name: str = "raw") -> Talk:
    talk = Talk(words())
    assert answer(talk, "initialize", OPENING | {"clientInfo": ABOUT | {"name": name}})
    return talk


def test_the_words_of_the_protocol_are_the_sdks() -> None:
    assert first_talk.PROTOCOL_VERSION == mcp_types.PROTOCOL_VERSION_META_KEY
    assert first_talk.CLIENT_INFO == mcp_types.CLIENT_INFO_META_KEY
    assert first_talk.CLIENT_CAPABILITIES == mcp_types.CLIENT_CAPABILITIES_META_KEY
    assert first_talk.LOG_LEVEL == mcp_types.LOG_LEVEL_META_KEY
    assert set(first_talk.LISTS) == set(decode.LISTS)


@pytest.mark.parametrize(("name", "view"), [("raw", "others"), ("claude-code", "deferring")])
def test_a_client_that_shakes_hands_is_answered_by_its_name(name: str, view: str) -> None:
    talk = Talk(words())

    about = OPENING | {"clientInfo": ABOUT | {"name": name}}
    assert answer(talk, "initialize", about) == name_of("initialize", HANDSHAKE, view)
    assert answer(talk, "notifications/initialized", id=...) == ""
    assert answer(talk, "tools/list") == name_of("tools/list", "", view)
    assert answer(talk, "tools/list", {}, id="a") == name_of("tools/list", "", view)
    assert answer(talk, "ping", {"_meta": {"progressToken": 1}}) == name_of("ping", "", view)


@pytest.mark.parametrize(("name", "view"), [("raw", "others"), ("claude-code", "deferring")])
def test_a_client_of_the_stateless_era_is_answered_by_each_request(name: str, view: str) -> None:
    talk, params = Talk(words()), {"_meta": META | {CLIENT_INFO: ABOUT | {"name": name}}}

    assert answer(talk, "server/discover", params) == name_of("server/discover", STATELESS, view)
    assert answer(talk, "tools/list", params) == name_of("tools/list", STATELESS, view)
    assert answer(talk, "initialize", OPENING) is None
    assert answer(Talk(words()), "tools/list", params) == name_of("tools/list", STATELESS, view)


@pytest.mark.parametrize(
    "changed",
    [
        {"protocolVersion": "2099-01-01"},
        {"protocolVersion": 1},
        {"capabilities": None},
        {"capabilities": {"roots": True}},
        {"capabilities": {"roots": {"listChanged": 1}}},
        {"capabilities": {"sampling": {"tools": []}}},
        {"capabilities": {"experimental": {"x": 1}}},
        {"capabilities": {"other": {}}},
        {"clientInfo": None},
        {"clientInfo": {"name": "raw"}},
        {"clientInfo": ABOUT | {"icons": []}},
        {"clientInfo": ABOUT | {"title": 1}},
        {"_meta": []},
        {"_meta": {"progressToken": True}},
        {"_meta": {PROTOCOL_VERSION: STATELESS}},
        {"more": 1},
    ],
)
def test_a_handshake_that_may_be_refused_is_left_to_others(changed: Json) -> None:
    assert answer(Talk(words()), "initialize", OPENING | changed) is None


@pytest.mark.parametrize(
    "capabilities",
    [
        {"roots": {}, "sampling": {"tools": {}}, "elicitation": {"form": {}, "url": {}}},
        {"roots": {"listChanged": True}, "experimental": {"x": {"y": [1]}}, "extensions": {"a/b": {}}},
        {"tasks": {"list": {}, "requests": {"sampling": {"createMessage": {}}}}},
    ],
)
def test_what_hosts_can_do_is_no_reason_to_wait(capabilities: Json) -> None:
    assert answer(Talk(words()), "initialize", OPENING | {"capabilities": capabilities})


@pytest.mark.parametrize(
    "meta", [{CLIENT_CAPABILITIES: ...}, {PROTOCOL_VERSION: "2099-01-01"}, {PROTOCOL_VERSION: 1}, {LOG_LEVEL: "info"}]
)
def test_an_envelope_that_may_be_refused_is_left_to_others(meta: Json) -> None:
    given = {key: value for key, value in (META | meta).items() if value is not ...}

    assert answer(Talk(words()), "tools/list", {"_meta": given}) is None


@pytest.mark.parametrize(
    ("method", "params", "more"),
    [
        ("tools/call", {"name": "x"}, {}),
        ("tools/list", {"cursor": "x"}, {}),
        ("tools/list", {"cursor": None}, {}),
        ("tools/list", [], {}),
        ("tools/list", {"_meta": {"x": 1}}, {}),
        ("tools/list", {"_meta": META}, {}),
        ("prompts/list", None, {}),
        ("initialize", OPENING, {}),
        ("tools/list", None, {"id": None}),
        ("tools/list", None, {"id": True}),
        ("tools/list", None, {"id": 1.0}),
        ("tools/list", None, {"id": "é"}),
        ("tools/list", None, {"id": "x" * 129}),
        ("tools/list", None, {"jsonrpc": "1.0"}),
        ("tools/list", None, {"result": {}}),
        ("notifications/x", [], {"id": ...}),
    ],
)
def test_any_other_message_is_for_others(method: str, params: Any, more: Json) -> None:
    assert answer(opened(), method, params, **more) is None


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"[]",
        b"junk",
        b"\xff",
        b'{"jsonrpc":"2.0","method":"x","params":{"a":NaN}}',
        b'{"jsonrpc":"2.0","method":"x","params":{"a":"\\ud800"}}',
        b'{"jsonrpc":"2.0","method":"x","params":' + b'{"a":' * 500 + b"1" + b"}" * 500 + b"}",
        b'{"jsonrpc":"2.0","id":' + b"1" * 5_000 + b',"method":"ping"}',
        b'{"jsonrpc":"2.0","id":1,"result":{}}',
        line("tools/list").decode().encode("utf-16"),
        b'{"jsonrpc":"2.0","method":"x","params":{"a":"' + b"x" * 70_000 + b'"}}',
    ],
)
def test_what_could_be_read_in_two_ways_is_for_others(text: bytes) -> None:
    assert opened().take(text) is None


@pytest.mark.parametrize("method", ["tools/list", "ping", "server/discover"])
def test_nothing_is_answered_before_an_opening(method: str) -> None:
    assert answer(Talk(words()), method) is None


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(max_size=5), lambda inner: st.lists(inner)))
def test_no_value_for_params_is_an_error(value: Any) -> None:
    for method in ("initialize", "tools/list", "server/discover"):
        answer(opened(), method, value)
        answer(opened(), method, {"_meta": value, "clientInfo": value, "capabilities": value})
        answer(Talk(words()), method, {"_meta": META | {CLIENT_INFO: value}})


@pytest.mark.parametrize("depth", [10, 150, 260, 390])
def test_what_is_answered_can_be_told_again_to_those_who_come_later(depth: int) -> None:
    deep: Any = []
    for _ in range(depth):
        deep = [deep]
    heard = Talk(words()).take(line("tools/list", {"_meta": META | {"x": deep}}))
    if heard is not None:
        dumps(heard.message)
    assert (heard is None) == (depth > 200)
