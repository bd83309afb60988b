"""Generated is callable: every tool of every description is called, and what arrives is judged by the description."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from magictunnel.capabilities.faults import faults
from magictunnel.capabilities.http import HttpRunner
from magictunnel.capabilities.language.model import CapabilityFile
from magictunnel.errors import ConfigError
from magictunnel.generators.base import Generated, Made
from magictunnel.generators.openapi import Options, generate
from magictunnel.generators.read import Source, read
from magictunnel.secrets import Secrets
from tests.support.openapi_judge import Arrived, Judge, Mock, mock
from tests.support.openapi_samples import samples
from tests.support.openapi_specs import FOLDER, NAMES, judged_by, spec

MOST = 10_000 if os.environ.get("MAGICTUNNEL_OPENAPI") == "all" else 40
"""Tools of one description that are called."""


ENDLESS = ("POST /direct",)
"""Answers of which no instance ever ends, by their own description."""


@pytest.mark.parametrize("name", NAMES)
def test_what_an_output_schema_lets_through_is_what_the_description_lets_through(name: str, tmp_path: Path) -> None:
    made = generate(spec(name, tmp_path), Options(base_url="https://api.example.com"))
    judged = judged_by(name, tmp_path)
    judge = Judge(judged.document, "https://api.example.com", judged.where)
    told = [one for one in made.made if "outputSchema" in one.tool and one.what not in ENDLESS]
    wrong = [
        f"{one.what}: {fault}\n  {answer}"
        for one in told[:: max(1, len(told) // MOST)]
        for answer in samples(one.tool["outputSchema"])
        for fault in judge.faults_of_answer(answer, one.what)
    ]
    assert not wrong, "\n".join(wrong[:5])


@pytest.mark.anyio
@pytest.mark.parametrize("name", NAMES)
async def test_what_a_generated_tool_sends_is_what_the_description_asks_for(name: str, tmp_path: Path) -> None:
    with mock() as server:
        made = generate(spec(name, tmp_path), Options(base_url=server.url, deprecated=True))
        judged = judged_by(name, tmp_path)
        judge = Judge(judged.document, server.url, judged.where)
        some = made.made[:: max(1, len(made.made) // MOST)]
        file = as_file(made, some)
        assert not list(faults(file))
        wrong = await called(file, some, variables(made), judge, server)
    assert not wrong, "\n".join(wrong[:5])


async def called(file: CapabilityFile, made: Sequence[Made], known: list[str], judge: Judge, server: Mock) -> list[str]:
    """What is wrong with what the tools of `file` send."""
    wrong = []
    runner = HttpRunner(file.auth, file.http, Secrets(dict.fromkeys(known, "not-a-secret")))
    try:
        for tool, origin in zip(file.tools, made, strict=True):
            assert tool.http is not None
            for arguments in samples(tool.input_schema):
                server.arrived.clear()
                with anyio.fail_after(20):
                    output = await runner.run(tool.http, arguments)
                assert not output.failed
                (arrived,) = server.arrived
                wrong += [
                    f"{origin.what}: {fault}\n  {arguments}\n  {arrived}"
                    for fault in judge.faults(arrived, origin.what)
                ]
    finally:
        await runner.aclose()
    return wrong


def as_file(made: Generated, some: Sequence[Made]) -> CapabilityFile:
    """The file with some of its tools. Tokens need not be fetched: they are no part of the description."""
    content: dict[str, Any] = made.file | {"tools": [one.tool for one in some]}
    content["http"] = content["http"] | {"allow_private": True}
    content["auth"] = {
        name: {"type": "bearer", "token": one["client_secret"]} if one["type"] == "oauth2" else one
        for name, one in content.get("auth", {}).items()
    }
    return CapabilityFile.model_validate(content)


def test_the_judge_can_say_no(tmp_path: Path) -> None:
    source = spec("petstore-3.0.json", tmp_path)
    judge = Judge(source.document, "http://127.0.0.1:1", source.where)
    proven = [("Authorization", "Bearer x"), ("api_key", "x")]
    as_json, as_form = (("Content-Type", kind) for kind in ("application/json", "application/x-www-form-urlencoded"))

    def faults_of(what: str, method: str, target: str, *headers: tuple[str, str], body: bytes = b"") -> list[str]:
        return judge.faults(Arrived(method, target, [*proven, *headers], body), what)

    pet = b'{"name": "Rex", "photoUrls": []}'
    assert not faults_of("POST /pet", "POST", "/pet", as_json, body=pet)
    assert faults_of("POST /pet", "PUT", "/pet", as_json, body=pet)
    assert faults_of("POST /pet", "POST", "/pets", as_json, body=pet)
    assert faults_of("POST /pet", "POST", "/pet", as_json, body=b'{"name": 1, "photoUrls": []}')
    assert faults_of("POST /pet", "POST", "/pet", as_json)
    assert faults_of("POST /pet", "POST", "/pet", ("Content-Type", "text/csv"), body=pet)
    assert not faults_of("GET /pet/{petId}", "GET", "/pet/1")
    assert faults_of("GET /pet/{petId}", "GET", "/pet/one")
    assert judge.faults(Arrived("GET", "/pet/1", [], b""), "GET /pet/{petId}")
    assert not faults_of("GET /pet/findByStatus", "GET", "/pet/findByStatus?status=sold&status=pending")
    assert faults_of("GET /pet/findByStatus", "GET", "/pet/findByStatus?status=lost")
    assert faults_of("GET /pet/findByStatus", "GET", "/pet/findByStatus")
    stripe = spec("stripe-3.0.json.gz", tmp_path)
    forms = Judge(stripe.document, "http://127.0.0.1:1", stripe.where)
    for body, is_wrong in ((b"amount=5&currency=eur", False), (b"amount=five", True), (b"nope=1", True)):
        charge = Arrived("POST", "/v1/charges", [("Authorization", "Basic eDp5"), as_form], body)
        assert bool(forms.faults(charge, "POST /v1/charges")) is is_wrong


def variables(made: Generated) -> list[str]:
    """Those that credentials refer to."""
    values = [str(value) for one in made.file.get("auth", {}).values() for value in one.values()]
    return [value[2:-1] for value in values if value.startswith("${")]


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Where in `value` something stands."""
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [place for key, one in pairs for place in ((*path, key), *places(one, (*path, key)))]


MANGLED = {
    name: read(str(FOLDER / name))
    for name in ("petstore-3.0.json", "petstore-2.0.yaml", "petstore-3.2.yaml", "parameters-style-3.0.json")
}
PLACES = {name: places(source.document) for name, source in MANGLED.items()}
ODD = (
    None, True, -1, 1.5, "", "x", "${HOME}", "{{x}}", [], {}, [1], ["a"], {"a": 1}, {"$ref": "#/nope"}, {"$ref": "#"},
    {"$ref": 1}, {"$ref": "http://169.254.169.254/"}, [None], {"type": "array"}, {"a": None}, [[]],
)  # fmt: skip


@given(st.sampled_from(sorted(MANGLED)), st.data())
@settings(max_examples=75, deadline=None)
def test_whatever_is_wrong_with_a_description_something_or_an_error_comes_of_it(name: str, data: st.DataObject) -> None:
    source = MANGLED[name]
    document = deepcopy(source.document)
    place = data.draw(st.sampled_from(PLACES[name]))
    inner = document
    for key in place[:-1]:
        inner = inner[key]
    inner[place[-1]] = deepcopy(data.draw(st.sampled_from(ODD)))
    try:
        made = generate(Source(source.where, document), Options())
    except ConfigError:
        return
    file = CapabilityFile.model_validate(made.file)
    assert not list(faults(file))
    sent = [made.file["http"], *(one["http"] for one in made.file["tools"])]
    assert not any("${" in text for text in texts(sent))


def texts(value: Any) -> Iterator[str]:
    """All text within a value that may hold a reference: names never do."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for one in value.values() if isinstance(value, dict) else value:
            yield from texts(one)


MEASURED = """
import sys
from magictunnel.generators.openapi import Options, generate
from magictunnel.generators.read import read
from magictunnel.generators.write import to_yaml
made = generate(read(sys.argv[1]), Options())
to_yaml(made.file)
peak = next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM:"))
print(len(made.made), int(peak) / 1024)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="memory is counted in other units")
def test_a_description_of_seven_megabytes_takes_less_than_300_megabytes(tmp_path: Path) -> None:
    where = spec("github-3.0.json.gz", tmp_path).where.removeprefix("file://")
    assert Path(where).stat().st_size > 5 << 20
    told = subprocess.run(
        [sys.executable, "-c", MEASURED, where], capture_output=True, text=True, check=True, timeout=60
    )
    tools, megabytes = map(float, told.stdout.split())
    assert tools == 1186
    assert megabytes < 300
