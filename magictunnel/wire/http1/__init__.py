"""Our own HTTP/1.1 client: one request and one response at a time over a kept connection, with nothing in between."""
