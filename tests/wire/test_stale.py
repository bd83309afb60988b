"""How servers say that they do not know our session; and what only sounds like it."""

from __future__ import annotations

import json

import pytest

from magictunnel.wire.stale import is_stale


def error(code: int, message: str) -> bytes:
    return json.dumps({"jsonrpc": "2.0", "id": None, "error": {"code": code, "message": message}}).encode()


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (404, error(-32600, "Session not found")),
        (404, error(-32001, "Session not found")),
        (400, error(-32000, "Bad Request: No valid session ID provided")),
        (400, error(-32600, "Invalid Request: Session not found")),
        (503, error(-32001, "Service Unavailable: MCP session is unknown on this API instance.")),
        (404, error(-32001, "Not Found: MCP session is unknown or expired on this API instance.")),
        (404, b"Not Found"),
        (404, b""),
        (410, b"Gone"),
        (400, error(-32000, "Bad Request: Server not initialized")),
        (400, error(-32000, "Bad Request: Mcp-Session-Id header is required: missing session")),
        (404, b"Could not find session"),
        (400, b"Session ID abc123 is invalid"),
        (400, b"session 4711 does not exist (any more)"),
        (400, b"SESSION EXPIRED"),
        (503, b"<html>\n<p>Your session\nhas expired</p></html>"),
        (404, b"\xff\xfe no text at all"),
    ],
)
def test_every_way_in_which_servers_say_that_a_session_is_lost(status: int, body: bytes) -> None:
    assert is_stale(status, body)


@pytest.mark.parametrize("body", [b"Session not found", error(-32001, "Session not found"), b""])
@pytest.mark.parametrize("status", [401, 403, 429])
def test_who_may_not_is_not_unknown(status: int, body: bytes) -> None:
    assert not is_stale(status, body)


@pytest.mark.parametrize("status", [200, 202, 304])
@pytest.mark.parametrize("body", [b"Session not found", error(-32000, "your session has expired")])
def test_a_request_that_was_taken_was_not_refused(status: int, body: bytes) -> None:
    assert not is_stale(status, body)


@pytest.mark.parametrize("status", [404, 400])
@pytest.mark.parametrize("message", ["Method not found", "Method not found in this session: unknown"])
def test_a_method_that_is_not_there_is_no_session_that_is_not_there(status: int, message: str) -> None:
    assert not is_stale(status, error(-32601, message))


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (500, b"Internal Server Error"),
        (500, error(-32603, "division by zero")),
        (502, b"Bad Gateway"),
        (503, b"Service Unavailable"),
        (400, error(-32602, "Unknown tool: x")),
        (400, error(-32602, "Missing argument: session")),
        (500, error(-32603, "the tool's database session is no longer usable, 3 rows were written")),
        (500, error(-32603, "No active session for this id")),
        (400, b"Bad Request"),
        (400, b""),
        (405, b"Method Not Allowed"),
        (500, b"the session was opened" + b"." * 81 + b"and the row not found"),
        (400, b"x" * 4_096 + b"Session not found"),
    ],
)
def test_other_refusals_are_something_else(status: int, body: bytes) -> None:
    assert not is_stale(status, body)


@pytest.mark.parametrize(
    "body",
    [
        b"[1, 2]",
        b"null",
        b'{"error": "Session not found"}',
        b'{"error": [1]}',
        b"[" * 9_000,
    ],
)
def test_what_is_no_json_rpc_is_read_as_text(body: bytes) -> None:
    assert is_stale(400, body) is (b"Session not found" in body)


@pytest.mark.parametrize("status", [404, 410])
def test_an_error_with_the_number_of_a_call_has_looked_at_the_call(status: int) -> None:
    def answer(message: str) -> bytes:
        return json.dumps({"jsonrpc": "2.0", "id": 7, "error": {"code": -32002, "message": message}}).encode()

    assert not is_stale(status, answer("Resource not found"))
    assert is_stale(status, answer("Session not found"))
