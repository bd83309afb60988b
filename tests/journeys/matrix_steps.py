"""What the tests of the matrix have in common: steps that a client takes in the way of its era."""

from __future__ import annotations

from typing import Any

import anyio
import mcp_types as types

from tests.journeys.matrix_ground import Seat

RELATED = "io.modelcontextprotocol/related-task"


async def set_level(seat: Seat, level: Any) -> None:
    params = types.SetLevelRequestParams(level=level)
    await seat.client.session.send_request(types.SetLevelRequest(params=params), types.EmptyResult)


def logged(seat: Seat, word: str) -> list[Any]:
    return [told for told in seat.told("notifications/message") if told["data"] == word]


async def until_told(seat: Seat, method: str, tool_name: str, **arguments: Any) -> Any:
    """Call a tool until the client is told what comes of it: over HTTP the stream for that may open after the first
    time. What the tool said last.
    """
    while True:
        since = len(seat.heard)
        said = await seat.tool(tool_name, **arguments)
        with anyio.move_on_after(1.0):
            await seat.until(lambda: bool(seat.told(method, since)))  # noqa: B023
            return said


async def created(seat: Seat, name: str, **arguments: Any) -> str:
    """The id of the task that a call of this tool goes on as."""
    params = {"name": f"talk__{name}", "arguments": arguments}
    told = await seat.raw("tools/call", params if seat.is_stateless else params | {"task": {"ttl": 60_000}})
    assert not seat.is_stateless or told["resultType"] == "task"
    task = told if seat.is_stateless else told["task"]
    assert task["status"] == "working"
    # Its server knows it as job-N; in front its id says whose it is.
    assert task["taskId"].partition(".")[2].startswith("job-")
    return str(task["taskId"])


async def until_status(seat: Seat, task_id: str, status: str) -> Any:
    while True:
        told = await seat.raw("tasks/get", {"taskId": task_id})
        assert told["taskId"] == task_id
        if told["status"] == status:
            return told
        await anyio.sleep(0.01)


async def runs_to_its_end(seat: Seat, name: str) -> None:
    task_id = await created(seat, name)
    told = await until_status(seat, task_id, "completed")
    if not seat.is_stateless:
        told = {"result": await seat.raw("tasks/result", {"taskId": task_id})}
        assert told["result"]["_meta"] == {RELATED: {"taskId": task_id}}
    assert told["result"]["content"] == [{"type": "text", "text": f"{task_id.partition('.')[2]} is done"}]
