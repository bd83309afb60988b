"""A command gets exactly the arguments the file says, in a plain environment; its answer, or its reason, comes back."""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from magictunnel.capabilities.base import DEFAULT_MAX_OUTPUT
from magictunnel.capabilities.language.expression import as_text
from magictunnel.capabilities.language.model import Command
from magictunnel.capabilities.processes.command import arguments, faults, planned, run_command
from magictunnel.capabilities.processes.process import TAIL
from magictunnel.errors import RunError
from tests.capabilities.running import PATIENCE, Heard, python, ran, site

pytestmark = pytest.mark.anyio

SAYS_ARGV = "import json, sys; print(json.dumps(sys.argv[1:]))"
SAYS_ENVIRON = "import json, os; print(json.dumps(dict(os.environ)))"
SAYS_STDIN = "import sys; sys.stdout.buffer.write(sys.stdin.buffer.read())"
TEXTS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))


@pytest.mark.parametrize(
    ("argv", "scope", "expected"),
    [
        (["p", "{{a}}"], {"a": "x y"}, ["p", "x y"]),
        (["p", "--a={{a}}"], {"a": "x; rm -rf /"}, ["p", "--a=x; rm -rf /"]),
        (["p", "{{a}}", "z"], {}, ["p", "z"]),
        (["p", "{{a}}", "z"], {"a": None}, ["p", "z"]),
        (["p", "{{a}}"], {"a": ["x", 1, True]}, ["p", "x", "1", "true"]),
        (["p", "{{a}}"], {"a": []}, ["p"]),
        (["p", "{{a}}"], {"a": {"b": [1, "ü"]}}, ["p", '{"b":[1,"ü"]}']),
        (["p", "{{a}}"], {"a": ""}, ["p", ""]),
        (["p", "{{a}}", "{{b}}"], {"a": 1.5, "b": False}, ["p", "1.5", "false"]),
        (["p", ["--name", "{{a}}"]], {"a": "x"}, ["p", "--name", "x"]),
        (["p", ["--name", "{{a}}"], "z"], {}, ["p", "z"]),
        (["p", ["--name", "{{a}}"], "z"], {"a": None}, ["p", "z"]),
        (["p", ["--name={{a}}", "y"], "z"], {}, ["p", "z"]),
        (["p", ["--tag", "{{a}}"], "z"], {"a": []}, ["p", "z"]),
        (["p", ["--tag", "{{a}}"]], {"a": ["x", "y"]}, ["p", "--tag", "x", "y"]),
        (["p", 3, 2.5, True], {}, ["p", "3", "2.5", "true"]),
        (["p", "{{a}}"], {"a": "{{b}} ${HOME}", "b": "no"}, ["p", "{{b}} ${HOME}"]),
    ],
)
def test_a_command_line_is_made_of_whole_arguments(argv: list[Any], scope: dict[str, Any], expected: list[str]) -> None:
    assert arguments(argv, scope) == expected


@given(TEXTS, TEXTS)
def test_whatever_a_value_is_it_is_one_argument(value: str, other: str) -> None:
    made = arguments(["p", "{{a}}", "--b={{b}}", ["-c", "{{a}}"]], {"a": value, "b": other})

    assert made == ["p", value, f"--b={other}", "-c", value]


@given(st.lists(st.one_of(TEXTS, st.integers(), st.booleans(), st.dictionaries(TEXTS, st.integers(), max_size=2))))
def test_a_list_is_as_many_arguments(values: list[Any]) -> None:
    assert arguments(["p", "{{a}}"], {"a": values}) == ["p", *map(as_text, values)]


@pytest.mark.parametrize(
    ("argv", "scope", "why"),
    [
        (["p", "--a={{a}}"], {}, "a is needed"),
        (["p", "{{a}}"], {"a": "x\0y"}, "NUL"),
        (["p", "{{a}}"], {"a": ["x", "y\0"]}, "NUL"),
        (["p", "{{a}}"], {"a": "\ud800"}, "half a character"),
    ],
)
def test_what_cannot_be_an_argument_is_told(argv: list[Any], scope: dict[str, Any], why: str) -> None:
    with pytest.raises(RunError, match=why):
        arguments(argv, scope)


@pytest.mark.parametrize(
    ("declared", "why"),
    [
        ({"argv": ["{{program}}"]}, "program is what the file says"),
        ({"argv": ["./{{program}}"]}, "program is what the file says"),
        ({"argv": [["ls"]]}, "name of a program"),
        ({"argv": ["ls"], "cwd": "{{folder}}"}, "cwd"),
        ({"argv": ["ls"], "env": {"A=B": "x"}}, "no name of a variable"),
    ],
)
async def test_arguments_never_choose_what_runs_nor_where(declared: dict[str, Any], why: str, tmp_path: Path) -> None:
    command = Command.model_validate(declared)
    scope = {"program": "/bin/ls", "folder": "/"}

    assert any(why in fault for fault in faults(command))
    with pytest.raises(RunError, match=why):
        await run_command(command, scope, site(tmp_path))


async def test_nothing_runs_when_something_is_missing(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="name is needed"):
        await ran(tmp_path, ["touch", "ran", "{{name}}.txt"])

    assert os.listdir(tmp_path) == []


async def test_the_process_gets_the_very_arguments(tmp_path: Path) -> None:
    odd = [
        "--help",
        "-rf",
        "a b",
        "a\nb",
        "'\"`",
        "$(touch x)",
        "; touch x",
        "| x",
        "&",
        "*",
        "~",
        "",
        "ü\u2028",
        "%PATH%",
    ]
    with anyio.fail_after(PATIENCE):
        output = await ran(tmp_path, python(SAYS_ARGV, "{{odd}}", "=", "x={{one}}"), {"odd": odd, "one": "$(id) 'a'"})

    assert json.loads(output.body) == [*odd, "=", "x=$(id) 'a'"]
    assert os.listdir(tmp_path) == []


async def test_the_environment_is_plain_and_what_the_file_adds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_TOKEN", "hunter2hunter2")
    monkeypatch.setenv("LC_TIME", "C")
    env = {"ADDED": "a{{x}}", "COUNT": "{{n}}", "GONE": "{{none}}", "TZ": "{{none}}", "FIX": 3}
    with anyio.fail_after(PATIENCE):
        output = await ran(tmp_path, python(SAYS_ENVIRON), {"x": "=1", "n": 2}, env=env)
    found = json.loads(output.body)

    assert {
        "ADDED": "a=1",
        "COUNT": "2",
        "FIX": "3",
        "LC_TIME": "C",
        "PATH": os.environ["PATH"],
    }.items() <= found.items()
    assert not {"GONE", "TZ", "SOME_TOKEN", "MAGICTUNNEL_STORE"} & set(found)


def test_references_are_those_of_the_file_alone(tmp_path: Path) -> None:
    command = Command.model_validate(
        {"argv": ["p"], "env": {"A": "${TOKEN}/{{x}}", "B": "{{x}}", "C": "${BRACES}{{y}}", "D": "${NONE:-none}"}}
    )
    place = site(tmp_path, TOKEN="s3cret-value", BRACES="{{x}}", OTHER="never")
    env = planned(command, {"x": "${OTHER}", "y": "!"}, place).env

    assert [env[name] for name in "ABCD"] == ["s3cret-value/${OTHER}", "${OTHER}", "{{x}}!", "none"]


async def test_a_reference_without_a_value_is_told_and_nothing_runs(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="NO_SUCH_TOKEN"):
        await ran(tmp_path, ["touch", "ran"], env={"A": "${NO_SUCH_TOKEN}"})

    assert os.listdir(tmp_path) == []


async def test_a_secret_that_the_process_writes_is_hidden(tmp_path: Path) -> None:
    place = site(tmp_path, TOKEN="s3cret-value")
    code = "import os, sys; t = os.environ['T']; print(t); sys.stderr.write('bad ' + t); sys.exit(len(sys.argv) - 1)"
    heard = Heard()
    with anyio.fail_after(PATIENCE):
        well, badly = [
            await run_command(
                Command.model_validate({"argv": python(code, *more), "env": {"T": "${TOKEN}"}, "progress": True}),
                {},
                place,
                heard,
            )
            for more in ((), ("x",))
        ]

    assert (well.body, badly.body) == (b"***\n", b"bad ***")
    assert heard.lines == ["***", "***"]


async def test_it_runs_in_the_folder_of_the_file_or_below(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    code = "import os; print(os.getcwd())"
    with anyio.fail_after(PATIENCE):
        here, there = [(await ran(tmp_path, python(code), cwd=cwd)).body.decode().strip() for cwd in (None, "deep")]

    assert os.path.samefile(here, tmp_path)  # noqa: ASYNC240
    assert os.path.samefile(there, tmp_path / "deep")  # noqa: ASYNC240


@pytest.mark.parametrize(
    ("template", "scope", "written"),
    [
        (None, {}, ""),
        ("{{text}}", {"text": "käse\n"}, "käse\n"),
        ("{{text}}", {}, ""),
        ("a {{text}}", {"text": "b"}, "a b"),
        ({"q": "{{q}}", "n": "{{n}}"}, {"q": [1, "x"], "n": None}, '{"q":[1,"x"],"n":null}'),
        ("{{q}}", {"q": {"a": 1}}, '{"a":1}'),
    ],
)
async def test_stdin_is_text_or_json(template: Any, scope: dict[str, Any], written: str, tmp_path: Path) -> None:
    with anyio.fail_after(PATIENCE):
        output = await ran(tmp_path, python(SAYS_STDIN), scope, stdin=template)

    assert output.body.decode() == written


async def test_a_megabyte_through_stdin_comes_back(tmp_path: Path) -> None:
    text = "0123456789" * 300_000
    with anyio.fail_after(PATIENCE):
        output = await ran(tmp_path, python(SAYS_STDIN), {"text": text}, stdin="{{text}}")

    assert output.body == text.encode()


async def test_one_that_does_not_read_its_stdin_is_no_failure(tmp_path: Path) -> None:
    with anyio.fail_after(PATIENCE):
        output = await ran(tmp_path, python("print('done')"), {"text": "x" * 3_000_000}, stdin="{{text}}")

    assert (output.body, output.failed) == (b"done\n", "")


async def test_its_content_type_is_what_the_file_says(tmp_path: Path) -> None:
    with anyio.fail_after(PATIENCE):
        output = await ran(tmp_path, python("print('<a/>')"), content_type="application/xml")

    assert output.content_type == "application/xml"


@pytest.mark.parametrize(
    ("code", "failed", "reason"),
    [
        ("import sys; print('out'); print('why', file=sys.stderr); sys.exit(3)", "exited with 3", b"why"),
        ("import sys; print('out'); sys.exit(1)", "exited with 1", b"out"),
        ("import os; os.kill(os.getpid(), 9)", "was ended by SIGKILL", b""),
        ("import sys; print('warning', file=sys.stderr)", "", b""),
    ],
)
async def test_how_it_failed_and_why_is_told(code: str, failed: str, reason: bytes, tmp_path: Path) -> None:
    with anyio.fail_after(PATIENCE):
        output = await ran(tmp_path, python(code))

    assert (output.failed, output.body) == (failed, reason)


async def test_of_a_long_reason_the_end_is_told_in_whole_lines(tmp_path: Path) -> None:
    code = "import sys\nfor n in range(100_000): print('line', n, file=sys.stderr)\nsys.exit(1)"
    with anyio.fail_after(PATIENCE):
        output = await ran(tmp_path, python(code))
    lines = output.body.decode().splitlines()

    assert len(output.body) <= TAIL
    assert lines[-1] == "line 99999"
    assert all(line.startswith("line ") for line in lines)


@pytest.mark.parametrize(
    ("argv", "more", "why"),
    [
        (["no-such-program-here"], {}, "'no-such-program-here' cannot be run: there is no such program"),
        (["./none.sh"], {}, "there is no such program"),
        (["./plain.txt"], {}, "not executable"),
        (["./odd"], {}, "first line .* names is not there"),
        (["ls"], {"cwd": "none"}, "there is no folder 'none'"),
        (["ls", "x" * 3_000_000], {}, "arguments are longer"),
        (["ls", "x" * 200_000], {}, "arguments are longer"),
        (["./empty"], {}, "no program of this system"),
    ],
    ids=[
        "no program",
        "no file",
        "not executable",
        "no interpreter",
        "no folder",
        "long",
        "one long",
        "no program file",
    ],
)
async def test_what_cannot_be_started_says_so_in_one_line(
    argv: list[str], more: dict[str, Any], why: str, tmp_path: Path
) -> None:
    (tmp_path / "plain.txt").write_text("x")
    (tmp_path / "odd").write_text("#!/no/such/interpreter\n")
    (tmp_path / "odd").chmod(0o755)
    (tmp_path / "empty").touch(0o755)
    with anyio.fail_after(PATIENCE), pytest.raises(RunError, match=why) as caught:
        await ran(tmp_path, argv, **more)

    assert "\n" not in str(caught.value)


async def test_a_program_of_the_files_own_folder_runs(tmp_path: Path) -> None:
    (tmp_path / "tool.py").write_text(f"#!{sys.executable} -S\nprint('mine')\n")
    (tmp_path / "tool.py").chmod(0o755)
    with anyio.fail_after(PATIENCE):
        assert (await ran(tmp_path, ["./tool.py"])).body == b"mine\n"


async def test_lines_are_told_while_it_runs(tmp_path: Path) -> None:
    code = "import sys\nprint('first', flush=True)\nsys.stdin.read()\nopen('told').read()\nprint('last')"
    fifo = tmp_path / "told"
    os.mkfifo(fifo)
    heard: list[str] = []

    async def tell(line: str) -> None:
        heard.append(line)
        if line == "first":  # it goes on only then
            await anyio.to_thread.run_sync(lambda: fifo.write_text("go on"))

    command = Command.model_validate({"argv": python(code), "progress": True})
    with anyio.fail_after(PATIENCE):
        output = await run_command(command, {}, site(tmp_path), tell)

    assert heard == ["first", "last"]
    assert output.body == b"first\nlast\n"


async def test_progress_is_bounded_in_rate_and_length_and_the_last_line_is_told(tmp_path: Path) -> None:
    code = "for n in range(200_000): print('line', n)\nprint('y' * 3_000_000)\nprint('50%\\r100%', end='')\nprint()"
    heard = Heard()
    began = time.monotonic()
    command = Command.model_validate({"argv": python(code), "progress": True})
    with anyio.fail_after(PATIENCE):
        await run_command(command, {}, site(tmp_path), heard)
    lasted = time.monotonic() - began

    assert heard.lines[-1] == "100%"
    assert max(map(len, heard.lines)) <= 500
    assert len(heard.lines) <= lasted * 20 + 2


async def test_without_progress_nothing_is_told(tmp_path: Path) -> None:
    heard = Heard()
    with anyio.fail_after(PATIENCE):
        await run_command(Command.model_validate({"argv": python("print(1)")}), {}, site(tmp_path), heard)

    assert heard.lines == []


async def test_what_it_leaves_behind_does_not_hold_up_the_answer(tmp_path: Path) -> None:
    with anyio.fail_after(PATIENCE):
        output = await ran(tmp_path, ["/bin/sh", "-c", "sleep 600 & echo done"])

    assert (output.body, output.failed) == (b"done\n", "")


async def test_one_that_closes_its_streams_and_goes_on_is_waited_for(tmp_path: Path) -> None:
    code = "import os, pathlib, time; os.close(1); os.close(2); time.sleep(0.2); pathlib.Path('done').touch()"
    with anyio.fail_after(PATIENCE):
        await ran(tmp_path, python(code))

    assert os.listdir(tmp_path) == ["done"]


def test_what_is_read_is_bounded_if_the_file_says_nothing(tmp_path: Path) -> None:
    assert planned(Command(argv=("p",)), {}, site(tmp_path)).max_output == DEFAULT_MAX_OUTPUT
