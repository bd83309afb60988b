"""What is forbidden is not done, and what was not understood is not passed over."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from magictunnel.catalog.model import Json
from magictunnel.discovery.arguments.extract import extract
from magictunnel.discovery.doubts import forbids, unread

NOW = datetime(2026, 11, 21, tzinfo=UTC)


def tool(name: str, description: str, **properties: Json) -> Json:
    schema = {"type": "object", "properties": properties}
    return {"name": name, "description": description, "inputSchema": schema}


TEXT: Json = {"type": "string"}
DELETE = tool("delete_pod", "Delete a pod", pod=TEXT | {"description": "Name of the pod"}, namespace=TEXT)
REFUND = tool("refund", "Refund an order", order={"type": "integer"}, amount={"type": "number"})
ISSUE = tool(
    "create_issue",
    "Open a new issue in a repository",
    repo=TEXT | {"description": "The repository, as owner/name"},
    title=TEXT | {"description": "Title of the issue"},
)


@pytest.mark.parametrize(
    ("request_", "is_forbidden"),
    [
        ("never mind, don't reboot server i-123", True),
        ("don\u2019t list pods", True),
        ("do not delete pod api-7f", True),
        ("please DO NOT send it", True),
        ("reboot i-1 instead of i-2", True),
        ("don't forget to send the mail", False),
        ('send "do not panic" to Ada', False),
        ("list issues that never expire", False),
        ("delete pod api-7f", False),
        ("note that Bob is nevertheless invited", False),
        ("", False),
    ],
)
def test_what_is_not_to_be_done(request_: str, is_forbidden: bool) -> None:
    assert forbids(request_) is is_forbidden


@pytest.mark.parametrize(
    ("request_", "definition", "left"),
    [
        ("delete pod api-7f in prod", DELETE, ("prod",)),
        ("delete pod api-7f in namespace prod", DELETE, ()),
        ("delete the pod api-7f now please", DELETE, ()),
        ("refund 20 euros of order 991", REFUND, ("20",)),
        ("refund order 991", REFUND, ()),
        ('create an issue titled "It is broken" in repository acme/web', ISSUE, ()),
        ('create an issue titled "It is broken" in repository acme/web for Bob', ISSUE, ("Bob",)),
    ],
)
def test_what_looks_like_a_value_and_has_become_none(request_: str, definition: Json, left: tuple[str, ...]) -> None:
    filled = extract(request_, definition, now=NOW)

    assert unread(request_, definition, filled.sources, ()) == left


def test_what_somebody_gave_is_understood() -> None:
    request = "delete pod api-7f in prod"
    filled = extract(request, DELETE, now=NOW, given={"namespace": "prod"})

    assert unread(request, DELETE, filled.sources, ["prod"]) == ()


@pytest.mark.parametrize("definition", [{}, {"name": 5, "inputSchema": []}, {"inputSchema": {"properties": {"a": 1}}}])
def test_odd_tools_and_long_requests_are_no_trouble(definition: Json) -> None:
    assert len(unread("in x " * 20_000, definition, {}, [object()])) <= 10
    assert forbids("don't " * 20_000)
