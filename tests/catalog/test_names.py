"""Names that people meet, one by one; that no two are ever the same is a law in `tests/properties`."""

from __future__ import annotations

import pytest

from magictunnel.catalog.names import NameRules, digested_name, is_legal, public_name, public_uri

RULES = NameRules()


@pytest.mark.parametrize(
    ("alias", "original", "expected"),
    [
        ("git", "status", "git__status"),
        ("my-server", "read_file", "my-server__read_file"),
        ("git", "_private", "git___private"),
        ("git", "a__b", "git__a__b"),
        ("a" * 30, "b" * 32, "a" * 30 + "__" + "b" * 32),
    ],
)
def test_a_name_is_plain_where_it_reads_back_in_one_way(alias: str, original: str, expected: str) -> None:
    assert public_name(alias, original, RULES) == expected


@pytest.mark.parametrize(
    ("alias", "original", "kept"),
    [
        ("git", "a.b", "git__a_b_"),
        ("my server", "x", "my_server__x_"),
        ("git_", "x", "git___x_"),
        ("a__b", "x", "a__b__x_"),
        ("", "x", "__x_"),
        ("git", "", "git___"),
        ("git", "x_0123456789", "git__x_0123456789_"),
        ("git", "n" * 90, "git__nnn"),
        ("größe", "x", "gr__e__x_"),
    ],
)
def test_what_would_not_read_back_carries_a_digest_behind_what_people_know_it_by(
    alias: str, original: str, kept: str
) -> None:
    name = public_name(alias, original, RULES)

    assert name == digested_name(alias, original, RULES)
    assert name.startswith(kept)
    assert is_legal(name, RULES)


def test_a_long_alias_leaves_room_for_the_name() -> None:
    name = public_name("a" * 200, "status", RULES)

    assert "__status_" in name
    assert len(name) <= 64


def test_separator_and_length_are_as_configured() -> None:
    assert public_name("git", "status", NameRules(separator="-", max_length=32)) == "git-status"
    assert len(public_name("git", "n" * 40, NameRules(max_length=32))) == 32
    assert public_name("git", "n" * 90, NameRules(max_length=128)) == "git__" + "n" * 90


@pytest.mark.parametrize(
    ("name", "legal"),
    [("a", True), ("a-B_9", True), ("n" * 64, True), ("n" * 65, False), ("", False), ("a.b", False), ("a\n", False)],
)
def test_a_legal_name_is_one_that_every_host_takes(name: str, legal: bool) -> None:
    assert is_legal(name, RULES) is legal


def test_a_uri_is_told_apart_by_a_scheme_in_front_and_keeps_the_rest() -> None:
    assert public_uri("git", "file:///a/{b}?c#d") == "git+file:///a/{b}?c#d"


@pytest.mark.parametrize("alias", ["Git", "my_server", "1st", "ä", "", "-x"])
def test_an_alias_that_is_no_scheme_becomes_one_with_a_digest(alias: str) -> None:
    scheme, _, rest = public_uri(alias, "x:1").partition("+")

    assert rest == "x:1"
    assert scheme.startswith("s-")
    assert scheme == scheme.lower()
    assert scheme.replace("-", "").isalnum()
    assert scheme.isascii()
