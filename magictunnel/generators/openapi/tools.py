"""One operation -> one tool."""

from __future__ import annotations

from typing import Any

from magictunnel.catalog.model import Json
from magictunnel.generators.openapi import operations
from magictunnel.generators.openapi.answers import accepted, output_schema
from magictunnel.generators.openapi.arguments import Arguments
from magictunnel.generators.openapi.bodies import body_of
from magictunnel.generators.openapi.documents import Documents, Node, NotCarried
from magictunnel.generators.openapi.operations import Operation
from magictunnel.generators.openapi.options import Options
from magictunnel.generators.openapi.parameters import in_request, is_authorization
from magictunnel.generators.openapi.schemas import Schemas
from magictunnel.generators.openapi.security import Credentials
from magictunnel.generators.openapi.servers import url_of
from magictunnel.generators.openapi.words import described

MAX_INPUT_SCHEMA = 60_000
"""Bytes above which the remoter definitions say no more than their type."""
_MAX_TITLE = 100
_METHODS = frozenset(("GET", "HEAD", "OPTIONS", "QUERY", "POST", "PUT", "PATCH", "DELETE"))
_READ_ONLY = frozenset(("GET", "HEAD", "OPTIONS", "QUERY"))


class Tools:
    """Makes the tools of one description."""

    def __init__(
        self,
        documents: Documents,
        options: Options,
        credentials: Credentials,
        schemas: tuple[Schemas, Schemas],
        home: str,
    ) -> None:
        """`schemas`: for what is sent, and for what is answered; `home`: what servers are relative to."""
        self._documents = documents
        self._home = home
        self._options = options
        self._credentials = credentials
        self._sent, self._answered = schemas
        self._no_output: list[str] = []
        self._left_out: list[str] = []

    def notes(self) -> list[str]:
        """What a person should know of those made so far."""
        told = []
        if self._no_output:
            reasons = ", ".join(sorted(set(self._no_output))[:3])
            told.append(f"{len(self._no_output)} tools are without output schema: {reasons}")
        if self._left_out:
            told.append(f"{len(self._left_out)} optional parameters are left out: {'; '.join(self._left_out[:3])}")
        return told

    def made(self, name: str, operation: Operation) -> Json:
        """The tool called `name`; `http.auth` is a tuple of names.

        Raises:
            NotCarried: none can be made, and why.
        """
        if operation.method not in _METHODS:
            raise NotCarried(f"the method {operation.method} is not supported")
        arguments = Arguments(self._sent)
        http = self._request(operation, arguments)
        answers = operations.responses(self._documents, operation)
        accept = accepted(answers)
        if accept and accept != "application/json":
            http["headers"] = {"Accept": accept} | http.get("headers", {})
        http["auth"] = self._auth(operation)
        self._left_out += arguments.left_out
        tool = self._words(name, operation) | {"inputSchema": arguments.schema(MAX_INPUT_SCHEMA)}
        output = self._output(answers)
        return (
            tool | ({"outputSchema": output} if output else {}) | {"annotations": hints(operation.method), "http": http}
        )

    def _request(self, operation: Operation, arguments: Arguments) -> Json:
        given = operations.parameters(self._documents, operation)
        said = operations.request_body(self._documents, operation, given)
        carry = None
        body = None if said is None else body_of(said, self._sent)
        if body is not None and not (body.is_empty and operation.method in _READ_ONLY):
            argument = arguments.add(
                "body", "request", body.schema, required=body.required, description=body.description
            )
            carry = body.carry(argument)
        http: Json = {"method": operation.method} | in_request(operation.path, given, arguments) | (carry or {})
        if server := self._server(operation):
            http["url"] = server + http["url"]
        return http

    def _server(self, operation: Operation) -> str | None:
        """Where it is, if not where all are."""
        if self._options.base_url:
            return None
        for said in (operation.node, operation.item):
            servers: Any = said.at("servers").value
            if isinstance(servers, list) and servers:
                return url_of(servers[0], self._home)
        return None

    def _auth(self, operation: Operation) -> tuple[str, ...]:
        """The names of its credentials. A header that it requires is one as well: no model should know it."""
        own = operation.node.at("security").value
        needed = self._credentials.needed(self._documents.root.at("security").value if own is None else own)
        if not needed and any(map(is_authorization, operations.parameters(self._documents, operation))):
            return self._credentials.authorization()
        return needed

    def _words(self, name: str, operation: Operation) -> Json:
        said = operation.node.value
        summary, description = (
            text if isinstance(text := said.get(key), str) else "" for key in ("summary", "description")
        )
        words: Json = {"name": name}
        if 0 < len(summary.strip()) <= _MAX_TITLE:
            words["title"] = summary.strip()
        words["description"] = described(summary, description, self._options.max_description) or operation.told
        return words | ({"tags": operation.tags} if operation.tags else {})

    def _output(self, answers: dict[str, Node]) -> Json | None:
        try:
            return output_schema(answers, self._answered)
        except NotCarried as reason:
            self._no_output.append(str(reason))
            return None


def hints(method: str) -> Json:
    """What a method says of the effects of a tool."""
    told: Json = {"readOnlyHint": method in _READ_ONLY}
    if method == "DELETE":
        told |= {"destructiveHint": True, "idempotentHint": True}
    elif method == "PUT":
        told["idempotentHint"] = True
    return told | {"openWorldHint": True}
