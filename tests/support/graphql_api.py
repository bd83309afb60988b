"""A real GraphQL server on 127.0.0.1: a schema, executed by graphql-core, behind the standard library's HTTP server."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from graphql import GraphQLAbstractType, GraphQLSchema, build_schema, get_named_type, graphql_sync, is_leaf_type
from graphql.type import GraphQLEnumType, GraphQLList, GraphQLNonNull, GraphQLObjectType

LIBRARY = Path(__file__).parent.parent / "data/graphql/library.graphql"
_LEAVES: dict[str, Any] = {"Int": 7, "Float": 0.5, "String": "text", "Boolean": True, "ID": "1"}


@dataclass
class Api:
    """One that runs."""

    url: str
    schema: GraphQLSchema
    asked: list[dict[str, Any]] = field(default_factory=list)
    """Each request: `headers` and what it said (`query`, `variables`)."""


def _value(type_: Any, schema: GraphQLSchema) -> Any:
    """Something of an output type; objects are resolved further, field by field."""
    if isinstance(type_, GraphQLNonNull):
        return _value(type_.of_type, schema)
    if isinstance(type_, GraphQLList):
        return [_value(type_.of_type, schema)] * 2
    named = get_named_type(type_)
    if isinstance(named, GraphQLEnumType):
        return next(iter(named.values))
    if is_leaf_type(named):
        return _LEAVES.get(named.name, {"any": ["thing"]})
    assert isinstance(named, GraphQLObjectType | GraphQLAbstractType)
    return {"of": named.name}


def library() -> GraphQLSchema:
    """The schema in tests/data, with something behind every field."""
    schema = build_schema(LIBRARY.read_text("utf-8"))
    for type_ in schema.type_map.values():
        if isinstance(type_, GraphQLObjectType) and not type_.name.startswith("__"):
            for one in type_.fields.values():
                one.resolve = lambda _source, info, **_arguments: _value(info.return_type, schema)
    return schema


def _chosen(_value: Any, _info: Any, type_: Any) -> str:
    return str(_info.schema.get_possible_types(type_)[0].name)


@contextmanager
def served(schema: GraphQLSchema | None = None, *, tells: bool = True) -> Iterator[Api]:
    """A running one. `tells`: whether it may be introspected."""
    schema = schema or library()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.0"

        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            api.asked.append(asked | {"headers": dict(self.headers)})
            if not tells and "__schema" in asked["query"]:
                self.answer(400, {"errors": [{"message": "introspection is disabled"}]})
                return
            done = graphql_sync(
                schema,
                asked["query"],
                variable_values=asked.get("variables"),
                operation_name=asked.get("operationName"),
                type_resolver=_chosen,
            )
            self.answer(200, dict(done.formatted))

        def answer(self, status: int, content: dict[str, Any]) -> None:
            body = json.dumps(content).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_words: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        api = Api(f"http://127.0.0.1:{server.server_port}/graphql", schema)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield api
        finally:
            server.shutdown()
            thread.join()
