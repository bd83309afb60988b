"""What a backend tells of its resources and tasks, on its way from a connection to whoever follows them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from magictunnel.backends.base import Topic
from magictunnel.catalog.model import Json
from magictunnel.wire.caller import Caller


class News(Protocol):
    """Takes what backends tell, by name. See `Subscriptions`."""

    async def told(self, backend: str, line: str, followed: Topic | None, method: str, params: Json) -> None:
        """`line`: the connection it came on (`Followed.line_name`)."""
        ...

    def whose_task(self, backend: str, line: str, task_id: str) -> Caller | None:
        """The session that started a task."""
        ...

    async def move(self, backend: str) -> None:
        """Its clients share its connections in another way now: what they follow is to be followed anew."""
        ...


@dataclass(frozen=True, slots=True)
class Lined:
    """What one connection needs of the clients' side. See `Neighbours`."""

    backend: str
    line: Callable[[], str]
    news: News

    async def told(self, followed: Topic | None, method: str, params: Json) -> None:
        """See `Neighbours.told`."""
        await self.news.told(self.backend, self.line(), followed, method, params)

    def whose_task(self, task_id: str) -> Caller | None:
        """See `Neighbours.whose_task`."""
        return self.news.whose_task(self.backend, self.line(), task_id) if task_id else None
