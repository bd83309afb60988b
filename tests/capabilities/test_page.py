"""docs/capabilities.md says what is so: its examples load, every key is on it, and its numbers are ours."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel
from ruamel.yaml import YAML

from magictunnel.capabilities import making, steps
from magictunnel.capabilities.base import DEFAULT_MAX_OUTPUT
from magictunnel.capabilities.content import files, resources, spill
from magictunnel.capabilities.language import model
from magictunnel.capabilities.language.expression import MAX_EXPRESSION
from magictunnel.capabilities.language.model import Tool
from magictunnel.capabilities.order import order_faults
from magictunnel.capabilities.parse import parse

PAGE = (Path(__file__).parents[2] / "docs/capabilities.md").read_text(encoding="utf-8")
BLOCKS = [block for block in re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL) if not block.startswith("# yaml-")]


def models() -> Iterator[type[BaseModel]]:
    """Those whose keys people write."""
    for found in vars(model).values():
        if isinstance(found, type) and issubclass(found, BaseModel) and found.__module__ == model.__name__:
            yield found


def test_each_key_is_on_the_page() -> None:
    for one in models():
        keys = {field.alias or name for name, field in one.model_fields.items()}
        assert not {key for key in keys if f"`{key}`" not in PAGE}, one


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: block.splitlines()[0])
def test_each_example_can_be_loaded(block: str) -> None:
    data: Any = YAML(typ="safe").load(block)
    if data.keys() & {"tools", "auth"}:
        parse(block, "example.yaml")
    elif data.keys() & set(model.WAYS):
        tool = Tool.model_validate({"name": "example"} | data)
        assert not list(order_faults(tool.steps or (), tool.result))
    else:
        assert data == {"capabilities": ["capabilities/*.yaml"]}


def test_the_first_example_is_ten_lines_or_so() -> None:
    assert BLOCKS[0].count("\n") <= 12


def test_its_numbers_are_ours() -> None:
    for number in (
        f"| {files.MAX_FILE >> 20} MB |",
        f"| {resources.MOST_FILES:,};",
        f"| {DEFAULT_MAX_OUTPUT >> 20} MB, or `max_output` |",
        f"| 100, {steps.MOST_AT_ONCE} of them at once |",
        f"| {making.MAX_DEPTH} deep |",
        f"| {MAX_EXPRESSION} characters |",
        f"| {spill.MAX_SPILLS} of them, {spill.MAX_BYTES >> 20} MB, for an hour |",
        f"(`{Tool.model_fields['spill'].default >> 10}KB`)",
    ):
        assert number in PAGE
