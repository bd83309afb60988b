"""What a person is told of a running gateway and its servers, as JSON. Pure."""

from __future__ import annotations

import time
from collections.abc import Mapping

from magictunnel.backends.states import State, Status
from magictunnel.backends.stats import Stats
from magictunnel.catalog.model import Json
from magictunnel.config.model import Problem


def server_facts(name: str, status: Status, stats: Stats) -> Json:
    """All that can be seen of one server. Times are seconds of the epoch, durations seconds."""
    failure = status.failure
    latency = stats.latency
    return {
        "server": name,
        "state": status.state.value,
        "since": status.since,
        "phase": status.phase.value,
        "protocol": status.era,
        "counts": {kind.value: count for kind, count in status.counts.items()},
        "listed_at": status.listed_at or None,
        "restarts": status.restarts,
        "failures_in_a_row": status.attempts,
        "calls": stats.started,
        "in_flight": stats.in_flight,
        "p50": latency.p50 if latency else None,
        "p95": latency.p95 if latency else None,
        "start_took": round(status.took, 3),
        "last_error": _error(failure.cause, failure.phase, failure.hint) if failure else None,
        "is_down": status.state in (State.BACKING_OFF, State.CRASH_LOOPING, State.STOPPED),
    }


def problem_facts(problem: Problem) -> Json:
    """A server that cannot be used as it is written."""
    return {
        "server": problem.server,
        "state": "wrong",
        "last_error": _error(problem.placed, "config", ""),
        "is_down": True,
    }


def all_facts(status: Mapping[str, Status], stats: Mapping[str, Stats], problems: tuple[Problem, ...]) -> Json:
    """Of every server, in configured order, and the moment at which that was so.

    One that goes on as it was, because what is written now is wrong, tells that as its last error.
    """
    known = {problem.server: {"last_error": problem_facts(problem)["last_error"]} for problem in problems}
    servers = [server_facts(name, one, stats[name]) | known.get(name, {}) for name, one in status.items()]
    wrong = [problem_facts(problem) for problem in problems if problem.server not in status]
    return {"at": time.time(), "servers": servers + wrong}


def _error(cause: str, phase: str, hint: str) -> Json:
    return {"phase": phase, "cause": cause, "hint": hint}
