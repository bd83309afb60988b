"""Two servers claim one URI: each is read from its owner, and every link leads back where it came from (23)."""

from __future__ import annotations

import json

import anyio
import pytest

from magictunnel.catalog.model import Json
from tests.support.raw import Script, tool
from tests.support.rawclient import RawClient, raw_client
from tests.support.world import PATIENCE, world

pytestmark = pytest.mark.anyio

NOT_FOUND = {"handshake": -32002, "stateless": -32602}
SHARED, TEMPLATE, UNLISTED = "raw://config", "raw://item/{id}", "raw://log/today"


def links(uri: str) -> list[Json]:
    """Every place where a tool result can name a resource."""
    return [
        {"type": "resource_link", "uri": uri, "name": "linked"},
        {"type": "resource", "resource": {"uri": uri, "text": "embedded"}},
        {"type": "text", "text": f"see {uri}", "uri": uri},
        {"type": "of_tomorrow", "uri": uri},
    ]


def prompt(uri: str) -> Json:
    return {"messages": [{"role": "user", "content": block} for block in links(uri)[:3]]}


def server(name: str) -> Script:
    """Both servers say the same: what they answer tells them apart."""
    uris = {"config": SHARED, "item": "raw://item/7", "log": UNLISTED}
    answers = {f"tools/call {word}": {"content": links(uri)} for word, uri in uris.items()}
    answers |= {f"prompts/get {word}": prompt(uri) for word, uri in uris.items()}
    folder = [{"uri": SHARED, "text": f"a of {name}"}, {"uri": f"{SHARED}/below", "blob": "eA=="}]
    return Script(
        name=name,
        capabilities={"tools": {}, "prompts": {}, "resources": {"listChanged": True}, "completions": {}},
        offers={
            "tools": [tool(word) for word in uris],
            "prompts": [{"name": word} for word in uris],
            "resources": [
                {"uri": SHARED, "name": "config"},
                {"uri": f"raw://only/{name}", "name": "own"},
                {"uri": "raw://dir", "name": "d"},
            ],
            "resourceTemplates": [{"uriTemplate": TEMPLATE, "name": "item"}],
        },
        answers=answers | {"resources/read raw://dir": {"contents": folder}},
    )


async def contents(client: RawClient, uri: str) -> list[Json]:
    answer = await client.request("resources/read", {"uri": uri})
    assert "result" in answer, (uri, answer)
    return list(answer["result"]["contents"])


async def read(client: RawClient, uri: str) -> str:
    """Which server answers a read of `uri`; what it answers must be under that very URI."""
    (only,) = await contents(client, uri)
    assert only["uri"] == uri
    return str(only["text"]).rsplit(" ", 1)[1]


async def refused(client: RawClient, uri: str) -> Json:
    answer = await client.request("resources/read", {"uri": uri})
    assert "error" in answer, (uri, answer)
    return dict(answer["error"])


async def test_both_are_listed_by_their_owner_and_read_from_it(client_era: str, server_era: str) -> None:
    scripts = [server("one"), server("two")]
    for each in scripts:
        each.era = server_era
    with anyio.fail_after(PATIENCE):
        async with world(scripts, over="http") as w, raw_client(w.port, client_era) as client:
            listed = (await client.request("resources/list"))["result"]["resources"]
            uris = [item["uri"] for item in listed]
            assert uris == [
                "one+raw://config", "raw://only/one", "one+raw://dir",
                "two+raw://config", "raw://only/two", "two+raw://dir",
            ]  # fmt: skip
            assert [await read(client, uri) for uri in uris if "dir" not in uri] == ["one", "one", "two", "two"]
            assert await read(client, "raw://only/one") == "one"
            folder = await contents(client, "two+raw://dir")
            assert [item["uri"] for item in folder] == ["two+raw://config", folder[1]["uri"]]
            assert await read(client, folder[1]["uri"]) == "two"


async def test_the_bare_uri_names_the_choices(client_era: str) -> None:
    with anyio.fail_after(PATIENCE):
        async with world([server("one"), server("two")], over="http") as w, raw_client(w.port, client_era) as client:
            error = await refused(client, SHARED)
            assert error["code"] == NOT_FOUND[client_era]
            assert "one+raw://config or two+raw://config" in error["data"]["hint"]
            assert (await refused(client, "raw://nowhere"))["code"] == NOT_FOUND[client_era]


async def test_an_owned_uri_may_be_read_by_its_qualified_name_too(client_era: str) -> None:
    with anyio.fail_after(PATIENCE):
        async with world([server("one"), server("two")], over="http") as w, raw_client(w.port, client_era) as client:
            (only,) = await contents(client, "one+raw://only/one")
            assert (only["uri"], only["text"]) == ("one+raw://only/one", "raw://only/one of one")


@pytest.mark.parametrize("word", ["config", "item", "log"])
async def test_links_in_results_lead_back_to_their_giver(word: str, client_era: str) -> None:
    """Listed by both, made by the template of both, and listed by nobody: as tool results and in prompts."""
    with anyio.fail_after(PATIENCE):
        async with world([server("one"), server("two")], over="http") as w, raw_client(w.port, client_era) as client:
            given: dict[str, set[str]] = {}
            for name in ("one", "two", "one"):
                called = await client.request("tools/call", {"name": f"{name}__{word}"})
                link, embedded, text, unknown = called["result"]["content"]
                got = await client.request("prompts/get", {"name": f"{name}__{word}"})
                messages = [message["content"] for message in got["result"]["messages"]]
                uris = [link["uri"], embedded["resource"]["uri"], messages[0]["uri"], messages[1]["resource"]["uri"]]
                given.setdefault(name, set()).update(uris)
                assert text == links(text["uri"])[2] == messages[2]
                assert unknown == links(text["uri"])[3]
            assert [len(uris) for uris in given.values()] == [1, 1]
            for name, (uri,) in given.items():
                assert await read(client, uri) == name


async def test_a_template_of_both_makes_uris_of_each(client_era: str) -> None:
    with anyio.fail_after(PATIENCE):
        async with world([server("one"), server("two")], over="http") as w, raw_client(w.port, client_era) as client:
            listed = (await client.request("resources/templates/list"))["result"]["resourceTemplates"]
            templates = [item["uriTemplate"] for item in listed]
            assert templates == ["one+raw://item/{id}", "two+raw://item/{id}"]
            for template, name in zip(templates, ("one", "two"), strict=True):
                assert await read(client, template.replace("{id}", "7")) == name
                ref = {"type": "ref/resource", "uri": template}
                answer = await client.request(
                    "completion/complete", {"ref": ref, "argument": {"name": "id", "value": ""}}
                )
                told = {"type": "ref/resource", "uri": TEMPLATE}
                assert answer["result"]["completion"]["values"] == [f"{name}:{json.dumps(told)}"]
            ref = {"type": "ref/resource", "uri": TEMPLATE}
            answer = await client.request("completion/complete", {"ref": ref, "argument": {"name": "id", "value": ""}})
            assert answer["error"]["code"] == -32602
            assert "one+raw://item/{id} or two+raw://item/{id}" in answer["error"]["data"]["hint"]


async def test_what_a_template_of_both_makes_means_nobody_until_it_says_whose(client_era: str) -> None:
    """Reading it once from one owner does not make the bare URI mean that one."""
    with anyio.fail_after(PATIENCE):
        async with world([server("one"), server("two")], over="http") as w, raw_client(w.port, client_era) as client:
            assert (await refused(client, "raw://item/9"))["code"] == NOT_FOUND[client_era]
            await contents(client, "two+raw://item/9")
            await contents(client, "one+raw://item/9")
            error = await refused(client, "raw://item/9")
            assert error["code"] == NOT_FOUND[client_era]
            assert "one+raw://item/9 or two+raw://item/9" in error["data"]["hint"]


async def test_a_link_told_by_one_client_can_be_read_by_another() -> None:
    with anyio.fail_after(PATIENCE):
        async with world([server("one"), server("two")], over="http") as w:
            uris: list[str] = []
            async with raw_client(w.port, "stateless") as client:
                for name in ("two", "one"):
                    called = await client.request("tools/call", {"name": f"{name}__log"})
                    uris.append(called["result"]["content"][0]["uri"])
            assert uris[0] == UNLISTED
            async with raw_client(w.port, "handshake") as client:
                assert [await read(client, uri) for uri in uris] == ["two", "one"]


async def test_a_qualified_link_outlives_us() -> None:
    """A host keeps links in its history: what names its owner can be read although we have been restarted."""
    with anyio.fail_after(PATIENCE):
        async with world([server("one"), server("two")], over="http") as w, raw_client(w.port, "stateless") as client:
            for name in ("one", "two"):
                called = await client.request("tools/call", {"name": f"{name}__log"})
            uri = called["result"]["content"][0]["uri"]
            assert uri == "two+raw://log/today"
        async with world([server("one"), server("two")], over="http") as w, raw_client(w.port, "stateless") as client:
            assert await read(client, uri) == "two"


async def test_a_uri_that_becomes_shared_is_told_apart_from_then_on(client_era: str) -> None:
    with anyio.fail_after(PATIENCE):
        async with world([server("one"), server("two")], over="http") as w, raw_client(w.port, client_era) as client:
            assert await read(client, "raw://only/one") == "one"
            await w.until_ready()
            await w.until(lambda: bool(w.servers["two"].listeners))
            w.servers["two"].change("resources", [{"uri": "raw://only/one", "name": "mine now"}])
            await w.until(lambda: "raw://only/one" in w.gateway.live.current.ambiguous)
            assert "one+raw://only/one" in (await refused(client, "raw://only/one"))["data"]["hint"]
            assert await read(client, "one+raw://only/one") == "one"
            assert await read(client, "two+raw://only/one") == "two"
