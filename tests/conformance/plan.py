"""What is run: which scenarios of which version of the suite, and the ways in which each goes. Data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

TASKS = "tasks"
_HANDSHAKE, _STATELESS = "2025-11-25", "2026-07-28"


@dataclass(frozen=True)
class Row:
    """One selection of scenarios: `side` is who is tested, `spec` the revision that is spoken."""

    name: str
    suite: str
    side: str
    spec: str | None
    modes: tuple[str, ...]


@dataclass(frozen=True)
class Mode:
    """One way through MagicTunnel."""

    name: str
    means: str
    prefix: str = "never"


BARE = Mode("bare", "with two other servers, names as they are (naming.prefix: never)")
PREFIXED = Mode(
    "prefixed", "with two other servers, prefixes listed, bare names called (naming.prefix: always)", "always"
)
CROSSED = Mode("crossed", "like bare, and the server is spoken to in the era that the client does not speak")
CLIENT = Mode("client", "a client over stdio, MagicTunnel as the client of the suite's server")
MODES = {mode.name: mode for mode in (BARE, PREFIXED, CROSSED, CLIENT)}

_SAME_ERA = (BARE.name, PREFIXED.name)
ROWS = (
    Row("2025-11-25", "new", "server", _HANDSHAKE, (*_SAME_ERA, CROSSED.name)),
    Row("2026-07-28", "new", "server", _STATELESS, (*_SAME_ERA, CROSSED.name)),
    Row(TASKS, "new", "server", None, _SAME_ERA),
    Row("0.1.16/2025-06-18", "old", "server", "2025-06-18", _SAME_ERA),
    Row("0.1.16/2025-11-25", "old", "server", _HANDSHAKE, _SAME_ERA),
    Row("client/2025-06-18", "new", "client", "2025-06-18", (CLIENT.name,)),
    Row("client/2025-11-25", "new", "client", _HANDSHAKE, (CLIENT.name,)),
    Row("client/2026-07-28", "new", "client", _STATELESS, (CLIENT.name,)),
)
OTHER_ERA = {_HANDSHAKE: "stateless", _STATELESS: "handshake"}
"""The `era` of the link to the server, against the revision that the suite speaks."""

LISTED = frozenset({"json-schema-2020-12"})
"""Scenarios that look a name up in a listing: with prefixes, they are shown listings with the names mapped back."""

ALONE = frozenset({"server-stateless", "server-sse-polling", "sse-retry"})
"""Scenarios that measure time: nothing else runs beside them."""

LEFT_OUT: Mapping[str, str] = {
    "auth/": "MagicTunnel opens no browser: signing in to servers is not there yet",
    "sep-2640": "the skills extension is for whoever reads skills; MagicTunnel hands them on",
}
"""Scenarios of any side that are not run, by how their names begin, each with the reason."""

IMPOSSIBLE: Mapping[str, Mapping[str, str]] = {
    "2025-11-25": {
        "server-sse-polling:server-sse-disconnect-resume": "a stateless server has no stream that it could close early"
    },
    "2026-07-28": {
        "input-required-result-basic-elicitation": "a server of the handshake era gives its questions no keys",
        "input-required-result-ignore-extra-params": "it answers such a key before anything was asked",
    },
}
"""What cannot be across eras, by row: `scenario` or `scenario:check`, each with the reason. Used by mode crossed."""


def selects(row: Row, scenario: str) -> bool:
    """Whether a scenario that the suite lists for a row's side belongs to the row."""
    if any(scenario.startswith(start) for start in LEFT_OUT):
        return False
    return row.name != TASKS or scenario.startswith("tasks-")


def excuse(row: str, scenario: str, check: str) -> str | None:
    """Why a check cannot be across eras; None: it can."""
    table = IMPOSSIBLE.get(row, {})
    return table.get(scenario) or table.get(f"{scenario}:{check}")
