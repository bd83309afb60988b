"""Size, naming and documentation as contracts: what a reader may rely on without looking."""

from __future__ import annotations

import ast
import re
import statistics
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
MODULES = sorted((ROOT / "magictunnel").rglob("*.py"))
MAX_MODULE, MAX_FUNCTION, MEDIAN_FUNCTION = 400, 60, 10

UNTESTED_ALONE = {
    # The composition root and the protocol of backends are exercised by every journey.
    "gateway.py",
    "backends/base.py",
    "__main__.py",
}


def _functions(path: Path) -> Iterator[tuple[str, int]]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield f"{path.relative_to(ROOT)}:{node.lineno} {node.name}", (node.end_lineno or 0) - node.lineno + 1


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_module_is_short_and_says_what_it_owns(path: Path) -> None:
    source = path.read_text(encoding="utf-8")
    assert source.count("\n") <= MAX_MODULE
    assert ast.get_docstring(ast.parse(source))


def test_no_function_is_long_and_half_of_them_are_tiny() -> None:
    lengths = dict(entry for path in MODULES for entry in _functions(path))
    assert not {where: length for where, length in lengths.items() if length > MAX_FUNCTION}
    assert statistics.median(lengths.values()) < MEDIAN_FUNCTION


def test_the_architecture_page_names_every_module_and_no_other() -> None:
    page = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")
    tree = re.search(r"```text\nmagictunnel/\n(.*?)```", page, re.DOTALL)
    assert tree is not None
    named: set[str] = set()
    folders: list[str] = []
    for line in tree[1].splitlines():
        if found := re.match(r"( +)(\w+(?:/|\.py)) ", line):
            folders[len(found[1]) // 2 - 1 :] = [found[2]]
            named |= {"".join(folders)} if found[2].endswith(".py") else set()
    actual = {str(path.relative_to(ROOT / "magictunnel")) for path in MODULES if path.parent.name == "magictunnel"}
    actual |= {
        str(path.relative_to(ROOT / "magictunnel"))
        for path in MODULES
        if path.parent.name != "magictunnel" and path.name != "__init__.py"
    }
    assert named == actual


def test_every_config_key_stands_in_the_documentation() -> None:
    from magictunnel.config.discovery import CodeConfig, DiscoveryConfig, EmbeddingsConfig, FillerConfig
    from magictunnel.config.model import Config, Naming, ServerConfig, ServerSettings, ToolConfig

    page = (ROOT / "docs/configuration.md").read_text(encoding="utf-8")
    told_otherwise = {"servers", "problems", "notes", "file", "digests", "declared"}
    models = (Config, Naming, ServerConfig, ServerSettings, ToolConfig)
    for model in (*models, DiscoveryConfig, EmbeddingsConfig, FillerConfig, CodeConfig):
        assert not {key for key in model.model_fields if f"`{key}`" not in page} - told_otherwise, model


def test_every_command_and_option_stands_in_the_readme_or_the_command_page() -> None:
    import typer.main

    from magictunnel.cli.app import app

    text = (ROOT / "README.md").read_text(encoding="utf-8") + (ROOT / "docs/commands.md").read_text(encoding="utf-8")
    commands = typer.main.get_group(app).commands
    for name, command in commands.items():
        assert f"magictunnel {name}" in text
        for parameter in command.params:
            for option in parameter.opts:
                assert not option.startswith("--") or f"`{option}" in text or f" {option}" in text, (name, option)


def test_every_error_of_ours_is_drawn_in_the_tree() -> None:
    from magictunnel import errors

    assert errors.__doc__ is not None
    classes = {name for name, value in vars(errors).items() if isinstance(value, type)}
    assert not {name for name in classes if name not in errors.__doc__} - {"Any"}
