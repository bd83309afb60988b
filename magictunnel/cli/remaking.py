"""Capability files that are written: a first one, several as one, and one of the ancestor's as one of today."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from magictunnel.capabilities.authoring.literals import literals
from magictunnel.capabilities.authoring.merge import Part, Strategy, merged
from magictunnel.capabilities.authoring.migrate import Migrated, is_old, migrated
from magictunnel.capabilities.authoring.starter import starter
from magictunnel.capabilities.parse import parse
from magictunnel.catalog.model import Json
from magictunnel.cli.session import FAILED
from magictunnel.cli.show import say, show_json, show_text
from magictunnel.config.text import MAX_MADE, parse_text, read_text
from magictunnel.errors import ConfigError
from magictunnel.generators.write import to_text, write_file


def begun(file: Path, *, force: bool) -> int:
    """Write a first capability file; the exit code.

    Raises:
        ConfigError: it is there already, or cannot be written, or not as it is called.
    """
    if file.suffix.lower() in (".json", ".jsonc"):
        message = "what is written has comments, and is YAML"
        raise ConfigError(message, file=str(file), hint=f"call it {file.with_suffix('.yaml')}")
    text = starter(str(file))
    parse(text, str(file))
    write_file(file, text, over=force)
    show_text(f"wrote {file}")
    say(f"note: see what is in it: magictunnel capabilities test {file}", "dim")
    return 0


def merged_into(files: Sequence[Path], output: Path, strategy: str, *, force: bool, as_json: bool) -> int:
    """Write several capability files as one; the exit code.

    Raises:
        ConfigError: one cannot be used, two clash, or it cannot be written.
    """
    if strategy not in list(Strategy):
        raise ConfigError(f"there is no strategy {strategy!r}", hint=f"use one of {', '.join(Strategy)}")
    here = output.absolute().parent
    parts = [Part(str(file), _content(file), os.path.relpath(file.absolute().parent, here)) for file in files]
    result = merged(parts, Strategy(strategy), output.stem)
    comment = [f"Made of {', '.join(file.name for file in files)} by magictunnel capabilities merge."]
    text = to_text(result.content, str(output), comment)
    parse(text, str(output))
    write_file(output, text, over=force)
    count = len(result.content.get("tools", ()))
    if as_json:
        show_json({"file": str(output), "tools": count, "notes": result.notes})
    else:
        show_text(f"wrote {output}: {count:,} tool{'s' if count != 1 else ''} of {len(files)} files")
        for note in result.notes:
            say(f"note: {note}", "yellow")
    return 0


def _content(file: Path) -> Json:
    """What stands in a capability file that can be used. Raises ConfigError: it cannot, or has a secret in it."""
    text = read_text(file, MAX_MADE)
    parse(text, str(file))
    content: Any = parse_text(text, str(file), MAX_MADE).data
    for literal in literals(content):
        message = f"{literal.where} looks like a secret, which would be written into another file"
        raise ConfigError(message, file=str(file), hint="write it as ${VARIABLE} or ${keyring:NAME}")
    assert isinstance(content, dict), "it is a capability file"
    return content


def migrated_into(old: Path, output: Path | None, *, force: bool, as_json: bool) -> int:
    """Write a file of the ancestor as one of today; the exit code, which tells whether something was lost.

    Raises:
        ConfigError: it is no such file, or the new one cannot be written.
    """
    content: Any = parse_text(read_text(old, MAX_MADE), str(old), MAX_MADE).data
    if not is_old(content):
        hint = "its tools have a `routing`; magictunnel capabilities validate reads those of today"
        raise ConfigError("it is no capability file of MagicTunnel 0.3", file=str(old), hint=hint)
    result = migrated(content, old.stem)
    comment = [f"Made of {old.name} by magictunnel capabilities migrate.", *result.comment]
    text = to_text(result.content, str(output or ""), comment)
    if result.content["tools"]:
        parse(text, str(output or old))
        _put(text, output, force, as_json)
    if as_json:
        show_json(_report(result, output))
    _tell(result)
    return FAILED if result.lost or not result.content["tools"] else 0


def _put(text: str, output: Path | None, force: bool, as_json: bool) -> None:
    if output is not None:
        write_file(output, text, over=force)
        if not as_json:
            show_text(f"wrote {output}")
    elif not as_json:
        show_text(text)


def _report(result: Migrated, output: Path | None) -> Json:
    lost = [{"where": one.where, "why": one.why} for one in result.lost]
    names = [tool["name"] for tool in result.content["tools"]]
    told: Json = {"file": str(output)} if output else {"content": result.content}
    return told | {"tools": names, "lost": lost, "notes": result.notes}


def _tell(result: Migrated) -> None:
    for note in result.notes:
        say(f"note: {note}", "dim")
    for lost in result.lost:
        say(f"lost: {lost.where}: {lost.why}", "yellow")
    if not result.content["tools"]:
        say("error: none of its tools could be carried, so there is nothing to write", "red")
