"""Files that a capability file names: within its folder, bounded, text or base64."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from magictunnel.capabilities.content.files import charset_of, contents, mime_of, path_fault, read_bytes, within
from magictunnel.errors import RunError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a file, links within and out of it, and a neighbour whose name begins alike."""
    folder = tmp_path / "caps"
    (folder / "deep").mkdir(parents=True)
    (folder / "deep" / "a.txt").write_text("a")
    (tmp_path / "caps-other").mkdir()
    (tmp_path / "caps-other" / "secret.txt").write_text("secret")
    (folder / "in.txt").symlink_to(folder / "deep" / "a.txt")
    (folder / "out.txt").symlink_to(tmp_path / "caps-other" / "secret.txt")
    (folder / "away").symlink_to(tmp_path)
    (folder / "loop").symlink_to(folder / "loop")
    return folder


@pytest.mark.parametrize("path", ["deep/a.txt", "./deep/a.txt", "in.txt"])
def test_what_is_within_the_folder_is_found(folder: Path, path: str) -> None:
    assert read_bytes(within(folder, path)) == b"a"


@pytest.mark.parametrize(
    "path",
    ["../caps-other/secret.txt", "deep/../../x", "..\\x", "/etc/passwd", "C:\\x", "C:x", "\\\\host\\x", "", " ", "a\0b",
     "out.txt", "away/caps-other/secret.txt", "away", "x" * 5_000],
)  # fmt: skip
def test_nothing_leads_out_of_the_folder(folder: Path, path: str) -> None:
    with pytest.raises(RunError):
        read_bytes(within(folder, path))


@given(
    st.lists(
        st.sampled_from(["..", ".", "deep", "away", "out.txt", "caps", "caps-other", "", "~", "a\\..\\b"]), max_size=6
    )
)
def test_whatever_is_written_is_within_or_refused(names: list[str]) -> None:
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place, "caps")
        (folder / "deep").mkdir(parents=True)
        (folder / "away").symlink_to(place)
        try:
            found = within(folder, "/".join(names))
        except RunError:
            return
        assert found.is_relative_to(folder.resolve())


def test_a_loop_of_links_is_an_error_in_words(folder: Path) -> None:
    with pytest.raises(RunError, match="loop"):
        read_bytes(within(folder, "loop"))


def test_a_path_is_judged_as_it_is_written() -> None:
    assert not path_fault("a/..b/c..d.txt")
    assert "leads out" in path_fault("a/../b")
    assert "absolute" in path_fault("/a")


def test_what_is_no_ordinary_file_is_not_read_nor_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(RunError, match="'pipe' is no ordinary file"):
        read_bytes(tmp_path / "pipe")
    with pytest.raises(RunError, match=r"no ordinary file|cannot be read"):
        read_bytes(tmp_path)
    with pytest.raises(FileNotFoundError):
        read_bytes(tmp_path / "none")


def test_a_file_that_is_too_large_is_refused_without_being_read(tmp_path: Path) -> None:
    with (tmp_path / "large").open("wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(RunError, match="'large' is larger than 8 MB"):
        read_bytes(tmp_path / "large")


@pytest.mark.parametrize(
    ("name", "kind"),
    [("a.md", "text/markdown"), ("a.YAML", "application/yaml"), ("a.png", "image/png"),
     ("a.tar.gz", "application/gzip"), ("a.wav", "audio/wav"), ("a.unheard-of", None), ("Makefile", None),
     ("deep/a.json", "application/json")],
)  # fmt: skip
def test_a_suffix_stands_for_a_media_type(name: str, kind: str | None) -> None:
    assert mime_of(name) == kind


@pytest.mark.parametrize(
    ("data", "content_type", "told"),
    [
        (b"k\xc3\xa4se", None, {"mimeType": "text/plain", "text": "käse"}),
        (b"k\xe4se", 'text/HTML; charset="latin-1"', {"mimeType": "text/html", "text": "käse"}),
        (b"k\xe4se", None, {"mimeType": "application/octet-stream", "blob": "a+RzZQ=="}),
        (b"a\0", "text/plain", {"mimeType": "text/plain", "blob": "YQA="}),
        (b"", "", {"mimeType": "text/plain", "text": ""}),
        (b"x", "text/plain; charset=nonsense", {"mimeType": "text/plain", "blob": "eA=="}),
    ],
)
def test_content_is_text_where_it_is_text(data: bytes, content_type: str | None, told: dict[str, str]) -> None:
    assert contents("x:1", data, content_type) == {"uri": "x:1"} | told


def test_an_encoding_is_utf_8_where_none_is_named() -> None:
    assert charset_of("text/plain") == charset_of("text/plain; charset=") == "utf-8"
