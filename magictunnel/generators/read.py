"""Reads a description of an API, and what it refers to beside it: files of one folder, or URLs of one origin."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import orjson

from magictunnel.errors import ConfigError
from magictunnel.generators.yaml import parse

MAX_BYTES = 64 << 20
"""Of one file."""
_TIMEOUT = 30.0
_REDIRECTS = 5


@dataclass(frozen=True, slots=True)
class Source:
    """A description that was read."""

    where: str
    """URL of it; of a file, `file:///...`."""
    document: Any
    """Its JSON."""
    root: Path | None = None
    """Of a file: the folder in which all lies that it may refer to; None: its own."""

    @property
    def name(self) -> str:
        """Its file's name, without ending."""
        return Path(unquote(urlsplit(self.where).path)).stem

    def beside(self, url: str) -> Any:
        """The document at `url`, which this one refers to.

        Raises:
            ConfigError: it lies outside the folder (or, of a URL, the origin) of this one, or cannot be read.
        """
        if not self._is_near(url):
            raise ConfigError(
                f"it refers to {url[:200]}, which is outside its {'folder' if self._is_file else 'origin'}",
                file=told(self.where),
                hint="name a folder that holds both with --root" if self._is_file else "bundle it into one file first",
            )
        return document_of(_read_file(path_of(url)) if self._is_file else _read_url(url, 0)[1], told(url))

    @property
    def _is_file(self) -> bool:
        return self.where.startswith("file:")

    def _is_near(self, url: str) -> bool:
        here, there = urlsplit(self.where), urlsplit(url)
        if (here.scheme, here.netloc) != (there.scheme, there.netloc):
            return False
        return not self._is_file or path_of(url).is_relative_to(self.root or path_of(self.where).parent)


def read(spec: str, root: Path | None = None) -> Source:
    """The description at `spec`, a file or an http(s) URL, written in JSON or YAML. `root`: see `Source`.

    Raises:
        ConfigError: it cannot be read, is larger than MAX_BYTES, or is neither.
    """
    if spec.lower().startswith(("http://", "https://")):
        where, content = _read_url(spec, _REDIRECTS)
    elif "://" in spec:
        raise ConfigError(f"{spec[:200]} is neither a file nor an http(s) URL")
    else:
        where, content = Path(os.path.realpath(spec)).as_uri(), _read_file(Path(spec))
    return Source(where, document_of(content, told(where)), root and Path(os.path.realpath(root)))


def told(where: str) -> str:
    """A URL as a person is told it: the path of a file, and of another nothing that may be secret."""
    if where.startswith("file:"):
        return str(path_of(where))
    parts = urlsplit(where)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


def path_of(url: str) -> Path:
    """The file behind `file:///...`, links followed."""
    return Path(os.path.realpath(unquote(urlsplit(url).path).replace("\0", "\N{REPLACEMENT CHARACTER}")))


def document_of(content: bytes, where: str) -> Any:
    """What `content`, JSON or YAML, is. Raises ConfigError: it is neither."""
    if content.lstrip()[:1] in (b"{", b"["):
        try:
            return orjson.loads(content)
        except orjson.JSONDecodeError as error:  # YAML may begin like that, too
            if where.lower().endswith(".json"):
                raise ConfigError(f"not valid JSON: {error}", file=where) from error
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigError("it is not UTF-8 text", file=where) from error
    return parse(text, where)


def _read_file(path: Path) -> bytes:
    try:
        with open(path, "rb", opener=_at_once) as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise ConfigError("this is no ordinary file", file=str(path))
            content = file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        raise ConfigError(f"it cannot be read: {getattr(error, 'strerror', None) or error}", file=str(path)) from error
    _check_size(len(content), str(path))
    return content


def _at_once(path: str, flags: int) -> int:
    """Open without waiting for whoever is at the other end of a pipe."""
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def _check_size(size: int, where: str) -> None:
    if size > MAX_BYTES:
        raise ConfigError(f"it is larger than {MAX_BYTES >> 20} MB", file=where)


def _read_url(url: str, redirects: int) -> tuple[str, bytes]:
    """Where it was in the end, and what it said."""
    import httpx2  # files are read without it

    content = bytearray()
    try:
        client = httpx2.Client(timeout=_TIMEOUT, follow_redirects=redirects > 0, max_redirects=max(redirects, 1))
        with client, client.stream("GET", url) as answer:
            if answer.status_code != 200:
                raise ConfigError(f"the server answered {answer.status_code}", file=told(url))
            for part in answer.iter_bytes():
                content += part
                _check_size(len(content), told(url))
            return str(answer.url), bytes(content)
    except (httpx2.HTTPError, httpx2.InvalidURL) as error:
        raise ConfigError(f"it cannot be read: {str(error) or type(error).__name__}", file=told(url)) from error
