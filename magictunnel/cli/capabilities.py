"""`magictunnel capabilities`: the files that declare tools without a server."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from magictunnel.cli.options import AsJson, Config
from magictunnel.cli.session import run

Files = Annotated[list[str] | None, typer.Argument(metavar="[FILE]...", help="Or folders; without any: the config's.")]
Force = Annotated[bool, typer.Option("--force", help="Write over a file that is there.")]

capabilities = typer.Typer(
    name="capabilities",
    help="The files that declare tools without a server: begin, check, try, merge and migrate them.",
    no_args_is_help=True,
    add_completion=False,
)


@capabilities.command("list")
def list_(files: Files = None, config: Config = None, as_json: AsJson = False) -> None:
    """What capability files declare."""

    async def main() -> int:
        from magictunnel.cli.declaring import listed  # what no other command should wait for

        return await listed(files or (), config, as_json=as_json)

    run(main)


@capabilities.command()
def validate(
    files: Files = None,
    strict: Annotated[bool, typer.Option("--strict", help="Take what is only warned of for an error.")] = False,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Whether capability files are all right; exit code 1 if one is not."""

    async def main() -> int:
        from magictunnel.cli.declaring import validated

        return await validated(files or (), config, strict=strict, as_json=as_json)

    run(main)


@capabilities.command("test", no_args_is_help=True)
def try_(
    file: Path,
    tool: Annotated[str | None, typer.Argument(help="One of its tools; without: which there are.")] = None,
    arguments: Annotated[list[str] | None, typer.Argument(help="key=value words, '{...}' or @file.json.")] = None,
    args: Annotated[
        list[str] | None, typer.Option("--args", metavar="JSON|K=V", help="The same as an option; again for more.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would be run or sent.")] = False,
    as_json: AsJson = False,
) -> None:
    """Run a tool of a capability file: what it runs or sends, and what comes of it."""

    async def main() -> int:
        from magictunnel.cli.trying import shown, tried

        if tool is None:
            return await shown(file, as_json=as_json)
        return await tried(file, tool, [*(arguments or ()), *(args or ())], dry_run=dry_run, as_json=as_json)

    run(main)


@capabilities.command()
def init(
    file: Annotated[Path, typer.Argument(help="What it is to be called.")] = Path("capabilities.yaml"),
    force: Force = False,
) -> None:
    """Write a first capability file, with comments, whose tools run as they are."""

    async def main() -> int:
        from magictunnel.cli.remaking import begun

        return begun(file, force=force)

    run(main)


@capabilities.command(no_args_is_help=True)
def merge(
    files: list[Path],
    output: Annotated[Path, typer.Option("--output", "-o", metavar="FILE", help="The new file.")],
    strategy: Annotated[
        str,
        typer.Option(
            "--strategy", metavar="NAME", help="For two things of one name: keep-first, keep-last, rename or error."
        ),
    ] = "error",
    force: Force = False,
    as_json: AsJson = False,
) -> None:
    """Write several capability files as one, in which everything runs as it did."""

    async def main() -> int:
        from magictunnel.cli.remaking import merged_into

        return merged_into(files, output, strategy, force=force, as_json=as_json)

    run(main)


@capabilities.command(no_args_is_help=True)
def migrate(
    old: Annotated[Path, typer.Argument(help="A capability file of MagicTunnel 0.3.")],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="The new file; without: stdout.")
    ] = None,
    force: Force = False,
    as_json: AsJson = False,
) -> None:
    """Write a capability file of MagicTunnel 0.3 as one of today; exit code 1 if something could not be carried."""

    async def main() -> int:
        from magictunnel.cli.remaking import migrated_into

        return migrated_into(old, output, force=force, as_json=as_json)

    run(main)
