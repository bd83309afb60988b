"""Each server taken through its steps, and what to do about each that fails."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import anyio
from anyio.to_thread import run_sync
from rich.console import Console
from rich.text import Text

from magictunnel.admin.reach import Running
from magictunnel.backends.checkup import Checkup, Step, check_up
from magictunnel.capabilities.declared import declared
from magictunnel.catalog.model import Json
from magictunnel.cli.byhand import address, by_hand
from magictunnel.cli.declaring import read_through
from magictunnel.cli.diagnosis import Diagnosis
from magictunnel.cli.session import FAILED, load_config
from magictunnel.cli.show import is_terminal, progress, show_json, show_rows
from magictunnel.cli.steer import called, no_such_server, serving
from magictunnel.config.model import Config, Problem
from magictunnel.config.rules import is_needed, merge_rules, settings_of
from magictunnel.config.text import parse_text, read_text
from magictunnel.errors import ConfigError
from magictunnel.gateway import own_secrets
from magictunnel.secrets import Secrets
from magictunnel.store.place import store_path
from magictunnel.telemetry import start_logging
from magictunnel.wire.guard import Guard


async def examined(path: Path | None, server: str | None, *, as_json: bool) -> int:
    """Take each server, or only this one, through its steps, and say what was found. The exit code for that."""
    config = load_config(path)
    _ensure_known(server, config)
    ground = await _ground(config)
    with progress(f"looking at {server or f'{len(config.servers)} servers'}"):
        found = await _examined(ground, server)
    _show(ground, found, as_json)
    return 0 if all(one.is_ok for one in found) else FAILED


@dataclass(frozen=True, slots=True)
class _Ground:
    """What all servers have in common."""

    config: Config
    secrets: Secrets
    gateways: list[Running]
    store: Path | None

    @property
    def lines(self) -> list[tuple[str, str]]:
        config = self.config
        kept = f"{self.store}{'' if self.store.exists() else ' (not there yet)'}" if self.store else "off"
        files = [
            ("config", os.path.abspath(config.file)),
            *(("includes", included.file) for included in config.include),
        ]
        gateways = [("runs", called(gateway)) for gateway in self.gateways] or [("runs", "no gateway with this config")]
        return [*files, *gateways, ("store", kept)]

    @property
    def as_json(self) -> Json:
        gateways = [{"pid": one.pid, "since": one.since, "serves": one.serves} for one in self.gateways]
        store = str(self.store) if self.store else None
        return {"config": self.config.file, "files": list(self.config.files), "gateways": gateways, "store": store}


async def _ground(config: Config) -> _Ground:
    secrets = own_secrets()
    start_logging("error", secrets.mask)
    return _Ground(config, secrets, await serving(Path(config.file)), store_path(config, os.environ))


def _ensure_known(server: str | None, config: Config) -> None:
    wrong = (problem.server for problem in config.problems if problem.server)
    known = [*config.servers, *declared(config).files, *wrong]
    if server is not None and server not in known:
        raise no_such_server(server, known)


# --- looking


async def _examined(ground: _Ground, only: str | None) -> list[Diagnosis]:
    """All servers side by side, in their order, then capability files; what is wrong in the config comes last."""
    config = ground.config
    names = [name for name in config.servers if only in (None, name)]
    found: dict[str, Diagnosis] = {}

    async def examine(name: str, guard: Guard) -> None:
        found[name] = await _diagnosed(ground, name, guard)

    with Guard() as guard:
        async with anyio.create_task_group() as tasks:
            for name in names:
                if only or is_needed(config.servers[name], config):
                    tasks.start_soon(examine, name, guard)
                else:
                    found[name] = Diagnosis(
                        name, None, skipped=f"it is switched off (magictunnel servers enable {name})"
                    )
    files = [(name, one.path) for name, one in declared(config).files.items() if only in (None, name)]
    read = [await run_sync(read_through, name, path, ground.secrets) for name, path in files]
    wrong = [_wrong(problem) for problem in config.problems if only in (None, problem.server)]
    return [*(found[name] for name in names), *read, *wrong]


async def _diagnosed(ground: _Ground, name: str, guard: Guard) -> Diagnosis:
    config, secrets = ground.config, ground.secrets
    server = config.servers[name]
    within = settings_of(config, name).start_timeout
    checkup = await check_up(name, server, secrets, merge_rules(config), guard, within)
    failure = checkup.failure
    if failure is None:
        return Diagnosis(name, checkup, address(server, secrets))
    todo = tuple(secrets.mask(line) for line in _todo(ground, name, checkup, failure.hint))
    return Diagnosis(name, checkup, address(server, secrets), error=failure.cause, next=todo)


def _wrong(problem: Problem) -> Diagnosis:
    place = f"edit {problem.file}:{problem.line}" if problem.line else f"edit {problem.file}"
    todo = tuple(part for part in (problem.hint, place) if part)
    return Diagnosis(problem.server or problem.file, None, error=problem.message, next=todo)


# --- what to do


def _todo(ground: _Ground, name: str, checkup: Checkup, hint: str) -> list[str]:
    """The remedy, and the exact place or command for it."""
    server = ground.config.servers[name]
    todo = [hint] if hint else []
    if checkup.failed is Step.SPAWN and server.url and ground.gateways:
        todo.append(f"what listens there may be its own: magictunnel status {name}")
    if checkup.failed not in (Step.RESOLVE, Step.SPAWN):
        todo.append(f"by hand: {by_hand(server, ground.secrets)}")
    if checkup.failed in (Step.RESOLVE, Step.SPAWN, Step.REACH):
        todo.append(f"edit {_place(ground.config, name)}")
    return todo


def _place(config: Config, name: str) -> str:
    """File and line of a server's entry."""
    file = config.file_of(name)
    try:
        document = parse_text(read_text(Path(file)), file)
    except ConfigError:
        return file
    lines = [document.line_of((key, name)) for key in ("mcpServers", "servers") if (key, name) in document.lines]
    return f"{file}:{lines[0]}" if lines else file


# --- telling


def _show(ground: _Ground, found: list[Diagnosis], as_json: bool) -> None:
    if as_json:
        show_json(ground.as_json | {"servers": [one.as_json for one in found]})
        return
    if not is_terminal():
        rows = [("", name, "", "", value) for name, value in ground.lines]
        show_rows((), [*rows, *(row for one in found for row in one.rows)])
        return
    console = Console(highlight=False)
    for name, value in ground.lines:
        console.print(Text(f"{name:<9}{value}"))
    for one in found:
        console.print()
        console.print(*one.shown, sep="\n")
