"""What happens to every Call, in order, outermost first. Read `INTERCEPTORS`; changing the order is moving a line."""

from __future__ import annotations

from collections.abc import Sequence

from magictunnel.pipeline.call import Handler, Interceptor, compose
from magictunnel.pipeline.log import log

INTERCEPTORS: Sequence[Interceptor] = (log,)


def pipeline(router: Handler) -> Handler:
    """The whole chain around `router`, which is its last link."""
    return compose(INTERCEPTORS, router)
