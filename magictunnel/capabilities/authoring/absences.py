"""What a capability file names that is not on this machine: files, folders, programs, modules. Nothing is run."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

from magictunnel.capabilities.language.model import CapabilityFile, Command, Python, Tool


def absences(file: CapabilityFile, folder: Path) -> Iterator[str]:
    """Each in one line. `folder`: that of the file. Blocks."""
    for tool in file.tools:
        yield from _of_tool(tool, folder)
    for prompt in file.prompts:
        for named in (one for message in prompt.messages for one in (message.image, message.audio)):
            yield from _of_file(named, folder, f"prompt {prompt.name}")
    for resource in file.resources:
        yield from _of_file(resource.file, folder, f"resource {resource.uri}")
        yield from _of_folder(resource.directory, folder, f"resource {resource.uri}")
    for template in file.resource_templates:
        before = (template.file or "").partition("{{")[0].rpartition("/")[0]
        yield from _of_folder(before, folder, f"resource template {template.uri_template}")


def _of_tool(tool: Tool, folder: Path) -> Iterator[str]:
    for way in (tool, *(tool.steps or ())):
        if way.command is not None:
            yield from _of_command(way.command, folder, f"tool {tool.name}")
        if way.python is not None:
            yield from _of_python(way.python, folder, f"tool {tool.name}")


def _of_file(named: str | None, folder: Path, where: str) -> Iterator[str]:
    if named and not (folder / named).is_file():
        yield f"{where}: there is no file {named!a}"


def _of_folder(named: str | None, folder: Path, where: str) -> Iterator[str]:
    if named and "${" not in named and not (folder / named).expanduser().is_dir():
        yield f"{where}: there is no folder {named!a}"


def _of_command(command: Command, folder: Path, where: str) -> Iterator[str]:
    yield from _of_folder(command.cwd, folder, where)
    program = str(command.argv[0])
    if "PATH" in command.env or "${" in (command.cwd or ""):
        return  # where programs are looked for is known when it runs
    cwd = (folder / (command.cwd or "")).expanduser()
    place = str(cwd / program) if os.path.dirname(program) else program
    if shutil.which(place) is None:
        first, _, rest = program.partition(" ")
        hint = f" (each argument is an element of its own: [{first}, {', '.join(rest.split())}])" if rest else ""
        yield f"{where}: there is no program {program!a} on this machine{hint}"


def _of_python(python: Python, folder: Path, where: str) -> Iterator[str]:
    yield from _of_folder(python.path, folder, where)
    module = python.function.partition(":")[0]
    package = module.partition(".")[0]
    if "${" in (python.path or "") or package in sys.stdlib_module_names:
        return
    place = (folder / (python.path or "")).expanduser() / module.replace(".", "/")
    if not (place.is_dir() or any(place.parent.glob(f"{place.name}.*"))) and find_spec(package) is None:
        yield f"{where}: there is no module {module!a} in {python.path or 'the folder of the file'}, and none installed"
