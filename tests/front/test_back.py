"""What a call tells and asks its client: in the way of its era, in order, and nothing that is not wanted."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest

from magictunnel.catalog.model import Json, Kind, Listing
from magictunnel.errors import AnswerError, CannotAsk
from magictunnel.front.server import FrontServer
from magictunnel.pipeline.call import Call
from magictunnel.wire.caller import Back
from tests.support.front import Client, PlayedSource, client_of, front_of
from tests.support.raw import tool
from tests.support.world import ERAS

pytestmark = pytest.mark.anyio

PATIENCE = 10.0
PROGRESS, LOG, DONE = "notifications/progress", "notifications/message", "notifications/elicitation/complete"
OFFERS = Listing({Kind.TOOL: [tool("x")]}, capabilities={"logging": {}})
CAN = {"elicitation": {"form": {}, "url": {}}, "sampling": {}, "roots": {}}
ANSWER = {"action": "accept", "content": {"odd": None}, "_meta": {"mine": 1}}


@asynccontextmanager
async def opened(
    source: PlayedSource, era: str, capabilities: Json | None = None
) -> AsyncIterator[tuple[Client, FrontServer]]:
    source.live.replace("a", OFFERS)
    with anyio.fail_after(PATIENCE):
        async with front_of(source) as server, client_of(server, era, capabilities=capabilities) as client:
            await client.open()
            yield client, server


async def call(client: Client, **more: Any) -> Json:
    return await client.request("tools/call", {"name": "a__x"} | more)


def asking(method: str = "elicitation/create", params: Json | None = None) -> Any:
    """A call that asks one question and results in the answer to it."""

    async def handle(made: Call) -> Json:
        return {"answer": await made.caller.back.ask(method, params or {"message": "who?"})}

    return handle


# --- progress


@pytest.mark.parametrize("era", ERAS)
@pytest.mark.parametrize(("token", "wanted"), [("t", True), (0, True), (True, False), (None, False), (1.5, False)])
async def test_progress_is_told_to_those_who_gave_a_token(era: str, token: Any, wanted: bool) -> None:
    async def handle(made: Call) -> Json:
        for number in range(3):
            await made.caller.back.tell(PROGRESS, {"progressToken": 99, "progress": number, "odd": None})
        return {}

    async with opened(PlayedSource(answer=handle), era) as (client, _server):
        await call(client, _meta={"progressToken": token})

        told = [{"progressToken": token, "progress": number, "odd": None} for number in range(3)]
        assert client.heard(PROGRESS) == (told if wanted else [])


@pytest.mark.parametrize("era", ERAS)
async def test_progress_is_not_told_to_a_call_that_asked_for_none(era: str) -> None:
    async def handle(made: Call) -> Json:
        await made.caller.back.tell(PROGRESS, {"progressToken": 99, "progress": 1})
        return {}

    async with opened(PlayedSource(answer=handle), era) as (client, _server):
        await call(client)

        assert client.heard(PROGRESS) == []


@pytest.mark.parametrize("era", ERAS)
async def test_all_that_a_call_told_comes_before_its_answer_and_no_progress_after(era: str) -> None:
    backs: list[Back] = []

    async def handle(made: Call) -> Json:
        backs.append(made.caller.back)
        for number in range(20):
            await made.caller.back.tell(PROGRESS, {"progress": number})
        return {}

    async with opened(PlayedSource(answer=handle), era) as (client, _server):
        await call(client, _meta={"progressToken": "t"})
        assert "result" in client.messages[-1]
        assert [params["progress"] for params in client.heard(PROGRESS)] == list(range(20))

        await backs[0].tell(PROGRESS, {"progress": 99})
        await client.request("tools/list")
        assert len(client.heard(PROGRESS)) == 20


# --- log messages


async def log_all(made: Call) -> Json:
    for level in ("debug", "error"):
        await made.caller.back.tell(LOG, {"level": level, "data": {"odd": None}})
    return {}


@pytest.mark.parametrize(
    ("level", "told"), [("debug", ["debug", "error"]), ("warning", ["error"]), (None, []), ("odd", [])]
)
async def test_a_stateless_request_hears_what_it_asked_to_hear(level: str | None, told: list[str]) -> None:
    meta = {"io.modelcontextprotocol/logLevel": level} if level else {}
    async with opened(PlayedSource(answer=log_all), "stateless") as (client, _server):
        await call(client, _meta=meta)

        assert client.heard(LOG) == [{"level": level, "data": {"odd": None}} for level in told]


@pytest.mark.parametrize(("level", "told"), [(None, ["debug", "error"]), ("warning", ["error"])])
async def test_a_session_hears_what_it_set_and_all_if_it_set_nothing(level: str | None, told: list[str]) -> None:
    async with opened(PlayedSource(answer=log_all), "handshake") as (client, _server):
        if level:
            await client.request("logging/setLevel", {"level": level})
        await call(client)

        assert [params["level"] for params in client.heard(LOG)] == told


async def test_a_level_that_is_set_during_a_call_counts_for_it() -> None:
    hushed = anyio.Event()

    async def handle(made: Call) -> Json:
        await made.caller.back.tell(LOG, {"level": "debug", "data": 1})
        await hushed.wait()
        await made.caller.back.tell(LOG, {"level": "debug", "data": 2})
        return {}

    async with opened(PlayedSource(answer=handle), "handshake") as (client, _server):
        number = await client.ask("tools/call", {"name": "a__x"})
        await client.request("logging/setLevel", {"level": "error"})
        hushed.set()
        await client.answered(number)

        assert [params["data"] for params in client.heard(LOG)] == [1]


async def test_what_does_not_exist_in_the_stateless_era_is_told_to_the_other_alone() -> None:
    async def handle(made: Call) -> Json:
        await made.caller.back.tell(DONE, {"elicitationId": "e"})
        await made.caller.back.tell("notifications/vendor/odd", {"odd": None})
        return {}

    for era, told in (("handshake", [{"elicitationId": "e"}]), ("stateless", [])):
        async with opened(PlayedSource(answer=handle), era) as (client, _server):
            await call(client)

            assert client.heard(DONE) == told
            assert client.heard("notifications/vendor/odd") == [{"odd": None}]


async def test_word_of_a_visited_url_reaches_a_session_whose_call_was_answered_long_ago() -> None:
    backs: list[Back] = []

    async def handle(made: Call) -> Json:
        backs.append(made.caller.back)
        return {}

    async with opened(PlayedSource(answer=handle), "handshake") as (client, _server):
        await call(client)
        await backs[0].tell(DONE, {"elicitationId": "e"})
        await client.until(lambda: client.heard(DONE) == [{"elicitationId": "e"}])


# --- outside of any call


async def test_a_session_hears_what_belongs_to_no_call_of_it() -> None:
    source = PlayedSource()
    async with opened(source, "handshake") as (client, _server):
        (known,) = source.audience.callers
        await known.back.tell(LOG, {"level": "debug", "data": 1})
        await known.back.tell(PROGRESS, {"progressToken": 1, "progress": 1})
        source.audience.set_level(known.session, "error")
        await known.back.tell(LOG, {"level": "debug", "data": 2})
        await known.back.tell(LOG, {"level": "error", "data": 3})
        await client.until(lambda: len(client.heard(LOG)) == 2)

        assert [params["data"] for params in client.heard(LOG)] == [1, 3]
        assert client.heard(PROGRESS) == []


async def test_a_session_that_is_not_open_yet_is_told_nothing() -> None:
    source = PlayedSource()
    async with front_of(source) as server, client_of(server, "handshake") as client:
        about = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "raw", "version": "1"}}
        await client.request("initialize", about)
        (known,) = source.audience.callers
        await known.back.tell(LOG, {"level": "error", "data": 1})
        await client.request("ping")

        assert client.heard(LOG) == []


async def test_a_session_can_be_asked_outside_of_any_call() -> None:
    source = PlayedSource()
    answers: list[Json] = []
    async with opened(source, "handshake", CAN) as (client, _server), anyio.create_task_group() as tasks:
        (known,) = source.audience.callers

        async def ask() -> None:
            answers.append(await known.back.ask("roots/list", {}))

        tasks.start_soon(ask)
        await client.answer(await client.until_asked(), result={"roots": []})
        await client.until(lambda: answers == [{"roots": []}])


# --- questions to the handshake era


@pytest.mark.parametrize("method", ["elicitation/create", "sampling/createMessage", "roots/list", "vendor/ask"])
async def test_a_handshake_client_is_asked_raw_and_its_answer_comes_back_raw(method: str) -> None:
    params = {"message": "who?", "odd": [None]}
    async with opened(PlayedSource(answer=asking(method, params)), "handshake", CAN) as (client, _server):
        number = await client.ask("tools/call", {"name": "a__x"})
        question = await client.until_asked()
        assert (question["method"], question["params"]) == (method, params)

        await client.answer(question, result=ANSWER)
        assert (await client.answered(number))["result"] == {"answer": ANSWER}


async def test_a_handshake_client_s_refusal_comes_back_with_its_code_message_and_data() -> None:
    caught: list[AnswerError] = []

    async def handle(made: Call) -> Json:
        try:
            await made.caller.back.ask("roots/list", {})
        except AnswerError as error:
            caught.append(error)
            raise
        return {}

    refusal = {"code": -7, "message": "no", "data": {"why": [1]}}
    async with opened(PlayedSource(answer=handle), "handshake", CAN) as (client, _server):
        number = await client.ask("tools/call", {"name": "a__x"})
        await client.answer(await client.until_asked(), error=refusal)

        assert (await client.answered(number))["error"] == refusal
    assert (caught[0].code, caught[0].message, caught[0].data) == (-7, "no", {"why": [1]})


async def test_a_question_to_a_client_that_goes_away_ends() -> None:
    ended: list[Exception] = []

    async def handle(made: Call) -> Json:
        try:
            return await made.caller.back.ask("roots/list", {})
        except CannotAsk as error:
            ended.append(error)
            raise
        finally:
            gone.set()

    gone = anyio.Event()
    async with opened(PlayedSource(answer=handle), "handshake", CAN) as (client, _server):
        await client.ask("tools/call", {"name": "a__x"})
        await client.until_asked()
        await client.hang_up()
        await gone.wait()

    assert [error.message for error in ended] in ([], ["roots/list cannot be asked: the client has gone"])


# --- questions to the stateless era


async def test_a_stateless_client_is_asked_by_an_answer_and_answers_by_asking_again() -> None:
    source = PlayedSource(answer=asking(params={"message": "who?", "odd": [None]}))
    async with opened(source, "stateless", CAN) as (client, _server):
        asked = (await call(client))["result"]
        assert asked["resultType"] == "input_required"
        ((key, question),) = asked["inputRequests"].items()
        assert question == {"method": "elicitation/create", "params": {"message": "who?", "odd": [None]}}
        assert "ttlMs" not in asked

        again = await call(client, requestState=asked["requestState"], inputResponses={key: ANSWER})
        assert {name: again["result"][name] for name in ("resultType", "answer")} == {
            "resultType": "complete",
            "answer": ANSWER,
        }
    assert len(source.calls) == 1


async def test_what_happens_between_two_requests_of_a_stateless_client_is_told_on_the_second() -> None:
    async def handle(made: Call) -> Json:
        back = made.caller.back
        await back.tell(PROGRESS, {"progress": 1})
        await back.ask("elicitation/create", {"message": "who?"})
        await back.tell(PROGRESS, {"progress": 2})
        return {}

    async with opened(PlayedSource(answer=handle), "stateless", CAN) as (client, _server):
        asked = (await call(client, _meta={"progressToken": "first"}))["result"]
        assert client.heard(PROGRESS) == [{"progressToken": "first", "progress": 1}]

        again = {"requestState": asked["requestState"], "inputResponses": {"q1": ANSWER}}
        await call(client, _meta={"progressToken": "second"}, **again)
        assert client.heard(PROGRESS)[1:] == [{"progressToken": "second", "progress": 2}]


async def test_an_error_after_a_question_is_the_answer_to_the_second_request() -> None:
    async def handle(made: Call) -> Json:
        await made.caller.back.ask("elicitation/create", {"message": "who?"})
        raise CannotAsk("x", "enough")

    async with opened(PlayedSource(answer=handle), "stateless", CAN) as (client, _server):
        asked = (await call(client))["result"]
        again = await call(client, requestState=asked["requestState"], inputResponses={"q1": ANSWER})

        assert again["error"]["data"]["error"] == "cannot_ask"


async def test_a_stateless_client_that_can_answer_nothing_is_not_asked() -> None:
    async with opened(PlayedSource(answer=asking()), "stateless", {}) as (client, _server):
        error = (await call(client))["error"]

    assert error["data"]["error"] == "cannot_ask"
    assert "this request cannot be answered with a question" in error["message"]


async def test_a_completion_cannot_be_answered_with_a_question() -> None:
    source = PlayedSource(answer=asking())
    async with opened(source, "stateless", CAN) as (client, _server):
        source.live.replace("a", Listing({Kind.PROMPT: [{"name": "p"}]}, capabilities={"completions": {}}))
        error = (await client.request("completion/complete", {"ref": {"type": "ref/prompt", "name": "a__p"}}))["error"]

    assert error["data"]["error"] == "cannot_ask"


async def test_a_call_whose_stateless_client_gives_up_is_given_up() -> None:
    ended = anyio.Event()

    async def handle(_made: Call) -> Json:
        try:
            await anyio.sleep_forever()
        finally:
            ended.set()
        return {}

    async with opened(PlayedSource(answer=handle), "stateless", CAN) as (client, _server):
        number = await client.ask("tools/call", {"name": "a__x"})
        await client.request("tools/list")
        await client.send({"method": "notifications/cancelled", "params": {"requestId": number}})
        await ended.wait()
