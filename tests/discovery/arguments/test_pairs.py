"""What a request says as `name=value` or `name: value`, and what is never read into it."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from magictunnel.catalog.model import Json
from magictunnel.discovery.arguments.extract import extract
from tests.discovery.arguments.test_arguments import text, texts, tool, whole

NOW = datetime(2025, 4, 25, 10, 0, tzinfo=UTC)

RESTART = tool(
    "restart_deployment",
    "Restart a deployment",
    "deployment",
    deployment=text("Name of the deployment"),
    namespace=text("Namespace of the deployment"),
    replicas=whole("How many replicas"),
    dry_run={"type": "boolean"},
)
PLAIN = tool("restart_deployment", "Restart a deployment", "deployment", deployment=text("Name of the deployment"))
TASK = tool(
    "create_task",
    "Create a task",
    "title",
    title=text("Title"),
    due_date=text("When it is due", format="date"),
    labels=texts("Labels"),
    priority=text("Priority", enum=["low", "High"]),
    city=text("City"),
    ratio={"type": "number"},
    meta={"type": "object"},
    url=text("Link"),
    body=text("Body"),
)
CLOSE = tool("close_issue", "Close an issue", "owner", "repo", "number", owner=text(), repo=text(), number=whole())
NESTED = tool("find", "Find", filter={"type": "object", "properties": {"zone": text(), "size": whole()}})


def of(request: str, one: Json) -> Json:
    return extract(request, one, now=NOW).arguments


@pytest.mark.parametrize(
    ("request_", "one", "expected"),
    [
        ("restart deployment api namespace=prod", RESTART, {"deployment": "api", "namespace": "prod"}),
        ("namespace=prod restart deployment api", RESTART, {"deployment": "api", "namespace": "prod"}),
        ("restart deployment api namespace=prod", PLAIN, {"deployment": "api"}),
        ('restart deployment api, zone="eu 1"', PLAIN, {"deployment": "api"}),
        ("restart zone=prod", PLAIN, {}),
        (
            "restart the api deployment with Namespace = prod, replicas=3 dry-run=true",
            RESTART,
            {"deployment": "api", "namespace": "prod", "replicas": 3, "dry_run": True},
        ),
        (
            'restart deployment: api namespace: "my prod" --replicas=2 DRY_RUN=no',
            RESTART,
            {"deployment": "api", "namespace": "my prod", "replicas": 2, "dry_run": False},
        ),
        ("restart deployment=api replicas=lots", RESTART, {"deployment": "api"}),
        ("restart deployment=api replicas=30s dry_run=perhaps", RESTART, {"deployment": "api"}),
        (
            "task title='Fix \"it\"' due-date=tomorrow labels=bug,urgent,priority=high",
            TASK,
            {"title": 'Fix "it"', "due_date": "2025-04-26", "labels": ["bug", "urgent"], "priority": "High"},
        ),
        (
            "create a task, title: Fix login, due date: next monday, labels: bug, urgent and old. City: New York",
            TASK,
            {"title": "Fix login", "due_date": "2025-04-28", "labels": ["bug", "urgent", "old"], "city": "New York"},
        ),
        ('task title="x" due_date="2025-05-01" priority=urgent', TASK, {"title": "x", "due_date": "2025-05-01"}),
        ('task title="x" labels: "a b", "c"', TASK, {"title": "x", "labels": ["a b", "c"]}),
        (
            'task title=X meta={"a": 1} labels=["a b"] ratio=0.5',
            TASK,
            {"title": "X", "meta": {"a": 1}, "labels": ["a b"], "ratio": 0.5},
        ),
        (
            "task title: Shopping body: 2 litres, and 3 eggs.",
            TASK,
            {"title": "Shopping", "body": "2 litres, and 3 eggs"},
        ),
        ("close number=7 repo=acme/web", CLOSE, {"number": 7, "owner": "acme", "repo": "web"}),
        ("close number: #7 owner: acme, repo: web", CLOSE, {"number": 7, "owner": "acme", "repo": "web"}),
        ("find filter.zone=eu size=3", NESTED, {"filter": {"zone": "eu", "size": 3}}),
    ],
)
def test_what_is_named(request_: str, one: Json, expected: Json) -> None:
    assert of(request_, one) == expected


@pytest.mark.parametrize(
    "request_",
    [
        "task title=X city=New York",  # where it ends is not clear
        "task title=X body=2 litres",
        "task title=X city: ada@x.org, bob@x.org",
        "task title=X city=<city>",
        "task title=X due date: ada@x.org",
        "task title=X body: it crashes. Assign it to ada",
    ],
)
def test_what_is_not_clear_is_left_out(request_: str) -> None:
    assert of(request_, TASK) == {"title": "X"}


def test_what_is_quoted_or_part_of_an_address_is_no_pair() -> None:
    assert of("task title='say city=Rome'", TASK) == {"title": "say city=Rome"}
    assert of("task url=https://x.org/?title=b&city=q", TASK) == {"url": "https://x.org/?title=b&city=q"}


def test_the_source_is_the_value_with_its_quotes() -> None:
    request = 'restart deployment api namespace="my prod"'
    source = extract(request, RESTART, now=NOW).sources["namespace"]
    assert (source.text, source.how) == ('"my prod"', "named")
    assert request[source.start : source.end] == source.text


def test_a_pair_is_no_part_of_what_is_said() -> None:
    say = tool("post_comment", "Post a comment", "text", text=text("Text"))
    assert of("post a comment saying use mode=fast 2 times", say) == {}
    assert of("post a comment saying 'use mode=fast 2 times'", say) == {"text": "use mode=fast 2 times"}


def test_a_query_with_a_pair_in_it_is_not_cut() -> None:
    run = tool("run_query", "Run a SQL query", "query", query=text("SQL"), limit=whole("Rows"))
    assert of("run the query: SELECT * FROM users WHERE id=5", run) == {}
    assert of("run `SELECT * FROM users WHERE id=5` limit=10", run) == {
        "query": "SELECT * FROM users WHERE id=5",
        "limit": 10,
    }


_PROPERTIES = st.dictionaries(
    st.sampled_from(["title", "due_date", "labels", "a.b", "", "x=y", "a" * 200]),
    st.one_of(
        st.none(),
        st.fixed_dictionaries({"type": st.sampled_from(["string", "integer", "array", "object", "boolean", 3, None])}),
        st.fixed_dictionaries({"enum": st.lists(st.one_of(st.integers(), st.text(max_size=3), st.none()), max_size=3)}),
    ),
)
_PARTS = st.sampled_from(
    ["title", "due date", "labels", "=", ":", " ", "'", '"', ",", "x", "[1]", "{", "<a>", "\n", "5", "é"]
)


@settings(max_examples=150, deadline=None)
@given(parts=st.lists(_PARTS, max_size=30), properties=_PROPERTIES)
def test_nothing_breaks_and_spans_are_of_the_request(parts: list[str], properties: dict[str, Any]) -> None:
    request = "".join(parts)
    found = extract(request, {"name": "t", "inputSchema": {"type": "object", "properties": properties}}, now=NOW)
    assert all(request[one.start : one.end] == one.text for one in found.sources.values())


@pytest.mark.parametrize(
    "part", ["a=b ", "title: ", "title=", "=", "title: 'x' ", "a=b,", "saying 2 ", "labels: a, ", " and "]
)
def test_long_requests_take_no_long_time(part: str) -> None:
    started = time.monotonic()
    of(part * 100_000, TASK)
    assert time.monotonic() - started < 5
