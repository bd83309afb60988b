"""What a server asks and tells over its link, and whom that reaches."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import anyio
import pytest

from magictunnel.backends.base import Request, Terms, Topic, resource, task
from magictunnel.backends.link import McpLink
from magictunnel.backends.mcp import opened_link
from magictunnel.catalog.model import Json, Kind
from magictunnel.catalog.tasks import RELATED, public_task
from magictunnel.config.model import Era
from magictunnel.errors import AnswerError, BackendError, BackendUnavailable, BadParams, CallError, CannotAsk
from magictunnel.wire.audience import Audience
from magictunnel.wire.caller import Caller
from magictunnel.wire.evidence import Evidence
from magictunnel.wire.streamable import http_wire
from tests.support.memory import PlayedBack, raw_link, sent, until
from tests.support.raw import HANDSHAKE, SUBSCRIPTION_KEY, RawServer, Script, tool
from tests.support.world import ERAS
from tests.wire.http1.stage import Asked, Stage, played

pytestmark = pytest.mark.anyio

PATIENCE = 10.0
TOOLS = {"tools": [tool("x"), tool("y")]}
CAN = {"elicitation": {"form": {}, "url": {}}, "sampling": {}, "roots": {}}
LOG = "notifications/message"
UPDATED = "notifications/resources/updated"


@dataclass
class PlayedNeighbours:
    """Hears of what somebody follows, and knows who started which task. See `Neighbours`."""

    starters: dict[str, Caller] = field(default_factory=dict)
    heard: list[tuple[Topic | None, str, Json]] = field(default_factory=list)

    async def told(self, followed: Topic | None, method: str, params: Json, /) -> None:
        self.heard.append((followed, method, params))

    def whose_task(self, task_id: str, /) -> Caller | None:
        return self.starters.get(task_id)


@dataclass
class Near:
    """Our end of a link, and who is there."""

    link: McpLink
    server: RawServer
    audience: Audience
    neighbours: PlayedNeighbours

    async def call(self, caller: Caller, name: str = "x") -> Json:
        return await self.link.request(Request("tools/call", {"name": name}, caller))

    async def asked(self, method: str, params: Json | None = None) -> Json:
        """Have the server ask; its client's answer."""
        number = f"q{len(self.server.received)}"
        self.server.push(method, params or {}, id=number)
        await until(lambda: any(message.get("id") == number for message in self.server.received))
        return next(message for message in self.server.received if message.get("id") == number)

    async def until_heard(self) -> None:
        """Wait until the server knows that what it told before was handled."""
        await self.asked("ping")


@asynccontextmanager
async def near(
    era: str, script: Script | None = None, *, callers: tuple[Caller, ...] = (), ask_timeout: float = PATIENCE
) -> AsyncIterator[Near]:
    script = script or Script(offers=TOOLS, hang_on=["tools/call"], capabilities={"tools": {}, "logging": {}})
    audience, neighbours = Audience(callers), PlayedNeighbours()
    terms = Terms(Era(era), audience=audience, neighbours=neighbours, ask_timeout=ask_timeout)
    with anyio.fail_after(PATIENCE):
        async with raw_link(script, terms) as (link, server):
            yield Near(link, server, audience, neighbours)


@asynccontextmanager
async def calling(end: Near, *callers: Caller) -> AsyncIterator[None]:
    """Each of these has a call under way while the block lasts."""
    async with anyio.create_task_group() as tasks:
        for number, caller in enumerate(callers, 1):
            tasks.start_soon(end.call, caller)
            await until(lambda number=number: len(sent(end.server, "tools/call")) == number)  # type: ignore[misc]
        yield
        tasks.cancel_scope.cancel()


def session(name: str, back: PlayedBack, **more: Any) -> Caller:
    return Caller(name, session=name, capabilities=CAN, back=back, **more)


# --- questions of a server of the handshake era


async def test_a_question_during_a_call_is_answered_by_its_caller_as_it_answered() -> None:
    back = PlayedBack({"action": "accept", "content": {"odd": None}, "_meta": {"mine": 1}})
    async with near("handshake") as end, calling(end, session("one", back)):
        answer = await end.asked("elicitation/create", {"message": "who?", "odd": [None]})

    assert answer["result"] == back.answer
    assert back.asked == [("elicitation/create", {"message": "who?", "odd": [None]})]


async def test_a_question_outside_of_any_call_is_put_to_the_only_session() -> None:
    back = PlayedBack({"roots": []})
    async with near("handshake", callers=(session("one", back),)) as end:
        assert (await end.asked("roots/list"))["result"] == {"roots": []}


async def test_a_question_that_could_be_for_two_is_refused_and_put_to_neither() -> None:
    one, two = PlayedBack(), PlayedBack()
    async with near("handshake") as end, calling(end, session("one", one), session("two", two)):
        error = (await end.asked("roots/list"))["error"]

    assert error["code"] == CannotAsk("x", "y").code
    assert "several clients" in error["message"]
    assert one.asked == two.asked == []


async def test_an_error_in_answer_reaches_the_server_with_its_code_message_and_data() -> None:
    back = PlayedBack(AnswerError(-7, "no", {"why": [1]}))
    async with near("handshake") as end, calling(end, session("one", back)):
        assert (await end.asked("roots/list"))["error"] == {"code": -7, "message": "no", "data": {"why": [1]}}


async def test_what_belongs_to_the_server_s_connection_is_not_passed_on_with_a_question() -> None:
    back = PlayedBack()
    meta = {"mine": 1, "progressToken": 7, SUBSCRIPTION_KEY: 3}
    async with near("handshake") as end, calling(end, session("one", back)):
        await end.asked("roots/list", {"_meta": meta})
        await end.asked("roots/list", {"_meta": {"progressToken": 7}})

    assert [params for _method, params in back.asked] == [{"_meta": {"mine": 1}}, {}]


async def test_a_question_that_belongs_to_no_call_is_not_waited_for_beyond_its_time() -> None:
    back = PlayedBack(answers=False)
    async with near("handshake", callers=(session("one", back),), ask_timeout=0.05) as end:
        error = (await end.asked("roots/list"))["error"]

        assert error["message"].startswith("roots/list was not answered within 0.05 s (raise `ask_timeout`")
    assert back.given_up == 1


async def test_a_question_about_a_task_goes_to_whoever_started_it_under_the_id_it_knows() -> None:
    starter = PlayedBack({"action": "accept", "_meta": {RELATED: {"taskId": public_task("s", "t1")}}})
    other = PlayedBack()
    async with near("handshake", callers=(session("a", starter), session("b", other))) as end:
        end.neighbours.starters["t1"] = session("a", starter)
        answer = await end.asked("elicitation/create", {"message": "?", "_meta": {RELATED: {"taskId": "t1"}}})

    assert starter.asked == [
        ("elicitation/create", {"message": "?", "_meta": {RELATED: {"taskId": public_task("s", "t1")}}})
    ]
    assert answer["result"]["_meta"] == {RELATED: {"taskId": "t1"}}
    assert other.asked == []


async def test_a_ping_is_ours_to_answer() -> None:
    async with near("handshake") as end:
        assert (await end.asked("ping"))["result"] == {}


# --- questions of a stateless server


QUESTION = {"k": {"method": "elicitation/create", "params": {"message": "who?"}}}
ASKS = {"resultType": "input_required", "inputRequests": QUESTION, "requestState": "s"}


async def test_a_stateless_server_s_questions_are_put_to_a_caller_of_the_handshake_era() -> None:
    back = PlayedBack({"action": "accept"})
    script = Script(offers=TOOLS, answers={"tools/call x": ASKS})
    async with near("stateless", script) as end, anyio.create_task_group() as tasks:
        tasks.start_soon(end.call, session("one", back))
        await until(lambda: len(sent(end.server, "tools/call")) > 1)
        tasks.cancel_scope.cancel()

    again = sent(end.server, "tools/call")[1]
    assert (again["requestState"], again["inputResponses"]) == ("s", {"k": {"action": "accept"}})
    assert back.asked[0] == ("elicitation/create", {"message": "who?"})


async def test_a_stateless_caller_gets_the_questions_and_sends_the_answers_itself() -> None:
    back = PlayedBack()
    script = Script(offers=TOOLS, answers={"tools/call x": ASKS})
    caller = Caller("c", stateless=True, capabilities=CAN, back=back)
    params = {"name": "x", "requestState": "s", "inputResponses": {"k": {"action": "accept"}}}
    async with near("stateless", script) as end:
        assert await end.link.request(Request("tools/call", params, caller)) == ASKS

        (received,) = sent(end.server, "tools/call")
        assert {key: value for key, value in received.items() if key != "_meta"} == params
    assert back.asked == []


async def test_a_state_that_a_server_of_the_handshake_era_cannot_have_given_out_is_refused() -> None:
    async with near("handshake") as end:
        with pytest.raises(BadParams, match="requestState is not known"):
            await end.link.request(Request("tools/call", {"name": "x", "requestState": "s"}, Caller("me")))

        assert sent(end.server, "tools/call") == []


# --- what a server tells


@pytest.mark.parametrize("era", ERAS)
async def test_a_message_during_a_call_is_for_its_caller_alone_and_passes_as_it_is(era: str) -> None:
    one, other = PlayedBack(), PlayedBack()
    odd = {"level": "odd", "data": {"deep": [None]}, "_meta": {"mine": 1}}
    async with near(era, callers=(session("other", other),)) as end, calling(end, session("one", one)):
        end.server.push(LOG, odd)
        end.server.push("notifications/vendor/odd", odd)
        await end.until_heard()

    assert one.told == [(LOG, odd), ("notifications/vendor/odd", odd)]
    assert other.told == []


async def test_a_message_outside_of_any_call_is_for_every_session() -> None:
    one, other = PlayedBack(), PlayedBack()
    async with near("handshake", callers=(session("one", one), session("other", other))) as end:
        end.server.push(LOG, {"level": "info", "data": 1})
        await end.until_heard()

    assert one.told == other.told == [(LOG, {"level": "info", "data": 1})]


async def test_a_message_during_calls_of_several_clients_is_told_to_none_of_them() -> None:
    one, other = PlayedBack(), PlayedBack()
    async with near("handshake") as end, calling(end, session("one", one), session("other", other)):
        end.server.push(LOG, {"level": "info", "data": "a secret of one of them"})
        await end.until_heard()

    assert one.told == other.told == []


@pytest.mark.parametrize("token", ["odd", None, 12, 1.5])
async def test_progress_of_nothing_that_is_under_way_is_dropped(token: Any) -> None:
    back = PlayedBack()
    async with near("handshake") as end, calling(end, session("one", back)):
        end.server.push("notifications/progress", {"progressToken": token, "progress": 1})
        await end.until_heard()

    assert back.told == []


async def test_that_a_url_was_visited_is_told_to_whoever_was_sent_there_and_once() -> None:
    one, other = PlayedBack(), PlayedBack()
    visit = {"mode": "url", "message": "visit", "url": "https://x.example", "elicitationId": "e1"}
    done = {"elicitationId": "e1"}
    async with near("handshake", callers=(session("one", one), session("other", other))) as end:
        async with calling(end, session("one", one)):
            await end.asked("elicitation/create", visit)
        for _ in range(2):
            end.server.push("notifications/elicitation/complete", done)
        end.server.push("notifications/elicitation/complete", {"elicitationId": "never asked"})
        await end.until_heard()

    assert one.told == [("notifications/elicitation/complete", done)]
    assert other.told == []


async def test_a_refusal_that_names_urls_to_visit_lets_their_completion_be_told() -> None:
    back = PlayedBack()
    visit = {"mode": "url", "message": "visit", "url": "https://x.example", "elicitationId": "e1"}
    refusal = {"code": -32042, "message": "visit first", "data": {"elicitations": [visit, "odd", {}]}}
    script = Script(offers=TOOLS, answers={"tools/call x": {"error": refusal}})
    async with near("handshake", script) as end:
        with pytest.raises(BackendError) as caught:
            await end.call(session("one", back))
        end.server.push("notifications/elicitation/complete", {"elicitationId": "e1"})
        await end.until_heard()

    assert caught.value.data == refusal["data"]
    assert back.told == [("notifications/elicitation/complete", {"elicitationId": "e1"})]


# --- what somebody follows


async def test_a_server_of_the_handshake_era_is_subscribed_to_and_what_it_tells_is_passed_on() -> None:
    script = Script(
        capabilities={"resources": {"subscribe": True}},
        answers={"resources/subscribe": {"_meta": {}}, "resources/unsubscribe": {"_meta": {}}},
    )
    async with near("handshake", script) as end:
        await end.link.follow(resource("x:1"))
        end.server.push(UPDATED, {"uri": "x:1", "odd": None})
        await end.until_heard()
        await end.link.forget(resource("x:1"))

        assert sent(end.server, "resources/subscribe") == [{"uri": "x:1"}]
        assert sent(end.server, "resources/unsubscribe") == [{"uri": "x:1"}]
    assert end.neighbours.heard == [(None, UPDATED, {"uri": "x:1", "odd": None})]


async def test_a_refused_subscription_is_the_server_s_own_error() -> None:
    refusal = {"code": -32002, "message": "no such thing"}
    async with near("handshake", Script(answers={"resources/subscribe": {"error": refusal}})) as end:
        with pytest.raises(BackendError, match="no such thing"):
            await end.link.follow(resource("x:1"))


async def test_a_server_of_the_handshake_era_tells_of_its_tasks_unasked() -> None:
    async with near("handshake") as end:
        await end.link.follow(task("t1"))
        end.server.push("notifications/tasks/status", {"taskId": "t1", "status": "working"})
        await end.until_heard()
        await end.link.forget(task("t1"))

        assert not [message for message in end.server.received if "subscribe" in message.get("method", "")]
    assert end.neighbours.heard == [(None, "notifications/tasks/status", {"taskId": "t1", "status": "working"})]


@pytest.mark.parametrize("topic", [resource("x:1"), task("t1")])
async def test_a_stateless_server_is_listened_to_for_each_thing_until_it_is_forgotten(topic: Topic) -> None:
    async with near("stateless") as end:
        await end.link.follow(topic)
        (asked,) = sent(end.server, "subscriptions/listen")
        assert asked["notifications"] == {topic.what: [topic.name]}

        (number,) = end.server.listeners
        end.server.push(UPDATED, {"uri": "x:1/part", "_meta": {SUBSCRIPTION_KEY: number}})
        await end.until_heard()
        assert end.neighbours.heard == [(topic, UPDATED, {"uri": "x:1/part"})]

        await end.link.forget(topic)
        await until(lambda: sent(end.server, "notifications/cancelled") != [])
        assert sent(end.server, "notifications/cancelled")[0]["requestId"] == number


async def test_what_a_stateless_server_does_not_agree_to_tell_is_refused() -> None:
    class Disagrees(RawServer):
        def handle(self, message: Json, push: Any) -> Json | None:
            if message.get("method") == "subscriptions/listen":
                message = message | {"params": message["params"] | {"notifications": {}}}
            return super().handle(message, push)

    with anyio.fail_after(PATIENCE):
        async with raw_link(Script(era="stateless"), kind=Disagrees) as (link, _server):
            with pytest.raises(BackendError, match="does not tell of x:1"):
                await link.follow(resource("x:1"))


async def test_a_stateless_server_that_does_not_know_how_to_listen_refuses_with_its_own_error() -> None:
    class Deaf(RawServer):
        def handle(self, message: Json, push: Any) -> Json | None:
            if message.get("method") == "subscriptions/listen":
                return self._error(message, {"code": -32601, "message": "what?"})
            return super().handle(message, push)

    with anyio.fail_after(PATIENCE):
        async with raw_link(Script(era="stateless"), kind=Deaf) as (link, _server):
            with pytest.raises(CallError, match="what\\?"):
                await link.follow(resource("x:1"))


async def test_a_gap_in_the_news_has_the_lists_looked_at_again_of_which_changes_are_told() -> None:
    script = Script(offers=TOOLS, capabilities={"tools": {"listChanged": True}, "prompts": {}})
    async with near("handshake", script) as end:
        assert end.link._wire.on_missed is not None
        end.link._wire.on_missed()
        assert await end.link.changed() == {Kind.TOOL}


# --- log levels


LOGS = Script(
    offers=TOOLS, capabilities={"tools": {}, "logging": {}}, answers={"logging/setLevel": {"_meta": {}}}, hang_on=[]
)


def levels(end: Near) -> list[str]:
    return [params["level"] for params in sent(end.server, "logging/setLevel")]


async def test_a_server_is_asked_for_what_anybody_wants_to_hear_and_once_each_time_it_differs() -> None:
    async with near("handshake", LOGS, callers=(session("a", PlayedBack()), session("b", PlayedBack()))) as end:
        await end.link.settle_level()
        assert levels(end) == []

        end.audience.set_level("a", "error")
        for _ in range(2):
            await end.link.settle_level()
        assert levels(end) == ["info"]

        end.audience.set_level("b", "warning")
        await end.link.settle_level()
        assert levels(end) == ["info", "warning"]


async def test_a_level_that_comes_with_a_request_counts_while_it_is_the_latest() -> None:
    stateless = Caller("c", stateless=True, log_level="debug")
    async with near("handshake", LOGS, callers=(session("a", PlayedBack(), log_level="error"),)) as end:
        await end.call(stateless)
        assert levels(end) == ["debug"]

        await end.call(Caller("c", stateless=True))
        assert levels(end) == ["debug", "error"]


async def test_a_server_without_logging_is_not_asked_for_a_level() -> None:
    script = Script(offers=TOOLS, capabilities={"tools": {}})
    async with near("handshake", script, callers=(session("a", PlayedBack(), log_level="error"),)) as end:
        await end.link.settle_level()
        await end.call(Caller("c", stateless=True, log_level="debug"))

        assert levels(end) == []


async def test_a_stateless_server_is_told_the_level_with_each_request() -> None:
    async with near("stateless", LOGS) as end:
        await end.call(Caller("c", stateless=True, log_level="error"))
        await end.link.settle_level()

        assert levels(end) == []
        assert sent(end.server, "tools/call")[0]["_meta"]["io.modelcontextprotocol/logLevel"] == "error"


async def test_a_server_that_refuses_a_level_is_called_all_the_same() -> None:
    refusal = {"error": {"code": -32603, "message": "no levels here"}}
    script = Script(offers=TOOLS, capabilities=LOGS.capabilities, answers={"logging/setLevel": refusal})
    async with near("handshake", script) as end:
        assert "content" in await end.call(Caller("c", stateless=True, log_level="debug"))


async def test_a_call_before_which_the_level_could_not_be_told_was_not_sent() -> None:
    """So that it can be sent once more, whatever its tool does."""
    script = Script(offers=TOOLS, capabilities=LOGS.capabilities, crash_on=["logging/setLevel"])
    async with near("handshake", script) as end:
        with pytest.raises(BackendUnavailable, match="before the call was sent"):
            await end.call(Caller("c", stateless=True, log_level="debug"))
        assert sent(end.server, "tools/call") == []


async def test_a_level_that_nobody_waited_for_is_told_again() -> None:
    script = Script(offers=TOOLS, capabilities=LOGS.capabilities, hang_on=["logging/setLevel"])
    async with near("handshake", script) as end:
        for _ in range(2):
            async with anyio.create_task_group() as tasks:
                for level in ("info", "debug"):
                    tasks.start_soon(end.call, Caller("c", stateless=True, log_level=level))
                    await anyio.wait_all_tasks_blocked()
                tasks.cancel_scope.cancel()

        await until(lambda: levels(end) == ["info", "debug", "info", "debug"])


# --- the way out


async def test_a_notification_reaches_the_server_as_it_is() -> None:
    async with near("handshake") as end:
        await end.link.tell("notifications/roots/list_changed", {"_meta": {"mine": 1}})
        await end.until_heard()

        assert sent(end.server, "notifications/roots/list_changed") == [{"_meta": {"mine": 1}}]


async def test_a_call_that_nobody_waits_for_is_cancelled_at_its_server() -> None:
    async with near("handshake") as end:
        async with calling(end, session("one", PlayedBack())):
            pass
        await until(lambda: sent(end.server, "notifications/cancelled") != [])

        call = next(message for message in end.server.received if message.get("method") == "tools/call")
        assert sent(end.server, "notifications/cancelled")[0]["requestId"] == call["id"]


async def test_a_call_that_was_given_up_counts_until_its_server_has_read_so() -> None:
    """However long that takes: what it asks meanwhile may belong to that call."""
    script = Script(offers=TOOLS, hang_on=["tools/call", "ping"], capabilities={"tools": {}})
    one = session("one", PlayedBack())
    async with near("handshake", script) as end:
        async with calling(end, one):
            pass
        await until(lambda: sent(end.server, "ping") != [])
        assert end.link._exchanges.callers == [one]


async def test_a_question_of_a_call_that_has_been_given_up_is_withdrawn() -> None:
    back = PlayedBack(answers=False)
    async with near("handshake") as end, calling(end, session("one", back)):
        end.server.push("roots/list", {}, id="q")
        await until(lambda: bool(back.asked))
        end.server.push("notifications/cancelled", {"requestId": "q"})
        await until(lambda: back.given_up == 1)


async def test_what_a_server_over_http_says_for_a_call_that_was_given_up_is_for_nobody_else() -> None:
    """It says so on the stream of that call, until it has taken that nobody waits any more."""
    one, other = PlayedBack(), PlayedBack()
    opened = {"protocolVersion": HANDSHAKE, "capabilities": {}, "serverInfo": {"name": "s", "version": "1"}}
    asks: dict[str, Asked] = {}

    async def play(asked: Asked) -> None:
        method = asked.message.get("method")
        if method == "initialize":
            await asked.result(opened)
        elif method == "tools/call":
            asks[asked.message["params"]["name"]] = asked
            await asked.stream()
            await asyncio.Event().wait()
        elif method == "notifications/cancelled":
            await asks["x"].event({"jsonrpc": "2.0", "method": LOG, "params": {"level": "error", "data": 1}})
            await asks["x"].event({"jsonrpc": "2.0", "id": "q", "method": "roots/list", "params": {}})
            await stage.until(lambda: answers(stage))
            await asked.answer(202)
        else:
            await asked.answer(202)

    def answers(stage: Stage) -> list[Json]:
        return [asked.message for asked in stage.requests if asked.message.get("id") == "q"]

    callers = session("one", one), session("other", other)
    with anyio.fail_after(PATIENCE):
        async with (
            played(play) as stage,
            opened_link(
                "s",
                http_wire(stage.url, {}, Evidence()),
                lambda _phase: None,
                Terms(Era.HANDSHAKE, audience=Audience(callers)),
            ) as link,
            anyio.create_task_group() as tasks,
        ):
            tasks.start_soon(link.request, Request("tools/call", {"name": "y"}, callers[1]))
            async with anyio.create_task_group() as given_up:
                given_up.start_soon(link.request, Request("tools/call", {"name": "x"}, callers[0]))
                await stage.until(lambda: len(asks) == 2)
                given_up.cancel_scope.cancel()
            await stage.until(lambda: answers(stage))
            tasks.cancel_scope.cancel()

    assert "has ended" in answers(stage)[0]["error"]["message"]
    assert (one.asked, one.told, other.asked, other.told) == ([], [], [], [])
