"""Credentials go out where they belong, and nobody reads them afterwards."""

from __future__ import annotations

import base64
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import keyring
import pytest
from keyrings.alt.file import PlaintextKeyring
from pydantic import TypeAdapter

from magictunnel.capabilities.http import HttpRunner
from magictunnel.capabilities.language.requests import Credential, Http, HttpDefaults
from magictunnel.errors import RunError
from magictunnel.secrets import Secrets
from tests.support.recorder import Arrived, Recorder, Reply, as_json

pytestmark = pytest.mark.anyio

ENVIRON = {"KEY": "s3cret-key", "PASSWORD": "pa:ss wörd", "SECRET": "cl1ent+s3cret", "BAD": "two\r\nlines: x"}
DECLARED: dict[str, dict[str, Any]] = {
    "bearer": {"type": "bearer", "token": "${KEY}"},
    "header": {"type": "api_key", "name": "X-Key", "value": "${KEY}"},
    "query": {"type": "api_key", "in": "query", "name": "api key", "value": "${KEY}"},
    "cookie": {"type": "api_key", "in": "cookie", "name": "session", "value": "${KEY}"},
    "basic": {"type": "basic", "username": "me", "password": "${PASSWORD}"},
    "unset": {"type": "bearer", "token": "${NOWHERE}"},
    "kept": {"type": "bearer", "token": "${keyring:api}"},
    "bad": {"type": "api_key", "name": "X-Key", "value": "${BAD}"},
}


@pytest.fixture(autouse=True)
async def bounded() -> AsyncIterator[None]:
    with anyio.fail_after(20):
        yield


@pytest.fixture
def ring(tmp_path: Path) -> Iterator[PlaintextKeyring]:
    """A keyring of this test alone."""
    before = keyring.get_keyring()
    ours = PlaintextKeyring()
    ours.file_path = str(tmp_path / "keyring.cfg")
    keyring.set_keyring(ours)
    yield ours
    keyring.set_keyring(before)


@asynccontextmanager
async def running(server: Recorder, **defaults: Any) -> AsyncIterator[HttpRunner]:
    oauth = {
        "type": "oauth2",
        "token_url": f"{server.base}/token?tenant=1",
        "client_id": "me:1",
        "client_secret": "${SECRET}",
        "scopes": ["read", "write"],
        "audience": "https://api",
    }
    auth = TypeAdapter(dict[str, Credential]).validate_python(DECLARED | {"oauth": oauth})
    given = {"base_url": server.base, "allow_private": True} | defaults
    runner = HttpRunner(auth, HttpDefaults.model_validate(given), Secrets(ENVIRON))
    try:
        yield runner
    finally:
        await runner.aclose()


async def asked(server: Recorder, auth: Any, **declared: Any) -> Any:
    async with running(server) as runner:
        return await runner.run(Http.model_validate({"url": "/x", "auth": auth} | declared), {})


async def test_a_bearer_token_goes_into_its_header(server: Recorder) -> None:
    await asked(server, "bearer")

    assert server.last.header("authorization") == "Bearer s3cret-key"


async def test_a_key_goes_where_it_belongs(server: Recorder) -> None:
    await asked(server, ["header", "query", "cookie"], cookies={"a": 1}, query={"b": 2})

    assert server.last.header("x-key") == "s3cret-key"
    assert server.last.query == "b=2&api%20key=s3cret-key"
    assert server.last.header("cookie") == "a=1; session=s3cret-key"


async def test_a_user_and_a_password_are_one_word(server: Recorder) -> None:
    await asked(server, "basic")

    kind, _, word = server.last.header("authorization").partition(" ")
    assert (kind, base64.b64decode(word).decode()) == ("Basic", "me:pa:ss wörd")


async def test_no_argument_takes_the_place_of_a_credential(server: Recorder) -> None:
    async with running(server) as runner:
        http = Http.model_validate({"url": "/x", "auth": "bearer", "headers": {"authorization": "{{a}}"}})
        await runner.run(http, {"a": "Bearer mine"})

    assert server.last.all("authorization") == ["Bearer s3cret-key"]


@pytest.mark.parametrize(
    ("auth", "keys", "header"),
    [(None, 1, 0), ("header", 1, 0), ("bearer", 0, 1), ([], 0, 0), (["bearer", "header"], 1, 1)],
)
async def test_a_tool_says_for_itself_or_the_file_does(server: Recorder, auth: Any, keys: int, header: int) -> None:
    async with running(server, auth="header") as runner:
        await runner.run(Http.model_validate({"url": "/x", "auth": auth}), {})

    assert (len(server.last.all("x-key")), len(server.last.all("authorization"))) == (keys, header)


@pytest.mark.parametrize(
    ("auth", "words"),
    [
        ("unset", r"\$\{NOWHERE\} in auth\.unset\.token is not set"),
        ("nobody", "there is no credential 'nobody' in this file"),
        ("bad", r"auth\.bad\.value is no secret that can be sent"),
    ],
)
async def test_without_its_credential_nothing_is_sent(server: Recorder, auth: str, words: str) -> None:
    with pytest.raises(RunError, match=words):
        await asked(server, auth)

    assert server.arrived == []


async def test_a_secret_comes_out_of_the_keyring(server: Recorder, ring: PlaintextKeyring) -> None:
    with pytest.raises(RunError, match="keyring set magictunnel api"):
        await asked(server, "kept")
    ring.set_password("magictunnel", "api", "from-the-keyring")

    output = await asked(server, "kept")

    assert server.last.header("authorization") == "Bearer from-the-keyring"
    assert b"from-the-keyring" not in output.body


class Slow(PlaintextKeyring):
    """Waits until somebody allows it."""

    allowed = threading.Event()

    def get_password(self, service: str, username: str) -> str:
        assert self.allowed.wait(10)
        return "allowed-secret"


@pytest.mark.parametrize("declared", [{"auth": "kept"}, {"headers": {"Authorization": "Bearer ${keyring:api}"}}])
async def test_nobody_else_waits_for_a_keyring(
    server: Recorder, ring: PlaintextKeyring, declared: dict[str, Any]
) -> None:
    slow = Slow()
    slow.allowed.clear()
    keyring.set_keyring(slow)
    async with running(server) as runner, anyio.create_task_group() as tasks:
        tasks.start_soon(runner.run, Http.model_validate({"url": "/kept"} | declared), {})
        await runner.run(Http(url="/other"), {})
        assert [one.path for one in server.arrived] == ["/other"]
        slow.allowed.set()

    assert server.last.header("authorization") == "Bearer allowed-secret"


@pytest.mark.parametrize("auth", ["bearer", "header", "query", "cookie", "basic"])
@pytest.mark.parametrize("status", [200, 401, 500])
async def test_a_server_that_repeats_a_credential_is_not_repeated(server: Recorder, auth: str, status: int) -> None:
    def echo(request: Arrived) -> Reply:
        return Reply(repr((request.target, request.headers)).encode(), status, "text/plain")

    server.on("/x", echo)

    output = await asked(server, auth)

    word = base64.b64encode(b"me:pa:ss w\xc3\xb6rd")
    assert not [secret for secret in (b"s3cret-key", word) if secret in output.body]
    assert b"***" in output.body


async def test_events_repeat_no_credential(server: Recorder) -> None:
    heard: list[str] = []

    async def tell(line: str) -> None:
        heard.append(line)

    server.on("/x", Reply(b'data: {"you": "s3cret-key"}\n\n', content_type="text/event-stream"))
    async with running(server) as runner:
        output = await runner.run(Http.model_validate({"url": "/x", "auth": "bearer", "stream": "events"}), {}, tell)

    assert (output.value, heard) == ([{"you": "***"}], ['{"you": "***"}'])


async def test_a_redirect_within_the_origin_keeps_the_credential(server: Recorder) -> None:
    server.on("/x", Reply(status=302, headers={"location": "/y"}))

    await asked(server, "bearer")

    assert (server.last.path, server.last.header("authorization")) == ("/y", "Bearer s3cret-key")


def token(text: str, **more: Any) -> Reply:
    return as_json({"access_token": text, "token_type": "bearer"} | more)


async def test_a_token_is_had_with_the_credentials_of_the_client(server: Recorder) -> None:
    server.on("/token", token("t0ken-one"))

    output = await asked(server, "oauth")

    asking, sent = server.arrived
    word = base64.b64encode(b"me%3A1:cl1ent%2Bs3cret").decode()
    assert (asking.method, asking.target) == ("POST", "/token?tenant=1")
    assert asking.header("authorization") == f"Basic {word}"
    assert asking.body == b"grant_type=client_credentials&scope=read+write&audience=https%3A%2F%2Fapi"
    assert sent.header("authorization") == "Bearer t0ken-one"
    assert b"t0ken-one" not in output.body


async def test_a_token_is_used_until_shortly_before_its_end(server: Recorder) -> None:
    server.in_turn("/token", token("t0ken-one", expires_in=3_600), token("t0ken-two"))
    async with running(server) as runner:
        for _ in range(3):
            await runner.run(Http(url="/x", auth="oauth"), {})

    assert [one.path for one in server.arrived] == ["/token", "/x", "/x", "/x"]


async def test_a_token_that_ends_soon_is_not_used_again(server: Recorder) -> None:
    server.on("/token", token("t0ken-one", expires_in=20))
    async with running(server) as runner:
        for _ in range(2):
            await runner.run(Http(url="/x", auth="oauth"), {})

    assert [one.path for one in server.arrived] == ["/token", "/x", "/token", "/x"]


async def test_many_calls_at_once_fetch_one_token(server: Recorder) -> None:
    server.on("/token", token("t0ken-one"))
    async with running(server) as runner, anyio.create_task_group() as tasks:
        for _ in range(10):
            tasks.start_soon(runner.run, Http(url="/x", auth="oauth"), {})

    assert sorted(one.path for one in server.arrived) == ["/token"] + ["/x"] * 10


async def test_a_token_that_is_refused_is_fetched_anew_once(server: Recorder) -> None:
    server.in_turn("/token", token("t0ken-one"), token("t0ken-two"), token("t0ken-three"))
    server.on("/x", lambda request: as_json(1, 200 if request.header("authorization") == "Bearer t0ken-two" else 401))
    server.on("/never", as_json(1, 401))
    async with running(server) as runner:
        assert (await runner.run(Http(method="POST", url="/x", auth="oauth"), {})).failed == ""
        assert (await runner.run(Http(url="/never", auth="oauth"), {})).failed.startswith("401 ")

    paths = [one.path for one in server.arrived]
    assert paths == ["/token", "/x", "/token", "/x", "/never", "/token", "/never"]


@pytest.mark.parametrize(
    "reply",
    [
        as_json({"error": "invalid_client", "error_description": "cl1ent+s3cret"}, 401),
        as_json({"error": "invalid_scope"}, 200),
        as_json({"access_token": "a\r\nb"}),
        as_json({"access_token": ""}),
        as_json([]),
        Reply(b"<html>"),
    ],
)
async def test_without_a_token_nothing_is_sent(server: Recorder, reply: Reply) -> None:
    server.on("/token", reply)

    with pytest.raises(
        RunError, match=r"auth\.oauth: no token was given \(answer: (401, invalid_client|200)"
    ) as caught:
        await asked(server, "oauth")

    assert [one.path for one in server.arrived] == ["/token"]
    assert "s3cret" not in str(caught.value)


async def test_tokens_are_not_asked_for_at_private_addresses_either(server: Recorder) -> None:
    async with running(server, allow_private=False) as runner:
        with pytest.raises(RunError, match="no public address"):
            await runner.run(Http(url="https://example.com/", auth="oauth"), {})

    assert server.arrived == []
