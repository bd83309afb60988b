"""What the tools of an OpenAPI description are: names, arguments, requests, credentials, servers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from magictunnel.capabilities.language.model import CapabilityFile
from magictunnel.errors import ConfigError
from magictunnel.generators.base import Generated
from magictunnel.generators.openapi import Options, generate
from magictunnel.generators.read import Source
from tests.support.openapi_specs import NAMES, spec

Json = dict[str, Any]
OBJECT = {"type": "object", "properties": {"name": {"type": "string"}}}


def made(document: Json, **options: Any) -> Generated:
    """What comes of `document`, to which nothing has to be added but what the test is about."""
    whole = {
        "openapi": "3.1.0",
        "info": {"title": "Pets"},
        "servers": [{"url": "https://api.example.com/v1"}],
    } | document
    generated = generate(Source("file:///specs/pets.json", whole), Options(**options))
    CapabilityFile.model_validate(generated.file)
    return generated


def tool(operation: Json, path: str = "/pets", method: str = "get", **more: Any) -> Json:
    """The one tool made of one operation."""
    (one,) = made({"paths": {path: {method: operation}}} | more).made
    return one.tool


def why(operation: Json, path: str = "/pets", method: str = "get", **more: Any) -> str:
    """Why no tool is made of one operation."""
    (one,) = made({"paths": {path: {method: operation}}} | more).left_out
    return one.why


def parameter(name: str, place: str = "query", **more: Any) -> Json:
    return {"name": name, "in": place, "schema": {"type": "string"}} | more


def json_body(schema: Any, **more: Any) -> Json:
    return {"requestBody": {"content": {"application/json": {"schema": schema}}} | more}


def content(kind: str, schema: Any, **more: Any) -> Json:
    return {"requestBody": {"required": True, "content": {kind: {"schema": schema} | more}}}


def answered(schema: Any, kind: str = "application/json") -> Json:
    return {"responses": {"200": {"description": "OK", "content": {kind: {"schema": schema}}}}}


@pytest.mark.parametrize("name", NAMES)
def test_every_description_becomes_a_file_whose_schemas_stand_for_themselves(name: str, tmp_path: Path) -> None:
    generated = generate(spec(name, tmp_path), Options(base_url="https://api.example.com"))
    CapabilityFile.model_validate(generated.file)
    names = [one.name for one in generated.made]
    assert len(set(names)) == len(names) > 0
    assert max(map(len, names)) <= 50
    for one in generated.made[:: max(1, len(generated.made) // 50)]:
        for schema in (one.tool["inputSchema"], one.tool.get("outputSchema", {"type": "object"})):
            Draft202012Validator.check_schema(schema)
            assert schema["type"] == "object"
            assert references(schema) == set(schema.get("$defs", {}))


def references(value: Any) -> set[str]:
    if isinstance(value, list):
        return {name for one in value for name in references(one)}
    if not isinstance(value, dict):
        return set()
    reference = value.get("$ref")
    own = {reference.removeprefix("#/$defs/")} if isinstance(reference, str) else set()
    return own | {name for one in value.values() for name in references(one)}


def test_what_is_left_out_of_a_large_description_is_told_with_the_reason(tmp_path: Path) -> None:
    box = generate(spec("box-3.0.json.gz", tmp_path), Options())
    assert len(box.made) == 241
    assert {one.why for one in box.left_out} == {"its path has # in it, which cannot be sent"}
    github = generate(spec("github-3.0.json.gz", tmp_path), Options())
    assert len(github.made) + len(github.left_out) == 1223
    assert {one.why for one in github.left_out} == {"it is deprecated"}


def test_a_tool_is_called_after_its_operation_or_its_path() -> None:
    paths = {"/pets/{petId}/tags": {"get": {"operationId": "pets/list tags"}, "put": {}}}
    assert [one.name for one in made({"paths": paths}).made] == ["pets_list_tags", "put_pets_by_petId_tags"]
    by_path = made({"paths": paths}, naming="method-path", prefix="zoo_").made
    assert [one.name for one in by_path] == ["zoo_get_pets_by_petId_tags", "zoo_put_pets_by_petId_tags"]


def test_names_stay_the_same_whatever_else_is_made() -> None:
    paths = {f"/{letter}": {"get": {"operationId": "list", "tags": [letter]}} for letter in "abc"}
    alone = made({"paths": paths}, tags=("c",)).made
    (name,) = (one.name for one in alone)
    assert name == made({"paths": paths}).made[2].name
    assert name.startswith("list_")


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"tags": ("cat*",)}, ["listCats"]),
        ({"paths": ("/dogs*",)}, ["listDogs", "addDog"]),
        ({"methods": ("post",)}, ["addDog"]),
        ({"operations": ("*Dog*",), "methods": ("GET",)}, ["listDogs"]),
        ({"deprecated": True}, ["listCats", "oldCats", "listDogs", "addDog"]),
    ],
)
def test_only_what_is_wanted_is_made(options: Json, expected: list[str]) -> None:
    paths = {
        "/cats": {"get": {"operationId": "listCats", "tags": ["cats"]}},
        "/cats/old": {"get": {"operationId": "oldCats", "deprecated": True}},
        "/dogs": {"get": {"operationId": "listDogs"}, "post": {"operationId": "addDog"}},
    }
    assert [one.name for one in made({"paths": paths}, **options).made] == expected


def test_parameters_of_the_path_hold_for_all_its_operations_unless_they_say_otherwise() -> None:
    item = {
        "parameters": [parameter("id", "path"), parameter("page", description="any")],
        "get": {"parameters": [parameter("page", schema={"type": "integer"})]},
    }
    (one,) = made({"paths": {"/pets/{id}": item}}).made
    assert one.tool["http"]["url"] == "/pets/{{id}}"
    assert one.tool["inputSchema"] == {
        "type": "object",
        "properties": {"id": {"type": "string", "minLength": 1}, "page": {"type": "integer"}},
        "required": ["id"],
    }


def test_what_stands_in_a_path_is_not_empty() -> None:
    one = tool({"parameters": [parameter("id", "path")]}, "/pets/{id}")
    assert one["inputSchema"]["properties"]["id"]["minLength"] == 1


@pytest.mark.parametrize("path", ["/pets#all", "/pets/{id}{.format}", "/{+rest}"])
def test_a_path_that_cannot_be_sent_as_it_is_leaves_its_operation_out(path: str) -> None:
    assert why({}, path).startswith("its path has")


def test_a_parameter_that_only_the_path_names_is_text() -> None:
    http = tool({}, "/pets/{pet-id}/toys/{a b}")["http"]
    assert http["url"] == "/pets/{{pet-id}}/toys/{{a_b}}"


def test_arguments_have_names_of_their_own_that_placeholders_can_tell() -> None:
    one = tool(
        {
            "parameters": [
                parameter("id", "path"), parameter("id"), parameter("id", "header"), parameter("filter[name]"),
                parameter("body"), parameter("true"), parameter("$top"), parameter("steps"), parameter("1st"),
            ],
        } | json_body(OBJECT),
        "/pets/{id}",
        "post",
    )  # fmt: skip
    assert list(one["inputSchema"]["properties"]) == [
        "body", "id", "id_query", "id_header", "filter_name", "body_query", "query_true", "top", "query_steps",
        "query_1st",
    ]  # fmt: skip
    assert one["http"]["query"]["filter[name]"] == "{{filter_name}}"
    assert one["http"]["headers"] == {"id": "{{id_header}}"}


@pytest.mark.parametrize(
    ("said", "place", "written"),
    [
        ({}, "query", None),
        ({"style": "form", "explode": True}, "query", None),
        ({"explode": False}, "query", {"explode": False}),
        ({"style": "deepObject", "explode": True}, "query", {"style": "deepObject", "explode": True}),
        ({"style": "pipeDelimited"}, "query", {"style": "pipeDelimited"}),
        ({"allowReserved": True}, "query", {"reserved": True}),
        ({"explode": True}, "header", {"explode": True}),
        ({"explode": False}, "cookie", {"explode": False}),
    ],
)
def test_how_a_parameter_is_written_is_said_where_it_is_not_the_ordinary_way(
    said: Json, place: str, written: Json | None
) -> None:
    http = tool({"parameters": [parameter("p", place, **said)]})["http"]
    part = {"query": "query", "header": "headers", "cookie": "cookies"}[place]
    assert http[part]["p"] == ({"value": "{{p}}"} | written if written else "{{p}}")


def test_a_parameter_in_the_path_keeps_its_style() -> None:
    http = tool({"parameters": [parameter("p", "path", style="matrix", explode=True)]}, "/pets/{p}")["http"]
    assert http["path"] == {"p": {"style": "matrix", "explode": True}}


def test_a_parameter_with_content_is_written_as_such() -> None:
    as_json = {"name": "filter", "in": "query", "content": {"application/json": {"schema": OBJECT}}}
    one = tool({"parameters": [as_json]})
    assert one["http"]["query"] == {"filter": {"value": "{{filter}}", "style": "json"}}
    assert one["inputSchema"]["properties"]["filter"] == OBJECT


def test_headers_that_openapi_says_elsewhere_are_no_arguments() -> None:
    given = [parameter(name, "header") for name in ("Accept", "Content-Type", "authorization", "Host", "X-Trace")]
    one = tool({"parameters": given})
    assert one["http"]["headers"] == {"X-Trace": "{{X-Trace}}"}


def test_what_has_no_form_is_left_out_and_told() -> None:
    nested = parameter("rows", schema={"type": "array", "items": OBJECT})
    generated = made({"paths": {"/pets": {"get": {"parameters": [nested]}}}})
    assert generated.made[0].tool["inputSchema"]["properties"] == {}
    assert any("rows" in note for note in generated.notes)
    assert "rows" in why({"parameters": [nested | {"required": True}]})
    assert "style label" in why({"parameters": [parameter("p", style="label", required=True)]})
    assert "cannot be set" in why({"parameters": [parameter("Host", "header", required=True)]})


def test_a_list_that_is_required_has_something_in_it() -> None:
    ids = parameter("ids", required=True, schema={"type": "array", "items": {"type": "integer"}})
    assert tool({"parameters": [ids]})["inputSchema"]["properties"]["ids"]["minItems"] == 1


def test_a_json_body_is_one_argument_without_what_only_the_server_writes() -> None:
    schema = {
        "type": "object",
        "required": ["id", "name"],
        "properties": {"id": {"type": "integer", "readOnly": True}, "name": {"type": "string"}},
    }
    one = tool(json_body(schema, required=True), method="post")
    assert one["http"]["json"] == "{{body}}"
    assert one["inputSchema"]["required"] == ["body"]
    assert one["inputSchema"]["properties"]["body"] == {
        "type": "object",
        "required": ["name"],
        "properties": {"name": {"type": "string"}},
    }


def test_the_plainest_kind_of_content_is_chosen() -> None:
    kinds = {kind: {"schema": OBJECT} for kind in ("application/xml", "multipart/form-data", "application/json")}
    assert "json" in tool({"requestBody": {"content": kinds}}, method="post")["http"]
    for kind in ("application/merge-patch+json", "application/json;version=2"):
        assert tool(content(kind, OBJECT), method="patch")["http"]["content_type"] == kind
    assert "application/xml" in why(content("application/xml", OBJECT), method="post")


def test_a_form_has_named_fields_or_is_free() -> None:
    form = "application/x-www-form-urlencoded"
    assert tool(content(form, {"type": "object"}), method="post")["http"]["form"] == {"body": "{{body}}"}
    assert "fields that are named" in why(content(form, {"type": "string"}), method="post")
    assert "fields that are named" in why(content("multipart/form-data", {"type": "object"}), method="post")


def test_a_form_that_is_required_has_something_in_it() -> None:
    schema = {"properties": {"ids": {"type": "array", "items": {}}, "a": {}}, "required": ["ids"]}
    body = tool(content("application/x-www-form-urlencoded", schema), method="post")["inputSchema"]["properties"][
        "body"
    ]
    assert (body["minProperties"], body["properties"]["ids"]["minItems"]) == (1, 1)


def test_fields_of_a_form_are_parts_of_the_body() -> None:
    schema = {
        "type": "object",
        "properties": {"a[b]": {"type": "string"}, "tags": {"type": "array", "items": {"type": "string"}}, "o": OBJECT},
        "required": ["a[b]"],
    }
    encoding = {"tags": {"style": "form", "explode": False}}
    one = tool(content("application/x-www-form-urlencoded", schema, encoding=encoding), method="post")
    assert one["http"]["form"] == {
        "a[b]": "{{body.a_b}}",
        "tags": {"value": "{{body.tags}}", "style": "form", "explode": False},
        "o": {"value": "{{body.o}}", "style": "json"},
    }
    assert one["inputSchema"]["properties"]["body"]["required"] == ["a_b"]


def test_a_file_among_several_parts_is_base64() -> None:
    schema = {
        "type": "object",
        "properties": {
            "photo": {"type": "string", "format": "binary", "description": "Of it"},
            "note": {"type": "string"},
        },
    }
    one = tool(content("multipart/form-data", schema, encoding={"photo": {"contentType": "image/png"}}), method="post")
    assert one["http"]["multipart"] == {
        "photo": {"value": "{{body.photo}}", "base64": True, "filename": "photo", "content_type": "image/png"},
        "note": "{{body.note}}",
    }
    photo = one["inputSchema"]["properties"]["body"]["properties"]["photo"]
    assert photo == {"type": "string", "contentEncoding": "base64", "description": "Of it"}


def test_bytes_are_base64_and_text_is_text() -> None:
    http = tool(content("image/png", {"type": "string", "format": "binary"}), method="put")["http"]
    assert (http["body"], http["base64"], http["content_type"]) == ("{{body}}", True, "image/png")
    http = tool(content("text/plain", {"type": "string"}), method="put")["http"]
    assert (http["body"], http.get("base64"), http["content_type"]) == ("{{body}}", None, "text/plain")


def test_an_answer_that_is_one_object_has_an_output_schema() -> None:
    secret = {
        "type": "object",
        "properties": {"name": {"type": "string"}, "pin": {"type": "string", "writeOnly": True}},
    }
    assert tool(answered(secret))["outputSchema"] == OBJECT
    for other in ({"type": "array", "items": OBJECT}, {"type": ["object", "null"]}, {"oneOf": [OBJECT, {}]}):
        assert "outputSchema" not in tool(answered(other))
    assert "outputSchema" not in tool(answered(OBJECT, "text/csv"))
    as_json = {"application/x+json": {"schema": {}}, "application/json": {"schema": OBJECT}}
    for other, is_told in (("application/xml", True), ("text/csv", False)):
        kinds = {"200": {"content": as_json | {other: {}}}}
        assert ("outputSchema" in tool({"responses": kinds})) is is_told
    several = answered(OBJECT)["responses"] | {"204": {"description": "Nothing"}}
    assert "outputSchema" not in tool({"responses": several})


def test_an_output_schema_that_is_too_large_is_left_out_and_told() -> None:
    large = {"type": "object", "properties": {f"p{n}": {"type": "string", "description": "x" * 500} for n in range(60)}}
    generated = made({"paths": {"/pets": {"get": answered(large)}}})
    assert "outputSchema" not in generated.made[0].tool
    assert any("larger than 20 kB" in note for note in generated.notes)


def test_what_is_asked_for_is_what_is_answered() -> None:
    assert tool(answered({"type": "string"}, "text/csv"))["http"]["headers"] == {"Accept": "text/csv"}
    assert "headers" not in tool(answered(OBJECT))["http"]
    assert "headers" not in tool(answered({}, "text/${HOME}"))["http"]


@pytest.mark.parametrize(
    ("method", "hints"),
    [
        ("get", {"readOnlyHint": True}),
        ("post", {"readOnlyHint": False}),
        ("put", {"readOnlyHint": False, "idempotentHint": True}),
        ("delete", {"readOnlyHint": False, "destructiveHint": True, "idempotentHint": True}),
    ],
)
def test_a_method_says_what_a_tool_does_to_the_world(method: str, hints: Json) -> None:
    assert tool({}, method=method)["annotations"] == hints | {"openWorldHint": True}


def test_methods_that_nobody_sends_are_left_out() -> None:
    assert why({}, method="trace") == "the method TRACE is not supported"
    paths = {"/pets": {"query": {"operationId": "find"}, "additionalOperations": {"LINK": {}}}}
    generated = made({"openapi": "3.2.0", "paths": paths})
    assert [one.tool["http"]["method"] for one in generated.made] == ["QUERY"]
    assert [one.what for one in generated.left_out] == ["LINK /pets"]


def test_a_description_is_the_summary_and_what_fits_of_the_rest() -> None:
    long = "First sentence. Second sentence.\n\n" + "More words. " * 200
    one = tool({"summary": "Lists pets", "description": long})
    assert one["title"] == "Lists pets"
    assert one["description"].startswith("Lists pets\n\nFirst sentence. Second sentence.\n\nMore words.")
    assert len(one["description"]) <= 1_000
    assert tool({})["description"] == "GET /pets"


def test_what_only_reads_is_sent_without_a_body_that_nothing_can_be_in() -> None:
    empty = {"content": {"application/x-www-form-urlencoded": {"schema": {"type": "object", "properties": {}}}}}
    assert "form" not in tool({"requestBody": empty})["http"]
    assert "form" in tool({"requestBody": empty}, method="post")["http"]


def test_webhooks_and_callbacks_make_no_tools() -> None:
    callbacks = {"onEvent": {"{$request.body#/url}": {"post": {"operationId": "called"}}}}
    generated = made(
        {"paths": {"/a": {"get": {"callbacks": callbacks}}}, "webhooks": {"hook": {"post": {"operationId": "hooked"}}}}
    )
    assert len(generated.made) == 1


@pytest.mark.parametrize(
    ("servers", "url"),
    [
        ([{"url": "https://a.example.com/v1/"}], "https://a.example.com/v1"),
        (
            [
                {
                    "url": "https://{region}.example.com/{v}",
                    "variables": {"region": {"default": "eu"}, "v": {"enum": ["v2"]}},
                }
            ],
            "https://eu.example.com/v2",
        ),
        ([{"url": "//b.example.com"}], "https://b.example.com"),
        ([{"url": "/no-host"}, {"url": "https://c.example.com"}], "https://c.example.com"),
    ],
)
def test_the_first_server_that_can_be_reached_is_the_base(servers: list[Json], url: str) -> None:
    assert made({"paths": {}, "servers": servers}).file["http"]["base_url"] == url


def test_other_servers_are_told_and_one_of_its_own_is_kept() -> None:
    servers = [{"url": "https://a.example.com"}, {"url": "https://b.example.com"}]
    generated = made(
        {"paths": {"/pets": {"get": {"servers": [{"url": "https://c.example.com/x"}]}}}, "servers": servers}
    )
    assert any("https://b.example.com" in note for note in generated.notes)
    assert generated.made[0].tool["http"]["url"] == "https://c.example.com/x/pets"
    chosen = made({"paths": {"/pets": {"get": {"servers": servers}}}}, base_url="https://mine.example.com")
    assert chosen.made[0].tool["http"]["url"] == "/pets"


def test_a_server_is_relative_to_where_the_description_was_read() -> None:
    document = {"openapi": "3.0.0", "info": {"title": "Pets"}, "paths": {}, "servers": [{"url": "/v2"}]}
    generated = generate(Source("https://docs.example.com/api/openapi.json", document), Options())
    assert generated.file["http"]["base_url"] == "https://docs.example.com/v2"


def test_a_description_that_names_no_server_needs_one() -> None:
    with pytest.raises(ConfigError, match=r"where its server is.*--base-url"):
        made({"paths": {}, "servers": [{"url": "/v1"}]})


def test_a_private_server_is_told_and_not_allowed_by_us() -> None:
    generated = made({"paths": {}, "servers": [{"url": "http://localhost:8080"}]})
    assert any("allow_private" in note for note in generated.notes)
    assert "allow_private" not in generated.file["http"]


SCHEMES = {
    "key": {"type": "apiKey", "in": "query", "name": "k"},
    "bearer": {"type": "http", "scheme": "Bearer"},
    "basic": {"type": "http", "scheme": "basic"},
    "machine": {"type": "oauth2", "flows": {"clientCredentials": {"tokenUrl": "/token", "scopes": {"read": ""}}}},
    "person": {"type": "oauth2", "flows": {"implicit": {"authorizationUrl": "https://x", "scopes": {}}}},
    "oidc": {"type": "openIdConnect", "openIdConnectUrl": "https://x"},
    "digest": {"type": "http", "scheme": "digest"},
    "tls": {"type": "mutualTLS"},
}


@pytest.mark.parametrize(
    ("scheme", "credential"),
    [
        ("key", {"type": "api_key", "in": "query", "name": "k", "value": "${PETS_API_KEY}"}),
        ("bearer", {"type": "bearer", "token": "${PETS_TOKEN}"}),
        ("basic", {"type": "basic", "username": "${PETS_USERNAME}", "password": "${PETS_PASSWORD}"}),
        (
            "machine",
            {
                "type": "oauth2", "token_url": "https://api.example.com/token", "client_id": "${PETS_CLIENT_ID}",
                "client_secret": "${PETS_CLIENT_SECRET}", "scopes": ["read"],
            },
        ),
        ("person", {"type": "bearer", "token": "${PETS_TOKEN}"}),
        ("oidc", {"type": "bearer", "token": "${PETS_TOKEN}"}),
    ],
)  # fmt: skip
def test_a_security_scheme_becomes_a_credential_by_reference(scheme: str, credential: Json) -> None:
    generated = made(
        {"paths": {"/a": {"get": {"security": [{scheme: []}]}}}, "components": {"securitySchemes": SCHEMES}}
    )
    assert generated.file["auth"] == {scheme: credential}
    assert generated.file["http"]["auth"] == [scheme]
    assert "auth" not in generated.made[0].tool["http"]


def test_an_operation_has_the_first_credentials_that_can_be_carried() -> None:
    paths = {
        "/a": {"get": {}},
        "/b": {"get": {}},
        "/open": {"get": {"security": []}},
        "/either": {"get": {"security": [{"tls": []}, {"basic": [], "key": []}]}},
        "/never": {"get": {"security": [{"tls": []}, {"digest": []}, {"unheard": []}]}},
    }
    generated = made({"paths": paths, "security": [{"bearer": []}], "components": {"securitySchemes": SCHEMES}})
    auth = {one.what: one.tool["http"].get("auth") for one in generated.made}
    assert auth == {"GET /a": None, "GET /b": None, "GET /open": [], "GET /either": ["basic", "key"]}
    assert "mutualTLS" in generated.left_out[0].why


def test_variables_of_several_schemes_do_not_meet_and_are_told() -> None:
    schemes = {"one": SCHEMES["bearer"], "two": SCHEMES["bearer"]}
    paths = {f"/{name}": {"get": {"security": [{name: []}]}} for name in schemes}
    generated = made({"paths": paths, "components": {"securitySchemes": schemes}}, env_prefix="zoo")
    assert [one["token"] for one in generated.file["auth"].values()] == ["${ZOO_TOKEN}", "${ZOO_TWO_TOKEN}"]


def test_a_header_authorization_is_a_credential_and_no_argument() -> None:
    generated = made({"paths": {"/a": {"get": {"parameters": [parameter("Authorization", "header", required=True)]}}}})
    assert generated.made[0].tool["inputSchema"]["properties"] == {}
    assert generated.file["auth"]["Authorization"]["value"] == "${PETS_AUTHORIZATION}"


@pytest.mark.parametrize(
    "document",
    [
        {"paths": {"/a/${HOME}": {"get": {}}}},
        {"paths": {"/a/{{x}}": {"get": {}}}},
        {"paths": {"/a": {"get": {"servers": [{"url": "https://evil.example.com/${HOME}"}]}}}},
        {"paths": {"/a": {"get": {"servers": [{"url": "https://{h}/", "variables": {"h": {"default": "${HOME}"}}}]}}}},
    ],
)
def test_a_description_cannot_have_a_variable_of_ours_sent(document: Json) -> None:
    generated = made(document)
    assert not generated.made
    assert len(generated.left_out) == 1


def test_progress_is_told() -> None:
    told: list[tuple[str, int, int]] = []
    document = {"openapi": "3.0.0", "servers": [{"url": "https://a.example.com"}], "paths": {"/a": {"get": {}}}}
    generate(Source("file:///a.json", document), Options(), lambda *one: told.append(one))
    assert told == [("operations", 0, 1), ("operations", 1, 1)]


@pytest.mark.parametrize("document", [None, [], {}, {"openapi": "4.0.0"}, {"swagger": "1.2"}, {"openapi": 3}])
def test_what_is_no_description_is_refused(document: Any) -> None:
    with pytest.raises(ConfigError, match=r"OpenAPI 3\.0, 3\.1, 3\.2 and Swagger 2\.0 are read"):
        generate(Source("file:///a.json", document), Options())
