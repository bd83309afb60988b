"""Heads hold what they are meant to and nothing else."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from magictunnel.wire.http1.address import Address
from magictunnel.wire.http1.head import BadHeader, Head, head, start_of_head, without

ADDRESS = Address.of("http://host:8080/mcp?key=1")


@given(st.dictionaries(st.text(max_size=8), st.text(max_size=8), max_size=4), st.integers(0, 10**9) | st.none())
def test_a_head_has_the_lines_it_is_to_have_or_there_is_none(fields: dict[str, str], length: int | None) -> None:
    try:
        whole = head("POST / HTTP/1.1\r\n", fields, length)
    except BadHeader:
        return

    text = whole.decode("latin-1")
    assert text.endswith("\r\n\r\n")
    lines = text[:-4].split("\r\n")
    assert len(lines) == 1 + len(fields) + (length is not None)
    assert not any("\r" in line or "\n" in line or "\0" in line for line in lines)


@pytest.mark.parametrize("value", ["a\r\nx: y", "a\n", "\r", "a\0b", "€", "\ud800", "\x7f"])
def test_what_would_be_another_head_is_refused(value: str) -> None:
    with pytest.raises(BadHeader):
        head("", {"x": value}, None)
    with pytest.raises(BadHeader):
        start_of_head("POST", ADDRESS, {"x": value})


@pytest.mark.parametrize("name", ["", "a b", "a:", "a\r\n", "ä", " a"])
def test_what_is_no_name_is_refused(name: str) -> None:
    with pytest.raises(BadHeader):
        head("", {name: "x"}, None)


def test_what_a_request_begins_with() -> None:
    start = start_of_head("POST", ADDRESS, {"X-Key": "kéy", "Content-Length": "5", "Connection": "close"})

    assert start.split("\r\n") == [
        "POST /mcp?key=1 HTTP/1.1",
        "host: host:8080",
        "user-agent: magictunnel",
        "x-key: kéy",
        "accept-encoding: identity",
        "",
    ]


def test_a_name_and_a_password_in_the_url_are_a_header_unless_another_is_configured() -> None:
    address = Address.of("http://me:s%3Acret@host/mcp")

    assert "authorization: Basic bWU6czpjcmV0\r\n" in start_of_head("POST", address, {})
    assert "authorization: Bearer x\r\n" in start_of_head("POST", address, {"Authorization": "Bearer x"})
    assert "host: host\r\n" in start_of_head("POST", address, {})


def test_what_a_message_says_itself_takes_the_place_of_what_was_configured() -> None:
    assert without({"Accept": "x", "x-key": "y"}, ["accept"]) == {"x-key": "y"}


def test_what_a_response_says() -> None:
    told = Head(404, {b"content-type": b"Application/JSON; charset=x", b"x": b" \xe9 "})

    assert told.is_error
    assert told.content_type == "application/json; charset=x"
    assert (told.get(b"x"), told.get(b"y")) == ("é", "")
