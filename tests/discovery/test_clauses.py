"""Which requests are of several steps, and where one ends."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from magictunnel.discovery.clauses import MAX_CLAUSES, MAX_OUTCOMES, outcomes, split


@pytest.mark.parametrize(
    ("request_", "clauses"),
    [
        ("Create an issue and then email bob about it", ("Create an issue", "email bob about it")),
        ("find the newest paper; download it as PDF", ("find the newest paper", "download it as PDF")),
        ("List the clusters, then upgrade the first one", ("List the clusters", "upgrade the first one")),
        ("Search for flights and book a hotel in Rome", ("Search for flights", "book a hotel in Rome")),
        ("Read report.pdf. Summarize it in a new page.", ("Read report.pdf.", "Summarize it in a new page.")),
        ("1. create a branch\n2. open a pull request", ("create a branch", "open a pull request")),
        ("What is new in AI? Send me a digest by mail.", ("What is new in AI?", "Send me a digest by mail.")),
        ("查询明天的天气。发送邮件给小王。", ("查询明天的天气", "发送邮件给小王")),
    ],
)
def test_steps_are_told_apart(request_: str, clauses: tuple[str, ...]) -> None:
    assert split(request_) == clauses


@pytest.mark.parametrize(
    "request_",
    [
        "list all issues and pull requests",
        "send a message to Ann, Bob and Carl",
        "search and replace text in a document",
        'create a page saying "first do this; then do that"',
        "Scrape https://example.com/a;b. Wait for 10 seconds before fetching the content.",
        "Add the label to issue 12. Do not notify watchers.",
        "I was at the office. Please list my meetings.",
        "create a contact named Ann, email ann@example.com",
        "compare the price of apples and oranges then and now",
        "",
        "   ",
    ],
)
def test_one_need_stays_whole(request_: str) -> None:
    assert split(request_) == (request_,)


def test_what_is_told_before_belongs_to_what_is_asked() -> None:
    assert split("The build is red. Show me its log. Restart the job.") == (
        "The build is red. Show me its log.",
        "Restart the job.",
    )


@given(st.text(max_size=300))
def test_there_is_always_a_clause_and_never_too_many(request: str) -> None:
    assert 1 <= len(split(request)) <= MAX_CLAUSES


def test_of_very_many_steps_the_first_are_taken() -> None:
    assert len(split("create a file; " * 100_000)) == MAX_CLAUSES


@pytest.mark.parametrize(
    ("request_", "files"),
    [
        ("Summarize the paper and save it to /root/md/paper.md.", ("write the md file",)),
        ("Generate a report on bitcoin in /root/pdf/coin.pdf", ("write the pdf file",)),
        ("What does /etc/hosts say?", ()),
        ("Read notes.txt and tell me who wrote it", ()),
        ("save the date", ()),
    ],
)
def test_files_that_are_to_be_written_are_told(request_: str, files: tuple[str, ...]) -> None:
    assert outcomes(request_) == files


@given(st.text(max_size=300))
def test_there_are_few_outcomes_whatever_the_request(request: str) -> None:
    assert len(outcomes(request)) <= MAX_OUTCOMES


@pytest.mark.parametrize("request_", ["save " * 100_000 + "to a.md", "write in to a.md " * 50_000])
def test_outcomes_of_a_long_request_are_told_soon(request_: str) -> None:
    assert len(outcomes(request_)) <= MAX_OUTCOMES
