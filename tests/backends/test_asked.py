"""Whose business it is when a server asks or tells something, and when that is nobody's."""

from __future__ import annotations

from typing import Any

import pytest

from magictunnel.backends.asked import whom_to_ask, whom_to_tell
from magictunnel.catalog.model import Json
from magictunnel.errors import CannotAsk
from magictunnel.wire.caller import Caller

ROOTS: Json = {"roots": {}}


def caller(name: str, session: str = "", capabilities: Json = ROOTS, **more: Any) -> Caller:
    return Caller(name, session=session, capabilities=capabilities, **more)


A, B = caller("a", "h1"), caller("b", "h2")
A_LATER = caller("a, later", "h1")
MUTE = caller("mute", "h3", {})
ALONE, OTHER = caller("alone", stateless=True), caller("alone", stateless=True)


# --- questions


@pytest.mark.parametrize(
    ("sender", "in_flight", "present", "asked"),
    [
        (A, [A, B], [A, B], A),
        (B, [], [], B),
        (None, [A], [A, B], A),
        (None, [A, A_LATER], [B], A_LATER),
        (None, [A, MUTE], [], A),
        (None, [ALONE], [A, B], ALONE),
        (None, [], [A], A),
        (None, [], [A, MUTE], A),
    ],
    ids=[
        "on a call's own stream",
        "on the stream of a call that has ended",
        "one call under way",
        "the latest call of one client",
        "the only one that can answer",
        "a request that stands alone",
        "outside of any call",
        "outside of any call, the only one that can answer",
    ],
)
def test_a_question_goes_to_the_only_one_who_can_be_meant(
    sender: Caller | None, in_flight: list[Caller], present: list[Caller], asked: Caller
) -> None:
    assert whom_to_ask(sender, in_flight, present, "roots/list", {}) is asked


@pytest.mark.parametrize(
    ("in_flight", "present"),
    [([A, B], []), ([ALONE, OTHER], []), ([], [A, B]), ([A, ALONE], [])],
    ids=["two sessions call", "two requests that stand alone", "two sessions are there", "one of each"],
)
def test_a_question_that_could_be_for_several_is_put_to_nobody(in_flight: list[Caller], present: list[Caller]) -> None:
    with pytest.raises(CannotAsk, match="several clients are using this server") as caught:
        whom_to_ask(None, in_flight, present, "roots/list", {})

    assert "session: per_client" in caught.value.hint


@pytest.mark.parametrize(
    ("sender", "in_flight", "present", "why"),
    [
        (MUTE, [A], [A], "the client does not support roots"),
        (None, [MUTE], [A], "the client does not support roots"),
        (None, [], [MUTE], "the client does not support roots"),
        (None, [], [], "no client is there to be asked"),
    ],
)
def test_what_nobody_can_answer_is_refused_as_a_client_of_that_kind_would(
    sender: Caller | None, in_flight: list[Caller], present: list[Caller], why: str
) -> None:
    with pytest.raises(CannotAsk) as caught:
        whom_to_ask(sender, in_flight, present, "roots/list", {})

    assert caught.value.message == f"roots/list cannot be asked: {why}"
    assert caught.value.code == -32601


def test_a_part_of_a_capability_that_is_missing_is_named() -> None:
    with pytest.raises(CannotAsk, match=r"does not support elicitation\.url"):
        whom_to_ask(caller("a", "h1", {"elicitation": {}}), [], [], "elicitation/create", {"mode": "url"})


# --- messages


@pytest.mark.parametrize(
    ("sender", "in_flight", "present", "told"),
    [
        (A, [A, B], [A, B], [A]),
        (None, [A], [A, B], [A]),
        (None, [A, A_LATER], [A, B], [A_LATER]),
        (None, [A, B], [A, B], []),
        (None, [ALONE, OTHER], [], []),
        (None, [], [A, B], [A, B]),
        (None, [], [], []),
    ],
    ids=[
        "on a call's own stream",
        "one call under way",
        "several calls of one client",
        "calls of several clients",
        "requests that stand alone",
        "outside of any call",
        "nobody is there",
    ],
)
def test_a_message_goes_to_the_call_it_belongs_to_or_outside_of_any_to_every_session(
    sender: Caller | None, in_flight: list[Caller], present: list[Caller], told: list[Caller]
) -> None:
    assert [id(one) for one in whom_to_tell(sender, in_flight, present)] == [id(one) for one in told]
