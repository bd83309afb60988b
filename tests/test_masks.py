"""No secret can be read in text, however it is escaped, nor a part of it where text was cut off."""

from __future__ import annotations

import html
import json
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from magictunnel.masks import masked, masked_end, masked_start

SECRET = "Sec/ret+val ue==\"\\&'<\u20ac\U0001f511"
CHARS = st.characters(exclude_categories=["Cs"])
SECRETS = st.text(CHARS, min_size=6, max_size=20).filter(lambda text: len(set(text)) > 3 and "*" not in text)


def escapes(secret: str) -> list[str]:
    units = secret.encode("utf-16-be").hex()
    as_json = json.dumps(secret)[1:-1]
    return [
        secret,
        as_json,
        as_json.replace("/", "\\/"),
        json.dumps(secret, ensure_ascii=False)[1:-1],
        json.dumps(as_json)[1:-1],
        "".join(f"\\u{units[at : at + 4].upper()}" for at in range(0, len(units), 4)),
        quote(secret, safe=""),
        quote(secret),
        quote(quote(secret, safe=""), safe=""),
        "".join(f"%{byte:02x}" for byte in secret.encode()),
        quote_plus(secret),
        html.escape(secret),
    ]


@pytest.mark.parametrize("text", escapes(SECRET))
def test_a_secret_is_hidden_however_it_is_written(text: str) -> None:
    assert masked(f"a{text}b", frozenset({SECRET})) == "a***b"


@given(SECRETS, st.integers(0, 11))
def test_any_secret_is_hidden_however_it_is_written(secret: str, way: int) -> None:
    assert "***" in masked(f"<{escapes(secret)[way]}>", frozenset({secret}))


@given(st.recursive(SECRETS, lambda inner: st.lists(inner) | st.dictionaries(SECRETS, inner)))
def test_json_stays_json(value: object) -> None:
    for text in (json.dumps(value), json.dumps(value, ensure_ascii=False).replace("/", "\\/")):
        json.loads(masked(text, frozenset({SECRET, "Sec/ret", "\\u0041bcdef"})))


@given(st.text(CHARS), SECRETS)
def test_what_holds_no_secret_stays_as_it_is(text: str, secret: str) -> None:
    assume(not set(text) & {*secret, *"\\%&+"})

    assert masked(text, frozenset({secret})) == text


def test_of_two_secrets_one_within_the_other_both_are_hidden() -> None:
    secrets = frozenset({"s3cret-value", "s3cret-value-and-more"})

    assert masked("x s3cret-value-and-more s3cret-value", secrets) == "x *** ***"


@pytest.mark.parametrize("cut", range(1, 40))
@pytest.mark.parametrize("way", range(12))
def test_the_part_of_a_secret_before_a_cut_is_hidden(way: int, cut: int) -> None:
    text = escapes(SECRET)[way]

    assert masked_start(f"12345{text[:cut]}", frozenset({SECRET})) in ("12345", "12345***")


@pytest.mark.parametrize("cut", range(1, 14))
def test_the_part_of_a_secret_behind_a_cut_is_hidden(cut: int) -> None:
    assert masked_end(f"{'s3cret-value=='[cut:]}12345", frozenset({"s3cret-value=="})) == "12345"


def test_a_cut_amid_one_secret_that_begins_with_another_shows_nothing_of_either() -> None:
    secrets = frozenset({"s3cret-value", "s3cret-value-and-more", "and-more-of-it"})

    assert masked_start("x s3cret-value-and-mo", secrets) == "x "
    assert masked_end("cret-value-and-more y", secrets) == " y"


def test_text_without_secrets_is_cut_where_it_was() -> None:
    assert masked_start("text", frozenset()) == masked_end("text", frozenset()) == "text"
