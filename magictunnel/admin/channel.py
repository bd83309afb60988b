"""The control channel of a running gateway: a socket that only the same user can reach, with a JSON object a line."""

from __future__ import annotations

import json
import logging
import os
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress

import anyio
from anyio.abc import SocketAttribute, SocketStream

from magictunnel.admin.facts import all_facts, server_facts
from magictunnel.admin.place import is_ours, own_socket
from magictunnel.catalog.model import Json
from magictunnel.errors import BackendUnavailable, BadParams, CallError, ConfigError, MagicTunnelError
from magictunnel.gateway import Gateway
from magictunnel.reload import Reloader, told
from magictunnel.wire.lines import LineTooLong, split_lines
from magictunnel.wire.listen import serve_on

MAX_REQUEST = 64 * 1024
"""Bytes in one request."""

Verb = Callable[[Json], Awaitable[Json]]

logger = logging.getLogger(__name__)


class Channel:
    """Answers what a shell asks of one gateway."""

    def __init__(self, gateway: Gateway, reloader: Reloader, serves: str) -> None:
        """`serves`: how clients reach the gateway, for people."""
        self._gateway = gateway
        self._reloader = reloader
        self._serves = serves
        self._since = time.time()
        self._verbs: Mapping[str, Verb] = {
            "about": self._about,
            "status": self._status,
            "reload": self._reload,
            "restart": self._restart,
            "refresh": self._refresh,
        }

    async def serve(self) -> None:
        """Listen until cancelled. Where there can be no channel, the gateway does without."""
        try:
            path = own_socket()
            path.unlink(missing_ok=True)  # of a process that had our number before, and was killed
            listener = await anyio.create_unix_listener(path, mode=0o600)
        except (ConfigError, OSError) as error:
            logger.info("this gateway cannot be steered from the shell: %s", error)
            return
        try:
            await serve_on(listener, self._converse)
        finally:
            path.unlink(missing_ok=True)

    async def _converse(self, stream: SocketStream) -> None:
        async with stream:
            if not is_ours(stream.extra(SocketAttribute.raw_socket)):  # noqa: S610 anyio's, not Django's
                return
            with suppress(anyio.BrokenResourceError, anyio.ClosedResourceError):
                try:
                    async for line in split_lines(stream, MAX_REQUEST):
                        await stream.send(json.dumps(await self.answer(line)).encode() + b"\n")
                except LineTooLong:
                    refusal = _refusal(BadParams(f"a request has at most {MAX_REQUEST} bytes"))
                    await stream.send(json.dumps(refusal).encode() + b"\n")

    async def answer(self, line: bytes) -> Json:
        """`{"do": verb, ...}` -> `{"result": ...}`, or `{"error": {"message", "hint"}}`."""
        try:
            return {"result": await self._done(line)}
        except MagicTunnelError as error:
            return _refusal(error)
        except Exception as error:
            # Whatever goes wrong for a shell is no reason to end what serves clients.
            logger.exception("a request of the shell failed")
            return _refusal(MagicTunnelError(f"{type(error).__name__} {error}", hint="see the gateway's log"))

    async def _done(self, line: bytes) -> Json:
        try:
            request = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise BadParams("this is no JSON") from error
        verb = self._verbs.get(str(request.get("do"))) if isinstance(request, dict) else None
        if verb is None:
            raise BadParams("there is no such request", hint=f"`do` is one of {', '.join(self._verbs)}")
        return await verb(request)

    async def _about(self, _request: Json) -> Json:
        config = self._gateway.config
        files = [os.path.abspath(file) for file in config.files]  # noqa: ASYNC240 nothing is read
        return {
            "pid": os.getpid(),
            "since": self._since,
            "config": files[0] if files else "",
            "files": files,
            "serves": self._serves,
        }

    async def _status(self, _request: Json) -> Json:
        gateway = self._gateway
        servers = all_facts(gateway.status, gateway.stats, gateway.config.problems)
        return servers | {"discovery": gateway.discovery_facts}

    async def _reload(self, request: Json) -> Json:
        """Go by the config as it is now; with a `server`, tell how that one's attempt ended."""
        what = await self._reloader.reload()
        done: Json = {"told": told(what)}
        name = str(request.get("server"))
        return done | ({"status": await self._tried(name)} if name in self._gateway.status else {})

    async def _restart(self, request: Json) -> Json:
        name = _name(request)
        self._gateway.restart(name)
        return {"status": await self._tried(name)}

    async def _refresh(self, request: Json) -> Json:
        name, why = _name(request), ""
        try:
            await self._gateway.refresh(name)
        except CallError as error:
            why = self._gateway.mask(str(error))
        return {"status": await self._tried(name), "why": why}

    async def _tried(self, name: str) -> Json:
        status = await self._gateway.tried(name)
        stats = self._gateway.stats.get(name)
        if stats is None:
            raise BackendUnavailable(name, "it was removed meanwhile")
        return server_facts(name, status, stats)


def _name(request: Json) -> str:
    name = request.get("server")
    if not isinstance(name, str):
        raise BadParams("`server` should be the name of one")
    return name


def _refusal(error: MagicTunnelError) -> Json:
    place = {"file": error.file, "line": error.line} if isinstance(error, ConfigError) else {}
    return {"error": {"message": error.message, "hint": error.hint, **place}}
