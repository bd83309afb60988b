"""What is offered, as far as that can be known: from the store if it knows enough, else from the servers themselves."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from anyio.to_thread import run_sync

from magictunnel.backends.states import State
from magictunnel.capabilities.declared import Declaration, declared
from magictunnel.catalog.find import find
from magictunnel.catalog.merge import MergeRules, merge
from magictunnel.catalog.model import EMPTY, Catalog, Entry, Json, Kind, Listing, everything
from magictunnel.cli.session import opened
from magictunnel.cli.show import say
from magictunnel.cli.steer import serving
from magictunnel.config.changes import identity
from magictunnel.config.discovery import DISCOVERY, Mode
from magictunnel.config.model import Config
from magictunnel.config.rules import merge_rules, needed
from magictunnel.discovery.tools import listing
from magictunnel.errors import RunError, StoreError
from magictunnel.secrets import Secrets
from magictunnel.store.database import open_database
from magictunnel.store.listings import Listings
from magictunnel.store.place import store_path


@dataclass(frozen=True, slots=True)
class Known:
    """All entries there are, those that are disabled too."""

    catalog: Catalog
    unseen: tuple[str, ...] = ()
    """The servers of which nothing is known."""

    @property
    def entries(self) -> list[Entry]:
        """Of servers, and our own by which they are found."""
        offered = [entry for kind in Kind for entry in self.catalog.of(kind).values()]
        return [*self.catalog.guides.values(), *offered]

    def named(self, name: str) -> Entry | None:
        """The entry with this public name or URI; the first one, if there are several of different kinds."""
        return self.catalog.guides.get(name) or self._first(lambda kind: self.catalog.of(kind).get(name))

    def accepted(self, name: str) -> Entry | None:
        """The same, or the one that a call would mean by `name`."""
        return self.named(name) or self._first(lambda kind: find(self.catalog, kind, name, everything))

    def _first(self, look: Callable[[Kind], Entry | None]) -> Entry | None:
        return next((found for kind in Kind if (found := look(kind))), None)


async def known(file: Path, config: Config, is_enough: Callable[[Known], bool]) -> Known:
    """What the store knows of the servers of `config`. Where that is not enough and may be old, they are started."""
    saved = {**await _saved(config), **await run_sync(_declared, config)}
    unseen = tuple(name for name in needed(config) if name not in saved)
    found = Known(merge(_with_ours(saved, config), _all_of(config)), unseen)
    if is_enough(found) or (not unseen and await serving(file)):
        return found
    async with opened(file, tell_problems=False) as gateway:
        gateway.live.rule(_all_of(config))
        down = [name for name, status in gateway.status.items() if status.state is not State.READY]
        for name in saved.keys() & set(down):
            gateway.live.replace(name, saved[name])
        return Known(gateway.live.current, tuple(name for name in down if name not in saved))


async def _saved(config: Config) -> Mapping[str, Listing]:
    path = store_path(config, os.environ)
    if path is None or not path.exists():
        return {}
    try:
        async with open_database(path) as database:
            saved = await Listings(database).load({name: identity(config.servers[name]) for name in needed(config)})
    except StoreError as error:
        say(f"note: {error}", "yellow")
        return {}
    return {name: one.listing for name, one in saved.items()}


def _declared(config: Config) -> Mapping[str, Listing]:
    """What the capability files of `config` offer."""
    files = declared(config).files
    if not files:
        return {}
    from magictunnel.capabilities.backend import Version  # most configs name none
    from magictunnel.capabilities.base import Site
    from magictunnel.capabilities.content.spill import Spills

    def listed(name: str, one: Declaration) -> Listing:
        site = Site(Path(one.path).absolute().parent, Secrets(), _nobody)
        return Version(one.file, site, Spills(name)).listing

    return {name: listed(name, one) for name, one in files.items()}


async def _nobody(name: str, _arguments: Json, _request: object) -> Json:
    raise RunError(f"{name} is not called: it is only looked at what there is")


def _with_ours(saved: Mapping[str, Listing], config: Config) -> Mapping[str, Listing]:
    """With the tools by which others are found, unless they are switched off."""
    if config.discovery.mode is Mode.OFF:
        return saved
    scripts = "can be run" if config.discovery.code.enabled else ""
    return {**saved, DISCOVERY: listing(config.discovery, scripts)}


def _all_of(config: Config) -> MergeRules:
    """The rules of `config`, without those by which something is not offered at all for now."""
    return replace(merge_rules(config), visibility=EMPTY)
