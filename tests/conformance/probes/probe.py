"""What a probe is, and what became of one."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import anyio
from mcp.shared.exceptions import MCPError

from tests.conformance.probes.seat import Seat

ERAS = ("handshake", "stateless")
PATIENCE = 10.0
"""Seconds that a probe may take."""
PASSED = ""
"""What became of a probe that found what it looked for; of any other, why not."""

Run = Callable[[Seat], Awaitable[None]]


@dataclass(frozen=True)
class Probe:
    """One behaviour of a server, looked at by a client. `eras`: the clients for whom there is something to look at."""

    name: str
    run: Run
    eras: tuple[str, ...] = ERAS

    def __str__(self) -> str:
        return self.name

    async def outcome(self, seat: Seat) -> str:
        """PASSED, or in one line why not."""
        try:
            with anyio.fail_after(PATIENCE):
                await self.run(seat)
        except MCPError as error:
            return f"error {error.code}: {error.message}"
        except TimeoutError:
            return f"not within {PATIENCE:g} s"
        except Exception as error:  # noqa: BLE001 whatever a client trips over is the outcome
            return f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
        return PASSED


@dataclass
class Probes:
    """Probes by name, in the order of the table."""

    all: dict[str, Probe] = field(default_factory=dict)

    def probe(self, name: str, eras: tuple[str, ...] = ERAS) -> Callable[[Run], Run]:
        """Put the decorated function in."""

        def put(run: Run) -> Run:
            self.all[name] = Probe(name, run, eras)
            return run

        return put


def same(found: object, expected: object) -> None:
    """Compare.

    Raises:
        AssertionError: they differ, and how.
    """
    if found != expected:
        raise AssertionError(f"it is {found!r}, not {expected!r}")
