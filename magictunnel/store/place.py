"""Which file the store is, and which are beside it. Pure."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from magictunnel.config.model import Config

OFF = "off"
"""Written instead of a file: keep nothing."""
FILE = "store.db"


def store_path(config: Config, environ: Mapping[str, str]) -> Path | None:
    """The store's file, None if there is to be none: $MAGICTUNNEL_STORE, the config's `store`, else the usual place.

    A path in the config is taken from the folder of its file, one in the environment from the current folder.
    """
    if named := environ.get("MAGICTUNNEL_STORE"):
        return _named(named, Path(), environ)
    if config.store:
        return _named(config.store, Path(config.file).parent, environ)
    return _usual()


def words_path(config: str, environ: Mapping[str, str]) -> Path | None:
    """Where that is kept which a host is told at once that starts us with the file `config`; None: nowhere.

    It has to be known before that file is read, so one with a `store` of its own has no such place.
    """
    named = environ.get("MAGICTUNNEL_STORE")
    store = _named(named, Path(), environ) if named else _usual()
    name = hashlib.sha256(os.fsencode(os.path.abspath(config))).hexdigest()[:32]
    return store and store.parent / "first" / name


def _usual() -> Path:
    from platformdirs import user_state_dir  # not needed by whoever names a file

    return Path(user_state_dir("magictunnel", appauthor=False), FILE)


def _named(text: str, folder: Path, environ: Mapping[str, str]) -> Path | None:
    if text.strip().lower() == OFF:
        return None
    home = environ.get("HOME") or environ.get("USERPROFILE")
    if home and (text == "~" or text.startswith(("~/", "~\\"))):
        return Path(home, text[2:])
    return folder / text
