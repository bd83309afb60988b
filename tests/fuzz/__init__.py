"""Garbage for everything that reads from others: an error or a closed connection, never a hang or another's message."""
