"""Scripts that want more than they are given: each is stopped, in time, and nothing else notices."""

from __future__ import annotations

import os
import subprocess
import time

import anyio
import pytest

from magictunnel.catalog.model import Entry, Json, Kind
from magictunnel.discovery.code import ScriptLimits, run_script
from magictunnel.discovery.code.signatures import functions, parameters
from tests.discovery.code_tools import TOOLS, Pipeline, entry

pytest.importorskip("pydantic_monty")
pytestmark = pytest.mark.anyio

LIMITS = ScriptLimits(time=0.5, total=2, calls=10)
PATIENT = ScriptLimits(time=20, total=30, calls=10)


async def failure(code: str, pipeline: Pipeline | None = None, limits: ScriptLimits = LIMITS) -> Json:
    with anyio.fail_after(30):
        result = await run_script(code, TOOLS, (pipeline or Pipeline()).call, limits)
    assert result["isError"] is True, result
    return dict(result["structuredContent"]["error"])


def children() -> list[str]:
    """Processes of ours that interpret scripts."""
    found = subprocess.run(["ps", "--ppid", str(os.getpid()), "-o", "stat=,comm="], capture_output=True, text=True)
    return [line for line in found.stdout.splitlines() if "monty" in line and not line.startswith("Z")]


async def gone() -> bool:
    """Whether no script is interpreted any more, at once or soon."""
    with anyio.move_on_after(5):
        while children():
            await anyio.sleep(0.01)
    return not children()


# --- time, memory, depth


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("while True:\n    pass", "TimeoutError"),
        (
            "while True:\n    try:\n        while True:\n            pass\n    except BaseException:\n        pass",
            "TimeoutError",
        ),
        ("def f():\n    try:\n        f()\n    except BaseException:\n        f()\nf()", "TimeoutError"),
        ("'a' * 10**9", "MemoryError"),
        ("x = []\nwhile True:\n    x = [x]", "MemoryError"),
        ("x = []\nwhile True:\n    x.append('abc' * 1000)", "MemoryError"),
        ("x = 'a'\nwhile True:\n    try:\n        x = x + x\n    except BaseException:\n        pass", None),
        ("10 ** 10 ** 9", "MemoryError"),
        ("f'{1:>999999999}'", "MemoryError"),
        ("list(range(10**18))", "MemoryError"),
        ("[str(i) for i in range(400_000)]", "MemoryError"),
        ("def f():\n    return f()\nf()", "RecursionError"),
        ("import json\njson.loads('[' * 100_000)", "json.JSONDecodeError"),
        ("import time\ntime.sleep(3600)", "TimeoutError"),
        ("import asyncio\nawait asyncio.sleep(3600)", "TimeoutError"),
        ("await slow()", "TimeoutError"),
        ("await long()", "MemoryError"),
    ],
)
async def test_what_it_takes_is_limited(code: str, kind: str | None) -> None:
    error = await failure(code, limits=LIMITS if kind in (None, "TimeoutError") else PATIENT)

    assert kind in (None, error["type"])
    assert await gone()


@pytest.mark.parametrize(
    "code",
    [
        "(" * 50_000,
        "[" * 25_000 + "]" * 25_000,
        "-" * 49_999 + "1",
        "1+" * 24_999 + "1",
        "x" + "[0]" * 16_000,
        "f'{" * 10_000,
        "".join(" " * depth + "if 1:\n" for depth in range(300)),
        "x0 = (1, 2)\n" + "".join(f"x{i} = (x{i - 1}, x{i - 1})\n" for i in range(1, 60)) + "x59.foo",
        "def f(a):\n x = 1\n" + "".join(f" if a == {i}:\n  x = (x, {i})\n" for i in range(300)) + " return x\nf(1).foo",
        "def f(:",
        "\x00",
        "é = ",
        "x" * 50_001,
        "'\ud800'",
    ],
    ids=lambda code: code[:10].encode("ascii", "backslashreplace").decode(),
)
async def test_a_script_that_is_none_is_told_so(code: str) -> None:
    await failure(code)

    assert await gone()


async def test_the_loop_goes_on_while_a_script_computes() -> None:
    beats = 0

    async def beat() -> None:
        nonlocal beats
        while True:
            await anyio.sleep(0.01)
            beats += 1

    async def beats_during(code: str, limits: ScriptLimits = LIMITS) -> int:
        before = beats
        await failure(code, limits=limits)
        return beats - before

    async with anyio.create_task_group() as group:
        group.start_soon(beat)
        assert await beats_during("while True:\n    pass") > 5
        assert (
            await beats_during("while True:\n    print('x' * 1000)", ScriptLimits(time=0.5, total=2, output=10**8)) > 5
        )
        assert await beats_during("[str(i) for i in range(400_000)]", PATIENT) > 5
        group.cancel_scope.cancel()


async def test_printing_without_end_is_stopped_long_before_its_time_is_up() -> None:
    before = time.perf_counter()

    error = await failure("while True:\n    print('x' * 1000)", limits=ScriptLimits(time=30, total=60, output=1000))

    assert "printed more than" in error["message"]
    assert time.perf_counter() - before < 5
    assert await gone()


# --- calls


async def test_calls_beyond_the_limit_are_refused_and_the_rest_of_the_script_goes_on() -> None:
    pipeline = Pipeline()
    call = "    try:\n        await echo()\n        made += 1\n    except RuntimeError:\n        pass\n"
    code = f"made = 0\nfor _ in range(100):\n{call}made"

    result = await run_script(code, TOOLS, pipeline.call, LIMITS)

    assert result["structuredContent"] == {"result": 10, "calls": 10}
    assert len(pipeline.made) == 10


@pytest.mark.parametrize(
    "what", ["await echo()", "echo()", "open('/x')", "eval('nothing')", "eval('nothing()')", "import nothing"]
)
async def test_no_loop_of_refusals_goes_on(what: str) -> None:
    pipeline = Pipeline()
    code = f"while True:\n    try:\n        {what}\n    except BaseException:\n        pass"

    error = await failure(code, pipeline, ScriptLimits(time=10, total=20, calls=10))

    assert "suspension limit" in error["message"] or "`await` it" in error["message"]
    assert len(pipeline.made) <= 10


async def test_a_thousand_calls_at_once_are_as_many_as_are_allowed() -> None:
    pipeline = Pipeline()

    error = await failure("import asyncio\nawait asyncio.gather(*[echo(i=i) for i in range(1000)])", pipeline)

    assert "10 calls" in error["message"]
    assert len(pipeline.made) <= 10


# --- ways out


@pytest.mark.parametrize(
    "code",
    [
        "import os\nos.environ['PATH']",
        "import os\nos.getenv('PATH') or 1 / 0",
        "import os\nos.system('true')",
        "import os\nos.listdir('/')",
        "open('/etc/passwd').read()",
        "open('/tmp/x', 'w').write('x')",
        "from pathlib import Path\nPath('/etc/passwd').read_text()",
        "import subprocess",
        "import socket",
        "import ctypes",
        "import pydantic_monty",
        "import magictunnel",
        "eval('__import__(\"os\")')",
        "().__class__.__bases__[0].__subclasses__()",
        "getattr((), '__class' + '__')",
        "getattr(echo, '__globals__')",
        "getattr(echo, '__closure__')",
        "getattr(echo, '__code__')",
        "eval('globals()')",
        "import sys\ngetattr(sys, 'modules')",
        "eval('input()')",
        "eval('breakpoint()')",
        "raise SystemExit",
        "raise KeyboardInterrupt",
    ],
)
async def test_there_is_no_way_out(code: str) -> None:
    await failure(code)


# --- cancellation


@pytest.mark.parametrize(
    "code",
    [
        "await slow()",
        "import asyncio\nawait asyncio.gather(slow(), slow(), slow())",
        "await slow(seconds=0)\nwhile True:\n    pass",
    ],
)
async def test_when_it_is_cancelled_nothing_of_it_goes_on(code: str) -> None:
    pipeline = Pipeline()

    async def begun_and_cancelled(scope: anyio.CancelScope) -> None:
        await pipeline.begun.wait()
        await anyio.sleep(0.05)
        scope.cancel()

    async with anyio.create_task_group() as group:
        group.start_soon(begun_and_cancelled, group.cancel_scope)
        await run_script(code, TOOLS, pipeline.call, ScriptLimits(time=60, total=60))

    assert group.cancel_scope.cancelled_caught
    assert pipeline.under_way == 0
    assert await gone()


# --- tools


async def test_tools_may_be_called_anything() -> None:
    names = [
        "print",
        "class",
        "a-b",
        "a.b",
        "a_b",
        "",
        "0",
        "__import__",
        "x" * 5000,
        "é",
        "\ud800",
        "a'b\n\"",
        "await",
        "Any",
        "json",
    ]
    properties = {name: {"type": "string"} for name in names}
    pipeline = Pipeline()
    tools = [entry(name, properties) for name in names]
    for identifier, tool in functions(tools).items():
        given = ", ".join(f"{name}='{number}'" for number, name in enumerate(parameters(tool)))
        result = await run_script(f"(await {identifier}({given}))['tool'] is None", tools, pipeline.call, LIMITS)
        assert "isError" not in result, result

    assert {name for name, _ in pipeline.made} == set(names)
    assert {len(arguments) for _, arguments in pipeline.made} == {len(names)}


@pytest.mark.parametrize(
    "schema",
    [
        None,
        7,
        [],
        True,
        {"type": 7},
        {"properties": [1]},
        {"properties": {"x": 7, "y": {"type": ["a"]}}},
        {"$ref": "#"},
    ],
)
async def test_schemas_may_be_anything(schema: object) -> None:
    pipeline = Pipeline()
    odd = Entry(Kind.TOOL, "odd", "s", "odd", {"name": "odd", "inputSchema": schema})

    result = await run_script("(await odd(x=1))['arguments']", [odd], pipeline.call, LIMITS)

    assert result["structuredContent"]["result"] == {"x": 1}
