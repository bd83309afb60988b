"""Functions behind capabilities/system.yaml: what a machine tells of itself, wherever Python runs."""

from __future__ import annotations

import heapq
import os
import platform
import shutil
from collections.abc import Iterator
from pathlib import Path


def disk_space(folder: str) -> dict[str, int]:
    """Bytes of the disk that holds `folder`: all, used, free."""
    return shutil.disk_usage(_place(folder))._asdict()


def machine() -> dict[str, object]:
    """What the machine is."""
    return {
        "system": platform.system(),
        "release": platform.release(),
        "architecture": platform.machine(),
        "processors": os.cpu_count(),
        "host": platform.node(),
        "python": platform.python_version(),
    }


def largest_files(folder: str, most: int) -> list[dict[str, object]]:
    """The largest files below `folder`, largest first: path and bytes."""
    found = heapq.nlargest(most, _files(_place(folder)))
    return [{"path": path, "bytes": size} for size, path in found]


def _place(folder: str) -> Path:
    place = Path(folder).expanduser()
    if not place.is_absolute():
        raise ValueError(f"{folder!r} is no absolute path: write all of it, or begin with ~")
    if not place.is_dir():
        raise ValueError(f"there is no folder {folder!r}")
    return place


def _files(place: Path) -> Iterator[tuple[int, str]]:
    for folder, folders, names in os.walk(place):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in names:
            path = Path(folder, name)
            try:
                yield path.lstat().st_size, str(path)
            except OSError:  # it went away meanwhile
                continue
