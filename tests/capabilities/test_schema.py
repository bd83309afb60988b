"""The published JSON Schema: fresh, explained, and of one mind with what is loaded."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from pydantic import ValidationError

from magictunnel.capabilities.authoring.meanings import MEANINGS
from magictunnel.capabilities.authoring.schema import json_schema, published
from magictunnel.capabilities.language.model import CapabilityFile

DOCS = Path(__file__).parents[2] / "docs"
SCHEMA = json_schema()
CHECK = jsonschema.Draft202012Validator(SCHEMA)
COMMAND = {"name": "t", "command": ["x"]}


def http(**more: Any) -> dict[str, Any]:
    return {"tools": [{"name": "t", "http": {"url": "https://example.com"} | more}]}


def tool(**more: Any) -> dict[str, Any]:
    return {"tools": [COMMAND | more]}


GOOD = [
    {},
    tool(timeout="30s", spill="1MB", tags=["a"], visibility="search-only", _meta={"x": 1}),
    tool(timeout=1.5, spill=1000, inputSchema={"type": "object"}, outputSchema={"type": "object"}, annotations={}),
    tool(
        command={
            "argv": ["x", ["-a", "{{a}}"], 7, "{{b}}"],
            "env": {"A": "{{a}}"},
            "max_memory": "1 GB",
            "progress": True,
        }
    ),
    {
        "tools": [
            {"name": "t", "python": "a.b:c"},
            {"name": "u", "python": {"function": "a:b", "arguments": {"x": [1]}}},
        ]
    },
    http(
        query={
            "a": "{{a}}",
            "b": {"value": [1], "style": "pipeDelimited", "explode": False},
            "c": {"no": "part"},
            "d": 1,
        }
    ),
    http(method="POST", json={"a": "{{a}}"}, auth=[], retries=None, max_output="1KB"),
    http(multipart={"f": {"value": "{{f}}", "filename": "a.png", "base64": True}, "g": "x"}),
    http(pages={"items": "", "link": True}, stream="events"),
    http(retries={"attempts": 2, "pause": "1s"}, path={"id": {"style": "label"}}),
    {"tools": [{"name": "t", "graphql": {"url": "https://x/y", "query": "{ a }", "variables": {"a": 1}}}]},
    {
        "tools": [
            {"name": "t", "steps": [{"name": "a", "mcp": {"tool": "x__y"}, "on_error": "continue"}], "result": [1]}
        ]
    },
    {
        "prompts": [
            {
                "name": "p",
                "arguments": [{"name": "a"}],
                "messages": [{"text": "x"}, {"role": "assistant", "image": "a.png"}],
            }
        ]
    },
    {
        "resources": [
            {"uri": "x:1", "name": "n", "text": "t"},
            {"uri": "x:2", "name": "n", "directory": "d", "mimeType": "a/b"},
        ]
    },
    {"resourceTemplates": [{"uriTemplate": "x://{a}", "name": "n", "file": "{{a}}"}]},
    {
        "auth": {
            "a": {"type": "bearer", "token": "${T}"},
            "b": {"type": "api_key", "in": "query", "name": "k", "value": "${K}"},
        }
    },
    {
        "auth": {
            "c": {
                "type": "oauth2",
                "token_url": "https://x",
                "client_id": "i",
                "client_secret": "${S}",
                "scopes": ["a"],
            }
        }
    },
    {"http": {"base_url": "https://x", "headers": {"A": "b"}, "auth": "a", "allow_private": True}},
]
BAD = [
    {"tool": []},
    {"tools": [{"name": "t"}]},
    {"tools": [COMMAND | {"python": "a:b"}]},
    {"tools": [{"name": "no blanks", "command": ["x"]}]},
    tool(command=[]),
    tool(timeout="soon"),
    tool(timeout=0),
    tool(spill="1 TB"),
    tool(inputSchemas={}),
    {"tools": [{"name": "t", "python": "no-colon"}]},
    http(json={}, form={}),
    http(method="get"),
    http(query={"a": {"value": 1, "styles": "form"}}),
    http(pages={"items": "x", "link": True, "number": 1, "parameter": "p"}),
    {"tools": [{"name": "t", "steps": []}]},
    {"tools": [{"name": "t", "steps": [{"name": "a", "steps": []}]}]},
    {"prompts": [{"name": "p", "messages": []}]},
    {"prompts": [{"name": "p", "messages": [{"text": "x", "image": "y.png"}]}]},
    {"resources": [{"uri": "x:1", "name": "n"}]},
    {"auth": {"a": {"type": "bearer", "token": "literal"}}},
    {"auth": {"no blanks": {"type": "bearer", "token": "${T}"}}},
]  # fmt: skip


def test_the_published_schema_is_fresh() -> None:
    file = DOCS / "capabilities.schema.json"
    assert file.read_text(encoding="utf-8") == published(), f"write published() to {file.name}"


def test_it_is_a_json_schema() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


def test_each_key_is_explained_and_nothing_else_is() -> None:
    told = {
        f"{name}.{key}": schema.get("description")
        for name, definition in {"CapabilityFile": SCHEMA, **SCHEMA["$defs"]}.items()
        for key, schema in definition.get("properties", {}).items()
    }
    assert not [where for where, words in told.items() if not words]
    assert not [where for where, words in MEANINGS.items() if words not in told.values()]


def test_no_word_of_python_is_in_an_explanation() -> None:
    assert "None" not in json.dumps(SCHEMA)


@pytest.mark.parametrize("data", GOOD, ids=str)
def test_what_can_be_loaded_fits(data: Any) -> None:
    CapabilityFile.model_validate(data)
    assert not [error.message for error in CHECK.iter_errors(_without_nulls(data))]


def _without_nulls(data: Any) -> Any:
    """Nulls load, but nobody is told to write them."""
    if isinstance(data, dict):
        return {key: _without_nulls(value) for key, value in data.items() if value is not None}
    return [_without_nulls(one) for one in data] if isinstance(data, list) else data


@pytest.mark.parametrize("data", BAD, ids=str)
def test_what_cannot_be_loaded_does_not_fit(data: Any) -> None:
    with pytest.raises(ValidationError):
        CapabilityFile.model_validate(data)
    assert list(CHECK.iter_errors(data))
