"""Where gateways can be found: nobody else can have put anything there, or look into it."""

from __future__ import annotations

import os
import socket
import stat
import tempfile
from pathlib import Path

import pytest

from magictunnel.admin.place import folder, is_ours, own_socket, sockets
from magictunnel.errors import ConfigError
from tests.support.gateways import IS_ROOT, NOBODY


def refused() -> str:
    with pytest.raises(ConfigError) as caught:
        folder()
    return str(caught.value)


def test_the_folder_is_made_and_is_ours_alone(runtime: Path) -> None:
    made = folder()

    assert made == runtime / "magictunnel"
    assert stat.S_IMODE(made.stat().st_mode) == 0o700
    assert folder() == made
    assert own_socket() == made / f"{os.getpid()}.sock"
    assert sockets() == []


@pytest.mark.parametrize("mode", [0o770, 0o707, 0o720, 0o701, 0o750])
def test_a_folder_that_others_may_use_is_refused(mode: int) -> None:
    folder().chmod(mode)

    assert refused().endswith("is not ours alone (chmod 700 it, or remove it, or set XDG_RUNTIME_DIR)")
    with pytest.raises(ConfigError):
        own_socket()
    with pytest.raises(ConfigError):
        sockets()


@pytest.mark.skipif(not IS_ROOT, reason="only root can give a folder to somebody else")
def test_a_folder_of_another_user_is_refused() -> None:
    os.chown(folder(), NOBODY, NOBODY)

    assert "is not ours alone" in refused()


def test_a_link_to_a_folder_is_refused_wherever_it_leads(runtime: Path, tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    (runtime / "magictunnel").symlink_to(tmp_path)

    assert "is not ours alone" in refused()


def test_what_is_no_folder_is_refused(runtime: Path) -> None:
    (runtime / "magictunnel").write_text("", "utf-8")

    assert "File exists" in refused()


def test_a_path_that_is_too_long_for_a_socket_is_refused(runtime: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    deep = runtime / ("x" * 90)
    deep.mkdir(mode=0o700)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(deep))

    assert "is too long for a socket (set XDG_RUNTIME_DIR to a shorter one)" in refused()


def test_without_the_variable_there_is_a_folder_too_and_nobody_is_warned(
    runtime: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Hosts pass on few variables to what they start."""
    monkeypatch.delenv("XDG_RUNTIME_DIR")
    monkeypatch.setattr(tempfile, "tempdir", str(runtime))

    assert stat.S_IMODE(folder().stat().st_mode) == 0o700


def test_our_own_processes_are_known_at_the_other_end() -> None:
    one, other = socket.socketpair(socket.AF_UNIX)
    with one, other:
        assert is_ours(one)


@pytest.mark.skipif(not IS_ROOT, reason="only root can be somebody else for a moment")
def test_a_process_of_another_user_is_known_at_the_other_end() -> None:
    with tempfile.TemporaryDirectory() as open_to_all, socket.socket(socket.AF_UNIX) as listener:
        os.chmod(open_to_all, 0o777)
        listener.bind(path := f"{open_to_all}/s")
        os.chmod(path, 0o777)
        listener.listen()
        listener.settimeout(5)
        child = os.fork()
        if child == 0:
            os.setuid(NOBODY)
            with socket.socket(socket.AF_UNIX) as theirs:
                theirs.connect(path)
                theirs.recv(1)
            os._exit(0)
        connection, _ = listener.accept()
        with connection:
            assert not is_ours(connection)
        os.waitpid(child, 0)
