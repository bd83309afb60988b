"""Several steps: in order, at once where they may, and each failure told as the file wants it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from magictunnel.backends.base import Request
from magictunnel.capabilities.base import Job, Output
from magictunnel.capabilities.language.model import Step, Tool
from magictunnel.capabilities.order import order_faults
from magictunnel.capabilities.steps import MOST_AT_ONCE, run_steps, value_of_output
from magictunnel.errors import BackendUnavailable, RunError

pytestmark = pytest.mark.anyio

Did = Callable[[Job], Awaitable[Output]]


def step(name: str, *after: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "command": ["x"], "depends_on": after} | more


def tool(*steps: dict[str, Any], **more: Any) -> Tool:
    return Tool.model_validate({"name": "t", "steps": steps} | more)


def faults(*steps: dict[str, Any], result: Any = None) -> list[str]:
    return list(order_faults(tool(*steps).steps or (), result))


class Ground:
    """Runs steps by what `does` says of each, and remembers what happened."""

    def __init__(self, **does: Any) -> None:
        self.does: Mapping[str, Any] = does
        self.ran: list[str] = []
        self.scopes: dict[str, dict[str, Any]] = {}
        self.told: list[str] = []

    async def run(self, step: Step, job: Job) -> Output:
        self.ran.append(step.name)
        self.scopes[step.name] = job.scope
        does = self.does.get(step.name, step.name)
        if isinstance(does, Exception):
            raise does
        if callable(does):
            return await does(job)
        return does if isinstance(does, Output) else Output(value=does)

    async def tell(self, line: str) -> None:
        self.told.append(line)

    async def of(self, tool: Tool, **arguments: Any) -> Output:
        with anyio.fail_after(10):
            return await run_steps(tool, Job(dict(arguments), Request("tools/call", {}), self.tell), self.run)


# --- how a file says it


def test_steps_in_order_have_no_faults() -> None:
    assert not faults(step("a"), step("b", "a", command=["{{steps.a}}"]), step("c", "b", when="steps.a == 1"))


def test_names_that_are_not_there_or_there_twice_are_told() -> None:
    assert faults(step("find"), step("use", "fnd")) == [
        "step 'use' depends on 'fnd', which there is not (did you mean 'find'?)"
    ]
    assert faults(step("a"), step("a"), step("a")) == ["there are 3 steps 'a'"]


def test_a_cycle_is_told_from_one_step_to_itself() -> None:
    assert faults(step("x", "a"), step("a", "b"), step("b", "c"), step("c", "a")) == [
        "the steps wait for each other: a -> b -> c -> a"
    ]
    assert faults(step("a", "a")) == ["the steps wait for each other: a -> a"]


@pytest.mark.parametrize(
    "uses",
    [{"command": ["{{steps.a.id}}"]}, {"when": "steps.a.id == 1"}, {"command": None, "http": {"url": "/{{steps.a}}"}}],
)
def test_a_step_uses_only_those_that_it_comes_after(uses: dict[str, Any]) -> None:
    assert faults(step("a"), step("b") | uses) == [
        "step 'b' uses steps.a, which it does not come after (add it to `depends_on`)"
    ]
    assert not faults(step("a"), step("b", "a") | uses)


def test_what_names_a_step_that_is_not_there_is_told() -> None:
    assert faults(step("alpha"), step("b", command=["{{steps.alpa}}"])) == [
        "step 'b' uses steps.alpa, which there is not (did you mean 'alpha'?)"
    ]
    assert faults(step("a"), result={"x": "{{steps.z}}"}) == ["`result` names a step 'z', which there is not"]


@given(st.lists(st.lists(st.integers(0, 7), max_size=3), min_size=1, max_size=8))
def test_an_order_without_faults_can_be_run_to_its_end(waits: list[list[int]]) -> None:
    steps = [step(f"s{number}", *(f"s{one}" for one in after)) for number, after in enumerate(waits)]
    if faults(*steps):
        return
    ground = Ground()
    anyio.run(ground.of, tool(*steps))
    assert sorted(ground.ran) == [one["name"] for one in steps]
    for one in steps:
        assert all(ground.ran.index(name) < ground.ran.index(one["name"]) for name in one["depends_on"])


# --- how they run


async def test_values_go_from_step_to_step_and_come_back_by_name() -> None:
    ground = Ground(a={"id": 7})
    output = await ground.of(tool(step("a"), step("b", "a"), step("c")), city="Berlin")
    assert output.value == {"a": {"id": 7}, "b": "b", "c": "c"}
    assert ground.scopes["b"] == {"city": "Berlin", "steps": {"a": {"id": 7}}}
    assert ground.scopes["c"] == {"city": "Berlin", "steps": {}}
    assert ground.told[-1].startswith("3/3 ")
    assert sorted(line[4:] for line in ground.told) == ["a: ok", "b: ok", "c: ok"]


async def test_a_step_sees_only_those_that_it_comes_after_whatever_has_ended() -> None:
    ground = Ground()
    await ground.of(tool(step("a"), step("b", "a"), step("c", "b"), step("d", "b")))
    assert ground.scopes["d"]["steps"].keys() == {"a", "b"}


async def test_steps_that_may_run_at_once_do() -> None:
    arrived = anyio.Event()
    both: list[int] = []

    async def meet(_job: Job) -> Output:
        both.append(1)
        if len(both) == 2:
            arrived.set()
        await arrived.wait()
        return Output(value=1)

    assert (await Ground(a=meet, b=meet).of(tool(step("a"), step("b")))).value == {"a": 1, "b": 1}


async def test_not_too_many_run_at_once() -> None:
    now, most = 0, 0

    async def count(_job: Job) -> Output:
        nonlocal now, most
        now += 1
        most = max(now, most)
        for _ in range(5):
            await anyio.lowlevel.checkpoint()
        now -= 1
        return Output(value=1)

    names = [f"s{number}" for number in range(50)]
    output = await Ground(**dict.fromkeys(names, count)).of(tool(*map(step, names)))
    assert len(output.value) == 50
    assert most == MOST_AT_ONCE


async def test_a_condition_that_does_not_hold_skips_a_step_and_those_behind_it() -> None:
    ground = Ground(a=1)
    output = await ground.of(tool(step("a"), step("b", "a", when="steps.a > 1"), step("c", "b"), step("d", "a")))
    assert output.value == {"a": 1, "d": "d"}
    assert "skipped (its `when` does not hold)" in "".join(ground.told)


async def test_behind_a_skipped_step_a_condition_decides() -> None:
    joined = step("end", "cold", "warm", when="true")
    steps = step("cold", when="degrees < 10"), step("warm", when="degrees >= 10"), joined
    ground = Ground()
    output = await ground.of(tool(*steps, result=["{{steps.cold}}", "{{steps.warm}}", "{{steps.end}}"]), degrees=20)
    assert output.value == ["warm", "end"]


async def test_a_failed_step_stops_all_others_and_is_named() -> None:
    started, ended = anyio.Event(), []

    async def forever(_job: Job) -> Output:
        started.set()
        try:
            await anyio.sleep_forever()
        finally:
            ended.append("a")
        raise AssertionError

    async def fail(_job: Job) -> Output:
        await started.wait()
        return Output(b"no such thing\n", "text/plain", failed="exited with 3")

    ground = Ground(a=forever, b=fail)
    output = await ground.of(tool(step("a"), step("b"), step("c", "b")))
    assert output.failed == "step 'b': exited with 3"
    assert output.body == b"no such thing\n"
    assert ended == ["a"]
    assert "c" not in ground.ran


@pytest.mark.parametrize(
    ("failure", "told"),
    [
        (RunError("no program 'x'", hint="install it"), "step 'a': no program 'x' (install it)"),
        (BackendUnavailable("s", "it is down"), "step 'a': Server 's' is unavailable: it is down"),
        (
            Output(result={"isError": True, "content": [{"type": "text", "text": "no"}]}, failed="x failed"),
            "step 'a': x failed",
        ),
        (Output(result={"isError": True}), "step 'a': failed"),
    ],
)
async def test_whatever_fails_is_told_in_one_line(failure: object, told: str) -> None:
    output = await Ground(a=failure).of(tool(step("a")))
    assert output.failed == told
    assert output.result is None, "it would hide which step it was"


async def test_where_a_step_may_fail_each_is_reported() -> None:
    ground = Ground(a=Output(b"the disk is full", failed="exited with 1"), c={"n": 1})
    steps = (
        step("a", on_error="continue"),
        step("b", "a", when="true"),
        step("c"),
        step("d", "b"),
        step("e", when="false"),
    )
    output = await ground.of(tool(*steps))
    assert not output.failed
    assert output.value == {
        "steps": {
            "a": {"status": "failed", "error": "exited with 1\nthe disk is full"},
            "b": {"status": "skipped", "error": "step 'a' failed"},
            "c": {"status": "ok", "value": {"n": 1}},
            "d": {"status": "skipped", "error": "step 'b' could not run"},
            "e": {"status": "skipped", "error": "its `when` does not hold"},
        }
    }
    assert sorted(ground.ran) == ["a", "c"]


async def test_a_report_has_one_shape_whether_or_not_something_failed() -> None:
    output = await Ground().of(tool(step("a", on_error="continue")))
    assert output.value == {"steps": {"a": {"status": "ok", "value": "a"}}}


async def test_a_result_is_made_of_what_there_is() -> None:
    result = {"ids": "{{steps.a.ids}}", "of": "{{city}}", "none": "{{steps.b}}", "why": "{{errors.b}}"}
    ground = Ground(a={"ids": [1, 2]}, b=RunError("broken"))
    output = await ground.of(tool(step("a"), step("b", on_error="continue"), result=result), city="Bonn")
    assert output.value == {"ids": [1, 2], "of": "Bonn", "why": "broken"}


async def test_a_result_that_cannot_be_made_says_why() -> None:
    ground = Ground(a=RunError("broken"))
    output = await ground.of(tool(step("a", on_error="continue"), result="It is {{steps.a}}"))
    assert output.failed == "`result` cannot be made: steps.a is needed, and missing (a: broken)"
    assert (await ground.of(tool(step("a", on_error="continue"), result="{{steps.a}}"))).value is None


async def test_a_step_that_takes_too_long_fails() -> None:
    async def forever(_job: Job) -> Output:
        await anyio.sleep_forever()
        raise AssertionError

    output = await Ground(a=forever).of(tool(step("a", timeout=0.01)))
    assert output.failed == "step 'a': did not end within 0.01 s"


async def test_what_a_step_tells_is_told_with_its_name() -> None:
    async def talk(job: Job) -> Output:
        await job.tell("half of it")
        return Output(value=1)

    ground = Ground(a=talk)
    await ground.of(tool(step("a")))
    assert ground.told == ["a: half of it", "1/1 a: ok"]


async def test_cancelling_ends_all_of_them() -> None:
    ended: list[str] = []
    running = anyio.Event()

    async def forever(_job: Job) -> Output:
        running.set()
        try:
            await anyio.sleep_forever()
        finally:
            ended.append("one")
        raise AssertionError

    with anyio.fail_after(10):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(Ground(a=forever, b=forever).of, tool(step("a"), step("b")))
            await running.wait()
            await anyio.wait_all_tasks_blocked()
            tasks.cancel_scope.cancel()
    assert ended == ["one", "one"]


async def test_what_was_cut_is_told_of_the_whole() -> None:
    output = await Ground(a=Output(b"x", is_cut=True)).of(tool(step("a"), step("b")))
    assert output.is_cut


@pytest.mark.parametrize(
    ("output", "value"),
    [
        (Output(value=None), None),
        (Output(b'{"a": [1]}\n'), {"a": [1]}),
        (Output(b"1.10\n"), "1.10"),
        (Output(b"1.10", "application/json"), 1.1),
        (Output(b"[NaN]"), "[NaN]"),
        (Output(b"{no json", "application/problem+json"), "{no json"),
        (Output("Käse\r\n".encode("latin-1"), "text/plain; charset=latin-1"), "Käse"),
        (Output(b"\xff\x00", "image/png"), "/wA="),
        (Output(b"x", "text/plain; charset=nonsense"), "eA=="),
        (Output(result={"structuredContent": {"a": 1}, "content": []}), {"a": 1}),
        (Output(result={"content": [{"type": "text", "text": "[1]"}]}), [1]),
        (
            Output(
                result={"content": [{"type": "text", "text": "a"}, {"type": "image"}, {"type": "text", "text": "b"}]}
            ),
            "a\nb",
        ),
        (Output(result={}), ""),
    ],
)
def test_the_value_of_a_step_is_json_where_it_is_json(output: Output, value: object) -> None:
    assert value_of_output(output) == value
