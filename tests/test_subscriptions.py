"""Who hears of which resource or task: each under the name that it knows, for as long as it wants to."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
import pytest

from magictunnel import subscriptions
from magictunnel.backends.base import Topic, resource, task
from magictunnel.backends.followed import Followed
from magictunnel.backends.states import Limits, State
from magictunnel.backends.supervisor import Supervisor
from magictunnel.catalog.model import Json
from magictunnel.catalog.tasks import public_task
from magictunnel.config.model import Sharing, Start
from magictunnel.errors import BackendError, BackendUnavailable, CallError, TooMany
from magictunnel.subscriptions import Subscriptions, is_within
from magictunnel.wire.caller import Caller
from tests.support.memory import PlayedBack, PlayedBackend, PlayedLink, until

pytestmark = pytest.mark.anyio

UPDATED, STATUS = "notifications/resources/updated", "notifications/tasks/status"
X, PART, TASK = resource("x:1"), resource("x:1/part"), task("t1")


class Near:
    """Subscriptions at servers that a test plays."""

    def __init__(self, *backends: PlayedBackend, sharing: Sharing = Sharing.SHARED) -> None:
        self.backends = {backend.name: backend for backend in backends}
        self.supervisors = {
            backend.name: Supervisor(backend, Limits(5.0, 60.0, sharing), lambda _name, _listing: None)
            for backend in backends
        }
        self.all = Subscriptions(lambda name: self.supervisors[name].followed, lambda backend, uri: f"{backend}+{uri}")

    def followed(self, name: str = "a") -> list[Topic]:
        """What the server tells of now, on any of its connections."""
        return [topic for link in self.backends[name].links for topic in link.followed]

    async def updated(self, uri: str, followed: Topic | None = None, session: str = "", backend: str = "a") -> None:
        await self.all.told(backend, session, followed, UPDATED, {"uri": uri, "odd": None})


@asynccontextmanager
async def near(*backends: PlayedBackend, sharing: Sharing = Sharing.SHARED) -> AsyncIterator[Near]:
    given = backends or (telling("a"),)
    end = Near(*given, sharing=sharing)
    with anyio.fail_after(10):
        async with anyio.create_task_group() as tasks:
            for supervisor in end.supervisors.values():
                tasks.start_soon(supervisor.run)
            await until(lambda: all(one.status.state is State.READY for one in end.supervisors.values()))
            yield end
            tasks.cancel_scope.cancel()


def telling(name: str) -> PlayedBackend:
    return PlayedBackend(name, capabilities={"resources": {"subscribe": True}})


def client(session: str = "") -> tuple[Caller, PlayedBack]:
    back = PlayedBack()
    return Caller(f"client {session}", session=session, back=back), back


def uris(back: PlayedBack) -> list[str]:
    return [params["uri"] for method, params in back.told if method == UPDATED]


# --- pure


@pytest.mark.parametrize(
    ("uri", "parent", "within"),
    [
        ("file:///a/b", "file:///a", True),
        ("file:///a/b", "file:///a/", True),
        ("x:1?q", "x:1", True),
        ("x:1#f", "x:1", True),
        ("file:///ab", "file:///a", False),
        ("x:1", "x:1", False),
        ("x:1", "x:1/part", False),
        ("y:1/part", "x:1", False),
        ("", "", False),
    ],
)
def test_a_sub_resource_is_what_goes_on_at_a_boundary(uri: str, parent: str, within: bool) -> None:
    assert is_within(uri, parent) is within


# --- counted


async def test_a_server_is_asked_once_however_many_follow_and_let_go_of_with_the_last() -> None:
    (one, _), (other, _) = client("h1"), client("h2")
    async with near() as end:
        for caller in (one, other, one):
            await end.all.add("a", X, "x:1", caller)
        assert end.followed() == [X]

        await end.all.remove("a", X, one)
        assert end.followed() == [X]
        await end.all.remove("a", X, one)
        await end.all.remove("a", X, other)
        assert end.followed() == []


async def test_what_nobody_follows_can_be_let_go_of_without_harm() -> None:
    (one, _) = client("h1")
    async with near() as end:
        await end.all.remove("a", X, one)
        await end.all.drop(one)

        assert end.followed() == []


async def test_whoever_has_gone_follows_nothing_any_more() -> None:
    (one, one_s), (other, other_s) = client("h1"), client("h2")
    async with near(telling("a"), telling("b")) as end:
        for backend in ("a", "b"):
            await end.all.add(backend, X, "x:1", one)
        await end.all.add("a", X, "x:1", other)
        await end.all.drop(one)

        assert (end.followed("a"), end.followed("b")) == ([X], [])
        await end.updated("x:1")
        assert (uris(one_s), uris(other_s)) == ([], ["x:1"])


async def test_a_server_that_refuses_is_asked_anew_the_next_time() -> None:
    (one, back) = client("h1")
    backend = telling("a")
    backend.refuses.add(X)
    async with near(backend) as end:
        with pytest.raises(BackendError):
            await end.all.add("a", X, "x:1", one)
        await end.updated("x:1")
        assert back.told == []

        backend.refuses.clear()
        await end.all.add("a", X, "x:1", one)
        assert end.followed() == [X]


async def test_a_server_that_never_tells_of_updates_is_not_asked() -> None:
    (one, _) = client("h1")
    async with near(PlayedBackend("a", capabilities={"resources": {}})) as end:
        with pytest.raises(CallError, match="Method not found: resources/subscribe"):
            await end.all.add("a", X, "x:1", one)

        assert end.followed() == []


async def test_one_client_cannot_follow_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subscriptions, "MAX_PER_CLIENT", 2)
    (one, _), (other, _) = client("h1"), client("h2")
    async with near() as end:
        for number in range(2):
            await end.all.add("a", resource(f"x:{number}"), f"x:{number}", one)
        with pytest.raises(CallError, match="2 subscriptions of this client"):
            await end.all.add("a", resource("x:2"), "x:2", one)
        await end.all.add("a", resource("x:2"), "x:2", other)

        await end.all.remove("a", resource("x:0"), one)
        await end.all.add("a", resource("x:3"), "x:3", one)


async def test_a_server_that_does_not_answer_holds_up_the_subscriptions_of_no_other() -> None:
    class Silent(PlayedBackend):
        @asynccontextmanager
        async def connect(self, *given: object) -> AsyncIterator[PlayedLink]:  # type: ignore[override]
            async with super().connect(*given) as link:  # type: ignore[arg-type]

                async def follow(_topic: Topic) -> None:
                    await anyio.sleep_forever()

                link.follow = follow  # type: ignore[method-assign]
                yield link

    (one, _), (other, _) = client("h1"), client("h2")
    silent = Silent("silent", capabilities={"resources": {"subscribe": True}})
    async with near(telling("a"), silent) as end, anyio.create_task_group() as tasks:
        tasks.start_soon(end.all.add, "silent", X, "x:1", one)
        await anyio.wait_all_tasks_blocked()
        with anyio.fail_after(1):
            await end.all.add("a", X, "x:1", other)
            await end.all.drop(other)
        tasks.cancel_scope.cancel()


# --- told


async def test_each_hears_of_an_update_once_under_the_uri_that_it_subscribed_to() -> None:
    (one, one_s), (other, other_s) = client("h1"), client("h2")
    async with near() as end:
        await end.all.add("a", X, "x:1", one)
        await end.all.add("a", X, "a+x:1", other)
        await end.updated("x:1")

    assert one_s.told == [(UPDATED, {"uri": "x:1", "odd": None})]
    assert other_s.told == [(UPDATED, {"uri": "a+x:1", "odd": None})]


async def test_an_update_of_a_part_is_for_whoever_follows_the_whole_under_the_uri_that_leads_there() -> None:
    (one, back) = client("h1")
    async with near() as end:
        await end.all.add("a", X, "x:1", one)
        for uri in ("x:1/part", "x:12", "x:2"):
            await end.updated(uri)

    assert uris(back) == ["a+x:1/part"]


@pytest.mark.parametrize("uri", ["x:1", "x:1/part", "elsewhere:1"])
async def test_where_a_server_says_what_it_tells_of_it_is_believed(uri: str) -> None:
    (one, one_s), (other, other_s) = client("h1"), client("h2")
    async with near() as end:
        await end.all.add("a", X, "x:1", one)
        await end.all.add("a", PART, "x:1/part", other)
        await end.updated(uri, followed=X)

    assert len(uris(one_s)) == 1
    assert uris(other_s) == []


async def test_an_update_of_one_server_is_no_news_of_another_s_resource() -> None:
    (one, back) = client("h1")
    async with near(telling("a"), telling("b")) as end:
        await end.all.add("a", X, "x:1", one)
        await end.updated("x:1", backend="b")

    assert back.told == []


@pytest.mark.parametrize("params", [{}, {"uri": None}, {"uri": 7}, {"uri": ["x:1"]}])
@pytest.mark.parametrize("followed", [None, X])
async def test_news_that_name_nothing_harm_nobody(params: Json, followed: Topic | None) -> None:
    (one, back) = client("h1")
    async with near() as end:
        await end.all.add("a", X, "x:1", one)
        await end.all.told("a", "", followed, UPDATED, params)
        await end.updated("x:1")

    assert uris(back)[-1] == "x:1"


async def test_one_that_does_not_read_holds_up_no_other() -> None:
    class Stuck(PlayedBack):
        async def tell(self, method: str, params: Json) -> None:
            await anyio.sleep_forever()

    (other, back) = client("h2")
    async with near() as end, anyio.create_task_group() as tasks:
        await end.all.add("a", X, "x:1", Caller("stuck", session="h1", back=Stuck()))
        await end.all.add("a", X, "x:1", other)
        tasks.start_soon(end.updated, "x:1")
        await until(lambda: uris(back) == ["x:1"])
        tasks.cancel_scope.cancel()


async def test_the_state_of_a_task_is_told_under_the_id_that_clients_know() -> None:
    (one, one_s), (other, other_s) = client("h1"), client("h2")
    async with near() as end:
        await end.all.add("a", TASK, public_task("a", "t1"), one)
        await end.all.add("a", task("t2"), public_task("a", "t2"), other)
        await end.all.told("a", "", None, STATUS, {"taskId": "t1", "status": "working"})

        assert end.all.of(one, TASK.what) == [public_task("a", "t1")]
        assert end.all.of(one, X.what) == []
        assert end.all.whose_task("a", "", "t2") is other
        assert end.all.whose_task("b", "", "t2") is None
        assert end.all.whose_task("a", "", "t3") is None
    assert one_s.told == [(STATUS, {"taskId": public_task("a", "t1"), "status": "working"})]
    assert other_s.told == []


# --- connections


async def test_what_is_followed_outlives_a_connection() -> None:
    (one, back) = client("h1")
    async with near() as end:
        await end.all.add("a", X, "x:1", one)
        backend = end.backends["a"]
        backend.links[0].lose()
        await until(lambda: len(backend.links) == 2 and backend.links[1].followed == [X])
        await end.updated("x:1")

    assert uris(back) == ["x:1"]


async def test_with_a_connection_for_each_client_each_hears_what_came_on_its_own() -> None:
    (one, one_s), (other, other_s) = client("h1"), client("h2")
    async with near(sharing=Sharing.PER_CLIENT) as end:
        await end.all.add("a", X, "x:1", one)
        await end.all.add("a", X, "x:1", other)
        assert [link.followed for link in end.backends["a"].links] == [[], [X], [X]]

        await end.updated("x:1", session="h1")
        assert (uris(one_s), uris(other_s)) == (["x:1"], [])

        await end.all.drop(one)
        assert [link.followed for link in end.backends["a"].links] == [[], [], [X]]


async def test_whoever_follows_on_a_connection_that_calls_would_not_take_any_more_can_let_go_of_it() -> None:
    """As where the main connection has changed its era since."""
    (one, back) = client("h1")
    async with near(sharing=Sharing.PER_CLIENT) as end:
        await end.all.add("a", X, "x:1", one)
        await end.all.remove("a", X, Caller("another name", session="h2", back=back))

        assert end.followed() == []
        assert not end.supervisors["a"].followed


async def test_what_is_let_go_of_while_another_subscription_to_it_hangs_is_told_when_that_is_over(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(subscriptions, "_PATIENCE", 0.02)
    (one, _), (other, _) = client("h1"), client("h2")
    async with near(sharing=Sharing.PER_CLIENT) as end, anyio.create_task_group() as tasks:
        await end.all.add("a", X, "x:1", one)
        await end.all.add("a", PART, "x:1/part", other)
        link = end.backends["a"].links[2]
        follow, go_on = link.follow, anyio.Event()

        async def slow(topic: Topic) -> None:
            await go_on.wait()
            await follow(topic)

        link.follow = slow  # type: ignore[method-assign]
        tasks.start_soon(end.all.add, "a", X, "x:1", other)
        await anyio.wait_all_tasks_blocked()
        await end.all.drop(one)
        assert end.followed() == [X, PART]

        go_on.set()
        await until(lambda: end.followed() == [PART, X])


async def test_a_subscription_that_hangs_holds_up_no_other_of_its_server() -> None:
    (one, _), (other, _) = client("h1"), client("h2")
    async with near() as end, anyio.create_task_group() as tasks:
        link = end.backends["a"].links[0]
        follow = link.follow

        async def slow(topic: Topic) -> None:
            if topic == X:
                await anyio.sleep_forever()
            await follow(topic)

        link.follow = slow  # type: ignore[method-assign]
        tasks.start_soon(end.all.add, "a", X, "x:1", one)
        await anyio.wait_all_tasks_blocked()
        await end.all.add("a", PART, "x:1/part", other)
        assert end.followed() == [PART]
        await end.all.remove("a", PART, other)
        assert end.followed() == []
        tasks.cancel_scope.cancel()


async def test_whoever_gives_up_following_what_another_follows_takes_it_from_nobody() -> None:
    (one, _), (other, _) = client("h1"), client("h2")
    async with near() as end, anyio.create_task_group() as tasks:
        await end.all.add("a", TASK, "t1", one)
        link = end.backends["a"].links[0]

        async def never(_topic: Topic) -> None:
            await anyio.sleep_forever()

        link.follow = never  # type: ignore[method-assign]
        tasks.start_soon(end.all.add, "a", TASK, "t1", other)
        await anyio.wait_all_tasks_blocked()
        tasks.cancel_scope.cancel()
        await anyio.wait_all_tasks_blocked()
        assert end.followed() == [TASK]


async def test_no_client_follows_too_much_by_asking_for_all_of_it_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subscriptions, "MAX_PER_CLIENT", 3)
    (one, _), (other, _) = client("h1"), client("h2")
    refused: list[str] = []

    async def add(number: int) -> None:
        try:
            await end.all.add("a", resource(f"x:{number}"), f"x:{number}", one)
        except TooMany as error:
            refused.append(str(error))

    async with near() as end:
        async with anyio.create_task_group() as tasks:
            for number in range(9):
                tasks.start_soon(add, number)
        assert len(end.all.of(one, X.what)) == 3
        assert len(refused) == 6

        await end.all.drop(one)
        await end.all.add("a", X, "x:1", one)
        await end.all.add("a", X, "x:1", other)


async def test_after_a_reload_one_that_does_not_agree_holds_up_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Followed, "patience", 1_000.0)
    (one, _) = client("h1")
    async with near() as end, anyio.create_task_group() as tasks:
        for topic in (X, PART):
            await end.all.add("a", topic, topic.name, one)
        link = end.backends["a"].links[0]
        follow = link.follow

        async def slow(topic: Topic) -> None:
            if topic == X:
                await anyio.sleep_forever()
            await follow(topic)

        link.follow = slow  # type: ignore[method-assign]
        link.followed.clear()
        tasks.start_soon(end.all.move, "a")
        await until(lambda: end.followed() == [PART])
        tasks.cancel_scope.cancel()


async def test_a_task_is_its_client_s_whether_or_not_its_server_agrees_to_tell_of_it() -> None:
    (one, _), (other, _) = client("h1"), client("h2")
    backend = telling("a")
    async with near(backend) as end:
        backend.refuses = {TASK}
        with pytest.raises(BackendError):
            await end.all.add("a", TASK, "t1", one, is_new=True)
        assert end.all.may_use_task("a", "t1", one)
        assert not end.all.may_use_task("a", "t1", other)

        backend.refuses = set()
        await end.all.add("a", TASK, "t1", one)
        assert end.followed() == [TASK]


@pytest.mark.parametrize("start", Start)
@pytest.mark.parametrize("before", [Sharing.SHARED, Sharing.PER_CLIENT])
async def test_where_clients_come_to_share_a_server_in_another_way_each_hears_on_its_new_connection(
    before: Sharing, start: Start
) -> None:
    after = Sharing.SHARED if before is Sharing.PER_CLIENT else Sharing.PER_CLIENT
    (one, one_s), (other, other_s), (gone, gone_s) = client("h1"), client("h2"), client("h3")
    async with near(sharing=before) as end, anyio.create_task_group() as tasks:
        for caller in (one, other, gone):
            await end.all.add("a", X, "x:1", caller)
        former, backend = end.supervisors["a"], telling("a")
        limits = Limits(5.0, 60.0, after, start=start)
        end.supervisors["a"] = Supervisor(backend, limits, lambda _name, _listing: None, news=end.all)
        end.supervisors["a"].listed.recall(former.listed.current)
        end.backends["a"] = backend
        end.supervisors["a"].followed.take_over(former.followed)
        await end.all.drop(gone)
        tasks.start_soon(end.supervisors["a"].run)
        follows = [[X]] if after is Sharing.SHARED else [[], [X], [X]]
        await until(lambda: [link.followed for link in backend.links] == follows)
        await until(lambda: not end.supervisors["a"].followed._moves)

        for session in [""] if after is Sharing.SHARED else ["h1", "h2", "h3"]:
            await end.updated("x:1", session=session)
        assert (uris(one_s), uris(other_s), uris(gone_s)) == (["x:1"], ["x:1"], [])
        await end.all.drop(one)
        await end.all.drop(other)
        assert end.followed() == []
        tasks.cancel_scope.cancel()


@pytest.mark.parametrize("ends", [False, True], ids=["goes on", "ends"])
async def test_what_is_being_followed_as_its_server_is_kept_anew_is_followed_there_too(ends: bool) -> None:
    """As at a reload."""
    (one, one_s) = client("h1")
    async with near() as end, anyio.create_task_group() as tasks:
        former, backend = end.supervisors["a"], telling("a")
        link = end.backends["a"].links[0]
        follow, go_on = link.follow, anyio.Event()

        async def slow(topic: Topic) -> None:
            await go_on.wait()
            if ends:
                raise BackendUnavailable("a", "its connection has ended")
            await follow(topic)

        link.follow = slow  # type: ignore[method-assign]
        tasks.start_soon(end.all.add, "a", X, "x:1", one)
        await anyio.wait_all_tasks_blocked()
        end.supervisors["a"] = Supervisor(backend, Limits(5.0, 60.0), lambda _name, _listing: None, news=end.all)
        end.backends["a"] = backend
        end.supervisors["a"].followed.take_over(former.followed)
        tasks.start_soon(end.supervisors["a"].run)
        go_on.set()
        await until(lambda: [link.followed for link in backend.links] == [[X]])
        await until(lambda: end.all.of(one, X.what))

        await end.updated("x:1")
        assert uris(one_s) == ["x:1"]
        await end.all.drop(one)
        assert end.followed() == []
        tasks.cancel_scope.cancel()


async def test_a_server_that_does_not_say_whether_it_tells_of_something_after_a_reload_is_told_of_in_the_log(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(Followed, "patience", 0.02)
    (one, _) = client("h1")
    async with near() as end:
        link = end.backends["a"].links[0]
        follow = link.follow
        for topic in (X, TASK):
            await end.all.add("a", topic, topic.name, one)

        async def never(_topic: Topic) -> None:
            await anyio.sleep_forever()

        link.follow = never  # type: ignore[method-assign]
        await end.all.move("a")
        assert "a: it does not say whether it tells of x:1 any more" in caplog.text
        assert (end.all.of(one, X.what), end.all.of(one, TASK.what)) == ([], ["t1"])

        link.follow = follow  # type: ignore[method-assign]
        link.followed.clear()
        await end.all.add("a", X, "x:1", one)
        assert end.followed() == [X]
