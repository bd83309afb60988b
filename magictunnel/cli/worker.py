"""One of several workers: started by `serve --workers`, told all it needs on stdin, and over when that ends."""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import anyio

from magictunnel.cli.errand import LAST, MAX_LINE, SAID, UP, Errand, read
from magictunnel.cli.memory import give_back, undisturbed
from magictunnel.cli.session import code_of
from magictunnel.config.load import load

if TYPE_CHECKING:
    from magictunnel.gateway import Gateway


def main() -> None:
    """Run a worker."""
    line = sys.stdin.buffer.readline(MAX_LINE)
    if not line:  # whoever started us has gone already
        return
    errand = read(line)
    sys.argv[0] = errand.program  # which is named to whoever wants to start it
    threading.Thread(target=_end_with_parent, name="parent", daemon=True).start()

    async def work() -> int:
        await _serve(errand)
        return 0

    sys.exit(code_of(work, when_ended=0, loop=errand.loop))


def _end_with_parent() -> None:
    """Whatever becomes of our parent, its end of the pipe closes with it; a loop that hangs ends all the same."""
    with suppress(OSError):
        while os.read(0, 1024):
            pass
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(LAST)
    os._exit(1)


async def _serve(errand: Errand) -> None:
    with undisturbed():
        from magictunnel.cli.announce import url_of
        from magictunnel.cli.serving import built, steered
        from magictunnel.front.feed import Feed
        from magictunnel.front.handoff import Handoff
        from magictunnel.front.http import MAX_BODY, Among, serve_http
        from magictunnel.front.server import FrontServer
        from magictunnel.front.workers import Worker
        from magictunnel.gateway import own_secrets
        from magictunnel.telemetry import start_logging

        give_back()
    config = load(Path(errand.config))
    secrets = own_secrets()
    start_logging(errand.log_level, secrets.mask)
    worker = Worker(errand.number, errand.of, errand.run)
    handoff = Handoff(worker, Path(errand.folder), MAX_BODY)
    with _listener(errand) as listener:
        url = url_of(listener)
        gateway = built(config, secrets)
        server = FrontServer(gateway)
        server.handlers.parking.share(worker.family, worker.label)
        feed = Feed(gateway, handoff)
        async with (
            steered(gateway, f"{url}, worker {worker.number} of {worker.of}"),
            anyio.create_task_group() as tasks,
        ):
            tasks.start_soon(feed.run)
            if errand.announces:
                tasks.start_soon(_announce, gateway, config.file, url)
            await serve_http(
                server, listener, config.session_idle_timeout, Among(handoff, feed.hear, lambda: _tell(UP))
            )
            tasks.cancel_scope.cancel()


def _listener(errand: Errand) -> socket.socket:
    from magictunnel.front.listener import listen_beside

    if errand.listener >= 0:
        return socket.socket(fileno=errand.listener)
    return listen_beside(errand.host, errand.port)


async def _announce(gateway: Gateway, file: str, url: str) -> None:
    from magictunnel.cli.announce import announce

    await announce(gateway, file, url)
    _tell(SAID)


def _tell(word: str) -> None:
    with suppress(OSError):
        os.write(1, word.encode() + b"\n")


if __name__ == "__main__":
    main()
