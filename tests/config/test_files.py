from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from magictunnel.config.files import write_text
from magictunnel.errors import ConfigError


def refused(path: Path, text: str, expecting: str) -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        write_text(path, text, expecting)
    assert len(str(caught.value).splitlines()) == 1
    assert str(path) in str(caught.value)
    return caught.value


def test_a_file_is_replaced_whole_and_nothing_is_left_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_bytes("\ufeffa: é\r\n".encode())
    before = path.stat().st_ino

    write_text(path, "\ufeffb: ü\r\n", expecting="\ufeffa: é\r\n")

    assert path.read_bytes() == "\ufeffb: ü\r\n".encode()
    assert path.stat().st_ino != before
    assert os.listdir(tmp_path) == ["config.yaml"]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has other permissions")
@pytest.mark.parametrize("mode", [0o600, 0o644, 0o664])
def test_permissions_and_owner_stay(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "config.yaml"
    path.write_text("a")
    path.chmod(mode)
    before = path.stat()

    write_text(path, "b", expecting="a")

    after = path.stat()
    assert (after.st_mode, after.st_uid, after.st_gid) == (before.st_mode, before.st_uid, before.st_gid)


def test_behind_a_link_the_file_it_leads_to_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "dotfiles").mkdir()
    target = tmp_path / "dotfiles" / "mcp.json"
    target.write_text("a")
    link = tmp_path / "mcp.json"
    link.symlink_to("dotfiles/mcp.json")

    write_text(link, "b", expecting="a")

    assert link.is_symlink()
    assert target.read_text() == "b"
    assert os.listdir(target.parent) == ["mcp.json"]


def test_what_somebody_else_wrote_meanwhile_stays(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text("mine")

    error = refused(path, "new", expecting="old")

    assert "changed" in error.message
    assert path.read_text() == "mine"
    assert os.listdir(tmp_path) == ["config.yaml"]


def test_a_file_that_went_is_not_made_again(tmp_path: Path) -> None:
    assert "no such file" in refused(tmp_path / "config.yaml", "new", expecting="").message
    assert "cannot be written" in refused(tmp_path / "gone" / "config.yaml", "new", expecting="").message
    assert os.listdir(tmp_path) == []


def test_text_that_no_file_can_hold_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text("a")

    assert "cannot be written" in refused(path, "\ud800", expecting="a").message
    assert path.read_text() == "a"
    assert os.listdir(tmp_path) == ["config.yaml"]
