"""What a caller can be asked, and which log messages are for it."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

import pytest

from magictunnel.catalog.model import Entry, Json
from magictunnel.errors import CannotAsk
from magictunnel.wire.caller import LEVELS, Caller, Nobody, missing_capability, most_verbose

URL = {"mode": "url", "url": "https://x.example", "elicitationId": "e"}


@pytest.mark.parametrize(
    ("capabilities", "method", "params", "missing"),
    [
        ({"elicitation": {}}, "elicitation/create", {}, ""),
        ({"elicitation": {"form": {}}}, "elicitation/create", {"mode": "form"}, ""),
        ({"elicitation": {"form": {}, "url": {}}}, "elicitation/create", URL, ""),
        ({"elicitation": {}}, "elicitation/create", URL, "elicitation.url"),
        ({"elicitation": {"form": {}}}, "elicitation/create", URL, "elicitation.url"),
        ({"elicitation": {"url": {}}}, "elicitation/create", {}, "elicitation.form"),
        ({}, "elicitation/create", {}, "elicitation"),
        ({"elicitation": None}, "elicitation/create", {}, "elicitation"),
        ({"elicitation": True}, "elicitation/create", {}, "elicitation"),
        ({"sampling": {}}, "sampling/createMessage", {}, ""),
        ({"sampling": {}}, "sampling/createMessage", {"tools": []}, "sampling.tools"),
        ({"sampling": {}}, "sampling/createMessage", {"toolChoice": {}}, "sampling.tools"),
        ({"sampling": {"tools": {}}}, "sampling/createMessage", {"tools": []}, ""),
        ({"elicitation": {}}, "sampling/createMessage", {}, "sampling"),
        ({"roots": {}}, "roots/list", {}, ""),
        ({"sampling": {}}, "roots/list", {}, "roots"),
        ({}, "vendor/ask", {}, ""),
    ],
)
def test_a_question_needs_the_capability_that_answers_it(
    capabilities: Json, method: str, params: Json, missing: str
) -> None:
    assert missing_capability(capabilities, method, params) == missing
    assert Caller("c", capabilities=capabilities).lacks(method, params) == missing


@pytest.mark.parametrize(
    ("wanted", "level", "is_wanted"),
    [
        ("warning", "warning", True),
        ("warning", "emergency", True),
        ("warning", "notice", False),
        ("debug", "debug", True),
        ("emergency", "alert", False),
        ("warning", "odd", True),
        ("warning", None, True),
    ],
)
@pytest.mark.parametrize("stateless", [True, False])
def test_a_log_message_is_for_whoever_set_a_level_that_lets_it_through(
    stateless: bool, wanted: str, level: Any, is_wanted: bool
) -> None:
    """One of a severity that does not exist is not ours to judge."""
    assert Caller("c", stateless=stateless, log_level=wanted).wants(level) is is_wanted


def test_without_a_level_a_session_hears_all_and_a_stateless_request_nothing() -> None:
    assert Caller("c", session="h1").wants("debug")
    assert not Caller("c", stateless=True).wants("emergency")


def test_the_most_verbose_level_is_the_one_that_lets_most_through() -> None:
    assert most_verbose("error", "info", "critical") == "info"
    assert most_verbose(*LEVELS) == "debug"
    assert most_verbose(None, "error", "odd") == "error"
    assert most_verbose(None, "odd") is None
    assert most_verbose() is None


@pytest.mark.anyio
async def test_a_caller_that_nobody_reaches_is_told_nothing_and_cannot_be_asked() -> None:
    caller = Caller("c")
    await caller.back.tell("notifications/message", {})

    with pytest.raises(CannotAsk, match="roots/list cannot be asked: nobody is there"):
        await caller.back.ask("roots/list", {})


def test_a_caller_that_is_reached_in_another_way_is_the_same_in_all_else() -> None:
    def nothing(_entry: Entry) -> bool:
        return False

    caller = Caller("c", "h1", True, {"roots": {}}, "error", nothing)
    back = Nobody()

    other = caller.with_back(back)
    assert other == caller
    assert other.back is back
    assert {field.name for field in fields(Caller)} == {*Caller.__slots__}
    assert all(getattr(other, field.name) is getattr(caller, field.name) for field in fields(Caller)[:-1])
