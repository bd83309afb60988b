"""Whether a server that says nothing is still there: found out by what it can answer, and no sooner than calls end."""

from __future__ import annotations

import anyio

from magictunnel.backends.base import Link, LinkLost
from magictunnel.backends.states import Limits
from magictunnel.errors import CallError


async def keep_alive(link: Link, limits: Limits) -> None:
    """Ask a silent server for a sign of life now and then, for as long as the link lives.

    Raises:
        LinkLost: it gave none for as long as any call of it may take.
    """
    if link.needs_no_heartbeat:
        return
    while True:
        heard = link.heard
        await anyio.sleep(limits.heartbeat)
        if link.heard == heard:
            await _sign_of_life(link, limits.patience)


async def _sign_of_life(link: Link, patience: float) -> None:
    heard = link.heard
    with anyio.move_on_after(patience):
        try:
            await link.ping()
        except CallError:
            return  # any answer is one; and if the connection is over, that is known elsewhere
    if link.heard == heard:
        raise LinkLost(f"it hangs: no sign of life for {patience:g} s")
