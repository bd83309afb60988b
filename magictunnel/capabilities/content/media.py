"""Bytes and what they are -> content of a result: text, images, audio, embedded resources. Pure."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Iterator
from hashlib import sha256

from magictunnel.catalog.model import Json

BINARY = "application/octet-stream"
PLAIN = "text/plain"
_CHARSET = re.compile(r";\s*charset\s*=\s*\"?([\w.:+-]+)", re.IGNORECASE)
_MAGIC = (
    (0, b"\x89PNG\r\n\x1a\n", "image/png"),
    (0, b"\xff\xd8\xff", "image/jpeg"),
    (0, b"GIF87a", "image/gif"),
    (0, b"GIF89a", "image/gif"),
    (8, b"WEBP", "image/webp"),
    (8, b"WAVE", "audio/wav"),
    (0, b"%PDF-", "application/pdf"),
    (0, b"OggS", "audio/ogg"),
    (0, b"ID3", "audio/mpeg"),
    (0, b"\xff\xfb", "audio/mpeg"),
    (0, b"\xff\xf3", "audio/mpeg"),
    (0, b"\xff\xf2", "audio/mpeg"),
)
_TEXTS = frozenset({
    "csv", "ecmascript", "graphql", "javascript", "json", "json5", "jsonl", "ndjson", "sql", "toml", "typescript",
    "x-javascript", "x-jsonlines", "x-ndjson", "x-sh", "x-toml", "x-www-form-urlencoded", "x-yaml", "xml", "xml-dtd",
    "yaml",
})  # fmt: skip
"""Subtypes of `application` that are text, besides `+json` and such."""


def kind_of(body: bytes, content_type: str) -> str:
    """The media type, without parameters: what is said; or what the bytes are, if nothing is said, or only "binary"."""
    said = content_type.partition(";")[0].strip().lower()
    if said not in ("", BINARY):
        return said
    found = next(_found(body), "")
    if found or said:
        return found or BINARY
    return PLAIN if _is_text(body) else BINARY


def _found(body: bytes) -> Iterator[str]:
    for at, magic, kind in _MAGIC:
        if body.startswith(magic, at) and (not at or body.startswith(b"RIFF")):
            yield kind


def _is_text(body: bytes) -> bool:
    if b"\0" in body:
        return False
    try:
        body.decode()
    except UnicodeDecodeError as error:
        # The last character of what is cut is cut itself, perhaps.
        return error.end == len(body) and error.start > len(body) - 4 > 0
    return True


def is_textual(kind: str) -> bool:
    """Whether a media type is one of text."""
    family, _, name = kind.partition("/")
    return family == "text" or name.endswith(("+json", "+xml", "+yaml")) or (family == "application" and name in _TEXTS)


def decoded(body: bytes, content_type: str) -> str:
    """Text by its charset, UTF-8 if it tells none that is known; what is no character becomes U+FFFD."""
    charset = _CHARSET.search(content_type)
    try:
        return body.decode(charset[1] if charset else "utf-8-sig", "replace")
    except (LookupError, ValueError):
        return body.decode("utf-8-sig", "replace")


def has_charset(content_type: str) -> bool:
    """Whether another charset than UTF-8 is told."""
    charset = _CHARSET.search(content_type)
    return charset is not None and charset[1].lower() not in ("utf-8", "utf8", "us-ascii")


def text_block(text: str) -> Json:
    """A content block."""
    return {"type": "text", "text": text}


def blocks_of(body: bytes, content_type: str) -> list[Json]:
    """The content that bytes are; nothing for none."""
    if not body:
        return []
    kind = kind_of(body, content_type)
    if is_textual(kind):
        return [text_block(decoded(body, content_type))]
    data = b64encode(body).decode("ascii")
    family = kind.partition("/")[0]
    if family in ("image", "audio"):
        return [{"type": family, "data": data, "mimeType": kind}]
    uri = f"magictunnel://content/{sha256(body).hexdigest()[:32]}"
    return [{"type": "resource", "resource": {"uri": uri, "mimeType": kind, "blob": data}}]
