"""The tasks extension (SEP-2663): calls that go on after they were answered, and are asked after by `tasks/get`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from uuid import uuid4

import anyio
from anyio.abc import TaskGroup
from mcp.server import Server
from mcp.shared.exceptions import MCPError
from mcp_types import HEADER_MISMATCH, INTERNAL_ERROR, INVALID_PARAMS, METHOD_NOT_FOUND, RequestParams

from tests.conformance.everything.asking import NAME, TEXT
from tests.conformance.everything.box import NOTHING, Box, Context, Json, arguments, said, stateless, takes
from tests.conformance.everything.talk import Asks, capabilities, elicit, hold, missing

EXTENSION = "io.modelcontextprotocol/tasks"
KEEP = 1_000
"""Tasks that are remembered; the oldest goes first."""
_TTL, _POLL = 300_000, 100
_SOON = 1.0
"""Seconds a job takes that is to be seen at work."""
_CONFIRM = takes("confirm", confirm={"type": "boolean"})

Job = Callable[[Json, Json], Awaitable[Asks | Json]]
"""Like a talk: from the arguments and what is known to what to ask, or the result."""


def now() -> str:
    """The time, as it stands in messages about tasks."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


class TaskParams(RequestParams):
    """What requests about a task carry."""

    task_id: str
    input_responses: dict[str, Json] | None = None


@dataclass
class Task:
    """One call that goes on."""

    scope: anyio.CancelScope = field(default_factory=anyio.CancelScope)
    id: str = field(default_factory=lambda: uuid4().hex)
    status: str = "working"
    created: str = field(default_factory=now)
    updated: str = field(default_factory=now)
    outcome: Json = field(default_factory=dict)
    """`result` or `error`, once there is one."""
    asked: dict[str, Json] = field(default_factory=dict)
    answers: Json = field(default_factory=dict)
    answered: anyio.Event = field(default_factory=anyio.Event)

    @property
    def running(self) -> bool:
        return self.status in {"working", "input_required"}

    def summary(self) -> Json:
        """What every message about it says."""
        times = {"createdAt": self.created, "lastUpdatedAt": self.updated, "ttlMs": _TTL, "pollIntervalMs": _POLL}
        return {"taskId": self.id, "status": self.status} | times

    def detail(self) -> Json:
        """All of it."""
        return self.summary() | self.outcome | ({"inputRequests": self.asked} if self.asked else {})

    def turn(self, status: str, **outcome: Json) -> None:
        """Go to another state; one that has ended stays so."""
        if self.running:
            self.status, self.outcome, self.updated = status, outcome, now()

    def answer(self, given: Json) -> None:
        """Take answers to what is asked; all else is ignored."""
        for key in given.keys() & self.asked.keys():
            self.answers[key] = given[key]
            del self.asked[key]
        if not self.asked:
            self.answered.set()

    def cancel(self) -> None:
        """End it, unless it has ended."""
        self.turn("cancelled")
        self.asked = {}
        self.scope.cancel()


class Tasks:
    """All tasks of one server, run in a group that outlives the calls that made them."""

    def __init__(self, group: TaskGroup) -> None:
        self._group = group
        self._tasks: dict[str, Task] = {}

    def serve(self, server: Server) -> None:
        """Offer the extension."""
        server.extensions[EXTENSION] = {}
        for verb in ("get", "update", "cancel"):
            server.add_request_handler(f"tasks/{verb}", TaskParams, partial(self._about, getattr(self, f"_{verb}")))

    def box(self) -> Box:
        """The tools that make tasks, and one that never does."""
        box = Box()
        box.add("greet", "Greets at once.", _greet, takes("name", name=TEXT))
        box.add("slow_compute", "Takes its time.", self._may(_compute), takes(seconds={"type": "number"}, label=TEXT))
        box.add("failing_job", "Fails after a moment, and only as a task.", self._must(_fail))
        box.add("protocol_error_job", "Breaks.", self._may(_break))
        box.add("confirm_delete", "Asks before it deletes.", self._may(_confirm), takes(filename=TEXT))
        box.add("multi_input", "Asks two things at once.", self._may(_two))
        box.add("test_tool_with_task", "Asks first, and goes on as a task.", self._asked_first, NOTHING)
        return box

    def _start(self, job: Job, given: Json, known: Json) -> Json:
        task = Task(answers=known)
        self._tasks[task.id] = task
        if len(self._tasks) > KEEP:
            self._tasks.pop(next(iter(self._tasks))).cancel()
        self._group.start_soon(_run, task, partial(job, given))
        return {"resultType": "task"} | task.summary()

    def _may(self, job: Job) -> Callable[[Context], Awaitable[Json]]:
        async def run(ctx: Context) -> Json:
            if _negotiated(ctx):
                return self._start(job, arguments(ctx), {})
            return await hold(ctx, partial(job, arguments(ctx)))

        return run

    def _must(self, job: Job) -> Callable[[Context], Awaitable[Json]]:
        async def run(ctx: Context) -> Json:
            _insist(ctx)
            return self._start(job, arguments(ctx), {})

        return run

    async def _asked_first(self, ctx: Context) -> Json:
        _insist(ctx)

        async def talk(known: Json) -> Asks | Json:
            if "user_name" not in known:
                return Asks({"user_name": elicit("What is your name?", NAME)})
            return self._start(_hello, {}, known)

        return await hold(ctx, talk)

    async def _about(self, act: Callable[[Task, TaskParams], Json], ctx: Context, params: TaskParams) -> Json:
        """One request about a task, checked as the extension says: era, capability, routing header, id."""
        if not stateless(ctx):
            raise MCPError(METHOD_NOT_FOUND, f"{ctx.method} is of the stateless era")
        _insist(ctx)
        routed = ctx.request.headers.get("mcp-name") if ctx.request is not None else params.task_id
        if routed != params.task_id:
            raise MCPError(HEADER_MISMATCH, f"Mcp-Name says {routed!r}, the body says {params.task_id!r}")
        task = self._tasks.get(params.task_id)
        if task is None:
            raise MCPError(INVALID_PARAMS, f"There is no task {params.task_id!r}")
        return act(task, params)

    def _get(self, task: Task, _params: TaskParams) -> Json:
        return task.detail()

    def _update(self, task: Task, params: TaskParams) -> Json:
        task.answer(params.input_responses or {})
        return {}

    def _cancel(self, task: Task, _params: TaskParams) -> Json:
        task.cancel()
        return {}


async def _run(task: Task, job: Callable[[Json], Awaitable[Asks | Json]]) -> None:
    with task.scope:
        try:
            while isinstance(step := await job(task.answers), Asks):
                task.asked, task.answered = dict(step.requests), anyio.Event()
                task.turn("input_required")
                await task.answered.wait()
                task.turn("working")
            task.turn("completed", result=step)
        except MCPError as error:
            task.turn("failed", error=error.error.model_dump(exclude_none=True))


def _negotiated(ctx: Context) -> bool:
    return stateless(ctx) and EXTENSION in (capabilities(ctx).get("extensions") or {})


def _insist(ctx: Context) -> None:
    if not _negotiated(ctx):
        raise missing(extensions={EXTENSION: {}})


async def _greet(ctx: Context) -> Json:
    return said(f"Hello, {arguments(ctx).get('name')}!")


async def _compute(given: Json, _known: Json) -> Asks | Json:
    await anyio.sleep(float(given.get("seconds", 0)))
    return said(f"Computed {given.get('label', 'something')}")


async def _fail(_given: Json, _known: Json) -> Asks | Json:
    await anyio.sleep(_SOON)
    return said("The job did not work out", isError=True)


async def _break(_given: Json, _known: Json) -> Asks | Json:
    raise MCPError(INTERNAL_ERROR, "The job broke")


async def _confirm(given: Json, known: Json) -> Asks | Json:
    if "confirm" not in known:
        return Asks({"confirm": elicit(f"Delete {given.get('filename')}?", _CONFIRM)})
    deleted = known["confirm"].get("action") == "accept"
    return said(f"{given.get('filename')} is {'deleted' if deleted else 'kept'}")


async def _two(_given: Json, known: Json) -> Asks | Json:
    wanted = {"first": elicit("Who?", NAME), "second": elicit("Sure?", _CONFIRM)}
    lacking = {key: request for key, request in wanted.items() if key not in known}
    return Asks(lacking) if lacking else said("Both are answered")


async def _hello(_given: Json, known: Json) -> Asks | Json:
    await anyio.sleep(_SOON / 4)
    return said(f"Hello, {(known['user_name'].get('content') or {}).get('name', 'stranger')}!")
