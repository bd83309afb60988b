"""What an operation answers -> the output schema of a tool, and the types of content to ask for."""

from __future__ import annotations

from typing import Any

from orjson import dumps

from magictunnel.catalog.model import Json
from magictunnel.generators.openapi.bodies import is_json, is_media
from magictunnel.generators.openapi.documents import Node, NotCarried
from magictunnel.generators.openapi.schemas import Schema, Schemas

_PLAIN = "application/json"
MAX_OUTPUT_SCHEMA = 20_000
"""Bytes; larger ones cost a model more than they tell."""


def output_schema(answers: dict[str, Node], schemas: Schemas) -> Json | None:
    """The schema of its answers as JSON, if all that mean success are objects of one schema; None: there is none.

    Raises:
        NotCarried: there is one, but it cannot be told; says why.
    """
    found = [_schema_in(node) for node in _good(answers)]
    nodes = [node for node in found if node is not None]
    if not nodes or len(nodes) < len(found) or any(node != nodes[0] for node in nodes):
        return None
    node = schemas.documents.resolved(nodes[0])
    if not _is_object(node, schemas, 0):
        return None
    schema = schemas.converted(node)
    whole: Json = schemas.complete(Schema(schema.value | {"type": "object"}, schema.uses), 2 * MAX_OUTPUT_SCHEMA)
    if len(dumps(whole)) > MAX_OUTPUT_SCHEMA:
        raise NotCarried(f"larger than {MAX_OUTPUT_SCHEMA // 1000} kB")
    return whole


def accepted(answers: dict[str, Node]) -> str:
    """What `Accept` should say: the JSON that it answers, else all types; empty: nothing is described."""
    kinds = [kind for node in _good(answers) for kind in _content(node) if is_media(kind)]
    own = [kind for kind in kinds if is_json(kind)]
    if _PLAIN in own:
        return _PLAIN
    return ", ".join(dict.fromkeys(own[:1] or kinds))


def _good(answers: dict[str, Node]) -> list[Node]:
    good = [node for status, node in answers.items() if status.startswith("2")]
    return good or [node for status, node in answers.items() if status == "default"]


def _content(node: Node) -> Json:
    content = node.value.get("content")
    return content if isinstance(content, dict) else {}


def _schema_in(node: Node) -> Node | None:
    content = _content(node)
    kinds = sorted((kind for kind in content if is_json(kind)), key=_PLAIN.__ne__)
    others = [kind for kind in content if kind not in kinds]
    if not kinds or not all(kind.partition(";")[0].endswith("xml") for kind in others):
        return None  # whoever can answer with XML, too, answers as asked; a file may be what it is
    schema = Node(content, node.base).at(kinds[0]).at("schema")
    return schema if isinstance(schema.value, dict) else None


def _is_object(node: Node, schemas: Schemas, depth: int) -> bool:
    """Whether it can be nothing else."""
    value: Any = schemas.documents.resolved(node).value
    if not isinstance(value, dict) or depth > 5 or value.get("nullable") is True:
        return False
    if "type" in value:
        return bool(value["type"] == "object")
    parts = value.get("allOf")
    if isinstance(parts, list) and parts:
        return any(_is_object(Node(part, node.base), schemas, depth + 1) for part in parts)
    return "properties" in value and not {"anyOf", "oneOf"} & value.keys()
