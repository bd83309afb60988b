"""What is said of all servers together: promised capabilities, and instructions."""

from __future__ import annotations

from typing import Any

import pytest

from magictunnel.catalog.model import Json, Kind, Listing
from magictunnel.catalog.promises import (
    MAX_ALL_INSTRUCTIONS,
    MAX_INSTRUCTIONS,
    merged_capabilities,
    merged_instructions,
    offers,
    told_to,
)


def promised(*listings: Listing, awaited: bool = False) -> Json:
    return merged_capabilities({str(at): listing for at, listing in enumerate(listings)}, awaited=awaited)


def test_what_any_server_advertises_is_promised_with_word_of_changes() -> None:
    both = promised(Listing(capabilities={"tools": {}}), Listing(capabilities={"prompts": {"listChanged": False}}))

    assert both == {"tools": {"listChanged": True}, "prompts": {"listChanged": True}}


def test_what_no_revision_of_the_protocol_knows_is_not_promised() -> None:
    assert promised(Listing(capabilities={"odd": {}, "tools": {"odd": True}})) == {"tools": {"listChanged": True}}


@pytest.mark.parametrize("name", ["completions", "logging"])
def test_completions_and_logging_are_promised_where_a_server_has_them(name: str) -> None:
    assert promised(Listing(capabilities={name: {"odd": 1}}), Listing(capabilities={})) == {name: {}}


@pytest.mark.parametrize(
    ("resources", "promise"),
    [
        ({"subscribe": True}, {"listChanged": True, "subscribe": True}),
        ({"subscribe": False}, {"listChanged": True}),
        ({}, {"listChanged": True}),
        (None, {"listChanged": True}),
        ("odd", {"listChanged": True}),
    ],
)
def test_updates_of_resources_are_promised_where_a_server_tells_of_them(resources: Any, promise: Json) -> None:
    other = Listing(capabilities={"resources": {}})

    assert promised(Listing(capabilities={"resources": resources}), other) == {"resources": promise}


@pytest.mark.parametrize("name", ["experimental", "extensions", "tasks"])
def test_what_lies_beyond_the_core_is_promised_as_its_servers_wrote_it(name: str) -> None:
    one = Listing(capabilities={name: {"x": {"deep": {"a": 1}}, "first": [1]}})
    other = Listing(capabilities={name: {"x": {"deep": {"b": 2}}, "first": [2], "more": {}}})

    assert promised(one, other) == {name: {"x": {"deep": {"a": 1, "b": 2}}, "first": [1], "more": {}}}
    assert promised(Listing(capabilities={name: {}}), Listing(capabilities={name: "odd"})) == {}


TASKS = "io.modelcontextprotocol/tasks"


def test_each_era_is_told_of_tasks_in_its_own_way() -> None:
    capabilities = {"tools": {}, "tasks": {"list": {}}, "extensions": {TASKS: {}, "vendor/x": {}}}

    assert told_to(capabilities, stateless=True) == {"tools": {}, "extensions": {TASKS: {}, "vendor/x": {}}}
    assert told_to(capabilities, stateless=False) == {
        "tools": {},
        "tasks": {"list": {}},
        "extensions": {"vendor/x": {}},
    }
    assert told_to({"extensions": {TASKS: {}}}, stateless=False) == {}


@pytest.mark.parametrize("kind", list(Kind))
def test_what_is_listed_is_promised_even_if_its_server_forgot_to_say_so(kind: Kind) -> None:
    assert promised(Listing({kind: [{kind.key: "x"}]})) == {kind.capability: {"listChanged": True}}
    assert promised(Listing({kind: []})) == {}


def test_while_a_server_is_awaited_everything_is_promised() -> None:
    assert promised(awaited=True) == {
        "tools": {"listChanged": True},
        "prompts": {"listChanged": True},
        "resources": {"listChanged": True, "subscribe": True},
        "completions": {},
        "logging": {},
    }


def test_templates_are_offered_with_resources() -> None:
    assert offers({"resources": {}}, Kind.TEMPLATE)
    assert not offers({"tools": {}}, Kind.TEMPLATE)


def test_instructions_stand_under_the_name_of_their_server_and_empty_ones_nowhere() -> None:
    assert merged_instructions({"c": "c", "b": " \n", "a": "  of a\n"}) == "# c\nc\n\n# a\nof a"
    assert merged_instructions({"b": " \n"}) == ""


def test_long_instructions_are_cut_and_say_so() -> None:
    fits = merged_instructions({"a": "i" * MAX_INSTRUCTIONS})
    cut = merged_instructions({"a": "i" * (MAX_INSTRUCTIONS + 1)})

    assert fits == "# a\n" + "i" * MAX_INSTRUCTIONS
    assert cut.endswith("i …")
    assert len(cut) == len(fits)


def test_all_instructions_together_are_bounded() -> None:
    whole = merged_instructions({f"s{number}": "i" * MAX_INSTRUCTIONS for number in range(20)})

    assert len(whole) <= MAX_ALL_INSTRUCTIONS
    assert whole.endswith("…")
