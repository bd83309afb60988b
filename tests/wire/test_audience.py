"""Who is connected, and what all of them together can do and want to hear."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from magictunnel.catalog.model import Json
from magictunnel.wire.audience import RELAYED, Audience, union
from magictunnel.wire.caller import Caller


def caller(session: str, **more: Any) -> Caller:
    return Caller(f"client {session}", session=session, **more)


@pytest.mark.parametrize(
    ("capabilities", "together"),
    [
        ([], {}),
        ([{"a": {}}], {"a": {}}),
        ([{"a": {"x": 1}}, {"a": {"y": 2}, "b": {}}], {"a": {"x": 1, "y": 2}, "b": {}}),
        ([{"a": {"x": {"deep": 1}}}, {"a": {"x": {"other": 2}}}], {"a": {"x": {"deep": 1, "other": 2}}}),
        ([{"a": 1}, {"a": 2}], {"a": 1}),
        ([{"a": {}}, {"a": True}], {"a": {}}),
        ([{"a": None}, {"a": {"x": 1}}], {"a": None}),
    ],
)
def test_objects_are_joined_key_by_key_and_of_anything_else_the_first_is_taken(
    capabilities: list[Json], together: Json
) -> None:
    assert union(capabilities) == together


def test_joining_leaves_what_is_joined_as_it_was() -> None:
    one: Json = {"a": {"x": 1}}
    union([one, {"a": {"y": 2}}])["a"]["z"] = 3

    assert one == {"a": {"x": 1}}


def test_a_server_is_told_what_at_least_one_client_can_do() -> None:
    audience = Audience(
        [caller("1", capabilities={"roots": {}}), caller("2", capabilities={"elicitation": {"url": {}}})]
    )

    assert audience.capabilities == {"roots": {}, "elicitation": {"url": {}}}


def test_while_nobody_is_there_a_server_is_told_all_that_can_be_relayed() -> None:
    audience = Audience()
    assert audience.capabilities == RELAYED
    assert not audience.prefers_handshake

    audience.join(caller("1"))
    assert audience.capabilities == {}
    assert audience.prefers_handshake


@pytest.mark.parametrize(
    ("levels", "together"),
    [
        ([], None),
        ([None, None], None),
        (["error"], "error"),
        (["error", "debug"], "debug"),
        (["error", None], "info"),
        (["debug", None], "debug"),
    ],
)
def test_nobody_misses_a_message_because_another_wants_fewer(levels: list[str | None], together: str | None) -> None:
    callers = [caller(str(number), log_level=level) for number, level in enumerate(levels)]

    assert Audience(callers).log_level == together


def test_a_level_is_that_of_its_session() -> None:
    audience = Audience([caller("1"), caller("2")])

    audience.set_level("1", "error")
    audience.set_level("nobody", "debug")

    assert [one.log_level for one in audience.callers] == ["error", None]


def test_whoever_keeps_something_for_a_session_is_told_once_that_it_ended() -> None:
    left: list[str] = []
    audience = Audience([caller("1"), caller("2")])
    audience.on_leave(left.append)

    audience.leave("1")
    audience.leave("1")

    assert left == ["1"]
    assert audience.get("1") is None
    assert [one.session for one in audience.callers] == ["2"]


def test_a_connection_of_its_own_serves_one_session_for_as_long_as_that_is_there() -> None:
    whole = Audience([caller("1", capabilities={"roots": {}}), caller("2", capabilities={"sampling": {}})])
    one = whole.alone("1")
    assert one.callers == [whole.get("1")]
    assert one.capabilities == {"roots": {}}

    whole.set_level("1", "error")
    whole.set_level("2", "debug")
    assert one.log_level == "error"

    whole.leave("1")
    assert one.callers == []
    assert not one.prefers_handshake


def nested(depth: int) -> Json:
    found: Json = {}
    for _ in range(depth):
        found = {"a": found}
    return found


@pytest.mark.parametrize("value", [{"x": "\ud800"}, {"\udc00": {}}, nested(254), nested(800)])
def test_what_no_server_can_be_told_of_one_client_is_left_out_and_its_rest_and_the_others_are_told(value: Json) -> None:
    odd = caller("1", capabilities={"roots": {}, "experimental": value})
    audience = Audience([odd])
    audience.join(replace(odd, session="2"))
    audience.join(caller("3", capabilities={"sampling": {}}))

    assert audience.capabilities == {"roots": {}, "sampling": {}}
    assert audience.alone("1").capabilities == {"roots": {}}


def test_a_client_is_kept_as_it_is_if_all_of_it_can_be_told() -> None:
    one = caller("1", capabilities={"experimental": {"x": "\U0001f600"}, "deep": nested(100)})

    assert Audience([one]).get("1") is one
