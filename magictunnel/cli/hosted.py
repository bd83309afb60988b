"""The command line by which a host starts us, understood without the shell: `serve --stdio`, and little more. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

_VALUED = {"-c": "config", "--config": "config", "--log-level": "level", "--loop": "loop"}


class Hosted(NamedTuple):
    """What `serve --stdio` was told."""

    config: Path | None
    log_level: str
    loop: str


def hosted(args: Sequence[str], environ: Mapping[str, str]) -> Hosted | None:
    """What `args` ask for, if they are a plain `serve --stdio`. None: the shell is to say what they mean.

    Whatever is not certain is left to the shell: other options, values joined to an option or with a dash in front.
    """
    if args[:1] != ["serve"] or "--stdio" not in args:
        return None
    given = {
        "config": "",
        "level": environ.get("MAGICTUNNEL_LOG_LEVEL") or "info",
        "loop": environ.get("MAGICTUNNEL_LOOP") or "auto",
    }
    rest = iter(args[1:])
    for arg in rest:
        if arg == "--stdio":
            continue
        value = next(rest, "")
        if arg not in _VALUED or not value or value.startswith("-"):
            return None
        given[_VALUED[arg]] = value
    return Hosted(Path(given["config"]) if given["config"] else None, given["level"], given["loop"])
