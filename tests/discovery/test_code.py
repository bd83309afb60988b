"""Scripts: what they can call, what they get back, and what of them reaches who ran them."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import anyio
import pytest

from magictunnel.catalog.model import Entry, Json
from magictunnel.discovery.code import ScriptLimits, about, run_script
from tests.discovery.code_tools import TOOLS, Pipeline, entry, text

pytest.importorskip("pydantic_monty")
pytestmark = pytest.mark.anyio

LIMITS = ScriptLimits(time=5, total=10)


async def run(code: str, pipeline: Pipeline | None = None, limits: ScriptLimits = LIMITS) -> Json:
    return await run_script(code, TOOLS, (pipeline or Pipeline()).call, limits)


async def value(code: str, pipeline: Pipeline | None = None) -> Any:
    result = await run(code, pipeline)
    assert "isError" not in result, result
    return result["structuredContent"]["result"]


async def failure(code: str, pipeline: Pipeline | None = None) -> Json:
    result = await run(code, pipeline)
    assert result["isError"] is True, result
    return dict(result["structuredContent"]["error"])


# --- calls


async def test_a_tool_is_called_by_its_identifier_and_its_parameters_by_theirs() -> None:
    pipeline = Pipeline()

    await run("await github__list_issues(n=1, from_='x')", pipeline)

    assert pipeline.made == [("github__list-issues", {"n": 1, "from": "x"})]


async def test_a_parameter_may_have_its_own_name_too_and_no_name_is_given_twice() -> None:
    pipeline = Pipeline()

    await value("await github__list_issues(**{'n': 1, 'from': 'x'})", pipeline)
    assert pipeline.made == [("github__list-issues", {"n": 1, "from": "x"})]

    assert "two arguments" in (await failure("await github__list_issues(**{'from': 'x', 'from_': 'y'})"))["message"]


async def test_none_leaves_out_what_may_be_left_out() -> None:
    pipeline = Pipeline()

    await value("await github__list_issues(n=1, from_=None)", pipeline)

    assert pipeline.made == [("github__list-issues", {"n": 1})]


async def test_calls_that_are_gathered_are_under_way_at_once() -> None:
    pipeline = Pipeline()

    await value("import asyncio\nawait asyncio.gather(*[slow(seconds=0.05) for _ in range(20)])", pipeline)

    assert pipeline.most_under_way == 20


async def test_a_call_that_is_not_awaited_is_not_made() -> None:
    pipeline = Pipeline()

    result = await run("waiting = [echo() for _ in range(2)]\nlen(waiting)", pipeline)

    assert pipeline.made == []
    assert result["structuredContent"]["result"] == 2
    assert result["structuredContent"]["notes"] == ["Calls: 2 of them not awaited, so it was not made."]


async def test_a_call_that_is_still_under_way_at_the_end_is_cancelled() -> None:
    pipeline = Pipeline()

    result = await run("waiting = [slow()]\nawait echo()\n1", pipeline)

    assert (pipeline.cancelled, result["structuredContent"]["result"]) == (1, 1)
    assert "cancelled" in result["structuredContent"]["notes"][0]


async def test_a_call_that_failed_is_a_call_that_is_done() -> None:
    code = "import asyncio\ntry:\n    await sick()\nexcept RuntimeError:\n    asyncio.sleep(1)\n1"

    assert (await run(code))["structuredContent"] == {"result": 1, "calls": 1}


async def test_a_tool_can_be_passed_about() -> None:
    assert (
        await value("async def twice(tool):\n    return [await tool(x=1), await tool(x=2)]\nlen(await twice(echo))")
        == 2
    )


async def test_sleeping_is_waiting_and_sleeps_overlap() -> None:
    with anyio.fail_after(5):
        await value("import asyncio, time\ntime.sleep(0.01)\nawait asyncio.gather(*[asyncio.sleep(0.1)] * 1, echo())")
        await value("import asyncio\nfor _ in range(3):\n    await asyncio.sleep(0.01)")


# --- results


@pytest.mark.parametrize(
    ("answer", "seen"),
    [
        ({"content": [], "structuredContent": {"a": [1, None]}}, {"a": [1, None]}),
        (text('{"a": 1}'), {"a": 1}),
        (text("[1, 2]"), [1, 2]),
        (text("007"), "007"),
        (text("{not json"), "{not json"),
        (text("[" * 100_000), "[" * 100_000),
        ({"content": [text("a")["content"][0], text("[1]")["content"][0]]}, ["a", [1]]),
        ({"content": []}, []),
        (
            {"content": [{"type": "image", "mimeType": "image/png", "data": "AAAA"}]},
            {"type": "image", "mimeType": "image/png", "bytes": 3},
        ),
        (
            {"content": [{"type": "resource", "resource": {"uri": "x:1", "blob": "AAAAAAAA"}}]},
            {"type": "resource", "uri": "x:1", "bytes": 6},
        ),
        ({"content": [{"type": "resource_link", "uri": "x:1"}]}, {"type": "resource_link", "uri": "x:1"}),
        ({"content": "odd", "_meta": {"x": 1}}, {"content": "odd"}),
        ({"content": [7, None]}, [7, None]),
        (text("\ud800"), "?"),
        ({"structuredContent": {"\udfff": "\ud800é"}}, {"?": "?é"}),
    ],
)
async def test_what_a_tool_answers_is_a_value(answer: Json, seen: Any) -> None:
    pipeline = Pipeline()
    pipeline.answer = answer

    result = await run_script("await answers()", TOOLS, pipeline.call, ScriptLimits(output=200_000))

    assert result["structuredContent"]["result"] == seen


@pytest.mark.parametrize(
    ("tool", "message"),
    [("sick", "no luck"), ("late", "did not answer within 3 s"), ("answers", "too large or too deep")],
)
async def test_a_call_that_fails_is_an_exception_that_can_be_caught(tool: str, message: str) -> None:
    pipeline = Pipeline()
    pipeline.answer = {"structuredContent": nested(500)}

    assert message in (await failure(f"await {tool}()", pipeline))["message"]
    caught = f"try:\n    await {tool}()\nexcept RuntimeError as error:\n    said = str(error)\nsaid"
    assert message in await value(caught, pipeline)


async def test_of_several_gathered_calls_each_fails_for_itself() -> None:
    code = """
import asyncio
async def safe(call):
    try:
        return await call
    except RuntimeError as error:
        return str(error)
await asyncio.gather(safe(sick()), safe(echo()), safe(sick()))
"""
    assert await value(code) == ["no luck", {"tool": "echo", "arguments": {}}, "no luck"]


async def test_a_defect_of_ours_is_not_the_scripts() -> None:
    with pytest.raises(ExceptionGroup) as caught:
        await run("try:\n    await broken()\nexcept BaseException:\n    pass")

    assert caught.group_contains(KeyError)


def nested(depth: int) -> Json:
    value: Json = {}
    for _ in range(depth):
        value = {"a": value}
    return value


# --- what reaches who ran it


async def test_only_what_is_returned_and_printed_gets_out() -> None:
    pipeline = Pipeline()

    result = await run("found = await echo(secret='hidden')\nprint('done')\nlen(found)", pipeline)

    assert result == {
        "content": [{"type": "text", "text": "2"}, {"type": "text", "text": "Printed:\ndone"}],
        "structuredContent": {"result": 2, "printed": "done\n", "calls": 1},
    }


@pytest.mark.parametrize(
    ("code", "shown", "seen"),
    [
        ("'é𝄞'", "é𝄞", "é𝄞"),
        ("x = 1", "The script returned nothing.", None),
        ("{'a': (1, 2.5, True, None)}", '{"a": [1, 2.5, true, null]}', {"a": [1, 2.5, True, None]}),
        ("[float('nan'), float('inf')]", '["<the number nan>", "<the number inf>"]', None),
        ("b'abc'", '"<3 bytes>"', "<3 bytes>"),
        ("{1: 2}", '{"1": 2}', {"1": 2}),
        ("{(1, 2): 3}", None, None),
        ("[{1}]", "[[1]]", [[1]]),
        ("import datetime\ndatetime.date(2020, 1, 2)", '"2020-01-02"', "2020-01-02"),
        ("ValueError('x')", '"ValueError: x"', "ValueError: x"),
        ("2 ** 100", str(2**100), 2**100),
        ("1 << 100_000", '"<a number of too many digits>"', None),
        ("class A:\n    def __init__(self):\n        self.x = [1]\nA()", '{"x": [1]}', {"x": [1]}),
        ("print", None, None),
        ("...", None, None),
        ("1j", '"1j"', "1j"),
        ("x = []\nx.append(x)\nx", None, None),
    ],
)
async def test_every_value_gets_out_as_json(code: str, shown: str | None, seen: Any) -> None:
    result = await run(code)

    assert "isError" not in result
    assert shown in (None, result["content"][0]["text"])
    assert seen in (None, result["structuredContent"]["result"])


@pytest.mark.parametrize(
    ("code", "kind", "message", "line"),
    [
        ("x = 1\n\nx / 0", "ZeroDivisionError", "division by zero", 3),
        ("def f():\n    raise KeyError('k')\n\nf()", "KeyError", "k", 2),
        ("x = 1\ny = (", "SyntaxError", "", 2),
        ("assert 1 == 2", "AssertionError", "assert 1 == 2", 1),
        ("await echo(1)", "TypeError", "Too many positional arguments", None),
        ("await github__list_issues(n='x')", "TypeError", "Expected `int", None),
        ("await github__list_issues(N=1)", "TypeError", "`N`", None),
        ("(await echo())['a']\necho()['tool']", "TypeError", "line 2", None),
        ("await echo(x={1, 2})", "TypeError", "a value of type set", 1),
        ("await echo(x=float('nan'))", "TypeError", "the number nan", 1),
        ("await echo(x=b'a')", "TypeError", "a value of type bytes", 1),
        ("await echo(**{'x': {1: 2}})", "TypeError", "a key of it is of type int", 1),
        ("await echo(x=1 << 100_000)", "TypeError", "too many digits", 1),
        ("x = []\nfor _ in range(500):\n    x = [x]\nawait echo(x=x)", "TypeError", "100 levels", 4),
        ("await echo(x='x' * 2_000_000)", "TypeError", "longer than 1000000", 1),
    ],
)
async def test_an_error_is_told_with_its_line(code: str, kind: str, message: str, line: int | None) -> None:
    pipeline = Pipeline()

    error = await failure(code, pipeline)

    assert error["type"] == kind
    assert message in error["message"]
    assert error.get("line") == line
    assert len([call for call in pipeline.made if call != ("echo", {})]) == 0


async def test_a_checker_that_is_stricter_than_the_interpreter_stops_nothing() -> None:
    code = "import re\nn: int = 'a'\narguments = {'n': 1, 'from': 'b'}\nawait github__list_issues(**arguments)\n"

    assert await value(code + "re.match('a', 'ab').group(0)") == "a"


async def test_one_list_many_times_over_is_not_written_out() -> None:
    bomb = "a = ['x' * 100] * 1000\nfor _ in range(5):\n    a = [a] * 1000\n"
    pipeline = Pipeline()

    with anyio.fail_after(5):
        result = await run(bomb + "a")
        refused = await failure(bomb + "await echo(x=a)", pipeline)

    assert result["structuredContent"]["cut"] is True
    assert len(result["content"][0]["text"]) < LIMITS.output + 100
    assert "longer than" in refused["message"]
    assert pipeline.made == []


async def test_what_is_printed_is_cut_and_the_rest_goes_on() -> None:
    result = await run("for _ in range(100):\n    print('x' * 999)\n'done'", limits=ScriptLimits(output=5000))

    assert result["structuredContent"]["result"] == "done"
    assert len(result["structuredContent"]["printed"]) == 5000
    assert "more was printed" in result["content"][1]["text"]


async def test_a_long_text_is_cut() -> None:
    result = await run("'x' * 9999", limits=ScriptLimits(output=5000))

    assert result["structuredContent"] == {"result": "x" * 5000, "cut": True, "calls": 0}
    assert "return less" in result["content"][0]["text"]


async def test_what_is_said_of_scripts_is_true() -> None:
    modules = ["asyncio", "json", "re", "math", "datetime", "time"]
    assert await value("\n".join(f"import {name}" for name in modules) + "\njson.dumps(math.floor(1.5))") == "1"
    assert "denied" in (await failure("open('/x')"))["message"]
    for unknown in ("asyncio.create_task(echo())", "await asyncio.gather(echo(), return_exceptions=True)"):
        await failure(f"import asyncio\n{unknown}")
    await failure("async with echo() as x:\n    pass")
    assert "7 calls, 2.5 s of computing, 300 s in all, 64 MiB" in about(ScriptLimits(calls=7, time=2.5))


async def test_every_builtin_exception_can_be_caught() -> None:
    assert (
        await value("try:\n    {}['x']\nexcept (ImportError, LookupError) as error:\n    r = repr(error)\nr")
        == "KeyError('x')"
    )


# --- what is not there


@pytest.mark.parametrize("code", ["await hidden()", "hidden", "eval('hidden()')", "eval('hidden')", "exec('hidden()')"])
async def test_what_is_not_among_the_tools_does_not_exist(code: str) -> None:
    pipeline = Pipeline()

    error = await failure(code, pipeline)

    assert "hidden" in error["message"]
    assert pipeline.made == []


async def test_the_same_name_is_a_tool_for_who_may_use_it_alone() -> None:
    pipeline = Pipeline()
    mine: list[Entry] = [entry("hidden")]

    for tools, works in ((mine, True), ([], False), (mine, True)):
        result = await run_script("await hidden()", tools, pipeline.call, LIMITS)
        assert ("isError" not in result) is works

    assert len(pipeline.made) == 2


async def test_nothing_stays_for_the_next_script() -> None:
    await value("import math\nkept = 1\nmath")

    assert "kept" in (await failure("kept"))["message"]


def test_without_the_extra_it_is_told_what_to_install() -> None:
    code = """
import sys
sys.modules["pydantic_monty"] = None
import anyio
from magictunnel.discovery.code import available, run_script, signatures
assert "magictunnel[code]" in available()
result = anyio.run(run_script, "1", [], None)
assert result["isError"] and "magictunnel[code]" in result["content"][0]["text"], result
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=30)


def test_a_process_that_ends_right_after_a_script_ends_well() -> None:
    code = """
import anyio
from magictunnel.discovery.code import run_script
script = "while True:\\n    try:\\n        open('/x')\\n    except BaseException:\\n        pass"
result = anyio.run(run_script, script, [], None)
assert "suspension limit" in str(result), result
"""
    for _ in range(2):
        subprocess.run([sys.executable, "-c", code], check=True, timeout=30)
