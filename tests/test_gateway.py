"""All parts together: who is started, when lists may be answered, what is told once, what is left at the end."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest

from magictunnel import gateway as gateways
from magictunnel.backends.states import State
from magictunnel.backends.supervisor import Supervisor
from magictunnel.catalog.model import Kind, Listing
from magictunnel.config.changes import Changes
from magictunnel.config.model import Config, Naming, Problem, ServerConfig, ServerSettings, Start, ToolConfig, Transport
from magictunnel.errors import BackendUnavailable, DeadlineExceeded
from magictunnel.front.server import FrontServer
from magictunnel.gateway import Gateway, build, own_secrets, publisher, running
from magictunnel.pipeline.call import Call
from magictunnel.wire.caller import Caller
from tests.support import stage as stages
from tests.support.front import client_of
from tests.support.memory import PlayedBackend, until
from tests.support.raw import Script, command, tool
from tests.support.stage import Stage, entry

pytestmark = pytest.mark.anyio

PATIENCE = 10.0
TOOL = {Kind.TOOL: [{"name": "x"}]}


def config(**more: Any) -> Config:
    return Config(**({"start_wait": 3_600.0} | more))


def server(**more: Any) -> ServerConfig:
    return ServerConfig(type=Transport.STDIO, command="/no/such/command", **more)


async def test_it_is_settled_when_every_server_is_up_or_has_failed_once() -> None:
    good, bad = PlayedBackend("good", TOOL), PlayedBackend("bad", failures=[OSError("no")] * 9)
    with anyio.fail_after(PATIENCE):
        async with running(build(config(), backends=[good, bad])) as gateway:
            await gateway.settled()

            assert [status.state for status in gateway.status.values()] == [State.READY, State.BACKING_OFF]
            assert list(gateway.live.current.of(Kind.TOOL)) == ["good__x"]


async def test_a_server_that_hangs_is_waited_for_no_longer_than_start_wait() -> None:
    hangs = PlayedBackend("hangs", hangs=True)
    with anyio.fail_after(PATIENCE):
        async with running(build(config(start_wait=0.05), backends=[hangs])) as gateway:
            await gateway.settled()

            assert gateway.status["hangs"].state is State.STARTING


async def test_nobody_waits_for_a_gateway_without_servers() -> None:
    with anyio.fail_after(PATIENCE):
        async with running(build(config())) as gateway:
            await gateway.settled()

            assert gateway.live.current.capabilities == {}


async def test_every_connection_is_closed_when_the_block_ends() -> None:
    backend = PlayedBackend("good", TOOL)
    with anyio.fail_after(PATIENCE), pytest.RaisesGroup(LookupError):
        async with running(build(config(), backends=[backend])) as gateway:
            await gateway.settled()
            assert backend.open_now == 1
            raise LookupError

    assert backend.open_now == 0


@pytest.mark.parametrize(
    ("defaults", "entry", "started"),
    [
        ({}, {}, True),
        ({}, {"enabled": False}, False),
        ({"enabled": False}, {}, False),
        ({"enabled": False}, {"enabled": True}, True),
        ({}, {"enabled": False, "tools": {"x": ToolConfig(enabled=True)}}, True),
        ({}, {"enabled": False, "tools": {"x": ToolConfig(name="y")}}, False),
    ],
    ids=["on", "off", "off by default", "on in spite of it", "one tool on", "one tool renamed"],
)
def test_a_server_is_started_only_if_something_of_it_is_offered(
    defaults: dict[str, Any], entry: dict[str, Any], started: bool
) -> None:
    made = build(config(servers={"s": server(**entry)}, defaults=ServerSettings(**defaults)))

    assert ("s" in made.status) is started


async def test_a_real_server_is_called_through_the_whole_of_it(tmp_path: Path) -> None:
    words = command(Script(name="s", offers={"tools": [tool("echo")]}), tmp_path)
    entry = ServerConfig(
        type=Transport.STDIO, command=words[0], args=tuple(words[1:]), tools={"echo": ToolConfig(timeout=7)}
    )
    with anyio.fail_after(PATIENCE):
        async with running(build(config(servers={"s": entry}, naming=Naming(separator="-")))) as gateway:
            await gateway.settled()
            catalog = gateway.live.current
            made = Call("c1", "tools/call", Kind.TOOL, "s-echo", {"name": "s-echo"}, Caller("me"), catalog)

            result = await gateway.handle(made)

            assert '"tool": "echo"' in result["content"][0]["text"]
            assert gateway.timeout_of(catalog.of(Kind.TOOL)["s-echo"]) == 7


def test_a_clash_is_logged_once_however_often_lists_change(caplog: pytest.LogCaptureFixture) -> None:
    publish = publisher(build(config(naming=Naming(prefix="never"))).live)

    for backend in ("a", "b", "c", "d"):
        publish(backend, Listing({Kind.TOOL: [{"name": "x" if backend in "ab" else backend}]}))

    told = [record.getMessage() for record in caplog.records]
    assert told == ["tool 'x' of a, b: 'a' keeps the name; 'b' is reached by its prefixed name only"]


def test_a_clash_is_logged_even_if_no_list_changes_by_it(caplog: pytest.LogCaptureFixture) -> None:
    """Without prefixes the loser of a clash is not listed, so the visible lists stay as they were."""
    publish = publisher(build(config(naming=Naming(prefix="never"))).live)
    publish("a", Listing(TOOL))

    publish("b", Listing(TOOL))

    assert "'a' keeps the name" in caplog.text


def test_servers_written_in_python_can_run_on_our_own_interpreter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MAGICTUNNEL_PYTHON", raising=False)
    assert own_secrets().expand("${MAGICTUNNEL_PYTHON}", "command") == sys.executable

    monkeypatch.setenv("MAGICTUNNEL_PYTHON", "/their/python")
    assert own_secrets().expand("${MAGICTUNNEL_PYTHON}", "command") == "/their/python"


async def test_what_was_given_to_a_server_is_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAGICTUNNEL_TEST_TOKEN", "hunter2-hunter2")
    made = build(config(servers={"s": server(env={"KEY": "${MAGICTUNNEL_TEST_TOKEN}"})}))
    with anyio.fail_after(PATIENCE):
        async with running(made) as gateway:
            await gateway.settled()

            assert gateway.mask("with hunter2-hunter2") == "with ***"


async def test_what_is_said_to_an_extension_reaches_the_servers_that_have_it_and_no_others() -> None:
    has = PlayedBackend("has", TOOL, capabilities={"extensions": {"com.example/notes": {}}})
    other = PlayedBackend("other", TOOL)
    said = ("notifications/notes/seen", {"text": "for those who have it"})
    async with AsyncExitStack() as stack:
        stack.enter_context(anyio.fail_after(PATIENCE))
        gateway = await stack.enter_async_context(running(build(config(), backends=[has, other])))
        client = await stack.enter_async_context(client_of(FrontServer(gateway), "handshake"))
        await client.open()
        await client.send({"method": said[0], "params": said[1]})
        await client.send({"method": "notifications/roots/list_changed"})
        await client.until(lambda: len(other.links[0].told) > 0 and len(has.links[0].told) > 1)

        assert [method for method, _ in other.links[0].told] == ["notifications/roots/list_changed"]
        assert has.links[0].told[0] == said


# --- another config


@pytest.fixture
def stage(monkeypatch: pytest.MonkeyPatch) -> Stage:
    return Stage(monkeypatch)


@asynccontextmanager
async def started(made: Config, store: Path | None = None) -> AsyncIterator[Gateway]:
    """A gateway whose servers are all up, or have failed."""
    with anyio.fail_after(PATIENCE):
        async with running(build(made, store=store)) as gateway:
            await gateway.settled()
            yield gateway


def names(gateway: Gateway) -> list[str]:
    return list(gateway.live.current.of(Kind.TOOL))


def supervisor(gateway: Gateway, name: str) -> Supervisor:
    return gateway._pool.get(name)


AB = {"a": entry(), "b": entry()}


async def test_a_server_that_is_added_is_started_and_the_others_do_not_notice(stage: Stage) -> None:
    async with started(stages.config(AB)) as gateway:
        kept = supervisor(gateway, "a"), stage["a"].links[0]
        new = stages.config({"c": entry(), **AB})

        what = gateway.apply(new)

        assert what == Changes(added=("c",), kept=("a", "b"), rules_changed=True)
        assert gateway.config is not None
        assert list(gateway.config.servers) == list(gateway.status) == ["c", "a", "b"]
        assert (await gateway.tried("c")).state is State.READY
        assert names(gateway) == ["c__x", "a__x", "b__x"]
        assert (supervisor(gateway, "a"), stage["a"].links[-1]) == kept
        assert {name: len(made) for name, made in stage.made.items()} == {"a": 1, "b": 1, "c": 1}
        assert stage["a"].attempts == stage["b"].attempts == 1


async def test_a_server_that_is_removed_is_unlisted_at_once_and_ended(stage: Stage) -> None:
    async with started(stages.config(AB)) as gateway:
        kept = supervisor(gateway, "a")

        what = gateway.apply(stages.config({"a": entry()}))

        assert (what.removed, what.kept) == (("b",), ("a",))
        assert (names(gateway), list(gateway.status), list(gateway.stats)) == (["a__x"], ["a"], ["a"])
        with pytest.raises(BackendUnavailable, match="it is not configured any more"):
            gateway.restart("b")
        await until(lambda: stage["b"].open_now == 0)
        assert supervisor(gateway, "a") is kept
        assert (stage["a"].attempts, stage["a"].open_now) == (1, 1)


async def test_a_server_that_is_removed_stays_unlisted_whatever_it_says_while_its_calls_end(stage: Stage) -> None:
    async with started(stages.config(AB)) as gateway:
        supervisor(gateway, "b").stats.started += 1
        gateway.apply(stages.config({"a": entry()}))
        link = stage["b"].links[0]
        link.lists.clear()

        link.say_changed(Kind.TOOL)
        await until(lambda: bool(link.lists))
        await anyio.wait_all_tasks_blocked()

        assert names(gateway) == ["a__x"]


async def test_a_server_that_is_reached_in_another_way_is_started_anew_and_stays_listed(stage: Stage) -> None:
    async with started(stages.config(AB)) as gateway:
        told: list[frozenset[Kind]] = []
        gateway.live.subscribe(told.append)
        former = supervisor(gateway, "b")

        what = gateway.apply(stages.config({"a": entry(), "b": entry(args=("new",))}))

        assert (what.restarted, what.kept, what.rules_changed) == (("b",), ("a",), False)
        assert names(gateway) == ["a__x", "b__x"]
        assert (await gateway.tried("b")).state is State.READY
        assert supervisor(gateway, "b") is not former
        assert stage.configs["b"][-1].args == ("new",)
        assert [made.open_now for made in stage.made["b"]] == [0, 1]
        assert (stage["a"].attempts, told) == (1, [])


async def test_the_same_config_changes_nothing(stage: Stage) -> None:
    async with started(stages.config(AB)) as gateway:
        before = gateway.live.current, supervisor(gateway, "a"), supervisor(gateway, "b")

        what = gateway.apply(stages.config(dict(AB)))

        assert what.is_nothing
        assert before[1:] == (supervisor(gateway, "a"), supervisor(gateway, "b"))
        assert names(gateway) == list(before[0].of(Kind.TOOL))
        assert stage["a"].attempts == stage["b"].attempts == 1


async def test_names_and_filters_change_without_any_restart(stage: Stage) -> None:
    async with started(stages.config(AB)) as gateway:
        kept = supervisor(gateway, "a")
        told: list[frozenset[Kind]] = []
        gateway.live.subscribe(told.append)
        named = {"a": entry(tools={"x": ToolConfig(name="say")}), "b": entry(alias="other")}

        what = gateway.apply(stages.config(named, naming=Naming(separator="-")))

        assert what == Changes(kept=("a", "b"), rules_changed=True)
        assert names(gateway) == ["say", "other-x"]
        assert told == [{Kind.TOOL}]
        assert supervisor(gateway, "a") is kept
        assert stage["a"].attempts == stage["b"].attempts == 1


async def test_an_entry_that_is_wrong_now_leaves_its_server_as_it_was(stage: Stage) -> None:
    async with started(stages.config(AB)) as gateway:
        kept = supervisor(gateway, "b")
        slip = (Problem(server="b", message="commnd: unknown key"),)

        what = gateway.apply(stages.config({"a": entry()}, problems=slip))

        assert what.is_nothing
        assert (names(gateway), list(gateway.status)) == (["a__x", "b__x"], ["a", "b"])
        assert supervisor(gateway, "b") is kept
        assert gateway.config.problems == slip
        assert stage["b"].open_now == 1


async def test_timeouts_are_looked_up_anew_and_nobody_is_restarted(stage: Stage) -> None:
    async with started(stages.config({"a": entry(timeout=7)})) as gateway:
        (tool_entry,) = gateway.live.current.of(Kind.TOOL).values()
        stage["a"].links[0].request = never  # type: ignore[method-assign]
        assert (gateway.timeout_of(tool_entry), gateway._limits_of("a", Kind.TOOL, "x").timeout) == (7, 7)

        what = gateway.apply(stages.config({"a": entry(timeout=0.03)}))

        assert what.is_nothing
        assert gateway.timeout_of(tool_entry) == 0.03
        made = Call("c1", "tools/call", Kind.TOOL, "a__x", {"name": "a__x"}, Caller("me"), gateway.live.current)
        with pytest.raises(DeadlineExceeded, match=r"within 0\.03 s"):
            await gateway.handle(made)
        assert stage["a"].attempts == 1


async def never(_request: object) -> Any:
    await anyio.sleep_forever()


async def test_a_longer_timeout_is_a_longer_patience_with_a_silent_server(stage: Stage) -> None:
    """Or it is taken for hung while it is at work on a call that it has the time for now."""
    async with started(stages.config({"a": entry(timeout=0.05, heartbeat=0.02)})) as gateway:
        stage["a"].links[0].is_frozen = True
        gateway.apply(stages.config({"a": entry(timeout=60, heartbeat=0.02)}))

        with anyio.move_on_after(0.2):
            await until(lambda: len(stage["a"].links) > 1)
        assert stage["a"].links[0] is stage["a"].links[-1]


async def test_a_server_that_is_disabled_ends_and_starts_when_it_is_enabled(stage: Stage) -> None:
    async with started(stages.config(AB)) as gateway:
        gateway.apply(stages.config({"a": entry(), "b": entry(enabled=False)}))
        assert (names(gateway), list(gateway.status)) == (["a__x"], ["a"])
        await until(lambda: stage["b"].open_now == 0)

        gateway.apply(stages.config(AB))
        assert (await gateway.tried("b")).state is State.READY
        assert (names(gateway), list(gateway.status)) == (["a__x", "b__x"], ["a", "b"])
        assert [made.attempts for made in stage.made["b"]] == [1, 1]


async def test_backends_of_our_own_outlive_every_config(stage: Stage) -> None:
    own = PlayedBackend("own", TOOL)
    with anyio.fail_after(PATIENCE):
        async with running(build(stages.config(AB), backends=[own])) as gateway:
            await gateway.settled()

            gateway.apply(stages.config({}))

            assert (names(gateway), list(gateway.status)) == (["own__x"], ["own"])
            assert own.open_now == own.attempts == 1


async def test_a_config_can_be_applied_before_the_gateway_runs(stage: Stage) -> None:
    gateway = build(stages.config(AB))
    gateway.apply(stages.config({"b": entry(), "c": entry()}))
    assert list(gateway.status) == ["b", "c"]

    with anyio.fail_after(PATIENCE):
        async with running(gateway):
            await gateway.settled()
            assert names(gateway) == ["b__x", "c__x"]
    assert stage["a"].attempts == 0


# --- what was known before


async def test_what_servers_offered_last_time_is_listed_before_any_of_them_is_up(stage: Stage, tmp_path: Path) -> None:
    stage.offers["b"] = {Kind.TOOL: [{"name": "y"}], Kind.PROMPT: [{"name": "p"}]}
    async with started(stages.config(AB), tmp_path / "s.db") as gateway:
        first = gateway.live.current

    stage.hangs = True
    async with started(stages.config(AB), tmp_path / "s.db") as gateway:
        assert gateway.is_settled
        assert gateway.live.current.of(Kind.TOOL) == first.of(Kind.TOOL)
        assert gateway.live.current.of(Kind.PROMPT) == first.of(Kind.PROMPT)
        assert {status.listed_at for status in gateway.status.values()} == {0.0}


async def test_what_is_known_is_listed_while_a_host_is_still_about_to_say_what_it_can_do(
    stage: Stage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gateways, "_GREETING", 3_600.0)
    async with started(stages.config(AB), tmp_path / "s.db") as gateway:
        assert stage["a"].attempts == 1

    gateway = build(stages.config(AB), store=tmp_path / "s.db")
    gateway.greet()
    with anyio.fail_after(PATIENCE):
        async with running(gateway):
            await gateway.settled()
            assert names(gateway) == ["a__x", "b__x"]
            assert stage["a"].attempts == stage["b"].attempts == 0


async def test_the_first_list_waits_for_a_server_of_which_nothing_is_known(stage: Stage, tmp_path: Path) -> None:
    async with started(stages.config({"a": entry()}), tmp_path / "s.db"):
        pass

    stage.hangs = True
    with anyio.fail_after(PATIENCE):
        async with running(build(stages.config(AB), store=tmp_path / "s.db")) as gateway:
            await until(lambda: bool(names(gateway)))
            assert names(gateway) == ["a__x"]
            await until(lambda: stage["b"].attempts == 1)
            assert not gateway.is_settled


async def test_a_server_that_is_reached_in_another_way_now_has_offered_nothing_yet(
    stage: Stage, tmp_path: Path
) -> None:
    async with started(stages.config({"a": entry()}), tmp_path / "s.db"):
        pass

    stage.hangs = True
    other = stages.config({"a": entry(args=("new",))}, start_wait=0.02)
    async with started(other, tmp_path / "s.db") as gateway:
        assert names(gateway) == []


async def test_a_lazy_server_that_is_known_is_listed_and_not_started(stage: Stage, tmp_path: Path) -> None:
    lazy = stages.config({"a": entry(start=Start.LAZY)})
    async with started(lazy, tmp_path / "s.db") as gateway:
        assert stage["a"].attempts == 1

    async with started(lazy, tmp_path / "s.db") as gateway:
        await until(lambda: gateway.status["a"].state is State.IDLE)
        assert names(gateway) == ["a__x"]
        assert stage["a"].attempts == 0


# --- hooks


async def test_hooks_are_told_of_each_server_that_comes_into_another_state(stage: Stage) -> None:
    gateway = build(stages.config({"a": entry()}))
    told: list[tuple[str, State]] = []
    others: list[str] = []
    gateway.hooks += [lambda name, state: told.append((name, state)), lambda name, _state: others.append(name)]
    with anyio.fail_after(PATIENCE):
        async with running(gateway):
            await gateway.settled()
            assert told == [("a", State.STARTING), ("a", State.READY)]

            gateway.restart("a")
            await gateway.tried("a")
            gateway.apply(stages.config({"a": entry(), "b": entry()}))
            await gateway.tried("b")

            one_life = [State.STARTING, State.READY]
            assert [state for name, state in told if name == "a"] == one_life * 2
            assert [state for name, state in told if name == "b"] == one_life
            assert others == [name for name, _ in told]

    assert told[-1][1] is State.STOPPED


@pytest.mark.parametrize("removed", [True, False])
async def test_hooks_are_told_of_a_server_that_is_stopped_as_it_is(removed: bool, stage: Stage) -> None:
    told: list[State] = []
    async with started(stages.config({"a": entry()})) as gateway:
        gateway.hooks.append(lambda _name, state: told.append(state))
        if removed:
            gateway.apply(stages.config({}))
            await until(lambda: State.STOPPED in told)

    assert told[-1] is State.STOPPED


# --- by hand


async def test_a_server_is_listed_again_when_that_is_asked_for(stage: Stage) -> None:
    async with started(stages.config({"a": entry()})) as gateway:
        stage["a"].offers = {Kind.TOOL: [{"name": "y"}]}

        await gateway.refresh("a")

        assert names(gateway) == ["a__y"]


async def test_what_is_not_there_cannot_be_steered(stage: Stage) -> None:
    async with started(stages.config({})) as gateway:
        with pytest.raises(BackendUnavailable, match="it is not configured any more"):
            gateway.restart("a")
        for steered in (gateway.refresh, gateway.tried):
            with pytest.raises(BackendUnavailable, match="it is not configured any more"):
                await steered("a")
