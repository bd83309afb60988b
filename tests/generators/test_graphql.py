"""Every tool that is made of a GraphQL schema does what it says, at a server that executes that schema."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import httpx2
import jsonschema
import pytest
from graphql import build_schema, introspection_from_schema, print_schema
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from magictunnel.capabilities.language.expression import filled
from magictunnel.capabilities.language.model import CapabilityFile
from magictunnel.errors import ConfigError
from magictunnel.generators.base import Generated
from magictunnel.generators.graphql import Options, generate, introspected, schema_of
from magictunnel.generators.graphql.select import MAX_FIELDS
from magictunnel.generators.graphql.types import MAX_TYPES
from tests.support.graphql_api import LIBRARY, Api, served

URL = "https://library.example/graphql"
pytestmark = pytest.mark.anyio


def made(**options: Any) -> Generated:
    return generate(schema_of(LIBRARY.read_text("utf-8"), "library.graphql"), Options(URL, **options))


def tools(generated: Generated) -> dict[str, dict[str, Any]]:
    CapabilityFile.model_validate(generated.file)
    return {tool["name"]: tool for tool in generated.file["tools"]}


@cache
def library() -> dict[str, dict[str, Any]]:
    """The tools of the library, as they are made without options."""
    return tools(made())


@pytest.fixture(scope="module")
def api() -> Iterator[Api]:
    with served() as running:
        yield running


# --- what is called


def samples(schema: dict[str, Any], root: dict[str, Any], depth: int = 0) -> st.SearchStrategy[Any]:
    """Values that a schema allows."""
    if "$ref" in schema:
        return samples(root["$defs"][schema["$ref"].removeprefix("#/$defs/")], root, depth + 1)
    if "anyOf" in schema:
        return st.one_of(*(samples(one, root, depth + 1) for one in schema["anyOf"] if depth < 4 or "$ref" not in one))
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    kinds = schema["type"]
    return st.one_of(*(of_kind(kind, schema, root, depth) for kind in (kinds if isinstance(kinds, list) else [kinds])))


def of_kind(kind: str, schema: dict[str, Any], root: dict[str, Any], depth: int) -> st.SearchStrategy[Any]:
    match kind:
        case "array":
            if depth > 4:
                return st.just([])
            return st.lists(samples(schema.get("items", {"type": "integer"}), root, depth + 1), max_size=2)
        case "object":
            required = schema.get("required", [])
            declared = schema.get("properties", {}).items()
            properties = {
                name: samples(one, root, depth + 1) for name, one in declared if depth < 4 or name in required
            }
            if schema.get("maxProperties") == 1:
                return st.one_of(*(st.fixed_dictionaries({name: one}) for name, one in properties.items()))
            optional = {name: one for name, one in properties.items() if name not in required}
            return st.fixed_dictionaries({name: properties[name] for name in required}, optional=optional)
        case "integer":
            return st.integers(-(2**31), 2**31 - 1)
        case "number":
            return st.floats(allow_nan=False, allow_infinity=False)
        case "boolean":
            return st.booleans()
        case "null":
            return st.none()
    return st.text(max_size=5)


@pytest.mark.parametrize("name", sorted(library()))
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_every_tool_is_answered_whatever_its_schema_allows(api: Api, name: str, data: st.DataObject) -> None:
    tool = library()[name]
    arguments = data.draw(samples(tool["inputSchema"], tool["inputSchema"]))
    jsonschema.Draft202012Validator(tool["inputSchema"]).validate(arguments)
    asked = {"query": tool["graphql"]["query"], "variables": filled(tool["graphql"].get("variables", {}), arguments)}

    answer = httpx2.post(api.url, json=asked).json()

    assert "errors" not in answer
    assert answer["data"][tool["graphql"]["select"]] is not None


def test_every_schema_is_one() -> None:
    for tool in library().values():
        jsonschema.Draft202012Validator.check_schema(tool["inputSchema"])
        reached = json.dumps(tool["inputSchema"])
        for name in tool["inputSchema"].get("$defs", {}):
            assert f'"#/$defs/{name}"' in reached


# --- what is made


def test_arguments_become_variables_of_their_types() -> None:
    tool = library()["books"]
    assert tool["graphql"]["variables"] == {
        "filter": "{{filter}}",
        "first": "{{first}}",
        "after": "{{after}}",
        "languages": "{{languages}}",
    }
    assert tool["graphql"]["query"].startswith(
        "query($filter: BookFilter, $first: Int, $after: String, $languages: [Language!]) {\n"
        "  books(filter: $filter, first: $first, after: $after, languages: $languages) {\n"
    )
    schema = tool["inputSchema"]
    assert "required" not in schema
    assert schema["properties"]["first"] == {"type": "integer", "default": 10}
    assert schema["properties"]["filter"] == {"$ref": "#/$defs/BookFilter"}
    book_filter = schema["$defs"]["BookFilter"]
    assert book_filter["properties"]["and"] == {"type": "array", "items": {"$ref": "#/$defs/BookFilter"}}
    assert book_filter["properties"]["genre"] == {"type": "string", "enum": ["NOVEL", "POETRY", "SCIENCE"]}
    assert book_filter["properties"]["language"] == {"$ref": "#/$defs/Language"}
    assert "DateTime (a scalar of this API): An instant" in book_filter["properties"]["after"]["description"]
    assert "old" not in book_filter["properties"]
    assert "give `after`" in tool["description"].lower()


def test_what_a_query_changes_not_and_a_mutation_may_is_told() -> None:
    found = library()
    assert found["book"]["annotations"] == {"readOnlyHint": True}
    assert found["removeBook"]["annotations"] == {"readOnlyHint": False, "destructiveHint": True}


def test_null_is_something_to_a_mutation_alone() -> None:
    found = library()
    assert found["rename"]["inputSchema"]["properties"]["title"] == {"type": ["string", "null"]}
    assert found["books"]["inputSchema"]["properties"]["after"] == {"type": "string"}


def test_a_name_that_a_query_and_a_mutation_share_is_given_to_both() -> None:
    found = library()
    assert "query" in found["me"]["graphql"]["query"][:6]
    assert found["mutation_me"]["graphql"]["query"].startswith("mutation")


def test_names_are_short_and_legal() -> None:
    found = tools(made(prefix="lib-"))
    assert all(name.startswith("lib-") and len(name) <= 50 for name in found)
    assert any(name.startswith("lib-aFieldWithAName") for name in found)


def test_an_argument_that_would_be_a_literal_is_called_otherwise() -> None:
    tool = library()["literal"]
    assert tool["graphql"]["variables"] == {"true": "{{argument_true}}", "steps": "{{argument_steps}}"}
    assert tool["inputSchema"]["required"] == ["argument_true"]


def test_depth_bounds_what_is_asked_for_and_cycles_are_cut() -> None:
    shallow, deep = (tools(made(depth=depth))["book"]["graphql"]["query"] for depth in (1, 3))
    assert "author" not in shallow
    assert "title" in shallow
    assert deep.count("author {") == 1
    assert "secret" not in deep
    assert "nickname" not in deep


def test_a_connection_is_as_deep_as_what_is_in_it() -> None:
    query = tools(made(depth=1))["books"]["graphql"]["query"]
    assert "nodes {" in query
    assert "title" in query
    assert "pageInfo {" in query


def test_what_differs_between_possible_types_is_told_apart() -> None:
    query = library()["find"]["graphql"]["query"]
    assert "__typename" in query
    assert "... on Film {" in query
    assert "pages_Film: pages" in query
    node = library()["node"]["graphql"]["query"]
    assert node.index("id") < node.index("... on Author {")
    assert "id\n" not in node.partition("... on Book {")[2].partition("author {")[0]


def test_an_object_of_which_nothing_can_be_asked_still_says_its_type() -> None:
    assert library()["nothing"]["graphql"]["query"] == "query {\n  nothing {\n    __typename\n  }\n}\n"


def test_what_is_left_out_is_told_with_the_reason() -> None:
    assert {one.what: one.why for one in made().left_out} == {
        "query older": "deprecated: use count (--deprecated takes it)",
        "subscription added": "subscriptions go on without end; a tool answers once",
    }
    assert "older" in tools(made(deprecated=True))
    assert set(tools(made(operations=("add*", "count")))) == {"addBook", "addBooks", "count"}


def test_headers_are_carried_by_reference() -> None:
    generated = made(headers={"Authorization": "Bearer ${LIBRARY_TOKEN}"})
    file = CapabilityFile.model_validate(generated.file)
    assert set(file.auth) == {"authorization"}
    assert file.http.auth == ("authorization",)


def test_a_type_of_very_many_fields_is_asked_for_less_of() -> None:
    wide = " ".join(f"f{number}: Int" for number in range(400))
    links = " ".join(f"l{number}: B" for number in range(40))
    schema = build_schema(f"type Query {{ a: A }} type A {{ id: ID {links} }} type B {{ {wide} }}")
    query = generate(schema, Options(URL)).made[0].tool["graphql"]["query"]
    assert query == "query {\n  a {\n    id\n  }\n}\n"
    schema = build_schema(f"type Query {{ a: B }} type B {{ {wide} }}")
    query = generate(schema, Options(URL)).made[0].tool["graphql"]["query"]
    assert query.count("\n") == MAX_FIELDS + 4
    fields = " ".join(f"f{number}: Int" for number in range(200)) + " title: String"
    schema = build_schema(f"type Query {{ a: B }} type B {{ {fields} }}")
    assert "\n    title\n" in generate(schema, Options(URL)).made[0].tool["graphql"]["query"]


def test_possible_types_share_the_room_there_is() -> None:
    wide = [f"type T{n} {{ id: ID " + " ".join(f"f{n}_{at}: Int" for at in range(100)) + " }" for n in range(10)]
    union = " | ".join(f"T{n}" for n in range(10))
    schema = build_schema(f"type Query {{ a: U }} union U = {union} {' '.join(wide)}")
    query = generate(schema, Options(URL)).made[0].tool["graphql"]["query"]
    assert query.count("... on T") == 10
    assert query.count(" id\n") == 10


def test_types_that_all_lead_to_each_other_take_no_time() -> None:
    names = [f"T{number}Connection" for number in range(60)]
    links = " ".join(f"f{number}: {name}" for number, name in enumerate(names))
    schema = build_schema(
        f"type Query {{ a: {names[0]} }} " + " ".join(f"type {name} {{ id: ID {links} }}" for name in names)
    )
    (tool,) = generate(schema, Options(URL, depth=10)).made
    assert tool.tool["graphql"]["query"].count("\n") < MAX_FIELDS + 60


def test_a_long_chain_of_types_is_cut_on_both_sides() -> None:
    chain = " ".join(
        f"input I{n} {{ next: I{n + 1}, x: Int }} type TPayload{n} {{ id: ID next: TPayload{n + 1} }}"
        for n in range(2_000)
    )
    ends = "input I2000 { x: Int } type TPayload2000 { id: ID }"
    schema = build_schema(f"type Query {{ a(i: I0): TPayload0 }} {chain} {ends}")
    (tool,) = tools(generate(schema, Options(URL))).values()
    assert len(tool["inputSchema"]["$defs"]) == MAX_TYPES
    last = tool["inputSchema"]["$defs"][f"I{MAX_TYPES - 1}"]
    assert last["properties"]["next"]["description"] == f"I{MAX_TYPES} (an input type of this API)"


# --- where schemas come from


async def test_an_endpoint_tells_its_schema(api: Api) -> None:
    text = await introspected(api.url, {"X-Key": "k"})
    assert api.asked[-1]["headers"]["X-Key"] == "k"
    asked = generate(schema_of(text, api.url), Options(URL))
    assert set(tools(asked)) == set(library())
    assert tools(asked)["books"]["graphql"] == library()["books"]["graphql"]


async def test_an_endpoint_that_does_not_tell_is_named_with_its_reason(tmp_path: Path) -> None:
    with served(tells=False) as api, pytest.raises(ConfigError, match="introspection is disabled"):
        await introspected(f"{api.url}?key=secret", {})
    with pytest.raises(ConfigError, match=r"127\.0\.0\.1:9/graphql does not tell its schema: ConnectError"):
        await introspected("http://127.0.0.1:9/graphql?key=secret", {})


def test_sdl_and_both_forms_of_introspection_come_to_the_same() -> None:
    schema = build_schema(LIBRARY.read_text("utf-8"))
    content = introspection_from_schema(schema)
    for text in (print_schema(schema), json.dumps(content), json.dumps({"data": content})):
        assert set(tools(generate(schema_of(text, "x"), Options(URL)))) == set(library())


def test_a_schema_that_bends_the_rules_is_taken_as_it_is() -> None:
    text = """
      interface Node { id: ID! }
      type A implements Node @key(fields: "id") { id: ID! @deprecated name: String @shareable }
      type Query { a: A }
      extend type Query { b(x: Int = 3): A }
    """
    assert set(tools(generate(schema_of(text, "x"), Options(URL)))) == {"a", "b"}
    assert generate(schema_of("type A { b: Int }", "x"), Options(URL)).made == ()


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_types_in_wrong_places_cost_only_what_needs_them(data: st.DataObject) -> None:
    text = LIBRARY.read_text("utf-8")
    names = re.findall(r"(?:type|input|enum|scalar|union|interface) (\w+)", text)
    for _ in range(data.draw(st.integers(1, 4))):
        places = list(re.finditer(r"(?<=: )\w+|(?<=\[)\w+|(?<=\| )\w+|(?<=implements )\w+", text))
        place = data.draw(st.sampled_from(places))
        text = text[: place.start()] + data.draw(st.sampled_from(names)) + text[place.end() :]
    tools(generate(schema_of(text, "x"), Options(URL)))


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("type Query {", r"x:1: no GraphQL schema: Syntax Error: Expected Name, found <EOF>"),
        ("type Query { a: Missing }", "no GraphQL schema: .*Unknown type: 'Missing'"),
        ('{"openapi": "3.1.0"}', "has no `__schema`"),
        ('{"__schema": {}}', "no GraphQL schema"),
        ("{" * 100_000, "no GraphQL schema"),
        ("type Query { a: " + "[" * 50_000, "no GraphQL schema"),
    ],
)
def test_what_is_no_schema_is_said_in_one_line(text: str, why: str) -> None:
    with pytest.raises(ConfigError, match=why) as raised:
        schema_of(text, "x")
    assert "\n" not in str(raised.value)
