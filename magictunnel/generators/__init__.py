"""Capability files made of what describes an API: OpenAPI, GraphQL."""
