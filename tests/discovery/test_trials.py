"""Labelled requests put to the search, and what clients read at their start."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from magictunnel.catalog.merge import MergeRules, merge
from magictunnel.catalog.model import Catalog, Json, Kind, Listing, Visibility
from magictunnel.config.discovery import DISCOVERY, DiscoveryConfig
from magictunnel.discovery.arguments.score import Score
from magictunnel.discovery.evaluation import Expected, Labelled
from magictunnel.discovery.finder import findings, parts_of
from magictunnel.discovery.index import Index
from magictunnel.discovery.search import Scope
from magictunnel.discovery.tools import listing
from magictunnel.discovery.trials import PLACES, argued, costs, made, tried, vectors_of
from magictunnel.errors import MagicTunnelError
from tests.discovery.test_dataset import QUERY

GUIDES = listing(DiscoveryConfig()).entries[Kind.TOOL]
SHOP = {
    "mail": Listing(
        {
            Kind.TOOL: [
                {"name": "send_email", "description": "Send an email to somebody."},
                {"name": "list_folders", "description": "List the folders of the mailbox."},
            ]
        }
    ),
    "files": Listing({Kind.TOOL: [{"name": "delete_file", "description": "Delete a file from the disk."}]}),
}


def ask(words: str, *gold: str) -> Labelled:
    return Labelled(QUERY["id"], words, frozenset(gold), (frozenset(gold),))


def index(catalog: Catalog | None = None) -> Index:
    return Index.of(parts_of(catalog or merge(SHOP, MergeRules())))


@pytest.mark.anyio
async def test_each_request_has_its_outcome() -> None:
    send, delete = await tried([ask("send an email", "mail/send_email"), ask("delete a file", "mail/none")], index())

    assert send.ranked[0] == "mail/send_email"
    assert (send.sure[1], delete.sure[1]) == (True, False)
    assert (send.fits, send.mode) == (True, "lexical")
    assert 0 < send.seconds < 5
    assert 0 <= send.confidence <= 1


@pytest.mark.anyio
async def test_where_there_is_nothing_nothing_is_found() -> None:
    (one,) = await tried([ask("send an email", "mail/send_email")], Index())

    assert (one.ranked, one.confidence, one.fits, one.sure) == ((), 0.0, False, (0.0, False))


@pytest.mark.anyio
async def test_the_steps_of_a_request_are_found_one_by_one_and_ranked_as_one() -> None:
    words = "delete the file, then send an email"
    steps = (await findings(index(), words, scope=Scope(), limit=3)).steps
    (whole,) = await tried([ask(words, "mail/send_email")], index())

    assert [step.answer.ranked[0].entry.original for step in steps] == ["delete_file", "send_email"]
    assert whole.ranked[:2] == ("files/delete_file", "mail/send_email")
    assert len(whole.ranked) <= PLACES


@pytest.mark.anyio
async def test_vectors_that_cannot_be_made_are_an_error_and_searching_goes_on_without() -> None:
    def opening() -> object:
        raise MagicTunnelError("there is no model")

    async with vectors_of(index(), opening, None) as vectors:  # type: ignore[arg-type]
        with pytest.raises(MagicTunnelError, match="there is no model"):
            await made(vectors)
        (one,) = await tried([ask("send an email", "mail/send_email")], index(), vectors)
    assert (one.ranked[0], one.mode) == ("mail/send_email", "lexical")


# --- what clients read at their start


VERBS = ("list", "get", "create", "update", "delete")
THINGS = ("issue", "pull request", "comment", "label", "milestone")


def real_sized(verb: str, thing: str) -> Json:
    """A tool as servers of today define them: about 150 tokens."""
    name = thing.replace(" ", "_")
    properties = {
        "owner": {"type": "string", "description": "The account that owns the repository, without the @"},
        "repository": {"type": "string", "description": "The name of the repository, without the owner"},
        f"{name}_id": {"type": "integer", "description": f"The number of the {thing}, as it is shown in its URL"},
        "page": {"type": "integer", "minimum": 1, "description": "Page of the results"},
        "per_page": {"type": "integer", "minimum": 1, "maximum": 100},
    }
    schema = {"type": "object", "properties": properties, "required": ["owner", "repository"]}
    about = f"{verb.title()} a {thing} of a repository. Needs the right to read; large answers come in pages."
    return {"name": f"{verb}_{name}", "description": about, "inputSchema": schema}


def many() -> dict[str, Listing]:
    tools = tuple(real_sized(verb, thing) for verb in VERBS for thing in THINGS)
    said = "Everything about repositories. Say whose repository you mean; ask before you delete anything in it."
    return {f"service-{number}": Listing({Kind.TOOL: tools}, instructions=said) for number in range(40)}


def test_to_search_a_thousand_tools_costs_less_than_three_percent_of_listing_them() -> None:
    found = costs(merge(many(), MergeRules()), GUIDES)

    assert found.tools == 1_000
    assert 120_000 < found.everything < 250_000
    assert found.share is not None
    assert found.share < 0.03


def test_what_is_shown_in_every_list_is_counted_in_both() -> None:
    rules = MergeRules(visibility={"service-1__list_*": Visibility.LISTED}, guide=DISCOVERY)
    whole = merge(many() | {DISCOVERY: listing(DiscoveryConfig())}, rules)
    plain = costs(merge(many(), MergeRules()), GUIDES)
    found = costs(whole, GUIDES)

    assert (found.tools, found.everything) == (plain.tools, plain.everything)
    assert 5 * 120 < found.search - plain.search < 5 * 200
    hidden = merge(many(), replace(rules, visibility={"service-1*": Visibility.SEARCH_ONLY}))
    assert costs(hidden, GUIDES).tools < 1_000


def test_of_nothing_there_is_no_share() -> None:
    assert costs(merge({}, MergeRules()), GUIDES).share is None


@pytest.mark.anyio
async def test_arguments_are_read_for_the_tools_that_are_right() -> None:
    schema = {"type": "object", "properties": {"due_date": {"type": "string", "format": "date"}}}
    task = {"name": "update_task", "description": "Update a task.", "inputSchema": schema}
    catalog = merge({"todo": Listing({Kind.TOOL: [task]})}, MergeRules())
    words = "the task is due tomorrow"
    asked = ask(words, "todo/update_task")
    right = Expected("todo/update_task", {"due_date": "2025-03-02"})
    queries = [replace(asked, calls=(right, Expected("todo/gone", {"x": 1}))), asked]

    (one,) = await argued(queries, catalog, datetime(2025, 3, 1, 9, tzinfo=UTC))

    assert one.found == {"todo/update_task": {"due_date": "2025-03-02"}}
    assert (one.query.query, one.score) == (words, Score(1, 1, 1, 1, 1))
    (other,) = await argued(queries, catalog, datetime(2025, 3, 2, 9, tzinfo=UTC))
    assert other.score.right == 0
