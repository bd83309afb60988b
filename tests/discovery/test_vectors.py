"""Vectors of what is offered: made in the background, kept, and held against requests; or lacking, and no harm done."""

from __future__ import annotations

import logging
import math
import struct
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import pytest

from magictunnel.catalog.model import Entry, Kind
from magictunnel.config.discovery import EmbeddingsConfig
from magictunnel.discovery import vectors as module
from magictunnel.discovery.embedding import Embedder, open_embedder
from magictunnel.discovery.embedding.rest import Rest
from magictunnel.discovery.search import Dense
from magictunnel.discovery.vectors import Vectors
from magictunnel.errors import DiscoveryError
from magictunnel.secrets import Secrets
from tests.discovery.tiny_model import write_model

np = pytest.importorskip("numpy")

from magictunnel.discovery.embedding.matrix import Matrix, mean, nearest  # noqa: E402
from magictunnel.discovery.embedding.plan import Plan, planned  # noqa: E402

pytestmark = pytest.mark.anyio

SHORT = (0.01, 0.01)
WORDS = ("mail", "file", "list", "delete", "repository", "calendar", "weather", "music")


class Counting:
    """An embedder of its own kind: for each of WORDS, how often it stands in a text. It can be made to fail."""

    def __init__(self, id: str = "counting") -> None:  # noqa: A002
        self.id = id
        self.seen: list[str] = []
        self.queries: list[str] = []
        self.failing: Callable[[Sequence[str]], bool] = lambda _texts: False
        self.pause = 0.0
        self.extra = 1
        """More numbers than words: another model has more."""

    async def embed(self, texts: Sequence[str], *, is_query: bool = False) -> list[bytes]:
        await anyio.sleep(self.pause)
        if self.failing(texts):
            raise DiscoveryError("counting", "it fails")
        (self.queries if is_query else self.seen).extend(texts)
        return [self._vector(text.lower()) for text in texts]

    def _vector(self, text: str) -> bytes:
        numbers = [float(text.count(word)) for word in WORDS] + [0.1] * self.extra
        return struct.pack(f"<{len(numbers)}f", *(number / math.hypot(*numbers) for number in numbers))


def tool(name: str, description: str = "", server: str = "s", kind: Kind = Kind.TOOL) -> Entry:
    return Entry(kind, f"{server}__{name}", server, name, {"name": name, "description": description})


TOOLS = [tool(f"{word}_{number}", f"The {word}.") for number, word in enumerate(WORDS)]


@asynccontextmanager
async def kept(
    embedder: Embedder, store: Path | None = None, patience: float = 5.0, mask: Callable[[str], str] = str
) -> AsyncIterator[Vectors]:
    """Vectors that are being made."""

    @asynccontextmanager
    async def opening() -> AsyncIterator[Embedder]:
        yield embedder

    vectors = Vectors(opening, store, patience, mask)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(vectors.run)
        yield vectors
        tasks.cancel_scope.cancel()


async def until(is_so: Callable[[], bool]) -> None:
    with anyio.fail_after(10):
        while not is_so():
            await anyio.sleep(0.005)


async def made(vectors: Vectors, entries: Sequence[Entry]) -> None:
    """Have the vectors of all `entries` made."""
    vectors.wanted(entries)
    await until(lambda: vectors.progress == (len(entries), len(entries)))


def names(dense: Dense | None, count: int = 3) -> list[str]:
    assert dense is not None
    return [name for _, name in dense.nearest(count)]


# --- asked


async def test_the_nearest_entries_are_found() -> None:
    async with kept(Counting()) as vectors:
        await made(vectors, TOOLS)
        dense = await vectors.against("send a mail about the weather, the weather!")

        assert dense is not None
        assert names(dense, 2) == ["s__weather_6", "s__mail_0"]
        assert names(dense, 100)[:2] == ["s__weather_6", "s__mail_0"]
        assert len(names(dense, 100)) == len(TOOLS)
        assert names(dense, 0) == []


@pytest.mark.parametrize(
    ("request_", "seen"),
    [
        ("send a mail, my password is hunter2", "send a mail, my password is"),
        ("send a mail with known-secret in it", "send a mail with in it"),
        ("curl -u bob:hunter2 the weather", "curl -u the weather"),
        ("mail known-secret" + " and more" * 5 + " x" * 980 + " known-secret", None),
        ("mail " + "x " * 994 + "password: hunter2", None),
        ("known-secret", None),
        ("token: hunter2hunter2", "token:"),
        ("mail \ud800 file", "mail ? file"),
    ],
)
async def test_no_secret_in_a_request_is_embedded(request_: str, seen: str | None) -> None:
    embedder = Counting()

    def mask(text: str) -> str:
        return text.replace("known-secret", "***")

    async with kept(embedder, mask=mask) as vectors:
        await made(vectors, TOOLS)
        await vectors.against(request_)
        embedded = embedder.queries

    assert len(embedded) <= 1
    assert not any("hunter2" in text or "known-" in text or "***" in text for text in embedded)
    assert all(len(text) <= 2_000 for text in embedded)
    assert seen is None or embedded == [seen]


async def test_a_cosine_is_the_mean_of_those_of_both_texts() -> None:
    one = tool("mail", "Send a file. The calendar knows more. The music plays.")
    embedder = Counting()
    async with kept(embedder) as vectors:
        await made(vectors, [one, *TOOLS])
        dense = await vectors.against("mail a file")
        assert dense is not None
        both = embedder.seen[:2]
        (query,), texts = await embedder.embed(["mail a file"]), await embedder.embed(both)

    assert len(set(both)) == 2
    expected = sum(float(np.frombuffer(text, "<f4") @ np.frombuffer(query, "<f4")) for text in texts) / 2
    assert dense.cosine(Kind.TOOL, one.name) == pytest.approx(expected, abs=1e-3)
    assert dense.cosine(Kind.PROMPT, one.name) is None
    assert dense.cosine(Kind.TOOL, "nothing") is None


async def test_values_in_a_request_are_left_out_unless_there_is_nothing_else() -> None:
    embedder = Counting()
    async with kept(embedder) as vectors:
        await made(vectors, TOOLS)
        for request in ("mail bob@example.com", '"list my files"', "", "   ", "?!"):
            await vectors.against(request)

    assert embedder.queries == ["mail", '"list my files"', "?!"]


async def test_a_request_is_embedded_once_and_a_long_one_is_cut() -> None:
    embedder = Counting()
    async with kept(embedder) as vectors:
        await made(vectors, TOOLS)
        for _ in range(3):
            assert set(names(await vectors.against("list mail"), 2)) == {"s__list_2", "s__mail_0"}
        await vectors.against("mail " * 100_000)
        for number in range(200):
            await vectors.against("mail " * number + "file")

    assert embedder.queries[0] == "list mail"
    assert embedder.queries.count("list mail") == 1
    assert max(map(len, embedder.queries)) <= 2_000


async def test_what_was_asked_does_not_change_when_entries_do() -> None:
    async with kept(Counting()) as vectors:
        await made(vectors, TOOLS)
        before = await vectors.against("mail")
        expected = names(before, 100)
        await made(vectors, [tool("other", "mail"), TOOLS[0]])

        assert names(before, 100) == expected
        assert set(names(await vectors.against("mail"), 100)) == {"s__other", "s__mail_0"}


async def test_until_nearly_all_have_vectors_there_is_no_answer() -> None:
    embedder = Counting()
    embedder.failing = lambda texts: any("music" in text for text in texts)
    many = [tool(f"t{number}", "mail") for number in range(20)]
    async with kept(embedder) as vectors:
        assert await vectors.against("mail") is None
        await made(vectors, many)
        assert await vectors.against("mail") is not None
        vectors.wanted([*many, tool("x", "music"), tool("y", "music")])
        await until(lambda: bool(vectors.failed))

        assert vectors.progress == (20, 22)
        assert await vectors.against("mail") is None


# --- made


async def test_tools_come_first_and_equal_texts_are_embedded_once() -> None:
    embedder = Counting()
    entries = [tool("p", "prompt", kind=Kind.PROMPT), *TOOLS, *TOOLS]
    async with kept(embedder) as vectors:
        vectors.wanted(entries)
        await until(lambda: vectors.progress == (len(TOOLS) + 1, len(TOOLS) + 1))

    assert "prompt" in embedder.seen[-1]
    assert len(embedder.seen) == len(set(embedder.seen))


async def test_only_what_is_new_is_embedded_and_what_is_gone_is_dropped() -> None:
    embedder = Counting()
    async with kept(embedder) as vectors:
        await made(vectors, TOOLS)
        embedder.seen.clear()
        again = [tool(entry.original, entry.definition["description"]) for entry in TOOLS[:4]]
        renamed = Entry(Kind.TOOL, "another_name", "s", TOOLS[5].original, TOOLS[5].definition)
        await made(vectors, [*again, renamed, tool("mail_0", "The new music.", server="t")])

        assert all("new music" in text or text.startswith("mail 0") for text in embedder.seen)
        dense = await vectors.against("the music")
        assert names(dense, 1) == ["t__mail_0"]
        assert len(names(dense, 100)) == 6
        assert dense is not None
        assert dense.cosine(Kind.TOOL, "another_name") is not None
        assert dense.cosine(Kind.TOOL, TOOLS[7].name) is None


async def test_a_later_list_does_not_wait_for_the_one_before() -> None:
    embedder = Counting()
    embedder.pause = 0.02
    async with kept(embedder) as vectors:
        vectors.wanted([tool(f"t{number}", "mail") for number in range(5_000)])
        await until(lambda: vectors.progress[0] > 0)
        await made(vectors, TOOLS)


async def test_vectors_are_kept_for_the_next_time(tmp_path: Path) -> None:
    first, second = Counting(), Counting()
    async with kept(first, tmp_path / "s.db") as vectors:
        await made(vectors, TOOLS)
        before = await vectors.against("mail a file")
    async with kept(second, tmp_path / "s.db") as vectors:
        await made(vectors, [*TOOLS, tool("new", "The new one.")])
        after = await vectors.against("mail a file")

    assert len(first.seen) == 2 * len(TOOLS)
    assert len(second.seen) == 2
    assert before is not None
    assert after is not None
    for entry in TOOLS:
        assert before.cosine(entry.kind, entry.name) == after.cosine(entry.kind, entry.name)


async def test_another_model_has_its_own(tmp_path: Path) -> None:
    async with kept(Counting(), tmp_path / "s.db") as vectors:
        await made(vectors, TOOLS)
    embedder = Counting("another")
    async with kept(embedder, tmp_path / "s.db") as vectors:
        await made(vectors, TOOLS)

    assert len(embedder.seen) == 2 * len(TOOLS)


async def test_a_store_that_cannot_be_used_is_done_without(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "file").write_text("")
    with caplog.at_level(logging.WARNING):
        async with kept(Counting(), tmp_path / "file" / "s.db") as vectors:
            await made(vectors, TOOLS)
            assert names(await vectors.against("mail"), 1) == ["s__mail_0"]

    assert "vectors are not kept" in caplog.text


async def test_what_the_store_has_of_a_model_that_is_another_now_is_made_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "QUESTIONS_REST", SHORT)
    async with kept(Counting(), tmp_path / "s.db") as vectors:
        await made(vectors, TOOLS)
    embedder = Counting()
    embedder.extra = 4
    async with kept(embedder, tmp_path / "s.db") as vectors:
        await made(vectors, TOOLS)
        assert embedder.seen == []
        assert await vectors.against("mail") is None
        assert "13 numbers" not in vectors.failed
        await until(lambda: len(embedder.seen) == 2 * len(TOOLS) and vectors.is_ready)
        await anyio.sleep(2 * SHORT[0])
        assert names(await vectors.against("mail"), 1) == ["s__mail_0"]
        assert not vectors.failed


async def test_a_hostile_entry_does_no_harm() -> None:
    deep: Any = {}
    for _ in range(5_000):
        deep = {"properties": deep}
    odd = [
        Entry(Kind.TOOL, "a", "s", "a", {"description": 7, "inputSchema": []}),
        Entry(Kind.TOOL, "b", "s", "b", {"description": "x" * 1_000_000, "inputSchema": deep}),
        Entry(Kind.TOOL, "c", "", "", {}),
        Entry(Kind.TOOL, "d", "s", "\ud800", {"description": "\ud800"}),
    ]
    async with kept(Counting()) as vectors:
        await made(vectors, odd)
        await made(vectors, [*odd, TOOLS[0]])


def test_a_plan_is_made_anew_only_where_entries_have_changed() -> None:
    many = [tool(f"t{number}", "words " * 500) for number in range(2_000)]
    before = planned(many, Plan())
    changed = [
        tool("t0", "other words"),
        *(tool(entry.original, entry.definition["description"]) for entry in many[1:]),
    ]
    after = planned(changed, before)

    digests = [(after.digests[key], before.digests[key]) for key in before.digests]
    assert [new is old for new, old in digests] == [False] + [True] * 1_999  # what is read again is another string
    assert digests[0][0] != digests[0][1]
    assert after.keys != before.keys


# --- failures


async def test_an_embedder_that_cannot_be_had_is_told_and_nothing_else_ends(tmp_path: Path) -> None:
    opening = partial(open_embedder, EmbeddingsConfig(model="no-such-model"), Secrets({}), tmp_path)
    vectors = Vectors(opening, None)
    vectors.wanted(TOOLS)
    with anyio.fail_after(10):
        await vectors.run()

    assert "no-such-model" in vectors.failed
    assert vectors.progress == (0, len(TOOLS))
    assert await vectors.against("mail") is None


async def test_what_fails_is_tried_again_after_a_while_and_told_once(caplog: pytest.LogCaptureFixture) -> None:
    embedder = Counting()
    tries = 0

    def fails_at_first(_texts: Sequence[str]) -> bool:
        nonlocal tries
        tries += 1
        return tries <= 1

    embedder.failing = fails_at_first
    with caplog.at_level(logging.WARNING):
        async with kept(embedder) as vectors:
            vectors.wanted(TOOLS)
            await until(lambda: vectors.failed == "counting: it fails")
            started = anyio.current_time()
            await made(vectors, TOOLS)

            assert anyio.current_time() - started > 0.5
            assert vectors.failed == ""
    assert caplog.text.count("it fails") == 1


async def test_one_text_that_cannot_be_embedded_holds_up_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "WORK_REST", SHORT)
    embedder = Counting()
    embedder.failing = lambda texts: any("delete" in text for text in texts)
    async with kept(embedder) as vectors:
        vectors.wanted(TOOLS)
        await until(lambda: vectors.progress == (len(TOOLS) - 1, len(TOOLS)))
        embedder.failing = lambda _texts: False

        await until(lambda: vectors.progress == (len(TOOLS), len(TOOLS)))


async def test_a_request_waits_no_longer_than_its_patience_and_the_next_not_at_all() -> None:
    embedder = Counting()
    async with kept(embedder, patience=0.1) as vectors:
        await made(vectors, TOOLS)
        embedder.pause = 60.0
        started = anyio.current_time()
        assert await vectors.against("mail") is None
        assert 0.05 < anyio.current_time() - started < 2
        assert "no vector within 0.1 s" in vectors.failed

        with anyio.fail_after(0.5):
            assert await vectors.against("file") is None


async def test_a_request_that_fails_is_answered_without_vectors_until_it_works_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "QUESTIONS_REST", SHORT)
    embedder = Counting()
    async with kept(embedder) as vectors:
        await made(vectors, TOOLS)
        embedder.failing = lambda _texts: True
        assert await vectors.against("mail") is None
        assert vectors.failed == "counting: it fails"

        embedder.failing = lambda _texts: False
        await anyio.sleep(2 * SHORT[0])
        assert names(await vectors.against("mail"), 1) == ["s__mail_0"]
        assert vectors.failed == ""


async def test_after_its_end_there_are_no_answers() -> None:
    async with kept(Counting()) as vectors:
        await made(vectors, TOOLS)
    assert await vectors.against("mail") is None


async def test_a_rest_is_twice_as_long_each_time() -> None:
    rest = Rest(10.0, 30.0)
    assert (rest.left, rest.is_failing) == (0.0, False)

    for expected in (10, 20, 30, 30):
        rest.extend()
        assert expected - 1 < rest.left <= expected
        assert rest.is_failing
    rest.end()
    assert (rest.left, rest.is_failing) == (0.0, False)
    rest.extend()
    assert rest.left <= 10


# --- with a model


async def test_a_model_of_this_process_does_all_of_it(tmp_path: Path) -> None:
    write_model(tmp_path / "model")
    opening = partial(open_embedder, EmbeddingsConfig(model="model"), Secrets({}), tmp_path)
    vectors = Vectors(opening, tmp_path / "s.db")
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(vectors.run)
        await made(vectors, TOOLS)
        dense = await vectors.against("list the files")
        assert dense is not None
        cosines = [dense.cosine(kind, name) for kind, name in dense.nearest(5)]
        tasks.cancel_scope.cancel()

    assert all(cosine is not None and -1.001 <= cosine <= 1.001 for cosine in cosines)
    assert cosines == sorted(cosines, key=lambda cosine: -(cosine or 0))


# --- the matrix


def unit(*numbers: float) -> bytes:
    return struct.pack(f"<{len(numbers)}f", *numbers)


def test_a_row_counts_once_its_vector_is_there() -> None:
    matrix = Matrix(2, ["a", "b"])
    assert matrix.put("b", mean([unit(1, 0)]))

    assert ("a" in matrix, "b" in matrix, "c" in matrix, len(matrix)) == (False, True, False, 1)
    cosines = matrix.cosines(unit(1, 0))
    assert math.isnan(cosines[0])
    assert cosines[1] == 1
    assert list(nearest(cosines, 5)) == [1]


@pytest.mark.parametrize(
    "packed", [b"", b"x", mean([unit(1, 0, 0)]), b"\x00\x7e" * 2, b"\x00\x7c" * 2, b"\xff\x7b" * 2, b"\0" * 4]
)
def test_bytes_that_are_no_vector_fill_no_row(packed: bytes) -> None:
    matrix = Matrix(2, ["a"])

    assert not matrix.put("a", packed)
    assert not matrix.put("b", mean([unit(1, 0)]))
    assert len(matrix) == 0


def test_what_is_still_wanted_is_kept() -> None:
    matrix = Matrix(2, ["a", "b", "c"])
    for digest, vector in (("a", unit(1, 0)), ("b", unit(0, 1))):
        matrix.put(digest, mean([vector]))
    other = matrix.kept(["d", "b", "c"])

    assert [digest in other for digest in "abcd"] == [False, True, False, False]
    assert other.cosines(unit(0, 1))[other.rows["b"]] == 1
    assert "a" in matrix


@pytest.mark.parametrize("count", [0, 1, 7, 50, 100])
def test_the_nearest_are_those_with_the_greatest_cosines_in_their_order(count: int) -> None:
    cosines = np.random.default_rng(1).integers(0, 20, 50).astype(np.float32)
    expected = sorted(range(50), key=lambda row: (-cosines[row], row))[:count]

    assert list(nearest(cosines, count)) == expected


def test_the_nearest_of_fifty_thousand_are_found() -> None:
    dice = np.random.default_rng(1)
    matrix = Matrix(384, [str(number) for number in range(50_000)])
    matrix._values[:] = dice.standard_normal(matrix._values.shape, np.float32)
    matrix._is_filled[:] = True
    query = dice.standard_normal(384, np.float32)
    expected = np.argsort(-(matrix._values @ query), kind="stable")[:60]

    assert list(nearest(matrix.cosines(query.tobytes()), 60)) == expected.tolist()
