"""A small server over stdio that stands beside the one under test: `python -m tests.conformance.neighbour NAME`."""

from __future__ import annotations

import sys

from mcp.server.mcpserver import MCPServer


def neighbour(name: str) -> MCPServer:
    """One of each kind, all with its name in theirs."""
    server = MCPServer(name, log_level="ERROR")

    @server.tool(name=f"{name}_say")
    def say(text: str) -> str:
        """Say it."""
        return f"{name} says {text}"

    @server.resource(f"{name}://about", name=f"about {name}")
    def about() -> str:
        return f"This is {name}."

    @server.resource(f"{name}://thing/{{thing}}", name=f"things of {name}")
    def thing(thing: str) -> str:
        return f"{name} has {thing}."

    @server.prompt(name=f"{name}_praise", description="Praise it.")
    def praise() -> str:
        return f"Praise {name}."

    return server


if __name__ == "__main__":
    neighbour(sys.argv[1]).run()
