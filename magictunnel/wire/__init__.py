"""JSON-RPC on the wire: lines to messages and back, and the processes at the other end of them."""
