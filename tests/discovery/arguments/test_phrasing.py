"""Ways in which people put things, each of some class that tools share; on Friday the 25th of April 2025."""

from __future__ import annotations

import time
from datetime import UTC, datetime

import pytest

from benchmarks.arguments import measure, own_cases
from magictunnel.catalog.model import Json
from magictunnel.discovery.arguments.extract import extract
from magictunnel.discovery.arguments.score import total
from tests.discovery.arguments.test_arguments import text, texts, tool, whole

NOW = datetime(2025, 4, 25, 10, 0, tzinfo=UTC)

RANGE = tool(
    "list_shifts",
    "List the shifts of a team",
    "min_end",
    "max_start",
    min_end=text("Shifts that end after this datetime, ISO 8601"),
    max_start=text("Shifts that start before this datetime, ISO 8601"),
)
PLAN = tool(
    "plan_shift",
    "Plan a shift",
    "start_time",
    "end_time",
    start_time=text("Start, ISO 8601 datetime"),
    end_time=text("End, ISO 8601 datetime"),
)
BOARD = tool(
    "list_cards",
    "List the cards of a board",
    board=text("Name of the board"),
    status=text("The status, e.g. 'To Do', 'Blocked', 'Done'"),
    sort_order=text("Defaults to descending"),
    exclude_archived={"type": "boolean"},
    per_page=whole("Cards per page"),
    page=whole("Page number"),
    created_after=text("Only those created after this date, YYYY-MM-DD"),
)
NOTE = tool("add_note", "Add a note", "card", "text", card=text("ID or key of the card"), text=text("Text of the note"))
TELL = tool("tell", "Message somebody", "username", "message", username=text("Their user name"), message=text())
GROUP = tool("get_group", "Get a group chat", "usernames", usernames=texts("Who is in it"))
HISTORY = tool(
    "get_history",
    "Get past readings of a sensor",
    days=whole("How far to look back"),
    since=text("As an offset from now, DD:HH:MM"),
)
WAIT = tool("load", "Load a page", wait_for=whole("Time to wait in milliseconds"))
QUOTE = tool("get_quote", "Get a quote", "ticker", ticker=text("The ticker"))
SUM = tool("evaluate", "Evaluate", "expression", expression=text("What to evaluate"))
TURN = tool("translate", "Translate", "to_language", from_language=text("From"), to_language=text("Into"))
LAYER = tool("blur", "Blur a layer", "scene", "layer_index", scene=whole("Scene"), layer_index=whole("Layer"))
SEEK = tool("search", "Search the web", "query", query=text("What to look for"))
PEOPLE = tool("find_person", "Find a person", name=text("Whom to look for"))
INVOICE = tool("bill", "Make a bill", "customer", "note", customer=text("The ID of the customer"), note=text("A note"))
MAIL = tool(
    "mail",
    "Send a mail",
    "recipient",
    "subject",
    recipient=text("The email address", format="email"),
    subject=text("The subject"),
    cc_add=texts("Email addresses to add as cc"),
)


@pytest.mark.parametrize(
    ("given_tool", "request_", "expected"),
    [
        (
            RANGE,
            "the shifts between 2025-05-01 and 2025-05-03",
            {"min_end": "2025-05-01T00:00:00", "max_start": "2025-05-03T23:59:59"},
        ),
        (RANGE, "the shifts of tomorrow", {"min_end": "2025-04-26T00:00:00", "max_start": "2025-04-26T23:59:59"}),
        (PLAN, "plan one for tomorrow", {}),
        (BOARD, "list cards of the board Alpha that are blocked", {"board": "Alpha", "status": "Blocked"}),
        (BOARD, "list the cards, oldest first", {"sort_order": "ascending"}),
        (BOARD, "list the cards except archived", {"exclude_archived": True}),
        (BOARD, "list the cards, 20 per page, page 3", {"per_page": 20, "page": 3}),
        (BOARD, "list the cards that I made yesterday", {}),
        (BOARD, "list the cards created after 2025-02-03", {"created_after": "2025-02-03"}),
        (NOTE, "add the note 'looks fine' to OPS-12", {"card": "OPS-12", "text": "looks fine"}),
        (TELL, "send a message to lisa saying 'hi'", {"username": "lisa", "message": "hi"}),
        (TELL, "Message 'joey' with 'how are you'", {"username": "joey", "message": "how are you"}),
        (TELL, "send a message to everyone", {}),
        (GROUP, "the group chat with joe, mary and ali_b", {"usernames": ["joe", "mary", "ali_b"]}),
        (GROUP, "the usernames joe, mary", {"usernames": ["joe", "mary"]}),
        (HISTORY, "readings of the past two weeks", {"days": 14}),
        (HISTORY, "readings since 36 hours ago", {"since": "01:12:00"}),
        (WAIT, "load it and wait for 2 seconds", {"wait_for": 2000}),
        (QUOTE, "a quote of AAPL on NASDAQ", {"ticker": "AAPL"}),
        (SUM, "what is 12 * (7 + 3)?", {"expression": "12 * (7 + 3)"}),
        (TURN, "translate it into Italian", {"to_language": "Italian"}),
        (TURN, "from English to Dutch", {"from_language": "English", "to_language": "Dutch"}),
        (LAYER, "blur layer 2 of scene 1", {"layer_index": 2, "scene": 1}),
        (SEEK, "look up who won the 1998 world cup", {"query": "who won the 1998 world cup"}),
        (SEEK, "search the web", {}),
        (PEOPLE, "what is the number of Maria Gonzalez?", {"name": "Maria Gonzalez"}),
        (INVOICE, "bill Bob for 20 dollars", {}),
        (MAIL, "send a mail to my boss", {}),
        (MAIL, "mail John that I am late", {}),
        (MAIL, "add ann@x.org to the cc", {"cc_add": ["ann@x.org"]}),
    ],
)
def test_what_is_said_is_found_and_what_is_not_is_left_out(given_tool: Json, request_: str, expected: Json) -> None:
    assert extract(request_, given_tool, now=NOW).arguments == expected


def test_the_labelled_requests_are_read_as_well_as_they_were() -> None:
    found = total(measure(case, show=False) for case in own_cases())

    assert found.calls > 300
    assert found.precision is not None
    assert found.recall is not None
    assert found.precision >= 0.95
    assert found.recall >= 0.8


@pytest.mark.parametrize(
    "request_",
    [
        "1))))+" * 3_000,
        "1" + "-" * 20_000,
        "calculate " + "1 + " * 5_000 + "x",
        "message " + "ab, " * 5_000 + "!",
        "with a and b & c, " * 2_000,
        "last two weeks " * 2_000,
        "look up " + "a " * 10_000,
        "the oldest first " * 2_000,
    ],
)
def test_long_requests_take_no_longer_than_their_length(request_: str) -> None:
    tools = (SUM, TELL, GROUP, HISTORY, BOARD, SEEK, RANGE)
    began = time.process_time()

    for one in tools:
        assert isinstance(extract(request_, one, now=NOW).arguments, dict)

    assert time.process_time() - began < 5
