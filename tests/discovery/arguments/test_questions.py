"""Missing arguments as a form, and the answers to it."""

from __future__ import annotations

from typing import Any

import pytest

from magictunnel.catalog.model import Json
from magictunnel.discovery.arguments.questions import MAX_ASKED, answered, form

TOOL: Json = {
    "name": "book",
    "title": "Book a table",
    "inputSchema": {
        "properties": {
            "name": {"type": "string", "description": "Whose table", "minLength": 2, "pattern": "x"},
            "guests": {"type": "integer", "minimum": 1, "maximum": 12, "default": 2},
            "price": {"anyOf": [{"type": "number"}, {"type": "null"}]},
            "day": {"type": "string", "format": "date"},
            "area": {"enum": ["inside", "outside"], "description": "d" * 1000},
            "floor": {"type": "integer", "enum": [1, 2]},
            "dogs": {"type": "boolean"},
            "dishes": {"type": "array", "items": {"type": "string"}},
            "where": {"type": "object"},
            "anything": {},
            "password": {"type": "string"},
            "referred": {"$ref": "#/$defs/mail"},
        },
        "$defs": {"mail": {"type": "string", "format": "email"}},
    },
}


def test_a_form_asks_for_just_what_is_missing() -> None:
    params = form(TOOL, ["name", "guests", "day", "dogs", "referred", "price", "anything"])

    assert params is not None
    assert (params["mode"], params["message"].startswith("Book a table needs: name, guests")) == ("form", True)
    assert params["requestedSchema"] == {
        "type": "object",
        "properties": {
            "name": {"type": "string", "minLength": 2, "description": "Whose table"},
            "guests": {"type": "integer", "minimum": 1, "maximum": 12},
            "day": {"type": "string", "format": "date"},
            "dogs": {"type": "boolean"},
            "referred": {"type": "string", "format": "email"},
            "price": {"type": "number"},
            "anything": {"type": "string"},
        },
        "required": ["name", "guests", "day", "dogs", "referred", "price", "anything"],
    }


def test_listed_values_are_a_choice_and_descriptions_are_bounded() -> None:
    params = form(TOOL, ["area", "floor"])

    assert params is not None
    area, floor = params["requestedSchema"]["properties"].values()
    assert (area["enum"], floor) == (["inside", "outside"], {"type": "string", "enum": ["1", "2"]})
    assert len(area["description"]) <= 400


@pytest.mark.parametrize(
    "missing", [[], ["dishes"], ["name", "where"], ["unheard"], ["password"], ["name"] * (MAX_ASKED + 1)]
)
def test_what_a_form_cannot_ask_for_is_not_asked(missing: list[str]) -> None:
    assert form(TOOL, missing) is None


@pytest.mark.parametrize("tool", [{}, {"inputSchema": 7}, {"inputSchema": {"properties": {"name": 7}}}])
def test_a_tool_of_any_shape_has_no_form(tool: Json) -> None:
    assert form(tool, ["name"]) is None
    assert answered(tool, {"name": "x"}) == {}


def test_answers_have_the_types_that_the_tool_wants() -> None:
    content = {"name": 7, "guests": "4", "price": 2.5, "floor": "2", "area": "inside", "dogs": "no", "unheard": 1}

    assert answered(TOOL, content) == {
        "name": "7",
        "guests": 4,
        "price": 2.5,
        "floor": 2,
        "area": "inside",
        "dogs": False,
    }


@pytest.mark.parametrize(
    "content",
    [None, [], 7, {"guests": "many"}, {"guests": True}, {"area": "roof"}, {"dogs": "maybe"}, {"dishes": ["a"]}],
)
def test_answers_that_cannot_be_read_are_left_out(content: Any) -> None:
    assert answered(TOOL, content) == {}
