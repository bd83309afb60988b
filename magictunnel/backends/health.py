"""Whether a server that says nothing is still there: found out by what it can answer, and no sooner than calls end."""

from __future__ import annotations

from collections.abc import Callable

import anyio

from magictunnel.backends.base import Link, LinkLost
from magictunnel.errors import CallError


async def keep_alive(link: Link, heartbeat: float, patience: Callable[[], float]) -> None:
    """Ask a server for a sign of life after `heartbeat` seconds of silence, for as long as the link lives.

    `patience`: seconds to wait for one, as of the moment at which it is asked.

    Raises:
        LinkLost: it gave none for as long as any call of it may take.
    """
    if link.needs_no_heartbeat:
        return
    while True:
        heard = link.heard
        await anyio.sleep(heartbeat)
        if link.heard == heard:
            await _sign_of_life(link, patience())


async def _sign_of_life(link: Link, patience: float) -> None:
    heard = link.heard
    with anyio.move_on_after(patience):
        try:
            await link.ping()
        except CallError:
            return  # any answer is one; and if the connection is over, that is known elsewhere
    if link.heard == heard:
        raise LinkLost(f"it hangs: no sign of life for {patience:g} s")
