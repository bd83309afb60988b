"""Writing a config file: whole or not at all, and never over what somebody else wrote meanwhile."""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path

from magictunnel.config.text import read_text
from magictunnel.errors import ConfigError


def write_text(path: Path, text: str, expecting: str) -> None:
    """Replace what stands in `path`, which is `expecting`, by `text`; behind a link, the file it leads to is replaced.

    Whoever reads meanwhile sees the one or the other. Owner and permissions stay, where we may set them.

    Raises:
        ConfigError: something else stands there now, or it cannot be written. Nothing has changed then.
    """
    target = Path(os.path.realpath(path))
    try:
        beside = _written_beside(target, text)
    except (OSError, ValueError) as error:
        raise _unwritable(path, error) from error
    try:
        if read_text(target) != expecting:
            raise ConfigError("somebody changed it just now", file=str(path), hint="try again")
        os.replace(beside, target)
    except OSError as error:
        raise _unwritable(path, error) from error
    finally:
        beside.unlink(missing_ok=True)
    _sync_folder(target.parent)


def _written_beside(target: Path, text: str) -> Path:
    """A new file in the folder of `target` that is to take its place, by a name that no config has."""
    handle, name = tempfile.mkstemp(prefix=".magictunnel-", suffix=".tmp", dir=target.parent)
    try:
        with open(handle, "wb") as file:
            _take_after(target, file.fileno())
            file.write(text.encode())
            file.flush()
            os.fsync(file.fileno())
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    return Path(name)


def _take_after(target: Path, handle: int) -> None:
    """Give the open file the owner and permissions of `target`, where there is one and we may."""
    with contextlib.suppress(OSError, AttributeError):  # Windows has neither of the two
        before = target.stat()
        with contextlib.suppress(PermissionError):
            os.fchown(handle, before.st_uid, before.st_gid)
        os.fchmod(handle, before.st_mode & 0o7777)


def _sync_folder(folder: Path) -> None:
    """Have the new name survive a power cut, on systems that can be asked for it."""
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _unwritable(path: Path, error: Exception) -> ConfigError:
    why = error.strerror if isinstance(error, OSError) else None
    hint = "check who owns the file and its folder, and their permissions"
    return ConfigError(f"it cannot be written: {why or error}", file=str(path), hint=hint)
