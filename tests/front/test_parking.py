"""A call that asks in the middle: its client gets questions and a state, and comes back with the answers to it."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from magictunnel.catalog.model import Json
from magictunnel.errors import BackendError, BadParams, CannotAsk
from magictunnel.front import parking
from magictunnel.front.parking import Binding, Parked, Parking, binding_of, without_answers
from magictunnel.wire.caller import Back
from tests.support.memory import PlayedBack, until

pytestmark = pytest.mark.anyio

PARAMS: Json = {"name": "x", "arguments": {"a": [1, None]}}
MINE = binding_of("h1", "tools/call", PARAMS)
BINDING = partial(binding_of, "h1", "tools/call", PARAMS)
YES: Json = {"action": "accept", "content": {"odd": None}}


class Lot:
    """A parking lot, and one client of it."""

    def __init__(self, tasks: anyio.abc.TaskGroup) -> None:
        self.tasks = tasks
        self.parking = Parking()
        self.client = PlayedBack()

    async def call(self, work: Callable[[Back], Awaitable[Json]], binding: Binding = BINDING) -> Json:
        """The answer to the first request."""
        return await self.parking.start(work, binding, self.tasks).next(self.client)

    def resume(self, asked: Json, answers: Any = None, binding: Binding = BINDING) -> Parked:
        parked = self.parking.resume(asked["requestState"], binding, answers)
        assert parked is not None
        return parked

    async def again(self, asked: Json, answers: Any = None, binding: Binding = BINDING) -> Json:
        """The answer to the same request, sent again with the state of `asked`."""
        return await self.resume(asked, answers, binding).next(self.client)


@asynccontextmanager
async def lot() -> AsyncIterator[Lot]:
    with anyio.fail_after(5):
        async with anyio.create_task_group() as tasks:
            yield Lot(tasks)
            tasks.cancel_scope.cancel()


async def ask_one(back: Back) -> Json:
    return {"answer": await back.ask("elicitation/create", {"message": "who?", "odd": [None]})}


async def ask_two(back: Back) -> Json:
    first = await back.ask("elicitation/create", {"message": "1"})
    return {"answers": [first, await back.ask("roots/list", {})]}


def only(asked: Json) -> tuple[str, Json]:
    ((key, question),) = asked["inputRequests"].items()
    return key, question


# --- there and back


async def test_a_call_that_asks_nothing_is_answered_as_any_other() -> None:
    async def work(_back: Back) -> Json:
        return {"content": []}

    async with lot() as it:
        assert await it.call(work) == {"content": []}
        assert it.parking.count == 0


async def test_a_question_is_an_answer_and_the_answer_to_it_comes_with_the_request_sent_again() -> None:
    async with lot() as it:
        asked = await it.call(ask_one)
        key, question = only(asked)
        assert asked["resultType"] == "input_required"
        assert question == {"method": "elicitation/create", "params": {"message": "who?", "odd": [None]}}
        assert it.parking.is_ours(asked["requestState"])
        assert it.parking.count == 1

        assert await it.again(asked, {key: YES}) == {"answer": YES}
        assert it.parking.count == 0


async def test_a_call_may_ask_again_under_another_state_and_another_key() -> None:
    async with lot() as it:
        first = await it.call(ask_two)
        second = await it.again(first, {only(first)[0]: YES})
        assert second["requestState"] != first["requestState"]
        assert only(second)[0] != only(first)[0]

        assert await it.again(second, {only(second)[0]: {"roots": []}}) == {"answers": [YES, {"roots": []}]}


async def test_questions_asked_at_once_are_told_together_and_those_still_open_are_asked_again() -> None:
    async def work(back: Back) -> Json:
        answers: Json = {}

        async def ask(name: str) -> None:
            answers[name] = await back.ask("elicitation/create", {"message": name})

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(ask, "a")
            tasks.start_soon(ask, "b")
        return answers

    async with lot() as it:
        asked = await it.call(work)
        if len(asked["inputRequests"]) == 1:  # the second came a moment later
            asked = await it.again(asked)
        keys = {question["params"]["message"]: key for key, question in asked["inputRequests"].items()}
        assert set(keys) == {"a", "b"}

        again = await it.again(asked, {keys["a"]: YES})
        assert only(again) == (keys["b"], {"method": "elicitation/create", "params": {"message": "b"}})
        assert await it.again(again, {keys["b"]: {"action": "decline"}}) == {"a": YES, "b": {"action": "decline"}}


@pytest.mark.parametrize("answers", [None, {}, "odd", [1], {"q99": YES}])
async def test_a_request_sent_again_without_an_answer_is_asked_the_same_again(answers: Any) -> None:
    async with lot() as it:
        asked = await it.call(ask_one)
        again = await it.again(asked, answers)

        assert again["inputRequests"] == asked["inputRequests"]
        assert await it.again(again, {only(again)[0]: YES}) == {"answer": YES}


async def test_what_the_stateless_era_does_not_have_is_not_asked_for() -> None:
    async def work(back: Back) -> Json:
        visit = {"mode": "url", "message": "m", "url": "https://x.example", "elicitationId": "e", "task": {"ttl": 1}}
        return await back.ask("elicitation/create", visit)

    async with lot() as it:
        _key, question = only(await it.call(work))

        assert question["params"] == {"mode": "url", "message": "m", "url": "https://x.example"}


async def test_an_error_is_the_answer_to_whichever_request_is_open() -> None:
    async def work(back: Back) -> Json:
        await back.ask("roots/list", {})
        raise BackendError(-7, "no", {"why": [1]})

    async with lot() as it:
        asked = await it.call(work)
        with pytest.raises(BackendError) as caught:
            await it.again(asked, {only(asked)[0]: {"roots": []}})

    assert (caught.value.code, caught.value.data) == (-7, {"why": [1]})


async def test_what_is_told_between_two_requests_is_told_on_the_second_in_order() -> None:
    gone_on = anyio.Event()

    async def work(back: Back) -> Json:
        await back.tell("x", {"number": 0})
        answer = anyio.create_task_group()
        async with answer:
            answer.start_soon(back.ask, "roots/list", {})
            await until(lambda: it.parking.count == 1)
            await back.tell("x", {"number": 1})
            await back.tell("x", {"number": 2})
            gone_on.set()
        await back.tell("x", {"number": 3})
        return {}

    async with lot() as it:
        asked = await it.call(work)
        await gone_on.wait()
        assert [params["number"] for _, params in it.client.told] == [0]

        await it.again(asked, {only(asked)[0]: {"roots": []}})
        assert [params["number"] for _, params in it.client.told] == [0, 1, 2, 3]


async def test_what_was_told_earlier_is_told_earlier_even_to_a_client_that_reads_slowly() -> None:
    class Slow(PlayedBack):
        def __init__(self) -> None:
            super().__init__()
            self.reading = anyio.Event()

        async def tell(self, method: str, params: Json) -> None:
            if params["number"] == 0:
                await self.reading.wait()
            await super().tell(method, params)

    later, answered = anyio.Event(), anyio.Event()

    async def work(back: Back) -> Json:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(back.ask, "roots/list", {})
            await until(lambda: it.parking.count == 1)
            await back.tell("x", {"number": 0})
            await back.tell("x", {"number": 1})
            later.set()
        answered.set()
        await back.tell("x", {"number": 2})
        return {}

    async with lot() as it:
        asked = await it.call(work)
        await later.wait()
        it.client = slow = Slow()
        parked = it.resume(asked, {only(asked)[0]: {"roots": []}})
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(parked.next, slow)
            await answered.wait()
            await anyio.wait_all_tasks_blocked()
            slow.reading.set()

        assert [params["number"] for _, params in slow.told] == [0, 1, 2]


# --- states


async def test_a_state_is_for_the_request_it_was_given_for_alone() -> None:
    foreign = [
        partial(binding_of, "h2", "tools/call", PARAMS),
        partial(binding_of, "h1", "prompts/get", PARAMS),
        partial(binding_of, "h1", "tools/call", PARAMS | {"name": "y"}),
        partial(binding_of, "h1", "tools/call", PARAMS | {"arguments": {}}),
    ]
    async with lot() as it:
        asked = await it.call(ask_one)
        for binding in foreign:
            with pytest.raises(BadParams, match="belongs to another request"):
                it.resume(asked, {only(asked)[0]: YES}, binding)

        assert await it.again(asked, {only(asked)[0]: YES}) == {"answer": YES}


def test_the_envelope_and_the_answers_of_a_request_do_not_make_it_another() -> None:
    again = PARAMS | {"_meta": {"progressToken": 7}, "requestState": "s", "inputResponses": {}}

    assert binding_of("h1", "tools/call", again) == MINE
    assert without_answers(again) == PARAMS | {"_meta": {"progressToken": 7}}


async def test_a_state_that_was_tampered_with_is_refused_and_the_call_goes_on_waiting() -> None:
    async with lot() as it:
        asked = await it.call(ask_one)
        state = asked["requestState"]
        prefix = state.partition(".")[0] + "."
        swapped = "A" if state[-5] != "A" else "B"
        for forged in (state[:-5] + swapped + state[-4:], state[:-1], prefix, prefix + "e30", prefix + "ü"):
            assert it.parking.is_ours(forged)
            with pytest.raises(BadParams, match="not as it was given out"):
                it.parking.resume(forged, BINDING, {})

        assert await it.again(asked, {only(asked)[0]: YES}) == {"answer": YES}


async def test_a_state_counts_once() -> None:
    async with lot() as it:
        first = await it.call(ask_two)
        second = await it.again(first, {only(first)[0]: YES})
        with pytest.raises(BadParams, match="used before"):
            it.resume(first, {only(first)[0]: YES})

        await it.again(second, {only(second)[0]: YES})
        with pytest.raises(BadParams, match="used before, or is over"):
            it.resume(second, {only(second)[0]: YES})


async def test_a_state_cannot_be_used_twice_at_the_same_time() -> None:
    async def work(back: Back) -> Json:
        await back.ask("roots/list", {})
        await anyio.sleep_forever()
        return {}

    async with lot() as it, anyio.create_task_group() as tasks:
        asked = await it.call(work)
        tasks.start_soon(it.again, asked, {only(asked)[0]: YES})
        await anyio.wait_all_tasks_blocked()
        with pytest.raises(BadParams, match="used before"):
            it.resume(asked, {only(asked)[0]: YES})
        tasks.cancel_scope.cancel()


async def test_states_of_others_are_not_ours() -> None:
    async with lot() as it, lot() as other:
        asked = await other.call(ask_one)

        assert not it.parking.is_ours("s")
        assert not it.parking.is_ours("")
        assert not it.parking.is_ours(asked["requestState"])


@pytest.mark.parametrize("answer", [None, "yes", 1, [YES]])
async def test_an_answer_that_is_no_object_is_refused_and_may_be_given_again(answer: Any) -> None:
    async with lot() as it:
        asked = await it.call(ask_one)
        with pytest.raises(BadParams, match="an object for each question"):
            it.resume(asked, {only(asked)[0]: answer})

        assert await it.again(asked, {only(asked)[0]: YES}) == {"answer": YES}


async def test_nothing_of_a_call_stands_readable_in_its_state() -> None:
    async with lot() as it:
        state = (await it.call(ask_one))["requestState"]

    assert MINE not in state
    assert state.isascii()


# --- giving up


async def test_a_client_that_gives_up_gives_up_the_call() -> None:
    given_up = anyio.Event()

    async def work(_back: Back) -> Json:
        try:
            await anyio.sleep_forever()
        finally:
            given_up.set()
        return {}

    async with lot() as it:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(it.call, work)
            await anyio.wait_all_tasks_blocked()
            tasks.cancel_scope.cancel()
        await given_up.wait()
        assert it.parking.count == 0


async def test_calls_end_with_those_who_run_them_even_before_they_began() -> None:
    ended = anyio.Event()

    async def work(_back: Back) -> Json:
        try:
            await anyio.sleep_forever()
        finally:
            ended.set()
        return {}

    async with lot() as it:
        begun = it.parking.start(work, BINDING, it.tasks)
        await anyio.wait_all_tasks_blocked()
        not_begun = it.parking.start(work, BINDING, it.tasks)
        it.tasks.cancel_scope.cancel()
    with anyio.fail_after(5):
        await ended.wait()
        for parked in (begun, not_begun):
            with pytest.raises(CannotAsk, match="abandoned"):
                await parked.next(it.client)


async def test_calls_are_parked_again_for_those_who_run_them_next() -> None:
    async with lot() as it:
        assert "inputRequests" in await it.call(ask_one)
        it.tasks.cancel_scope.cancel()
    with anyio.fail_after(5):
        async with anyio.create_task_group() as it.tasks:
            asked = await it.call(ask_one)
            assert await it.again(asked, {only(asked)[0]: YES}) == {"answer": YES}
            it.tasks.cancel_scope.cancel()


async def test_nobody_is_asked_or_told_anything_for_a_call_that_is_over() -> None:
    """As a server may try to before it has read that it was given up."""
    ways: list[Back] = []

    async def work(back: Back) -> Json:
        ways.append(back)
        return {}

    async with lot() as it:
        await it.call(work)
        for _ in range(2_000):  # far more than are kept for anybody
            await ways[0].tell("notifications/progress", {})
        with pytest.raises(CannotAsk, match="has ended"):
            await ways[0].ask("elicitation/create", {})


async def test_a_question_that_was_withdrawn_at_once_is_not_asked() -> None:
    async def work(back: Back) -> Json:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(back.ask, "roots/list", {})
            for _ in range(5):
                await anyio.lowlevel.checkpoint()
            tasks.cancel_scope.cancel()
        await anyio.sleep(3 * parking._COMPANY)
        return {"content": []}

    async with lot() as it:
        assert await it.call(work) == {"content": []}


class OnItsOwn:
    """A call that asks, and then goes on without the answer when a test says so."""

    def __init__(self) -> None:
        self.goes_on = anyio.Event()

    async def __call__(self, back: Back) -> Json:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(back.ask, "roots/list", {})
            await self.goes_on.wait()
            tasks.cancel_scope.cancel()
        return {"content": []}


async def test_the_outcome_of_a_call_that_went_on_by_itself_is_kept_for_its_client() -> None:
    work = OnItsOwn()
    async with lot() as it:
        asked = await it.call(work)
        work.goes_on.set()
        await anyio.wait_all_tasks_blocked()

        assert await it.again(asked) == {"content": []}


async def test_the_outcome_of_a_call_whose_client_does_not_come_back_is_kept_for_a_while_only(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(parking, "_KEPT", 0.05)
    work = OnItsOwn()
    async with lot() as it:
        asked = await it.call(work)
        work.goes_on.set()
        await until(lambda: it.parking.count == 0 or not it.parking._parked)

        with pytest.raises(BadParams, match="is over"):
            it.resume(asked)


async def test_when_too_many_wait_nobody_else_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parking, "MAX_PARKED", 1)
    async with lot() as it:
        asked = await it.call(ask_one)
        with pytest.raises(CannotAsk, match="1 calls wait for answers already"):
            await it.call(ask_one)

        assert await it.again(asked, {only(asked)[0]: YES}) == {"answer": YES}
        assert "inputRequests" in await it.call(ask_one)


# --- visits


VISIT = {"mode": "url", "message": "m", "url": "https://x.example", "elicitationId": "e"}


async def test_a_call_that_wants_urls_visited_first_asks_for_that_and_is_made_anew_afterwards() -> None:
    async def work(_back: Back) -> Json:
        raise BackendError(-32042, "visit first", {"elicitations": [VISIT, "odd"]})

    async with lot() as it:
        asked = await it.call(work)
        key, question = only(asked)
        assert question["method"] == "elicitation/create"
        assert question["params"] == {name: value for name, value in VISIT.items() if name != "elicitationId"}

        for _ in range(2):
            assert it.parking.resume(asked["requestState"], BINDING, {key: YES}) is None
        with pytest.raises(BadParams, match="belongs to another request"):
            it.parking.resume(asked["requestState"], partial(binding_of, "h2", "tools/call", PARAMS), {key: YES})


async def test_a_defect_is_raised_where_the_request_is_answered(caplog: pytest.LogCaptureFixture) -> None:
    async def work(_back: Back) -> Json:
        raise KeyError("ours")

    async with lot() as it:
        with pytest.raises(KeyError):
            await it.call(work)

    assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []
