"""`magictunnel generate`: a capability file made of what describes an API."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from magictunnel.cli.options import AsJson
from magictunnel.cli.session import run

Texts = list[str] | None
Output = Annotated[
    Path | None, typer.Option("--output", "-o", metavar="FILE", help="Write there (as JSON if it is called so).")
]
Operation = Annotated[
    Texts, typer.Option("--operation", metavar="GLOB", help="Only operations of that name; again for more.")
]
Deprecated = Annotated[bool, typer.Option("--deprecated", help="Take what is deprecated, too.")]
ToolPrefix = Annotated[str, typer.Option("--prefix", metavar="TEXT", help="Put before the name of each tool.")]
Force = Annotated[bool, typer.Option("--force", help="Write over a file that is there.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only show what would be made, and what left out.")]


class Naming(StrEnum):
    """What tools of an OpenAPI description are called after."""

    OPERATION_ID = "operation-id"
    METHOD_PATH = "method-path"


generate = typer.Typer(
    name="generate",
    help="Make a capability file of an API's description: tools without a server.",
    no_args_is_help=True,
    add_completion=False,
)


@generate.command(no_args_is_help=True)
def openapi(
    spec: Annotated[str, typer.Argument(help="File or URL of an OpenAPI 3 or Swagger 2 description, JSON or YAML.")],
    output: Output = None,
    base_url: Annotated[str | None, typer.Option("--base-url", metavar="URL", help="Where the API is.")] = None,
    tag: Annotated[Texts, typer.Option("--tag", metavar="GLOB", help="Only operations with it.")] = None,
    path: Annotated[Texts, typer.Option("--path", metavar="GLOB", help="Only these paths.")] = None,
    method: Annotated[Texts, typer.Option("--method", metavar="NAME", help="Only GET, say.")] = None,
    operation: Operation = None,
    deprecated: Deprecated = False,
    prefix: ToolPrefix = "",
    naming: Annotated[Naming, typer.Option("--naming", help="What tools are called after.")] = Naming.OPERATION_ID,
    root: Annotated[
        Path | None, typer.Option("--root", metavar="FOLDER", help="Files in it may be referred to (its own folder).")
    ] = None,
    force: Force = False,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """One tool for each operation of an OpenAPI description."""

    async def main() -> int:
        from magictunnel.cli.generating import Wanted, from_openapi  # what no other command should wait for
        from magictunnel.generators.openapi import Options

        options = Options(
            base_url=base_url,
            tags=tuple(tag or ()),
            paths=tuple(path or ()),
            methods=tuple(method or ()),
            operations=tuple(operation or ()),
            deprecated=deprecated,
            prefix=prefix,
            naming=naming.value,
        )
        return await from_openapi(spec, options, Wanted(output, force, dry_run, as_json), root)

    run(main)


@generate.command(no_args_is_help=True)
def graphql(
    schema: Annotated[str, typer.Argument(help="File with SDL or an introspection's answer, or URL of an endpoint.")],
    output: Output = None,
    url: Annotated[str | None, typer.Option("--url", metavar="URL", help="Where the API is.")] = None,
    header: Annotated[
        Texts, typer.Option("--header", metavar="K=V", help="Sent to it: 'Authorization=Bearer ${TOKEN}'.")
    ] = None,
    depth: Annotated[int, typer.Option("--depth", min=1, max=10, help="Levels of objects to be asked for.")] = 2,
    operation: Operation = None,
    deprecated: Deprecated = False,
    prefix: ToolPrefix = "",
    force: Force = False,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """One tool for each query and each mutation of a GraphQL schema."""

    async def main() -> int:
        from magictunnel.cli.generating import Wanted, from_graphql

        wanted = Wanted(output, force, dry_run, as_json)
        more = {"depth": depth, "operations": tuple(operation or ()), "deprecated": deprecated, "prefix": prefix}
        return await from_graphql(schema, url, header or (), more, wanted)

    run(main)
