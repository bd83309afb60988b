"""The sort of a tool decides by which door it is called: what does not say, or contradicts itself, is the worst."""

from __future__ import annotations

from typing import Any

import pytest

from magictunnel.discovery.effects import Effect, effect_of
from magictunnel.discovery.tools import door


@pytest.mark.parametrize(
    ("annotations", "effect"),
    [
        ({"readOnlyHint": True}, Effect.READ),
        ({"readOnlyHint": True, "destructiveHint": False}, Effect.READ),
        ({"readOnlyHint": False, "destructiveHint": False}, Effect.WRITE),
        ({"destructiveHint": False}, Effect.WRITE),
        ({}, Effect.DESTRUCTIVE),
        (None, Effect.DESTRUCTIVE),
        ("readOnlyHint", Effect.DESTRUCTIVE),
        ([{"readOnlyHint": True}], Effect.DESTRUCTIVE),
        ({"destructiveHint": True}, Effect.DESTRUCTIVE),
        ({"readOnlyHint": True, "destructiveHint": True}, Effect.DESTRUCTIVE),
        ({"readOnlyHint": True, "destructiveHint": "yes"}, Effect.DESTRUCTIVE),
        ({"readOnlyHint": True, "destructiveHint": None}, Effect.READ),
        ({"readOnlyHint": "true"}, Effect.DESTRUCTIVE),
        ({"readOnlyHint": 1}, Effect.DESTRUCTIVE),
        ({"destructiveHint": 0}, Effect.DESTRUCTIVE),
        ({"idempotentHint": True}, Effect.DESTRUCTIVE),
    ],
)
def test_the_sort_of_a_tool(annotations: Any, effect: Effect) -> None:
    assert effect_of({"name": "t", "annotations": annotations}) is effect


@pytest.mark.parametrize("effect", Effect)
def test_a_door_says_to_a_host_what_goes_through_it(effect: Effect) -> None:
    assert effect_of(door(effect)) is effect
    assert door(effect)["name"] == effect.door
