"""A stateless server's questions, put to a caller of the handshake era until the server is content."""

from __future__ import annotations

from typing import Any

import anyio
import pytest

from magictunnel.backends.rounds import MAX_ROUNDS, asks, drive
from magictunnel.catalog.model import Json
from magictunnel.errors import AnswerError, CallError, CannotAsk
from magictunnel.wire.caller import Caller
from tests.support.memory import PlayedBack

pytestmark = pytest.mark.anyio

ALL = {"elicitation": {"form": {}, "url": {}}, "sampling": {}, "roots": {}}
DONE = {"content": []}


class Server:
    """Answers each sending with the next of its answers, and the last of them for ever."""

    def __init__(self, *answers: Json) -> None:
        self.answers = list(answers)
        self.received: list[Json] = []

    async def __call__(self, params: Json) -> Json:
        self.received.append(params)
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


def question(method: str = "elicitation/create", **params: Any) -> Json:
    return {"method": method, "params": params}


def asking(*questions: Any, **more: Any) -> Json:
    asked = {f"k{number}": one for number, one in enumerate(questions, 1)}
    return {"resultType": "input_required", "inputRequests": asked} | more


async def driven(
    server: Server, back: PlayedBack, params: Json | None = None, capabilities: Json | None = None
) -> Json:
    caller = Caller("c", session="h1", capabilities=ALL if capabilities is None else capabilities, back=back)
    with anyio.fail_after(5):
        return await drive(params or {"name": "x"}, caller, server)


def test_only_a_result_that_says_so_is_questions() -> None:
    assert asks({"resultType": "input_required"})
    assert not asks({"resultType": "complete"})
    assert not asks({"content": []})


async def test_a_result_without_questions_passes_as_the_very_same_object() -> None:
    back, result = PlayedBack(), {"content": [], "odd": None}

    assert await driven(Server(result), back) is result
    assert back.asked == []


async def test_a_question_is_put_to_the_caller_and_the_call_made_again_with_the_answer() -> None:
    back = PlayedBack({"action": "accept", "content": {"odd": None}})
    server = Server(asking(question(message="who?"), requestState="s1"), DONE)
    params = {"name": "x", "arguments": {"a": 1}, "_meta": {"mine": 1}}

    assert await driven(server, back, params) == DONE

    assert back.asked == [("elicitation/create", {"message": "who?"})]
    assert server.received == [params, params | {"requestState": "s1", "inputResponses": {"k1": back.answer}}]


async def test_each_round_has_its_own_state_and_answers() -> None:
    back = PlayedBack({"action": "accept"})
    first = asking(question(message="1"), requestState="s1")
    server = Server(first, asking(question("roots/list")), DONE)

    assert await driven(server, back) == DONE

    assert [method for method, _ in back.asked] == ["elicitation/create", "roots/list"]
    assert server.received[1] == {"name": "x", "requestState": "s1", "inputResponses": {"k1": back.answer}}
    assert server.received[2] == {"name": "x", "inputResponses": {"k1": back.answer}}


async def test_what_a_caller_sends_as_answers_of_its_own_is_not_passed_on() -> None:
    server = Server(DONE)

    await driven(server, PlayedBack(), {"name": "x", "inputResponses": {"k": {}}, "requestState": "forged"})

    assert server.received == [{"name": "x"}]


async def test_all_questions_of_one_round_are_asked_at_once() -> None:
    back = PlayedBack(answers=False)

    class Together(PlayedBack):
        async def ask(self, method: str, params: Json) -> Json:
            if len(back.asked) == 1:
                back.answer_now()
            return await back.ask(method, params)

    server = Server(asking(question(message="1"), question(message="2")), DONE)

    assert await driven(server, Together()) == DONE
    assert set(server.received[1]["inputResponses"]) == {"k1", "k2"}


async def test_a_server_that_only_wants_to_be_called_again_is_called_again() -> None:
    server = Server({"resultType": "input_required", "requestState": "s1"}, DONE)

    assert await driven(server, PlayedBack()) == DONE
    assert server.received == [{"name": "x"}, {"name": "x", "requestState": "s1"}]


async def test_an_error_in_answer_ends_the_call_as_it_is_and_the_other_questions() -> None:
    refusal = AnswerError(-1, "no")

    class RefusesOne(PlayedBack):
        async def ask(self, method: str, params: Json) -> Json:
            if method == "roots/list":
                raise refusal
            return await super().ask(method, params)

    back = RefusesOne(answers=False)
    with pytest.raises(AnswerError) as caught:
        await driven(Server(asking(question(message="1"), question("roots/list"))), back)

    assert caught.value is refusal
    assert back.given_up == len(back.asked)


@pytest.mark.parametrize(
    ("capabilities", "asked", "message"),
    [
        ({}, question(), "elicitation/create cannot be asked: the client does not support elicitation"),
        ({"elicitation": {}}, question(mode="url"), "the client does not support elicitation.url"),
        (ALL, "odd", "one of its inputRequests is no request"),
        (ALL, {"method": 7}, "one of its inputRequests is no request"),
        (ALL, {"method": "roots/list", "params": [1]}, "one of its inputRequests is no request"),
    ],
)
async def test_a_question_that_cannot_be_put_to_this_caller_ends_the_call(
    capabilities: Json, asked: Any, message: str
) -> None:
    back, server = PlayedBack(), Server(asking(asked))

    with pytest.raises(CannotAsk) as caught:
        await driven(server, back, capabilities=capabilities)

    assert message in caught.value.message
    assert back.asked == []
    assert len(server.received) == 1


@pytest.mark.parametrize("listed", [[1], "odd", {str(number): question() for number in range(101)}])
async def test_questions_that_are_no_object_or_too_many_end_the_call(listed: Any) -> None:
    back = PlayedBack()

    with pytest.raises(CannotAsk, match="no object with at most 100 questions"):
        await driven(Server({"resultType": "input_required", "inputRequests": listed}), back)

    assert back.asked == []


@pytest.mark.parametrize("params", [{}, {"params": None}], ids=["none", "null"])
async def test_a_question_may_come_without_params(params: Json) -> None:
    back = PlayedBack({"roots": []})

    assert await driven(Server(asking({"method": "roots/list"} | params), DONE), back) == DONE
    assert back.asked == [("roots/list", {})]


async def test_a_server_that_asks_without_end_is_given_up() -> None:
    server = Server(asking(question()))

    with pytest.raises(CallError, match=f"asked for {MAX_ROUNDS} times in one call"):
        await driven(server, PlayedBack())

    assert len(server.received) == MAX_ROUNDS + 1


async def test_a_url_to_visit_gets_the_id_that_the_handshake_era_demands() -> None:
    """The stateless era has no such ids; a client of the handshake era refuses a question without one."""
    back = PlayedBack()
    visit = question(mode="url", message="visit", url="https://x.example")

    await driven(Server(asking(visit, visit), DONE), back)

    ids = [params["elicitationId"] for _method, params in back.asked]
    assert len(set(ids)) == 2
    assert all(isinstance(one, str) and one for one in ids)
    assert [params | {"elicitationId": ""} for _method, params in back.asked] == [
        visit["params"] | {"elicitationId": ""}
    ] * 2
