"""`magictunnel show`, `hide`, `enable`, `disable`: where tools are seen, while gateways run."""

from __future__ import annotations

import difflib
import os
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Sequence
from functools import partial
from pathlib import Path
from typing import Annotated, NamedTuple

import typer

from magictunnel.admin.reach import Running
from magictunnel.capabilities.declared import declared
from magictunnel.catalog.model import Entry, Visibility
from magictunnel.catalog.visibility import Rules
from magictunnel.cli.change import changed
from magictunnel.cli.known import Known, known
from magictunnel.cli.options import Config
from magictunnel.cli.servers import Keep, switched_off, switched_on
from magictunnel.cli.session import FAILED, run
from magictunnel.cli.show import counted, say, show_text
from magictunnel.cli.steer import called, config_in_use
from magictunnel.cli.trial import reloaded
from magictunnel.config.discovery import DISCOVERY
from magictunnel.config.edit import with_visibility
from magictunnel.config.load import load, parse
from magictunnel.config.model import Config as Settings
from magictunnel.config.visibility import enabled, fits, ruled, seen
from magictunnel.errors import UnknownEntry

Names = Annotated[
    list[str], typer.Argument(metavar="TOOL|GLOB|SERVER...", help="Public names, globs of them, or servers.")
]
_WILD = frozenset("*?[")


Switch = Callable[[Path, str], Awaitable[int]]
"""Switches a server of a file on or off; the exit code."""


class _Way(NamedTuple):
    """What is done about names."""

    told: str
    rewrite: Callable[[Rules, str, Collection[Entry]], Rules]
    """Rules, a pattern, all that is offered -> the rules as they should be."""
    switch: Switch | None = None
    """What is done about servers instead."""

    def is_ruled(self, name: str, servers: Collection[str], config: Settings) -> bool:
        """Whether rules are rewritten for `name`. For one of `servers` only where one holds against what is done."""
        is_undone = self.rewrite is enabled and config.visibility.get(name) is Visibility.DISABLED
        return name not in servers or is_undone


def show(names: Names, config: Config = None) -> None:
    """Have tools (prompts, resources) in every list, also where clients are shown the way to search instead."""
    run(lambda: _done(names, config, _to(Visibility.LISTED)))


def hide(names: Names, config: Config = None) -> None:
    """Have tools (prompts, resources) in no list: they are found by searching, and answer to their names."""
    run(lambda: _done(names, config, _to(Visibility.SEARCH_ONLY)))


def enable(names: Names, keep: Keep = False, config: Config = None) -> None:
    """Take back what disables tools (prompts, resources); switch a server on, if it comes up."""
    run(lambda: _done(names, config, _Way("enabled", enabled, partial(switched_on, keep=keep))))


def disable(names: Names, config: Config = None) -> None:
    """Have tools (prompts, resources) nowhere, as if they were not there; switch a server off."""
    run(lambda: _done(names, config, _to(Visibility.DISABLED, switched_off)))


def _to(visibility: Visibility, switch: Switch | None = None) -> _Way:
    return _Way(visibility.value, lambda rules, pattern, entries: ruled(rules, pattern, visibility, entries), switch)


async def _done(names: Sequence[str], path: Path | None, way: _Way) -> int:
    file = config_in_use(path)
    config = load(file)
    there = await known(file, config, lambda found: _is_enough(names, found, config, way))
    if unknown := _unknown(names, there, config):
        raise _refusal(unknown[0], there, config)
    meant = list(dict.fromkeys(_public(name, there, config) for name in names))
    servers = [name for name in meant if way.switch and name in _switchable(config) and not there.named(name)]
    codes = [await _rewritten(file, there, [name for name in meant if way.is_ruled(name, servers, config)], way)]
    if way.switch is not None:
        codes += [await way.switch(file, name) for name in servers]
    return max(codes)


# --- what is meant


def _public(name: str, there: Known, config: Settings) -> str:
    """What rules call it: a server that has no tool of its name goes before a tool that only answers to that."""
    entry = None if name in _servers(config) else there.accepted(name)
    return entry.name if entry else name


def _servers(config: Settings) -> set[str]:
    """The servers of a config, those that cannot be used too, and the capability files, which are not switched."""
    return _switchable(config) | set(declared(config).files)


def _switchable(config: Settings) -> set[str]:
    return {*config.servers, *(problem.server for problem in config.problems if problem.server)}


def _unknown(names: Sequence[str], there: Known, config: Settings) -> list[str]:
    """Those of `names` that stand for nothing. What a rule is written for is known by that."""
    others = {*_servers(config), DISCOVERY, *config.visibility}
    return [name for name in names if not (name in others or there.accepted(name) or not _WILD.isdisjoint(name))]


def _is_enough(names: Sequence[str], there: Known, config: Settings, way: _Way) -> bool:
    """Whether all is known that there is to know of `names`."""
    switched = _switchable(config) if way.switch else set[str]()
    looked_up = [name for name in names if way.is_ruled(name, switched, config)]
    found = [there.accepted(name) or any(fits(name, entry) for entry in there.entries) for name in looked_up]
    return all(found) or not (there.unseen or _unknown(names, there, config))


def _refusal(name: str, there: Known, config: Settings) -> UnknownEntry:
    names = [*(entry.name for entry in there.entries), *_servers(config)]
    close = difflib.get_close_matches(name[:128], names, n=2)
    hint = f"did you mean {' or '.join(close)}?" if close else "see `magictunnel list tools`"
    if there.unseen:
        hint += f" It is not known what {', '.join(there.unseen)} offers: see check"
    return UnknownEntry("tool, prompt, resource or server", name, hint=hint)


# --- rules


async def _rewritten(file: Path, there: Known, patterns: Sequence[str], way: _Way) -> int:
    """Write the rules for `patterns`, all or none, and have every gateway that runs with the file go by them."""
    if not patterns:
        return 0
    change = changed(file, "", lambda text, of: _edit(text, of, there, patterns, way), to_serve=False)
    before = parse(change.before or "", str(file)).visibility
    told, refusals = "", list[str]()
    if not change.is_nothing:
        change.write()
        gateways, refusals = await reloaded(file)
        told = f"written to {file}; {_whom(file, gateways)}"
    for pattern in patterns:
        show_text(_line(pattern, there, before, change.config.visibility, way))
    if told:
        show_text(told)
    for refusal in refusals:
        say(f"warning: {refusal}", "yellow")
    return FAILED if refusals else 0


def _whom(file: Path, gateways: Sequence[Running]) -> str:
    """Who goes by the file. In one that includes it, only its servers count."""
    own = [one for one in gateways if os.path.realpath(one.config) == os.path.realpath(file)]
    return f"served by {', '.join(map(called, own))}" if own else "no gateway runs with it"


def _edit(text: str, of: str, there: Known, patterns: Sequence[str], way: _Way) -> str:
    rules: Rules = parse(text, of).visibility
    for pattern in patterns:
        rules = way.rewrite(rules, pattern, there.entries)
    return with_visibility(text, of, rules)


def _line(pattern: str, there: Known, before: Rules, after: Rules, way: _Way) -> str:
    """What has become of one name."""
    entry = there.named(pattern)
    if entry is not None:
        was, now = seen(before, entry), seen(after, entry)
        return f"{pattern}: {f'{now} already' if was is now else f'{now}, was {was}'}"
    counts = Counter(entry.kind for entry in there.entries if fits(pattern, entry))
    already = " already" if list(before.items()) == list(after.items()) else ""
    return f"{pattern}: {way.told}{already} ({counted(counts) or 'it matches nothing now'})"
