"""`magictunnel search`: what does what is asked for, as clients find it, and why."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from magictunnel.cli.options import AsJson, Config
from magictunnel.cli.session import run
from magictunnel.discovery.tools import MAX_LIMIT


class Sort(StrEnum):
    """What is searched for."""

    TOOL = "tool"
    PROMPT = "prompt"
    RESOURCE = "resource"
    ANY = "any"


def search(
    request: Annotated[str, typer.Argument(metavar="REQUEST", help="What you want to do, in plain words.")],
    server: Annotated[str | None, typer.Option("--server", help="Only of this one.")] = None,
    limit: Annotated[int, typer.Option("--limit", help="So many at most.", min=1, max=MAX_LIMIT)] = 5,
    kind: Annotated[Sort, typer.Option("--kind", help="What to find.")] = Sort.TOOL,
    explain: Annotated[bool, typer.Option("--explain", help="Tell by what each was found.")] = False,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Find what does something, best first; exit code 1 if nothing does."""
    from magictunnel.cli.searching import searched  # what no other command should wait for

    run(lambda: searched(request, server, limit, kind, config, explain=explain, as_json=as_json))
