"""What `serve --workers` tells each of its workers, and what they tell it: a line of JSON in, words out."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

UP, SAID = "up", "said"
"""Words of a worker, each on a line: it serves; it has announced what is served."""
LAST = 15.0
"""Seconds that a worker has to end in order."""
MAX_LINE = 64 * 1024


@dataclass(frozen=True, slots=True)
class Errand:
    """What a worker is told."""

    number: int
    """Which one it is, from 1 to `of`."""
    of: int
    run: str
    """Names all workers of one parent."""
    folder: str
    """Where they reach each other."""
    host: str
    port: int
    listener: int
    """A descriptor that it listens on with the others; -1: it is to listen for itself."""
    program: str
    """What the person who serves has started."""
    config: str
    log_level: str
    loop: str
    announces: bool
    """Whether it is the one that says what is served."""

    @property
    def line(self) -> bytes:
        return json.dumps(asdict(self)).encode() + b"\n"


def read(line: bytes) -> Errand:
    """The errand in a line."""
    return Errand(**json.loads(line))
