"""Requests of all kinds that a client may make one after the other, and how their answers are told."""

from __future__ import annotations

import json

from hypothesis import strategies as st

from tests.fuzz.client import Answer, call, fields, head, message

HEALTH = b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n"


KINDS = (
    "hot",
    "session",
    "told",
    "session told",
    "big",
    "chunked",
    "health",
    "junk method",
    "refused",
    "empty line",
    "offered",
    "offered told",
)


def _is_told_apart(kinds: list[str]) -> bool:
    """Whether no offer to speak another protocol may be in one piece with a request in chunks before it: where that
    ends, only uvicorn knows, which then overlooks no offer.
    """
    return not any("offered" in after for after in kinds[kinds.index("chunked") :]) if "chunked" in kinds else True


kinds = st.lists(st.sampled_from(KINDS), min_size=1, max_size=6).filter(_is_told_apart)


def request(kind: str, number: int, session: str) -> bytes:
    """One request of a kind; its number is its id and what it asks to hear again."""
    nonce = {"nonce": number}
    own = session if "session" in kind else ""
    match kind:
        case "hot" | "session":
            return call(number, nonce, session=own)
        case "told" | "session told":
            return call(number, nonce, "e__told", own, token=f"t{number}")
        case "big":
            return call(number, nonce | {"filler": "x" * 100_000})
        case "offered" | "offered told":
            offer = {"connection": "Upgrade, HTTP2-Settings", "upgrade": "h2c", "http2-settings": "AAEAAEAA"}
            tool = "e__told" if "told" in kind else "e__echo"
            body = json.dumps(message(number, nonce, tool, token=f"t{number}")).encode()
            return head(fields() | offer | {"mcp-name": tool}, len(body)) + body
        case "chunked":
            body = json.dumps(message(number, nonce)).encode()
            pieces = b"".join(b"%x\r\n%s\r\n" % (len(one), one) for one in (body[:9], body[9:]))
            return head(fields() | {"transfer-encoding": "chunked"}, None) + pieces + b"0\r\n\r\n"
        case "junk method":
            body = json.dumps(message(number, nonce) | {"method": "no/such"}).encode()
            return head(fields() | {"mcp-method": "no/such"}, len(body)) + body
        case "refused":
            return call(number, nonce).replace(b"host: 127.0.0.1", b"host: evil.test")
        case "empty line":
            return b"\r\n" + call(number, nonce)
    return HEALTH


def judge(kind: str, number: int, answer: Answer) -> None:
    """That it is the answer to this request and no other."""
    status, final = answer.status, answer.final if kind not in ("health", "refused") else {}
    match kind:
        case "health":
            assert (status, answer.body) == (200, b'{"status":"ok"}')
        case "refused":
            assert status == 421
        case "junk method":
            assert (final["id"], final["error"]["code"]) == (number, -32601)
        case _:
            assert final.get("result"), (number, final)
            assert (final["id"], answer.echoed["nonce"]) == (number, number), answer
