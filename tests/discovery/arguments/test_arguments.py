"""Which arguments are found in the words of a request, on Wednesday the 11th of June 2025, and what is left out."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from magictunnel.catalog.model import Json
from magictunnel.discovery.arguments.extract import Filled, Source, extract

NOW = datetime(2025, 6, 11, 10, 0, tzinfo=UTC)


def text(about: str = "", **more: Any) -> Json:
    return {"type": "string", "description": about, **more}


def whole(about: str = "", **more: Any) -> Json:
    return {"type": "integer", "description": about, **more}


def texts(about: str = "") -> Json:
    return {"type": "array", "items": {"type": "string"}, "description": about}


def tool(name: str, about: str, /, *required: str, **properties: Any) -> Json:
    schema = {"type": "object", "properties": properties, "required": list(required)}
    return {"name": name, "description": about, "inputSchema": schema}


FORECAST = tool(
    "get_forecast",
    "Get the weather forecast for a city",
    "city",
    city=text("City name"),
    days=whole("Number of days to forecast", minimum=1, maximum=14),
    units=text("Units", enum=["metric", "imperial"]),
)
CARD = tool(
    "create_card",
    "Create a new card on a board list",
    "list_name",
    "title",
    list_name=text("Name of the list"),
    title=text("Card title"),
    due=text("Due date", format="date-time"),
    labels=texts("Labels"),
)
MOVE = tool(
    "move_file",
    "Move or rename a file",
    "source",
    "destination",
    source=text("Source path"),
    destination=text("Destination path"),
)
READ = tool(
    "read_file",
    "Read the contents of a file",
    "path",
    path=text("Path of the file to read"),
    head=whole("If provided, returns only the first N lines of the file"),
    tail=whole("If provided, returns only the last N lines of the file"),
)
INVOICE = tool(
    "create_invoice",
    "Create an invoice for a customer",
    "customer_email",
    "amount",
    customer_email=text("Email of the customer", format="email"),
    amount={"type": "number", "description": "Amount"},
    currency=text("Currency", enum=["usd", "eur", "gbp"]),
    due_in_days=whole("Days until due"),
)
POST = tool(
    "post_message",
    "Post a message to a chat",
    "channel",
    "text",
    channel=text("Channel name or ID"),
    text=text("Message text"),
)
FLIGHTS = tool(
    "search_flights",
    "Search flights",
    "origin",
    "destination",
    "departure_date",
    origin=text("Origin city or airport"),
    destination=text("Destination city or airport"),
    departure_date=text("Departure date (YYYY-MM-DD)"),
    return_date=text("Return date (YYYY-MM-DD)"),
    passengers=whole("Number of passengers"),
    cabin=text("Cabin class", enum=["economy", "premium_economy", "business", "first"]),
)
ISSUE = tool(
    "create_issue",
    "Create a new issue in a repository",
    "owner",
    "repo",
    "title",
    owner=text("Repository owner"),
    repo=text("Repository name"),
    title=text("Issue title"),
    body=text("Issue body content"),
    labels=texts("Labels to apply"),
)
PULLS = tool(
    "list_pull_requests",
    "List pull requests",
    "owner",
    "repo",
    owner=text("Repository owner"),
    repo=text("Repository name"),
    state=text("Filter by state", enum=["open", "closed", "all"]),
    sort=text("Sort by", enum=["created", "updated", "popularity"]),
    direction=text("Direction", enum=["asc", "desc"]),
    perPage=whole("Results per page for pagination (min 1, max 100)", maximum=100),
    page=whole("Page number"),
)
SCALE = tool(
    "scale_deployment",
    "Scale a deployment",
    "name",
    "replicas",
    namespace=text("Kubernetes namespace"),
    name=text("Name of the deployment"),
    replicas=whole("Number of replicas"),
)
SEARCH = tool(
    "web_search",
    "Search the web",
    "query",
    query=text("Search query"),
    count=whole("Number of results (1-20, default 10)"),
    freshness=text("Filter by time", enum=["day", "week", "month", "year"]),
)
MAIL = tool(
    "send_email",
    "Send an email",
    "to",
    "subject",
    "body",
    to=texts("Recipient email addresses"),
    cc=texts("CC email addresses"),
    subject=text("Subject"),
    body=text("Body"),
)
EVENT = tool(
    "create_event",
    "Create a calendar event",
    "title",
    "start",
    "end",
    title=text("Event title"),
    start=text("", format="date-time"),
    end=text("", format="date-time"),
    attendees=texts("Email addresses of the attendees"),
    location=text("Location"),
)
DOCUMENTS = tool(
    "search_docs",
    "Search documents",
    "query",
    filter={
        "type": "object",
        "properties": {"author": text("Author"), "created_after": text("Only documents after this", format="date")},
    },
    query=text("Text"),
    limit=whole("Max results"),
)
USERS = tool(
    "list_users",
    "List users of the team",
    role={"anyOf": [{"enum": ["admin", "member"]}, {"type": "null"}]},
    limit={"anyOf": [{"type": "integer"}, {"type": "null"}]},
    include_inactive={"type": "boolean"},
)
TRANSLATE = tool(
    "translate",
    "Translate a text",
    "text",
    "target_language",
    text=text("Text to translate"),
    target_language=text("Target language code (ISO 639-1)"),
)
PRICE = tool("get_stock_price", "Get the current price of a stock", "symbol", symbol=text("Ticker symbol, e.g. AAPL"))
COMMENT = tool(
    "add_comment",
    "Add a comment to an issue",
    "issue_key",
    "comment",
    issue_key=text("Issue key, e.g. PROJ-123"),
    comment=text("Comment text"),
)
CHECKOUT = tool("git_checkout", "Switch branches", "repo_path", "branch_name", repo_path=text(), branch_name=text())
FIND = tool(
    "find_documents",
    "Find documents in a collection",
    "database",
    "collection",
    database=text("Database name"),
    collection=text("Collection name"),
    filter={"type": "object", "description": "Query filter"},
    limit=whole("Maximum number of documents to return"),
)
HOTELS = tool(
    "search_hotels",
    "Search hotels in a city",
    "city",
    city=text("City"),
    check_in=text("Check-in date (YYYY-MM-DD)"),
    check_out=text("Check-out date (YYYY-MM-DD)"),
    guests=whole("Number of guests"),
)
TRACK = tool(
    "add_to_playlist",
    "Add a track to a playlist",
    "playlist",
    "track",
    playlist=text("Playlist name"),
    track=text("Track name"),
    artist=text("Artist name"),
)
CURRENCY = tool(
    "convert_currency",
    "Convert an amount between currencies",
    "amount",
    "from_currency",
    "to_currency",
    amount={"type": "number"},
    from_currency=text("Source currency code (ISO 4217)"),
    to_currency=text("Target currency code (ISO 4217)"),
)
CLICK = tool("click", "Click an element", "selector", selector=text("CSS selector of the element"))
TICKET = tool("get_ticket", "Get a ticket", "ticket_id", ticket_id=whole("The ID of the ticket"))
LOGS = tool(
    "get_logs",
    "Get the logs of a service",
    "since",
    service=text("Service name"),
    since=text("Start of the range, ISO 8601: YYYY-MM-DDTHH:MM:SSZ"),
    until=text("End of the range, ISO 8601: YYYY-MM-DDTHH:MM:SSZ"),
)
INSERT = tool(
    "insert",
    "Insert a document",
    "collection",
    "document",
    database=text("Database"),
    collection=text("Collection"),
    document={"type": "object"},
)
SUBTRACT = tool(
    "subtract", "Subtract two numbers", "a", "b", a=text("First, as a string"), b=text("Other, as a string")
)


@pytest.mark.parametrize(
    ("given_tool", "request_", "expected"),
    [
        (FORECAST, "what's the weather in Paris for the next 5 days?", {"city": "Paris", "days": 5}),
        (FORECAST, "Forecast for New York in imperial units", {"city": "New York", "units": "imperial"}),
        (FORECAST, "weather tomorrow in berlin", {"city": "berlin"}),
        (
            CARD,
            "Add a card called 'Fix login' to the Backlog list, due next friday at 5pm, with labels bug and urgent",
            {"title": "Fix login", "list_name": "Backlog", "due": "2025-06-13T17:00:00Z", "labels": ["bug", "urgent"]},
        ),
        (CARD, 'create a card titled "Docs" in the list "To do"', {"title": "Docs", "list_name": "To do"}),
        (MOVE, "rename notes.txt to archive/old.txt", {"source": "notes.txt", "destination": "archive/old.txt"}),
        (READ, "show me the first 20 lines of /var/log/syslog", {"path": "/var/log/syslog", "head": 20}),
        (READ, "print the last 50 lines of server.log", {"path": "server.log", "tail": 50}),
        (
            INVOICE,
            "Invoice jane@acme.com for $250.50, due in 14 days",
            {"customer_email": "jane@acme.com", "amount": 250.5, "due_in_days": 14},
        ),
        (INVOICE, "bill bob@x.io 99 EUR", {"customer_email": "bob@x.io", "amount": 99, "currency": "eur"}),
        (POST, "post 'deploy finished' to #ops", {"channel": "ops", "text": "deploy finished"}),
        (
            POST,
            "send to the general channel saying we ship tomorrow",
            {"channel": "general", "text": "we ship tomorrow"},
        ),
        (POST, "tell #random: lunch is here", {"channel": "random", "text": "lunch is here"}),
        (
            FLIGHTS,
            "find flights from Berlin to Lisbon on July 3 returning July 10 for 2 passengers in business class",
            {
                "origin": "Berlin",
                "destination": "Lisbon",
                "departure_date": "2025-07-03",
                "return_date": "2025-07-10",
                "passengers": 2,
                "cabin": "business",
            },
        ),
        (
            FLIGHTS,
            "I need a flight from San Francisco to Tokyo next monday",
            {"origin": "San Francisco", "destination": "Tokyo", "departure_date": "2025-06-16"},
        ),
        (
            ISSUE,
            "open an issue in octocat/hello-world titled 'Crash' with the body 'It crashes' and labels bug, p1",
            {
                "owner": "octocat",
                "repo": "hello-world",
                "title": "Crash",
                "body": "It crashes",
                "labels": ["bug", "p1"],
            },
        ),
        (
            PULLS,
            "show page 2 of the open pull requests of torvalds/linux sorted by popularity in ascending order",
            {
                "owner": "torvalds",
                "repo": "linux",
                "state": "open",
                "sort": "popularity",
                "direction": "asc",
                "page": 2,
            },
        ),
        (
            PULLS,
            "list the 10 most recently updated closed PRs in microsoft/vscode",
            {"owner": "microsoft", "repo": "vscode", "state": "closed", "perPage": 10},
        ),
        (
            SCALE,
            "scale the web deployment to 5 replicas in namespace prod",
            {"name": "web", "replicas": 5, "namespace": "prod"},
        ),
        (SEARCH, "search the web for the best ramen in Tokyo", {"query": "best ramen in Tokyo"}),
        (
            MAIL,
            "email a@x.com and b@x.com, cc c@x.com, with subject 'Hi' saying 'See you at noon'",
            {"to": ["a@x.com", "b@x.com"], "cc": ["c@x.com"], "subject": "Hi", "body": "See you at noon"},
        ),
        (
            EVENT,
            "schedule 'Standup' tomorrow from 9:30 to 10am with a@x.com",
            {
                "title": "Standup",
                "start": "2025-06-12T09:30:00Z",
                "end": "2025-06-12T10:00:00Z",
                "attendees": ["a@x.com"],
            },
        ),
        (
            EVENT,
            "book a meeting called Sync with b@x.com on 2025-07-01 at 14:00 for 30 minutes",
            {
                "title": "Sync",
                "start": "2025-07-01T14:00:00Z",
                "end": "2025-07-01T14:30:00Z",
                "attendees": ["b@x.com"],
            },
        ),
        (
            DOCUMENTS,
            "search for budget reports written by Alice created after 2025-01-01, at most 5",
            {"query": "budget reports", "filter": {"author": "Alice", "created_after": "2025-01-01"}, "limit": 5},
        ),
        (USERS, "list all admins including inactive ones", {"role": "admin", "include_inactive": True}),
        (
            USERS,
            "list the first ten members, but exclude inactive ones",
            {"role": "member", "limit": 10, "include_inactive": False},
        ),
        (TRANSLATE, "translate 'good morning' into French", {"text": "good morning", "target_language": "fr"}),
        (PRICE, "what is the price of TSLA?", {"symbol": "TSLA"}),
        (TICKET, "show ticket #456", {"ticket_id": 456}),
        (LOGS, "logs of last week", {"since": "2025-06-02T00:00:00Z", "until": "2025-06-08T23:59:59Z"}),
        (LOGS, "logs since yesterday", {"since": "2025-06-10T00:00:00Z"}),
        (
            INSERT,
            'insert {"name": "x", "n": [1]} into "shop.orders"',
            {"document": {"name": "x", "n": [1]}, "database": "shop", "collection": "orders"},
        ),
        (COMMENT, "comment on PROJ-77: looks good to me", {"issue_key": "PROJ-77", "comment": "looks good to me"}),
        (CHECKOUT, "check out branch develop in ~/code/app", {"repo_path": "~/code/app", "branch_name": "develop"}),
        (
            CHECKOUT,
            "switch /srv/repo to the branch feature/login",
            {"repo_path": "/srv/repo", "branch_name": "feature/login"},
        ),
        (
            FIND,
            'find 10 documents in the users collection of the shop database where {"age": {"$gt": 30}}',
            {"limit": 10, "filter": {"age": {"$gt": 30}}, "database": "shop", "collection": "users"},
        ),
        (FIND, "show me documents from shop.orders", {"database": "shop", "collection": "orders"}),
        (
            HOTELS,
            "find a hotel in Rome from July 1 to July 5 for 2 guests",
            {"city": "Rome", "check_in": "2025-07-01", "check_out": "2025-07-05", "guests": 2},
        ),
        (
            TRACK,
            "put Imagine by John Lennon in the Chill playlist",
            {"track": "Imagine", "artist": "John Lennon", "playlist": "Chill"},
        ),
        (CURRENCY, "convert 100 USD to EUR", {"amount": 100, "from_currency": "USD", "to_currency": "EUR"}),
        (CLICK, "click on '#submit'", {"selector": "#submit"}),
        (SUBTRACT, "subtract 3 from 10", {"a": "10", "b": "3"}),
    ],
)
def test_what_a_request_names_is_found(given_tool: Json, request_: str, expected: Json) -> None:
    found = extract(request_, given_tool, now=NOW)

    assert found.arguments == expected
    assert found.problems == ()


@pytest.mark.parametrize(
    ("given_tool", "request_", "missing"),
    [
        (PRICE, "what does Microsoft cost?", ("symbol",)),
        (TICKET, "show me my ticket", ("ticket_id",)),
        (EVENT, "schedule something tomorrow", ("title", "start", "end")),
        (MOVE, "tidy up", ("source", "destination")),
        (ISSUE, "open an issue in <owner>/<repo> about <title>", ("owner", "repo", "title")),
        (SCALE, "scale the deployment <deployment-name> in AKS", ("name", "replicas")),
    ],
)
def test_what_is_not_said_is_missing_and_not_made_up(given_tool: Json, request_: str, missing: tuple[str, ...]) -> None:
    found = extract(request_, given_tool, now=NOW)

    assert found == Filled({}, {}, missing, ())


def test_each_value_says_where_it_comes_from() -> None:
    request = "show ticket #456"

    assert extract(request, TICKET, now=NOW).sources == {"ticket_id": Source("#456", 12, 16, "number")}


def test_defaults_of_a_schema_are_no_arguments() -> None:
    limited = tool("list", "List things", limit=whole("Maximum number of things", default=10))

    assert extract("list the things", limited, now=NOW).arguments == {}


def test_what_is_given_wins_and_is_checked() -> None:
    found = extract("show ticket 456", TICKET, now=NOW, given={"ticket_id": 7, "more": True})

    assert found.arguments == {"ticket_id": 7, "more": True}
    assert found.sources["ticket_id"].how == "given"
    found = extract("show ticket 456", TICKET, now=NOW, given={"ticket_id": "seven"})
    assert (found.arguments, found.missing) == ({}, ("ticket_id",))
    assert found.problems == ("'ticket_id' is not of type integer",)


def test_a_value_that_the_schema_refuses_is_a_problem_and_no_argument() -> None:
    found = extract("weather in Paris for the next 50 days", FORECAST, now=NOW)

    assert found.arguments == {"city": "Paris"}
    assert found.problems == ("'days' is more than 14",)


def test_the_only_value_of_a_required_property_is_no_guess() -> None:
    versioned = tool("call", "Call", "version", version={"const": 2})

    assert extract("call", versioned, now=NOW).arguments == {"version": 2}


def test_references_inside_the_schema_are_followed() -> None:
    referring = tool("get", "Get a user", "user_email", user_email={"$ref": "#/$defs/mail"})
    referring["inputSchema"]["$defs"] = {"mail": {"type": "string", "format": "email"}}

    assert extract("get a@b.com", referring, now=NOW).arguments == {"user_email": "a@b.com"}


# --- schemas and requests of any shape

DEEP: Json = {}
_inner = DEEP
for _ in range(3000):
    _inner["properties"] = {"a": {}}
    _inner = _inner["properties"]["a"]

ODD: list[Any] = [
    *(None, [], 7, "x", True, {}, DEEP, {"properties": []}, {"properties": {"a": 7, "b": [], "c": None, "d": True}}),
    *({"type": 7, "properties": {"a": {"type": 7}}}, {"required": 7, "properties": {"a": {"type": ["x", {}]}}}),
    {"properties": {"a": {"enum": [{}, [], None, 1e400]}, "b": {"enum": 7, "const": []}}},
    {"$defs": {"n": {"type": "object", "properties": {"x": {"$ref": "#/$defs/n"}}}}, "$ref": "#/$defs/n"},
    {"properties": {f"thing{n}": {"type": "string", "description": "name of the thing " * 50} for n in range(1000)}},
    {"properties": {"a" * 1_000_000: {"type": "string"}, "b": {"type": "string", "description": "x" * 900_000}}},
    {"properties": {"name": {"type": "string", "pattern": "(a+)+$"}}, "required": ["name"]},
    {"properties": {"name": {"type": "string", "pattern": "(("}}, "required": ["name", "other"]},
    {"properties": {"count": {"type": "integer", "minimum": "x", "multipleOf": 0}, "": {"type": "string"}}},
    {"properties": {"a": {"anyOf": [{"anyOf": [{"anyOf": [{}]}]}] * 30}, "b": {"type": "array", "items": []}}},
    {"properties": {"f": {"type": "object", "properties": {"g": {"type": "object", "properties": {"h": {}}}}}}},
]
LONG = [
    *("", "list 5 things named '" + "a" * 40 + "!' for a@b.com in x/y", "x " * 500_000, "'a', " * 5000, "1 " * 20_000),
    *("tomorrow " * 5000, "\ud800 \x00 'x\x00'", '{"a":' * 4000, "[" * 20_000 + "1", "from A to B " * 1500),
    *("saying " * 3000, "named X " * 2000, "A B C D " * 4000, "labels a, " * 2000, "https://a.b/" * 1500),
]


@pytest.mark.parametrize("schema", ODD, ids=range(len(ODD)))
def test_no_schema_breaks_it_and_no_request(schema: Any) -> None:
    for request in LONG:
        found = extract(request, {"name": "t", "description": "do " * 100, "inputSchema": schema}, now=NOW)
        assert isinstance(found.arguments, dict)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4),
    max_leaves=12,
)
KEYS = st.sampled_from(
    ["type", "enum", "anyOf", "items", "$ref", "format", "pattern", "description", "const", "minimum"]
)
VALUES = st.sampled_from(["string", "integer", "boolean", "array", "object", "date-time", "email", "#/a", "name of x"])


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.dictionaries(
        st.text(max_size=8) | st.just("user_id"), st.dictionaries(KEYS, VALUES | JSON, max_size=5), max_size=4
    ),
    st.text(max_size=60) | st.sampled_from(["get user 'x y' and 7 by a@b.com tomorrow", "list 5 things without names"]),
)
def test_whatever_is_found_stands_in_the_request(properties: Json, request: str) -> None:
    given_tool = {"name": "get", "inputSchema": {"type": "object", "properties": properties}}

    found = extract(request, given_tool, now=NOW)

    assert all(request[one.start : one.end] == one.text for one in found.sources.values())
    assert not found.missing
