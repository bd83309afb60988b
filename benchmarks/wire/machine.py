"""What all was measured on: processor, cores, Python, kernel; no names of hosts, no paths."""

from __future__ import annotations

import os
import platform
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from benchmarks.wire.records import percentile

_LOOK, _WORK = 3.0, 200_000
"""Seconds of additions, and how many of them are timed at once."""
OURS = ("magictunnel", "mcp", "uvloop", "httptools", "orjson", "uvicorn")


def machine() -> dict[str, str]:
    """The machine, by what makes it fast or slow."""
    return {
        "processor": _cpu("model name") or platform.machine(),
        "cores": str(len(os.sched_getaffinity(0))),
        "memory": f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.0f} GB",
        "kernel": f"{platform.system()} {platform.release().split('-')[0]}",
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "steadiness": _steadiness(),
    }


def _steadiness() -> str:
    """How evenly the same work goes here: others may have the other half of a core, or the machine itself."""
    took, until = list[float](), time.monotonic() + _LOOK
    while time.monotonic() < until:
        began = time.perf_counter()
        sum(range(_WORK))
        took.append(time.perf_counter() - began)
    least, most = (percentile(took, share) * 1000 for share in (0.1, 0.9))
    return f"the same work took {least:.2g} to {most:.2g} ms (p10, p90)"


def _cpu(key: str) -> str:
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    family = {line.partition(":")[0].strip(): line.partition(":")[2].strip() for line in lines}
    more = f" (family {family['cpu family']}, model {family['model']})" if "cpu family" in family else ""
    return family[key] + more if key in family else ""


def versions() -> dict[str, str]:
    """The packages of ours that matter for speed."""
    found = {}
    for name in OURS:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
