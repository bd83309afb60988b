"""What a host can be told before anything is imported: a file of its own, believed only while all of it holds."""

from __future__ import annotations

import hashlib
import json
import os
import stat
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, NamedTuple

from magictunnel import __version__

FORMAT = 1
MAX_SIZE = 16 * 1024 * 1024
"""Bytes of the file; what is longer is not kept."""
_MAX_HEADER = 64 * 1024
_MAX_CONFIG = 1 << 20
"""Bytes of a file of the config; see `config.text`."""
_MAX_NAME = 64
"""Characters of a client's name that count; see `front.sessions`."""
_SHARED = stat.S_IWGRP | stat.S_IWOTH

Files = tuple[tuple[str, str | None], ...]
"""The files of a config, and the sha256 (hex) of each; None: it was not there."""


class Words(NamedTuple):
    """Answers by name, each as it stands behind its id in the line it goes out in."""

    deferring: tuple[str, ...]
    """Globs of the names of clients that search long lists by themselves."""
    places: Mapping[str, tuple[int, int]]
    body: bytes

    def get(self, name: str) -> bytes | None:
        """The answer of that name, without the end of its line."""
        place = self.places.get(name)
        return None if place is None else self.body[place[0] : sum(place)]

    def view(self, client: Any) -> str:
        """Which view a client has, by its name."""
        name = str(client or "unnamed client")[:_MAX_NAME].lower()
        return view_name(by_itself=any(fnmatchcase(name, pattern.lower()) for pattern in self.deferring))


def view_name(*, by_itself: bool) -> str:
    """What the view of clients is called that search long lists by themselves, or do not."""
    return "deferring" if by_itself else "others"


def name_of(method: str, version: str, view: str) -> str:
    """What the answer to a method is called. `version`: the protocol's; empty for all of the handshake era."""
    return f"{method} {version} {view}"


# --- the file


def pack(answers: Mapping[str, bytes], deferring: Iterable[str], files: Files) -> bytes | None:
    """The content of the file: a line that says what it is of, then the answers. None: it would be too long."""
    places: dict[str, tuple[int, int]] = {}
    offsets: dict[bytes, int] = {}
    size = 0
    for name, answer in answers.items():
        if answer not in offsets:
            offsets[answer], size = size, size + len(answer)
        places[name] = (offsets[answer], len(answer))
    body = b"".join(offsets)
    header = {"format": FORMAT, "version": __version__, "files": files, "deferring": list(deferring), "parts": places}
    line = json.dumps(header | {"body": hashlib.sha256(body).hexdigest()}).encode() + b"\n"
    return line + body if len(line) <= _MAX_HEADER and len(line) + size <= MAX_SIZE else None


def unpack(content: bytes) -> tuple[Words, Files] | None:
    """What `pack` was given; None: it is not the work of this version of ours, or damaged."""
    end = content.find(b"\n", 0, _MAX_HEADER)
    try:
        header = json.loads(content[: max(end, 0)])
    except (ValueError, RecursionError):
        return None
    body = content[end + 1 :]
    if not isinstance(header, dict) or (header.get("format"), header.get("version")) != (FORMAT, __version__):
        return None
    files: Any = header.get("files")
    deferring: Any = header.get("deferring")
    parts: Any = header.get("parts")
    is_right = (
        isinstance(files, list)
        and isinstance(deferring, list)
        and isinstance(parts, dict)
        and all(map(_is_file, files))
        and all(isinstance(one, str) for one in deferring)
        and all(_is_place(one, len(body)) for one in parts.values())
        and header.get("body") == hashlib.sha256(body).hexdigest()
    )
    if not is_right or b"\n" in body:
        return None
    places = {name: (start, size) for name, (start, size) in parts.items()}
    return Words(tuple(deferring), places, body), tuple((path, digest) for path, digest in files)


def _is_file(value: Any) -> bool:
    if not isinstance(value, list) or len(value) != 2:
        return False
    return isinstance(value[0], str) and "\0" not in value[0] and isinstance(value[1], str | None)


def _is_place(value: Any, size: int) -> bool:
    if not isinstance(value, list) or [type(one) for one in value] != [int, int]:
        return False
    return value[0] >= 0 and value[1] > 0 and sum(value) <= size


def read_words(path: Path) -> Words | None:
    """What may be said now; None: nothing is kept in `path`, or anything about it or the config's files is in doubt."""
    content = read_regular(path, MAX_SIZE, is_private=True)
    found = unpack(content) if content else None
    if found is None:
        return None
    words, files = found
    return words if all(_digest_now(file) == digest for file, digest in files) else None


def _digest_now(file: str) -> str | None:
    content = read_regular(Path(file), _MAX_CONFIG)
    if content is None:
        return "" if os.path.lexists(file) else None  # something is there: not the same as nothing
    return hashlib.sha256(content).hexdigest()


def read_regular(path: Path, limit: int, *, is_private: bool = False) -> bytes | None:
    """The bytes of a file; None if it is longer than `limit`, or anything but a file that can be read.

    `is_private`: nor if it is a link, or anybody else's, or others may write to it.
    """
    try:
        if not stat.S_ISREG((os.lstat if is_private else os.stat)(path).st_mode):  # to open a pipe is to use it up
            return None
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | (os.O_NOFOLLOW if is_private else 0))
        with open(handle, "rb", buffering=0) as file:
            about = os.fstat(handle)
            if is_private and (about.st_uid != os.geteuid() or about.st_mode & _SHARED):
                return None
            if not stat.S_ISREG(about.st_mode) or about.st_size > limit:
                return None
            content = file.read(limit + 1) or b""
            return content if len(content) == about.st_size else None
    except (OSError, ValueError):
        return None
