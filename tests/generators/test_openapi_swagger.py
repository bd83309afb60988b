"""Swagger 2.0 is read as what it would be in OpenAPI 3."""

from __future__ import annotations

from typing import Any

import pytest

from magictunnel.capabilities.language.model import CapabilityFile
from magictunnel.generators.base import Generated
from magictunnel.generators.openapi import Options, generate
from magictunnel.generators.read import Source

Json = dict[str, Any]


def made(operation: Json, **more: Any) -> Generated:
    document = {"swagger": "2.0", "info": {"title": "Pets"}, "host": "api.example.com", "schemes": ["http", "https"]}
    document |= {"paths": {"/pets/{id}": {"post": operation}}} | more
    generated = generate(Source("file:///specs/pets.json", document), Options())
    CapabilityFile.model_validate(generated.file)
    return generated


def tool(*parameters: Json, **more: Any) -> Json:
    (one,) = made({"parameters": list(parameters)}, **more).made
    return one.tool


def test_the_server_is_scheme_host_and_base_path_and_https_before_http() -> None:
    assert made({}, basePath="/v2").file["http"]["base_url"] == "https://api.example.com/v2"
    assert made({}, schemes=["http"]).file["http"]["base_url"] == "http://api.example.com"
    assert made({}, schemes=None).file["http"]["base_url"] == "https://api.example.com"


@pytest.mark.parametrize(
    ("collection", "part"),
    [
        (None, {"value": "{{ids}}", "explode": False}),
        ("csv", {"value": "{{ids}}", "explode": False}),
        ("multi", "{{ids}}"),
        ("ssv", {"value": "{{ids}}", "style": "spaceDelimited"}),
        ("pipes", {"value": "{{ids}}", "style": "pipeDelimited"}),
    ],
)
def test_a_collection_format_is_a_style(collection: str | None, part: Any) -> None:
    ids = {"name": "ids", "in": "query", "type": "array", "items": {"type": "integer"}}
    one = tool(ids | ({"collectionFormat": collection} if collection else {}))
    assert one["http"]["query"] == {"ids": part}
    assert one["inputSchema"]["properties"]["ids"] == {"type": "array", "items": {"type": "integer"}}


def test_tabs_between_values_are_left_out() -> None:
    ids = {"name": "ids", "in": "query", "type": "array", "items": {}, "collectionFormat": "tsv", "required": True}
    assert "collectionFormat tsv" in made({"parameters": [ids]}).left_out[0].why


def test_a_body_is_a_body_of_what_the_operation_consumes() -> None:
    pet = {"name": "pet", "in": "body", "required": True, "schema": {"$ref": "#/definitions/Pet"}}
    definitions = {"Pet": {"type": "object", "properties": {"mate": {"$ref": "#/definitions/Pet"}}}}
    one = tool(pet, definitions=definitions, consumes=["application/xml", "application/json"])
    assert one["http"]["json"] == "{{body}}"
    assert one["inputSchema"]["required"] == ["body", "id"]
    assert set(one["inputSchema"]["$defs"]) == {"Pet"}


def test_form_fields_are_one_body() -> None:
    name = {"name": "name", "in": "formData", "type": "string", "required": True}
    one = tool(name, consumes=["application/x-www-form-urlencoded"])
    assert one["http"]["form"] == {"name": "{{body.name}}"}
    assert one["inputSchema"]["properties"]["body"]["required"] == ["name"]
    photo = {"name": "photo", "in": "formData", "type": "file"}
    parts = tool(name, photo)["http"]["multipart"]
    assert parts == {"name": "{{body.name}}", "photo": {"value": "{{body.photo}}", "base64": True, "filename": "photo"}}


def test_parameters_may_be_shared() -> None:
    shared = {"page": {"name": "page", "in": "query", "type": "integer", "maximum": 9, "exclusiveMaximum": True}}
    one = tool({"$ref": "#/parameters/page"}, parameters=shared)
    assert one["inputSchema"]["properties"]["page"] == {"type": "integer", "exclusiveMaximum": 9}


def test_security_definitions_are_credentials() -> None:
    definitions = {
        "basic": {"type": "basic"},
        "app": {"type": "oauth2", "flow": "application", "tokenUrl": "https://id.example.com/t", "scopes": {"a": ""}},
        "key": {"type": "apiKey", "in": "header", "name": "X-Key"},
    }
    for name, kind in (("basic", "basic"), ("app", "oauth2"), ("key", "api_key")):
        generated = made({"security": [{name: []}]}, securityDefinitions=definitions)
        assert generated.file["auth"][name]["type"] == kind


def test_an_answer_has_the_schema_of_what_the_operation_produces() -> None:
    schema = {"type": "object", "properties": {"ok": {"type": "boolean"}}}
    answer = {"responses": {"200": {"description": "OK", "schema": schema}}}
    (one,) = made(answer).made
    assert one.tool["outputSchema"] == schema
    (one,) = made(answer | {"produces": ["text/plain"]}).made
    assert "outputSchema" not in one.tool
    assert one.tool["http"]["headers"] == {"Accept": "text/plain"}
