"""How a request is understood: words that count, kinds of doing, values, one or many."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from magictunnel.discovery.request import MAX_WORDS, names_server, understood


def words(text: str) -> list[str]:
    return [word.text for word in understood(text).words]


@pytest.mark.parametrize(
    ("text", "kinds"),
    [
        ("list all issues", ("list",)),
        ("please remove the label", ("delete",)),
        ("can you send bob a message and delete the draft", ("send", "delete")),
        ("what firewall rules are configured?", ("get",)),
        ("were there any emails or calls this week", ("list",)),
        ("which releases are there", ("list",)),
        ("I want to create a list of users", ("create",)),
        ("show me the search results", ("get",)),
        ("tempo of this song", ()),
        ("get rid of the old branch", ("delete",)),
        ("write down what she said", ("create",)),
        ("throw away the draft", ("delete",)),
        ("what is 3pm in Berlin in New York", ("convert", "get")),
        ("what is 5 km in miles", ("convert", "get")),
        ("what is in the folder", ("get",)),
    ],
)
def test_the_kinds_of_doing_are_told_from_nouns_that_look_like_them(text: str, kinds: tuple[str, ...]) -> None:
    assert understood(text).verbs == kinds


@pytest.mark.parametrize(
    ("text", "thing"),
    [
        ("list the tables in the workspace", "tables"),
        ("get the details of my event hub in the namespace", "hub"),
        ("show me the firewall rules for the SQL server", "rules"),
        ("create a page titled Roadmap", "page"),
    ],
)
def test_what_is_asked_for_is_told_from_where_it_is(text: str, thing: str) -> None:
    request = understood(text)

    assert request.words[request.thing].text == thing


@pytest.mark.parametrize(
    ("text", "many"),
    [
        ("list the issues", True),
        ("show every issue", True),
        ("get the issue", False),
        ("get pull request 7 with all data", False),
    ],
)
def test_one_is_told_from_many(text: str, many: bool) -> None:
    assert understood(text).wants_many is many


def test_values_are_no_words_but_their_types_and_sites_are() -> None:
    text = 'send "budget plan" from /home/ann/report.pdf to bob@example.com, see https://github.com/acme/web'
    request = understood(text)

    assert [word.text for word in request.words] == ["send", "pdf", "see", "github"]
    assert {"budget", "plan"} <= set(request.soft)
    assert {"quoted", "path", "email", "url"} == set(request.literals)


def test_a_sentence_that_asks_counts_more_than_one_that_tells() -> None:
    weights = {word.text: word.weight for word in understood("The office was cold. Please list my meetings.").words}

    assert weights["office"] < weights["meetings"] == 1.0


@pytest.mark.parametrize(
    ("text", "own", "expected"),
    [
        ("create a page in Notion", ["notion"], True),
        ("create a page in google drive", ["googl", "drive"], True),
        ("drive to the google office", ["googl", "drive"], False),
        ("notion of time", ["notion"], False),
    ],
)
def test_a_server_is_named_where_its_name_is_used_as_one(text: str, own: list[str], expected: bool) -> None:
    assert names_server(understood(text), own) is expected


def test_groups_of_words_stand_for_what_they_mean() -> None:
    related = {stem for word in understood("get rid of the branch").words for stem, _ in word.related}

    assert "delet" in related


@given(st.text(max_size=400))
def test_any_text_is_understood(text: str) -> None:
    request = understood(text)

    assert -1 <= request.thing < max(1, len(request.words))
    assert len(request.words) == len({word.stem for word in request.words})


def test_of_a_long_request_the_first_words_count() -> None:
    assert (
        len(words(" ".join(f"noun{letter}{other}" for letter in "abcdefghij" for other in "abcdefghij" * 9)))
        <= MAX_WORDS
    )
