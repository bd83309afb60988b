"""Gateways side by side: what a call, a list, a start and a session cost through each, in one interleaved run.

Raw clients and raw backends on both ends, so that neither hides what is between them. See benchmarks/README.md.
"""
