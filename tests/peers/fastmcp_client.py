"""FastMCP's client: `fastmcp_client.py TARGET CALLS MODE`, the first two JSON. Prints what it saw and was answered.

TARGET: {"url": ...} or {"command": ..., "args": [...]}. CALLS: [{"name": ..., "arguments": {...}}, ...].
"""

from __future__ import annotations

import asyncio
import json
import sys

from fastmcp import Client
from fastmcp.client.transports import StdioTransport


async def main(target: dict[str, str], calls: list[dict[str, object]], mode: str) -> None:
    where = target["url"] if "url" in target else StdioTransport(**target, keep_alive=False)
    async with Client(where, mode=mode) as client:
        seen = {
            "tools": [tool.name for tool in await client.list_tools()],
            "prompts": [prompt.name for prompt in await client.list_prompts()],
            "templates": [template.uri_template for template in await client.list_resource_templates()],
        }
        results = [await client.call_tool_mcp(**call) for call in calls]
        told = [result.model_dump(mode="json", by_alias=True, exclude_none=True) for result in results]
    print(json.dumps(seen | {"results": told}))


asyncio.run(main(json.loads(sys.argv[1]), json.loads(sys.argv[2]), sys.argv[3]))
