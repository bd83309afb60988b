"""One MCP server in front of many."""
