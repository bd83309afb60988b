"""Data on stdout (tables for people, tab-separated lines for pipes, JSON on demand), talk on stderr."""

from __future__ import annotations

import base64
import json
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any, TextIO

from magictunnel.catalog.model import Json, Kind
from magictunnel.telemetry import printable

if TYPE_CHECKING:
    from rich.console import Console

_FORCING = ("FORCE_COLOR", "TTY_COMPATIBLE")
"""Variables by which a person has rich take a pipe for a terminal."""


@cache
def _stdout() -> Console:
    from rich.console import Console  # for terminals: pipes, and so all hosts, go without

    return Console(highlight=False, soft_wrap=True)


@cache
def _stderr() -> Console:
    from rich.console import Console

    return Console(stderr=True, highlight=False, soft_wrap=True)


def is_terminal() -> bool:
    """Whether a person reads the data."""
    return not _is_pipe(sys.stdout) and _stdout().is_terminal


def _is_pipe(stream: TextIO) -> bool:
    """Whether nothing but plain text goes there, whatever rich says."""
    return not stream.isatty() and not any(os.environ.get(name) for name in _FORCING)


def show_json(value: Any) -> None:
    """JSON on stdout, whole and plain."""
    sys.stdout.write(json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def show_rows(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """A table for a person, or lines of tab-separated values for a pipe."""
    if not is_terminal():
        for row in rows:
            sys.stdout.write("\t".join(_plain(cell) for cell in row) + "\n")
        return
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    for at, column in enumerate(columns):
        table.add_column(column, overflow="fold", no_wrap=at == 0)
    for row in rows:
        table.add_row(*(escape(_plain(cell)) for cell in row))
    Console(highlight=False).print(table)


def show_text(text: str) -> None:
    """Text on stdout: as it is into a pipe, without control characters on a terminal."""
    shown = printable(text) if is_terminal() else text
    sys.stdout.write(shown if shown.endswith("\n") else shown + "\n")


def only_blob(blocks: Any) -> bytes:
    """The bytes of a result that is one binary resource, where they go into a pipe; else nothing."""
    if is_terminal() or not isinstance(blocks, list) or len(blocks) != 1 or "blob" not in (blocks[0] or {}):
        return b""
    return base64.b64decode(blocks[0]["blob"])


def show_bytes(data: bytes) -> None:
    """Bytes on stdout."""
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()


def say(text: str, style: str = "") -> None:
    """One line of talk."""
    if _is_pipe(sys.stderr):
        sys.stderr.write(f"{printable(text)}\n")
        return
    from rich.markup import escape

    _stderr().print(escape(printable(text)), style=style or None)


@contextmanager
def progress(text: str) -> Iterator[None]:
    """A spinner while the block runs, for a person who is watching."""
    if _is_pipe(sys.stderr) or not _stderr().is_terminal:
        yield
        return
    from rich.markup import escape

    with _stderr().status(escape(text)):
        yield


def counted(counts: Mapping[Kind, int]) -> str:
    """Such as `3 tools, 1 prompt`; kinds of which there is nothing are left out."""
    return ", ".join(f"{count} {kind.word}{'s' if count > 1 else ''}" for kind, count in counts.items() if count)


def content_text(blocks: Any) -> Iterator[str]:
    """Content blocks of a result as text for a person; what is no text is named by type and size."""
    for block in blocks if isinstance(blocks, list) else [blocks]:
        if isinstance(block, dict):
            yield _block_text(block)


def _block_text(block: Json) -> str:
    match block:
        case {"text": str(text)}:
            return text
        case {"resource": dict(resource)}:
            return _block_text(resource)
        case {"data": str(data), "mimeType": mime} | {"blob": str(data), "mimeType": mime}:
            return f"[{block.get('type', 'data')} {mime}, {len(data) * 3 // 4:,} bytes; --json shows it]"
        case {"type": "resource_link", "uri": uri}:
            return f"[resource {uri}]"
        case _:
            return json.dumps(block, ensure_ascii=False)


def _plain(cell: str) -> str:
    """One cell on one line, without control characters a server may have put in it."""
    return printable(" ".join(cell.split()), keep="")
