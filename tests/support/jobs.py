"""Tasks of the talker, in the shape of either era: the core's of 2025-11-25, or the extension's."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from itertools import count

import anyio
from anyio.abc import TaskGroup
from mcp.shared.exceptions import MCPError
from mcp_types import INVALID_PARAMS, METHOD_NOT_FOUND

from tests.conformance.everything.box import Context, Json, arguments, said, stateless
from tests.conformance.everything.talk import capabilities, missing

EXTENSION = "io.modelcontextprotocol/tasks"
CAPABILITY: Json = {"cancel": {}, "requests": {"tools": {"call": {}}}}
Tell = Callable[[str, Json], Awaitable[None]]
_RELATED = "io.modelcontextprotocol/related-task"
_TIME = "2026-01-01T00:00:00Z"


@dataclass
class Job:
    """One call that goes on after it was answered."""

    id: str
    is_endless: bool
    fates: dict[str, str]
    nonce: str
    status: str = "working"
    over: anyio.Event = field(default_factory=anyio.Event)
    scope: anyio.CancelScope = field(default_factory=anyio.CancelScope)

    @property
    def result(self) -> Json:
        return said(f"{self.id} is done")

    async def run(self) -> None:
        with self.scope:
            await (anyio.sleep_forever() if self.is_endless else anyio.lowlevel.checkpoint())
        self.end("completed")

    def end(self, status: str) -> None:
        if self.status == "working":
            self.status = self.fates[self.nonce] = status
        self.over.set()

    def told(self, *, stateless: bool) -> Json:
        """Its state, as an era writes it."""
        times = {"createdAt": _TIME, "lastUpdatedAt": _TIME}
        limits = {"ttlMs": 60_000, "pollIntervalMs": 50} if stateless else {"ttl": 60_000, "pollInterval": 50}
        return {"taskId": self.id, "status": self.status} | times | limits


class Jobs:
    """All tasks of one talker."""

    def __init__(self, group: TaskGroup, fates: dict[str, str], tell: Tell) -> None:
        """`fates`: what became of each, by nonce. `tell`: to every session of the handshake era."""
        self._group = group
        self._tell = tell
        self._fates = fates
        self._numbers = count(1)
        self._jobs: dict[str, Job] = {}
        self.answers: dict[str, Callable[[Context], Awaitable[Json]]] = {
            "tasks/get": self._get,
            "tasks/result": self._result,
            "tasks/cancel": self._cancel,
        }

    async def work(self, ctx: Context) -> Json:
        """A call of `work`: a task where its caller can handle one, else plainly answered."""
        return self._start(ctx) if _wanted(ctx) else said("done at once")

    async def job(self, ctx: Context) -> Json:
        """A call of `job`: a task or nothing."""
        if not _wanted(ctx):
            raise (
                missing(extensions={EXTENSION: {}}) if stateless(ctx) else MCPError(METHOD_NOT_FOUND, "Only as a task")
            )
        return self._start(ctx)

    def _start(self, ctx: Context) -> Json:
        given = arguments(ctx)
        job = Job(f"job-{next(self._numbers)}", bool(given.get("endless")), self._fates, str(given.get("nonce")))
        self._jobs[job.id] = job
        self._fates[job.nonce] = "under way"
        self._group.start_soon(self._run, job)
        return (
            {"resultType": "task"} | job.told(stateless=stateless(ctx))
            if stateless(ctx)
            else {"task": job.told(stateless=stateless(ctx))}
        )

    async def listen(self, ctx: Context, task_ids: list[str]) -> Json:
        """A listen stream for these tasks; it tells how each ends."""
        if not _wanted(ctx):
            raise missing(extensions={EXTENSION: {}})
        channel, meta = ctx.session._request_outbound, {"io.modelcontextprotocol/subscriptionId": ctx.request_id}
        honoured = {"_meta": meta, "notifications": {"taskIds": task_ids}}
        await channel.notify("notifications/subscriptions/acknowledged", honoured)
        for task_id in task_ids:
            await self._jobs[task_id].over.wait()
            await channel.notify("notifications/tasks", self._jobs[task_id].told(stateless=True) | {"_meta": meta})
        await anyio.sleep_forever()
        return {}

    async def _run(self, job: Job) -> None:
        await job.run()
        await self._tell("notifications/tasks/status", job.told(stateless=False))

    async def _get(self, ctx: Context) -> Json:
        job = self._job(ctx)
        done = stateless(ctx) and job.status == "completed"
        return job.told(stateless=stateless(ctx)) | ({"result": job.result} if done else {})

    async def _result(self, ctx: Context) -> Json:
        if stateless(ctx):
            raise MCPError(METHOD_NOT_FOUND, "Method not found")
        job = self._job(ctx)
        await job.over.wait()
        return job.result | {"_meta": {_RELATED: {"taskId": job.id}}}

    async def _cancel(self, ctx: Context) -> Json:
        job = self._job(ctx)
        job.end("cancelled")
        job.scope.cancel()
        return {} if stateless(ctx) else job.told(stateless=stateless(ctx))

    def _job(self, ctx: Context) -> Job:
        number = (ctx.params or {}).get("taskId")
        if number not in self._jobs:
            raise MCPError(INVALID_PARAMS, f"There is no task {number!r}")
        return self._jobs[number]


def _wanted(ctx: Context) -> bool:
    if stateless(ctx):
        return EXTENSION in (capabilities(ctx).get("extensions") or {})
    return "task" in (ctx.params or {})
