"""Whoever connects to a socket of ours is served; while no file can be opened, they wait."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import anyio
from anyio.abc import SocketListener, SocketStream

_PAUSE = 1.0
"""Seconds after which it is tried again to take a connection."""

logger = logging.getLogger(__name__)


async def serve_on(listener: SocketListener, handler: Callable[[SocketStream], Any]) -> None:
    """See `SocketListener.serve`, which ends, and all that it serves with it, when this process has no file left."""
    async with listener, anyio.create_task_group() as tasks:
        while True:
            try:
                await listener.serve(handler, tasks)
            except anyio.BrokenResourceError as error:
                logger.warning("nobody can connect to us for now: %s", error.__cause__ or error)
                await anyio.sleep(_PAUSE)
