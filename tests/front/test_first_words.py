"""What is kept for the next start is believed to the byte, or not at all."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from magictunnel.config.discovery import DiscoveryConfig
from magictunnel.discovery.budget import defers
from magictunnel.front.first_words import MAX_SIZE, Files, Words, pack, read_regular, read_words, unpack, view_name
from magictunnel.front.sessions import MAX_NAME

ANSWERS = {"ping  others": b',"result":{}}', "tools/list  others": b',"result":{"tools":[]}}', "same": b',"result":{}}'}
PRINTED = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20)


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def packed(files: Files = (), **changed: Any) -> bytes:
    content = pack(ANSWERS, ["claude-*"], files)
    assert content is not None
    head, _, body = content.partition(b"\n")
    return json.dumps(json.loads(head) | changed).encode() + b"\n" + body


def kept(folder: Path, content: bytes) -> Path:
    path = folder / "kept"
    path.write_bytes(content)
    path.chmod(0o600)
    return path


@given(
    answers=st.dictionaries(PRINTED, st.binary(min_size=1).filter(lambda answer: b"\n" not in answer), max_size=8),
    deferring=st.lists(PRINTED, max_size=3),
    files=st.lists(st.tuples(PRINTED, st.none() | PRINTED), max_size=3),
)
def test_what_is_packed_is_what_is_unpacked(
    answers: dict[str, bytes], deferring: list[str], files: list[tuple[str, str | None]]
) -> None:
    content = pack(answers, deferring, tuple(files))
    assert content is not None
    found = unpack(content)
    assert found is not None
    words, named = found

    assert {name: words.get(name) for name in words.places} == answers
    assert (words.deferring, named) == (tuple(deferring), tuple(files))
    assert words.get("nothing of that name, for it is longer than any") is None


def test_answers_that_are_the_same_are_kept_once() -> None:
    assert packed().count(b',"result":{}}') == 1


@given(st.binary(max_size=200))
def test_what_is_none_of_ours_says_nothing(content: bytes) -> None:
    assert unpack(content) is None


@given(at=st.integers(min_value=0), byte=st.integers(min_value=0, max_value=255))
def test_one_byte_of_an_answer_that_is_another_spoils_everything(at: int, byte: int) -> None:
    content = bytearray(packed())
    body = content.index(b"\n") + 1
    at = body + at % (len(content) - body)
    is_same = content[at] == byte
    content[at] = byte

    assert (unpack(bytes(content)) is not None) is is_same


@pytest.mark.parametrize(
    "changed",
    [
        {"format": 0},
        {"version": "0.0.0"},
        {"files": None},
        {"files": [["a"]]},
        {"files": [["a\0", None]]},
        {"files": [["a", 1]]},
        {"deferring": ["a", 1]},
        {"parts": {"a": [0, 1_000_000]}},
        {"parts": {"a": [-1, 2]}},
        {"parts": {"a": [True, True]}},
        {"parts": {"a": [0, 0]}},
        {"parts": [[0, 1]]},
        {"body": None},
    ],
)
def test_a_header_that_says_what_cannot_be_spoils_everything(changed: dict[str, Any]) -> None:
    assert unpack(packed()) is not None
    assert unpack(packed(**changed)) is None


def test_what_is_too_long_is_not_kept() -> None:
    assert pack({"a": bytes(MAX_SIZE)}, (), ()) is None
    assert pack({}, ["x" * 70_000], ()) is None


def test_it_holds_while_the_config_is_the_same_to_the_byte(tmp_path: Path) -> None:
    config, missing = tmp_path / "c.json", tmp_path / "more.json"
    config.write_text("{}", encoding="utf-8")
    path = kept(tmp_path, packed(((str(config), digest("{}")), (str(missing), None))))
    assert read_words(path) is not None

    config.write_text("{ }", encoding="utf-8")
    assert read_words(path) is None
    config.write_text("{}", encoding="utf-8")
    missing.write_text("", encoding="utf-8")
    assert read_words(path) is None
    missing.unlink()
    missing.mkdir()
    assert read_words(path) is None
    missing.rmdir()
    assert read_words(path) is not None
    config.unlink()
    assert read_words(path) is None


def test_a_config_that_is_no_file_is_not_read(tmp_path: Path) -> None:
    """What a pipe holds can be read once, and others are to read it."""
    os.mkfifo(tmp_path / "pipe")

    assert read_words(kept(tmp_path, packed(((str(tmp_path / "pipe"), digest("")),)))) is None


@pytest.mark.parametrize("mode", [0o620, 0o602, 0o666])
def test_a_file_that_others_may_write_says_nothing(mode: int, tmp_path: Path) -> None:
    path = kept(tmp_path, packed())
    assert read_words(path) is not None
    path.chmod(mode)

    assert read_words(path) is None


def test_neither_does_one_that_is_somewhere_else_or_is_none(tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(kept(tmp_path, packed()))
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()

    for name in ("link", "pipe", "folder", "nothing", "a\0b"):
        assert read_words(tmp_path / name) is None


def test_a_file_is_read_up_to_a_bound(tmp_path: Path) -> None:
    path = kept(tmp_path, b"12345")

    assert read_regular(path, 5) == b"12345"
    assert read_regular(path, 4) is None


@given(
    name=st.sampled_from(["claude-code", "Claude-Code 2", "", "x" * (MAX_NAME + 1), "a"]) | st.text(max_size=10),
    patterns=st.lists(st.sampled_from(["claude-code*", "*", "x" * MAX_NAME, "[a-c]", "A", "unnamed*"]), max_size=2),
)
def test_a_client_has_the_view_it_has_later(name: str, patterns: list[str]) -> None:
    later = defers(str(name or "unnamed client")[:MAX_NAME], DiscoveryConfig(deferring=tuple(patterns)))

    assert Words(tuple(patterns), {}, b"").view(name) == view_name(by_itself=later)
