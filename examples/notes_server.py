"""A little notebook, served over stdio: one JSON file, three tools, and every note a resource of its own.

Try it alone with `python examples/notes_server.py --file /tmp/notes.json`, or behind MagicTunnel with the
`magictunnel-config.yaml` beside this folder.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import tempfile
from pathlib import Path
from typing import Annotated
from urllib.parse import quote

import mcp_types as types
from mcp.server.context import CallNext, HandlerResult, ServerRequestContext
from mcp.server.mcpserver import Context, MCPServer, ResourceSecurity, UserMessage
from mcp.server.mcpserver.exceptions import ResourceNotFoundError, ToolError
from mcp.shared.exceptions import MCPError
from pydantic import BaseModel, Field, TypeAdapter, ValidationError

ALL_NOTES = "notes://all"
ONE_NOTE = "notes://note/{title}"
MOST_NOTES = 200
MOST_HITS = 10
MOST_COMPLETIONS = 100  # the protocol's own limit
STYLES = {
    "brief": "Summarize these notes in two or three sentences.",
    "bullets": "Summarize these notes as a short bullet list, the most important first.",
    "todo": "Draw up a to-do list from these notes, one line for each thing to do.",
}

Title = Annotated[str, Field(description="The title of a note, on one line", max_length=100, pattern=r"^\S.*$")]
Text = Annotated[str, Field(description="What to remember, in plain text or Markdown", max_length=4000)]
Query = Annotated[str, Field(description="Words that must all occur, in any order or case", max_length=200)]


class Note(BaseModel):
    """A note, and the resource it is."""

    title: str
    text: str
    uri: str


class Found(BaseModel):
    """What a search found: how many notes in all, and the first of them."""

    total: int
    notes: list[Note]


class Notebook:
    """Titles and texts in one JSON file, read anew each time: whoever else edits the file is heard."""

    _shape = TypeAdapter(dict[str, str])

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self) -> dict[str, str]:
        """Every text by its title, oldest first; raises OSError or ValidationError where there is no notebook."""
        return self._shape.validate_json(self.path.read_bytes()) if self.path.exists() else {}

    def write(self, notes: dict[str, str]) -> None:
        """Replace the whole file at once, so that no crash leaves half a notebook."""
        self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        handle, draft = tempfile.mkstemp(dir=self.path.parent, prefix=".notes-")
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                json.dump(notes, file, ensure_ascii=False, indent=2)
            Path(draft).replace(self.path)
        except BaseException:
            Path(draft).unlink(missing_ok=True)
            raise


class NotesServer(MCPServer):
    """Lists each note beside the fixed resources; reading one goes through the template."""

    async def list_resources(self) -> list[types.Resource]:
        notes = [
            types.Resource(uri=note_uri(title), name=title, mime_type="text/markdown") for title in notebook.read()
        ]
        return [*await super().list_resources(), *notes]


async def declare_changes(ctx: ServerRequestContext, call_next: CallNext) -> HandlerResult:
    """Own up to `listChanged` in the handshake, where the SDK leaves it false. The newer era needs no help."""
    result = await call_next(ctx)
    if ctx.method == "initialize" and isinstance(result, dict):
        result["capabilities"]["resources"]["listChanged"] = True
    return result


def default_path() -> Path:
    """`$XDG_STATE_HOME/magictunnel-example/notes.json`, or where that stands by default."""
    state = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(state) / "magictunnel-example" / "notes.json"


def note_uri(title: str) -> str:
    """The address of one note; any title makes a legal one."""
    return ONE_NOTE.replace("{title}", quote(title, safe=""))


notebook = Notebook(default_path())
server = NotesServer(
    "notes",
    title="Notebook",
    version="1.0.0",
    instructions="A small notebook. Search it before you add to it; each note is a resource, too.",
    log_level="WARNING",
    middleware=[declare_changes],
)


async def tell_of_change(ctx: Context) -> None:
    """Say that the list of resources changed. Each client hears of it once: in its own era, or not at all."""
    await ctx.session.send_resource_list_changed()  # clients that shook hands
    await ctx.notify_resources_changed()  # stateless clients that listen for it
    await ctx.notify_resource_updated(ALL_NOTES)


# Tools and resources are `async` without awaiting the file: it is small, and one event loop needs no lock.


@server.tool(annotations=types.ToolAnnotations(destructive_hint=False, open_world_hint=False))
async def add_note(title: Title, text: Text, ctx: Context) -> Note:
    """Write a new note. A title that is taken is refused, never overwritten."""
    notes = notebook.read()
    if title in notes:
        raise ToolError(f"There is a note called {title!r} already. Choose another title, or remove that one.")
    if len(notes) >= MOST_NOTES:
        raise ToolError(f"The notebook is full: it holds {MOST_NOTES} notes. Remove one first.")
    notebook.write({**notes, title: text})
    await tell_of_change(ctx)
    return Note(title=title, text=text, uri=note_uri(title))


@server.tool(annotations=types.ToolAnnotations(read_only_hint=True, open_world_hint=False))
async def search_notes(query: Query) -> Found:
    """Find the notes that have every word of the query in their title or text. No words find all notes."""
    words = query.casefold().split()
    hits = [
        Note(title=title, text=text, uri=note_uri(title))
        for title, text in notebook.read().items()
        if all(word in f"{title}\n{text}".casefold() for word in words)
    ]
    return Found(total=len(hits), notes=hits[:MOST_HITS])


@server.tool(annotations=types.ToolAnnotations(destructive_hint=True, idempotent_hint=True, open_world_hint=False))
async def remove_note(title: Title, ctx: Context) -> str:
    """Remove a note for good. Removing one that is not there changes nothing."""
    notes = notebook.read()
    if notes.pop(title, None) is None:
        return f"There is no note called {title!r}."
    notebook.write(notes)
    await tell_of_change(ctx)
    return f"Removed {title!r}."


@server.resource(ALL_NOTES, name="All notes", mime_type="text/markdown")
async def all_notes() -> str:
    """The whole notebook as one Markdown page."""
    return "\n\n".join(f"# {title}\n\n{text}" for title, text in notebook.read().items())


# A title is looked up in a dict, never opened as a path: "../lunch" and "/etc" are good titles.
@server.resource(
    ONE_NOTE, name="One note", mime_type="text/markdown", security=ResourceSecurity(exempt_params={"title"})
)
async def one_note(title: str) -> str:
    """A single note, by its title."""
    text = notebook.read().get(title)
    if text is None:
        raise ResourceNotFoundError(f"There is no note called {title!r}.")
    return text


@server.prompt(title="Summarize my notes")
async def summarize_notes(
    style: Annotated[str, Field(description=f"One of {', '.join(STYLES)}")] = "bullets",
) -> list[UserMessage]:
    """Ask for a summary of everything in the notebook."""
    if style not in STYLES:
        raise MCPError(types.INVALID_PARAMS, f"There is no style {style!r}: choose from {', '.join(STYLES)}.")
    page = types.TextResourceContents(uri=ALL_NOTES, mime_type="text/markdown", text=await all_notes())
    return [UserMessage(STYLES[style]), UserMessage(types.EmbeddedResource(resource=page))]


@server.completion()  # type: ignore[no-untyped-call, untyped-decorator]  # the SDK leaves this one untyped
async def complete(
    ref: types.PromptReference | types.ResourceTemplateReference,
    argument: types.CompletionArgument,
    _context: types.CompletionContext | None,
) -> types.Completion | None:
    """Complete a style of `summarize_notes`, or a title in the template."""
    match ref, argument.name:
        case types.PromptReference(name="summarize_notes"), "style":
            choices = list(STYLES)
        case types.ResourceTemplateReference(uri=uri), "title" if uri == ONE_NOTE:
            choices = list(notebook.read())
        case _:
            return None
    fitting = [choice for choice in choices if choice.casefold().startswith(argument.value.casefold())]
    more = len(fitting) > MOST_COMPLETIONS
    return types.Completion(values=fitting[:MOST_COMPLETIONS], total=len(fitting), has_more=more)


def main() -> None:
    """Open the notebook and serve it until stdin ends."""
    parser = argparse.ArgumentParser(description="A little notebook as an MCP server over stdio.")
    parser.add_argument("--file", type=Path, default=notebook.path, help="the notebook (default: %(default)s)")
    notebook.path = parser.parse_args().file.expanduser()
    try:
        notebook.read()
    except (OSError, ValidationError) as error:
        sys.exit(f"notes: {notebook.path} is no notebook ({error}). Mend it, or name another with --file.")
    # A signal may end us at any moment: the file is always whole, and a traceback would help nobody.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    server.run("stdio")


if __name__ == "__main__":
    main()
