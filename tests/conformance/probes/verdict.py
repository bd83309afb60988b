"""What must hold of the outcomes, and how they are told. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from tests.conformance.probes.probe import PASSED
from tests.conformance.probes.run import BOTH, DIRECT, PROBES, Column, Outcomes
from tests.conformance.report import table

IMPOSSIBLE: Mapping[tuple[str, str], str] = {
    ("elicitation, pushed", "stateless"): "a server cannot send requests in the stateless era",
    ("elicitation, input required", "handshake"): "an answer cannot ask in the handshake era",
}
"""Probes that clients of an era cannot pass directly, each with the reason."""
ONLY_OF_STATELESS_SERVERS = frozenset({"cache hints of the server"})
"""Probes of what a server of the handshake era does not say at all."""
LEGEND = (
    "direct: nothing between. http, stdio: how clients reach MagicTunnel, which reaches the server by HTTP.\n"
    "piped: clients come by HTTP, and MagicTunnel has started the server. h>s: a client of the handshake era,\n"
    "a server of the stateless one; b: a server of both. -: there is nothing to look at."
)


def violations(found: Outcomes) -> list[str]:
    """What does not hold: directly, or through though it does directly. A line each."""
    lost = [told for column in found if column.way != DIRECT for told in _lost(found, column)]
    return [*_broken(found), *lost]


def _broken(found: Outcomes) -> Iterator[str]:
    """What our own server, or client, gets wrong with nothing between; it would hide what is lost."""
    for column, outcomes in found.items():
        for name, outcome in outcomes.items():
            if column.way == DIRECT and not _is_excused(name, column) and outcome != PASSED:
                yield f"{column} {name}: {outcome}"


def _lost(found: Outcomes, column: Column) -> Iterator[str]:
    """What clients of both eras must get: all that a server gives to clients of its own, or, if it speaks both eras,
    what it gives directly to clients of theirs.
    """
    own = column.client if column.server == BOTH else column.server
    direct = found[Column(DIRECT, own, column.server)]
    for name, outcome in found[column].items():
        is_given = direct.get(name, PASSED) == PASSED and not _is_excused(name, column)
        if is_given and outcome != PASSED:
            yield f"{column} {name}: {outcome}"


def _is_excused(name: str, column: Column) -> bool:
    """Whether there is nothing of it to be had there."""
    if name in ONLY_OF_STATELESS_SERVERS:
        return column.server == "handshake"
    own = column.client if column.server == BOTH else column.server
    return (name, own) in IMPOSSIBLE


def as_table(found: Outcomes) -> str:
    """Probe by column."""
    starts = {next(column for column in found if column.way == way) for way in {column.way for column in found}}
    lines = [("", *(column.way if column in starts else "" for column in found))]
    lines += [("probe", *(column.eras for column in found))]
    lines += [(name, *(_cell(name, column, outcomes) for column, outcomes in found.items())) for name in PROBES]
    return table(lines)


def _cell(name: str, column: Column, outcomes: Mapping[str, str]) -> str:
    if name not in outcomes or (name in ONLY_OF_STATELESS_SERVERS and _is_excused(name, column)):
        return "-"
    return "yes" if outcomes[name] == PASSED else "no"


def told(found: Outcomes) -> str:
    """All of it, for a person."""
    bad = violations(found)
    lines = [as_table(found), LEGEND, *(f"NOT AS IT SHOULD BE: {one}" for one in bad)]
    return "\n".join([*lines, f"probes: {len(bad)} not as it should be"])


def as_json(found: Outcomes) -> list[dict[str, Any]]:
    """All of it, for a program."""
    return [
        {"way": column.way, "client": column.client, "server": column.server, "outcomes": outcomes}
        for column, outcomes in found.items()
    ]
