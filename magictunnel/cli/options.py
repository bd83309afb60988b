"""Options that many commands have."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Config = Annotated[Path | None, typer.Option("--config", "-c", help="The config, or any host's mcpServers file.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
