"""Looking at resources from time to time: told of when they differ, and only then."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest

from magictunnel.backends import poll
from magictunnel.backends.poll import Poller
from magictunnel.catalog.model import Json
from magictunnel.errors import BackendError, CallError
from tests.support.memory import until

pytestmark = pytest.mark.anyio


class Server:
    """Resources that a test changes."""

    def __init__(self) -> None:
        self.contents: dict[str, str] = {"x:1": "one", "x:2": "two"}
        self.looks: Counter[str] = Counter()
        self.told: list[str] = []
        self.fails = False

    async def read(self, uri: str) -> Json:
        self.looks[uri] += 1
        if self.fails:
            raise BackendError(-32603, "not now")
        return {"contents": [{"uri": uri, "text": self.contents[uri]}], "_meta": {"look": self.looks[uri]}}

    async def updated(self, uri: str) -> None:
        self.told.append(uri)

    async def looked(self, uri: str, times: int = 2) -> None:
        """Wait until it was looked at so many more times."""
        before = self.looks[uri]
        await until(lambda: self.looks[uri] >= before + times)


@asynccontextmanager
async def polling() -> AsyncIterator[tuple[Poller, Server, anyio.abc.TaskGroup]]:
    server = Server()
    with anyio.fail_after(5):
        async with anyio.create_task_group() as tasks:
            yield Poller(0.01, server.read, server.updated), server, tasks
            tasks.cancel_scope.cancel()


async def test_what_differs_is_told_once_and_what_does_not_is_not_told() -> None:
    async with polling() as (poller, server, tasks):
        for uri in ("x:1", "x:2"):
            poller.follow(uri, tasks)
        await server.looked("x:1", 3)
        assert server.told == []

        server.contents["x:1"] = "other"
        await server.looked("x:1", 3)
        assert server.told == ["x:1"]


async def test_what_cannot_be_read_for_a_while_is_compared_with_what_it_was_before() -> None:
    async with polling() as (poller, server, tasks):
        poller.follow("x:1", tasks)
        await server.looked("x:1")
        server.fails = True
        await server.looked("x:1")
        server.fails = False
        await server.looked("x:1")
        assert server.told == []

        server.fails = True
        await server.looked("x:1")
        server.contents["x:1"] = "other"
        server.fails = False
        await server.looked("x:1", 3)
        assert server.told == ["x:1"]


async def test_it_is_looked_at_once_each_time_however_often_it_is_asked_for_and_no_more_when_forgotten() -> None:
    async with polling() as (poller, server, tasks):
        for _ in range(3):
            poller.follow("x:1", tasks)
        await server.looked("x:1")
        assert len(poller._followed) == 1

        poller.forget("x:1")
        poller.forget("x:1")
        await anyio.wait_all_tasks_blocked()
        looks = server.looks["x:1"]
        poller.follow("x:2", tasks)
        await server.looked("x:2", 3)
        assert server.looks["x:1"] == looks


async def test_not_everything_is_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(poll, "MAX_LOOKED_AT", 1)
    async with polling() as (poller, _server, tasks):
        poller.follow("x:1", tasks)
        with pytest.raises(CallError):
            poller.follow("x:2", tasks)

        poller.forget("x:1")
        poller.follow("x:2", tasks)


async def test_what_is_nested_too_deep_to_be_compared_is_no_news_and_ends_nothing() -> None:
    async with polling() as (poller, server, tasks):
        deep: Any = "x"
        for _ in range(5_000):
            deep = [deep]
        server.contents["x:1"] = deep
        poller.follow("x:1", tasks)
        poller.follow("x:2", tasks)
        await server.looked("x:1", 3)
        server.contents["x:2"] = "other"
        await until(lambda: server.told == ["x:2"])
