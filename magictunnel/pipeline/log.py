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
    if not logger.isEnabledFor(logging.INFO):
        return await call_next(call)
    started = time.perf_counter()
    outcome = "cancelled"
    try:
        result = await call_next(call)
        outcome = "error result" if result.get("isError") else "ok"
    except CallError as error:
        outcome = f"{error.kind}: {error}"
        raise
    except Exception as error:
        outcome = f"defect: {type(error).__name__}"
        raise
    else:
        return result
    finally:
        taken = (time.perf_counter() - started) * 1000
        tell(logger, f"[{call.id}] {call.method} {call.name} by {call.caller.name}: {outcome} ({taken:.1f} ms)")
