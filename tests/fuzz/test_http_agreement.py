"""Requests with something wrong in them are judged by our way to serve as by the SDK's."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from tests.fuzz.budget import tries
from tests.fuzz.client import fields, head, line, message
from tests.fuzz.gate import Gate

numbers = st.sampled_from(
    [1, -1, 0, "1", "", "x", None, True, 1.0, 1.5, 10**20, 10**400, [], {}, "é", "\u2028", "x" * 9_000]
)
odd = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=4,
)
PLACES = (
    ("jsonrpc",),
    ("id",),
    ("method",),
    ("params",),
    ("params", "name"),
    ("params", "arguments"),
    ("params", "_meta"),
    ("params", "_meta", "io.modelcontextprotocol/protocolVersion"),
    ("params", "_meta", "io.modelcontextprotocol/clientInfo"),
    ("params", "_meta", "io.modelcontextprotocol/clientCapabilities"),
    ("params", "_meta", "progressToken"),
    ("params", "cursor"),
    ("more",),
    ("result",),
    ("error",),
)
METHODS = (
    "tools/call",
    "tools/list",
    "prompts/get",
    "resources/read",
    "completion/complete",
    "resources/templates/list",
    "ping",
    "tools/List",
    "tasks/get",
    "logging/setLevel",
    "server/discover",
)


def placed(whole: dict, place: tuple[str, ...], value: object, *, is_gone: bool) -> None:
    """Put something else there, or take it away."""
    *path, last = place
    for key in path:
        whole = whole.get(key, {})
        if not isinstance(whole, dict):
            return
    if is_gone:
        whole.pop(last, None)
    else:
        whole[last] = value


@st.composite
def bodies(draw: st.DrawFn, session: str) -> bytes:
    """A request with something wrong in it, perhaps."""
    whole = message(draw(st.just(5) | numbers), {"nonce": 1}, session=session, token=draw(st.none() | st.just("t")))
    whole["method"] = draw(st.just("tools/call") | st.sampled_from(METHODS))
    if draw(st.booleans()):
        place = draw(st.sampled_from(PLACES))
        placed(whole, place, draw(numbers | odd), is_gone=draw(st.booleans()))
    text = json.dumps(whole, ensure_ascii=draw(st.booleans())).encode()
    match draw(st.sampled_from(("as it is",) * 6 + ("batch", "twice", "cut", "more", "space", "flipped"))):
        case "batch":
            text = b"[" + text + b"]"
        case "twice":
            text = text[:-1] + b',"id":99,"method":"tools/list"}'
        case "cut":
            text = text[: draw(st.integers(0, len(text)))]
        case "more":
            text += draw(st.sampled_from([b"{}", b"\0", b" x", b"]"]))
        case "space":
            text = b" \r\n\t" + text + b"\n\n"
        case "flipped":
            at = draw(st.integers(0, len(text) - 1))
            text = text[:at] + bytes([draw(st.integers(0, 255))]) + text[at + 1 :]
    return text


def agree(running: Gate, ours: bytes, sdks: bytes) -> None:
    """Both ways to serve come to the same verdict."""
    verdicts = []
    for port, data in ((running.ours, ours), (running.sdks, sdks)):
        with line(port) as wire:
            wire.send(data)
            answers = wire.answers(1)
            verdicts.append(answers[0].verdict if answers else "closed")
    running.check()
    assert verdicts[0] == verdicts[1], (verdicts, ours)


@given(data=st.data(), method=st.sampled_from(METHODS), is_routed=st.booleans())
@tries(60)
def test_a_body_is_judged_as_the_sdk_judges_it(
    running: Gate, data: st.DataObject, method: str, is_routed: bool
) -> None:
    body = data.draw(bodies(""))
    routing = {} if is_routed else {"mcp-method": method}
    whole = head(fields() | routing, len(body)) + body
    agree(running, whole, whole)


@given(data=st.data())
@tries(40)
def test_a_body_of_a_session_is_judged_as_the_sdk_judges_it(
    running: Gate, session: str, sdk_session: str, data: st.DataObject
) -> None:
    body = data.draw(bodies(session))
    whole = [head(fields(own), len(body)) + body for own in (session, sdk_session)]
    agree(running, whole[0], whole[1])


VALUES = {
    "host": ("localhost", "[::1]:1", "evil.test", "127.0.0.1:", "127.0.0.1:x", "LOCALHOST", "127.0.0.1:999999", ""),
    "content-type": ("text/plain", "application/json;charset=utf-8", "Application/JSON ", "application/json2", "", ";"),
    "accept": (
        "*/*",
        "application/json",
        "text/event-stream,application/json;q=0",
        "",
        ",,",
        "APPLICATION/JSON,TEXT/EVENT-STREAM",
    ),
    "mcp-protocol-version": (
        "2025-11-25",
        "2025-06-18",
        "2024-11-05",
        "1999-01-01",
        "",
        "2026-07-28 ",
        "2026-07-28, 2026-07-28",
    ),
    "mcp-method": ("tools/list", "TOOLS/CALL", "", "tools/call,tools/call"),
    "mcp-name": (
        "e__told",
        "",
        "=?base64?ZV9fZWNobw==?=",
        "=?base64?!?=",
        "=?BASE64?ZV9fZWNobw==?=",
        "E__echo",
        "e__echo\t",
    ),
    "mcp-session-id": ("", "nobody", "x" * 300, "\xff"),
    "mcp-param-x": ("1", ""),
    "origin": ("http://evil.test", "http://localhost:1", "null", ""),
    "connection": ("close", "keep-alive", "Keep-Alive, x", "upgrade"),
    "last-event-id": ("1",),
    "x-filler": ("y" * 9_000, "\xe9\t \x7e"),
    "content-encoding": ("gzip", "identity"),
    "te": ("trailers",),
    "expect": ("100-continue",),
}


@given(changes=st.lists(st.sampled_from(tuple(VALUES)), min_size=1, max_size=3, unique=True), data=st.data())
@tries(60)
def test_a_head_is_judged_as_the_sdk_judges_it(running: Gate, changes: list[str], data: st.DataObject) -> None:
    own = fields()
    for name in changes:
        value = data.draw(st.none() | st.sampled_from(VALUES[name]))
        if value is None:
            own.pop(name, None)
        else:
            own[name] = value
    body = json.dumps(message(1, {"nonce": 1})).encode()
    whole = head(own, len(body)) + body
    agree(running, whole, whole)
