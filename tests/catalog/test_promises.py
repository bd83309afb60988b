"""What is said of all servers together: promised capabilities, and instructions."""

from __future__ import annotations

import pytest

from magictunnel.catalog.model import Json, Kind, Listing
from magictunnel.catalog.promises import (
    MAX_ALL_INSTRUCTIONS,
    MAX_INSTRUCTIONS,
    merged_capabilities,
    merged_instructions,
    offers,
)


def promised(*listings: Listing, awaited: bool = False) -> Json:
    return merged_capabilities({str(at): listing for at, listing in enumerate(listings)}, awaited=awaited)


def test_what_any_server_advertises_is_promised_with_word_of_changes() -> None:
    both = promised(Listing(capabilities={"tools": {}}), Listing(capabilities={"prompts": {"listChanged": False}}))

    assert both == {"tools": {"listChanged": True}, "prompts": {"listChanged": True}}


def test_what_we_do_not_relay_is_not_promised() -> None:
    assert promised(Listing(capabilities={"logging": {}, "tasks": {}, "experimental": {"x": {}}})) == {}
    assert promised(Listing(capabilities={"resources": {"subscribe": True}})) == {"resources": {"listChanged": True}}


def test_completions_are_promised_where_a_server_has_them() -> None:
    assert promised(Listing(capabilities={"completions": {}})) == {"completions": {}}


@pytest.mark.parametrize("kind", list(Kind))
def test_what_is_listed_is_promised_even_if_its_server_forgot_to_say_so(kind: Kind) -> None:
    assert promised(Listing({kind: [{kind.key: "x"}]})) == {kind.capability: {"listChanged": True}}
    assert promised(Listing({kind: []})) == {}


def test_while_a_server_is_awaited_everything_is_promised() -> None:
    assert set(promised(awaited=True)) == {"tools", "prompts", "resources", "completions"}


def test_templates_are_offered_with_resources() -> None:
    assert offers({"resources": {}}, Kind.TEMPLATE)
    assert not offers({"tools": {}}, Kind.TEMPLATE)


def test_instructions_stand_under_the_name_of_their_server_and_empty_ones_nowhere() -> None:
    listings = {"a": Listing(instructions="  of a\n"), "b": Listing(instructions=" \n"), "c": Listing(instructions="c")}

    assert merged_instructions(listings, ["c", "b", "a", "absent"]) == "# c\nc\n\n# a\nof a"
    assert merged_instructions(listings, ["b"]) == ""


def test_long_instructions_are_cut_and_say_so() -> None:
    fits = merged_instructions({"a": Listing(instructions="i" * MAX_INSTRUCTIONS)}, ["a"])
    cut = merged_instructions({"a": Listing(instructions="i" * (MAX_INSTRUCTIONS + 1))}, ["a"])

    assert fits == "# a\n" + "i" * MAX_INSTRUCTIONS
    assert cut.endswith("i …")
    assert len(cut) == len(fits)


def test_all_instructions_together_are_bounded() -> None:
    names = [f"s{number}" for number in range(20)]
    listings = {name: Listing(instructions="i" * MAX_INSTRUCTIONS) for name in names}

    whole = merged_instructions(listings, names)

    assert len(whole) <= MAX_ALL_INSTRUCTIONS
    assert whole.endswith("…")
