"""What is found for a request, what has no say in it, and that no request breaks it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from magictunnel.catalog.model import Entry, Kind
from magictunnel.discovery.index import Index
from magictunnel.discovery.search import Answer, Scope, search, search_steps


def tool(backend: str, name: str, description: str = "", **properties: Any) -> Entry:
    schema = {"type": "object", "properties": properties}
    definition = {"name": name, "description": description, "inputSchema": schema, "tags": [backend.upper()]}
    return Entry(Kind.TOOL, f"{backend}__{name}", backend, name, definition)


MAIL = [
    tool("mail", "send_message", "Send an e-mail.", recipient={}, subject={}, body={}),
    tool("mail", "list_messages", "List the messages in the inbox."),
    tool("mail", "get_message", "Get one message by its id.", id={}),
    tool("mail", "delete_message", "Delete a message."),
    tool("mail", "send_note", "Deprecated: use send_message. Send an e-mail."),
]
FORGE = [
    tool("forge", "create_issue", "Open a new issue in a repository.", owner={}, repo={}, title={}),
    tool("forge", "list_issues", "List issues of a repository.", owner={}, repo={}),
    tool("forge", "get_pull_request", "Get the details of one pull request.", number={}),
    tool("forge", "list_pull_requests", "List the pull requests of a repository."),
]
SPEECH = [
    tool("speech", "text_to_speech", "Convert text to speech."),
    tool("speech", "speech_to_text", "Convert speech to text."),
]
ALL = Index.of({"mail": MAIL, "forge": FORGE, "speech": SPEECH})


def names(answer: Answer) -> list[str]:
    return [found.entry.original for found in answer.ranked]


# --- what is found


@pytest.mark.parametrize(
    ("request_", "first"),
    [
        ("email bob@example.com that I am late", "send_message"),
        ("show me all my messages", "list_messages"),
        ("get the message 42", "get_message"),
        ("remove that message", "delete_message"),
        ("open a bug in acme/web: it crashes", "create_issue"),
        ("which PRs are there in acme/web", "list_pull_requests"),
        ("show pull request #12", "get_pull_request"),
        ("turn this text into speech", "text_to_speech"),
        ("convert speech to text", "speech_to_text"),
    ],
)
def test_what_does_the_thing_comes_first(request_: str, first: str) -> None:
    assert names(search(ALL, request_))[0] == first


def test_what_is_deprecated_comes_behind_what_is_to_be_used_instead() -> None:
    ranked = names(search(ALL, "send an e-mail"))

    assert ranked.index("send_message") < ranked.index("send_note")


def test_words_that_are_written_together_or_apart_find_each_other() -> None:
    index = Index.of({"a": [tool("a", "keyvault_list"), tool("a", "key_list"), tool("a", "vaultSecretGet")]})

    assert names(search(index, "list the key vaults"))[0] == "keyvault_list"


def test_it_says_which_words_matched_and_what_each_feature_counted() -> None:
    found = search(ALL, "List the Issues please").ranked[0]

    assert found.words == ("list", "issues")
    assert found.score == 1.0
    assert 0 < found.confidence <= 1
    weights = [abs(weight) for weight in found.features.values()]
    assert weights == sorted(weights, reverse=True)


def test_chinese_is_found() -> None:
    index = Index.of({"a": [tool("a", "hot", "获取知乎热榜"), tool("a", "weather", "查询城市天气预报")]})

    assert names(search(index, "查一下明天的天气"))[0] == "weather"


def test_a_server_that_is_named_is_told_and_preferred() -> None:
    pair = {
        name: [tool(name, "create_page", "Create a page."), tool(name, "delete_page")] for name in ("notion", "wiki")
    }
    index = Index.of(pair | {"mail": MAIL})

    answer = search(index, "create a page in Notion")

    assert answer.servers == ("notion",)
    assert answer.ranked[0].entry.backend == "notion"


# --- when nothing fits


@pytest.mark.parametrize("request_", ["", "   ", "?!", "the of and", "xyzzy plugh", "\x00", "🦆🦆"])
def test_for_a_request_without_a_known_word_nothing_is_found(request_: str) -> None:
    answer = search(ALL, request_)

    assert (answer.ranked, answer.fits) == ((), False)


def test_for_what_nothing_here_does_it_is_said_that_nothing_fits() -> None:
    answer = search(ALL, "reserve a badminton court for the message of the day")

    assert not answer.fits
    assert all(found.confidence <= 0.25 for found in answer.ranked)
    assert search(ALL, "list the issues of the repository acme/web").fits


def test_an_empty_index_has_no_answer() -> None:
    assert search(Index(), "list the issues") == Answer()


# --- who may see it, and where


def test_what_is_not_allowed_has_no_say_in_the_order_of_the_rest() -> None:
    allowed = {entry.name for entry in (*MAIL, *FORGE)}
    answers = [
        search(ALL, request, allows=lambda entry: entry.name in allowed)
        for request in ("convert the text of a message to speech", "list text messages in speech")
    ]
    assert all(found.entry.name in allowed for answer in answers for found in answer.ranked)

    hidden = [tool("speech", f"text_speech_message_{number}", "Convert the text of a message.") for number in range(9)]
    more = Index.of({"mail": MAIL, "forge": FORGE, "speech": [*SPEECH, *hidden]})
    fewer = Index.of({"mail": MAIL, "forge": FORGE, "speech": [*SPEECH, *[tool("speech", f"x{n}") for n in range(9)]]})
    both = [search(index, "send a message", allows=lambda entry: entry.name in allowed) for index in (more, fewer)]
    assert names(both[0]) == names(both[1])


def test_a_server_of_which_nothing_is_allowed_is_not_named() -> None:
    index = Index.of({"notion": [tool("notion", "create_page")], "mail": MAIL})

    assert search(index, "create a page in Notion", allows=lambda entry: entry.backend != "notion").servers == ()


def test_the_scope_leaves_kinds_servers_and_tags() -> None:
    assert {found.entry.backend for found in search(ALL, "list", scope=Scope(servers=frozenset({"mail"}))).ranked} == {
        "mail"
    }
    assert not search(ALL, "list", scope=Scope(servers=frozenset({"nobody"}))).ranked
    assert {found.entry.backend for found in search(ALL, "list", scope=Scope(tags=frozenset({"FORGE"}))).ranked} == {
        "forge"
    }
    assert not search(ALL, "list", scope=Scope(kinds=frozenset({Kind.PROMPT}))).ranked


def test_a_tool_deep_behind_what_is_not_allowed_is_found() -> None:
    crowd = [tool("crowd", f"list_files_{number}", "List files.") for number in range(300)]
    index = Index.of({"crowd": crowd, "own": [tool("own", "other", "Lists a file among other things.")]})

    assert names(search(index, "list files", allows=lambda entry: entry.backend == "own")) == ["other"]


# --- order


def test_uses_decide_between_equals_only() -> None:
    twins = {name: [tool(name, "list_files", "List files."), tool(name, "get_file")] for name in ("one", "two")}
    index = Index.of(twins)

    plain = [found.entry.name for found in search(index, "list files").ranked]
    used = [
        found.entry.name
        for found in search(index, "list files", uses={"two__list_files": 9, "two__get_file": 999}).ranked
    ]

    assert plain[:2] == ["one__list_files", "two__list_files"]
    assert used[:2] == ["two__list_files", "one__list_files"]


def test_the_limit_is_kept_and_scores_fall() -> None:
    assert len(search(ALL, "list messages", limit=2).ranked) == 2
    assert search(ALL, "list messages", limit=0).ranked == ()
    found = search(ALL, "list messages").ranked
    assert all(one.score >= other.score and one.confidence >= other.confidence for one, other in pairwise(found))
    assert sum(one.confidence for one in found) <= 1 + 1e-9


# --- with vectors


@dataclass(frozen=True)
class Near:
    """Cosines that are given."""

    cosines: Mapping[str, float]

    def nearest(self, count: int) -> Sequence[tuple[Kind, str]]:
        return [(Kind.TOOL, name) for name in sorted(self.cosines, key=lambda name: -self.cosines[name])[:count]]

    def cosine(self, _kind: Kind, name: str) -> float | None:
        return self.cosines.get(name)


def test_what_shares_no_word_is_found_by_its_meaning() -> None:
    answer = search(
        ALL,
        "scribble something to Ann",
        dense=Near({"mail__send_message": 0.7, "gone__x": 0.9, "forge__list_issues": 0.1}),
    )

    assert answer.mode == "lexical+embeddings"
    assert names(answer)[0] == "send_message"


def test_meaning_finds_nothing_that_is_not_allowed_or_not_in_scope() -> None:
    near = Near({"mail__send_message": 0.9, "forge__list_issues": 0.8})

    scoped = search(ALL, "scribble something to Ann", dense=near, scope=Scope(servers=frozenset({"forge"})))
    allowed = search(ALL, "scribble something to Ann", dense=near, allows=lambda entry: entry.backend == "forge")

    assert {found.entry.backend for found in (*scoped.ranked, *allowed.ranked)} == {"forge"}


def test_what_is_near_is_found_behind_any_number_of_nearer_ones_that_are_not_allowed() -> None:
    crowd = [tool("crowd", f"x{number}") for number in range(500)]
    index = Index.of({"crowd": crowd, "mail": MAIL})
    near = Near({**{f"crowd__x{number}": 0.9 for number in range(500)}, "mail__send_message": 0.5})

    answer = search(index, "scribble something to Ann", dense=near, allows=lambda entry: entry.backend == "mail")

    assert names(answer) == ["send_message"]


def test_entries_without_a_vector_are_found_too() -> None:
    assert names(search(ALL, "list the issues", dense=Near({})))[0] == "list_issues"


# --- several steps


def test_each_step_has_an_answer_and_the_whole_takes_them_in_turn() -> None:
    whole, steps = search_steps(ALL, "Create an issue in acme/web and then send an e-mail to bob@example.com")

    assert [names(step)[0] for step in steps] == ["create_issue", "send_message"]
    assert set(names(whole)[:3]) >= {"create_issue", "send_message"}


def test_a_file_that_is_to_be_written_in_passing_is_a_need_of_its_own() -> None:
    index = Index.of({"mail": MAIL, "disk": [tool("disk", "write_file", "Write a file.", path={}, content={})]})

    whole, steps = search_steps(index, "Get the newest message, with the text saved to /tmp/newest.md")

    assert len(steps) == 1
    assert names(whole)[0] == "get_message"
    assert "write_file" in names(whole)[:3]


def test_one_need_is_searched_as_it_stands() -> None:
    whole, steps = search_steps(ALL, "list the issues", limit=3)

    assert steps == (whole,)
    assert whole == search(ALL, "list the issues", limit=3)


# --- hostile requests


@given(st.text(max_size=300))
def test_no_request_breaks_it(request: str) -> None:
    answer, _ = search_steps(ALL, request)

    assert len(answer.ranked) <= 10
    assert all(0 <= found.score <= 1 and 0 <= found.confidence <= 1 for found in answer.ranked)


@pytest.mark.parametrize(
    "request_",
    ["list messages " * 100_000, "a" * 1_000_000, '"' * 100_000, "a.b " * 100_000, "create and then " * 50_000],
)
def test_a_request_of_any_length_is_answered_soon(request_: str) -> None:
    assert len(search_steps(ALL, request_)[0].ranked) <= 10
