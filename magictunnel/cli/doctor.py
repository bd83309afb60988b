"""`magictunnel doctor`: each server taken through its steps."""

from __future__ import annotations

from typing import Annotated

import typer

from magictunnel.cli.options import AsJson, Config
from magictunnel.cli.session import run


def doctor(
    server: Annotated[str | None, typer.Argument(help="Only this one.")] = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Take each server through every step up to a call, and say what to do where it fails; exit code 1 if one does."""

    async def main() -> int:
        from magictunnel.cli.examining import examined  # its help goes without

        return await examined(config, server, as_json=as_json)

    run(main)
