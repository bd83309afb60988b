"""Which calls are begun without a task, and what is sent for them: all others are made as ever."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from magictunnel import express as module
from magictunnel.backends.pool import Pool
from magictunnel.catalog.find import MAX_NAME
from magictunnel.catalog.links import Place
from magictunnel.catalog.live import LiveCatalog
from magictunnel.catalog.merge import MergeRules
from magictunnel.catalog.model import Json, Kind, Listing
from magictunnel.catalog.tasks import RELATED
from magictunnel.express import Express, Short
from magictunnel.pipeline import INTERCEPTORS
from magictunnel.pipeline.call import Call, Handler
from magictunnel.pipeline.log import log
from magictunnel.pipeline.patience import CallLimits
from magictunnel.wire.begun import PATIENCE, Begun
from magictunnel.wire.caller import Caller

ME = Caller("me")
PLAIN: Json = {"name": "a__x", "arguments": {"n": 1}}
NEEDED = {"annotations": {"title": "y"}, "execution": {"taskSupport": "required"}}


class Begins:
    """A link that takes every call, or none, and notes what it was given."""

    def __init__(self, *, takes: bool = True) -> None:
        self.takes = takes
        self.begun: list[tuple[Begun, Json, bool]] = []

    def begin(self, begun: Begun, params: Json, *, runs_as_task: bool) -> bool:
        self.begun.append((begun, params, runs_as_task))
        return self.takes


class Up(Pool):
    """A pool of which a test says what is up."""

    def __init__(self, **links: Begins) -> None:
        super().__init__([])
        self.ups = links
        self.callers: list[Caller] = []

    def link_now(self, backend: str, caller: Caller) -> Any:
        self.callers.append(caller)
        return self.ups.get(backend)


class Kept(Short):
    """A call that nothing becomes of."""

    __slots__ = ()

    def take(self, result: Json) -> bool:
        raise AssertionError("it is not answered here")

    def go_on(self) -> None:
        raise AssertionError("it is not promoted here")


class Scene:
    """One `Express` before two servers, of which `a` is up."""

    def __init__(self, *, timeout: float = 60.0, takes: bool = True) -> None:
        self.live = LiveCatalog(MergeRules())
        self.offer("x", "y")
        self.live.replace("b", Listing({Kind.TOOL: [{"name": "x"}]}))
        self.link = Begins(takes=takes)
        self.pool = Up(a=self.link)
        self.asked: list[tuple[str, Kind | None, str]] = []
        self.timeout = timeout
        self.express = Express(self.live, self.pool, self._outward, self._limits)
        self.call = Kept()

    def offer(self, *tools: str) -> None:
        """What `a` offers from now on."""
        told: dict[Kind, Sequence[Json]] = {
            Kind.TOOL: [{"name": name} | (NEEDED if name == "y" else {}) for name in tools],
            Kind.PROMPT: [{"name": "p"}],
            Kind.RESOURCE: [{"uri": "file:///r", "name": "r"}],
        }
        self.live.replace("a", Listing(told))

    def begins(self, params: Json, method: str = "tools/call", caller: Caller = ME) -> bool:
        """Whether such a call is begun."""
        return self.express.begin(self.call, method, params, caller)

    def _limits(self, backend: str, kind: Kind | None, original: str) -> CallLimits:
        self.asked.append((backend, kind, original))
        return CallLimits(self.timeout, self.timeout)

    def _outward(self, _call: object, place: Place, result: Json) -> Json:
        return result | {"by": place.backend}


def test_express_knows_all_that_the_pipeline_does() -> None:
    assert tuple(INTERCEPTORS) == (log,), (
        "the pipeline has another interceptor, so no call is begun without a task any more, and each costs twice as"
        " much: make Express (magictunnel/express.py) do for such a call what that interceptor does, or have it refuse"
        " to begin the calls that it is for, then add it to the ones that `Express.is_open` knows, and to this test"
    )
    assert Scene().express.is_open


def test_a_plain_call_is_sent_by_the_name_that_its_server_knows() -> None:
    here = Scene()
    params = dict(PLAIN)
    assert here.begins(params)
    ((begun, sent, runs_as_task),) = here.link.begun
    assert begun is here.call
    assert sent == {"name": "x", "arguments": {"n": 1}}
    assert params == PLAIN, "whoever goes on with it reads it as it came"
    assert not runs_as_task
    assert (here.call.method, here.call.caller, here.call.place) == ("tools/call", ME, Place("a", "x"))
    assert here.call.catalog is here.live.current
    assert here.pool.callers == [ME]
    assert here.asked == [("a", Kind.TOOL, "x")]


@pytest.mark.parametrize(
    ("method", "params", "sent"),
    [
        ("prompts/get", {"name": "a__p"}, {"name": "p"}),
        ("resources/read", {"uri": "file:///r"}, {"uri": "file:///r"}),
        ("tools/call", {"name": "a__x"}, {"name": "x"}),
        ("tools/call", {"name": "a__x", "arguments": None}, {"name": "x", "arguments": None}),
        (
            "tools/call",
            PLAIN | {"_meta": {"progressToken": 7, "else": {}}},
            {"name": "x", "arguments": {"n": 1}, "_meta": {"progressToken": 7, "else": {}}},
        ),
    ],
)
def test_all_that_is_named_in_one_way_is_begun(method: str, params: Json, sent: Json) -> None:
    here = Scene()
    assert here.begins(params, method)
    assert [told for _, told, _ in here.link.begun] == [sent]


def test_the_link_is_told_of_a_tool_that_runs_only_as_a_task() -> None:
    here = Scene()
    assert here.begins({"name": "a__y"})
    assert [runs for _, _, runs in here.link.begun] == [True]


def test_a_link_may_refuse_to_begin_it() -> None:
    here = Scene(takes=False)
    assert not here.begins(PLAIN)


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"name": None},
        {"name": 1},
        {"name": ["a__x"]},
        {"name": "a__unknown"},
        {"name": "nobody__x"},
        {"name": "x"},
        {"name": "b__x"},
        PLAIN | {"_meta": {RELATED: {"taskId": "t"}}},
        PLAIN | {"_meta": {RELATED: None}},
        PLAIN | {"_meta": None},
        PLAIN | {"_meta": []},
        PLAIN | {"_meta": "x"},
        PLAIN | {"requestState": "s"},
        PLAIN | {"requestState": None},
        PLAIN | {"inputResponses": {}},
        PLAIN | {"arguments": []},
        PLAIN | {"arguments": "n=1"},
        PLAIN | {"arguments": 0},
    ],
    ids=str,
)
def test_what_is_not_plain_is_not_begun(params: Json) -> None:
    """Tool `b__x` is listed, and its server has no connection now."""
    here = Scene()
    assert not here.begins(params)
    assert here.link.begun == []


@pytest.mark.parametrize("method", ["prompts/get", "resources/read"])
def test_a_name_is_one_of_its_own_kind(method: str) -> None:
    here = Scene()
    assert not here.begins({"name": "a__x", "uri": "a__x"}, method)
    assert here.link.begun == []


def test_what_has_a_longer_name_than_anybody_may_ask_for_is_not_begun() -> None:
    """The ordinary way refuses it: nothing is to be sent before that."""
    here = Scene()
    uri = "data:" + "x" * MAX_NAME
    here.live.replace("a", Listing({Kind.RESOURCE: [{"uri": uri, "name": "r"}]}))

    assert not here.begins({"uri": uri}, "resources/read")


def test_a_call_that_the_caller_may_not_make_is_not_begun() -> None:
    """Nor does it matter who has called it before."""
    here = Scene()
    assert here.begins(PLAIN)
    assert not here.begins(PLAIN, caller=Caller("other", allows=lambda entry: entry.original != "x"))
    assert here.begins({"name": "a__y"}, caller=Caller("other", allows=lambda entry: entry.original != "x"))


def test_a_server_that_is_not_up_is_left_to_those_who_can_wait() -> None:
    here = Scene()
    del here.pool.ups["a"]
    assert not here.begins(PLAIN)
    here.pool.ups["a"] = here.link
    assert here.begins(PLAIN)


@pytest.mark.parametrize(
    ("timeout", "is_begun"),
    [(0.1, False), (PATIENCE, False), (PATIENCE + 0.001, True), (60.0, True), (float("inf"), True)],
)
def test_a_deadline_that_would_come_before_it_is_looked_at_is_kept_elsewhere(timeout: float, is_begun: bool) -> None:
    here = Scene(timeout=timeout)
    assert here.begins(PLAIN) is is_begun
    assert len(here.link.begun) == is_begun


def test_another_interceptor_may_have_a_say_in_every_call(monkeypatch: pytest.MonkeyPatch) -> None:
    async def other(call: Call, handler: Handler) -> Json:
        return await handler(call)

    for interceptors in ((log, other), (other, log), (other,), ()):
        monkeypatch.setattr(module, "INTERCEPTORS", interceptors)
        here = Scene()
        assert not here.express.is_open
        assert not here.begins(PLAIN)
        assert here.link.begun == []


def test_what_is_offered_no_more_is_not_begun_and_what_is_new_is() -> None:
    here = Scene()
    assert here.begins(PLAIN)
    here.offer("z")
    assert not here.begins(PLAIN)
    assert here.begins({"name": "a__z"})
    assert [params["name"] for _, params, _ in here.link.begun] == ["x", "z"]
    assert here.call.catalog is here.live.current


def test_a_result_leads_back_and_that_of_a_created_task_is_for_others() -> None:
    here = Scene()
    assert here.begins(PLAIN)
    assert here.express.result(here.call, {"content": []}) == {"content": [], "by": "a"}
    task = {"task": {"taskId": "t1", "status": "working"}}
    assert here.express.result(here.call, task) is None
