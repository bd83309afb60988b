"""Which spans of a request are values, what they are, and that no text takes long or breaks it."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from magictunnel.discovery.literals import MAX_REQUEST, literals, masked


def found(request: str) -> list[tuple[str, str]]:
    return [(literal.kind, literal.text) for literal in literals(request)]


@pytest.mark.parametrize(
    ("kind", "request_", "text"),
    [
        ("url", "open https://example.com/a?b=c&d=(e), please", "https://example.com/a?b=c&d=(e"),
        ("url", "look at example.com.", "example.com"),
        ("url", "s3://bucket/key now", "s3://bucket/key"),
        ("email", "invite john.doe+x@mail.example.com.", "john.doe+x@mail.example.com"),
        ("email", "the user 'jane@acme.com'", "jane@acme.com"),
        ("path", "read /etc/hosts, then", "/etc/hosts"),
        ("path", "read ~/notes/a.txt", "~/notes/a.txt"),
        ("path", r"open C:\Users\me\x.doc", r"C:\Users\me\x.doc"),
        ("path", "fix src/main/app.py", "src/main/app.py"),
        ("file", "summarise Q1report.ppt.", "Q1report.ppt"),
        ("quoted", "named 'Daily Standup'", "Daily Standup"),
        ("quoted", 'say "it\'s \\"fine\\""', 'it\'s "fine"'),
        ("quoted", "titled “Hello”", "Hello"),
        ("quoted", "with the id '1234567890'", "1234567890"),
        ("quoted", "run ```py\nprint(1)\n``` now", "print(1)"),
        ("placeholder", "in <resource group>", "resource group"),
        ("placeholder", "in {account_name}", "account_name"),
        ("placeholder", "in [my vault]", "my vault"),
        ("date", "due 2025-05-11", "2025-05-11"),
        ("date", "at 2025-05-11T10:00:00Z", "2025-05-11T10:00:00Z"),
        ("date", "on March 5th, 2025", "March 5th, 2025"),
        ("date", "on 5 March", "5 March"),
        ("time", "at 11:45pm", "11:45pm"),
        ("time", "at 3 pm", "3 pm"),
        ("uuid", "get 123E4567-e89b-12d3-a456-426614174000", "123E4567-e89b-12d3-a456-426614174000"),
        ("id", "issue ENG-123", "ENG-123"),
        ("id", "user U12345", "U12345"),
        ("id", "commit 9123a4b0", "9123a4b0"),
        ("number", "list 42 items", "42"),
        ("number", "about 1,250.5 of them", "1250.5"),
        ("number", "at most 5GB", "5"),
        ("number", "ticket #456", "456"),
        ("number", "at -3.5 degrees", "-3.5"),
        ("channel", "post in #general-chat", "general-chat"),
        ("username", "ask @bob.", "bob"),
        ("ip", "ping 10.0.0.1", "10.0.0.1"),
        ("version", "install 1.2.3", "1.2.3"),
        ("version", "install v2", "v2"),
        ("repository", "star ArcadeAI/arcade-ai", "ArcadeAI/arcade-ai"),
        ("repository", "the facebook/react repository", "facebook/react"),
        ("phone", "call +49 171 123-4567 now", "+49 171 123-4567"),
    ],
)
def test_a_value_is_found_whole_and_by_its_kind(kind: str, request_: str, text: str) -> None:
    assert found(request_) == [(kind, text)]


@pytest.mark.parametrize(
    "request_",
    [
        "don't list the user's things, it isn't the users' wish",
        "rock 'n roll",
        "read and/or write via TCP/IP",
        "use Node.js with GPT-4 and UTF-8, base64 and k8s",
        'a # alone, an @ alone, an unclosed " quote',
        "",
    ],
)
def test_plain_words_are_no_values(request_: str) -> None:
    assert found(request_) == []


def test_values_stand_in_the_order_of_the_request() -> None:
    request = "add the labels 'Hello' and 'World' to ENG-123 by 11:45pm, at 37.422740,-122.084961"

    assert [text for _, text in found(request)] == ["Hello", "World", "ENG-123", "11:45pm", "37.422740", "-122.084961"]


def test_an_apostrophe_in_a_quotation_does_not_end_it() -> None:
    assert found("say 'I've got it' to 'Bob'") == [("quoted", "I've got it"), ("quoted", "Bob")]


def test_a_marked_value_says_so() -> None:
    assert [literal.is_marked for literal in literals("'x y' and <z> and ENG-123 and 5GB")] == [
        True,
        True,
        False,
        False,
    ]


def test_masking_leaves_the_words_in_their_places() -> None:
    request = "mail 'hello' to a@b.com"

    assert masked(request, literals(request)) == "mail " + " " * 7 + " to " + " " * 7


HOSTILE = [
    *(
        "'",
        "a'",
        '"',
        '\\"',
        "`",
        "```",
        "<",
        "[a",
        "{",
        "a/",
        "/a",
        "1.",
        "a-",
        "-",
        "1 ",
        "+1 ",
        "(123) ",
        "a@",
        "1,1",
    ),
    *(
        "may 1 ",
        "1/1/",
        "a1/b repo ",
        "'a/",
        "a:/",
        "http://a ",
        "$1",
        "#a",
        "1:11",
        "\N{LATIN SMALL LETTER DOTLESS I}",
    ),
]


@pytest.mark.parametrize("text", HOSTILE)
def test_no_repetition_takes_long(text: str) -> None:
    for request in (text * (MAX_REQUEST // len(text)), text * 100_000):
        assert len(literals(request)) <= MAX_REQUEST


@given(st.text(max_size=200) | st.lists(st.sampled_from(HOSTILE), max_size=30).map("".join))
def test_spans_are_ordered_apart_and_masked_to_the_same_length(request: str) -> None:
    values = literals(request)

    assert all(0 <= one.start < one.end <= len(request) for one in values)
    assert all(one.end <= other.start for one, other in pairwise(values))
    assert all(one.text for one in values)
    assert len(masked(request, values)) == len(request)
