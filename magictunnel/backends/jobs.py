"""A tool of the handshake era that runs only as a task, called by a client that knows no such tasks."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import anyio

from magictunnel.catalog.model import Json
from magictunnel.catalog.tasks import RELATED, created_task
from magictunnel.errors import CallError

_PATIENCE = 5.0
"""Seconds that a server may take to accept that a task is cancelled."""

Send = Callable[[str, Json], Awaitable[Json]]
"""Method and params -> result."""


async def run_as_task(params: Json, send: Send) -> Json:
    """Have `params` of a `tools/call` run as a task, and wait for its result, which is a plain one.

    Whoever gives up the call gives up the task.
    """
    created = await send("tools/call", params | {"task": {}})
    task_id = created_task(created)
    if not task_id:
        return created
    try:
        return _plain(await send("tasks/result", {"taskId": task_id}))
    except anyio.get_cancelled_exc_class():
        with anyio.CancelScope(shield=True), anyio.move_on_after(_PATIENCE):
            await _cancel(task_id, send)
        raise


async def _cancel(task_id: str, send: Send) -> None:
    try:
        await send("tasks/cancel", {"taskId": task_id})
    except CallError:
        return  # it has ended meanwhile, or its server has


def _plain(result: Json) -> Json:
    """A result of a task as that of a call."""
    meta = {key: value for key, value in result.get("_meta", {}).items() if key != RELATED}
    rest = {key: value for key, value in result.items() if key != "_meta"}
    return rest | {"_meta": meta} if meta else rest
