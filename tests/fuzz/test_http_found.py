"""What a fuzzer has found in our reader of HTTP, and what was done about it."""

from __future__ import annotations

import json
import time

import pytest

from tests.fuzz.asking import judge, request
from tests.fuzz.client import call, fields, head, line, message, opened
from tests.fuzz.gate import Gate


def test_what_waits_behind_a_large_request_is_read_in_order(running: Gate, session: str) -> None:
    large = call(1, {"nonce": 1, "filler": "x" * 200_000}, "e__slow", session)
    with line(running.ours) as wire, line(running.ours) as other:
        wire.send(large)
        time.sleep(0.3)  # so that what follows is not read together with it
        wire.send(call(2, {"nonce": 2, "filler": "y" * 200_000}, "e__echo", session))
        time.sleep(1.2)  # the first is handed over meanwhile
        other.send(call(3, {"nonce": 3}))
        judge("hot", 3, other.answers(1)[0])
        answers = wire.answers(2)
        assert len(answers) == 2
        for number, answer in enumerate(answers, 1):
            judge("session", number, answer)


@pytest.mark.parametrize("is_one_piece", [True, False])
def test_an_offer_to_speak_another_protocol_is_passed_over(running: Gate, is_one_piece: bool) -> None:
    body = json.dumps(message(1, {"nonce": 1})).encode()
    offer = {"connection": "Upgrade, HTTP2-Settings", "upgrade": "h2c", "http2-settings": "AAEAAEAA"}
    pieces = [head(fields() | offer, len(body)) + body, call(2, {"nonce": 2})]
    with line(running.ours, patience=2.0) as wire:
        wire.send(*([b"".join(pieces)] if is_one_piece else pieces), pause=0.1)
        answers = wire.answers(2)
        assert len(answers) == 2
        for number, answer in enumerate(answers, 1):
            judge("hot", number, answer)


@pytest.mark.parametrize(("key", "value"), [("id", "\ud800"), ("method", []), ("method", {})])
def test_what_no_request_should_say_is_answered(alone: Gate, key: str, value: object) -> None:
    body = json.dumps(message(1, {"nonce": 1}) | {key: value}).encode()
    with line(alone.ours) as wire:
        wire.send(head(fields(), len(body)) + body)
        assert wire.answers(1)[0].status < 500
    alone.check()


def test_who_leaves_during_a_call_of_a_session_leaves_no_fault(alone: Gate) -> None:
    session = opened(alone.ours)
    with line(alone.ours) as wire:
        wire.send(call(1, {"nonce": 1}, "e__slow", session))
        time.sleep(0.3)  # so that it is being answered
    with line(alone.ours) as wire:
        time.sleep(1.2)  # so that it would be handed over
        wire.send(call(2, {"nonce": 2}))
        judge("hot", 2, wire.answers(1)[0])
    alone.check()


@pytest.mark.parametrize("method", ["server/discover", "initialize"])
def test_what_is_refused_in_a_session_does_not_end_it(running: Gate, method: str) -> None:
    session = opened(running.ours)
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": {}}).encode()
    with line(running.ours) as wire:
        wire.send(head(fields(session), len(body)) + body)
        assert wire.answers(1)[0].final.get("error")
        wire.send(call(2, {"nonce": 2}, session=session))
        judge("session", 2, wire.answers(1)[0])


OFFER = {"connection": "Upgrade, HTTP2-Settings", "upgrade": "h2c", "http2-settings": "AAEAAEAA"}


@pytest.mark.parametrize("what", ["no/such", "e__told"])
def test_an_offer_to_speak_another_protocol_costs_no_body(running: Gate, what: str) -> None:
    is_call = what == "e__told"
    whole = message(1, {"nonce": 1}, "e__told", token="t") | ({} if is_call else {"method": what})
    routing = {"mcp-name": what} if is_call else {"mcp-method": what}
    body = json.dumps(whole).encode()
    with line(running.ours) as wire:
        wire.send(head(fields() | OFFER | routing, len(body)) + body)
        judge("told" if is_call else "junk method", 1, wire.answers(1)[0])


@pytest.mark.parametrize("meta", [1, "x", [], True])
def test_meta_of_the_wrong_kind_is_the_clients_mistake(running: Gate, session: str, meta: object) -> None:
    whole = message(1, {"nonce": 1}, session=session)
    body = json.dumps(whole | {"params": whole["params"] | {"_meta": meta}}).encode()
    with line(running.ours) as wire:
        wire.send(head(fields(session), len(body)) + body)
        assert wire.answers(1)[0].final["error"]["code"] == -32602


def test_a_head_that_ends_as_it_should_not_is_answered(running: Gate) -> None:
    with line(running.ours, patience=2.0) as wire:
        wire.send(b"GET /health HTTP/1.1\r\nHost: localhost\n\n")
        assert wire.answers(1) or wire.is_over


def test_an_offer_behind_what_came_in_two_pieces_is_passed_over(running: Gate) -> None:
    kinds = ("hot", "hot", "hot", "offered")
    whole = b"".join(request(kind, number, "") for number, kind in enumerate(kinds, 1))
    with line(running.ours, patience=2.0) as wire:
        wire.send(whole[:1], whole[1:], pause=0.05)
        answers = wire.answers(len(kinds))
        assert len(answers) == len(kinds)
        for number, answer in enumerate(answers, 1):
            judge("hot", number, answer)


def test_an_offer_behind_the_body_of_what_is_not_hot_is_passed_over(running: Gate, session: str) -> None:
    kinds = ("refused", "hot", "offered")
    first, *others = (request(kind, number, session) for number, kind in enumerate(kinds, 1))
    cut = first.index(b"\r\n\r\n") + 4
    with line(running.ours, patience=2.0) as wire:
        wire.send(first[:cut], first[cut:] + b"".join(others), pause=0.05)
        answers = wire.answers(len(kinds))
        assert len(answers) == len(kinds)
        for number, (kind, answer) in enumerate(zip(kinds, answers, strict=True), 1):
            judge(kind, number, answer)
