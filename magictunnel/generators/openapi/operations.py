"""The operations of a description, each with all that holds for it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from magictunnel.generators.openapi import swagger
from magictunnel.generators.openapi.documents import Documents, Node, NotCarried

_METHODS = ("get", "put", "post", "delete", "options", "head", "patch", "trace", "query")


class Operation(NamedTuple):
    """One method of one path."""

    method: str
    """In capitals."""
    path: str
    node: Node
    """What is said of it."""
    item: Node
    """What is said of its path."""

    @property
    def told(self) -> str:
        """It in a line."""
        return f"{self.method} {self.path}"

    @property
    def id(self) -> str:
        """Its `operationId`; empty: it has none."""
        name = self.node.value.get("operationId")
        return name if isinstance(name, str) else ""

    @property
    def tags(self) -> list[str]:
        """What its authors sort it under."""
        tags = self.node.value.get("tags")
        return [tag for tag in tags if isinstance(tag, str)] if isinstance(tags, list) else []


class Broken(NamedTuple):
    """A path, or one method of it, of which nothing is known, and why."""

    told: str
    why: str


def operations(documents: Documents) -> Iterator[Operation | Broken]:
    """All, in the order of the description."""
    paths = documents.root.at("paths")
    for path, said in (paths.value if isinstance(paths.value, dict) else {}).items():
        if not path.startswith("/"):
            continue
        try:
            item = _path_item(documents, Node(said, paths.base))
        except NotCarried as reason:
            yield Broken(path, str(reason))
            continue
        yield from _of(documents, path, item)


def _path_item(documents: Documents, node: Node) -> Node:
    """What is said of a path; what stands beside a `$ref` comes on top."""
    target = documents.resolved(node)
    if target.value is node.value or not isinstance(target.value, dict):
        return target
    own = {key: one for key, one in node.value.items() if key != "$ref"}
    return Node(target.value | own, target.base) if own else target


def _of(documents: Documents, path: str, item: Node) -> Iterator[Operation | Broken]:
    value = item.value if isinstance(item.value, dict) else {}
    further = value.get("additionalOperations")
    named = {method.upper(): value[method] for method in value if method in _METHODS}
    named |= {str(method): one for method, one in (further if isinstance(further, dict) else {}).items()}
    for method, said in named.items():
        try:
            node = documents.resolved(Node(said, item.base))  # not foreseen, but done
        except NotCarried as reason:
            yield Broken(f"{method} {path}", str(reason))
            continue
        if isinstance(node.value, dict):
            yield Operation(method, path, node, item)


def parameters(documents: Documents, operation: Operation) -> list[Node]:
    """Those of its path and its own, which go before; each resolved.

    Raises:
        NotCarried: one of them cannot be found.
    """
    found: dict[tuple[str, str], Node] = {}
    for said in (operation.item.at("parameters"), operation.node.at("parameters")):
        for one in said.value if isinstance(said.value, list) else ():
            node = documents.resolved(Node(one, said.base))
            if not isinstance(node.value, dict) or not isinstance(node.value.get("name"), str):
                raise NotCarried("one of its parameters has no name")
            found[node.value["name"], str(node.value.get("in"))] = node
    return list(found.values())


def request_body(documents: Documents, operation: Operation, given: list[Node]) -> Node | None:
    """What it takes in its body, in the way of OpenAPI 3; `given`: its parameters."""
    root = documents.root.value
    if "swagger" in root:
        return swagger.request_body(given, swagger.types_of(operation.node.value, root, "consumes"))
    node = documents.resolved(operation.node.at("requestBody"))
    return node if isinstance(node.value, dict) else None


def responses(documents: Documents, operation: Operation) -> dict[str, Node]:
    """What it answers: status -> response, in the way of OpenAPI 3."""
    root = documents.root.value
    said = operation.node.at("responses")
    found = {}
    for status, one in (said.value if isinstance(said.value, dict) else {}).items():
        node = documents.resolved(Node(one, said.base))
        if isinstance(node.value, dict):
            is_old = "swagger" in root
            types = swagger.types_of(operation.node.value, root, "produces") if is_old else []
            found[status] = Node(swagger.response(node.value, types), node.base) if is_old else node
    return found
