"""What the index keeps, how it changes, and that no definition can break it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from magictunnel.catalog.model import Entry, Json, Kind
from magictunnel.discovery.documents import MAX_DESCRIPTION, fields, tags, views
from magictunnel.discovery.index import FIRST, NAME, PROPERTY, TAIL, Index
from magictunnel.discovery.search import Scope, search


def entry(backend: str, name: str, description: Any = "", kind: Kind = Kind.TOOL, **more: Any) -> Entry:
    return Entry(kind, f"{backend}__{name}", backend, name, {"name": name, "description": description, **more})


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=12,
)
ODD = st.fixed_dictionaries(
    {},
    optional=dict.fromkeys(
        ("description", "title", "inputSchema", "annotations", "_meta", "tags", "arguments", "name"), JSON
    ),
)


# --- its life


def test_it_holds_what_each_backend_offers_now() -> None:
    index = Index().replaced("a", [entry("a", "x"), entry("a", "y")]).replaced("b", [entry("b", "x")])

    assert len(index) == 3
    assert [one.name for one in index] == ["a__x", "a__y", "b__x"]
    assert [one.name for one in index.replaced("a", [entry("a", "z")])] == ["a__z", "b__x"]
    assert [one.name for one in index.replaced("a", [])] == ["b__x"]
    assert len(index) == 3


def test_a_change_of_one_backend_leaves_the_others_as_they_are() -> None:
    before = Index().replaced("a", [entry("a", "x")]).replaced("b", [entry("b", "x")])

    after = before.replaced("b", [entry("b", "y")])

    assert after.shards["a"] is before.shards["a"]


def test_the_order_in_which_backends_join_leaves_no_trace() -> None:
    groups = {name: [entry(name, "list_files", "List files."), entry(name, "get_file")] for name in "cab"}
    one = Index.of(groups)
    other = Index()
    for name in "bca":
        other = other.replaced(name, groups[name])

    ranked = [[found.entry.name for found in search(index, "list files").ranked] for index in (one, other)]

    assert ranked[0] == ranked[1]


@given(
    st.lists(st.tuples(st.sampled_from("abc"), st.lists(st.sampled_from(["send mail", "list", "mail"]), max_size=3)))
)
def test_however_it_came_about_an_index_has_the_postings_of_what_is_in_it(
    changes: list[tuple[str, list[str]]],
) -> None:
    index, offered = Index(), dict[str, list[Entry]]()
    for backend, names in changes:
        offered[backend] = [entry(backend, f"{name} {at}") for at, name in enumerate(names)]
        index = index.replaced(backend, offered[backend])

    fresh = Index.of(offered)

    assert list(index) == list(fresh)
    for term in ("send", "mail", "list", "sendmail", "gone"):
        assert index.postings(term) == fresh.postings(term)


def test_a_removed_entry_is_never_found_again() -> None:
    index = Index().replaced("a", [entry("a", "send_mail", "Send a mail.")])
    assert search(index, "send a mail").ranked

    assert not search(index.replaced("a", []), "send a mail").ranked


def test_an_entry_is_found_by_kind_and_public_name() -> None:
    index = Index.of({"a": [entry("a", "x"), entry("a", "x", kind=Kind.PROMPT)], "b": [entry("b", "y")]})

    number = index.number(Kind.PROMPT, "a__x")

    assert number is not None
    assert index.document(number).entry.kind is Kind.PROMPT
    assert index.number(Kind.PROMPT, "b__y") is None


# --- what stands where


def test_a_term_is_kept_with_the_fields_in_which_it_stands() -> None:
    schema = {"properties": {"recipient": {"description": "Who gets it"}}}
    index = Index.of(
        {"a": [entry("a", "send_mail", "Send a letter.\nArgs:\n  attachment: a file", inputSchema=schema)]}
    )

    masks = {term: index.postings(term).masks.tolist() for term in ("mail", "letter", "recipi", "attach", "absent")}

    assert masks == {"mail": [NAME], "letter": [FIRST], "recipi": [PROPERTY], "attach": [TAIL], "absent": []}


@pytest.mark.parametrize(
    ("name", "thing", "verbs"),
    [
        ("storage_blob_container_get", "contain", ("get",)),
        ("GetUsersInConversation", "user", ("get",)),
        ("list_pull_requests", "request", ("list",)),
        ("tempo", "tempo", ()),
    ],
)
def test_a_name_says_what_is_done_to_what(name: str, thing: str, verbs: tuple[str, ...]) -> None:
    document = Index.of({"a": [entry("a", name)]}).document(0)

    assert (document.thing, document.verbs) == (thing, verbs)


def test_what_a_description_says_it_is_not_for_does_not_count() -> None:
    said = fields(entry("a", "x", "Reads files. Do not use it for directories. Works with links."))

    assert said.first == "Reads files."
    assert "director" not in said.rest
    assert "links" in said.rest


@pytest.mark.parametrize(
    "definition",
    [{"tags": ["one"]}, {"_meta": {"tags": ["one"]}}, {"_meta": {"_fastmcp": {"tags": ["one", 7, None]}}}],
)
def test_tags_are_read_wherever_servers_write_them(definition: Json) -> None:
    assert tags(entry("a", "x", **definition)) == ("one",)


def test_the_texts_to_embed_have_the_server_the_name_and_what_it_does() -> None:
    assert views(entry("git-hub", "listPullRequests", "List them. Paged.")) == (
        "git hub list Pull Requests. List them. Paged.",
        "list Pull Requests: List them.",
    )


def test_prompts_and_resources_are_found_when_they_are_asked_for() -> None:
    prompt = Entry(Kind.PROMPT, "p", "a", "review_code", {"name": "review_code", "arguments": [{"name": "style"}, 7]})
    resource = Entry(Kind.RESOURCE, "file:///x", "a", "file:///x", {"uri": "file:///x", "name": "Opening hours"})
    index = Index.of({"a": [prompt, resource, entry("a", "review_text")]})

    for kind, request, name in ((Kind.PROMPT, "review my code", "p"), (Kind.RESOURCE, "opening hours", "file:///x")):
        answer = search(index, request, scope=Scope(kinds=frozenset({kind})))
        assert [found.entry.name for found in answer.ranked] == [name]


# --- hostile definitions


@given(ODD)
def test_no_definition_breaks_it(definition: Json) -> None:
    odd = Entry(Kind.TOOL, "a__x", "a", "x", definition)
    index = Index.of({"a": [odd, entry("a", "read_file", "Reads a file.")]})

    assert search(index, "read the file x").ranked
    assert all(isinstance(view, str) for view in views(odd))


@pytest.mark.parametrize(
    "text", ["word " * 200_000, "x" * 1_000_000, "\n \t" * 300_000, "use a-a-a" * 100_000, ". " * 500_000]
)
def test_large_texts_are_cut(text: str) -> None:
    schema = {
        "properties": {f"{number}{text[:1000]}": {"description": text, "enum": [text] * 9} for number in range(500)}
    }

    said = fields(entry("a", text, text, title=text, inputSchema=schema, tags=[text] * 1000))

    assert len(said.name) <= 200
    assert len(said.first) + len(said.rest) + len(said.tail) <= MAX_DESCRIPTION + 10
    assert sum(len(name) + len(meaning) for name, meaning in said.properties) < 200_000
    assert len(Index.of({"a": [entry("a", text, text, title=text, inputSchema=schema)]})) == 1
