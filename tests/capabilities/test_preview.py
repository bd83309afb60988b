"""What is shown of a call before it is made: all of it, with secrets as the references that the file has."""

from __future__ import annotations

from typing import Any

import pytest

from magictunnel.capabilities.authoring.preview import Preview, lines
from magictunnel.capabilities.language.model import CapabilityFile
from magictunnel.errors import RunError

AUTH = {
    "bearer": {"type": "bearer", "token": "${A}"},
    "header": {"type": "api_key", "name": "X-Key", "value": "${B}"},
    "query": {"type": "api_key", "in": "query", "name": "the key", "value": "${C}"},
    "cookie": {"type": "api_key", "in": "cookie", "name": "sid", "value": "${D}"},
    "basic": {"type": "basic", "username": "me", "password": "${E}"},
    "oauth": {"type": "oauth2", "token_url": "https://h.example/token", "client_id": "id", "client_secret": "${F}"},
}


def shown(tool: dict[str, Any], scope: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    file = CapabilityFile.model_validate({"auth": AUTH, "tools": [{"name": "t"} | tool]} | more)
    preview = Preview(file, lambda text, _where: text.replace("${HOST}", "h.example"))
    return preview.of(file.tools[0], scope or {})


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("bearer", "Authorization: Bearer ${A}"),
        ("header", "X-Key: ${B}"),
        ("query", "GET https://h.example/x?the%20key=${C}"),
        ("cookie", "Cookie: sid=${D}"),
        ("basic", "Authorization: Basic me:${E}"),
        ("oauth", "Authorization: Bearer (a token from https://h.example/token)"),
    ],
)
def test_credentials_are_shown_by_reference(name: str, line: str) -> None:
    told = shown({"http": {"url": "https://h.example/x", "auth": name}})
    assert line in list(lines(told))


def test_where_a_request_goes_is_resolved_and_nothing_else() -> None:
    told = shown(
        {"http": {"url": "/{{a}}", "headers": {"X": "${SECRET}"}, "method": "POST", "json": {"s": "${SECRET}"}}},
        {"a": "b"},
        http={"base_url": "https://${HOST}/v1", "auth": ["bearer"]},
    )
    assert told["http"]["url"] == "https://h.example/v1/b"
    assert told["http"]["headers"]["X"] == "${SECRET}"
    assert told["http"]["body"] == '{"s":"${SECRET}"}'


def test_bytes_are_shown_by_their_number() -> None:
    told = shown({"http": {"method": "POST", "url": "https://h.example/", "body": "/////w==", "base64": True}})
    assert told["http"]["body"] == "[4 bytes]"


def test_graphql_is_shown_with_its_document_and_variables() -> None:
    query = "query($a: Int) { x(a: $a) }"
    told = shown({"graphql": {"url": "https://h.example/g", "query": query, "variables": {"a": "{{a}}"}}}, {"a": 1})
    assert list(lines(told))[-3:] == ["", query, 'variables: {"a":1}']


def test_a_command_is_shown_with_what_it_gets() -> None:
    command = {"argv": ["x", "{{a}}"], "cwd": "sub", "env": {"T": "${SECRET}"}, "stdin": {"b": "{{a}}"}}
    told = shown({"command": command}, {"a": "1 2"})
    assert list(lines(told)) == ['run ["x","1 2"]', "cwd: sub", 'env: {"T":"${SECRET}"}', 'stdin: {"b":"1 2"}']


def test_tools_and_functions_are_shown_with_their_arguments() -> None:
    assert list(lines(shown({"mcp": {"tool": "a__b"}}, {"x": 1}))) == ['mcp a__b {"x":1}']
    python = {"function": "m:f", "arguments": {"y": "{{x}}"}, "path": "src"}
    assert list(lines(shown({"python": python}, {"x": [1]}))) == ['python m:f {"y":[1]}']


def test_steps_that_wait_for_others_are_shown_as_they_are_written() -> None:
    steps = [
        {"name": "one", "command": ["echo", "{{a}}"]},
        {"name": "two", "depends_on": ["one"], "http": {"url": "https://h.example/{{steps.one}}"}},
    ]
    told = shown({"steps": steps}, {"a": "x"})
    assert told["steps"][0] == {"name": "one", "command": {"argv": ["echo", "x"]}}
    assert told["steps"][1]["http"]["url"] == "https://h.example/{{steps.one}}"
    assert next(lines(told)) == "step one"


@pytest.mark.parametrize(
    "tool",
    [
        {"http": {"url": "https://h.example/{{a}}"}},
        {"command": ["x", "a-{{a}}"]},
        {"python": {"function": "m:f", "arguments": {"x": "a-{{a}}"}}},
        {"mcp": {"tool": "x", "arguments": {"x": "a-{{a}}"}}},
    ],
)
def test_what_is_missing_is_named(tool: dict[str, Any]) -> None:
    with pytest.raises(RunError, match="a is"):
        shown(tool)


# --- what depends on what others come to


def test_what_is_not_known_yet_is_shown_as_it_is_written() -> None:
    http = {
        "method": "POST",
        "url": "https://h.example/{{steps.one.id}}",
        "query": {"q": "{{steps.one[0]}}", "a": "{{a}}"},
        "json": {"both": "{{a}}-{{steps.one}}", "is": '{{steps.one == "x y"}}'},
    }
    steps = [
        {"name": "one", "command": ["echo"]},
        {"name": "two", "depends_on": ["one"], "command": ["x", ["--y", "{{steps.one}}"], ["--z", "{{b}}"], "{{a}}"]},
        {"name": "three", "depends_on": ["one"], "http": http},
    ]
    _, two, three = shown({"steps": steps}, {"a": "A"})["steps"]
    assert two["command"]["argv"] == ["x", "--y", "{{steps.one}}", "A"]
    assert three["http"]["url"] == "https://h.example/{{steps.one.id}}?q={{steps.one[0]}}&a=A"
    assert three["http"]["body"] == '{"both":"A-{{steps.one}}","is":"{{steps.one == "x y"}}"}'


def test_what_cannot_be_made_of_a_placeholder_is_shown_as_it_is_written() -> None:
    http = {"method": "POST", "url": "https://h.example/", "body": "{{steps.one}}", "base64": True}
    steps = [{"name": "one", "command": ["echo"]}, {"name": "two", "depends_on": ["one"], "http": http}]
    assert shown({"steps": steps})["steps"][1]["http"] == http


def test_of_a_step_it_is_shown_when_and_after_what_it_runs() -> None:
    steps = [
        {"name": "one", "when": "{{a}}", "command": ["echo"]},
        {"name": "two", "depends_on": ["one"], "when": "steps.one > 1", "command": ["echo"]},
    ]
    told = shown({"steps": steps}, {"a": False})
    assert told["steps"][1] == {
        "name": "two",
        "depends_on": ["one"],
        "when": "steps.one > 1",
        "command": {"argv": ["echo"]},
    }
    assert [line for line in lines(told) if line.startswith("step")] == [
        "step one (when {{a}}): skipped, its `when` does not hold",
        "step two (after one; when steps.one > 1)",
    ]


# --- what is sent, line by line


@pytest.mark.parametrize("query", [{}, {"page": "9"}])
def test_the_first_of_several_pages_is_shown_with_its_number(query: dict[str, str]) -> None:
    pages = {"items": "", "number": 1, "parameter": "page"}
    told = shown({"http": {"url": "https://h.example/", "query": query, "pages": pages}})
    assert told["http"]["url"] == "https://h.example/?page=1"


def test_each_line_of_a_body_is_a_line() -> None:
    told = shown({"http": {"method": "POST", "url": "https://h.example/", "multipart": {"a": "{{a}}"}}}, {"a": "1\n2"})
    found = list(lines(told))
    assert found[0] == "POST https://h.example/"
    assert not any("\r" in line or "\n" in line for line in found)
    assert found[found.index("1") + 1] == "2"
