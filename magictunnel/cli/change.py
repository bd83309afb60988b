"""One change of a config file: made, written, and taken back if it is no good."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from magictunnel.config.files import write_text
from magictunnel.config.load import parse
from magictunnel.config.model import Config
from magictunnel.config.text import read_text
from magictunnel.errors import ConfigError

Edit = Callable[[str, str], str]
"""The text of a config file, and its name -> the text as it should be."""


@dataclass(frozen=True, slots=True)
class Change:
    """A config file before and after."""

    file: Path
    before: str | None
    """None: there was no such file."""
    after: str
    config: Config
    """What it says afterwards."""

    @property
    def is_nothing(self) -> bool:
        return self.before == self.after

    def write(self) -> None:
        """Have the file say what it is to say. Raises ConfigError: it cannot be written, or is another one by now."""
        if self.before is None:
            _create(self.file)
        try:
            write_text(self.file, self.after, expecting=self.before or "")
        except ConfigError:
            if self.before is None:
                self.file.unlink(missing_ok=True)
            raise

    def take_back(self) -> None:
        """Have the file as it was, to the byte. Raises ConfigError: somebody else has changed it since."""
        if self.before is not None:
            write_text(self.file, self.before, expecting=self.after)
        elif read_text(self.file) == self.after:
            self.file.unlink()
        else:
            raise ConfigError("somebody changed it just now", file=str(self.file))


def changed(file: Path, name: str, edit: Edit, *, to_serve: bool, or_new: bool = False) -> Change:
    """The change of `file` (`or_new`: it may not be there) by `edit`, about the server `name`. Nothing is written.

    Raises:
        ConfigError: it cannot be made; or the server is `to_serve`, and cannot be used as it would stand there.
    """
    before = None if or_new and not os.path.lexists(file) else read_text(file)
    old = _meaning(before, file)
    for included in old.include:
        if name in included.servers:
            hint = "edit that file, or name it with -c"
            raise ConfigError(f"server {name!r} stands in {included.file}", hint=hint)
    after = edit(_seed(file) if before is None else before, str(file))
    new = parse(after, str(file))
    if to_serve:
        _refuse_problems(name, old, new)
    return Change(file, before, after, new)


def _meaning(text: str | None, file: Path) -> Config:
    with suppress(ConfigError):
        return parse(text or "", str(file))
    return Config()  # whether it can be changed all the same is for the edit to say


def _seed(file: Path) -> str:
    """What a new file is made of."""
    return '{\n  "mcpServers": {}\n}\n' if file.suffix.lower() in (".json", ".jsonc") else "mcpServers: {}\n"


def _refuse_problems(name: str, old: Config, new: Config) -> None:
    """Raise what is wrong with the entry `name`, or has become wrong with another by it."""
    known = {(problem.server, problem.message) for problem in old.problems}
    for problem in new.problems:
        stood_there = (problem.server, problem.message) in known
        if problem.server == name or not stood_there:
            # Of what is not written there is no line that a person could look at.
            line = problem.line if stood_there else 0
            file = problem.file if stood_there else ""
            raise ConfigError(f"server {problem.server!r}: {problem.message}", file=file, line=line, hint=problem.hint)
    if name not in new.servers:
        raise ConfigError(next(note for note in new.notes if note.startswith(f"server {name!r}")))


def _create(file: Path) -> None:
    """An empty file that only its owner may read: what comes into it may be a secret."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        os.close(os.open(file, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    except OSError as error:
        why = f"it cannot be made: {error.strerror}"
        raise ConfigError(why, file=str(file), hint="name another with -c") from error
