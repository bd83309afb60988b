"""How a server is reached: one function each for stdio, HTTP, SSE and in-process, from config to dispatcher."""

from __future__ import annotations

import os
import shutil
import socket
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, closing
from dataclasses import dataclass
from typing import Any

import anyio
import httpx2
from anyio.abc import Process
from mcp.client.stdio import get_default_environment
from mcp.client.streamable_http import streamable_http_client
from mcp.server import Server
from mcp.shared.memory import create_client_server_memory_streams

from magictunnel.backends.base import AddressTaken, AtPhase, Phase
from magictunnel.config.model import ServerConfig, Transport
from magictunnel.secrets import Secrets
from magictunnel.wire.base import Wire
from magictunnel.wire.dispatcher import WireDispatcher
from magictunnel.wire.evidence import Evidence
from magictunnel.wire.guard import UNWATCHED, Guard
from magictunnel.wire.http import MAX_EVENT, CallClient
from magictunnel.wire.http1.address import wants_proxy
from magictunnel.wire.oneway import one_way_wire
from magictunnel.wire.ours import is_ours
from magictunnel.wire.process import drain, exited, server_process
from magictunnel.wire.stdio import Pipes, pipe_wire, process_wire
from magictunnel.wire.streamable import http_wire

_RETRY_CONNECT = 0.05


@dataclass(frozen=True, slots=True)
class Target:
    """A server's address with every variable resolved: a command, a URL, or both (started, then reached there)."""

    transport: Transport
    command: tuple[str, ...]
    env: Mapping[str, str]
    cwd: str | None
    url: str
    headers: Mapping[str, str]


def resolve(config: ServerConfig, secrets: Secrets) -> Target:
    """Resolve the variables of one server's config; `${MAGICTUNNEL_PORT}` is a port that is free just now.

    Raises:
        UnsetVariable: one has no value.
    """
    own = {"MAGICTUNNEL_PORT": str(_free_port())} if config.command and config.url else None

    def expand(text: str, where: str) -> str:
        return secrets.expand(text, where, own)

    def expand_secret(text: str, where: str) -> str:
        value = expand(text, where)
        if "${" not in text or ":-" in text:  # most hosts' files have their secrets as they are
            secrets.remember(value)
        return value

    words = (config.command, *config.args) if config.command else ()
    return Target(
        transport=config.type,
        command=tuple(expand(word, "args" if at else "command") for at, word in enumerate(words)),
        env=get_default_environment() | {key: expand_secret(value, f"env.{key}") for key, value in config.env.items()},
        cwd=expand(config.cwd, "cwd") if config.cwd else None,
        url=expand(config.url, "url") if config.url else "",
        headers={key: expand_secret(value, f"headers.{key}") for key, value in config.headers.items()},
    )


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@asynccontextmanager
async def open_wire(
    name: str, target: Target, evidence: Evidence, at: AtPhase, guard: Guard = UNWATCHED
) -> AsyncIterator[Wire]:
    """Connect to `target`; the connection, and the process if we started one, end with the block."""
    if not target.command:
        at(Phase.CONNECT)
        async with _remote_wire(target, evidence) as wire:
            yield wire
        return
    at(Phase.LAUNCH)
    if target.url and await _is_answered(target.url):
        address = httpx2.URL(target.url).copy_with(userinfo=b"", query=None)
        raise AddressTaken(f"something else listens at {address} already")
    command = (_executable(target), *target.command[1:])
    if target.transport is Transport.STDIO and is_ours():
        async with _over_pipes(name, command, target, evidence, guard) as wire:
            yield wire
        return
    async with server_process(name, command, target.env, target.cwd, evidence, guard) as process:
        if target.transport is Transport.STDIO:
            async with process_wire(process, evidence) as wire:
                yield wire
            return
        async with anyio.create_task_group() as tasks:
            if process.stdout is not None:
                tasks.start_soon(drain, process.stdout)
            at(Phase.CONNECT)
            tasks.start_soon(_end_with, process, evidence)
            await _answering(target.url)
            async with _remote_wire(target, evidence) as wire:
                wire.has_process = True
                yield wire
            tasks.cancel_scope.cancel()


@asynccontextmanager
async def _over_pipes(
    name: str, command: Sequence[str], target: Target, evidence: Evidence, guard: Guard
) -> AsyncIterator[Wire]:
    with closing(Pipes()) as pipes:
        async with (
            server_process(name, command, target.env, target.cwd, evidence, guard, pipes.ends) as process,
            pipe_wire(process, pipes, evidence) as wire,
        ):
            yield wire


def _remote_wire(target: Target, evidence: Evidence) -> AbstractAsyncContextManager[Wire]:
    if target.transport is Transport.SSE:
        return one_way_wire(target.url, target.headers, evidence)
    if is_ours() and not wants_proxy(target.url):
        return http_wire(target.url, target.headers, evidence)
    return sdk_http_wire(target, evidence)


@asynccontextmanager
async def sdk_http_wire(target: Target, evidence: Evidence) -> AsyncIterator[Wire]:
    """Streamable HTTP by the SDK's transport, which knows its way through proxies."""
    async with (
        CallClient(target.headers, evidence, ("POST",)) as client,
        streamable_http_client(target.url, http_client=client, max_sse_event_size=MAX_EVENT) as (read, write),
    ):
        wire = WireDispatcher(read, write)
        wire.is_http = True
        client.on_early_end = wire.let_go
        yield wire


@asynccontextmanager
async def memory_wire(server: Server[Any]) -> AsyncIterator[Wire]:
    """A server of the SDK in this very process."""
    async with create_client_server_memory_streams() as (ours, theirs), anyio.create_task_group() as tasks:
        tasks.start_soon(server.run, *theirs, server.create_initialization_options())
        yield WireDispatcher(*ours)
        tasks.cancel_scope.cancel()


def _executable(target: Target) -> str:
    """The command as it will be started; found on the PATH that the server itself gets."""
    command = target.command[0]
    if os.sep in command:
        if not os.path.exists(os.path.join(target.cwd or "", command)):
            raise FileNotFoundError(command)
        return command
    found = shutil.which(command, path=target.env.get("PATH"))
    if found is None:
        raise FileNotFoundError(command)
    return found


async def _end_with(process: Process, evidence: Evidence) -> None:
    """End the connection to a server that we started when its process ends."""
    await exited(process)
    evidence.hung_up = True
    raise ConnectionResetError("the process ended")


async def _answering(url: str) -> None:
    """Wait until someone accepts connections at `url`."""
    while not await _is_answered(url):
        await anyio.sleep(_RETRY_CONNECT)


async def _is_answered(url: str) -> bool:
    address = httpx2.URL(url)
    try:
        async with await anyio.connect_tcp(address.host, address.port or (443 if address.scheme == "https" else 80)):
            return True
    except OSError:
        return False
