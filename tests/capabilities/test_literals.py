"""Secrets that stand in files are found, by name and by look; what is about secrets, or refers to them, is none."""

from __future__ import annotations

import pytest

from magictunnel.capabilities.authoring.literals import has_secret, is_secret, literals
from magictunnel.capabilities.authoring.references import references, variables


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("Authorization", "Bearer abc"),
        ("authorization", "abc"),
        ("X-API-Key", "abc"),
        ("apiKey", "abc"),
        ("APIKEY", "abc"),
        ("key", "abc"),
        ("accessToken", "abc"),
        ("client_secret", "abc"),
        ("DB_PASSWORD", "abc"),
        ("Cookie", "session=abc"),
        ("Authorization", "Bearer ${TOKEN:-abc}"),
        ("Authorization", "Bearer ${TOKEN}abc"),
        ("anything", "ghp_abcdefghijklmnopqrstuvwxyz0123456789"),
        ("anything", "https://me:abc@h.example/"),
        ("anything", "see https://h.example/?api_key=abc&x=1"),
    ],
)
def test_a_secret_is_found(name: str, value: str) -> None:
    assert is_secret(name, value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("Authorization", "Bearer ${TOKEN}"),
        ("Authorization", "${keyring:shop}"),
        ("Authorization", "Bearer {{token}}"),
        ("X-API-Key", ""),
        ("max_tokens", "100"),
        ("tokenizer", "abc"),
        ("sort_key", "abc"),
        ("token_url", "https://h.example/token"),
        ("next_page_token", "abc"),
        ("Accept", "application/json"),
        ("callback", "https://h.example/?api_key=${KEY}"),
        ("callback", "https://me:${PASSWORD}@h.example/"),
        ("author", "abc"),
        ("x", "http://[broken"),
    ],
)
def test_what_is_none_is_left_alone(name: str, value: str) -> None:
    assert not is_secret(name, value)


def test_text_is_looked_through() -> None:
    assert has_secret("-----BEGIN RSA PRIVATE KEY-----")
    assert not has_secret("the key to success://")


def test_all_places_of_a_file_are_looked_at_and_only_named() -> None:
    file = {
        "http": {"headers": {"X-Token": "abc"}},
        "tools": [
            {
                "name": "t",
                "description": "token: abc",
                "inputSchema": {"properties": {"password": {"default": "abc"}}},
                "steps": [
                    {"name": "s", "http": {"url": "https://u:abc@h.example/", "query": {"key": {"value": "abc"}}}}
                ],
                "command": {"argv": ["x", "sk-abcdefghijklmnopqrstuvwx"], "env": {"TOKEN": "abc", "OTHER": "${TOKEN}"}},
            }
        ],
    }
    assert [literal.where for literal in literals(file)] == [
        "http.headers.X-Token",
        "tools.t.steps.http.url",
        "tools.t.steps.http.query.key",
        "tools.t.command.argv",
        "tools.t.command.env.TOKEN",
    ]


def test_references_are_those_that_are_resolved() -> None:
    file = {
        "auth": {"a": {"type": "bearer", "token": "${A}"}, "b": {"type": "bearer", "token": "${keyring:b}"}},
        "http": {"base_url": "${BASE:-https://h.example}", "headers": {"X": "${env:C}"}},
        "tools": [
            {"name": "t", "description": "${NOT}", "command": {"argv": ["${NOT}"], "env": {"E": "${D}"}}},
            {"name": "u", "steps": [{"name": "s", "http": {"url": "/", "json": {"a": ["${E}"]}}}]},
        ],
        "resources": [{"uri": "a://b", "url": "https://h.example/${F}", "text": "${NOT}"}],
    }
    assert variables(file) == ["A", "C", "D", "E", "F", "keyring:b"]
    assert "tools.u.steps.s.http.json.a" in [reference.where for reference in references(file)]
