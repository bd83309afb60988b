"""Which server gets a call, under which name, and for how long."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace

import anyio
import pytest

from magictunnel import router as router_module
from magictunnel.backends.base import ANY_TERMS, AtPhase, Link, Request, Terms, Topic, task
from magictunnel.backends.pool import Pool
from magictunnel.backends.states import Limits, State
from magictunnel.backends.supervisor import Supervisor
from magictunnel.catalog.links import Links, Place
from magictunnel.catalog.merge import MergeRules, Override, ServerRules, merge
from magictunnel.catalog.model import Catalog, Entry, Json, Kind, Listing
from magictunnel.catalog.tasks import RELATED, public_task
from magictunnel.errors import (
    AnswerError,
    BackendError,
    BackendUnavailable,
    BadParams,
    DeadlineExceeded,
    MethodNotOffered,
    OutcomeUnknown,
    Unanswered,
    UnknownEntry,
)
from magictunnel.pipeline.call import Call
from magictunnel.pipeline.patience import CallLimits
from magictunnel.router import Router, addressed
from magictunnel.subscriptions import Subscriptions
from magictunnel.wire.audience import Audience
from magictunnel.wire.caller import Back, Caller
from tests.support.memory import PlayedBack, PlayedBackend, PlayedLink, until

pytestmark = pytest.mark.anyio

METHODS = {
    Kind.TOOL: "tools/call",
    Kind.PROMPT: "prompts/get",
    Kind.RESOURCE: "resources/read",
    Kind.TEMPLATE: "completion/complete",
}


class Told:
    """A link that answers with who was asked, and notes every request; or one that answers as it is told."""

    era = "told"
    capabilities: Json = {}  # noqa: RUF012 never changed
    instructions = ""
    stateless = False
    may_speak_other_era = False
    declared = None
    sessions_are_cheap = False

    def __init__(self, name: str, answer: Json | None = None, *, hangs: bool = False) -> None:
        self.name, self.answer, self.hangs = name, answer, hangs
        self.asks: list[Json] = []
        """The params of the questions that each request is answered after."""
        self.works = 0.0
        """Seconds of its own work behind its questions."""
        self.requests: list[Request] = []
        self.cancelled = 0

    async def list(self, kind: Kind) -> list[Json]:
        raise AssertionError("lists are answered from the catalog")

    async def changed(self) -> frozenset[Kind]:
        raise AssertionError("the supervisor asks that")

    def mark(self, kinds: frozenset[Kind]) -> None:
        raise AssertionError("the supervisor marks")

    async def follow(self, topic: Topic) -> None:
        raise AssertionError("its supervisor follows")

    forget = follow

    async def settle_level(self) -> None:
        raise AssertionError("it is no call")

    async def tell(self, method: str, params: Json) -> None:
        raise AssertionError("it is no call")

    async def request(self, request: Request) -> Json:
        self.requests.append(request)
        answers = [await request.caller.back.ask("elicitation/create", params) for params in self.asks]
        try:
            await anyio.sleep(float("inf") if self.hangs else self.works)
        except anyio.get_cancelled_exc_class():
            self.cancelled += 1
            raise
        if answers:
            return {"answers": answers}
        return self.answer if self.answer is not None else {"by": self.name}


class Person:
    """Ways back to a caller that answers each question after a while. See `Back`."""

    def __init__(self, thinks: float = 0.0, answer: Json | Exception | None = None) -> None:
        self.thinks = thinks
        self.answer = answer or {"action": "accept"}
        self.told: list[tuple[str, Json]] = []
        self.asked: list[tuple[str, Json]] = []
        self.given_up = 0

    async def tell(self, method: str, params: Json) -> None:
        self.told.append((method, params))

    async def ask(self, method: str, params: Json) -> Json:
        self.asked.append((method, params))
        try:
            await anyio.sleep(self.thinks)
        except anyio.get_cancelled_exc_class():
            self.given_up += 1
            raise
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    async def let_go(self) -> None:
        raise AssertionError("it is no stream")


class Up(Pool):
    """A pool of links that are up, and of others that never will be."""

    def __init__(self, links: Mapping[str, Link]) -> None:
        super().__init__([])
        self.links = links
        self.supervisors: dict[str, Supervisor] = {}
        self.callers: list[Caller] = []
        """For whom a link was asked for."""
        self.late: list[str] = []
        """Whose calls ran into their deadline."""

    def get(self, backend: str) -> Supervisor:
        return self.supervisors.get(backend) or super().get(backend)

    async def link_for(self, backend: str, caller: Caller) -> Link:
        self.callers.append(caller)
        if backend not in self.links:
            await anyio.sleep_forever()
        return self.links[backend]

    def missed(self, backend: str) -> None:
        self.late.append(backend)


class Routed:
    """A router before links that a test can look at."""

    def __init__(self, *links: Told, timeout: float = 5.0, ask_timeout: float = 5.0, pool: Up | None = None) -> None:
        self.asked: list[tuple[str, Kind | None, str]] = []
        self.limits = CallLimits(timeout, ask_timeout)
        self.pool = pool or Up({link.name: link for link in links})
        self.audience = Audience()
        self.subscriptions = Subscriptions(lambda name: self.pool.get(name).followed, lambda _backend, uri: uri)
        self.router = Router(
            self.pool,
            Links(MergeRules),
            self.subscriptions,
            self.audience,
            limits_of=self.limits_of,
            rules=MergeRules,
        )

    def limits_of(self, backend: str, kind: Kind | None, original: str) -> CallLimits:
        self.asked.append((backend, kind, original))
        return self.limits

    async def __call__(self, call: Call) -> Json:
        with anyio.fail_after(5):
            return await self.router(call)


def offering(rules: MergeRules | None = None, **offers: Mapping[Kind, list[str]]) -> Catalog:
    found = {
        name: Listing({kind: [{kind.key: one} for one in names] for kind, names in kinds.items()})
        for name, kinds in offers.items()
    }
    return merge(found, rules or MergeRules())


def call(kind: Kind, name: str, catalog: Catalog, caller: Caller | None = None) -> Call:
    return Call("c1", METHODS[kind], kind, name, {kind.key: name}, caller or Caller("me"), catalog)


def asked_by(back: Back, *, stateless: bool = False) -> Call:
    """A call of somebody who can be asked that way."""
    return call(Kind.TOOL, "a__x", TOOLS, caller=Caller("me", stateless=stateless, back=back))


TOOLS = offering(a={Kind.TOOL: ["x", "shared"]}, b={Kind.TOOL: ["shared", "search_files"]})


# --- names


async def test_a_tool_is_called_by_its_own_name_and_everything_else_as_it_came() -> None:
    a = Told("a")
    params = {"name": "a__x", "arguments": {"odd": [None]}, "_meta": {"mine": 1}, "more": True}

    assert await Routed(a)(replace(call(Kind.TOOL, "a__x", TOOLS), params=params)) == {"by": "a"}

    (request,) = a.requests
    assert (request.method, request.params) == ("tools/call", params | {"name": "x"})
    assert params["name"] == "a__x"


@pytest.mark.parametrize(
    ("method", "kind", "name", "params", "expected"),
    [
        ("tools/call", Kind.TOOL, "a__x", {"name": "a__x", "arguments": {}}, {"name": "x", "arguments": {}}),
        ("prompts/get", Kind.PROMPT, "a__x", {"name": "a__x"}, {"name": "x"}),
        ("resources/read", Kind.RESOURCE, "a+x", {"uri": "a+x"}, {"uri": "x"}),
        (
            "completion/complete",
            Kind.PROMPT,
            "a__x",
            {"ref": {"type": "ref/prompt", "name": "a__x", "title": "t"}, "argument": {"name": "n", "value": "v"}},
            {"ref": {"type": "ref/prompt", "name": "x", "title": "t"}, "argument": {"name": "n", "value": "v"}},
        ),
        (
            "completion/complete",
            Kind.TEMPLATE,
            "a+x",
            {"ref": {"type": "ref/resource", "uri": "a+x"}},
            {"ref": {"type": "ref/resource", "uri": "x"}},
        ),
    ],
)
def test_the_public_name_is_replaced_where_the_method_has_it(
    method: str, kind: Kind, name: str, params: Json, expected: Json
) -> None:
    made = Call("c1", method, kind, name, params, Caller("me"), Catalog())

    assert addressed(made, Place("a", "x")) == expected


def test_params_that_need_no_change_pass_as_the_very_same_object() -> None:
    made = call(Kind.TOOL, "x", Catalog())

    assert addressed(made, Place("a", "x")) is made.params


@pytest.mark.parametrize("stateless", [True, False])
async def test_a_server_gets_the_caller_of_this_very_call_as_it_is(stateless: bool) -> None:
    a = Told("a")
    routed = Routed(a)
    caller = Caller("me", session="h1", stateless=stateless, capabilities={"sampling": {}}, log_level="error")

    await routed(call(Kind.TOOL, "a__x", TOOLS, caller=caller))

    assert routed.pool.callers == [caller]
    assert [request.caller for request in a.requests] == [caller]


async def test_what_a_server_tells_of_a_call_goes_to_the_caller_of_this_very_call() -> None:
    class Tells(Told):
        async def request(self, request: Request) -> Json:
            await request.caller.back.tell("notifications/progress", {"progress": 1})
            return await super().request(request)

    one, other = Person(), Person()
    routed = Routed(Tells("a"))

    await routed(call(Kind.TOOL, "a__x", TOOLS, caller=Caller("one", back=one)))
    assert (one.told, other.told) == ([("notifications/progress", {"progress": 1})], [])

    await routed(call(Kind.TOOL, "a__x", TOOLS, caller=Caller("other", back=other)))
    assert (len(one.told), other.told) == (1, [("notifications/progress", {"progress": 1})])


# --- unknown names


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("shared", "several servers have it: use a__shared or b__shared"),
        ("b__search_file", "did you mean b__search_files or b__shared?"),
        ("zzz", ""),
    ],
)
async def test_an_unknown_name_is_refused_with_what_may_have_been_meant(name: str, hint: str) -> None:
    with pytest.raises(UnknownEntry) as caught:
        await Routed()(call(Kind.TOOL, name, TOOLS))

    assert caught.value.message == f"Unknown tool: {name}"
    assert caught.value.hint == hint


async def test_a_hint_never_names_what_its_caller_may_not_see() -> None:
    def not_of_b(entry: Entry) -> bool:
        return entry.backend != "b"

    caller = Caller("me", allows=not_of_b)
    with pytest.raises(UnknownEntry) as caught:
        await Routed()(replace(call(Kind.TOOL, "b__search_files", TOOLS), caller=caller))

    assert "search" not in caught.value.hint


async def test_a_call_keeps_the_catalog_it_came_in_with() -> None:
    renamed = offering(
        MergeRules(servers={"a": ServerRules("a", overrides={"x": Override(name="y")})}), a={Kind.TOOL: ["x"]}
    )

    assert await Routed(Told("a"))(call(Kind.TOOL, "y", renamed)) == {"by": "a"}


# --- deadlines


async def test_a_call_that_takes_too_long_is_cancelled_at_its_server() -> None:
    a = Told("a", hangs=True)

    with pytest.raises(DeadlineExceeded) as caught:
        await Routed(a, timeout=0.05)(call(Kind.TOOL, "a__x", TOOLS))

    assert (caught.value.server, caught.value.timeout) == ("a", 0.05)
    assert "a__x" in caught.value.message
    assert a.cancelled == 1


async def test_a_server_that_does_not_come_up_in_time_got_nothing() -> None:
    with pytest.raises(BackendUnavailable, match=r"it is still starting after 0\.05 s"):
        await Routed(timeout=0.05)(call(Kind.TOOL, "a__x", TOOLS))


async def test_a_server_that_is_up_and_does_not_answer_a_subscription_is_not_said_to_be_starting() -> None:
    class Silent(PlayedBackend):
        @asynccontextmanager
        async def connect(self, at: AtPhase, terms: Terms = ANY_TERMS) -> AsyncIterator[PlayedLink]:
            async with super().connect(at, terms) as link:

                async def follow(_topic: Topic) -> None:
                    await anyio.sleep_forever()

                link.follow = follow  # type: ignore[method-assign]
                yield link

    routed = Routed(timeout=0.05)
    backend = Silent("a", capabilities={"resources": {"subscribe": True}})
    supervisor = Supervisor(backend, Limits(5.0, 5.0), lambda _name, _listing: None)
    routed.pool.supervisors["a"] = supervisor
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(supervisor.run)
        await until(lambda: supervisor.status.state is State.READY)
        with pytest.raises(DeadlineExceeded):
            await routed(replace(call(Kind.RESOURCE, "x:1", BOTH), method="resources/subscribe"))
        tasks.cancel_scope.cancel()


async def test_a_deadline_is_counted_for_the_server_that_did_not_answer_and_for_no_other() -> None:
    routed = Routed(Told("a", hangs=True), Told("b"), timeout=0.03)
    await routed(call(Kind.TOOL, "b__shared", TOOLS))
    assert routed.pool.late == []

    with pytest.raises(DeadlineExceeded):
        await routed(call(Kind.TOOL, "a__x", TOOLS))
    assert routed.pool.late == ["a"]


async def test_a_server_that_does_not_come_up_and_a_caller_who_does_not_answer_are_no_deadline_of_a_call() -> None:
    routed = Routed(Told("b"), timeout=0.03)
    with pytest.raises(BackendUnavailable):
        await routed(call(Kind.TOOL, "a__x", TOOLS))

    asks = Told("a", hangs=True)
    asks.asks = [{}]
    asking = Routed(asks, ask_timeout=0.03)
    with pytest.raises(Unanswered):
        await asking(asked_by(Person(thinks=float("inf")), stateless=True))

    assert (routed.pool.late, asking.pool.late) == ([], [])


async def test_the_deadline_is_that_of_the_tool_as_its_server_knows_it() -> None:
    routed = Routed(Told("a"))

    await routed(call(Kind.TOOL, "a__x", TOOLS))

    assert routed.asked == [("a", Kind.TOOL, "x")]


async def test_a_caller_who_gives_up_cancels_its_call_and_no_other() -> None:
    a = Told("a", hangs=True)
    routed = Routed(a)
    with anyio.fail_after(5):
        async with anyio.create_task_group() as tasks:
            with anyio.CancelScope() as scope:
                tasks.start_soon(routed, call(Kind.TOOL, "a__x", TOOLS))
                tasks.start_soon(give_up_once_asked, a, 2, scope)
                await routed(call(Kind.TOOL, "a__shared", TOOLS))
            assert a.cancelled == 1
            tasks.cancel_scope.cancel()


async def give_up_once_asked(link: Told, requests: int, scope: anyio.CancelScope) -> None:
    while len(link.requests) < requests:
        await anyio.sleep(0.005)
    scope.cancel()


# --- sent once, and when twice


UNSENT = BackendUnavailable("a", "its connection has just ended")
UNKNOWN = OutcomeUnknown("a", "x", "Connection closed")
REPLAYED = [{"readOnlyHint": True}, {"idempotentHint": True}, {"readOnlyHint": True, "destructiveHint": True}]
NOT_REPLAYED: list[object] = [
    None,
    {},
    {"readOnlyHint": False, "idempotentHint": False},
    {"destructiveHint": False},
    {"readOnlyHint": "true", "idempotentHint": 1},
    ["readOnlyHint"],
]


class Line(Told):
    """One whose next requests fail as it is told, before it answers."""

    def __init__(self, *errors: Exception) -> None:
        super().__init__("a")
        self.errors = list(errors)

    async def request(self, request: Request) -> Json:
        result = await super().request(request)
        if self.errors:
            raise self.errors.pop(0)
        return result


class Next(Up):
    """A pool that has these links, one after the other; then none, for ever or with an error."""

    def __init__(self, *links: Link, then: Exception | None = None) -> None:
        super().__init__({})
        self.next = list(links)
        self.then = then

    async def link_for(self, backend: str, caller: Caller) -> Link:
        self.callers.append(caller)
        if self.next:
            return self.next.pop(0)
        if self.then is not None:
            raise self.then
        await anyio.sleep_forever()
        raise AssertionError(backend)


def hinted(annotations: object, **more: object) -> Call:
    """A call of a tool that says so of itself."""
    catalog = merge({"a": Listing({Kind.TOOL: [{"name": "x", "annotations": annotations}]})}, MergeRules())
    made = call(Kind.TOOL, "a__x", catalog)
    return replace(made, params=made.params | more)


PLAIN, READS = hinted(None), hinted({"readOnlyHint": True})


async def test_a_call_that_never_arrived_is_sent_once_more_over_the_next_link() -> None:
    first, second = Line(UNSENT), Line()
    routed = Routed(pool=Next(first, second))

    assert await routed(PLAIN) == {"by": "a"}

    assert (len(first.requests), len(second.requests), len(routed.pool.callers)) == (1, 1, 2)
    assert first.requests == second.requests


@pytest.mark.parametrize(
    ("made", "errors", "sent", "error"),
    [
        (PLAIN, [UNSENT], 2, None),
        (PLAIN, [UNSENT, UNSENT], 2, BackendUnavailable),
        (PLAIN, [UNSENT, UNKNOWN], 2, OutcomeUnknown),
        (PLAIN, [UNKNOWN], 1, OutcomeUnknown),
        (READS, [UNKNOWN], 2, None),
        (READS, [UNKNOWN, UNKNOWN], 2, OutcomeUnknown),
        (READS, [UNKNOWN, UNSENT], 3, None),
        (READS, [UNSENT, UNKNOWN], 3, None),
        (READS, [UNKNOWN, UNSENT, UNSENT], 3, OutcomeUnknown),
        (READS, [UNSENT, UNKNOWN, UNSENT], 3, OutcomeUnknown),
        (READS, [UNSENT, UNKNOWN, UNKNOWN], 3, OutcomeUnknown),
        (READS, [UNSENT, UNSENT], 2, BackendUnavailable),
    ],
)
async def test_a_call_is_sent_again_once_for_each_reason(
    made: Call, errors: list[Exception], sent: int, error: type[Exception] | None
) -> None:
    line = Line(*errors)
    routed = Routed(line)

    if error is None:
        assert await routed(made) == {"by": "a"}
    else:
        with pytest.raises(error):
            await routed(made)

    assert len(line.requests) == len(routed.pool.callers) == sent


@pytest.mark.parametrize("error", [BackendError(-32000, "Session not found"), AnswerError(-1, "no")])
async def test_an_answer_that_is_an_error_is_an_answer(error: Exception) -> None:
    line = Line(error)

    with pytest.raises(type(error)):
        await Routed(line)(READS)

    assert len(line.requests) == 1


@pytest.mark.parametrize("annotations", REPLAYED)
async def test_a_tool_that_does_no_harm_twice_is_called_again_when_its_outcome_is_unknown(annotations: Json) -> None:
    assert await Routed(Line(UNKNOWN))(hinted(annotations)) == {"by": "a"}


@pytest.mark.parametrize("annotations", NOT_REPLAYED)
async def test_any_other_tool_is_not_called_again_and_its_outcome_is_said_to_be_unknown(annotations: object) -> None:
    line = Line(UNKNOWN)

    with pytest.raises(OutcomeUnknown):
        await Routed(line)(hinted(annotations))

    assert len(line.requests) == 1


@pytest.mark.parametrize("annotations", REPLAYED)
async def test_a_task_is_never_started_twice(annotations: Json) -> None:
    line = Line(UNKNOWN)

    with pytest.raises(OutcomeUnknown):
        await Routed(line)(hinted(annotations, task={}))

    assert len(line.requests) == 1


@pytest.mark.parametrize(
    ("kind", "method", "name"),
    [
        (Kind.RESOURCE, "resources/read", "x:1"),
        (Kind.PROMPT, "prompts/get", "a__p"),
        (Kind.PROMPT, "completion/complete", "a__p"),
    ],
)
async def test_what_is_no_tool_is_asked_for_again(kind: Kind, method: str, name: str) -> None:
    catalog = offering(a={Kind.RESOURCE: ["x:1"], Kind.PROMPT: ["p"]})
    made = replace(call(kind, name, catalog), method=method)
    if method == "completion/complete":
        made = replace(made, params={"ref": {"type": "ref/prompt", "name": name}})
    line = Line(UNKNOWN)

    assert await Routed(line)(made) == {"by": "a"}
    assert len(line.requests) == 2


@pytest.mark.parametrize("method", ["tasks/cancel", "notes/add"])
async def test_what_lies_beyond_the_core_is_not_sent_again(method: str) -> None:
    name = public_task("a", "t1") if method.startswith("tasks/") else method
    line = Line(UNKNOWN)

    with pytest.raises(OutcomeUnknown):
        await Routed(line)(beyond(method, name, {"taskId": name}))

    assert len(line.requests) == 1


@pytest.mark.parametrize(
    ("errors", "error", "told"),
    [
        ([UNSENT], BackendUnavailable, "connect: no"),
        ([UNKNOWN], OutcomeUnknown, "Whether it ran is unknown"),
        ([UNKNOWN, UNSENT], OutcomeUnknown, "Whether it ran is unknown"),
    ],
)
async def test_what_is_known_of_it_is_told_when_there_is_no_next_link(
    errors: list[Exception], error: type[Exception], told: str
) -> None:
    """The outcome of a call that may have run is unknown, whatever happened after it."""
    line = Line(*errors)
    pool = Next(*[line] * len(errors), then=BackendUnavailable("a", "connect: no"))

    with pytest.raises(error, match=told):
        await Routed(pool=pool)(READS)


async def test_a_call_that_never_arrived_got_nothing_when_there_is_no_next_link_in_time() -> None:
    routed = Routed(pool=Next(Line(UNSENT)), timeout=0.05)

    with pytest.raises(BackendUnavailable):
        await routed(PLAIN)
    assert routed.pool.late == []


# --- questions


async def test_a_question_is_put_to_the_caller_and_its_answer_goes_to_the_server() -> None:
    a, person = Told("a"), Person(answer={"action": "accept", "content": {"odd": None}})
    a.asks = [{"message": "one?"}, {"message": "two?"}]

    result = await Routed(a)(asked_by(person))

    assert person.asked == [("elicitation/create", params) for params in a.asks]
    assert result == {"answers": [person.answer, person.answer]}


async def test_an_error_in_answer_to_a_question_reaches_the_server_as_it_is() -> None:
    a, refusal = Told("a"), AnswerError(-1, "no")
    a.asks = [{}]

    with pytest.raises(AnswerError) as caught:
        await Routed(a)(asked_by(Person(answer=refusal)))

    assert caught.value is refusal


async def test_the_time_a_person_takes_is_not_the_call_s() -> None:
    a = Told("a")
    a.asks = [{}]

    assert "answers" in await Routed(a, timeout=0.1)(asked_by(Person(thinks=0.3)))


async def test_the_call_s_own_time_goes_on_when_the_person_has_answered() -> None:
    a = Told("a", hangs=True)
    a.asks = [{}]

    with pytest.raises(DeadlineExceeded) as caught:
        await Routed(a, timeout=0.1)(asked_by(Person(thinks=0.2)))

    assert caught.value.timeout == 0.1
    assert a.cancelled == 1


async def test_the_clock_stands_still_until_the_last_of_several_questions_is_answered() -> None:
    class AsksTwo(Told):
        async def request(self, request: Request) -> Json:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(request.caller.back.ask, "roots/list", {})
                tasks.start_soon(request.caller.back.ask, "elicitation/create", {})
            return {"by": self.name}

    class Slower(Person):
        async def ask(self, method: str, params: Json) -> Json:
            self.thinks = 0.05 if method == "roots/list" else 0.4
            return await super().ask(method, params)

    assert await Routed(AsksTwo("a"), timeout=0.2)(asked_by(Slower())) == {"by": "a"}


async def test_a_question_that_is_not_answered_in_time_ends_for_its_server_which_may_go_on() -> None:
    class GoesOn(Told):
        async def request(self, request: Request) -> Json:
            with pytest.raises(Unanswered) as caught:
                await request.caller.back.ask("elicitation/create", {})
            assert caught.value.message == "elicitation/create was not answered within 0.05 s"
            return {"by": self.name}

    person = Person(thinks=float("inf"))

    assert await Routed(GoesOn("a"), timeout=1.0, ask_timeout=0.05)(asked_by(person)) == {"by": "a"}
    assert person.given_up == 1


async def test_a_stateless_caller_that_does_not_come_back_has_given_up_the_whole_call() -> None:
    class GoesOn(Told):
        async def request(self, request: Request) -> Json:
            with pytest.raises(Unanswered):
                await request.caller.back.ask("elicitation/create", {})
            return await super().request(request)

    a = GoesOn("a", hangs=True)

    with pytest.raises(Unanswered):
        await Routed(a, ask_timeout=0.05)(asked_by(Person(thinks=float("inf")), stateless=True))

    assert a.cancelled == 1


# --- tasks, and what else lies beyond the core


BEYOND = merge(
    {
        "a": Listing({Kind.TOOL: [{"name": "x"}]}, {"extensions": {"vendor/notes": {}, "shared": {}}}),
        "b": Listing({Kind.TOOL: [{"name": "y"}]}, {"extensions": {"shared": {}}}),
    },
    MergeRules(),
)


def beyond(method: str, name: str, params: Json | None = None) -> Call:
    return Call("c1", method, None, name, params or {}, Caller("me"), BEYOND)


@pytest.mark.parametrize(
    ("result", "told"),
    [
        ({"task": {"taskId": "t1", "odd": None}}, {"task": {"taskId": public_task("a", "t1"), "odd": None}}),
        ({"resultType": "task", "taskId": "t1"}, {"resultType": "task", "taskId": public_task("a", "t1")}),
        (
            {"content": [], "taskId": "t1", "_meta": {RELATED: {"taskId": "t1"}}},
            {"content": [], "taskId": "t1", "_meta": {RELATED: {"taskId": public_task("a", "t1")}}},
        ),
    ],
)
async def test_a_task_in_a_result_is_told_by_the_id_that_leads_back_to_its_server(result: Json, told: Json) -> None:
    assert await Routed(Told("a", result))(call(Kind.TOOL, "a__x", BEYOND)) == told


async def test_a_task_that_has_begun_is_told_though_its_server_never_takes_that_somebody_follows_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """An error would have its client start it once more."""

    async def never(*_given: object, **_more: object) -> None:
        await anyio.sleep_forever()

    monkeypatch.setattr(Subscriptions, "add", never)
    monkeypatch.setattr(router_module, "_SOON", 0.2)
    routed = Routed(Told("a", {"task": {"taskId": "t1"}}), timeout=0.1)
    routed.audience.join(Caller("me", session="s1"))
    asked = replace(call(Kind.TOOL, "a__x", BEYOND), caller=Caller("me", session="s1"))

    assert await routed(asked) == {"task": {"taskId": public_task("a", "t1")}}


@pytest.mark.parametrize("method", ["tasks/get", "tasks/cancel", "tasks/result", "tasks/update"])
async def test_what_concerns_a_task_goes_to_the_server_that_runs_it_under_its_own_id(method: str) -> None:
    a, b = Told("a"), Told("b", {"taskId": "t1", "status": "working"})
    public = public_task("b", "t1")

    result = await Routed(a, b)(beyond(method, public, {"taskId": public, "odd": None}))

    assert result == {"taskId": public, "status": "working"}
    assert [request.params for request in b.requests] == [{"taskId": "t1", "odd": None}]
    assert a.requests == []


@pytest.mark.parametrize("task_id", ["t1", "", public_task("gone", "t1")])
async def test_a_task_that_nobody_runs_is_unknown(task_id: str) -> None:
    with pytest.raises(UnknownEntry, match="Unknown task"):
        await Routed(Told("a"), Told("b"))(beyond("tasks/get", task_id, {"taskId": task_id}))


async def test_whoever_waits_for_the_outcome_of_a_task_waits_for_as_long_as_that_takes() -> None:
    a = Told("a")
    a.works = 0.2
    public = public_task("a", "t1")

    assert await Routed(a, timeout=0.05)(beyond("tasks/result", public, {"taskId": public})) == {"by": "a"}


async def test_a_method_of_an_extension_goes_to_the_server_that_has_it_as_it_came() -> None:
    a, b = Told("a"), Told("b")
    params = {"odd": [None], "name": "a__x"}

    assert await Routed(a, b)(beyond("notes/add", "notes/add", params)) == {"by": "a"}

    (request,) = a.requests
    assert (request.method, request.params) == ("notes/add", params)


async def test_a_method_of_an_extension_that_several_servers_have_is_refused() -> None:
    with pytest.raises(BadParams, match="could mean any of a, b"):
        await Routed(Told("a"), Told("b"))(beyond("shared/add", "shared/add"))


async def test_a_method_of_an_extension_that_nobody_has_is_not_found() -> None:
    with pytest.raises(MethodNotOffered):
        await Routed(Told("a"), Told("b"))(beyond("other/add", "other/add"))


async def test_the_task_that_a_call_belongs_to_is_told_to_its_server_by_its_own_id() -> None:
    a = Told("a")
    made = call(Kind.TOOL, "a__x", BEYOND)
    related = {"_meta": {RELATED: {"taskId": public_task("a", "t1")}}}

    await Routed(a)(replace(made, params=made.params | related))

    assert a.requests[0].params["_meta"] == {RELATED: {"taskId": "t1"}}


async def test_a_session_lists_the_tasks_that_it_started_itself_and_no_others() -> None:
    class Runs(Told):
        async def request(self, request: Request) -> Json:
            await super().request(request)
            if request.method == "tasks/get":
                return {"taskId": request.params["taskId"], "status": "working"}
            return {"task": {"taskId": f"t{len(self.requests)}"}}

    one, other = (Caller(session, session=session, back=PlayedBack()) for session in ("h1", "h2"))
    routed = Routed(Runs("a"))
    supervisor = Supervisor(PlayedBackend("a"), Limits(5.0, 5.0), lambda _name, _listing: None)
    routed.pool.supervisors["a"] = supervisor
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(supervisor.run)
        await until(lambda: supervisor.status.state is State.READY)
        for session in (one, other):
            routed.audience.join(session)
            started = await routed(call(Kind.TOOL, "a__x", BEYOND, caller=during(session)))
            assert started["task"]["taskId"].startswith(public_task("a", "t"))
        listing = replace(beyond("tasks/list", ""), caller=during(one))

        assert await routed(listing) == {"tasks": [{"taskId": public_task("a", "t1"), "status": "working"}]}
        tasks.cancel_scope.cancel()


async def test_of_a_session_that_has_gone_when_its_task_is_followed_nothing_is_kept() -> None:
    class Starts(Told):
        async def request(self, request: Request) -> Json:
            await super().request(request)
            return {"task": {"taskId": "t1"}}

    one, other = (Caller(session, session=session, back=PlayedBack()) for session in ("h1", "h2"))
    routed = Routed(Starts("a"))
    supervisor = Supervisor(PlayedBackend("a"), Limits(5.0, 5.0), lambda _name, _listing: None)
    routed.pool.supervisors["a"] = supervisor
    follow = supervisor.followed.follow

    async def slow(topic: Topic, caller: Caller) -> None:
        routed.audience.leave("h1")
        tasks.start_soon(routed.subscriptions.drop, one)
        await anyio.lowlevel.checkpoint()
        await follow(topic, caller)

    supervisor.followed.follow = slow  # type: ignore[method-assign]
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(supervisor.run)
        await until(lambda: supervisor.status.state is State.READY)
        routed.audience.join(one)
        await routed(call(Kind.TOOL, "a__x", BEYOND, caller=during(one)))
        assert routed.subscriptions.of(one, task("").what) == []
        assert routed.subscriptions.may_use_task("a", "t1", other)
        tasks.cancel_scope.cancel()


def during(session: Caller) -> Caller:
    """A session as it is while a request of it is under way: with ways back of that request's own."""
    return replace(session, back=PlayedBack())


async def test_a_task_that_cannot_be_followed_is_a_result_all_the_same() -> None:
    """It runs by now: an error would have its client start it once more."""
    session = Caller("me", session="h1")
    routed = Routed(Told("a", {"task": {"taskId": "t1"}}))
    routed.audience.join(session)

    result = await routed(call(Kind.TOOL, "a__x", BEYOND, caller=session))

    assert result == {"task": {"taskId": public_task("a", "t1")}}


# --- resources


BOTH = offering(
    a={Kind.RESOURCE: ["x:1", "shared:1"], Kind.TEMPLATE: ["a:{id}", "both:{id}"]},
    b={Kind.RESOURCE: ["shared:1"], Kind.TEMPLATE: ["b:{id}"]},
)


@pytest.mark.parametrize(
    ("uri", "owner", "original"),
    [
        ("x:1", "a", "x:1"),
        ("a+x:1", "a", "x:1"),
        ("b+shared:1", "b", "shared:1"),
        ("b:7", "b", "b:7"),
    ],
)
async def test_a_resource_is_read_at_its_owner(uri: str, owner: str, original: str) -> None:
    a, b = Told("a"), Told("b")

    assert await Routed(a, b)(call(Kind.RESOURCE, uri, BOTH)) == {"by": owner}

    (request,) = (a if owner == "a" else b).requests
    assert request.params == {"uri": original}


@pytest.mark.parametrize("uri", ["shared:1", "nowhere:1"])
async def test_a_resource_that_no_one_or_more_than_one_server_has_is_refused(uri: str) -> None:
    with pytest.raises(UnknownEntry) as caught:
        await Routed(Told("a"), Told("b"))(call(Kind.RESOURCE, uri, BOTH))

    assert caught.value.message == f"Unknown resource: {uri}"
    assert bool(caught.value.hint) == (uri == "shared:1")


async def test_a_uri_that_templates_of_two_servers_make_is_refused() -> None:
    two = offering(a={Kind.TEMPLATE: ["x:{a}"]}, b={Kind.TEMPLATE: ["x:{+b}"]})

    with pytest.raises(UnknownEntry):
        await Routed(Told("a"), Told("b"))(call(Kind.RESOURCE, "x:1", two))


async def test_where_one_server_alone_has_resources_an_unlisted_uri_is_its_to_answer() -> None:
    alone = offering(a={Kind.RESOURCE: ["x:1"]}, b={Kind.TOOL: ["x"]})

    assert await Routed(Told("a"), Told("b"))(call(Kind.RESOURCE, "unlisted:1", alone)) == {"by": "a"}


async def test_a_link_in_a_result_is_read_at_the_server_that_gave_it() -> None:
    link = {"content": [{"type": "resource_link", "uri": "new:1", "name": "n"}]}
    b = Told("b", answer=link)
    routed = Routed(Told("a"), b)
    both = merge(
        {
            "a": Listing({Kind.RESOURCE: [{"uri": "new:1"}]}),
            "b": Listing({Kind.TOOL: [{"name": "x"}], Kind.RESOURCE: [{"uri": "y:1"}]}),
        },
        MergeRules(),
    )

    result = await routed(call(Kind.TOOL, "b__x", both))
    assert result["content"][0]["uri"] == "b+new:1"

    b.answer = None
    assert await routed(call(Kind.RESOURCE, "b+new:1", both)) == {"by": "b"}
    assert b.requests[-1].params == {"uri": "new:1"}
    assert await routed(call(Kind.RESOURCE, "new:1", both)) == {"by": "a"}
