"""The clock example: real clients of both eras, over HTTP to a real process on a free port."""

from __future__ import annotations

import importlib.util
import signal
import socket
import subprocess
import sys
import threading
import zoneinfo
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import anyio
import mcp_types as types
import pytest
from mcp.client.client import Client
from mcp.shared.exceptions import MCPError

pytestmark = pytest.mark.anyio

SCRIPT = Path(__file__).parents[2] / "examples" / "clock_server.py"
PATIENCE = 20.0

ENDINGS = pytest.mark.parametrize("ending", [None, signal.SIGTERM, signal.SIGINT], ids=["eof", "term", "int"])

needs_zones = pytest.mark.skipif(not zoneinfo.available_timezones(), reason="no time zone database here")
lacks_tzdata = pytest.mark.skipif(
    importlib.util.find_spec("tzdata") is not None, reason="the tzdata package cannot be hidden from a child"
)


@contextmanager
def running_clock(**env: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A clock process that is ready, and its address."""
    command = [sys.executable, str(SCRIPT), "--port", "0"]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True, env=env or None) as process:
        try:
            yield process, first_line(process).split()[-1]
        finally:
            process.kill()


def first_line(process: subprocess.Popen[str]) -> str:
    """What it says first; nothing if that takes too long."""
    assert process.stderr is not None
    deadline = threading.Timer(PATIENCE, process.kill)
    deadline.start()
    try:
        return process.stderr.readline()
    finally:
        deadline.cancel()


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with running_clock() as (_, url):
        yield url


@pytest.fixture(params=["legacy", "auto"])
def mode(request: pytest.FixtureRequest) -> str:
    return request.param


async def answer(client: Client, tool: str, **arguments: object) -> dict[str, object]:
    result = await client.call_tool(tool, arguments)
    assert not result.is_error, result.content
    assert result.structured_content is not None
    return result.structured_content


async def refusal(client: Client, tool: str, **arguments: object) -> str:
    result = await client.call_tool(tool, arguments)
    assert result.is_error
    [content] = result.content
    assert isinstance(content, types.TextContent)
    return content.text


async def read_now(client: Client) -> str:
    [content] = (await client.read_resource("clock://now")).contents
    assert isinstance(content, types.TextResourceContents)
    return content.text


async def test_now_is_now(address: str, mode: str) -> None:
    with anyio.fail_after(PATIENCE):
        async with Client(address, mode=mode) as client:
            moment = await answer(client, "now")
            shifted = await answer(client, "now", timezone="UTC+05:45")
    told = datetime.fromisoformat(str(moment["time"]))
    assert told.utcoffset() == timedelta(0)
    assert abs(datetime.now(UTC) - told) < timedelta(minutes=1)
    assert str(shifted["time"]).endswith("+05:45")


@needs_zones
async def test_times_are_converted(address: str, mode: str) -> None:
    with anyio.fail_after(PATIENCE):
        async with Client(address, mode=mode) as client:
            arguments = {"time": "2026-07-01T22:30", "from_zone": "Europe/Berlin", "to_zone": "Asia/Kathmandu"}
            converted = await answer(client, "convert_time", **arguments)
            today = await answer(client, "convert_time", time="14:30", from_zone="UTC", to_zone="UTC-3")
    assert converted == {
        "here": {"time": "2026-07-01T22:30:00+02:00", "zone": "Europe/Berlin", "weekday": "Wednesday"},
        "there": {"time": "2026-07-02T02:15:00+05:45", "zone": "Asia/Kathmandu", "weekday": "Thursday"},
    }
    assert isinstance(today["there"], dict)
    assert today["there"]["time"].endswith("T11:30:00-03:00")


@needs_zones
@pytest.mark.parametrize(
    ("arguments", "remedy"),
    [
        ({"from_zone": "Europe/Berln"}, "Did you mean Europe/Berlin"),
        ({"from_zone": "new york"}, "America/New_York"),
        ({"from_zone": "Europe"}, "UTC+02:00"),
        ({"from_zone": "../../etc/passwd"}, "UTC+02:00"),
        ({"from_zone": ""}, "UTC+02:00"),
        ({"from_zone": "UTC+25:00"}, "UTC+02:00"),
        ({"time": "half past two"}, "write 14:30"),
        ({"time": "2026-03-01T14:30+02:00"}, "leave that out"),
        ({"time": "0001-01-01T00:00"}, "1900"),
        ({"time": "2026-03-29T02:30", "from_zone": "Europe/Berlin"}, "an hour later"),
    ],
)
async def test_what_cannot_be_told_is_explained(address: str, arguments: dict[str, str], remedy: str) -> None:
    given = {"time": "14:30", "from_zone": "UTC", "to_zone": "UTC", **arguments}
    with anyio.fail_after(PATIENCE):
        async with Client(address) as client:
            assert remedy in await refusal(client, "convert_time", **given)


@lacks_tzdata
async def test_offsets_do_without_a_time_zone_database() -> None:
    with anyio.fail_after(PATIENCE), running_clock(PYTHONTZPATH="") as (_, url):
        async with Client(url) as client:
            assert "write UTC or UTC+02:00" in await refusal(client, "now", timezone="Europe/Berlin")
            assert str((await answer(client, "now", timezone="UTC+02:00"))["time"]).endswith("+02:00")
            await answer(client, "now", timezone="utc")
            prompt = await client.get_prompt("plan_day", {"city": "Lisbon"})
            assert "Lisbon" in prompt.messages[0].model_dump_json()


async def test_a_countdown_tells_its_progress(address: str, mode: str) -> None:
    heard: list[tuple[float, float | None, str | None]] = []

    async def hear(progress: float, total: float | None, message: str | None) -> None:
        heard.append((progress, total, message))

    with anyio.fail_after(PATIENCE):
        async with Client(address, mode=mode) as client:
            result = await client.call_tool("countdown", {"seconds": 1.2}, progress_callback=hear)
            assert "greater than 0" in await refusal(client, "countdown", seconds=0)
            assert "equal to 60" in await refusal(client, "countdown", seconds=61)
    assert not result.is_error
    assert heard == [(0, 1.2, "1.2 s to go"), (1, 1.2, "0.2 s to go"), (1.2, 1.2, "Time is up.")]


async def test_the_resource_is_another_with_every_read(address: str, mode: str) -> None:
    with anyio.fail_after(PATIENCE):
        async with Client(address, mode=mode) as client:
            [resource] = (await client.list_resources()).resources
            assert resource.uri == "clock://now"
            assert await read_now(client) < await read_now(client)


@needs_zones
async def test_the_prompt_knows_the_local_time(address: str, mode: str) -> None:
    with anyio.fail_after(PATIENCE):
        async with Client(address, mode=mode) as client:
            known = (await client.get_prompt("plan_day", {"city": "Lisbon"})).messages[0].content
            unknown = (await client.get_prompt("plan_day", {"city": "Hobbiton"})).messages[0].content
    assert isinstance(known, types.TextContent)
    assert "my day in Lisbon. It is " in known.text
    assert isinstance(unknown, types.TextContent)
    assert "my day in Hobbiton. Ask " in unknown.text


async def test_it_promises_no_changes(address: str, mode: str) -> None:
    with anyio.fail_after(PATIENCE):
        async with Client(address, mode=mode) as client:
            resources = client.server_capabilities.resources
            assert resources is not None
            assert not resources.list_changed
            if mode == "auto":
                with pytest.raises(MCPError) as caught:
                    await client.listen(resources_list_changed=True).__aenter__()
                assert caught.value.code == types.METHOD_NOT_FOUND


@ENDINGS
async def test_it_leaves_at_once_even_in_the_middle_of_a_call(mode: str, ending: signal.Signals | None) -> None:
    started = anyio.Event()

    async def hear(_progress: float, _total: float | None, _message: str | None) -> None:
        started.set()

    with anyio.fail_after(PATIENCE), running_clock() as (process, url):
        async with Client(url, mode=mode) as client, anyio.create_task_group() as tasks:

            async def count() -> None:
                with pytest.raises(MCPError):
                    await client.call_tool("countdown", {"seconds": 60}, progress_callback=hear)

            tasks.start_soon(count)
            await started.wait()
            if ending:
                process.send_signal(ending)
            else:
                assert process.stdin is not None
                process.stdin.close()
            code = await anyio.to_thread.run_sync(process.wait, abandon_on_cancel=True)
        assert code == -(ending or 0)
        assert process.stdout is not None
        assert process.stdout.read() == ""
        assert process.stderr is not None
        assert "Traceback" not in process.stderr.read()


@ENDINGS
def test_idle_it_leaves_without_a_word(ending: signal.Signals | None) -> None:
    with running_clock() as (process, _):
        if ending:
            process.send_signal(ending)
        out, err = process.communicate(timeout=PATIENCE)
    assert (process.returncode, out, err) == (-(ending or 0), "", "")


async def test_a_taken_port_is_said_plainly() -> None:
    with anyio.fail_after(PATIENCE), socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = await anyio.run_process([sys.executable, str(SCRIPT), "--port", port], check=False)
    assert done.returncode == 1
    assert done.stdout == b""
    assert b"Choose another with --port" in done.stderr
    assert b"Traceback" not in done.stderr
