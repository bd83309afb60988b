"""Where running gateways can be found: a folder of sockets that only the same user can reach."""

from __future__ import annotations

import os
import socket
import stat
import struct
import sys
import warnings
from pathlib import Path
from typing import Any

from platformdirs import user_runtime_dir

from magictunnel.errors import ConfigError

MAX_PATH = 100
"""Bytes in the path of a socket; systems allow little more."""


def folder() -> Path:
    """The folder, made if there is none.

    Raises:
        ConfigError: this system has no such sockets, or the folder is not ours alone.
    """
    if sys.platform == "win32":
        raise ConfigError("a running gateway cannot be reached from the shell on Windows", hint="edit its config file")
    try:
        path = _path()
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        seen = path.lstat()
    except OSError as error:
        why = f"{error.filename}: {error.strerror}" if error.filename else str(error)
        raise ConfigError(f"there is no folder for sockets: {why}", hint="set XDG_RUNTIME_DIR") from error
    if not stat.S_ISDIR(seen.st_mode) or seen.st_uid != os.getuid() or stat.S_IMODE(seen.st_mode) & 0o077:
        raise ConfigError(f"{path} is not ours alone", hint="chmod 700 it, or remove it, or set XDG_RUNTIME_DIR")
    if len(os.fsencode(path)) > MAX_PATH - len("/0123456789.sock"):
        raise ConfigError(f"{path} is too long for a socket", hint="set XDG_RUNTIME_DIR to a shorter one")
    return path


def _path() -> Path:
    """Where it is; hosts that start us pass on few variables, so that nobody is warned of one that is not set."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return Path(user_runtime_dir("magictunnel", appauthor=False))


def own_socket() -> Path:
    """The socket of this very process. Raises ConfigError, see `folder`."""
    return folder() / f"{os.getpid()}.sock"


def sockets() -> list[Path]:
    """Those of all gateways that run, and of some that were killed. Raises ConfigError, see `folder`."""
    return sorted(folder().glob("*.sock"))


def is_ours(raw: Any) -> bool:
    """Whether a process of the same user is at the other end of a socket, where the system can say."""
    if sys.platform != "linux":
        return True  # the folder is closed to others
    _pid, uid, _gid = struct.unpack("3i", raw.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i")))
    return bool(uid == os.getuid())
