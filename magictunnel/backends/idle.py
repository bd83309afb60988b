"""When a server that nobody calls is stopped."""

from __future__ import annotations

from collections.abc import Callable

import anyio


async def doze(idle_timeout: float, last_needed: Callable[[], float], sleep: Callable[[], None]) -> None:
    """Call `sleep` each time nobody has needed it for `idle_timeout` seconds, until cancelled.

    `last_needed`: when it was last needed, on the event loop's clock; infinite while it is, or does not run.
    """
    while True:
        quiet = anyio.current_time() - last_needed()
        if quiet >= idle_timeout:
            sleep()
        await anyio.sleep(idle_timeout - quiet if 0 <= quiet < idle_timeout else idle_timeout / 4)
