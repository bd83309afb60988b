"""What all was measured on: processor, cores, Python, kernel; no names of hosts, no paths."""

from __future__ import annotations

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

OURS = ("magictunnel", "mcp", "uvloop", "httptools", "orjson", "uvicorn")


def machine() -> dict[str, str]:
    """The machine, by what makes it fast or slow."""
    return {
        "processor": _cpu("model name") or platform.machine(),
        "cores": str(len(os.sched_getaffinity(0))),
        "memory": f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.0f} GB",
        "kernel": f"{platform.system()} {platform.release().split('-')[0]}",
        "python": f"{platform.python_implementation()} {platform.python_version()}",
    }


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
