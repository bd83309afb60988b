"""A result that is too large is told in part, and kept whole for a while under a URI that nobody guesses."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from magictunnel.capabilities.content.spill import STRUCTURED, Spills
from magictunnel.wire.codec import dumps

Json = dict[str, Any]


def text(words: str) -> Json:
    return {"type": "text", "text": words}


def link(result: Json) -> Json:
    """The link to the whole of it, which comes last."""
    last: Json = result["content"][-1]
    assert last["type"] == "resource_link"
    return last


def whole(spills: Spills, result: Json) -> list[Json]:
    """What is to be read of the rest."""
    read = spills.read(link(result)["uri"])
    assert read is not None
    contents: list[Json] = read["contents"]
    assert all(one.pop("uri") == link(result)["uri"] for one in contents)
    return contents


def test_what_fits_stays_the_very_result() -> None:
    result = {"content": [text("x" * 50), text("ü" * 25)], "structuredContent": {"a": 1}, "_meta": {}}

    assert Spills().fit(result, 100) is result


def test_of_a_long_text_the_beginning_stays_and_the_whole_can_be_read() -> None:
    spills, words = Spills(), "".join(f"line {n}\n" for n in range(1_000))
    result = spills.fit({"content": [text(words)], "_meta": {"x": 1}}, 100)
    beginning, note, _link = result["content"]

    assert words.startswith(beginning["text"])
    assert 50 < len(beginning["text"]) <= 100
    assert words[len(beginning["text"])] == "\n"
    assert link(result)["uri"] in note["text"]
    assert link(result)["size"] == len(words)
    assert link(result)["mimeType"] == "text/plain"
    assert whole(spills, result) == [{"mimeType": "text/plain", "text": words}]
    assert result["_meta"] == {"x": 1}


@given(st.text(min_size=1), st.integers(1, 40))
def test_no_character_is_halved_and_nothing_is_lost(words: str, limit: int) -> None:
    spills = Spills()
    result = spills.fit({"content": [text(words)]}, limit)
    if len(words.encode()) <= limit:
        assert result == {"content": [text(words)]}
        return
    told = "".join(block["text"] for block in result["content"][:-2])

    assert words.startswith(told)
    assert len(told.encode()) <= limit
    assert whole(spills, result) == [{"mimeType": "text/plain", "text": words}]


def test_images_and_blobs_spill_whole_and_what_fits_stays_in_order() -> None:
    spills = Spills()
    image = {"type": "image", "data": "A" * 1_000, "mimeType": "image/png"}
    blob = {"type": "resource", "resource": {"uri": "x:1", "mimeType": "application/pdf", "blob": "B" * 1_000}}
    result = spills.fit({"content": [text("before"), image, blob, text("after")]}, 100)

    assert result["content"][:2] == [text("before"), text("after")]
    assert link(result)["mimeType"] == "image/png"
    assert whole(spills, result) == [
        {"mimeType": "image/png", "blob": "A" * 1_000},
        {"mimeType": "application/pdf", "blob": "B" * 1_000},
    ]


def test_several_long_texts_are_one_resource() -> None:
    spills = Spills()
    result = spills.fit({"content": [text(f"{n}" * 100) for n in range(5)]}, 250)

    assert [block["type"] for block in result["content"]] == ["text", "text", "text", "text", "resource_link"]
    assert [one["text"][0] for one in whole(spills, result)] == ["2", "3", "4"]


def test_a_block_of_an_unknown_kind_is_kept_as_json() -> None:
    spills, odd = Spills(), {"type": "hologram", "beams": ["x"] * 100}
    result = spills.fit({"content": [odd]}, 50)

    assert json.loads(whole(spills, result)[0]["text"]) == odd


def test_an_error_stays_an_error() -> None:
    result = Spills().fit({"content": [text("x" * 100)], "isError": True}, 10)

    assert result["isError"] is True


ODD = st.recursive(
    st.none() | st.booleans() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["type", "text", "data", "blob", "resource", "uri", "mimeType"]),
            inner | st.sampled_from(["text", "image", "audio", "resource", "resource_link", "json"]),
        )
    ),
)


@given(ODD | st.lists(ODD), st.none() | ODD, st.integers(0, 30))
def test_odd_results_of_other_servers_break_nothing(content: Any, structured: Any, limit: int) -> None:
    spills = Spills()
    given = {"content": content, "structuredContent": structured}
    result = spills.fit(given, limit)

    if result is not given:
        assert whole(spills, result)


def test_what_nobody_can_write_is_left_to_who_is_to_write_it() -> None:
    result = {"content": [{"type": "odd", "x": "\ud800"}], "structuredContent": {"x": "\ud800"}}

    assert Spills().fit(result, 10) is result


def test_structured_content_stays_whole_where_its_text_spills() -> None:
    value = {"a": "x" * 200}
    result = Spills().fit({"content": [text(json.dumps(value))], "structuredContent": value}, 100)

    assert result["structuredContent"] == value
    assert "isError" not in result
    assert link(result)


@pytest.mark.parametrize("has_text", [True, False])
def test_structured_content_that_is_vast_is_an_error_and_can_be_read(has_text: bool) -> None:
    spills, value = Spills(), {"a": "ü" * 300}
    content = [text(json.dumps(value, indent=2))] if has_text else []
    result = spills.fit({"content": content, "structuredContent": value}, 100)

    assert result["isError"] is True
    assert "structuredContent" not in result
    assert f"more than {STRUCTURED * 100} bytes" in result["content"][0]["text"]
    (kept,) = whole(spills, result)
    assert kept["mimeType"] == "application/json"
    assert json.loads(kept["text"]) == value


def test_what_is_told_is_about_as_large_as_the_limit() -> None:
    vast = {"content": [text("y" * 100_000)] * 9, "structuredContent": {"a": "x" * 1_000_000}}

    assert len(dumps(Spills().fit(vast, 1_000))) < 3_000


def test_uris_cannot_be_guessed_and_differ_by_keeper() -> None:
    spills, named = Spills(), Spills("files")
    uris = {link(spills.fit({"content": [text("x" * 100)]}, 10))["uri"] for _ in range(100)}
    uri = link(named.fit({"content": [text("x" * 100)]}, 10))["uri"]

    assert len(uris) == 100
    assert all(one.startswith("magictunnel://spill/") and len(one) >= 50 for one in uris)
    assert uri.startswith("magictunnel://spill/files/")
    assert spills.read(uri) is None
    assert Spills().read("magictunnel://spill/") is None


class Clock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_what_is_old_is_gone() -> None:
    clock = Clock()
    spills = Spills(clock=clock, age=60.0)
    uri = link(spills.fit({"content": [text("x" * 100)]}, 10))["uri"]
    clock.now = 60.0
    assert spills.read(uri)
    clock.now = 60.1
    assert spills.read(uri) is None


def test_the_least_recently_read_go_first() -> None:
    spills = Spills(most=2)
    first, second = [link(spills.fit({"content": [text("x" * 100)]}, 10))["uri"] for _ in range(2)]
    assert spills.read(first)
    third = link(spills.fit({"content": [text("x" * 100)]}, 10))["uri"]

    assert spills.read(second) is None
    assert spills.read(first)
    assert spills.read(third)


def test_no_more_bytes_are_kept_than_are_meant_to_be() -> None:
    spills = Spills(most_bytes=250)
    uris = [link(spills.fit({"content": [text("x" * 100)]}, 10))["uri"] for _ in range(5)]

    assert [spills.read(uri) is not None for uri in uris] == [False, False, False, True, True]


def test_what_is_more_than_all_that_is_kept_is_cut_and_says_so() -> None:
    result = Spills(most_bytes=250).fit({"content": [text("x" * 1_000)]}, 10)

    assert [block["type"] for block in result["content"]] == ["text", "text"]
    assert "more than is kept" in result["content"][1]["text"]
