"""What becomes of texts: the parts of identifiers, stems, pairs of Chinese characters."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from magictunnel.discovery.words import is_plural, stem, stems, words


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("GetUsersInConversation", ["get", "users", "in", "conversation"]),
        ("sql_server_firewall-rule_list", ["sql", "server", "firewall", "rule", "list"]),
        ("HTTPServerError", ["http", "server", "error"]),
        ("MySQL and PostgreSQL on GitHub", ["mysql", "and", "postgres", "on", "github"]),
        ("the PR's repo", ["the", "pull", "request", "repository"]),
        ("don't", ["don"]),
        ("keyvault", ["key", "vault"]),
        ("k8s", ["kubernetes"]),
        ("", []),
        ("_-/.,!?", []),
    ],
)
def test_identifiers_are_taken_apart_and_names_stay_whole(text: str, pieces: list[str]) -> None:
    assert [word.text for word in words(text)] == pieces


@pytest.mark.parametrize(
    "forms",
    [
        ("delete", "deletes", "deleted", "deletion", "deleting"),
        ("create", "creation", "created", "creating", "creates"),
        ("entry", "entries"),
        ("message", "messages", "messaging"),
        ("configure", "configuration", "configured"),
        ("retrieve", "retrieval"),
        ("box", "boxes"),
        ("send", "sent", "sending"),
    ],
)
def test_forms_of_a_word_share_a_stem(forms: tuple[str, ...]) -> None:
    assert len({stem(form) for form in forms}) == 1


@pytest.mark.parametrize(("one", "other"), [("general", "generate"), ("universal", "university"), ("new", "news")])
def test_words_that_only_look_alike_do_not_share_a_stem(one: str, other: str) -> None:
    assert stem(one) != stem(other)


def test_chinese_becomes_pairs_of_characters_and_other_letters_stay_words() -> None:
    assert [word.text for word in words("获取知乎热榜docker")] == ["获取", "取知", "知乎", "乎热", "热榜", "docker"]


@pytest.mark.parametrize(
    ("word", "expected"), [("users", True), ("people", True), ("status", False), ("access", False), ("redis", False)]
)
def test_plurals_are_told_from_words_that_end_alike(word: str, expected: bool) -> None:
    assert is_plural(word) is expected


def test_a_word_knows_where_it_stands() -> None:
    text = "list my GitHub issues"

    assert [text[word.start :].split()[0] for word in words(text)] == text.split()


@given(st.text(max_size=200))
def test_any_text_has_words_and_their_stems_are_no_stop_words_of_nothing(text: str) -> None:
    found = words(text)

    assert all(word.text and word.stem and 0 <= word.start < len(text) for word in found)
    assert set(stems(text)) <= {word.stem for word in found}


@pytest.mark.parametrize("text", ["a" * 1_000_000, "aB" * 200_000, "知" * 300_000, "'s" * 200_000, "A" * 500_000 + "b"])
def test_a_text_of_any_shape_takes_linear_time(text: str) -> None:
    assert sum(len(word.text) for word in words(text)) <= 2 * len(text)
