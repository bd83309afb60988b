"""Which config file is meant: the one that is named, or the one in its usual place."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path, PurePath

from magictunnel.errors import ConfigError

OUR_NAME = "magictunnel-config.yaml"


def find_config(explicit: Path | None, environ: Mapping[str, str], cwd: Path) -> Path:
    """The config file to use. One that was named is taken as named, whether it exists or not.

    In order: `explicit`, $MAGICTUNNEL_CONFIG, magictunnel-config.yaml in `cwd`, magictunnel/config.yaml in the user's
    config directory. Raises ConfigError when nothing is named and nothing is found.
    """
    if explicit is not None:
        return explicit
    if named := environ.get("MAGICTUNNEL_CONFIG"):
        return cwd / _expanded(named, environ)
    places = [cwd / OUR_NAME, *_of_user(environ)]
    for path in places:
        if _is_file(path):
            return path
    looked = ", ".join(str(path) for path in places)
    hint = f"pass -c FILE, set MAGICTUNNEL_CONFIG, or write ./{OUR_NAME}; looked at {looked}"
    raise ConfigError("no config file found", hint=hint)


def _expanded(path: str, environ: Mapping[str, str]) -> Path:
    home = environ.get("HOME")
    return Path(home, path[2:]) if home and path.startswith("~/") else Path(path)


def _of_user(environ: Mapping[str, str]) -> list[Path]:
    base, home = environ.get("XDG_CONFIG_HOME", ""), environ.get("HOME") or environ.get("USERPROFILE")
    if not PurePath(base).is_absolute():  # a relative one is to be ignored, says the XDG specification
        base = str(Path(home, ".config")) if home else ""
    return [Path(base, "magictunnel", "config.yaml")] if base else []


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False
