"""The config's files, watched: real files, and edits as editors make them."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest

from magictunnel import reload
from magictunnel.config.changes import Changes
from magictunnel.config.load import load
from magictunnel.errors import ConfigError
from magictunnel.gateway import Gateway, build, running
from magictunnel.reload import Reloader, told
from tests.support.memory import until
from tests.support.stage import Stage

pytestmark = pytest.mark.anyio

PATIENCE = 10.0
A, B, C = {"command": "a"}, {"command": "b"}, {"command": "c"}
OTHER_B = {"command": "b", "args": ["new"]}


@pytest.fixture(autouse=True)
def hurried(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """Shorter pauses; and nothing is seen that was not heard of."""
    for name, value in (("_DEBOUNCE", 20), ("_CALM", 0.03), ("_LOOK", 60.0)):
        monkeypatch.setattr(reload, name, value)
    caplog.set_level(logging.INFO, "magictunnel.reload")


@pytest.fixture(autouse=True)
def stage(monkeypatch: pytest.MonkeyPatch) -> Stage:
    return Stage(monkeypatch)


class Scene:
    """A gateway, and the file it goes by."""

    def __init__(self, file: Path, gateway: Gateway, caplog: pytest.LogCaptureFixture) -> None:
        self.file = file
        self.gateway = gateway
        self.reloader = Reloader(gateway)
        self._caplog = caplog

    @property
    def servers(self) -> list[str]:
        return list(self.gateway.status)

    @property
    def said(self) -> list[str]:
        """What the reloader has logged."""
        return [record.getMessage() for record in self._caplog.records if record.name == "magictunnel.reload"]

    async def until_said(self, part: str) -> None:
        await until(lambda: any(part in said for said in self.said))
        await anyio.wait_all_tasks_blocked()  # it watches again

    async def until_serves(self, *servers: str) -> None:
        await until(lambda: self.servers == list(servers))
        await anyio.wait_all_tasks_blocked()


def text(above: str = "", **servers: Any) -> str:
    """A config of ours."""
    return f"{above}\nmcpServers: {json.dumps(servers)}\n"


def replaced(path: Path, content: str) -> None:
    """Write as editors do: another file, put in its place."""
    beside = path.with_name(f".{path.name}.tmp")
    beside.write_text(content, "utf-8")
    os.replace(beside, path)


@asynccontextmanager
async def scene(tmp_path: Path, caplog: pytest.LogCaptureFixture, content: str = "") -> AsyncIterator[Scene]:
    file = tmp_path / "servers.yaml"
    file.write_text(content or text(a=A, b=B), "utf-8")
    with anyio.fail_after(PATIENCE):
        async with running(build(load(file))) as gateway:
            await gateway.settled()
            yield Scene(file, gateway, caplog)


@asynccontextmanager
async def watched(tmp_path: Path, caplog: pytest.LogCaptureFixture, content: str = "") -> AsyncIterator[Scene]:
    async with scene(tmp_path, caplog, content) as here, anyio.create_task_group() as tasks:
        tasks.start_soon(here.reloader.watch)
        await anyio.wait_all_tasks_blocked()
        yield here
        tasks.cancel_scope.cancel()


# --- reload


async def test_what_the_file_says_now_is_gone_by(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, stage: Stage
) -> None:
    async with scene(tmp_path, caplog) as here:
        here.file.write_text(text(b=OTHER_B, c=C), "utf-8")

        what = await here.reloader.reload()

        assert what == Changes(added=("c",), removed=("a",), restarted=("b",), rules_changed=True)
        assert here.servers == ["b", "c"]
        assert stage.configs["b"][-1].args == ("new",)
        assert here.said == ["config: added c; removed a; started anew b"]


async def test_a_file_that_says_the_same_is_nothing_to_tell_of(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with scene(tmp_path, caplog) as here:
        here.file.write_text(f"# a remark\n{here.file.read_text('utf-8')}", "utf-8")

        assert (await here.reloader.reload()).is_nothing
        assert here.said == []


@pytest.mark.parametrize("content", ["", "mcpServers: {a: {comm", "mcpServers: [1]", "\xff", "servrs: {}"])
async def test_a_file_that_cannot_be_used_is_an_error_and_changes_nothing(
    content: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with scene(tmp_path, caplog) as here:
        before = here.gateway.config
        here.file.write_text(content, "latin-1")

        with pytest.raises(ConfigError):
            await here.reloader.reload()

        assert here.gateway.config is before
        assert here.servers == ["a", "b"]


async def test_an_entry_that_is_wrong_is_told_of_once_and_its_server_goes_on(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, stage: Stage
) -> None:
    async with scene(tmp_path, caplog) as here:
        for remark in ("# one", "# two"):
            here.file.write_text(text(remark, a=A, b={"commnd": "b"}), "utf-8")
            await here.reloader.reload()

        (said,) = here.said
        assert "servers.yaml:2: server 'b': commnd: unknown key" in said
        assert said.endswith("as it was")
        assert here.servers == ["a", "b"]
        assert stage["b"].attempts == 1


async def test_reloads_take_turns(tmp_path: Path, caplog: pytest.LogCaptureFixture, stage: Stage) -> None:
    async with scene(tmp_path, caplog) as here:
        here.file.write_text(text(a=A, b=B, c=C), "utf-8")
        found: list[Changes] = []

        async def again() -> None:
            found.append(await here.reloader.reload())

        async with anyio.create_task_group() as tasks:
            for _ in range(4):
                tasks.start_soon(again)

        assert [what.added for what in found] == [("c",), (), (), ()]
        assert len(stage.made["c"]) == 1


# --- watch


@pytest.mark.parametrize("how", ["in place", "by another file", "by another file with its time"])
async def test_an_edit_is_gone_by(how: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with watched(tmp_path, caplog) as here:
        seen = here.file.stat()
        content = text(a=A, b=B, c=C)
        if how == "in place":
            here.file.write_text(content, "utf-8")
        else:
            replaced(here.file, content)
        if how == "by another file with its time":
            os.utime(here.file, ns=(seen.st_atime_ns, seen.st_mtime_ns))

        await here.until_serves("a", "b", "c")
        await here.until_said("config: added c")
        assert len(here.said) == 1


async def test_one_edit_after_the_other_is_gone_by(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with watched(tmp_path, caplog) as here:
        replaced(here.file, text(a=A))
        await here.until_serves("a")
        here.file.write_text(text(a=A, c=C), "utf-8")
        await here.until_serves("a", "c")


@pytest.mark.parametrize("content", ["", "mcpServers: {a: {comm", "mcpServers: [1]"])
async def test_a_broken_file_changes_nothing_and_is_told_of_once(
    content: str, tmp_path: Path, caplog: pytest.LogCaptureFixture, stage: Stage
) -> None:
    async with watched(tmp_path, caplog) as here:
        replaced(here.file, content)
        await here.until_said("the changed config cannot be used, nothing changes: ")
        (record,) = [record for record in caplog.records if record.levelno >= logging.WARNING]
        assert (record.levelno, "\n" in record.getMessage()) == (logging.ERROR, False)
        assert str(here.file) in record.getMessage()
        assert here.servers == ["a", "b"]
        assert stage["a"].attempts == stage["b"].attempts == 1

        replaced(here.file, text(a=A, b=B, c=C))
        await here.until_serves("a", "b", "c")


async def test_a_file_that_is_written_in_steps_is_read_when_it_is_whole(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reload, "_CALM", 0.2)
    async with watched(tmp_path, caplog) as here:
        whole = text(a=A, b=B, c=C)
        here.file.write_text("", "utf-8")
        for end in range(0, len(whole), 20):
            here.file.write_text(whole[:end], "utf-8")
            await anyio.sleep(0.04)
        here.file.write_text(whole, "utf-8")
        await here.until_serves("a", "b", "c")

        assert here.said == ["config: added c"]


async def test_files_beside_it_are_nobody_s_business(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with watched(tmp_path, caplog) as here:
        stats = 0

        def now(_self: Reloader) -> dict[str, Any]:
            nonlocal stats
            stats += 1
            return seen

        seen = here.reloader._now()
        with monkeypatch.context() as patched:
            patched.setattr(Reloader, "_now", now)
            for name in ("servers.yaml~", ".servers.yaml.swp", "4913", "other.yaml"):
                (tmp_path / name).write_text(text(x=C), "utf-8")
                (tmp_path / name).unlink()
            await anyio.sleep(0.15)
            assert stats == 0

        replaced(here.file, text(a=A))
        await here.until_serves("a")
        assert here.said == ["config: removed b"]


async def test_a_file_that_goes_changes_nothing_and_is_gone_by_when_it_comes_back(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with watched(tmp_path, caplog) as here:
        here.file.unlink()
        await here.until_said("the changed config cannot be used, nothing changes: ")
        assert here.servers == ["a", "b"]

        here.file.write_text(text(a=A), "utf-8")
        await here.until_serves("a")


async def test_an_included_file_is_watched_from_when_it_is_included(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    more = tmp_path / "elsewhere" / "more.json"
    more.parent.mkdir()
    more.write_text(json.dumps({"mcpServers": {"c": C}}), "utf-8")
    async with watched(tmp_path, caplog) as here:
        replaced(here.file, text("include: [elsewhere/more.json]", a=A, b=B))
        await here.until_serves("a", "b", "c")

        replaced(more, json.dumps({"mcpServers": {"c": C, "d": A}}))
        await here.until_serves("a", "b", "c", "d")

        replaced(here.file, text(a=A, b=B))
        await here.until_serves("a", "b")


async def test_an_included_file_that_breaks_keeps_its_servers(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, stage: Stage
) -> None:
    more = tmp_path / "more.json"
    more.write_text(json.dumps({"mcpServers": {"c": C}}), "utf-8")
    async with watched(tmp_path, caplog, text("include: [more.json]", a=A)) as here:
        assert here.servers == ["a", "c"]

        more.write_text("{", "utf-8")
        await here.until_said("as it was")
        assert here.servers == ["a", "c"]
        assert stage["c"].attempts == 1


async def test_a_link_to_a_file_is_watched_where_the_file_is(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    real = tmp_path / "real" / "dotfile.yaml"
    real.parent.mkdir()
    async with scene(tmp_path, caplog) as here:
        here.file.rename(real)
        here.file.symlink_to(real)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(here.reloader.watch)
            await anyio.wait_all_tasks_blocked()
            replaced(real, text(a=A))

            await here.until_serves("a")
            tasks.cancel_scope.cancel()


async def test_where_folders_cannot_be_watched_the_files_are_looked_at_now_and_then(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reload, "_LOOK", 0.03)
    folder = tmp_path / "folder"
    folder.mkdir()
    async with scene(folder, caplog) as here:
        content = text(a=A)
        here.file.unlink()
        folder.rmdir()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(here.reloader.watch)
            await until(lambda: bool(here.said))
            folder.mkdir()
            here.file.write_text(content, "utf-8")

            await until(lambda: here.servers == ["a"])
            tasks.cancel_scope.cancel()


async def test_it_ends_soon_when_it_is_cancelled(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with watched(tmp_path, caplog):
        ended = anyio.current_time()

    assert anyio.current_time() - ended < 4.0  # the thread that watches looks up every five


@pytest.mark.parametrize("odd", ["~nobody-of-that-name/*.yaml", "loop.yaml", "loop.yaml/*.yaml", "beyond/*.yaml"])
async def test_a_path_that_leads_nowhere_ends_nothing(
    odd: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "loop.yaml").symlink_to(tmp_path / "loop.yaml")
    (tmp_path / "beyond").mkdir()
    (tmp_path / "beyond" / "x.yaml").symlink_to(tmp_path / "loop.yaml" / "x")
    async with watched(tmp_path, caplog) as here:
        here.file.write_text(text(a=A) + f"capabilities: [{odd!r}]\n", "utf-8")
        await until(lambda: here.servers == ["a"])
        here.file.write_text(text(b=B), "utf-8")
        await until(lambda: here.servers == ["b"])


# --- in words


@pytest.mark.parametrize(
    ("what", "words"),
    [
        (Changes(), "nothing changed"),
        (Changes(kept=("a", "b")), "nothing changed"),
        (Changes(kept=("a",), rules_changed=True), "names and filters changed"),
        (Changes(added=("a", "b"), rules_changed=True), "added a, b"),
        (Changes(("a",), ("b",), ("c", "d"), ("e",), True), "added a; removed b; started anew c, d"),
    ],
)
def test_changes_are_told_in_words(what: Changes, words: str) -> None:
    assert told(what) == words
