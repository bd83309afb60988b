"""What a backend offers: published, kept up, kept while it is away, dropped."""

from __future__ import annotations

import logging
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
import pytest

from magictunnel.backends import listed
from magictunnel.backends.base import LinkLost, Terms
from magictunnel.backends.listed import STORMY, Listed
from magictunnel.catalog.model import Json, Kind, Listing
from magictunnel.errors import BackendError, BackendUnavailable
from tests.support.memory import PlayedBackend, PlayedLink, until

pytestmark = pytest.mark.anyio

X, Y = {"name": "x"}, {"name": "y"}
SAVED = Listing({Kind.TOOL: (X,)})
COMPANY, STORM, RELIST = 0.02, 0.06, 0.03


@pytest.fixture(autouse=True)
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """All pauses of a listing, shorter."""
    for name, seconds in (("COMPANY", COMPANY), ("STORM", STORM), ("RELIST", RELIST)):
        monkeypatch.setattr(listed, name, seconds)


class Scene:
    """A listing, its one link, and what was published."""

    def __init__(self, start_timeout: float = 5.0) -> None:
        self.backend = PlayedBackend(offers={Kind.TOOL: [X]})
        self.link = PlayedLink(self.backend, Terms())
        self.published: list[tuple[float, Listing | None]] = []
        """What, and when."""
        self.listed = Listed("s", start_timeout, lambda capabilities: capabilities, self._publish)

    def _publish(self, name: str, listing: Listing | None) -> None:
        assert name == "s"
        assert self.listed.current is listing
        self.published.append((anyio.current_time(), listing))

    @property
    def tools(self) -> list[object]:
        """The tools of each listing that was published."""
        return [listing and list(listing.entries.get(Kind.TOOL, ())) for _, listing in self.published]

    def offer(self, *tools: Json, **of_kind: Json) -> None:
        others = {Kind(kind): [one] for kind, one in of_kind.items()}
        self.backend.offers = {Kind.TOOL: list(tools), **others}


@asynccontextmanager
async def kept(start_timeout: float = 5.0) -> AsyncIterator[Scene]:
    """A listing that is kept up while the block lasts, published once."""
    scene = Scene(start_timeout)
    with anyio.fail_after(5):
        scene.listed.publish(await scene.listed.had(scene.link))
        scene.link.lists.clear()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(scene.listed.keep, scene.link)
            yield scene
            tasks.cancel_scope.cancel()


# --- had, published, recalled, dropped


async def test_all_that_a_server_offers_is_had_and_nothing_of_it_published_yet() -> None:
    scene = Scene()
    scene.link.capabilities = {"tools": {}}
    scene.link.instructions = "be kind"
    scene.link.hints = {Kind.TOOL: {"ttlMs": 5}}

    found = await scene.listed.had(scene.link)

    assert scene.link.lists == list(Kind)
    assert found.entries[Kind.TOOL] == (X,)
    assert (found.capabilities, found.instructions) == ({"tools": {}}, "be kind")
    assert found.hints == {Kind.TOOL: {"ttlMs": 5}}
    assert (scene.published, scene.listed.current) == ([], None)


@pytest.mark.parametrize("error", [BackendError(-32603, "locked"), BackendUnavailable("s", "gone")])
async def test_what_cannot_be_had_is_an_error_and_nothing_changes(error: Exception) -> None:
    scene = Scene()
    scene.listed.recall(SAVED)
    scene.backend.list_failure = error

    with pytest.raises(type(error)):
        await scene.listed.had(scene.link)

    assert scene.listed.current is SAVED


async def test_what_is_published_is_current_from_now() -> None:
    scene = Scene()
    before = time.time()

    scene.listed.publish(SAVED)

    assert scene.listed.current is SAVED
    assert before <= scene.listed.at <= time.time()
    assert scene.tools == [[X]]


async def test_what_is_recalled_is_known_though_it_was_not_had_since_we_run_and_told_to_nobody() -> None:
    scene = Scene()

    scene.listed.recall(SAVED)

    assert (scene.listed.current, scene.listed.at) == (SAVED, 0.0)
    assert scene.tools == []


async def test_what_is_dropped_is_told_once() -> None:
    scene = Scene()
    scene.listed.drop()
    assert scene.published == []

    scene.listed.publish(SAVED)
    scene.listed.drop()
    scene.listed.drop()

    assert scene.tools == [[X], None]
    assert scene.listed.current is None


# --- what the other era promises


async def test_what_its_other_era_promises_is_added_and_kept_for_the_next_connections() -> None:
    scene = Scene()
    scene.link.capabilities = {"tools": {}}
    scene.listed.publish(await scene.listed.had(scene.link))

    scene.listed.promise({"logging": {}})

    assert scene.listed.current is not None
    assert scene.listed.current.capabilities == {"tools": {}, "logging": {}}
    assert scene.tools == [[X], [X]]
    assert (await scene.listed.had(scene.link)).capabilities == {"tools": {}, "logging": {}}


async def test_a_promise_without_a_listing_waits_for_one() -> None:
    scene = Scene()

    scene.listed.promise({"logging": {}})

    assert scene.published == []
    assert (await scene.listed.had(scene.link)).capabilities == {"logging": {}}


async def test_only_that_is_promised_of_a_server_which_we_can_keep() -> None:
    scene = Scene()
    scene.link.capabilities = {"resources": {}}
    told: list[Json] = []

    def promised(capabilities: Json) -> Json:
        told.append(capabilities)
        return {"resources": {"subscribe": True}}

    found = await Listed("s", 5.0, promised, scene._publish).had(scene.link)

    assert told == [{"resources": {}}]
    assert found.capabilities == {"resources": {"subscribe": True}}


# --- relist


async def test_only_the_kinds_asked_for_are_listed_again_the_rest_stays() -> None:
    scene = Scene()
    scene.listed.publish(Listing({Kind.TOOL: (X,), Kind.PROMPT: (X,)}, {"tools": {}}, "be kind"))
    scene.offer(Y, prompts=Y)

    assert await scene.listed.relist(scene.link, frozenset({Kind.TOOL}))

    assert scene.link.lists == [Kind.TOOL]
    current = scene.listed.current
    assert current is not None
    assert (current.entries[Kind.TOOL], current.entries[Kind.PROMPT]) == ((Y,), (X,))
    assert (current.capabilities, current.instructions) == ({"tools": {}}, "be kind")


async def test_a_list_that_cannot_be_had_leaves_the_last_one_and_is_told_of(caplog: pytest.LogCaptureFixture) -> None:
    scene = Scene()
    scene.listed.publish(SAVED)
    scene.backend.list_failure = BackendError(-32603, "database is locked")

    assert not await scene.listed.relist(scene.link, frozenset(Kind))

    assert (scene.listed.current, scene.tools) == (SAVED, [[X]])
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert record.getMessage() == "s: its new listing cannot be had, the last one stays: database is locked"


async def test_a_list_that_does_not_come_in_time_is_given_up(caplog: pytest.LogCaptureFixture) -> None:
    class Silent(PlayedLink):
        async def list(self, kind: Kind) -> list[Json]:
            await anyio.sleep_forever()
            raise AssertionError(kind)

    scene = Scene(start_timeout=0.02)
    scene.listed.publish(SAVED)

    assert not await scene.listed.relist(Silent(scene.backend, Terms()), frozenset(Kind))

    assert scene.listed.current is SAVED
    (record,) = caplog.records
    why = "it was not listed within 0.02 s (see `start_timeout`)"
    assert record.getMessage() == f"s: its new listing cannot be had, the last one stays: {why}"


async def test_a_connection_that_is_ending_is_nothing_to_tell_of(caplog: pytest.LogCaptureFixture) -> None:
    scene = Scene()
    scene.listed.publish(SAVED)
    scene.backend.list_failure = BackendUnavailable("s", "its connection has just ended")

    assert not await scene.listed.relist(scene.link, frozenset(Kind))

    assert (scene.listed.current, caplog.records) == (SAVED, [])


# --- keep


async def test_changes_that_come_close_together_are_listed_once_when_the_company_is_complete() -> None:
    async with kept() as scene:
        said = anyio.current_time()
        scene.offer(Y, prompts=X)
        for kind in (Kind.TOOL, Kind.PROMPT, Kind.TOOL):
            scene.link.say_changed(kind)
            await anyio.lowlevel.checkpoint()
        await until(lambda: len(scene.published) == 2)

        assert scene.link.lists == [Kind.TOOL, Kind.PROMPT]
        assert scene.published[1][0] - said >= COMPANY


async def test_a_server_that_says_so_all_the_time_is_listed_no_more_often_than_in_a_storm() -> None:
    async with kept() as scene:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(say_all_the_time, scene.link)
            await until(lambda: len(scene.published) == 4)
            tasks.cancel_scope.cancel()

        times = [at for at, _ in scene.published[1:]]
        assert times[2] - times[0] >= STORM


async def say_all_the_time(link: PlayedLink) -> None:
    while True:
        for _ in range(STORMY):
            link.say_changed(Kind.TOOL)
        await anyio.sleep(0.002)


async def test_after_a_storm_a_change_is_listed_soon_again(monkeypatch: pytest.MonkeyPatch) -> None:
    async with kept() as scene:
        scene.link.say_changed(Kind.TOOL)
        await until(lambda: len(scene.published) == 2)
        await anyio.sleep(STORM * 1.2)

        monkeypatch.setattr(listed, "STORM", 60.0)
        scene.link.say_changed(Kind.TOOL)
        await until(lambda: len(scene.published) == 3)


async def test_a_change_while_it_is_listed_is_listed_too() -> None:
    async with kept() as scene:
        scene.link.say_changed(Kind.TOOL)
        await until(lambda: len(scene.link.lists) >= 1)
        scene.offer(Y)
        scene.link.say_changed(Kind.TOOL)

        await until(lambda: scene.tools[-1] == [Y])


async def test_a_listing_that_could_not_be_had_is_asked_for_again_though_nothing_is_said() -> None:
    async with kept() as scene:
        scene.backend.list_failure = BackendError(-32603, "locked")
        scene.link.say_changed(Kind.TOOL)
        await until(lambda: len(scene.link.lists) >= 2)
        assert len(scene.published) == 1

        scene.offer(Y)
        scene.backend.list_failure = None
        await until(lambda: len(scene.published) == 2)

        assert scene.tools == [[X], [Y]]
        assert set(scene.link.lists) == {Kind.TOOL}
        listed_by_now = len(scene.link.lists)
        await anyio.sleep(RELIST + STORM)
        assert len(scene.link.lists) == listed_by_now


async def test_what_failed_and_what_changed_since_are_listed_together() -> None:
    async with kept() as scene:
        scene.backend.list_failure = BackendError(-32603, "locked")
        scene.link.say_changed(Kind.TOOL)
        await until(lambda: len(scene.link.lists) >= 1)
        scene.offer(Y, prompts=Y)
        scene.backend.list_failure = None
        scene.link.say_changed(Kind.PROMPT)
        await until(lambda: len(scene.published) == 2)

        current = scene.listed.current
        assert current is not None
        assert (current.entries[Kind.TOOL], current.entries[Kind.PROMPT]) == ((Y,), (Y,))


async def test_it_is_kept_for_as_long_as_the_link_lives() -> None:
    scene = Scene()
    scene.link.lose(LinkLost("the process ended"))

    with anyio.fail_after(5), pytest.raises(LinkLost, match="the process ended"):
        await scene.listed.keep(scene.link)

    assert scene.published == []
