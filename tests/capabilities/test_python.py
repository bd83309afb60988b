"""A Python function is called with the arguments by name, and what it returns, raises or prints comes back as such."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import anyio
import pytest

from magictunnel.capabilities.base import Output, StepScope
from magictunnel.capabilities.content.result import result_of
from magictunnel.capabilities.language.expression import MISSING
from magictunnel.capabilities.language.model import Python
from magictunnel.capabilities.processes.python import run_python
from magictunnel.errors import RunError
from magictunnel.wire.codec import is_writable
from tests.capabilities.running import PATIENCE, Heard, site

pytestmark = pytest.mark.anyio

MODULE = """
import asyncio, json, os, sys
from datetime import datetime

class Box:
    @staticmethod
    def opened(): return "open"

number = 3

def echo(**arguments): return arguments
def greet(name, times=1): return f"hello {name}\\n" * times
def raw(): return b"\\x89PNG\\r\\n\\x1a\\n..."
def nothing(): return None
def listed(): return [1, 2.5, None, True, "ü"]
def big(): return {"n": 2**80}
def half(): return {"text": "\\ud800"}
def halved(): return "a\\ud800"
def odd(): return {1, 2}
def nan(): return float("nan")
def now(): return datetime.now()
def talks(): print("talk"); os.write(1, b"raw talk\\n"); os.system("echo child talk"); return {"said": True}
def stdin(): return sys.stdin.read()
def where(): return os.getcwd()
def environ(): return dict(os.environ)
async def later(n): await asyncio.sleep(0); return n + 1
def fails(value): helper(value)
def helper(value): raise ValueError(f"no good:\\n{value}")
def key(): return {}["gone"]
def imports_http(): import http.client, graphlib; return http.client.HTTPS_PORT
def much(): return "x" * 2_000_000
def much_json(): return ["x" * 2_000_000]
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a module `tools`."""
    (tmp_path / "tools.py").write_text(MODULE, encoding="utf-8")
    (tmp_path / "broken.py").write_text("x = 1\ndef f(:\n", encoding="utf-8")
    (tmp_path / "lacks.py").write_text("import no_such_library\ndef f(): pass\n", encoding="utf-8")
    (tmp_path / "package").mkdir()
    (tmp_path / "package" / "inner.py").write_text("def f(): return 'inner'\n", encoding="utf-8")
    return tmp_path


async def called(folder: Path, function: str, scope: dict[str, Any] | None = None, **more: Any) -> Output:
    """What a call of that function comes to."""
    declared = Python.model_validate({"function": function} | more)
    with anyio.fail_after(PATIENCE):
        return await run_python(declared, scope or {}, site(folder))


@pytest.mark.parametrize(
    ("function", "scope", "expected"),
    [
        ("tools:echo", {"a": [1, {"b": None}], "t": "ü$(x)"}, {"a": [1, {"b": None}], "t": "ü$(x)"}),
        ("tools:echo", StepScope(a=1, steps={"x": 2}), {"a": 1}),
        ("tools:nothing", {}, None),
        ("tools:listed", {}, [1, 2.5, None, True, "ü"]),
        ("tools:big", {}, {"n": 2**80}),
        ("tools:later", {"n": 1}, 2),
        ("tools:imports_http", {}, 443),
    ],
)
async def test_json_comes_back_with_its_types(
    function: str, scope: dict[str, Any], expected: Any, folder: Path
) -> None:
    output = await called(folder, function, scope)

    assert (output.value, output.failed) == (expected, "")


@pytest.mark.parametrize(
    ("function", "scope", "expected"),
    [
        ("tools:greet", {"name": "ü", "times": 2}, "hello ü\nhello ü\n"),
        ("tools:Box.opened", {}, "open"),
        ("package.inner:f", {}, "inner"),
        ("tools:stdin", {}, ""),
    ],
)
async def test_text_comes_back_as_text(function: str, scope: dict[str, Any], expected: str, folder: Path) -> None:
    output = await called(folder, function, scope)

    assert (output.body.decode(), output.content_type, output.value) == (expected, "text/plain; charset=utf-8", MISSING)


async def test_bytes_come_back_as_bytes(folder: Path) -> None:
    output = await called(folder, "tools:raw")

    assert (output.body, output.content_type) == (b"\x89PNG\r\n\x1a\n...", "application/octet-stream")
    assert result_of(output, has_schema=False)["content"][0]["mimeType"] == "image/png"


async def test_the_file_may_say_the_arguments(folder: Path) -> None:
    arguments = {"a": "{{x}}", "b": "n={{x}}", "c": {"d": "{{none}}", "e": [1]}}

    assert (await called(folder, "tools:echo", {"x": 2}, arguments=arguments)).value == {
        "a": 2,
        "b": "n=2",
        "c": {"e": [1]},
    }
    with pytest.raises(RunError, match="none is needed"):
        await called(folder, "tools:echo", {}, arguments={"a": "n={{none}}"})


async def test_what_it_prints_is_told_and_never_in_the_answer(folder: Path) -> None:
    heard = Heard()
    with anyio.fail_after(PATIENCE):
        output = await run_python(Python(function="tools:talks"), {}, site(folder), heard)

    assert output.value == {"said": True}
    assert heard.lines
    assert heard.lines[-1] in {"talk", "raw talk", "child talk"}


async def test_it_runs_where_its_module_is_in_a_plain_environment(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOME_TOKEN", "hunter2")
    (folder / "deep").mkdir()
    (folder / "deep" / "deeper.py").write_text("import os\ndef where(): return os.getcwd()\n")
    env = {"A": "{{a}}", "B": "${NONE:-b}"}
    environ = (await called(folder, "tools:environ", {"a": "1"}, env=env, arguments={})).value

    there = (await called(folder, "deeper:where", path="deep")).body.decode()

    assert os.path.samefile(there, folder / "deep")  # noqa: ASYNC240
    assert (environ["A"], environ["B"], environ.get("SOME_TOKEN")) == ("1", "b", None)


async def test_an_exception_is_told_with_where_it_was_raised(folder: Path) -> None:
    output = await called(folder, "tools:fails", {"value": "x"})

    assert output.failed == "ValueError: no good: x"
    assert "in fails" in output.body.decode()
    assert "raise ValueError" in output.body.decode()
    assert "called.py" not in output.body.decode()


@pytest.mark.parametrize(
    ("function", "scope", "failed"),
    [
        ("tools:key", {}, "KeyError: 'gone'"),
        ("tools:greet", {}, "TypeError: greet() missing 1 required positional argument: 'name'"),
        ("tools:greet", {"name": "x", "more": 1}, "TypeError: greet() got an unexpected keyword argument 'more'"),
        ("tools:odd", {}, "it returned what is not JSON: Object of type set is not JSON serializable"),
        ("tools:now", {}, "it returned what is not JSON: Object of type datetime is not JSON serializable"),
        ("tools:nan", {}, "it returned what is not JSON"),
        ("broken:f", {}, "SyntaxError: "),
        ("lacks:f", {}, "ModuleNotFoundError: No module named 'no_such_library'"),
    ],
)
async def test_a_failure_is_one_line(function: str, scope: dict[str, Any], failed: str, folder: Path) -> None:
    output = await called(folder, function, scope)

    assert output.failed.startswith(failed)
    assert "\n" not in output.failed


@pytest.mark.parametrize(
    ("function", "more", "why"),
    [
        ("none:f", {}, "there is no module 'none'"),
        ("package.none:f", {}, "there is no module 'package.none'"),
        ("tools:none", {}, "there is no 'none' in module 'tools'"),
        ("tools:Box.none", {}, "there is no 'Box.none' in module 'tools'"),
        ("tools:number", {}, "'number' in module 'tools' is no function"),
        ("tools:echo", {"path": "none"}, "there is no folder 'none'"),
        ("tools:echo", {"path": "{{x}}"}, "`path` takes no placeholder"),
    ],
)
async def test_what_cannot_be_called_says_so(function: str, more: dict[str, Any], why: str, folder: Path) -> None:
    with pytest.raises(RunError, match=why):
        await called(folder, function, {"x": "y"}, **more)


@pytest.mark.parametrize("function", ["tools:half", "tools:halved"])
async def test_half_a_character_breaks_no_message(function: str, folder: Path) -> None:
    output = await called(folder, function)

    assert is_writable(result_of(output, has_schema=False))


@pytest.mark.parametrize("function", ["tools:much", "tools:much_json"])
async def test_more_than_is_read_is_cut(function: str, folder: Path) -> None:
    output = await called(folder, function, max_output="1MB")
    result = result_of(output, has_schema=False)

    assert output.is_cut
    assert 900_000 < len(output.body) < 1 << 20
    assert "more than is read" in result["content"][-1]["text"]


async def test_a_secret_that_it_returns_or_raises_is_hidden(folder: Path) -> None:
    (folder / "leaks.py").write_text(
        "import os\n"
        "def value(): return {'x': [os.environ['T']], os.environ['T']: 12345678}\n"
        "def text(): return os.environ['T']\n"
        "def error(): raise ValueError(os.environ['T'])\n"
    )
    place = site(folder, TOKEN='s3cr"t\\välue')
    with anyio.fail_after(PATIENCE):
        value, text, error = [
            await run_python(Python(function=f"leaks:{name}", env={"T": "${TOKEN}"}), {}, place)
            for name in ("value", "text", "error")
        ]

    assert value.value == {"x": ["***"], "***": 12345678}
    assert text.body == b"***"
    assert error.failed == "ValueError: ***"


async def test_it_is_the_same_python_with_nothing_of_ours_in_the_way(folder: Path) -> None:
    (folder / "sees.py").write_text(
        "import sys\ndef sees(): return [sys.executable, [p for p in sys.path if 'capabilities' in p]]\n"
    )

    assert (await called(folder, "sees:sees")).value == [sys.executable, []]
