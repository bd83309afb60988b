"""One connection, in each way in which it may end: what is known of it when, and why it ended."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
import pytest

from magictunnel.backends.base import AtPhase, Link, LinkLost, Phase, Terms
from magictunnel.backends.line import Line
from magictunnel.backends.states import Limits
from magictunnel.errors import BackendError
from tests.support.memory import PlayedBackend, PlayedLink, until

pytestmark = pytest.mark.anyio

PATIENCE = 5.0


class Life:
    """A line, and all that was told of it."""

    def __init__(self, backend: PlayedBackend, *, start_timeout: float = PATIENCE, within: float = 0.0) -> None:
        self.phases: list[Phase] = []
        self.told_unfit: list[Line] = []
        self.prepared: list[Link] = []
        self.line = Line(
            backend,
            Terms(),
            Limits(start_timeout, 60.0),
            within=within,
            on_phase=self.phases.append,
            on_unfit=self.told_unfit.append,
        )

    async def prepare(self, link: Link) -> None:
        assert self.line.link is None
        self.prepared.append(link)

    async def keep(self, link: Link) -> None:
        while True:
            await link.changed()

    async def run(self) -> None:
        await self.line.run(self.prepare, self.keep)

    @property
    def events(self) -> tuple[bool, bool, bool]:
        """Whether it is decided, unfit, over."""
        return self.line.decided.is_set(), self.line.unfit.is_set(), self.line.over.is_set()

    def assert_over(self, failure: str | None, *, was_open: bool) -> None:
        """It has ended, once and for all, for that reason."""
        line = self.line
        assert self.events == (True, True, True)
        assert (None if line.failure is None else str(line.failure)) == failure
        assert (line.link, line.was_open) == (None, was_open)
        assert self.told_unfit == [line]


@asynccontextmanager
async def opened(backend: PlayedBackend | None = None) -> AsyncIterator[tuple[Life, PlayedLink]]:
    """A line that is open, and its link; it is over soon after the block."""
    backend = backend or PlayedBackend()
    life = Life(backend)
    with anyio.fail_after(PATIENCE):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(life.run)
            await life.line.decided.wait()
            assert life.events == (True, False, False)
            yield life, backend.links[-1]
            await life.line.over.wait()
    assert backend.open_now == 0


async def ran(life: Life) -> None:
    with anyio.fail_after(PATIENCE):
        await life.run()


# --- it does not open


async def test_a_line_that_cannot_be_opened_says_where_and_why() -> None:
    life = Life(PlayedBackend(failures=[OSError("no such thing")]))
    await ran(life)

    life.assert_over("server 'played': connect: no such thing (play better)", was_open=False)
    assert life.phases == [Phase.CONNECT]
    assert life.prepared == []


async def test_a_line_that_cannot_be_prepared_never_was_open_and_is_closed() -> None:
    backend = PlayedBackend()
    life = Life(backend)

    async def prepare(_link: Link) -> None:
        life.line.at(Phase.LIST)
        raise BackendError(-32603, "database is locked")

    with anyio.fail_after(PATIENCE):
        await life.line.run(prepare, life.keep)

    life.assert_over("server 'played': list: database is locked (play better)", was_open=False)
    assert life.phases == [Phase.CONNECT, Phase.LIST]
    assert backend.open_now == 0


@pytest.mark.parametrize(
    ("start_timeout", "within", "told"), [(0.02, 0.0, "0.02"), (PATIENCE, 0.03, "0.03"), (0.01, 0.03, "0.03")]
)
async def test_a_line_that_takes_too_long_to_open_is_given_up(start_timeout: float, within: float, told: str) -> None:
    """The time for this very line counts before that of all."""
    life = Life(PlayedBackend(hangs=True, fails_in=Phase.HANDSHAKE), start_timeout=start_timeout, within=within)
    await ran(life)

    life.assert_over(f"server 'played': handshake: no answer within {told} s (play better)", was_open=False)


async def test_preparing_it_is_part_of_opening_it() -> None:
    backend = PlayedBackend()
    life = Life(backend, start_timeout=0.02)

    async def prepare(_link: Link) -> None:
        await anyio.sleep_forever()

    with anyio.fail_after(PATIENCE):
        await life.line.run(prepare, life.keep)

    assert "no answer within 0.02 s" in str(life.line.failure)
    assert not life.line.was_open
    assert backend.open_now == 0


@pytest.mark.parametrize("before", ["it runs", "it opens"])
async def test_a_line_that_is_ended_before_it_opens_has_not_failed(before: str) -> None:
    backend = PlayedBackend(hangs=True)
    life = Life(backend)
    with anyio.fail_after(PATIENCE):
        async with anyio.create_task_group() as tasks:
            if before == "it runs":
                life.line.end()
            tasks.start_soon(life.run)
            await until(lambda: backend.attempts == 1)
            life.line.end()

    life.assert_over(None, was_open=False)
    assert life.line.is_ended


async def test_whoever_ends_the_whole_task_leaves_nobody_waiting() -> None:
    backend = PlayedBackend(hangs=True)
    life = Life(backend)
    with anyio.fail_after(PATIENCE):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(life.run)
            await until(lambda: backend.attempts == 1)
            tasks.cancel_scope.cancel()

    life.assert_over(None, was_open=False)
    assert not life.line.is_ended


# --- it opens


async def test_an_open_line_is_prepared_first_and_takes_longer_than_it_had_to_open() -> None:
    backend = PlayedBackend()
    life = Life(backend, start_timeout=0.02)
    with anyio.fail_after(PATIENCE):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(life.run)
            await life.line.decided.wait()
            assert (life.line.link, life.prepared) == (backend.links[0], backend.links)
            assert life.phases == [Phase.CONNECT, Phase.SERVE]
            assert (life.line.phase, life.line.was_open, life.line.failure) == (Phase.SERVE, True, None)

            with anyio.move_on_after(0.06) as waited:
                await life.line.over.wait()
            assert waited.cancelled_caught
            life.line.end()

    life.assert_over(None, was_open=True)


@pytest.mark.parametrize(("cheap", "heavy"), [(True, False), (False, True)])
async def test_the_next_one_may_be_opened_beside_it_only_if_that_needs_no_other_process(
    cheap: bool, heavy: bool
) -> None:
    class Backend(PlayedBackend):
        @asynccontextmanager
        async def connect(self, at: AtPhase, terms: Terms = Terms()) -> AsyncIterator[PlayedLink]:  # noqa: B008
            async with super().connect(at, terms) as link:
                link.sessions_are_cheap = cheap
                yield link

    assert Life(Backend()).line.is_heavy  # until it is known better
    async with opened(Backend()) as (life, link):
        assert life.line.is_heavy is heavy
        link.lose()


async def test_a_line_that_ends_by_itself_takes_no_calls_from_that_very_moment() -> None:
    async with opened() as (life, link):
        link.lose(LinkLost("the process ended"))

        assert life.events == (True, True, False)
        assert life.line.link is None

    life.assert_over("server 'played': serve: the process ended (play better)", was_open=True)
    assert life.line.why == "the process ended"


async def test_a_line_that_breaks_while_it_is_kept_fails_with_that() -> None:
    life = Life(PlayedBackend())

    async def keep(_link: Link) -> None:
        raise ConnectionResetError("cut")

    with anyio.fail_after(PATIENCE):
        await life.line.run(life.prepare, keep)

    life.assert_over("server 'played': serve: cut (play better)", was_open=True)


async def test_a_line_that_is_kept_no_longer_ends_well() -> None:
    backend = PlayedBackend()
    life = Life(backend)

    async def keep(_link: Link) -> None:
        return

    with anyio.fail_after(PATIENCE):
        await life.line.run(life.prepare, keep)

    life.assert_over(None, was_open=True)
    assert backend.open_now == 0


async def test_a_line_that_is_ended_on_purpose_has_not_failed() -> None:
    async with opened() as (life, _link):
        life.line.end()
        assert life.events == (True, True, False)
        assert life.line.link is None

    life.assert_over(None, was_open=True)
    assert life.line.is_ended


async def test_an_open_line_with_a_server_that_hangs_fails() -> None:
    backend = PlayedBackend()
    line = Line(backend, Terms(), Limits(PATIENCE, 60.0, heartbeat=0.01, patience=0.02))

    async def prepare(link: Link) -> None:
        backend.links[0].is_frozen = True

    with anyio.fail_after(PATIENCE):
        await line.run(prepare, lambda link: anyio.sleep_forever())

    assert str(line.failure) == "server 'played': serve: it hangs: no sign of life for 0.02 s (play better)"


# --- it takes no more calls


async def test_a_line_that_is_retired_lives_on_for_the_calls_in_flight() -> None:
    async with opened() as (life, link):
        life.line.retire("the session is gone")

        assert life.events == (True, True, False)
        assert (life.line.link, life.line.why, life.told_unfit) == (None, "the session is gone", [life.line])
        with anyio.move_on_after(0.03) as waited:
            await life.line.over.wait()
        assert waited.cancelled_caught
        assert not life.line.is_ended

        link.lose(LinkLost("the last call has ended"))

    life.assert_over("server 'played': serve: the last call has ended (play better)", was_open=True)
    assert life.line.why == "the session is gone"


async def test_a_connection_can_itself_say_that_it_takes_no_more_calls() -> None:
    async with opened() as (life, link):
        link.terms.unfit("the server does not know our session any more")
        assert life.events == (True, True, False)
        assert life.line.why == "the server does not know our session any more"
        link.lose()


async def test_it_is_told_once_however_often_it_is_said() -> None:
    async with opened() as (life, link):
        for why in ("", "first", "second"):
            life.line.retire(why)
        link.lose()
        life.line.end()

    assert life.told_unfit == [life.line]
    assert life.line.why == "first"


async def test_whoever_is_told_finds_it_without_a_link() -> None:
    seen: list[tuple[Link | None, bool, bool]] = []
    backend = PlayedBackend()

    def told(line: Line) -> None:
        seen.append((line.link, line.decided.is_set(), line.unfit.is_set()))

    line = Line(backend, Terms(), Limits(PATIENCE, 60.0), on_unfit=told)
    with anyio.fail_after(PATIENCE):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(line.run, anyio_checkpoint, lambda link: link.changed())
            await line.decided.wait()
            backend.links[0].lose()

    assert seen == [(None, True, True)]


async def anyio_checkpoint(_link: Link) -> None:
    await anyio.lowlevel.checkpoint()


async def test_a_connection_that_is_unfit_before_it_is_open_never_opens() -> None:
    """Nobody would ever be told that it takes no calls: that was told already."""
    backend = PlayedBackend()
    life = Life(backend)

    async def prepare(_link: Link) -> None:
        backend.links[0].terms.unfit("the connection was closed")

    with anyio.fail_after(PATIENCE):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(life.line.run, prepare, life.keep)
            await life.line.decided.wait()
            await anyio.wait_all_tasks_blocked()

            assert life.line.link is None
            assert not life.line.was_open
            life.line.end()
