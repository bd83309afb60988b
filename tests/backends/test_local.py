"""A backend in this very process: as good as any, to whoever keeps it."""

from __future__ import annotations

import anyio
import pytest

from magictunnel.backends.base import Phase, Request, Terms, resource
from magictunnel.backends.local import LocalBackend
from magictunnel.backends.states import Limits, State
from magictunnel.backends.supervisor import Supervisor
from magictunnel.catalog.model import Json, Kind, Listing
from magictunnel.errors import BackendError, MethodNotOffered
from tests.support.memory import until

pytestmark = pytest.mark.anyio

PROMISED: Json = {"tools": {"listChanged": True}}
LISTING = Listing(dict.fromkeys(Kind, ()) | {Kind.TOOL: ({"name": "t"},)}, PROMISED, "Be careful.")


class Own:
    """What a backend of ours offers, and what it answers."""

    def __init__(self) -> None:
        self.listing = LISTING
        self.backend = LocalBackend("own", lambda: self.listing, self.answer)

    async def answer(self, request: Request) -> Json:
        if request.params.get("name") != "t":
            raise BackendError(-32602, "no such tool")
        return {"content": []}


async def test_it_is_kept_listed_and_called_like_any() -> None:
    own, published = Own(), []
    limits = Limits(start_timeout=5.0, grace=0.0)
    supervisor = Supervisor(own.backend, limits, lambda _name, listing: published.append(listing))
    with anyio.fail_after(10):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(supervisor.run)
            link = await supervisor.ready()
            assert supervisor.status.state is State.READY
            assert published == [LISTING]
            assert await link.request(Request("tools/call", {"name": "t"})) == {"content": []}
            with pytest.raises(BackendError):
                await link.request(Request("tools/call", {"name": "x"}))
            stats = supervisor.stats
            assert (stats.started, stats.ended, stats.answered, stats.in_flight) == (2, 2, 2, 0)

            own.listing = Listing({Kind.TOOL: ({"name": "u"},)}, LISTING.capabilities)
            own.backend.changed(Kind.TOOL)
            await until(lambda: len(published) == 2)
            assert published[-1].entries[Kind.TOOL] == ({"name": "u"},)
            tasks.cancel_scope.cancel()


async def test_there_is_nothing_to_follow() -> None:
    async with Own().backend.connect(lambda _phase: None, Terms()) as link:
        await link.ping()
        await link.settle_level()
        await link.tell("notifications/roots/list_changed", {})
        with pytest.raises(MethodNotOffered):
            await link.follow(resource("x:1"))
        await link.forget(resource("x:1"))


def test_a_defect_of_ours_is_called_one() -> None:
    failure = Own().backend.explain(Phase.SERVE, ValueError("odd"))

    assert "ValueError: odd" in str(failure)
    assert "report it" in str(failure)
