"""What looks like a credential is hidden, and what does not is left alone."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from magictunnel.discovery.arguments.hiding import HIDDEN, hidden, holds_hidden, is_secret_name

KEY = "abcdefghijklmnop" + "1234567890"


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("use the password hunter2 please", "hunter2"),
        ("password=swordfish now", "swordfish"),
        ("my password is swordfish", "swordfish"),
        ("set DB_PASSWORD: 'two words'", "two words"),
        ('{"api_key": "abc-def"}', "abc-def"),
        ("Authorization: Bearer abc.def-ghi", "abc.def-ghi"),
        ("with bearer abcdefgh", "abcdefgh"),
        (f"key sk-{KEY}", KEY),
        (f"token ghp_{KEY}", KEY),
        (f"AKIA{KEY.upper()}", KEY.upper()),
        ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0.abcdefgh", "eyJzdWIiOiIxMjM0"),
        ("postgres://admin:s3cret@db/x", "s3cret"),
        ("-----BEGIN RSA PRIVATE KEY-----\nMIIEow\n-----END RSA PRIVATE KEY-----", "MIIEow"),
        ("-----BEGIN PRIVATE KEY-----\nMIIEow and cut off", "MIIEow"),
        ("upload aB3dE5fG7hI9jK1lM3nO5pQ7", "aB3dE5fG7hI9jK1lM3nO5pQ7"),
        ("0123456789abcdef0123456789abcdef", "0123456789abcdef0123456789abcdef"),
    ],
)
def test_a_credential_is_hidden(text: str, secret: str) -> None:
    assert secret not in hidden(text)
    assert HIDDEN in hidden(text)
    assert holds_hidden({"a": [hidden(text)]})


@pytest.mark.parametrize(
    "text",
    [
        "reset the password for bob",
        "list my tokens and keys",
        "commit 9fceb02d0ae598e95dc970b74767f19372d61af8 of octocat/hello-world",
        "project 9123a4b056c7d890e1f2a3f4, 123e4567-e89b-12d3-a456-426614174000",
        "see https://example.com:8080/a/very/long/path/with/many/parts/in/it",
        "a_rather_long_identifier_in_snake_case and anotherRatherLongIdentifier",
    ],
)
def test_what_is_no_credential_stays(text: str) -> None:
    assert hidden(text) == text


@pytest.mark.parametrize(
    "name", ["password", "apiKey", "api-key", "db_password", "access_token", "clientSecret", "token"]
)
def test_properties_that_hold_credentials_are_known(name: str) -> None:
    assert is_secret_name(name)


@pytest.mark.parametrize("name", ["next_page_token", "max_tokens", "key", "author", "title", "keyword", "tokenize"])
def test_other_properties_are_not_taken_for_such(name: str) -> None:
    assert not is_secret_name(name)


@pytest.mark.parametrize(
    "part", ["password ", "password=", "://a:", "eyJ", "-----BEGIN PRIVATE KEY-----", "sk-", "a_", "A1a"]
)
def test_no_repetition_takes_long(part: str) -> None:
    hidden(part * (50_000 // len(part)))


@given(st.text(max_size=200))
def test_hiding_twice_is_hiding_once(text: str) -> None:
    assert hidden(hidden(text)) == hidden(text)
