"""What became of tools is counted at once, and kept; or not kept, and no harm done."""

from __future__ import annotations

import logging
import os
import sqlite3
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import fields
from pathlib import Path

import anyio
import pytest

from magictunnel.catalog.live import LiveCatalog
from magictunnel.catalog.merge import MergeRules, ServerRules
from magictunnel.catalog.model import Entry, Kind, Listing
from magictunnel.discovery import usage as module
from magictunnel.discovery.usage import Event, Usage
from magictunnel.store.database import open_database
from magictunnel.store.usage import Counters, Counts, Key

pytestmark = pytest.mark.anyio

LONG = 3_600.0
SOON = 0.002


def offering(*names: str) -> LiveCatalog:
    """What is offered now: tools of these names, of the server `s`, and a prompt."""
    live = LiveCatalog(MergeRules())
    tools = tuple({"name": name, "inputSchema": {"type": "object"}} for name in names)
    live.replace("s", Listing({Kind.TOOL: tools, Kind.PROMPT: ({"name": "p"},)}, {"tools": {}, "prompts": {}}))
    return live


LIVE = offering("a", "b", "c")


def entry(name: str, live: LiveCatalog = LIVE, kind: Kind = Kind.TOOL) -> Entry:
    (found,) = [one for one in live.current.of(kind).values() if one.original == name]
    return found


A, B = entry("a"), entry("b")


def use(usage: Usage, tool: Entry, times: int = 1, *, failed: int = 0) -> None:
    for event, count in ((Event.CHOSEN, times), (Event.CALLED, times), (Event.FAILED, failed)):
        for _ in range(count):
            usage.note(event, [tool])


@asynccontextmanager
async def running(path: Path | None, every: float = LONG, live: LiveCatalog = LIVE) -> AsyncIterator[Usage]:
    """A Usage that runs while the block lasts, which begins when the counts from before are known, if they can be."""
    usage = Usage(live, path, every)
    with anyio.fail_after(10):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(usage.run)
            while path is not None and not (usage._is_loaded or usage._has_warned):
                await anyio.sleep(SOON)
            yield usage
            tasks.cancel_scope.cancel()


async def kept(path: Path) -> dict[Key, Counts]:
    async with open_database(path) as database:
        return await Counters(database).read()


def calls(counts: Mapping[Key, Counts]) -> dict[str, int]:
    return {tool: counts.called for (_, tool), counts in counts.items()}


def aside(folder: Path) -> list[str]:
    """The damaged stores that were set aside."""
    return [name for name in os.listdir(folder) if ".corrupt-" in name and not name.endswith(("-wal", "-shm"))]


# --- counting


def test_each_event_has_a_counter() -> None:
    assert [*Event, "last"] == [field.name for field in fields(Counts)]


async def test_each_event_is_counted_of_each_tool(tmp_path: Path) -> None:
    before = time.time()
    async with running(tmp_path / "s.db") as usage:
        usage.note(Event.FOUND, [A, B])
        usage.note(Event.FOUND, iter([A]))
        usage.note(Event.SHOWN, [A])
        use(usage, A, 3, failed=1)
        usage.note(Event.SHOWN, [])

    counts = await kept(tmp_path / "s.db")
    assert before <= counts["s", "a"].last <= time.time()
    for one in counts.values():
        one.last = 0
    assert counts == {("s", "a"): Counts(2, 1, 3, 3, 1), ("s", "b"): Counts(found=1)}


async def test_tools_are_counted_and_nothing_else(tmp_path: Path) -> None:
    async with running(tmp_path / "s.db") as usage:
        usage.note(Event.FOUND, [entry("p", kind=Kind.PROMPT), A])

    assert list(await kept(tmp_path / "s.db")) == [("s", "a")]


async def test_names_no_tool_should_have_do_no_harm(tmp_path: Path) -> None:
    live = offering("half \ud83d", "x" * 5_000, "ok\0")
    async with running(tmp_path / "s.db", live=live) as usage:
        for tool in live.current.of(Kind.TOOL).values():
            use(usage, tool)
        assert len(usage.uses) == 2

    assert set(calls(await kept(tmp_path / "s.db"))) == {"half \\ud83d", "ok\0"}


def test_what_is_remembered_of_ever_new_tools_is_bounded(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(module, "KEPT", 100)
    usage = Usage(LIVE, tmp_path / "s.db")
    usage.note(Event.FOUND, [B])
    for at in range(1_000):
        usage.note(Event.FOUND, [Entry(Kind.TOOL, f"s__{at}", "s", str(at), {}), A])

    for counts in (usage._total, usage._news):
        assert len(counts) == 100
        assert counts["s", "a"].found == 1_000  # it is used all the time
        assert ("s", "b") not in counts


# --- uses


def test_uses_are_choices_that_did_not_fail_by_public_name() -> None:
    usage = Usage(LIVE, None)
    use(usage, A, 3, failed=1)
    use(usage, B, 2, failed=2)
    usage.note(Event.FOUND, [entry("c")])

    assert dict(usage.uses) == {A.name: 2}
    assert (len(usage.uses), usage.uses.get(B.name, 0), usage.uses.get("nobody", 0)) == (1, 0, 0)


def test_what_was_called_without_being_chosen_is_no_use_and_its_failures_are_not_of_choices() -> None:
    usage = Usage(LIVE, None)
    use(usage, A, 3)
    for _ in range(10):
        usage.note(Event.CALLED, [A])
        usage.note(Event.CALLED, [B])
    for _ in range(10):
        usage.note(Event.FAILED, [A])

    assert dict(usage.uses) == {A.name: 3}


def test_what_was_chosen_and_not_called_is_no_use() -> None:
    usage = Usage(LIVE, None)
    usage.note(Event.CHOSEN, [A])

    assert dict(usage.uses) == {}


async def test_a_tool_that_has_another_public_name_by_now_keeps_its_uses_and_one_that_is_gone_has_none() -> None:
    live = offering("a", "b")
    usage = Usage(live, None)
    use(usage, entry("a", live))
    use(usage, entry("b", live), 5)
    live.replace("s", Listing({Kind.TOOL: ({"name": "a"},)}))
    live.rule(MergeRules(servers={"s": ServerRules(alias="other")}))

    assert dict(usage.uses) == {"other__a": 1}


# --- keeping


async def test_what_one_run_counted_the_next_one_knows_and_adds_to(tmp_path: Path) -> None:
    path = tmp_path / "s.db"
    for run in range(3):
        async with running(path) as usage:
            assert usage.uses.get(A.name, 0) == 2 * run
            use(usage, A, 2)
            assert usage.uses[A.name] == 2 * run + 2

    assert calls(await kept(path)) == {"a": 6}


async def test_what_is_counted_before_the_store_is_read_counts_once(tmp_path: Path) -> None:
    path = tmp_path / "s.db"
    async with running(path) as usage:
        use(usage, A, 2)

    usage = Usage(LIVE, path, LONG)
    use(usage, A)
    with anyio.fail_after(10):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(usage.run)
            while not usage._is_loaded:
                use(usage, B)  # while it is read
                await anyio.lowlevel.checkpoint()
            noted = usage.uses[B.name]
            assert usage.uses[A.name] == 3
            tasks.cancel_scope.cancel()

    assert calls(await kept(path)) == {"a": 3, "b": noted}


async def test_it_is_written_while_it_runs_and_nothing_twice(tmp_path: Path) -> None:
    path = tmp_path / "s.db"
    async with running(path, SOON) as usage:
        for times in range(1, 6):
            use(usage, A)
            while calls(await kept(path)) != {"a": times}:
                await anyio.sleep(SOON)

    assert calls(await kept(path)) == {"a": 5}


async def test_cancelled_at_any_moment_everything_is_counted_once(tmp_path: Path) -> None:
    path = tmp_path / "s.db"
    for moment in range(0, 40, 2):
        usage = Usage(LIVE, path, 0)
        with anyio.fail_after(10):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(usage.run)
                for _ in range(moment):
                    use(usage, A)
                    await anyio.sleep(0.0005)
                use(usage, A)
                tasks.cancel_scope.cancel()

    assert calls(await kept(path)) == {"a": sum(moment + 1 for moment in range(0, 40, 2))}


async def test_gateways_that_share_a_store_add_up(tmp_path: Path) -> None:
    path = tmp_path / "s.db"
    async with running(path, SOON) as one, running(path, SOON) as other:
        for _ in range(50):
            use(one, A)
            use(other, A)
            await anyio.lowlevel.checkpoint()

    assert calls(await kept(path)) == {"a": 100}


async def test_nothing_is_written_where_nothing_was_counted(tmp_path: Path) -> None:
    path = tmp_path / "s.db"
    async with running(path):
        pass
    before = path.stat().st_mtime_ns
    async with running(path, SOON) as usage:
        usage.note(Event.SHOWN, [])
        await anyio.wait_all_tasks_blocked()

    assert path.stat().st_mtime_ns == before


# --- not keeping


async def test_without_a_store_it_is_counted_all_the_same(caplog: pytest.LogCaptureFixture) -> None:
    async with running(None) as usage:
        use(usage, A, 2)
        assert dict(usage.uses) == {A.name: 2}
        assert not usage._news

    assert caplog.records == []


@pytest.mark.parametrize("what", ["no folder", "of another program", "a folder"])
async def test_a_store_that_cannot_be_used_is_told_of_once_and_nothing_else_happens(
    what: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "s.db"
    if what == "no folder":
        (tmp_path / "file").write_text("")
        path = tmp_path / "file" / "s.db"
    elif what == "of another program":
        connection = sqlite3.connect(path)
        connection.execute("CREATE TABLE mine (text TEXT)")
        connection.commit()
        connection.close()
    else:
        path.mkdir()

    async with running(path, SOON) as usage:
        for _ in range(3):
            use(usage, A)
            await anyio.sleep(5 * SOON)  # some of them while it tries to write
        assert dict(usage.uses) == {A.name: 3}

    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert record.getMessage().startswith(f"what tools are used is not remembered: store {path}: ")
    assert "\n" not in record.getMessage()


async def test_what_could_not_be_written_is_written_when_the_store_can_be_used_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "s.db"
    path.mkdir()
    async with running(path, SOON) as usage:
        use(usage, A, 2)
        await anyio.wait_all_tasks_blocked()
        path.rmdir()
        while not path.exists() or not calls(await kept(path)):  # without another event
            await anyio.sleep(SOON)
        assert dict(usage.uses) == {A.name: 2}

    assert calls(await kept(path)) == {"a": 2}
    assert len(caplog.records) == 1


async def test_a_store_that_another_keeps_locked_delays_the_end_by_a_moment_only(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_PATIENCE", 0.1)
    path = tmp_path / "s.db"
    async with running(path) as usage:
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        use(usage, A)
        began = anyio.current_time()
    other.close()

    assert anyio.current_time() - began < 3
    assert [message.split(": ")[0] for message in caplog.messages] == ["what tools are used is not remembered"]
    assert calls(await kept(path)) == {}


async def test_what_was_being_written_when_another_had_the_store_locked_is_written_later_and_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_PATIENCE", 0.02)
    path = tmp_path / "s.db"
    async with running(path, SOON) as usage:
        for times in (1, 2):
            other = sqlite3.connect(path, isolation_level=None)
            other.execute("BEGIN IMMEDIATE")
            use(usage, A)
            while len(caplog.messages) < times:  # it is told of each time anew
                await anyio.sleep(SOON)
            if times == 1:
                use(usage, B)
            other.close()
            while calls(await kept(path)) != {"a": times, "b": 1}:  # the second time without another event
                await anyio.sleep(SOON)
            while usage._has_warned:
                await anyio.sleep(SOON)

    assert calls(await kept(path)) == {"a": 2, "b": 1}
    assert all("another program keeps it locked" in message for message in caplog.messages)


async def test_a_store_that_is_damaged_under_us_is_begun_anew(tmp_path: Path) -> None:
    path = tmp_path / "s.db"
    async with running(path, SOON) as usage:
        while "s.db-wal" in os.listdir(tmp_path):  # as long as anybody has it open
            await anyio.sleep(SOON)
        path.write_bytes(b"junk" * 5_000)
        use(usage, A)
        while not aside(tmp_path):
            await anyio.sleep(SOON)
        assert dict(usage.uses) == {A.name: 1}

    assert calls(await kept(path)) == {"a": 1}
    assert len(aside(tmp_path)) == 1
