"""How much is tried: a little, and always the same, in every test run; as much as time allows in `make fuzz`."""

from __future__ import annotations

import os
from typing import Any

from hypothesis import HealthCheck, Phase, settings

EXAMPLES = "MAGICTUNNEL_FUZZ"
"""Environment variable: how many times as many examples as by default."""


def tries(few: int) -> Any:
    """So many examples by default; each has bounds of its own on what it waits for, and may take its time."""
    return settings(
        max_examples=max(1, int(few * float(os.environ.get(EXAMPLES, "1")))),
        deadline=None,
        derandomize=EXAMPLES not in os.environ,
        database=None,
        print_blob=True,
        phases=(Phase.explicit, Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
    )
