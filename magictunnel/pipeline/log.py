"""A line in the log for each call, whatever came of it."""

from __future__ import annotations

import logging
import time

from magictunnel.catalog.model import Json
from magictunnel.errors import CallError
from magictunnel.pipeline.call import Call, Handler
from magictunnel.telemetry import tell

logger = logging.getLogger(__name__)


async def log(call: Call, call_next: Handler) -> Json:
    """Log who called what, how it ended and how long it took; never what was in it."""
    if not is_wanted():
        return await call_next(call)
    started = call.begun.started if call.begun else time.monotonic()
    outcome = "cancelled"
    try:
        result = await call_next(call)
        outcome = outcome_of(result)
    except CallError as error:
        outcome = f"{error.kind}: {error}"
        raise
    except Exception as error:
        outcome = f"defect: {type(error).__name__}"
        raise
    else:
        return result
    finally:
        say(call.id, call.method, call.name, call.caller.name, outcome, time.monotonic() - started)


def is_wanted() -> bool:
    """Whether anybody reads these lines."""
    return logger.isEnabledFor(logging.INFO)


def outcome_of(result: Json) -> str:
    """What a call came to that ended with a result."""
    return "error result" if result.get("isError") else "ok"


def say(number: str, method: str, name: str, caller: str, outcome: str, seconds: float) -> None:
    """Log one call. `number`: its id."""
    tell(logger, f"[{number}] {method} {name} by {caller}: {outcome} ({seconds * 1000:.1f} ms)")
