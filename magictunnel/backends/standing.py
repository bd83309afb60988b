"""Where one backend stands: stepped through the table of `states`, seen from outside, waited on."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

import anyio

from magictunnel.backends.base import Phase
from magictunnel.backends.states import TRANSITIONS, Event, State, Status
from magictunnel.errors import BackendUnavailable

OnState = Callable[[str, State], None]
"""Takes a backend's name, and the state it has come into."""


class Standing:
    """The status of one backend, and the only way in which its state changes."""

    def __init__(self, name: str, on_state: OnState) -> None:
        self._name = name
        self._on_state = on_state
        self.status = Status()
        self._moved = anyio.Event()
        self._has_ended = False

    @property
    def state(self) -> State:
        return self.status.state

    @property
    def is_under_way(self) -> bool:
        """Whether it is about to be tried, or is being tried: whoever wants it may wait."""
        return self.state in (State.STOPPED, State.STARTING) and not self._has_ended

    def end(self) -> None:
        """It is not kept any more."""
        self._has_ended = True
        if self.state is State.STOPPED:
            self._wake()
        else:
            self.step(Event.STOP)

    def step(self, event: Event, **facts: object) -> None:
        """Move on by `event`, with what else is known now."""
        before = self.state
        state = TRANSITIONS[before, event]
        since = self.status.since if state is before else time.time()
        self.note(state=state, since=since, **facts)
        if state is not before:
            self._on_state(self._name, state)
        self._wake()

    def note(self, **facts: object) -> None:
        """What is known now, in the same state."""
        self.status = replace(self.status, **facts)  # type: ignore[arg-type]

    def at(self, phase: Phase) -> None:
        """An attempt has got this far."""
        self.note(phase=phase)

    async def moved(self) -> None:
        """Wait for the next step."""
        await self._moved.wait()

    def unavailable(self) -> BackendUnavailable:
        """Why its calls fail."""
        failure = self.status.failure
        if failure is None or self.state is State.STOPPED:
            return BackendUnavailable(self._name, "it was stopped")
        return BackendUnavailable(self._name, f"{failure.phase}: {failure.cause}", hint=failure.hint)

    def _wake(self) -> None:
        self._moved.set()
        self._moved = anyio.Event()
