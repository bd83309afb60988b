"""Shelf: the capability files that are served, each a backend, kept to what the config names."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from magictunnel.capabilities.declared import NOTHING, Declaration, Declared, declared
from magictunnel.catalog.live import LiveCatalog
from magictunnel.catalog.merge import MergeRules
from magictunnel.config.model import Config
from magictunnel.pipeline.call import Handler
from magictunnel.secrets import Secrets
from magictunnel.wire.guard import Guard

if TYPE_CHECKING:
    from magictunnel.capabilities.backend import CapabilityBackend
    from magictunnel.capabilities.base import Site


class Update(NamedTuple):
    """What is different on the shelf."""

    added: list[CapabilityBackend]
    changed: list[CapabilityBackend]
    removed: list[str]

    @property
    def names(self) -> tuple[str, ...]:
        return (*(backend.name for backend in (*self.added, *self.changed)), *self.removed)


class Shelf:
    """The backends that files are."""

    def __init__(
        self,
        secrets: Secrets,
        guard: Guard,
        live: LiveCatalog,
        handle: Callable[[], Handler],
        settled: Callable[[], Awaitable[None]],
    ) -> None:
        """`handle`: the whole pipeline, into which calls of other servers' tools go. `settled`: see `Making`."""
        self._settled = settled
        self._secrets = secrets
        self._guard = guard
        self._live = live
        self._handle = handle
        self._backends: dict[str, CapabilityBackend] = {}
        self.now: Declared = NOTHING
        """What is declared, and what is wrong with it."""

    def update(self, config: Config) -> Update:
        """Take in what the files of `config` declare by now."""
        before, self.now = self.now, declared(config, self.now)
        what = Update([], [], [name for name in before.files if name not in self.now.files])
        for name in what.removed:
            del self._backends[name]
        for name, found in self.now.files.items():
            if name not in self._backends:
                self._backends[name] = backend = self._backend(name, found)
                what.added.append(backend)
            elif found != before.files[name]:
                self._backends[name].become(found.file, self._site(found))
                what.changed.append(self._backends[name])
            elif self._backends[name].directories and self._backends[name].look():
                what.changed.append(self._backends[name])
        return what

    def look(self, name: str) -> None:
        """Look again into the folders of the file of that name, if there is one."""
        if name in self._backends:
            self._backends[name].look()

    @property
    def directories(self) -> tuple[str, ...]:
        """The folders whose files are offered."""
        return tuple(path for backend in self._backends.values() for path in backend.directories)

    def ruled(self, rules: MergeRules) -> MergeRules:
        """`rules`, behind what tools of files say of where they are to be seen."""
        own = self.now.visibility(rules.names)
        return replace(rules, visibility={**own, **rules.visibility}) if own else rules

    def _backend(self, name: str, found: Declaration) -> CapabilityBackend:
        from magictunnel.capabilities.backend import CapabilityBackend  # most gateways have none

        return CapabilityBackend(name, found.file, self._site(found))

    def _site(self, found: Declaration) -> Site:
        from magictunnel.capabilities.base import Site
        from magictunnel.capabilities.making import Making

        make = Making(self._live, self._handle, self._settled)
        return Site(Path(found.path).absolute().parent, self._secrets, make, self._guard)
