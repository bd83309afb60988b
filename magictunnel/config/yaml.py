"""YAML, and JSON that was made YAML -> data, and where its parts stand; what is wrong with it, in one line."""

from __future__ import annotations

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.reader import ReaderError

from magictunnel.config.build import Builder, Built
from magictunnel.config.plainjson import MAX_NODES
from magictunnel.errors import ConfigError

_MAX_MESSAGE = 200
_LARGE = 128 * 1024
"""Characters above which libyaml parses, where it is installed: twenty times faster, and curter about mistakes."""

# ruamel lets some broken text through to its own code, which then fails in these ways.
_PARSER_SLIPS = (YAMLError, ValueError, LookupError, AttributeError, TypeError, AssertionError, ArithmeticError)


def parse_yaml(text: str, file: str, language: str, nodes: int = MAX_NODES) -> Built:
    """What `text` is, of at most `nodes` keys and values. `language`: what its author takes it for, YAML or JSON.

    Raises:
        ConfigError: it is not one well-formed document within the bounds of `build`.
    """
    try:
        return Builder(YAML(typ="safe", pure=len(text) <= _LARGE).parse(text), file, nodes).built()
    except _PARSER_SLIPS as error:
        raise _syntax_error(error, text, file, language) from error


def _syntax_error(error: Exception, text: str, file: str, language: str) -> ConfigError:
    what, line = "it cannot be understood", 0
    if isinstance(error, ReaderError):
        what = f"the character {chr(error.character)!a} is not allowed"
        line = text.count("\n", 0, error.position) + 1
    elif isinstance(error, MarkedYAMLError):
        what = _in_words(error)
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 0
    return ConfigError(f"not valid {language}: {what}", file=file, line=line, hint=_remedy(what, file))


def _in_words(error: MarkedYAMLError) -> str:
    if str(error.problem).startswith("expected '<document start>'"):
        return "something stands after the end"
    what = " ".join(" ".join(str(part).split()) for part in (error.problem, error.context) if part)
    what = what.replace("'<stream end>'", "the end of the file").replace("'<scalar>'", "another value")
    return what if len(what) <= _MAX_MESSAGE else what[:_MAX_MESSAGE] + "..."


def _remedy(what: str, file: str) -> str:
    if file.lower().endswith(".toml"):
        return "TOML is not read; write YAML or JSON"
    return "indent with spaces, not tabs" if r"'\t'" in what else ""
