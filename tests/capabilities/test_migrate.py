"""The ancestor's files become ones that load and do what they did; what cannot is told, and no secret is carried."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from magictunnel.capabilities.arguments import Arguments
from magictunnel.capabilities.authoring.migrate import Migrated, is_old, migrated
from magictunnel.capabilities.authoring.preview import Preview
from magictunnel.capabilities.language.model import CapabilityFile
from magictunnel.capabilities.parse import parse
from magictunnel.config.text import parse_text
from magictunnel.generators.write import to_yaml

Json = dict[str, Any]

NETWORK = """
metadata:
  name: network tools
  description: Basic network utilities
  version: 1.2.0
  author: Team
  tags: [network, diagnostics]
tools:
  - name: ping
    description: Test network connectivity to a host
    inputSchema:
      type: object
      properties:
        host: {type: string, description: Host}
        count: {type: integer, default: 4}
        size: {type: integer}
      required: [host]
    routing:
      type: subprocess
      config:
        command: ping
        args: [-c, "{count}", -s, "{size}", "{host}"]
        timeout: 30
        env: {LANG: C, API_KEY: hunter2hunter2}
    annotations: {source: generated, readOnlyHint: "true", override_elicitation_authority: "yes"}
    hidden: true
    enabled: false
"""
SCHEMA: Json = {
    "type": "object",
    "properties": {"id": {"type": "string"}, "page": {"type": "integer"}, "text": {"type": "string"}},
    "required": ["id"],
}


def old(kind: str, config: Json, **more: Any) -> Migrated:
    return migrated({"tools": [legacy(kind, config, **more)]}, "shop")


def legacy(kind: str, config: Json, **more: Any) -> Json:
    return {"name": "t", "description": "D.", "inputSchema": SCHEMA, "routing": {"type": kind, "config": config}} | more


def the_tool(result: Migrated) -> Json:
    text = to_yaml(result.content, result.comment)
    parse(text, "new.yaml")
    (tool,) = parse_text(text, "new.yaml").data["tools"]
    return dict(tool)


def sent(result: Migrated, **arguments: Any) -> Json:
    """What the tool would do, of one kind."""
    file = CapabilityFile.model_validate(result.content)
    scope = Arguments(file.tools[0].input_schema).taken(arguments)
    (told,) = Preview(file, lambda text, _where: text).of(file.tools[0], scope).values()
    return dict(told)


def why_lost(result: Migrated) -> str:
    """The reason for which the only tool is not carried."""
    assert result.content["tools"] == []
    return result.lost[-1].why


# --- a whole file


def test_a_file_of_the_ancestor_is_known_by_its_routing() -> None:
    assert is_old(parse_text(NETWORK, "x").data)
    assert not is_old({"tools": [{"name": "a", "command": ["b"]}]})
    assert not is_old([])
    assert not is_old({"tools": "x"})


def test_a_whole_file_is_carried() -> None:
    result = migrated(parse_text(NETWORK, "x").data, "network")
    tool = the_tool(result)
    assert result.content["name"] == "network_tools"
    assert result.content["description"] == "Basic network utilities"
    assert result.comment == ["Version: 1.2.0", "Author: Team"]
    assert tool["tags"] == ["network", "diagnostics"]
    assert tool["visibility"] == "search-only"
    assert tool["enabled"] is False
    assert tool["timeout"] == 30
    assert tool["annotations"] == {"readOnlyHint": True}
    assert tool["command"]["env"] == {"LANG": "C", "API_KEY": "${NETWORK_API_KEY}"}
    assert [tuple(one) for one in result.lost] == [
        ("tools.ping.annotations.override_elicitation_authority", "only MCP's own hints are annotations")
    ]
    assert "set NETWORK_API_KEY to the secret that stands in the old file" in result.notes


def test_arguments_stand_where_they_stood_and_an_optional_flag_goes_with_its_value() -> None:
    result = migrated(parse_text(NETWORK, "x").data, "network")
    assert sent(result, host="a b; rm -rf /")["argv"] == ["ping", "-c", "4", "a b; rm -rf /"]
    assert sent(result, host="x", count=2, size=9)["argv"] == ["ping", "-c", "2", "-s", "9", "x"]


def test_a_tool_that_cannot_be_carried_costs_the_others_nothing() -> None:
    tools = [
        legacy("database", {"connection_string": "postgres://u:topsecret@h/d"}),
        legacy("http", {"url": "https://a/"}) | {"name": "u"},
    ]
    result = migrated({"tools": tools}, "shop")
    assert the_tool(result)["name"] == "u"
    assert [one.where for one in result.lost] == ["tools.t"]
    assert "topsecret" not in json.dumps([result.content, result.lost, result.notes])


# --- http


def test_a_post_carries_all_arguments_as_its_body() -> None:
    result = old("http", {"method": "POST", "url": "https://a.example/things/{id}", "headers": {"X-Id": "{{id}}"}})
    told = sent(result, id="7/8", page=2)
    assert (told["method"], told["url"]) == ("POST", "https://a.example/things/7%2F8")
    assert json.loads(told["body"]) == {"id": "7/8", "page": 2}
    assert told["headers"]["X-Id"] == "7/8"
    assert result.lost == []


def test_a_get_has_no_body_and_what_is_missing_of_its_query_is_left_out() -> None:
    result = old("http", {"url": "https://a.example/{id}?page={page}&kind=a%20b&q={text}", "timeout": 5})
    assert sent(result, id="1", page=3)["url"] == "https://a.example/1?page=3&kind=a%20b"
    assert the_tool(result)["http"]["query"]["page"] == "{{page}}"


@pytest.mark.parametrize(
    ("config", "kept"),
    [
        ({"headers": {"Authorization": "Bearer abcdef123456"}}, {"Authorization": "Bearer ${SHOP_AUTHORIZATION}"}),
        ({"headers": {"X-API-Key": "abcdef123456"}}, {"X-API-Key": "${SHOP_X_API_KEY}"}),
        ({"headers": {"X-API-Key": "${KEY}"}}, {"X-API-Key": "${KEY}"}),
        ({"headers": {"Authorization": "Bearer {text}"}}, {"Authorization": "Bearer {{text}}"}),
        ({"headers": {"Accept": "text/plain"}}, {"Accept": "text/plain"}),
    ],
)
def test_a_secret_in_a_header_becomes_a_reference(config: Json, kept: dict[str, str]) -> None:
    result = old("http", {"url": "https://a.example/"} | config)
    assert the_tool(result)["http"]["headers"] == kept
    assert "abcdef123456" not in json.dumps([result.content, result.lost, result.notes])


def test_a_secret_in_a_url_becomes_a_reference() -> None:
    result = old("http", {"url": "https://me:passw0rdX@a.example/?api_key=keykeykey1&v=2"})
    tool = the_tool(result)
    assert tool["http"]["url"] == "https://a.example/"
    assert tool["http"]["query"] == {"api_key": "${SHOP_API_KEY}", "v": "2"}
    assert tool["http"]["auth"] == ["basic_1"]
    assert result.content["auth"]["basic_1"] == {"type": "basic", "username": "me", "password": "${SHOP_PASSWORD}"}
    assert "passw0rdX" not in json.dumps([result.content, result.notes])


def test_one_secret_has_one_variable() -> None:
    tools = [
        legacy("http", {"url": "https://a.example/", "headers": {"X-Token": token}})
        for token in ("aaaaaa1", "bbbbbb1", "aaaaaa1")
    ]
    result = migrated({"tools": [tool | {"name": f"t{at}"} for at, tool in enumerate(tools)]}, "shop")
    found = [tool["http"]["headers"]["X-Token"] for tool in result.content["tools"]]
    assert found == ["${SHOP_X_TOKEN}", "${SHOP_X_TOKEN_2}", "${SHOP_X_TOKEN}"]


def test_private_addresses_stay_reachable_and_that_is_told() -> None:
    result = old("http", {"url": "http://localhost:8080/{id}"})
    assert result.content["http"] == {"allow_private": True}
    assert any("allow_private" in note for note in result.notes)
    assert "http" not in old("http", {"url": "https://a.example/"}).content


def test_retries_are_carried_where_repeating_does_no_harm() -> None:
    assert the_tool(old("http", {"url": "https://a.example/", "retry_count": 2}))["http"]["retries"] == {"attempts": 3}
    result = old("http", {"url": "https://a.example/", "method": "POST", "retry_count": 2})
    assert [one.where for one in result.lost] == ["tools.t.routing.config.retry_count"]


@pytest.mark.parametrize("url", ["https://{id}.example/", "{id}/x", "https://a.example:{id}/"])
def test_a_host_from_the_arguments_is_refused(url: str) -> None:
    assert "host" in why_lost(old("http", {"url": url}))


def test_keys_that_nobody_read_are_told() -> None:
    result = old("http", {"url": "https://a.example/", "query_params": {"a": "{id}"}, "body_param": None})
    assert [(one.where, one.why[:14]) for one in result.lost] == [
        ("tools.t.routing.config.query_params", "nobody read it")
    ]


# --- the other types


def test_graphql_is_carried_with_its_variables() -> None:
    config = {
        "endpoint": "https://a.example/graphql",
        "query": "query Q($id: ID!) { user(id: $id) { name } }",
        "variables": {"id": "{id}"},
        "operation_name": "Q",
    }
    told = sent(old("graphql", config), id="7")
    assert told["url"] == "https://a.example/graphql"
    assert told["body"] == {"query": config["query"], "variables": {"id": "7"}, "operationName": "Q"}
    del config["variables"]
    assert sent(old("graphql", config), id="7")["body"]["variables"] == {"id": "7"}
    config["query"] = 'query { user(id: "{id}") { name } }'
    assert "write it as a variable" in why_lost(old("graphql", config))


def test_an_event_stream_is_carried_and_its_bounds_are_told() -> None:
    result = old("sse", {"url": "https://a.example/events/{id}", "max_events": 5, "timeout": 9})
    assert the_tool(result)["http"] == {"url": "https://a.example/events/{{id}}", "stream": "events"}
    assert [one.where for one in result.lost] == ["tools.t.routing.config.max_events"]


def test_a_tool_of_another_server_becomes_an_alias() -> None:
    config = {"server_name": "filesystem", "tool_name": "read_file", "endpoint": "filesystem", "method": "tools/call",
              "timeout": 30, "retry_count": 2}  # fmt: skip
    result = old(
        "external_mcp", config, annotations={"source": "x", "server": "filesystem", "original_name": "read_file"}
    )
    assert the_tool(result)["mcp"] == {"tool": "filesystem__read_file"}
    assert result.lost == []


@pytest.mark.parametrize(
    "kind", ["llm", "websocket", "database", "grpc", "smart_discovery", "enhanced_subprocess", "ai_x", "what"]
)
def test_what_cannot_run_today_is_told_with_the_reason(kind: str) -> None:
    assert len(why_lost(old(kind, {}))) > 10


def test_what_the_old_manual_wrote_directly_under_routing_counts() -> None:
    tool = {
        "name": "t",
        "description": "D",
        "inputSchema": SCHEMA,
        "routing": {"type": "command", "command": "echo", "args": ["{id}"]},
    }
    assert sent(migrated({"tools": [tool]}, "x"), id="a")["argv"] == ["echo", "a"]


@pytest.mark.parametrize(
    "config",
    [
        {"command": "curl", "args": ["--token", "abcdef"]},
        {"command": "curl", "args": ["--api-key=abcdef"]},
        {"command": "curl", "args": ["-H", "x: ghp_abcdefghijklmnopqrstuvwxyz0123456789"]},
    ],
)
def test_a_secret_on_a_command_line_is_refused(config: Json) -> None:
    assert "secret on its command line" in why_lost(old("subprocess", config))


def test_a_program_from_the_arguments_is_refused() -> None:
    assert "program" in why_lost(old("subprocess", {"command": "{id}"}))


# --- the enhanced format


def test_the_enhanced_format_is_carried_and_what_is_not_enforced_is_told() -> None:
    tool = {
        "name": "t",
        "core": {"description": "Enhanced.", "input_schema": SCHEMA},
        "execution": {
            "routing": {
                "type": "subprocess",
                "primary": {"type": "subprocess", "config": {"command": "echo"}},
                "fallback": {"type": "llm"},
            },
            "security": {"classification": "safe", "requires_approval": True},
            "performance": {"cache_results": False},
        },
        "discovery": {"ai_enhanced": {"description": "x"}},
        "monitoring": {},
        "access": {"hidden": True, "roles": ["admin"]},
    }
    result = migrated({"enhanced_metadata": {"name": "e"}, "enhanced_tools": [tool]}, "x")
    made = the_tool(result)
    assert (made["description"], made["visibility"]) == ("Enhanced.", "search-only")
    assert made["command"]["argv"] == ["echo"]
    assert {one.where for one in result.lost} == {
        "enhanced_tools.t.execution.routing.fallback",
        "enhanced_tools.t.execution.security",
        "enhanced_tools.t.execution.performance",
        "enhanced_tools.t.discovery",
        "enhanced_tools.t.access.roles",
    }


# --- placeholders


@pytest.mark.parametrize(
    ("written", "given", "argument"),
    [
        ("{id}", {"id": "x"}, "x"),
        ("{{id}}", {"id": "x"}, "x"),
        ("{{ id }}", {"id": "x"}, "x"),
        ("a-{id}.{page}", {"id": "x", "page": 2}, "a-x.2"),
        ("{page|3}", {"id": "x"}, "3"),
        ("{text|none at all}", {"id": "x"}, "none at all"),
        ('{"a": 1}', {"id": "x"}, '{"a": 1}'),
        ("{unknown}", {"id": "x"}, "{unknown}"),
        ("${HOME}", {"id": "x"}, "${HOME}"),
        ("awk '{print}' {id}", {"id": "x"}, "awk '{print}' x"),
    ],
)
def test_placeholders_mean_what_they_meant(written: str, given: Json, argument: str) -> None:
    result = old("subprocess", {"command": "echo", "args": [written]})
    assert sent(result, **given)["argv"] == ["echo", argument]


def test_a_default_goes_into_the_schema_with_its_type() -> None:
    tool = the_tool(old("subprocess", {"command": "echo", "args": ["{page|3}"]}))
    assert tool["inputSchema"]["properties"]["page"] == {"type": "integer", "default": 3}
    assert "default" not in SCHEMA["properties"]["page"]


@pytest.mark.parametrize("written", ["{page?a:b}", "{{missing}}", "{page|x}", "{{id}", "{{{id}}}"])
def test_what_has_no_counterpart_costs_the_tool_and_is_told(written: str) -> None:
    result = old("subprocess", {"command": "echo", "args": [written]})
    assert result.content["tools"] == [] or sent(result, id="x")["argv"][1] in ("{x}", "{{id}")
    assert result.content["tools"] or result.lost


@pytest.mark.parametrize(
    "tool",
    [
        {},
        {"name": "t"},
        {"name": "", "routing": {"type": "http", "config": {"url": "https://a/"}}},
        {"name": "t", "routing": {"type": "subprocess", "config": {}}},
        {"name": "t", "routing": {"config": 5, "type": "http"}},
        {"name": "t", "routing": {"type": "http"}, "inputSchema": []},
        {"name": "t", "routing": {"type": "http"}, "inputSchema": {"type": "array"}},
        {"name": "t", "routing": {"type": "http", "config": {"url": "{a}"}}, "inputSchema": {"properties": None}},
        {"name": "t", "routing": {"type": "http", "config": {"url": "http://["}}},
    ],
)
def test_a_tool_that_is_none_is_told(tool: Json) -> None:
    result = migrated({"tools": [tool, legacy("http", {"url": "https://a.example/"})]}, "x")
    assert len(result.content["tools"]) == 1
    assert result.lost


@settings(deadline=None)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=8),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(["name", "routing", "type", "config", "url", "tools", "headers", "args", "x"]),
                inner,
                max_size=4,
            )
        ),
        max_leaves=25,
    ),
    st.sampled_from(["http", "subprocess", "graphql", "sse", "external_mcp"]),
)
def test_whatever_stands_in_it_the_new_file_loads(found: Any, kind: str) -> None:
    config = found if isinstance(found, dict) else {"url": found, "command": found, "endpoint": found}
    content = {"tools": [legacy(kind, config), found], "metadata": found}
    result = migrated(content, "x")
    if result.content["tools"]:
        parse(to_yaml(result.content), "new.yaml")


def test_a_default_makes_an_argument_of_what_was_none() -> None:
    result = old("subprocess", {"command": "echo", "args": ["{n|5}"]})
    assert sent(result, id="x")["argv"] == ["echo", "5"]
    assert sent(result, id="x", n=7)["argv"] == ["echo", "7"]
    assert any("n was in no inputSchema" in note for note in result.notes)


def test_an_argument_that_a_default_made_is_not_in_the_body() -> None:
    result = old("http", {"method": "POST", "url": "https://h.example/{n|5}"})
    told = sent(result, id="x")
    assert (told["url"], told["body"]) == ("https://h.example/5", '{"id":"x"}')


def test_annotations_that_are_left_out_are_told() -> None:
    given = {"readOnlyHint": "true", "idempotentHint": "perhaps", "source": "openapi"}
    result = old("subprocess", {"command": "date"}, annotations=given)
    assert the_tool(result)["annotations"] == {"readOnlyHint": True}
    assert "annotations that only say where tools come from are left out: source" in result.notes
    assert [one.where for one in result.lost] == ["tools.t.annotations.idempotentHint"]


@pytest.mark.parametrize("args", [["-c", "echo {id}"], ["-ec", "echo '{id}'"]])
def test_arguments_in_code_of_a_shell_are_refused(args: list[str]) -> None:
    assert "a placeholder in code that" in why_lost(old("subprocess", {"command": "sh", "args": args}))
