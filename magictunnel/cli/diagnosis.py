"""What was found of one server, step by step, as lines for a person, as cells for a pipe, and as JSON. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from magictunnel.backends.checkup import Checkup, Dialect, Step
from magictunnel.catalog.model import Json
from magictunnel.cli.byhand import Address
from magictunnel.cli.show import counted
from magictunnel.cli.times import quick
from magictunnel.telemetry import printable

STDERR_LINES = 5
"""Of the first lines of a server's stderr that are shown."""
_STYLES = {"ok": "green", "failed": "red", "skipped": "dim"}


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """One server: what was found, and what to do."""

    server: str
    checkup: Checkup | None
    """None: it was not tried."""
    address: Address | None = None
    error: str = ""
    """Why it failed, in one line."""
    next: tuple[str, ...] = ()
    """What to do about it: commands, and edits."""
    skipped: str = ""
    """Why it was not tried, if that is no failure."""
    read: tuple[tuple[str, str, str], ...] = ()
    """Of what is only read: each step, how it went, and what was found."""

    @property
    def is_ok(self) -> bool:
        return not self.error

    @property
    def verdict(self) -> str:
        return "skipped" if self.skipped else "ok" if self.is_ok else "failed"

    @property
    def steps(self) -> list[tuple[str, str, float | None, str]]:
        """Each step: its name, how it went (`ok`, `failed`, `skipped`), its seconds, and what was found."""
        if self.checkup is None:
            return [(step, outcome, None, found) for step, outcome, found in self.read]
        return [self._step(self.checkup, step) for step in self.checkup.steps]

    def _step(self, checkup: Checkup, step: Step) -> tuple[str, str, float | None, str]:
        took = checkup.took.get(step)
        if step is checkup.failed:
            return step.value, "failed", took, self.error
        return step.value, "skipped" if took is None else "ok", took, "" if took is None else self._found(step)

    def _found(self, step: Step) -> str:
        checkup, address = self.checkup, self.address
        if checkup is None or address is None:
            return ""
        found = {
            Step.RESOLVE: address.command or address.url,
            Step.REACH: address.url,
            Step.OPEN: _spoken(checkup.dialect) if checkup.dialect else "",
            Step.LIST: counted(checkup.counts) or "nothing",
            Step.CALL: checkup.called,
        }
        return found.get(step, "")

    @property
    def facts(self) -> list[tuple[str, str]]:
        """What else is known: its folder, its environment, the first lines of its stderr."""
        facts: list[tuple[str, str]] = []
        if self.address and self.address.command:
            env = dict(self.address.env)
            facts += [("cwd", self.address.cwd), ("PATH", env.pop("PATH", ""))]
            facts.append(("env", " ".join(f"{name}={value}" for name, value in env.items())))
        if self.checkup:
            facts += [("stderr", line) for line in self.checkup.stderr[:STDERR_LINES]]
        return facts

    @property
    def rows(self) -> Iterator[tuple[str, ...]]:
        """For a pipe: server, step or fact, how it went, its seconds, what was found."""
        if not self.steps:
            yield self.server, "config", self.verdict, "", self.error or self.skipped
        for step, outcome, took, found in self.steps:
            yield self.server, step, outcome, "" if took is None else f"{took:.3f}", found
        for name, value in self.facts:
            yield self.server, name, "", "", value
        for todo in self.next:
            yield self.server, "next", "", "", todo

    @property
    def shown(self) -> Iterator[RenderableType]:
        """For a person."""
        yield Text.assemble((printable(self.server, keep=""), "bold"), ": ", (self.verdict, _STYLES[self.verdict]))
        steps = self.steps or [("config", self.verdict, None, self.error or self.skipped)]
        table = Table.grid(padding=(0, 2, 0, 0))
        for step, outcome, took, found in steps:
            table.add_row("", step, Text(outcome, _STYLES[outcome]), "" if took is None else quick(took), _plain(found))
        yield table
        table = Table.grid(padding=(0, 2, 0, 0))
        for name, value in self.facts:
            table.add_row("", name, _plain(value, "dim"))
        for todo in self.next:
            table.add_row("", "next", _plain(todo, "yellow"))
        yield table

    @property
    def as_json(self) -> Json:
        checkup, address = self.checkup, self.address
        named = ("step", "outcome", "seconds", "found")
        steps = [(step, how, took and round(took, 3), found) for step, how, took, found in self.steps]
        dialect = checkup.dialect if checkup else None
        return {
            "server": self.server,
            "verdict": self.verdict,
            "error": self.error or self.skipped or None,
            "steps": [dict(zip(named, step, strict=True)) for step in steps],
            "command": (address and address.command) or None,
            "cwd": (address and address.cwd) or None,
            "env": dict(address.env) if address and address.command else None,
            "url": (address and address.url) or None,
            "protocol": dialect.version if dialect else None,
            "era": _era(dialect) if dialect else None,
            "server_info": dialect.about if dialect else None,
            "capabilities": dialect.capabilities if dialect else None,
            "counts": {kind.value: count for kind, count in checkup.counts.items()} if checkup else None,
            "stderr": list(checkup.stderr[:STDERR_LINES]) if checkup else None,
            "next": list(self.next),
        }


def _spoken(dialect: Dialect) -> str:
    promised = ", ".join(dialect.capabilities) or "no capabilities"
    return f"{dialect.about or 'a server without a name'}, {_era(dialect)} era ({dialect.version}): {promised}"


def _era(dialect: Dialect) -> str:
    return "stateless" if dialect.is_stateless else "handshake"


def _plain(text: str, style: str = "") -> Text:
    return Text(printable(text, keep=""), style, overflow="fold")
