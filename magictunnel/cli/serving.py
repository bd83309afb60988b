"""What `serve` does: a gateway and its front, until the host has gone or a signal ends it."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import anyio

from magictunnel.cli.memory import give_back, undisturbed
from magictunnel.cli.session import code_of, load_config
from magictunnel.cli.show import say
from magictunnel.config.model import Config
from magictunnel.errors import ConfigError
from magictunnel.secrets import Secrets
from magictunnel.store.place import store_path
from magictunnel.telemetry import LEVELS, start_logging

if TYPE_CHECKING:
    from magictunnel.front.first import First
    from magictunnel.gateway import Gateway

DEFAULT_ADDRESS = "127.0.0.1:8420"
_LAST_WRITES = 1.0
"""Seconds to write down what the next host is to be told at once, if this one is gone sooner than that was done."""


def serve_host(
    path: Path | None, log_level: str, loop: str = "auto", *, first: First | None = None, too: str = ""
) -> int:
    """Serve the client that started us over stdio, to its end. The exit code; what went wrong has been said.

    `first`: has heard and answered it until now.
    `too`: what the command line asks for as well, which is refused.
    """

    async def main() -> int:
        if too == "--http":
            raise ConfigError("--stdio and --http exclude each other", hint="start one process for each")
        if too:
            raise ConfigError(f"--stdio and {too} exclude each other", hint="one host needs one process")
        await _over_stdio(_config(path, log_level), log_level, first)
        return 0

    return code_of(main, when_ended=0, loop=loop)


def serve_many(path: Path | None, log_level: str, loop: str, address: str, workers: int = 1) -> int:
    """Serve clients over HTTP on `address`, until a signal. The exit code; what went wrong has been said."""

    async def main() -> int:
        config = _config(path, log_level)
        await (
            _over_http(config, log_level, address)
            if workers == 1
            else _by_workers(config, log_level, loop, address, workers)
        )
        return 0

    return code_of(main, when_ended=0, loop=loop)


def _config(path: Path | None, log_level: str) -> Config:
    if log_level not in LEVELS:
        raise ConfigError(f"there is no log level {log_level!r}", hint=f"use one of {', '.join(LEVELS)}")
    return load_config(path)


async def _over_stdio(config: Config, log_level: str, first: First | None) -> None:
    with undisturbed():
        from magictunnel.front.first_written import Keeper
        from magictunnel.front.server import FrontServer  # a config that cannot be used is refused without all this
        from magictunnel.front.stdio import serve_stdio

        secrets = _prepared(config, log_level)
        gateway = built(config, secrets)
        gateway.greet()
        give_back()
    async with steered(gateway, "stdio"), anyio.create_task_group() as tasks:
        keeper = Keeper(gateway, os.environ)
        tasks.start_soon(keeper.run)
        await serve_stdio(FrontServer(gateway), first)
        with anyio.move_on_after(_LAST_WRITES):
            await keeper.keep()
        tasks.cancel_scope.cancel()


async def _over_http(config: Config, log_level: str, address: str) -> None:
    with undisturbed():
        from magictunnel.cli.announce import announce, url_of  # what serves HTTP costs a host that needs none its time
        from magictunnel.front.http import serve_http
        from magictunnel.front.listener import listen_on
        from magictunnel.front.server import FrontServer

        secrets = _prepared(config, log_level)
        listener = listen_on(*host_and_port(address))
        url = url_of(listener)
        gateway = built(config, secrets)
        give_back()
    async with steered(gateway, url), anyio.create_task_group() as tasks:
        tasks.start_soon(announce, gateway, config.file, url)
        await serve_http(FrontServer(gateway), listener, config.session_idle_timeout)
        tasks.cancel_scope.cancel()


async def _by_workers(config: Config, log_level: str, loop: str, address: str, workers: int) -> None:
    from magictunnel.cli.workers import refuse_if_impossible, serve_together

    refuse_if_impossible(workers)
    _say_problems(config)
    await serve_together(config, log_level, loop, host_and_port(address), workers)


def _prepared(config: Config, log_level: str) -> Secrets:
    """What can be said before anything is opened is said; logging starts."""
    from magictunnel.gateway import own_secrets

    secrets = own_secrets()
    start_logging(log_level, secrets.mask)
    _say_problems(config)
    return secrets


def _say_problems(config: Config) -> None:
    for problem in config.problems:
        say(f"skipped: {problem}", "yellow")


def built(config: Config, secrets: Secrets) -> Gateway:
    """The gateway, which is not running yet."""
    from magictunnel.gateway import build

    return build(config, secrets=secrets, store=store_path(config, os.environ))


@asynccontextmanager
async def steered(gateway: Gateway, serves: str) -> AsyncIterator[None]:
    """Run `gateway` while the block lasts; its config's files are watched, and it can be asked from the shell."""
    from magictunnel.admin.channel import Channel
    from magictunnel.gateway import running
    from magictunnel.reload import Reloader

    async with running(gateway), anyio.create_task_group() as tasks:
        reloader = Reloader(gateway)
        tasks.start_soon(reloader.watch)
        tasks.start_soon(Channel(gateway, reloader, serves).serve)
        yield
        tasks.cancel_scope.cancel()


def host_and_port(address: str) -> tuple[str, int]:
    """The two parts of HOST:PORT. Raises ConfigError: it is not of that form."""
    host, _, port = address.rpartition(":")
    if not port.isdigit() or not 0 <= int(port) <= 65_535:
        raise ConfigError(f"{address!r} is not HOST:PORT", hint=f"write it like {DEFAULT_ADDRESS}")
    return host.strip("[]") or "127.0.0.1", int(port)
