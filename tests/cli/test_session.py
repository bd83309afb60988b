"""How a command begins and how it ends."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path

import anyio
import pytest
import typer

from magictunnel.backends.states import State
from magictunnel.catalog.model import Kind
from magictunnel.cli.session import load_config, opened, run
from magictunnel.errors import ConfigError, UnknownEntry
from tests.support.process import config_file, entry, shell
from tests.support.raw import Script, tool

ECHO = Script(name="good", offers={"tools": [tool("echo")]})


def code_of(main: Callable[[], Awaitable[int]]) -> int:
    with pytest.raises(typer.Exit) as caught:
        run(main)
    return caught.value.exit_code


@pytest.mark.parametrize("code", [0, 1])
def test_a_command_ends_with_the_code_it_returns(code: int, capsys: pytest.CaptureFixture[str]) -> None:
    async def main() -> int:
        return code

    assert code_of(main) == code
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("deep", [False, True], ids=["as it is", "out of a task group"])
def test_an_error_of_ours_is_one_line_on_stderr_and_code_2(deep: bool, capsys: pytest.CaptureFixture[str]) -> None:
    async def fail() -> None:
        raise ConfigError("no [such] key", file="a.yaml", line=7, hint="drop it")

    async def main() -> int:
        if not deep:
            await fail()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(fail)
        return 0

    assert code_of(main) == 2
    assert capsys.readouterr() == ("", "error: a.yaml:7: no [such] key (drop it)\n")


def test_many_errors_are_a_line_each(capsys: pytest.CaptureFixture[str]) -> None:
    async def main() -> int:
        raise ExceptionGroup("", [ConfigError("one"), ExceptionGroup("", [UnknownEntry("tool", "two")])])

    assert code_of(main) == 2
    assert capsys.readouterr().err == "error: one\nerror: Unknown tool: two\n"


def test_a_defect_is_not_made_to_look_like_a_users_mistake() -> None:
    async def main() -> int:
        raise LookupError("a defect")

    with pytest.RaisesGroup(LookupError, allow_unwrapped=True):
        run(main)


def test_ctrl_c_ends_with_its_own_code() -> None:
    async def main() -> int:
        raise KeyboardInterrupt

    assert code_of(main) == 130


def test_the_config_is_the_one_that_is_named_or_the_environments(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    named = config_file(tmp_path, {"a": {"command": "x"}})

    assert list(load_config(named).servers) == ["a"]
    with pytest.raises(ConfigError, match="no config file found"):
        load_config(None)
    monkeypatch.setenv("MAGICTUNNEL_CONFIG", str(named))
    assert list(load_config(None).servers) == ["a"]


def test_what_is_wrong_with_an_entry_is_said_and_the_others_are_opened(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = config_file(tmp_path, {"bad": {"commnd": "x"}, "good": entry(ECHO, tmp_path)})

    async def main() -> list[str]:
        with anyio.fail_after(10):
            async with opened(path) as gateway:
                return list(gateway.live.current.of(Kind.TOOL))

    assert anyio.run(main) == ["good__echo"]
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("skipped: ")
    assert "server 'bad'" in err
    assert len(err.splitlines()) == 1


def test_a_gateway_is_opened_when_every_server_is_up_or_has_failed(tmp_path: Path) -> None:
    slow = Script(name="slow", offers={"tools": [tool("echo")]}, delay_on={"tools/list": 0.3})
    path = config_file(tmp_path, {"slow": entry(slow, tmp_path), "bad": shell("exit 1")}, start_wait="1ms")

    async def main() -> list[State]:
        with anyio.fail_after(10):
            async with opened(path) as gateway:
                return [status.state for status in gateway.status.values()]

    assert anyio.run(main) == [State.READY, State.BACKING_OFF]
