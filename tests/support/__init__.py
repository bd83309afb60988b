"""Servers that do what a test says, and clients of every kind."""
