"""GraphQL operations, sent for real."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import anyio
import pytest

from magictunnel.capabilities.base import Output
from magictunnel.capabilities.http import HttpRunner
from magictunnel.capabilities.language.expression import MISSING
from magictunnel.capabilities.language.requests import Bearer, GraphQL, HttpDefaults
from magictunnel.errors import RunError
from magictunnel.secrets import Secrets
from tests.support.recorder import Recorder, Reply, as_json

pytestmark = pytest.mark.anyio
QUERY = "query User($id: ID!, $with: Filter) { user(id: $id, with: $with) { name } }  # {{id}} ${TOKEN}"


@pytest.fixture(autouse=True)
async def bounded() -> AsyncIterator[None]:
    with anyio.fail_after(20):
        yield


async def asked(server: Recorder, scope: dict[str, Any] | None = None, **declared: Any) -> Output:
    defaults = HttpDefaults(base_url=server.base, allow_private=True)
    auth = {"me": Bearer(type="bearer", token="${TOKEN}")}
    runner = HttpRunner(auth, defaults, Secrets({"TOKEN": "s3cret-value"}))
    try:
        graphql = GraphQL.model_validate({"url": "/graphql", "query": QUERY} | declared)
        return await runner.run_graphql(graphql, scope or {})
    finally:
        await runner.aclose()


async def test_an_operation_arrives_as_it_was_declared(server: Recorder) -> None:
    server.on("/graphql", as_json({"data": {"user": {"name": "Ada"}}}))

    output = await asked(
        server,
        {"id": 7, "deep": None},
        variables={"id": "{{id}}", "with": {"a": "{{gone}}", "b": "{{deep}}"}, "gone": "{{gone}}"},
        operation="User",
        auth="me",
        headers={"X-Id": "{{id}}"},
    )

    arrived = server.last
    assert (arrived.method, arrived.path) == ("POST", "/graphql")
    assert json.loads(arrived.body) == {
        "query": QUERY,
        "variables": {"id": 7, "with": {"b": None}},
        "operationName": "User",
    }
    assert arrived.header("content-type") == "application/json"
    assert arrived.header("accept").startswith("application/graphql-response+json")
    assert (arrived.header("authorization"), arrived.header("x-id")) == ("Bearer s3cret-value", "7")
    assert output == Output(value={"user": {"name": "Ada"}})


@pytest.mark.parametrize(
    ("select", "value"),
    [("users", [{"id": 1}]), ("users.0.id", 1), ("users.5.id", None), ("nobody.x", None), ("none", None)],
)
async def test_a_part_of_the_data_is_selected(server: Recorder, select: str, value: Any) -> None:
    server.on("/graphql", as_json({"data": {"users": [{"id": 1}], "none": None}}))

    assert await asked(server, select=select) == Output(value=value)


async def test_errors_fail_and_what_there_is_of_the_data_is_kept(server: Recorder) -> None:
    errors = [{"message": "no\nname", "path": ["user", 0, "name"]}, {"message": "too slow"}, "odd", {}]
    server.on("/graphql", as_json({"data": {"user": {"id": 1}}, "errors": errors}))

    output = await asked(server, select="user")

    assert output.failed == "no name (at user.0.name); too slow; odd; an error without words"
    assert output.value == {"id": 1}


async def test_errors_alone_fail(server: Recorder) -> None:
    server.on("/graphql", as_json({"errors": [{"message": "syntax s3cret-value"}], "data": None}, 400))

    output = await asked(server, auth="me")

    assert output.failed == f"400 Bad Request from POST 127.0.0.1:{server.port}/graphql; syntax ***"
    assert output.value is MISSING


@pytest.mark.parametrize("reply", [Reply(b"<html>"), as_json([]), as_json({"message": "hello"})])
async def test_what_is_no_answer_fails_and_is_shown(server: Recorder, reply: Reply) -> None:
    server.on("/graphql", reply)

    output = await asked(server)

    assert output.failed == "what came back is no answer of GraphQL"
    assert output.body == reply.body


async def test_an_answer_that_is_too_long_fails(server: Recorder) -> None:
    server.on("/graphql", as_json({"data": "x" * 1_000}))

    output = await asked(server, max_output=100)

    assert "longer than is read" in output.failed


async def test_nothing_is_sent_without_what_a_variable_needs(server: Recorder) -> None:
    with pytest.raises(RunError, match="id is missing, and a variable needs it"):
        await asked(server, variables={"id": "user-{{id}}"})

    assert server.arrived == []
