"""The servers behind us: how one is reached (`transports`), spoken to (`mcp`), and kept alive (`supervisor`)."""
