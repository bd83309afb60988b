"""Where a GraphQL schema comes from: SDL, the JSON of an introspection, or an endpoint that is asked for it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import anyio
import httpx2
from graphql import GraphQLError, GraphQLSchema, build_client_schema, build_schema, get_introspection_query

from magictunnel.catalog.model import Json
from magictunnel.errors import ConfigError

MAX_BYTES = 64 << 20
_PATIENCE = 60.0
"""Seconds for an endpoint to tell its schema."""
_MAX_TOLD = 300


def schema_of(text: str, file: str) -> GraphQLSchema:
    """The schema that `text` is: SDL, or JSON as an introspection answers it.

    Raises:
        ConfigError: it is neither.
    """
    try:
        if text.lstrip().startswith("{") and (found := _introspection(text, file)) is not None:
            return build_client_schema(found, assume_valid=True)  # type: ignore[arg-type]
        return build_schema(text, assume_valid=True)  # what runs somewhere is not ours to find fault with
    except (GraphQLError, TypeError, ValueError, KeyError, AttributeError, RecursionError) as error:
        line = error.locations[0].line if isinstance(error, GraphQLError) and error.locations else 0
        message = error.message if isinstance(error, GraphQLError) else str(error) or type(error).__name__
        raise ConfigError(
            f"no GraphQL schema: {' '.join(message.split())[:_MAX_TOLD]}",
            file=file,
            line=line,
            hint="it takes SDL, or the JSON that an introspection query answers",
        ) from error


def _introspection(text: str, file: str) -> Json | None:
    """What stands under `__schema`; None: the text is no JSON, so it may be SDL."""
    try:
        content = json.loads(text)
    except ValueError:
        return None
    found = content.get("data", content)
    if not isinstance(found, dict) or not isinstance(found.get("__schema"), dict):
        raise ConfigError("has no `__schema`", file=file, hint="save the whole answer of an introspection query")
    return found


async def introspected(url: str, headers: Mapping[str, str]) -> str:
    """What the endpoint at `url`, asked with `headers`, tells of its schema, as `schema_of` takes it.

    Raises:
        ConfigError: it does not answer, or does not tell.
    """
    try:
        with anyio.fail_after(_PATIENCE):
            status, body = await _asked(url, headers)
    except (httpx2.HTTPError, httpx2.InvalidURL, OSError) as error:
        raise _untold(url, f"{type(error).__name__}: {error}".rstrip(": ")) from error
    except TimeoutError as error:
        raise _untold(url, f"no answer within {_PATIENCE:.0f} s") from error
    answer = _parsed(body)
    if isinstance(answer.get("data"), dict) and answer["data"].get("__schema"):
        return body.decode("utf-8", "replace")
    raise _untold(url, _errors(answer) or f"HTTP {status}")


async def _asked(url: str, headers: Mapping[str, str]) -> tuple[int, bytes]:
    query = {"query": get_introspection_query()}
    async with (
        httpx2.AsyncClient(timeout=_PATIENCE, trust_env=False) as client,
        client.stream("POST", url, json=query, headers={"Accept": "application/json", **headers}) as response,
    ):
        body = b""
        async for chunk in response.aiter_bytes():
            body += chunk
            if len(body) > MAX_BYTES:
                raise _untold(url, f"its answer is larger than {MAX_BYTES >> 20} MiB")
        return response.status_code, body


def _parsed(body: bytes) -> Json:
    try:
        answer = json.loads(body)
    except ValueError:
        return {}
    return answer if isinstance(answer, dict) else {}


def _errors(answer: Json) -> str:
    errors: Any = answer.get("errors")
    told = [str(one.get("message", "")) for one in errors if isinstance(one, dict)] if isinstance(errors, list) else []
    return " ".join("; ".join(told).split())[:_MAX_TOLD]


def _untold(url: str, why: str) -> ConfigError:
    where = url.partition("?")[0]
    hint = (
        "is it a GraphQL endpoint that allows introspection? Else name a file with its SDL, and the endpoint by --url"
    )
    return ConfigError(f"{where} does not tell its schema: {why}", hint=hint)
