"""What speaks for and against candidates, feature by feature."""

from __future__ import annotations

import pytest

from magictunnel.catalog.model import Entry, Kind
from magictunnel.discovery import weights
from magictunnel.discovery.features import add_dense
from magictunnel.discovery.index import Index
from magictunnel.discovery.search import prepared


def tool(backend: str, name: str, description: str = "", **properties: object) -> Entry:
    definition = {"name": name, "description": description, "inputSchema": {"properties": properties}}
    return Entry(Kind.TOOL, f"{backend}__{name}", backend, name, definition)


INDEX = Index.of(
    {
        "shop": [
            tool("shop", "order_list", "List the orders."),
            tool("shop", "order_get", "Get one order.", id={}),
            tool("shop", "order_item_delete", "Delete an item of an order."),
            tool("shop", "customer_create", "Create a customer. Deprecated.", email={}),
        ],
        "mail": [tool("mail", "send", "Send a letter to a customer.", recipient={}), tool("mail", "nameless")],
    }
)


def rows(request: str) -> dict[str, dict[str, float]]:
    ready = prepared(INDEX, request)
    return {one.document.entry.original: row for one, row in zip(ready.candidates, ready.rows, strict=True)}


@pytest.mark.parametrize(
    ("request_", "feature", "more", "less"),
    [
        ("list the orders", "verb", "order_list", "order_item_delete"),
        ("list the orders", "contrast", "order_list", "order_get"),
        ("get the order", "contrast", "order_get", "order_list"),
        ("show the orders", "verb_against", "order_item_delete", "order_get"),
        ("delete the item from an order", "thing", "order_item_delete", "order_list"),
        ("delete the item from an order", "thing_outside", "order_get", "order_item_delete"),
        ("get an order", "extras", "order_item_delete", "order_get"),
        ("create a customer", "deprecated", "customer_create", "send"),
        ("write ann@example.com, a customer", "values", "customer_create", "order_get"),
        ("send a letter to a customer", "answered", "send", "customer_create"),
        ("send a letter to a customer", "missed", "customer_create", "send"),
        ("list the orders in the shop", "named", "order_list", "send"),
    ],
)
def test_a_feature_tells_one_candidate_from_another(request_: str, feature: str, more: str, less: str) -> None:
    found = rows(request_)

    assert found[more][feature] > found.get(less, {}).get(feature, 0.0)


def test_every_feature_that_counts_is_there() -> None:
    ready = prepared(INDEX, "list the orders")
    assert set(weights.LEXICAL) <= set(ready.rows[0])
    add_dense(ready.rows, [0.5] * len(ready.rows), ["shop"] * len(ready.rows))

    assert set(weights.FUSED) <= set(ready.rows[0])


def test_what_has_no_vector_is_taken_for_the_usual() -> None:
    ready = prepared(INDEX, "list the orders")
    count = len(ready.rows)

    add_dense(ready.rows, [0.9, None, *[0.1] * (count - 2)], ["shop"] * count)

    assert 0.1 < ready.rows[1]["near"] < 0.9
    assert ready.rows[0]["near_rank"] == 1.0


def test_without_any_vector_nearness_tells_nothing() -> None:
    ready = prepared(INDEX, "list the orders")

    add_dense(ready.rows, [None] * len(ready.rows), ["shop"] * len(ready.rows))

    assert {row["near_relative"] for row in ready.rows} == {0.0}


def test_what_cannot_be_called_without_many_values_is_asked_for_with_some() -> None:
    needs = {"type": "object", "properties": {"a": {}, "b": {}, "c": {}}, "required": ["a", "b", "c"]}
    definition = {"name": "convert", "description": "Convert a time.", "inputSchema": needs}
    ready = [
        prepared(Index.of({"x": [Entry(Kind.TOOL, "x__convert", "x", "convert", definition)]}), request).rows[0]
        for request in ("convert the time", "convert the time 14:30 of Tokyo to Lisbon")
    ]

    assert ready[0]["demand"] > ready[1]["demand"] == 0


def test_a_value_is_hardly_missed_by_what_takes_any_text_but_a_word_of_tools_is() -> None:
    text = {"properties": {"text": {"type": "string"}}}
    definition = {"name": "add_note", "description": "Write a note.", "inputSchema": text}
    index = Index.of({"notes": [Entry(Kind.TOOL, "notes__add_note", "notes", "add_note", definition)]})

    value, word, plain = (
        prepared(index, request).rows[0]["answered"]
        for request in ("add a note about milk", "add a note about invoices", "add a note")
    )

    assert plain - value < 0.2 < plain - word
