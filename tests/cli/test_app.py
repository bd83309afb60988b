"""The root command."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest
from typer.testing import CliRunner

from magictunnel.cli.app import app
from tests.support.process import ran

COMMANDS = ("serve", "list", "inspect", "call", "read", "prompt", "check", "servers", "status", "doctor")


def test_help_names_every_command_and_the_exit_codes() -> None:
    result = CliRunner().invoke(app, ["--help"])

    assert result.exit_code == 0
    assert all(f" {command} " in result.stdout for command in COMMANDS)
    assert "Exit codes" in result.stdout


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(command: str) -> None:
    result = CliRunner().invoke(app, [command, "--help"])

    assert result.exit_code == 0
    assert "--config" in result.stdout


def test_without_a_command_it_shows_how_it_is_used() -> None:
    result = CliRunner().invoke(app, [])

    assert "serve" in result.output
    assert "Usage" in result.output


@pytest.mark.parametrize("args", [["serv"], ["list", "--jsn"], ["call"]])
def test_what_it_does_not_know_is_refused_with_code_2(args: list[str]) -> None:
    result = CliRunner().invoke(app, args)

    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr


@pytest.mark.anyio
async def test_as_a_process_it_says_its_version() -> None:
    done = await ran("--version")

    assert (done.code, done.out, done.err) == (0, f"magictunnel {version('magictunnel')}\n", "")


def test_a_reader_that_has_had_enough_is_no_error() -> None:
    """`magictunnel list | head -1`."""
    config = Path(__file__).parents[2] / "magictunnel-config.yaml"
    pipe = f"'{sys.executable}' -m magictunnel list -c '{config}' | head -c 1"
    done = subprocess.run(["/bin/sh", "-c", pipe], capture_output=True, text=True, timeout=30, check=False)

    assert (done.stdout, done.stderr) == ("n", "")
