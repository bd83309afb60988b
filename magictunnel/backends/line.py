"""One connection to a backend, from start to end: entered, kept and left by one task."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from copy import copy
from dataclasses import replace

import anyio

from magictunnel.backends.base import Backend, Link, LinkLost, Phase, Terms
from magictunnel.backends.health import keep_alive
from magictunnel.backends.states import Limits
from magictunnel.errors import StartFailure

Attend = Callable[[Link], Awaitable[None]]
"""What is done with a connection while it is open; it may never return, and may raise `LinkLost`."""


class Line:
    """Being opened, open, unfit for new calls, or over. `run` is its one owning task."""

    def __init__(
        self,
        backend: Backend,
        terms: Terms,
        limits: Limits,
        *,
        within: float = 0.0,
        on_phase: Callable[[Phase], None] = lambda _phase: None,
        on_unfit: Callable[[Line], None] = lambda _line: None,
    ) -> None:
        """`within`: seconds to open it, if not `start_timeout`. `on_unfit`: told when it takes no more calls."""
        # A copy, since a backend keeps the evidence of its latest connection, and each line explains its own end.
        self._backend = copy(backend)
        self._terms = replace(terms, unfit=self.retire)
        self.why = ""
        """What made it unfit, if it was found out by a call."""
        self._limits = limits
        self._within = within or limits.start_timeout
        self._on_phase = on_phase
        self._on_unfit = on_unfit
        self._scope = anyio.CancelScope()
        self.phase = Phase.RESOLVE
        self.link: Link | None = None
        """While it is open and takes calls."""
        self.failure: StartFailure | None = None
        """Why it did not open, or ended; None if it was ended on purpose."""
        self.was_open = False
        self.held: float | None = None
        """Seconds that it took calls, once it takes no more; None: it never did."""
        self._opened_at = 0.0
        self.is_heavy = True
        """Whether the next one cannot be opened before it is over: it has a process of its own."""
        self.is_ended = False
        """Whether it was ended on purpose."""
        self.decided = anyio.Event()
        """It has opened, or will not."""
        self.unfit = anyio.Event()
        """It takes no more calls; those in flight may still be answered."""
        self.over = anyio.Event()

    async def run(self, prepare: Attend, keep: Attend) -> None:
        """Open it, `prepare` it, and `keep` it until it ends, well or badly."""
        self._scope.deadline = anyio.current_time() + self._within
        try:
            with self._scope:
                async with self._backend.connect(self.at, self._terms) as link:
                    await prepare(link)
                    if self.unfit.is_set():
                        raise LinkLost(self.why)
                    self._scope.deadline = float("inf")
                    self._open(link)
                    await self._kept(link, keep)
            if not (self.was_open or self.is_ended):
                self.failure = self._explained(TimeoutError(f"no answer within {self._within:g} s"))
        except Exception as error:  # noqa: BLE001 whatever ends a connection is this backend's state
            self.failure = self._explained(error)
        finally:
            self.retire()
            self.over.set()

    def end(self) -> None:
        """Close it; calls in flight break."""
        self.is_ended = True
        self.retire()
        self._scope.cancel()

    def retire(self, why: str = "") -> None:
        """Let it take no more calls. It is over when those in flight have ended."""
        self.link = None
        self.why = self.why or why
        self.decided.set()
        if not self.unfit.is_set():
            self.unfit.set()
            if self.was_open:
                self.held = anyio.current_time() - self._opened_at
            self._on_unfit(self)

    def _open(self, link: Link) -> None:
        self.at(Phase.SERVE)
        self.link = link
        self.was_open = True
        self._opened_at = anyio.current_time()
        self.is_heavy = not link.sessions_are_cheap
        self.decided.set()

    async def _kept(self, link: Link, keep: Attend) -> None:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(keep_alive, link, self._limits.heartbeat, self._patience)
            await keep(link)
            tasks.cancel_scope.cancel()

    def _patience(self) -> float:
        return self._terms.patience() if self._terms.patience else self._limits.patience

    def at(self, phase: Phase) -> None:
        """It has got this far."""
        self.phase = phase
        self._on_phase(phase)

    def _explained(self, error: BaseException) -> StartFailure:
        return self._backend.explain(self.phase, error)
