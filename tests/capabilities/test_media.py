"""Bytes are told as what they are: by their content type, or by what they begin with."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from magictunnel.capabilities.content.media import blocks_of, decoded, is_textual, kind_of
from magictunnel.wire.codec import is_writable

PNG = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"
WEBP = b"RIFF\x24\0\0\0WEBPVP8 "
WAV = b"RIFF\x24\0\0\0WAVEfmt "


@pytest.mark.parametrize(
    ("body", "content_type", "kind"),
    [
        (b"{}", "Application/JSON; charset=utf-8", "application/json"),
        (PNG, "", "image/png"),
        (PNG, "application/octet-stream", "image/png"),
        (PNG, "image/x-mine", "image/x-mine"),
        (b"\xff\xd8\xff\xe0..JFIF", "", "image/jpeg"),
        (b"GIF89a...", "", "image/gif"),
        (WEBP, "", "image/webp"),
        (WAV, "", "audio/wav"),
        (b"xxxxxxxxWAVE", "", "text/plain"),
        (b"ID3\x04\0", "", "audio/mpeg"),
        (b"\xff\xfb\x90\0", "", "audio/mpeg"),
        (b"OggS\0\x02", "", "audio/ogg"),
        (b"%PDF-1.7\n", "", "application/pdf"),
        ("käse".encode(), "", "text/plain"),
        (b"", "", "text/plain"),
        (b"text", "application/octet-stream", "application/octet-stream"),
        (b"a\0b", "", "application/octet-stream"),
        (b"\xff\xfe\xfd", "", "application/octet-stream"),
        ("käse".encode()[:-3] * 3, "", "application/octet-stream"),
        ("text ü".encode()[:-1], "", "text/plain"),
        ("käse".encode("latin-1") * 9, "", "application/octet-stream"),
    ],
)
def test_the_kind_is_what_is_said_or_what_the_bytes_are(body: bytes, content_type: str, kind: str) -> None:
    assert kind_of(body, content_type) == kind


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("text/html", True), ("application/json", True), ("application/problem+json", True), ("application/yaml", True),
        ("application/vnd.api+yaml", True), ("image/svg+xml", True), ("text/csv", True),
        ("application/pdf", False), ("image/png", False), ("audio/json", False), ("", False),
    ],
)  # fmt: skip
def test_which_media_types_are_text(kind: str, expected: bool) -> None:
    assert is_textual(kind) is expected


@pytest.mark.parametrize(
    ("body", "content_type", "text"),
    [
        ("käse".encode("latin-1"), "text/plain; charset=ISO-8859-1", "käse"),
        ("käse".encode("utf-16"), 'text/plain; charset="utf-16"', "käse"),
        ("käse".encode("utf-8-sig"), "text/plain", "käse"),
        ("käse".encode(), "text/plain; charset=nonsense", "käse"),
        ("käse".encode(), "text/plain; charset=base64", "käse"),
        (b"k\xe4se", "text/plain", "k\ufffdse"),
    ],
)
def test_text_is_decoded_by_its_charset(body: bytes, content_type: str, text: str) -> None:
    assert decoded(body, content_type) == text


def test_blocks_are_of_the_kind() -> None:
    assert blocks_of(b"", "image/png") == []
    assert blocks_of(b"a,b", "text/csv") == [{"type": "text", "text": "a,b"}]
    assert blocks_of(b"<svg/>", "image/svg+xml") == [{"type": "text", "text": "<svg/>"}]
    data = base64.b64encode(PNG).decode()
    assert blocks_of(PNG, "image/png; x=y") == [{"type": "image", "data": data, "mimeType": "image/png"}]
    assert blocks_of(WAV, "")[0]["type"] == "audio"
    (block,) = blocks_of(b"%PDF-1", "")
    assert block["type"] == "resource"
    assert block["resource"]["mimeType"] == "application/pdf"
    assert base64.b64decode(block["resource"]["blob"]) == b"%PDF-1"


@given(st.binary(), st.sampled_from(["", "text/plain", "application/json", "text/plain; charset=utf-7", "image/png"]))
def test_any_bytes_become_what_can_be_sent(body: bytes, content_type: str) -> None:
    assert is_writable(blocks_of(body, content_type))
