"""Gateways that were written to be measured against: each no more than it must be."""
