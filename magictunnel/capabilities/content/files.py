"""Files that a capability file names: found within its folder, read up to a bound, and told as MCP tells content."""

from __future__ import annotations

import base64
import mimetypes
import os
import stat
from pathlib import Path, PurePosixPath, PureWindowsPath

from magictunnel.capabilities.content.media import kind_of
from magictunnel.catalog.model import Json
from magictunnel.errors import RunError

MAX_FILE = 8 << 20
"""Bytes of a file that is read."""
_OPEN = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
"""A pipe is not waited for: it is opened, seen to be no file, and closed."""
_KNOWN = mimetypes.MimeTypes()
"""Python's own table, so that a suffix means the same on every machine."""
for _type, _suffix in (
    ("application/toml", ".toml"),
    ("application/yaml", ".yaml"),
    ("application/yaml", ".yml"),
    ("audio/flac", ".flac"),
    ("audio/mp4", ".m4a"),
    ("audio/ogg", ".ogg"),
    ("audio/opus", ".opus"),
    ("audio/wav", ".wav"),
    ("image/webp", ".webp"),
    ("text/markdown", ".md"),
):
    _KNOWN.add_type(_type, _suffix)


def path_fault(path: str) -> str:
    """Why `path`, as it is written, cannot be one below a folder; empty: it can."""
    if not path.strip() or "\0" in path:
        return "is no path"
    if PurePosixPath(path).is_absolute() or PureWindowsPath(path).drive or path.startswith("\\"):
        return "is an absolute path: it has to be relative to the capability file"
    if ".." in path.replace("\\", "/").split("/"):
        return "leads out of the folder of the capability file"
    return ""


def within(folder: Path, path: str) -> Path:
    """Where `path` below `folder` really is, symbolic links followed. It need not be there. Blocks.

    Raises:
        RunError: it is absolute, or leads out of `folder`.
    """
    if why := path_fault(path):
        raise RunError(f"{path[:200]!a} {why}", hint="put the file below the folder of the capability file")
    try:
        real = (folder / path).resolve()
        is_inside = real.is_relative_to(folder.resolve())
    except (OSError, RuntimeError, ValueError) as error:  # a loop of links, or a name that no file can have
        raise RunError(f"{path[:200]!a} cannot be found: {_reason(error)}") from error
    if not is_inside:
        raise RunError(f"{path[:200]!a} is a link that leads out of {folder.name}", hint="copy the file instead")
    return real


def read_bytes(path: Path, most: int = MAX_FILE) -> bytes:
    """The content of an ordinary file of at most `most` bytes. Blocks.

    Raises:
        FileNotFoundError: there is none.
        RunError: it is no ordinary file, too large, or cannot be read.
    """
    try:
        with os.fdopen(os.open(path, _OPEN), "rb") as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise RunError(f"{path.name!a} is no ordinary file")
            data = file.read(most + 1)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise RunError(f"{path.name[:200]!a} cannot be read: {_reason(error)}") from error
    if len(data) > most:
        raise RunError(f"{path.name!a} is larger than {most >> 20} MB", hint="offer a smaller file")
    return data


def _reason(error: Exception) -> str:
    said = error.strerror if isinstance(error, OSError) else ""
    return said or str(error) or type(error).__name__


def mime_of(name: str) -> str | None:
    """The media type that the suffix of a file stands for; None: it is not known."""
    kind, packing = _KNOWN.guess_type(PurePosixPath(name).name, strict=False)
    return {"gzip": "application/gzip"}.get(packing, "application/octet-stream") if packing else kind


def media_type(content_type: str) -> str:
    """`content_type` without its parameters, in small letters."""
    return content_type.partition(";")[0].strip().lower()


def charset_of(content_type: str) -> str:
    """The encoding that `content_type` names, or UTF-8."""
    for part in content_type.split(";")[1:]:
        key, _, value = part.partition("=")
        if key.strip().lower() == "charset" and value.strip(' "'):
            return value.strip(' "')
    return "utf-8"


def contents(uri: str, data: bytes, content_type: str | None) -> Json:
    """One of the contents of a `resources/read` result: text if `data` is text, else base64."""
    told = {"uri": uri, "mimeType": kind_of(data, content_type or "")}
    try:
        text = None if b"\0" in data else data.decode(charset_of(content_type or ""))
    except (UnicodeDecodeError, LookupError):
        text = None
    return told | ({"blob": encoded(data)} if text is None else {"text": text})


def encoded(data: bytes) -> str:
    """Base64, as JSON carries bytes."""
    return base64.b64encode(data).decode("ascii")
