"""A whole run: every selected scenario directly, then in each way through MagicTunnel."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import anyio

from tests.conformance import suite
from tests.conformance.compare import Checks, succeeding
from tests.conformance.install import Suite
from tests.conformance.outcome import Case, Outcome
from tests.conformance.plan import ALONE, CLIENT, CROSSED, LISTED, MODES, OTHER_ERA, PREFIXED, Mode, Row
from tests.conformance.shim import shim
from tests.conformance.world import ALIAS, everything, reached, tunnel

AT_ONCE = 2
"""Scenarios that run at the same time; they mostly wait."""
Target = Callable[[Row, str], Sequence[str]]
"""Where the scenario of a row goes."""


@dataclass
class Run:
    """One run: what is selected, and where its logs go."""

    suites: dict[str, Suite]
    folder: Path
    rows: Sequence[Row]
    modes: Sequence[str]
    only: Callable[[str], bool]

    async def cases(self) -> list[Case]:
        """Every selected scenario of every row."""
        found: list[Case] = []
        for row in self.rows:
            names = await suite.scenarios(self.suites[row.suite], row, self.folder / row.name)
            found += [(row, name) for name in names if self.only(name)]
        return found

    async def direct(self, cases: Sequence[Case]) -> dict[Case, Checks]:
        """The checks of each, with nothing between."""
        folder = self.folder / "direct"
        async with everything(folder) as url:

            def target(row: Row, _scenario: str) -> Sequence[str]:
                return suite.driven_by() if row.side == "client" else suite.server_at(url)

            return await self._all("direct", cases, target, folder)

    async def through(self, cases: Sequence[Case], direct: dict[Case, Checks]) -> list[Outcome]:
        """The outcome of each, in each of its ways."""
        found: list[Outcome] = []
        for (name, era), group in self._groups(cases).items():
            mode, folder = MODES[name], self.folder / "-".join(filter(None, (name, era)))
            folder.mkdir(parents=True, exist_ok=True)
            async with self._target(mode, era, folder) as target:
                checks = await self._all(name, group, target, folder, direct)
            found += [
                Outcome(row, mode, scenario, direct[row, scenario], checks[row, scenario]) for row, scenario in group
            ]
        return found

    def _groups(self, cases: Sequence[Case]) -> dict[tuple[str, str | None], list[Case]]:
        """The cases that go through one and the same MagicTunnel, by mode and era."""
        groups: dict[tuple[str, str | None], list[Case]] = {}
        for row, scenario in cases:
            for mode in row.modes:
                if mode in self.modes:
                    era = OTHER_ERA[row.spec or ""] if mode == CROSSED.name else None
                    groups.setdefault((mode, era), []).append((row, scenario))
        return groups

    @asynccontextmanager
    async def _target(self, mode: Mode, era: str | None, folder: Path) -> AsyncIterator[Target]:
        if mode == CLIENT:
            yield lambda _row, scenario: suite.driven_by("--through", str((folder / f"{scenario}.log").absolute()))
            return
        async with AsyncExitStack() as stack:
            url = await stack.enter_async_context(everything(folder))
            front = await stack.enter_async_context(tunnel(reached(url, era), mode, folder))
            mapped = await stack.enter_async_context(shim(front, ALIAS)) if mode == PREFIXED else front
            yield lambda _row, scenario: suite.server_at(mapped if scenario in LISTED else front)

    async def _all(
        self, name: str, cases: Sequence[Case], target: Target, folder: Path, before: dict[Case, Checks] | None = None
    ) -> dict[Case, Checks]:
        """Run the cases, a few at a time."""
        found: dict[Case, Checks] = {}
        limit = anyio.CapacityLimiter(AT_ONCE)

        async def one(row: Row, scenario: str) -> None:
            async with limit:
                where, here = target(row, scenario), folder / row.name
                found[row, scenario] = checks = await suite.run(self.suites[row.suite], row, scenario, where, here)
            told = f"{name:8} {row.name:18} {scenario}: {succeeding(checks)}"
            print(told + (f" of {succeeding(before[row, scenario])}" if before else ""), file=sys.stderr, flush=True)

        async with anyio.create_task_group() as tasks:
            for row, scenario in cases:
                if scenario not in ALONE:
                    tasks.start_soon(one, row, scenario)
        for row, scenario in cases:
            if scenario in ALONE:
                await one(row, scenario)
        return found
