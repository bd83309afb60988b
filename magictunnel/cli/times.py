"""Times as a person reads them, and as a program does. Pure."""

from __future__ import annotations

from datetime import UTC, datetime

_UNITS = ((86_400.0, "d"), (3_600.0, "h"), (60.0, "min"))
_FROM = 2
"""Of how many of a unit on it is used: `119 min` says more than `1 h`, and `47 h` more than `1 d`."""


def span(seconds: float) -> str:
    """A time that has passed, such as `40 s`, `3 min`, `5 h` or `12 d`."""
    for size, unit in _UNITS:
        if seconds >= (_FROM if unit != "min" else 1) * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{max(0.0, seconds):.0f} s"


def ago(moment: float | None, now: float) -> str:
    """How long ago (both: seconds of the epoch) something was, such as `3 min ago`; nothing if it never was."""
    return f"{span(now - moment)} ago" if moment else ""


def stamp(moment: float | None) -> str:
    """Seconds of the epoch as ISO 8601 in UTC; nothing for none."""
    return f"{datetime.fromtimestamp(moment, UTC):%Y-%m-%dT%H:%M:%SZ}" if moment else ""


def quick(seconds: float | None) -> str:
    """How long something took, such as `3 ms` or `1.2 s`; `-` if that is not known."""
    if seconds is None:
        return "-"
    return f"{seconds * 1_000:.0f} ms" if seconds < 1 else f"{seconds:.1f} s"
