"""`magictunnel eval`: how well tools are found for requests of which that is known, and what it saves to search."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from magictunnel.cli.options import AsJson, Config
from magictunnel.cli.session import run


def evaluate(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="With queries.jsonl, and tools.jsonl if you like.")],
    predictions: Annotated[
        Path | None, typer.Option("--predictions", metavar="FILE", help="Write down what was found for each request.")
    ] = None,
    embeddings: Annotated[
        str | None,
        typer.Option("--embeddings", metavar="MODEL", help="The folder or package of one, URL#MODEL of one, or off."),
    ] = None,
    today: Annotated[
        str | None, typer.Option("--now", metavar="DATE", help="When the requests were written: 2025-04-25 (now).")
    ] = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Measure how well tools are found for labelled requests, among those of DIR/tools.jsonl or of the config."""
    from magictunnel.cli.evaluating import evaluated  # what no other command should wait for

    run(lambda: evaluated(folder, predictions, embeddings, today, config, as_json=as_json))
