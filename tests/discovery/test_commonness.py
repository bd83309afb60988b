"""What a word tells, with few entries to count it in."""

from __future__ import annotations

import pytest

from magictunnel.discovery.commonness import SHARES, is_known, telling
from magictunnel.discovery.words import stem


def test_a_word_that_many_tools_have_tells_less_even_where_there_is_but_one() -> None:
    assert telling("list", 1, 1) < telling("note", 1, 1) < telling("swordfish", 1, 1)


def test_a_word_tells_less_the_more_entries_it_stands_in() -> None:
    values = [telling("invoic", count, 1_000) for count in (0, 1, 10, 100, 1_000)]

    assert values == sorted(values, reverse=True)
    assert values[-1] > 0


def test_in_a_large_catalog_its_own_counts_decide() -> None:
    assert telling("list", 5, 100_000) > telling("swordfish", 50_000, 100_000)


@pytest.mark.parametrize("word", ["invoice", "messages", "weather", "delete", "flight"])
def test_words_of_tools_are_known(word: str) -> None:
    assert is_known(stem(word))


@pytest.mark.parametrize("word", ["milk", "Paris", "Tokyo", "swordfish", "Anna"])
def test_what_is_likely_a_value_is_not(word: str) -> None:
    assert not is_known(stem(word.lower()))


def test_shares_are_shares_of_stems() -> None:
    assert len(SHARES) > 1_000
    assert all(0 < share <= 1 for share in SHARES.values())
