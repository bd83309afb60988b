"""What is wrong in a config, where, and what to do, in one line for a person."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ValidationError

from magictunnel.config.discovery import CodeConfig, DiscoveryConfig, EmbeddingsConfig, FillerConfig
from magictunnel.config.model import Globs, Naming, ServerSettings, ToolConfig
from magictunnel.config.text import Document
from magictunnel.errors import ConfigError

if TYPE_CHECKING:
    from magictunnel.config.build import KeyPath

_NEAR = 0.75
"""Below this, a guess is more often silly than right (`authUrl` is no slip of `url`)."""

_DURATION = "should be a duration such as 60s, 500ms, 2m or 1h, or a number of seconds"

_WORDS: Mapping[str, Callable[[Mapping[str, Any]], str]] = {
    "extra_forbidden": lambda _: "unknown key",
    "missing": lambda _: "is missing",
    "string_type": lambda _: "should be text",
    "tuple_type": lambda _: "should be a list",
    "dict_type": lambda _: "should be a mapping",
    "model_type": lambda _: "should be a mapping",
    "bool_type": lambda _: "should be true or false",
    "bool_parsing": lambda _: "should be true or false",
    "float_type": lambda _: _DURATION,
    "float_parsing": lambda _: _DURATION,
    "enum": lambda given: f"should be {given['expected']}",
    "greater_than": lambda given: f"should be more than {given['gt']:g}",
    "greater_than_equal": lambda given: f"should be at least {given['ge']:g}",
    "less_than_equal": lambda given: f"should be at most {given['le']:g}",
    "string_pattern_mismatch": lambda given: f"should be made of letters, digits, _ and - ({given['pattern']})",
}

_NESTED: Mapping[str, type[BaseModel]] = {
    "tools": ToolConfig,
    "include": Globs,
    "exclude": Globs,
    "defaults": ServerSettings,
    "naming": Naming,
    "discovery": DiscoveryConfig,
    "discovery.embeddings": EmbeddingsConfig,
    "discovery.filler": FillerConfig,
    "discovery.code": CodeConfig,
}


@dataclass(frozen=True, slots=True)
class Place:
    """A part of a config file, such as one server's entry; the origin of errors about it."""

    document: Document
    path: KeyPath = ()

    def error(self, message: str, *keys: str | int, hint: str = "") -> ConfigError:
        """A ConfigError about the value at `keys` below this place."""
        line = self.document.line_of((*self.path, *keys))
        return ConfigError(f"{dotted(keys)}{message}", file=self.document.file, line=line, hint=hint)

    def spelling(self, *keys: str | int) -> str | None:
        """How the number or boolean at `keys` below this place is written; None if that is not known."""
        return self.document.written.get((*self.path, *keys))

    def explain(self, error: ValidationError) -> ConfigError:
        """All faults that pydantic found in the value of this place, as one error at the first of them."""
        faults = error.errors(include_url=False, include_input=False)
        first, *_ = faults
        message = "; ".join(f"{dotted(fault['loc'])}{in_words(fault)}" for fault in faults)
        hints = (_hint(fault["loc"]) for fault in faults if fault["type"] == "extra_forbidden")
        return ConfigError(
            message,
            file=self.document.file,
            line=self.document.line_of((*self.path, *first["loc"])),
            hint=next(hints, ""),
        )


def dotted(keys: Iterable[str | int]) -> str:
    """`tools.search.timeout: `, to stand before what is wrong there; nothing for no keys."""
    path = ".".join(str(key) for key in keys)
    return f"{path if path.isprintable() else ascii(path)}: " if path else ""


def did_you_mean(word: str, known: Iterable[str], *, synonyms: Iterable[str] = ()) -> str:
    """A question naming the nearest of `known` and `synonyms`, or all that is `known` when none is near."""
    known = list(known)
    near = nearest(word, [*known, *synonyms])
    return f"did you mean {near!r}?" if near else f"known here: {', '.join(known)}"


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The one of `known` that `word` is probably a slip of."""
    import difflib  # most files have no slips

    by_folded = {key.lower().replace("_", ""): key for key in known}
    found = difflib.get_close_matches(word[:64].lower().replace("_", "").replace("-", ""), by_folded, n=1, cutoff=_NEAR)
    return by_folded[found[0]] if found else None


def in_words(fault: Any) -> str:
    """One of pydantic's faults as it is told to a person, without where it is."""
    words = _WORDS.get(fault["type"])
    return words(fault.get("ctx", {})) if words else " ".join(str(fault["msg"]).split())


def _hint(path: KeyPath) -> str:
    model = _NESTED.get(".".join(map(str, path[:2]))) or _NESTED.get(str(path[0]))
    return did_you_mean(str(path[-1]), model.model_fields) if model else ""
