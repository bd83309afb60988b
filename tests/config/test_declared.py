import hashlib
from pathlib import Path

from magictunnel.config.declared import MAX_FILES, capability_files, capability_folders
from magictunnel.config.load import load


def _write(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("tools: []\n")


def test_globs_name_files_once_and_in_order(tmp_path: Path) -> None:
    _write(tmp_path, "c/b.yaml", "c/a.yaml", "c/deep/x.yaml", "c/readme.md", "c/.hidden.yaml")
    found = capability_files(["c/*.yaml", "c/**/*.yaml", "c/a.yaml"], tmp_path)
    assert found == tuple(str(tmp_path / name) for name in ("c/a.yaml", "c/b.yaml", "c/deep/x.yaml"))


def test_a_path_that_is_no_glob_is_named_whether_it_is_there_or_not(tmp_path: Path) -> None:
    assert capability_files(["gone.yaml"], tmp_path) == (str(tmp_path / "gone.yaml"),)
    assert capability_files(["gone/*.yaml"], tmp_path) == ()


def test_folders_and_more_files_than_anybody_has_are_left_out(tmp_path: Path) -> None:
    (tmp_path / "folder.yaml").mkdir()
    assert capability_files(["*.yaml"], tmp_path) == ()
    _write(tmp_path, *(f"f{number}.yaml" for number in range(MAX_FILES + 1)))
    assert len(capability_files(["f*.yaml"], tmp_path)) == MAX_FILES


def test_a_new_file_is_looked_for_where_the_glob_begins(tmp_path: Path) -> None:
    found = capability_folders(["c/*.yaml", "d/e/**/*.yaml", "one.yaml", "/abs/x?.yaml"], tmp_path)
    assert found == [tmp_path / "c", tmp_path / "d/e", tmp_path, Path("/abs")]


def test_a_config_knows_its_capability_files_and_what_is_in_them(tmp_path: Path) -> None:
    _write(tmp_path, "c/a.yaml")
    (tmp_path / "config.yaml").write_text("capabilities: [c/*.yaml, gone.yaml]\n")
    config = load(tmp_path / "config.yaml")
    there, gone = (str(tmp_path / name) for name in ("c/a.yaml", "gone.yaml"))
    assert config.capabilities == ("c/*.yaml", "gone.yaml")
    assert config.declared == (there, gone)
    assert config.files == (str(tmp_path / "config.yaml"), there, gone)
    assert dict(config.digests)[there] == hashlib.sha256(b"tools: []\n").hexdigest()
    assert dict(config.digests)[gone] is None


def test_a_glob_that_matches_nothing_is_noted(tmp_path: Path) -> None:
    _write(tmp_path, "c/a.yaml")
    (tmp_path / "config.yaml").write_text("capabilities: [c/*.yaml, cups/*.yaml, gone.yaml]\n")
    assert load(tmp_path / "config.yaml").notes == ("capabilities: no file matches cups/*.yaml",)
