"""The way through, in all combinations: client era x server era x transport behind x transport in front."""

from __future__ import annotations

import json
from pathlib import Path

import anyio
import pytest

from tests.support.raw import Script, text, tool
from tests.support.world import FRONTS, PATIENCE, world

pytestmark = pytest.mark.anyio

OFFERS = {
    "tools": [tool("echo")],
    "prompts": [{"name": "ask"}],
    "resources": [{"uri": "raw://one", "name": "one"}],
    "resourceTemplates": [{"uriTemplate": "raw://item/{id}", "name": "item"}],
}


@pytest.mark.parametrize("front", FRONTS)
async def test_everything_of_a_server_is_reached_in_every_combination(
    client_era: str, server_era: str, over: str, front: str, tmp_path: Path
) -> None:
    if over == "sse" and server_era == "stateless":
        pytest.skip("the HTTP+SSE transport belongs to the handshake era")
    script = Script(name="srv", era=server_era, offers=OFFERS, answers={"tools/call echo": text("hi", isError=True)})
    with anyio.fail_after(PATIENCE):
        async with world([script], tmp_path, over=over) as w, w.client(client_era, front) as client:
            assert [item.name for item in (await client.list_tools()).tools] == ["srv__echo"]
            assert [item.name for item in (await client.list_prompts()).prompts] == ["srv__ask"]
            assert [str(item.uri) for item in (await client.list_resources()).resources] == ["raw://one"]
            templates = (await client.list_resource_templates()).resource_templates
            assert [item.uri_template for item in templates] == ["raw://item/{id}"]
            result = await client.call_tool("srv__echo", {"a": 1})
            assert result.is_error
            assert result.content[0].text == "hi"
            read = await client.read_resource("raw://item/7")
            assert (read.contents[0].uri, read.contents[0].text) == ("raw://item/7", "raw://item/7 of srv")
            prompt = await client.get_prompt("srv__ask")
            assert prompt.messages[0].content.text == "ask of srv"


async def test_a_completion_reaches_the_owner_under_its_own_name(client_era: str, over: str, tmp_path: Path) -> None:
    script = Script(name="srv", offers=OFFERS, capabilities={"prompts": {}, "resources": {}, "completions": {}})
    if over == "sse":
        script.era = "handshake"
    with anyio.fail_after(PATIENCE):
        async with world([script], tmp_path, over=over) as w, w.client(client_era) as client:
            import mcp_types as types

            ref = types.PromptReference(name="srv__ask")
            result = await client.complete(ref, {"name": "x", "value": "y"})
            assert result.completion.values == ["srv:" + json.dumps({"name": "ask", "type": "ref/prompt"})]
