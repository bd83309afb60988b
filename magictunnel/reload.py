"""The files of the config, watched: what is different is gone by; what is wrong is told, and changes nothing."""

from __future__ import annotations

import logging
import os
from collections.abc import AsyncGenerator, Iterable
from contextlib import aclosing
from operator import attrgetter
from pathlib import Path
from typing import Any

import anyio
from anyio import to_thread

from magictunnel.capabilities.declared import with_problems
from magictunnel.config.changes import Changes
from magictunnel.config.declared import capability_files, capability_folders
from magictunnel.config.entries import problem
from magictunnel.config.load import load
from magictunnel.config.model import Config
from magictunnel.errors import ConfigError
from magictunnel.gateway import Gateway

_DEBOUNCE = 200
"""Milliseconds in which changes of a folder are taken for one."""
_STEP = 200
"""Milliseconds between two looks at whether there were any; each wakes a machine that may have nothing else to do."""
_CALM = 0.15
"""Seconds for which a file has to stay as it is before it is read: editors write in steps."""
_LOOK = 5.0
"""Seconds after which the files are looked at though nothing was heard of them: some folders cannot be watched."""

_AT_START = ("session_idle_timeout", "store", "discovery.embeddings")
"""Keys that are read once."""

_Stamp = tuple[int, ...] | None

logger = logging.getLogger(__name__)


class Reloader:
    """Keeps a running gateway to what its config says."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._turn = anyio.Lock()
        self._stamps = self._now()

    async def reload(self) -> Changes:
        """Read the config again, and go by it.

        Raises:
            ConfigError: it cannot be used as a whole; nothing has changed.
        """
        async with self._turn:
            self._stamps = self._now()
            new = await to_thread.run_sync(_loaded, Path(self._gateway.config.file))
            old = self._gateway.config
            what = self._gateway.apply(new)
        for wrong in new.problems:
            if wrong not in old.problems:
                runs = not wrong.server or wrong.server in self._gateway.status
                logger.error("%s%s", wrong, "; what ran goes on as it was" if runs else "")
        for key in _AT_START:
            if attrgetter(key)(new) != attrgetter(key)(old):
                logger.warning("config: `%s` holds from the next start on", key)
        if not what.is_nothing:
            logger.info("config: %s", told(what))
        return what

    async def watch(self) -> None:
        """Reload whenever one of the files is another one, until cancelled."""
        stop = anyio.Event()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(_set_at_end, stop)
            await self._follow(stop)

    async def _follow(self, stop: anyio.Event) -> None:
        while True:
            async with aclosing(_looks(self._paths(), self._folders(), stop)) as looks:
                async for _ in looks:
                    if self._now() != self._stamps:
                        await self._calm()
                        if await self._reloaded():
                            break  # other files may be included now

    async def _reloaded(self) -> bool:
        try:
            await self.reload()
        except ConfigError as error:
            logger.error("the changed config cannot be used, nothing changes: %s", error)
            self._gateway.blame(problem("", error))
            return False
        except Exception:
            logger.exception("the changed config could not be read, nothing changes")
            return False
        return True

    async def _calm(self) -> None:
        """Wait until nobody is writing any more."""
        seen = self._now()
        while True:
            await anyio.sleep(_CALM)
            now = self._now()
            if now == seen:
                return
            seen = now

    def _files(self) -> tuple[str, ...]:
        """The files of the config, the capability files that there are by now, and folders whose files are offered."""
        config = self._gateway.config
        named = capability_files(config.capabilities, Path(config.file).parent)
        return (*config.files, *named, *self._gateway.shelf.directories)

    def _now(self) -> dict[str, _Stamp]:
        return {file: _stamp(file) for file in self._files()}

    def _paths(self) -> set[Path]:
        """The files, and what they are in truth if they are links."""
        named = [Path(file) for file in self._files() if "\0" not in file]
        return {path for file in named for path in (file.absolute(), Path(os.path.realpath(file)))}

    def _folders(self) -> list[Path]:
        """Where files may come."""
        config = self._gateway.config
        named = capability_folders(config.capabilities, Path(config.file).absolute().parent)
        return [*named, *map(Path, self._gateway.shelf.directories)]


def _loaded(path: Path) -> Config:
    return with_problems(load(path))


def told(what: Changes) -> str:
    """Changes in words, such as `added x, y; started anew: z`."""
    named = {"added": what.added, "removed": what.removed, "started anew": what.restarted}
    named |= {"read again": what.declared}
    parts = [f"{word} {', '.join(names)}" for word, names in named.items() if names]
    return "; ".join(parts) or ("names and filters changed" if what.rules_changed else "nothing changed")


def _stamp(file: str) -> _Stamp:
    """What changes when a file does; None: there is none."""
    try:
        seen = os.stat(file)
    except (OSError, ValueError):  # a name may be none
        return None
    return seen.st_mtime_ns, seen.st_size, seen.st_ino


def _there(folders: Iterable[Path]) -> set[Path]:
    """Those that are there, as far as we can see."""
    return {folder for folder in folders if os.path.isdir(folder)}


async def _set_at_end(stop: anyio.Event) -> None:
    """Set `stop` when we are cancelled: the thread that watches is not, and would hold up our end."""
    try:
        await anyio.sleep_forever()
    finally:
        stop.set()


async def _looks(paths: Iterable[Path], places: Iterable[Path], stop: anyio.Event) -> AsyncGenerator[None, None]:
    """Comes round whenever something happens to one of `paths` or within `places`, and now and then without."""
    from watchfiles import awatch  # needed by a gateway that serves alone, and not at its start

    names = {str(path) for path in paths}
    beside = {str(path) for path in places}
    folders = _there({*places, *(path.parent for path in paths)})
    options: dict[str, Any] = {"debounce": _DEBOUNCE, "step": _STEP, "recursive": False}
    options |= {"stop_event": stop, "rust_timeout": int(_LOOK * 1_000), "yield_on_timeout": True}
    options |= {"watch_filter": lambda _change, path: path in names or os.path.dirname(path) in beside}
    try:
        if not folders:
            raise FileNotFoundError("there is none")
        async for _ in awatch(*folders, **options):
            yield
    except Exception as error:  # noqa: BLE001 the library has errors of its own
        logger.debug("folders cannot be watched, the files are looked at instead: %s", error)
        while True:
            await anyio.sleep(_LOOK)
            yield
