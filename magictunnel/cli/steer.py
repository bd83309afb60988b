"""Which running gateways a command is about."""

from __future__ import annotations

import os
import shlex
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

import anyio

from magictunnel.admin.reach import Running, running
from magictunnel.catalog.model import Json, Kind
from magictunnel.cli.show import counted
from magictunnel.config.explain import did_you_mean
from magictunnel.config.find import OUR_NAME, find_config
from magictunnel.errors import ConfigError, StartFailure

T = TypeVar("T")


def config_in_use(path: Path | None) -> Path:
    """The config that `path`, the environment or the folder names. Raises ConfigError: nothing is named, or found."""
    return find_config(path, os.environ, Path.cwd())


def config_to_write(path: Path | None) -> Path:
    """The same; if nothing is named or found, the first place that is looked at."""
    try:
        return config_in_use(path)
    except ConfigError:
        return Path.cwd() / OUR_NAME


async def meant(path: Path | None, *, every: bool = False) -> list[Running]:
    """The gateways that run with the config that is meant; `every` one of this user, also where there is no config.

    Raises:
        ConfigError: there is none.
    """
    config: Path | None = None
    with suppress(ConfigError):
        config = None if every else config_in_use(path)
    gateways = await running(config)
    if gateways:
        return gateways
    if config is None:
        raise ConfigError("no gateway runs", hint="start one: magictunnel serve -c FILE")
    start = f"start one: magictunnel serve -c {shlex.quote(str(config))}"
    elsewhere = await running()
    hint = f"{start}; see those that run with other files: magictunnel status --all" if elsewhere else start
    raise ConfigError(f"no gateway runs with {config}", hint=hint)


async def serving(file: Path) -> list[Running]:
    """The gateways that run with `file` and can be reached."""
    try:
        return await running(file)
    except ConfigError:
        return []  # there is no way to reach any: they watch their files themselves


async def side_by_side(gateways: Sequence[Running], ask: Callable[[Running], Awaitable[T]]) -> list[T]:
    """What each answers, in their order; an error of one ends the others."""
    answers: dict[int, T] = {}

    async def one(number: int, gateway: Running) -> None:
        answers[number] = await ask(gateway)

    async with anyio.create_task_group() as tasks:
        for number, gateway in enumerate(gateways):
            tasks.start_soon(one, number, gateway)
    return [answers[number] for number in range(len(gateways))]


def called(gateway: Running) -> str:
    """A gateway in words, such as `gateway 4711 (http://127.0.0.1:8420/mcp)`."""
    return f"gateway {gateway.pid} ({gateway.serves})"


def no_such_server(name: str, known: list[str]) -> ConfigError:
    """Nobody has a server of that name."""
    hint = did_you_mean(name, known) if known else "there are none: magictunnel servers add NAME ..."
    return ConfigError(f"there is no server {name!r}", hint=hint)


def failure_of(facts: Json) -> StartFailure | None:
    """Why a server is down, by what its gateway tells of it; None if it is not."""
    if not facts.get("is_down"):
        return None
    last = facts.get("last_error") or {"phase": facts.get("phase", ""), "cause": "it is stopped", "hint": ""}
    return StartFailure(facts["server"], last["phase"], last["cause"], hint=last["hint"])


def offers_of(facts: Json) -> str:
    """How much of what a server offers, by what its gateway tells of it."""
    counts = facts.get("counts", {})
    return counted({kind: counts.get(kind.value, 0) for kind in Kind}) or "nothing"
