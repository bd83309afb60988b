"""A start imports what it needs and no more; what a host asks for is understood as the shell would."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import typer
import typer.main
from hypothesis import given
from hypothesis import strategies as st

import magictunnel
from magictunnel.cli.app import app
from magictunnel.cli.hosted import Hosted, hosted
from magictunnel.cli.session import LOOPS
from magictunnel.telemetry import LEVELS
from tests.support.process import PATIENCE

NEVER = {"typer", "rich", "keyring", "numpy", "pydantic_monty"}
"""What a host that starts us has no use for."""

ARGS = st.lists(
    st.sampled_from(["serve", "--stdio", "--http", "-c", "--config", "--log-level", "debug", "a.json", "", "--"])
    | st.sampled_from(
        ["--config=a.json", "-ca.json", "--log-level=info", "--help", "-", "x y", "--nonsense", "0", "--loop", "uvloop"]
    ),
    max_size=6,
)


def imported(*args: str) -> tuple[set[str], str]:
    """The top-level modules that `python ARGS...` imports, and what it says on stdout."""
    environ = os.environ | {"PYTHONPROFILEIMPORTTIME": "1"}
    done = subprocess.run(
        [sys.executable, *args], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=PATIENCE, env=environ
    )
    assert done.returncode == 0, done.stderr.splitlines()[-1]
    names = re.findall(r"^import time: .*\| +(\S+)$", done.stderr, re.MULTILINE)
    return {name.partition(".")[0] for name in names}, done.stdout


def test_the_version_needs_nothing() -> None:
    modules, out = imported("-m", "magictunnel", "--version")

    assert out == f"magictunnel {magictunnel.__version__}\n"
    assert not modules & (NEVER | {"mcp", "pydantic", "ruamel", "anyio", "asyncio", "json", "logging", "email"})


def test_what_serves_a_host_waits_for_the_config_before_it_imports_the_rest() -> None:
    modules, _ = imported("-c", "import magictunnel.cli.hosted, magictunnel.cli.serving")

    assert not modules & (
        NEVER | {"mcp", "mcp_types", "httpx2", "uvicorn", "starlette", "watchfiles", "ruamel", "sqlite3"}
    )


def test_what_answers_a_host_at_once_needs_next_to_nothing() -> None:
    modules, _ = imported("-c", "import magictunnel.cli.hosted, magictunnel.front.first")

    assert not modules & (
        NEVER | {"mcp", "mcp_types", "pydantic", "pydantic_core", "anyio", "asyncio", "logging", "orjson", "sqlite3"}
    )


@pytest.mark.parametrize(
    ("file", "text", "reads_yaml"),
    [
        ("c.json", '{"mcpServers": {"off": {"command": "x", "disabled": true}}}', False),
        ("c.yaml", "mcpServers: {off: {command: x, enabled: false}}", True),
    ],
)
def test_a_host_is_served_without_a_shell(file: str, text: str, reads_yaml: bool, tmp_path: Path) -> None:
    config = tmp_path / file
    config.write_text(text, encoding="utf-8")
    modules, out = imported("-m", "magictunnel", "serve", "--stdio", "-c", str(config))

    assert out == ""
    assert not modules & NEVER
    assert ("ruamel" in modules) is reads_yaml


@pytest.mark.parametrize("command", ["serve", "search", "eval", "status", "list", "call", "check", "doctor"])
def test_the_help_of_a_command_does_not_open_a_gateway(command: str) -> None:
    modules, out = imported("-m", "magictunnel", command, "--help")

    assert "--config" in out
    assert not modules & {"mcp", "uvicorn", "sqlite3", "ruamel", "keyring", "numpy", "pydantic_monty"}


@pytest.mark.parametrize("args", [["--help"], ["status", "--help"], ["servers", "add", "--help"], ["show", "--help"]])
def test_what_talks_of_gateways_and_files_needs_no_protocol(args: list[str]) -> None:
    modules, _ = imported("-m", "magictunnel", *args)

    assert not modules & {"mcp", "mcp_types", "httpx2", "uvicorn", "starlette", "keyring"}


@given(ARGS)
def test_what_a_host_asks_for_is_what_the_shell_would_understand(rest: list[str]) -> None:
    wanted = hosted(["serve", *rest], {})
    if wanted is None:
        return
    context = typer.main.get_group(app).commands["serve"].make_context("serve", rest)

    assert context.params["stdio"]
    assert wanted == Hosted(context.params["config"], context.params["log_level"], context.params["loop"])


def test_the_usual_ways_to_start_us_need_no_shell() -> None:
    assert hosted(["serve", "--stdio"], {}) == Hosted(None, "info", "auto")
    assert hosted(["serve", "-c", "a b.json", "--stdio"], {}) == Hosted(Path("a b.json"), "info", "auto")
    assert hosted(["serve", "--stdio", "--log-level", "debug"], {}) == Hosted(None, "debug", "auto")
    assert hosted(["serve", "--loop", "asyncio", "--stdio"], {}) == Hosted(None, "info", "asyncio")


@pytest.mark.parametrize("loop", ["", *LOOPS])
def test_an_event_loop_in_the_environment_counts_for_both(loop: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAGICTUNNEL_LOOP", loop)
    context = typer.main.get_group(app).commands["serve"].make_context("serve", ["--stdio"])

    assert hosted(["serve", "--stdio"], os.environ) == Hosted(None, "info", context.params["loop"])


@pytest.mark.parametrize("level", ["", *LEVELS])
def test_a_log_level_in_the_environment_counts_for_both(level: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAGICTUNNEL_LOG_LEVEL", level)
    context = typer.main.get_group(app).commands["serve"].make_context("serve", ["--stdio"])

    assert hosted(["serve", "--stdio"], os.environ) == Hosted(None, context.params["log_level"], "auto")


@pytest.mark.parametrize("args", [[], ["serve"], ["list"], ["--version"], ["serve", "--stdio", "--http", "1:1"]])
def test_any_other_command_line_is_for_the_shell(args: list[str]) -> None:
    assert hosted(args, {}) is None
