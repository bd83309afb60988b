"""OpenAPI 3.0, 3.1, 3.2 and Swagger 2.0 -> a capability file whose tools call what is described."""

from __future__ import annotations

from magictunnel.generators.base import Generated, Progress, silent
from magictunnel.generators.openapi.options import Naming, Options
from magictunnel.generators.read import Source

__all__ = ["Naming", "Options", "generate"]


def generate(spec: Source, options: Options, progress: Progress = silent) -> Generated:
    """A capability file with one tool for each operation of `spec` that `options` let through.

    Raises:
        ConfigError: it is no OpenAPI document of these versions, or does not say where its server is.
    """
    from magictunnel.generators.openapi.making import Making  # only those who generate wait for it

    return Making(spec, options).generated(progress)
