"""Schemas of a description stand for themselves in each tool: JSON Schema 2020-12 with the definitions they reach."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from orjson import dumps

from magictunnel.generators.base import Generated
from magictunnel.generators.openapi import Options, generate
from magictunnel.generators.openapi.dialect import modern
from magictunnel.generators.openapi.schemas import references_in, slim
from magictunnel.generators.openapi.words import described, shortened
from magictunnel.generators.read import Source, read

Json = dict[str, Any]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 99) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
KEYWORDS = (
    "type", "enum", "const", "default", "items", "properties", "required", "allOf", "anyOf", "minimum", "pattern",
    "exclusiveMinimum", "nullable", "minLength", "multipleOf", "format", "example", "examples", "uniqueItems", "not",
    "additionalProperties", "dependentRequired", "x-more", "discriminator", "xml", "readOnly",
)  # fmt: skip


def made(schemas: Json, body: Any, version: str = "3.0.3") -> Generated:
    document = {
        "openapi": version, "info": {"title": "Pets"}, "servers": [{"url": "https://api.example.com"}],
        "paths": {"/pets": {"post": {"requestBody": {"content": {"application/json": {"schema": body}}}}}},
        "components": {"schemas": schemas},
    }  # fmt: skip
    return generate(Source("file:///specs/pets.json", document), Options())


def taken(schemas: Json, body: Any, version: str = "3.0.3") -> Json:
    """The inputSchema of a tool whose body is as told."""
    (one,) = made(schemas, body, version).made
    schema: Json = one.tool["inputSchema"]
    Draft202012Validator.check_schema(schema)
    return schema


def body(schema: Any, version: str = "3.0.3") -> Any:
    return taken({}, schema, version)["properties"]["body"]


def ref(name: str) -> Json:
    return {"$ref": f"#/components/schemas/{name}"}


def test_only_the_definitions_that_are_reached_come_along() -> None:
    schemas = {"A": {"properties": {"b": ref("B")}}, "B": {"type": "string"}, "C": {"type": "integer"}}
    assert taken(schemas, ref("A")) == {
        "type": "object",
        "properties": {"body": {"properties": {"b": {"$ref": "#/$defs/B"}}}},
        "$defs": {"B": {"type": "string"}},
    }


def test_a_cycle_stays_a_cycle() -> None:
    node = {"type": "object", "properties": {"next": ref("Node"), "all": {"type": "array", "items": ref("Node")}}}
    schema = taken({"Node": node}, ref("Node"))
    assert set(schema["$defs"]) == {"Node"}
    validator = Draft202012Validator(schema)
    assert validator.is_valid({"body": {"next": {"next": {"all": [{}]}}}})
    assert not validator.is_valid({"body": {"next": {"next": {"all": [1]}}}})


@pytest.mark.parametrize(
    ("reference", "why"),
    [
        ("#/components/schemas/Gone", "leads nowhere"),
        ("#/components/schemas/Loop", "leads back to itself"),
        ("#anchor", "is an anchor"),
        ("https://other.example.com/a.json", "outside"),
        ("http://169.254.169.254/latest", "outside"),
        ("file:///etc/passwd", "outside"),
        ("../../etc/passwd", "outside"),
    ],
)
def test_a_reference_that_leads_nowhere_leaves_its_operation_out(reference: str, why: str) -> None:
    generated = made({"Loop": ref("Loop")}, {"properties": {"a": {"$ref": reference}}})
    assert not generated.made
    assert why in generated.left_out[0].why


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ({"type": "string", "nullable": True}, {"type": ["string", "null"]}),
        ({"type": "string", "enum": ["a"], "nullable": True}, {"type": ["string", "null"], "enum": ["a", None]}),
        ({"minimum": 1, "exclusiveMinimum": True}, {"exclusiveMinimum": 1}),
        ({"maximum": 1, "exclusiveMaximum": False}, {"maximum": 1}),
        ({"type": "string", "example": "x"}, {"type": "string", "examples": ["x"]}),
        (
            {"type": "object", "example": {"a": 1}, "xml": {}, "discriminator": {"propertyName": "a"}},
            {"type": "object"},
        ),
        ({"type": "array", "items": [{"type": "string"}]}, {"type": "array", "prefixItems": [{"type": "string"}]}),
        ({"type": "file"}, {"type": "string"}),
        ({"type": "strange", "pattern": "(", "minLength": -1, "required": True}, {}),
        ({"required": ["a", "a"]}, {"required": ["a"]}),
    ],
)
def test_old_keywords_become_new_ones(old: Json, new: Json) -> None:
    assert body(old) == new


def test_what_stands_beside_a_reference_counts_since_3_1() -> None:
    beside = {"properties": {"a": ref("A") | {"description": "Mine", "minLength": 3}}}
    schemas = {"A": {"type": "string"}}
    old = taken(schemas, beside)["properties"]["body"]["properties"]["a"]
    assert old == {"description": "Mine", "$ref": "#/$defs/A"}
    new = taken(schemas, beside, "3.1.0")["properties"]["body"]["properties"]["a"]
    assert new == {"description": "Mine", "minLength": 3, "$ref": "#/$defs/A"}


def test_what_only_the_server_writes_is_hidden_however_it_is_said() -> None:
    schemas = {"Id": {"type": "integer", "readOnly": True}, "Base": {"properties": {"made": {"readOnly": True}}}}
    whole = {
        "required": ["id", "made", "name"],
        "allOf": [ref("Base"), {"properties": {"id": ref("Id"), "name": {}, "by": {"allOf": [ref("Id")]}}}],
    }
    schema = taken(schemas, whole)["properties"]["body"]
    assert schema["required"] == ["name"]
    assert schema["allOf"][1] == {"properties": {"name": {}}}


def test_definitions_of_one_name_in_several_places_do_not_meet() -> None:
    inner = {"$defs": {"A": {"type": "integer"}}}
    whole = {"properties": {"a": ref("A"), "b": {"$ref": "#/components/schemas/B/$defs/A"}}}
    schema = taken({"A": {"type": "string"}, "B": inner}, whole, "3.1.0")
    assert schema["$defs"] == {"A": {"type": "string"}, "A_2": {"type": "integer"}}


def test_of_too_many_definitions_the_remoter_ones_say_only_what_they_require() -> None:
    schemas: Json = {
        f"S{number}": {
            "type": "object",
            "required": ["next"],
            "properties": {"next": ref(f"S{number + 1}"), "more": {"type": "string", "description": "x" * 900}},
        }
        for number in range(200)
    }
    schema = taken(schemas | {"S200": {"type": "string"}}, ref("S0"))
    assert len(schema["$defs"]) == 200
    assert len(dumps(schema)) < 100_000
    assert "more" in schema["$defs"]["S1"]["properties"]
    assert set(schema["$defs"]["S199"]["properties"]) == {"next"}
    assert references_in(schema) == set(schema["$defs"])


def test_a_schema_that_is_nested_without_end_is_left_out() -> None:
    deep: Json = {}
    for _ in range(150):
        deep = {"items": deep}
    assert "nested deeper" in made({}, deep).left_out[0].why


@given(st.dictionaries(st.sampled_from(KEYWORDS), JSON, max_size=6), st.booleans())
def test_whatever_stands_in_a_schema_what_is_kept_is_one(schema: Json, is_old: bool) -> None:
    kept = modern(schema, is_old=is_old, may_be_null=True)
    flat = {key: one for key, one in kept.items() if key not in ("items", "properties", "allOf", "anyOf", "not")}
    flat.pop("additionalProperties", None)
    Draft202012Validator.check_schema(flat)


@given(JSON)
def test_what_is_slim_requires_the_same(value: Any) -> None:
    schema = {"required": ["a"], "properties": {"a": {"type": "string"}, "b": {"type": "integer"}}, "not": {"const": 1}}
    assert Draft202012Validator(slim(schema)).is_valid(value) or not Draft202012Validator(schema).is_valid(value)


@given(st.text(), st.text(), st.integers(0, 200))
def test_a_description_is_never_longer_than_it_may_be(summary: str, text: str, most: int) -> None:
    assert len(described(summary, text, most)) <= most


@pytest.mark.parametrize(
    ("text", "most", "expected"),
    [
        ("One. Two. Three.", 12, "One. Two."),
        ("One paragraph.\n\nAnother paragraph.", 30, "One paragraph."),
        ("word " * 10, 14, "word word..."),
        ("<p>Some <b>bold</b> text</p>", 50, "Some bold text"),
        ("a < b and b > c", 50, "a < b and b > c"),
    ],
)
def test_descriptions_end_where_a_reader_pauses(text: str, most: int, expected: str) -> None:
    assert shortened(text, most) == expected


def files(folder: Path, **texts: str) -> Path:
    """Files by name (`_` for `/`)."""
    for name, text in texts.items():
        path = folder / (name.replace("_", "/") + ".yaml")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder / "api.yaml"


API = """\
openapi: 3.1.0
info: {title: Pets}
servers: [{url: "https://api.example.com"}]
paths:
  /pets: {$ref: paths/pets.yaml}
"""


def test_a_description_in_several_files_is_one(tmp_path: Path) -> None:
    root = files(
        tmp_path,
        api=API,
        paths_pets="post: {requestBody: {content: {application/json: {schema: {$ref: ../schemas/Pet.yaml}}}}}",
        schemas_Pet="{type: object, properties: {owner: {$ref: all.yaml#/Owner}, mate: {$ref: Pet.yaml}}}",
        schemas_all="Owner: {type: object, properties: {pets: {type: array, items: {$ref: 'Pet.yaml'}}}}",
    )
    (one,) = generate(read(str(root)), Options()).made
    schema = one.tool["inputSchema"]
    assert set(schema["$defs"]) == {"Owner", "Pet"}
    assert references_in(schema) == set(schema["$defs"])


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("{$ref: ../outside.yaml}", "outside"),
        ("{$ref: link.yaml}", "outside"),
        ("{$ref: gone.yaml}", "No such file"),
        ("{$ref: 'file:///etc/hostname'}", "outside"),
        ("{$ref: 'https://api.example.com/pets.yaml'}", "outside"),
        ("a: [", "YAML"),
    ],
)
def test_files_beside_a_description_stay_in_its_folder(tmp_path: Path, text: str, why: str) -> None:
    (tmp_path / "outside.yaml").write_text("get: {}")
    folder = tmp_path / "spec"
    root = files(folder, api=API.replace("paths/", ""), pets=text)
    (folder / "link.yaml").symlink_to(tmp_path / "outside.yaml")
    generated = generate(read(str(root)), Options())
    assert not generated.made
    assert why in generated.left_out[0].why
