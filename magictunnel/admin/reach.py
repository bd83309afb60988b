"""The shell's end of the control channel: which gateways run, and what they answer."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import anyio
from anyio.abc import SocketAttribute

from magictunnel.admin.place import is_ours, sockets
from magictunnel.catalog.model import Json
from magictunnel.errors import ConfigError, MagicTunnelError
from magictunnel.wire.lines import LineTooLong, split_lines

_HELLO = 5.0
"""Seconds for a gateway to say what it is: one that just starts may be busy, and one that is stopped says nothing."""
_MAX_ANSWER = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Running:
    """One gateway that runs."""

    socket: Path
    pid: int
    since: float
    """Seconds of the epoch."""
    config: str
    """The absolute path of its config file."""
    files: tuple[str, ...]
    """That one, and those it includes."""
    serves: str
    """How its clients reach it."""

    async def ask(self, do: str, **what: str) -> Json:
        """Have it do something; see `Channel`.

        Raises:
            ConfigError: it refused, or it has ended.
        """
        try:
            answer = await _asked(self.socket, {"do": do, **what})
        except OSError as error:
            raise ConfigError(f"the gateway {self.pid} has ended", hint="start it again") from error
        if (refusal := answer.get("error")) is not None:
            place = {"file": refusal.get("file", ""), "line": refusal.get("line", 0)}
            raise ConfigError(refusal["message"], hint=refusal["hint"], **place)
        return dict(answer["result"])


async def running(config: Path | None = None) -> list[Running]:
    """The gateways of this user, or those that serve the file `config` or include it; oldest first.

    Raises:
        ConfigError: there is no way to reach any, see `place.folder`.
    """
    found: list[Running] = []

    async def meet(path: Path) -> None:
        if gateway := await _met(path):
            found.append(gateway)

    async with anyio.create_task_group() as tasks:
        for path in sockets():
            tasks.start_soon(meet, path)
    return _of(config, sorted(found, key=lambda one: one.since))


def _of(config: Path | None, found: list[Running]) -> list[Running]:
    if config is None:
        return found
    return [one for one in found if os.path.realpath(config) in map(os.path.realpath, one.files)]


async def _met(path: Path) -> Running | None:
    """Who listens there; what is left of one that was killed is removed."""
    try:
        with anyio.move_on_after(_HELLO):
            about = (await _asked(path, {"do": "about"}))["result"]
            files = tuple(about["files"])
            return Running(path, about["pid"], about["since"], about["config"], files, about["serves"])
    except ConnectionRefusedError:
        if not _lives(path):  # one that is just starting has a socket, and does not listen yet
            with suppress(OSError):
                path.unlink()  # noqa: ASYNC240 one call
    except (OSError, MagicTunnelError, KeyError, TypeError, ValueError):
        return None
    return None


def _lives(path: Path) -> bool:
    """Whether there is a process of the number that a socket is called by."""
    try:
        os.kill(int(path.stem), 0)
    except (ProcessLookupError, ValueError, OverflowError):
        return False
    except OSError:
        return True
    return True


async def _asked(path: Path, request: Json) -> Json:
    """One request, and its answer. Raises OSError: there is nobody, or nobody any more."""
    try:
        async with await anyio.connect_unix(path) as stream:
            if not is_ours(stream.extra(SocketAttribute.raw_socket)):  # noqa: S610 anyio's, not Django's
                raise PermissionError("it is somebody else's")
            await stream.send(json.dumps(request).encode() + b"\n")
            async for line in split_lines(stream, _MAX_ANSWER):
                return dict(json.loads(line))
    except (anyio.BrokenResourceError, LineTooLong) as error:
        raise ConnectionResetError("it broke off") from error
    raise ConnectionResetError("it hung up")
