"""A changed config brought to where it is served, or tried in a gateway of our own; taken back if it is no good."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import anyio

from magictunnel.admin.facts import server_facts
from magictunnel.admin.reach import Running
from magictunnel.catalog.model import Json
from magictunnel.cli.change import Change
from magictunnel.cli.session import FAILED, SHELL
from magictunnel.cli.show import progress, say, show_json, show_text
from magictunnel.cli.steer import called, failure_of, offers_of, serving, side_by_side
from magictunnel.config.model import Config
from magictunnel.config.rules import is_needed
from magictunnel.errors import ConfigError, StartFailure
from magictunnel.telemetry import start_logging
from magictunnel.wire.audience import Audience

_LAST_WORDS = 5.0
"""Seconds to have gateways go by the old file again, when we are told to end."""


class Done(StrEnum):
    """What was done to a server in a config."""

    ADDED = "added"
    ENABLED = "enabled"
    DISABLED = "disabled"
    REMOVED = "removed"


_TOLD = {
    Done.ADDED: ("to", "served by"),
    Done.ENABLED: ("in", "served by"),
    Done.DISABLED: ("in", "let go by"),
    Done.REMOVED: ("from", "let go by"),
}


@dataclass(frozen=True, slots=True)
class Trial:
    """What came of it for one server."""

    gateway: Running | None
    """Where; None: in a gateway of our own, since none runs."""
    facts: Json
    """See `server_facts`; empty if it is not to run."""


async def brought_up(change: Change, name: str, done: Done, *, keep: bool, as_json: bool) -> int:
    """Write the change and see what comes of it; if the server does not come up, the file is as it was."""
    if change.is_nothing:
        return _nothing_to_do(name, done)
    change.write()
    try:
        with progress(f"starting {name}"):
            trials = await _tried(change.file, change.config, name)
        failures = [failure for trial in trials if (failure := failure_of(trial.facts))]
        if failures and not keep:
            raise failures[0]
    except StartFailure as why:
        say(f"error: {why}", "red")
        say(f"note: {await _taken_back(change)}; --keep leaves it there all the same", "dim")
        return FAILED
    except BaseException:
        with anyio.move_on_after(_LAST_WORDS, shield=True):
            say(f"note: {await _taken_back(change)}", "dim")
        raise
    for failure in failures:
        say(f"warning: {failure}", "yellow")
    _tell(change, name, done, trials, as_json)
    return 0


async def _taken_back(change: Change) -> str:
    """Have the file as it was, and all who serve it go by that; what has become of it."""
    try:
        change.take_back()
    except ConfigError as error:
        return f"{change.file} is left as it is: {error.message}"
    _, refusals = await reloaded(change.file)
    for refusal in refusals:
        say(f"note: {refusal}", "yellow")
    return f"{change.file} is {'as it was' if change.before is not None else 'gone again'}"


async def let_go(change: Change, name: str, done: Done, *, as_json: bool) -> int:
    """Write the change, and have every gateway that serves the file let go of the server."""
    if change.is_nothing:
        return _nothing_to_do(name, done)
    change.write()
    gateways, refusals = await reloaded(change.file)
    for refusal in refusals:
        say(f"warning: {refusal}", "yellow")
    _tell(change, name, done, [Trial(gateway, {}) for gateway in gateways], as_json)
    return FAILED if refusals else 0


def _nothing_to_do(name: str, done: Done) -> int:
    show_text(f"{name} is {done.value} already")
    return 0


def _tell(change: Change, name: str, done: Done, trials: Sequence[Trial], as_json: bool) -> None:
    gateways = [trial.gateway for trial in trials if trial.gateway]
    facts = trials[0].facts if trials else {}
    if as_json:
        pids = [{"pid": gateway.pid, "serves": gateway.serves} for gateway in gateways]
        show_json({"server": name, "done": done, "file": str(change.file), "gateways": pids, "status": facts or None})
        return
    file = str(change.file)
    preposition, by_whom = _TOLD[done]
    offers = f": {'down for now' if facts['is_down'] else offers_of(facts)}" if facts else ""
    where = f"{by_whom} {', '.join(map(called, gateways))}" if gateways else "no gateway runs with it"
    start = f" (magictunnel serve -c {shlex.quote(file)})" if facts and not gateways else ""
    show_text(f"{done.value} {name} {preposition} {file}{offers}; {where}{start}")


# --- wherever it is served


async def _tried(file: Path, config: Config, name: str) -> list[Trial]:
    """How the server `name` of `file`, which says `config` now, fares wherever that is served.

    Raises:
        ConfigError: a gateway refused, or has ended meanwhile.
    """

    async def ask(gateway: Running) -> Trial:
        return Trial(gateway, (await gateway.ask("reload", server=name)).get("status", {}))

    trials = await side_by_side(await serving(file), ask)
    return trials or [Trial(None, await _tried_alone(config, name))]


async def _tried_alone(config: Config, name: str) -> Json:
    if not is_needed(config.servers[name], config):
        return {}
    from magictunnel.gateway import build, own_secrets, running  # most commands about servers open none

    alone = config.model_copy(update={"servers": {name: config.servers[name]}, "include": (), "problems": ()})
    secrets = own_secrets()
    start_logging("error", secrets.mask)
    async with running(build(alone, secrets=secrets, audience=Audience([SHELL]))) as gateway:
        status = await gateway.tried(name)
        return server_facts(name, status, gateway.stats[name])


async def reloaded(file: Path) -> tuple[list[Running], list[str]]:
    """Have every gateway that serves `file` go by it: those that do, and a line for each that does not."""
    refusals: list[str] = []

    async def ask(gateway: Running) -> Running | None:
        try:
            await gateway.ask("reload")
        except ConfigError as error:
            refusals.append(f"gateway {gateway.pid}: {error}")
            return None
        return gateway

    done = await side_by_side(await serving(file), ask)
    return [gateway for gateway in done if gateway], refusals
