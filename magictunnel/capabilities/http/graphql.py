"""GraphQL operations: the request that each is, and what its answer comes to. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from magictunnel.capabilities.base import Output
from magictunnel.capabilities.language.expression import MISSING, Absent, BadExpression, Scope, filled
from magictunnel.capabilities.language.members import at_path
from magictunnel.capabilities.language.requests import GraphQL, Http, Part
from magictunnel.errors import RunError

PAYLOAD = "$payload"
"""Where the request's body stands in the scope; no argument of a tool is named so."""
_ACCEPT = "application/graphql-response+json, application/json;q=0.9"
_MAX_ERRORS = 5
_MAX_TOLD = 300


def as_http(graphql: GraphQL) -> Http:
    """The request that it is."""
    http = Http(
        method="POST", url=graphql.url, auth=graphql.auth, max_output=graphql.max_output, json="{{" + PAYLOAD + "}}"
    )
    headers = dict(graphql.headers)
    if "accept" not in map(str.lower, headers):
        headers["Accept"] = Part(value=_ACCEPT)
    return http.model_copy(update={"headers": headers})


def payload_of(graphql: GraphQL, scope: Scope) -> dict[str, Any]:
    """What is posted.

    Raises:
        RunError: a value within text is missing, or a placeholder is none.
    """
    try:
        variables = filled(graphql.variables, scope)
    except Absent as error:
        raise RunError(f"{error.name} is missing, and a variable needs it", hint=f"give {error.name}") from error
    except BadExpression as error:
        raise RunError(f"a variable cannot be made: {error}", hint="correct the capability file") from error
    told = {"query": graphql.query, "variables": variables, "operationName": graphql.operation}
    return {key: value for key, value in told.items() if value}


def read(graphql: GraphQL, output: Output) -> Output:
    """What an answer comes to: what stands at `select` in its data, and why it failed if it has errors."""
    if output.is_cut:
        return replace(output, failed=output.failed or "the answer is longer than is read (raise `max_output`)")
    try:
        answer = json.loads(output.body)
    except (ValueError, RecursionError):
        answer = None
    if not isinstance(answer, dict) or not ("data" in answer or "errors" in answer):
        return replace(output, failed=output.failed or "what came back is no answer of GraphQL")
    words = [*filter(None, [output.failed]), *_errors(answer.get("errors"))]
    value = at_path(answer.get("data"), graphql.select or "")
    if value is MISSING and not words:
        value = None
    return Output(value=MISSING if value is None and words else value, failed="; ".join(words))


def _errors(errors: Any) -> Iterator[str]:
    """The words of each, and where in the data it stands."""
    for error in (errors if isinstance(errors, list) else [])[:_MAX_ERRORS]:
        told = error if isinstance(error, dict) else {"message": error}
        words = " ".join(str(told.get("message") or "an error without words").split())[:_MAX_TOLD]
        path = ".".join(map(str, told["path"])) if isinstance(told.get("path"), list) else ""
        yield f"{words} (at {path})" if path else words
