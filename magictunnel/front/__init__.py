"""The one MCP server that clients see: its answers (`handlers`), its news (`notify`), its ways in (`stdio`, `http`)."""
