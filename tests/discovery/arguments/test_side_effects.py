"""What would have been done to the wrong thing: cut texts, owners for repositories, one person of two."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from magictunnel.catalog.model import Json
from magictunnel.discovery.arguments.extract import extract
from tests.discovery.arguments.test_arguments import text, texts, tool, whole

NOW = datetime(2025, 4, 25, 10, 0, tzinfo=UTC)

NOTE = tool("add_note", "Add a note", "title", "text", title=text("Title"), text=text("Text of the note"))
LOOSE = tool("add_note", "Add a note", "title", title=text("Title"), body=text())
COMMENT = tool("post_comment", "Comment on an issue", "issue", "text", issue=whole("Its number"), text=text("Text"))
REPO = tool("close_issue", "Close an issue", "repo", "number", repo=text("The repository"), number=whole("Its number"))
OWNED = tool(
    "close_issue",
    "Close an issue",
    "owner",
    "repo",
    "number",
    owner=text("Owner of the repository"),
    repo=text("Name of the repository"),
    number=whole("Issue number"),
)
SLOT = tool("find_free_slot", "Find a free slot", "attendees", attendees=texts(), duration=whole("In minutes"))
EMAILS = tool("find_free_slot", "Find a free slot", "emails", emails=texts("Addresses"))


def of(request: str, one: Json) -> Json:
    return extract(request, one, now=NOW).arguments


@pytest.mark.parametrize(
    "words",
    ["saying 2 litres", "that says 2 litres", "with text 2 litres", "with the text 2 litres", "reading 2 litres"],
)
def test_what_is_said_is_not_cut(words: str) -> None:
    assert of(f"add a note titled Milk {words}", NOTE) == {"title": "Milk", "text": "2 litres"}
    assert of(f"add a note titled Milk {words}", LOOSE) == {"title": "Milk", "body": "2 litres"}


def test_what_is_said_ends_where_the_title_is_told() -> None:
    assert of("add a note saying 2 litres titled Milk", NOTE) == {"title": "Milk", "text": "2 litres"}


@pytest.mark.parametrize(
    "request_",
    [
        "comment saying 2 litres on issue 7",  # the issue is no part of it
        "comment on issue 7 saying 2 litres and assign it to ada",
        "comment on issue 7 with 2 litres",
    ],
)
def test_a_text_whose_end_is_not_clear_is_left_out(request_: str) -> None:
    assert of(request_, COMMENT) == {"issue": 7}


@pytest.mark.parametrize("place", ["web of acme", "Web of Acme", "the web of acme", "web from Acme", "web at acme"])
def test_an_owner_is_no_repository(place: str) -> None:
    assert of(f"close issue #12 in {place}", REPO) == {"number": 12}


@pytest.mark.parametrize("place", ["web of acme", "the web repo of acme", "repo web of acme", "acme/web"])
def test_an_owner_and_a_repository_where_both_are_asked_for(place: str) -> None:
    assert of(f"close issue #12 in {place}", OWNED) == {"owner": "acme", "repo": "web", "number": 12}


@pytest.mark.parametrize("one", [SLOT, EMAILS])
@pytest.mark.parametrize("joined", ["ada@x.org and bob@x.org", "ada@x.org, bob@x.org", "ada@x.org with bob@x.org"])
def test_all_addresses_for_a_list_of_people(joined: str, one: Json) -> None:
    assert next(iter(of(f"free slot of {joined}", one).values())) == ["ada@x.org", "bob@x.org"]


def test_who_is_left_out_is_not_added() -> None:
    assert "bob@x.org" not in of("free slot of ada@x.org but not bob@x.org", EMAILS).get("emails", [])
