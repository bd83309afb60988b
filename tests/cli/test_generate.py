"""`generate`: what is made, shown, written, told; and it is called."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from magictunnel.capabilities.parse import parse, read_file
from magictunnel.cli.app import app
from magictunnel.generators.base import Generated, LeftOut, Made
from tests.support.graphql_api import LIBRARY, Api, served

pytest.importorskip("graphql")

SPEC: dict[str, Any] = {
    "openapi": "3.1.0",
    "info": {"title": "Shop", "version": "1"},
    "servers": [{"url": "https://shop.example/v1"}],
    "security": [{"key": []}],
    "paths": {
        "/things": {
            "get": {"operationId": "listThings", "summary": "All things.", "tags": ["read"], "responses": {}},
            "post": {"operationId": "addThing", "summary": "A new thing.", "tags": ["write"], "responses": {}},
        },
        "/old": {"get": {"operationId": "old", "summary": "Old.", "deprecated": True, "responses": {}}},
    },
    "components": {"securitySchemes": {"key": {"type": "apiKey", "in": "header", "name": "X-Key"}}},
}


def run(*args: object) -> Result:
    return CliRunner().invoke(app, ["generate", *map(str, args)])


@pytest.fixture
def spec(tmp_path: Path) -> Path:
    file = tmp_path / "shop.json"
    file.write_text(json.dumps(SPEC), "utf-8")
    return file


@pytest.fixture(scope="module")
def api() -> Iterator[Api]:
    with served() as running:
        yield running


def test_without_a_file_it_goes_to_stdout_as_yaml_that_loads(spec: Path) -> None:
    result = run("openapi", spec)
    assert result.exit_code == 0
    file = parse(result.stdout, "x.yaml")
    assert [tool.name for tool in file.tools] == ["listThings", "addThing"]
    assert result.stdout.startswith("# 2 tools made of shop.json by magictunnel generate openapi.\n")
    assert "set SHOP_" in result.stderr
    assert "which is not set here" in result.stderr
    assert "note: 1 left out; --dry-run says why" in result.stderr


def test_it_is_written_and_what_to_do_next_is_told(spec: Path, tmp_path: Path) -> None:
    result = run("openapi", spec, "-o", "made.yaml")
    assert (result.exit_code, result.stdout) == (0, "wrote made.yaml: 2 tools\n")
    assert "capabilities: [made.yaml]" in result.stderr
    assert len(read_file(tmp_path / "made.yaml").tools) == 2


def test_a_file_that_is_there_stays_unless_it_is_said(spec: Path, tmp_path: Path) -> None:
    (tmp_path / "made.yaml").write_text("mine", "utf-8")
    result = run("openapi", spec, "-o", "made.yaml")
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == "error: made.yaml: it is there already (--force writes over it)\n"
    assert (tmp_path / "made.yaml").read_text("utf-8") == "mine"
    assert run("openapi", spec, "-o", "made.yaml", "--force").exit_code == 0
    assert len(read_file(tmp_path / "made.yaml").tools) == 2


def test_a_file_called_json_is_json(spec: Path, tmp_path: Path) -> None:
    assert run("openapi", spec, "-o", "made.json").exit_code == 0
    assert len(json.loads((tmp_path / "made.json").read_text("utf-8"))["tools"]) == 2
    assert len(read_file(tmp_path / "made.json").tools) == 2


def test_a_dry_run_shows_what_would_be_made_and_writes_nothing(spec: Path, tmp_path: Path) -> None:
    result = run("openapi", spec, "--dry-run", "-o", "made.yaml")
    rows = [line.split("\t") for line in result.stdout.splitlines()]
    assert rows[:2] == [["listThings", "GET /things", ""], ["addThing", "POST /things", ""]]
    assert rows[2][:2] == ["-", "GET /old"]
    assert rows[2][2]
    assert not (tmp_path / "made.yaml").exists()


def test_json_tells_the_same(spec: Path) -> None:
    told = json.loads(run("openapi", spec, "--dry-run", "--json").stdout)
    assert told["tools"] == [{"name": "listThings", "of": "GET /things"}, {"name": "addThing", "of": "POST /things"}]
    assert [one["what"] for one in told["left_out"]] == ["GET /old"]
    assert len(told["variables"]) == 1
    assert len(json.loads(run("openapi", spec, "--json").stdout)["tools"]) == 2
    assert json.loads(run("openapi", spec, "-o", "made.json", "--json").stdout)["file"] == "made.json"


@pytest.mark.parametrize(
    ("options", "names"),
    [
        (["--tag", "read"], ["listThings"]),
        (["--method", "POST"], ["addThing"]),
        (["--operation", "add*"], ["addThing"]),
        (["--path", "/o*", "--deprecated"], ["old"]),
        (["--prefix", "shop_", "--tag", "read", "--tag", "write"], ["shop_listThings", "shop_addThing"]),
    ],
)
def test_options_choose_and_name(spec: Path, options: list[str], names: list[str]) -> None:
    told = json.loads(run("openapi", spec, "--dry-run", "--json", *options).stdout)
    assert [one["name"] for one in told["tools"]] == names


def test_tools_can_be_called_after_their_paths(spec: Path) -> None:
    told = json.loads(run("openapi", spec, "--dry-run", "--json", "--naming", "method-path").stdout)
    assert [one["name"].lower() for one in told["tools"]] == ["get_things", "post_things"]


def test_nothing_to_make_is_a_failure_and_writes_nothing(spec: Path, tmp_path: Path) -> None:
    result = run("openapi", spec, "--tag", "none", "-o", "made.yaml")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "error: there is nothing here to make a tool of" in result.stderr
    assert not (tmp_path / "made.yaml").exists()


@pytest.mark.parametrize(("base", "is_allowed"), [("http://localhost:1/v1", True), ("https://x.example/", False)])
def test_a_private_address_is_allowed_where_it_was_typed(spec: Path, base: str, is_allowed: bool) -> None:
    result = run("openapi", spec, "--base-url", base)
    assert parse(result.stdout, "x.yaml").http.allow_private is is_allowed
    assert result.stderr.count("allow_private") == is_allowed  # and nobody is asked to say it


def test_a_private_address_is_not_allowed_because_a_description_names_it(tmp_path: Path) -> None:
    file = tmp_path / "shop.json"
    file.write_text(json.dumps(SPEC | {"servers": [{"url": "http://169.254.169.254/"}]}), "utf-8")
    assert parse(run("openapi", file).stdout, "x.yaml").http.allow_private is False


def test_what_is_no_description_is_said_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "x.yaml").write_text("a: 1", "utf-8")
    for name in ("x.yaml", "missing.yaml", "ftp://h/x"):
        result = run("openapi", name)
        assert (result.exit_code, result.stdout) == (2, "")
        (line,) = result.stderr.splitlines()
        assert line.startswith("error: ")


# --- GraphQL


def test_a_generated_graphql_tool_is_called(api: Api, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIBRARY_TOKEN", "s3cret-token")
    made = run("graphql", api.url, "-o", "library.yaml", "--header", "Authorization=Bearer ${LIBRARY_TOKEN}")
    assert (made.exit_code, made.stdout) == (0, "wrote library.yaml: 19 tools\n")
    assert api.asked[-1]["headers"]["Authorization"] == "Bearer s3cret-token"
    assert "s3cret-token" not in (tmp_path / "library.yaml").read_text("utf-8")

    words = ["library.yaml", "books", "first=2", 'filter={"genre": "POETRY"}', "--json"]
    called = CliRunner().invoke(app, ["capabilities", "test", *words])

    assert called.exit_code == 0, called.stderr
    told = json.loads(called.stdout)
    assert "nodes" in json.loads(told["result"]["content"][0]["text"])
    assert told["request"]["graphql"]["headers"]["Authorization"] == "Bearer ${LIBRARY_TOKEN}"
    assert api.asked[-1]["variables"] == {"filter": {"genre": "POETRY"}, "first": 2}
    assert api.asked[-1]["headers"]["Authorization"] == "Bearer s3cret-token"


def test_a_schema_in_a_file_needs_an_endpoint() -> None:
    result = run("graphql", LIBRARY)
    assert result.exit_code == 2
    assert result.stderr == "error: where the API is has to be told (--url https://HOST/graphql)\n"
    options = ["--depth", "1", "--operation", "book", "--prefix", "lib_", "--deprecated"]
    result = run("graphql", LIBRARY, "--url", "https://library.example/graphql", *options)
    (tool,) = parse(result.stdout, "x.yaml").tools
    assert tool.name == "lib_book"
    assert tool.graphql is not None
    assert tool.graphql.url == "https://library.example/graphql"
    assert "author" not in tool.graphql.query


@pytest.mark.parametrize(
    ("header", "why"),
    [
        ("Authorization=Bearer abc123", "--header Authorization has a value that would stand in the file"),
        ("Authorization=${T:-abc123}", "--header Authorization has a value that would stand in the file"),
        ("X-Key=abc123${T}", "--header X-Key has a value that would stand in the file"),
        ("Authorization", "--header 'Authorization' is not K=V"),
        ("a b=${T}", "--header 'a b' is not K=V"),
    ],
)
def test_a_secret_on_the_command_line_is_refused(header: str, why: str) -> None:
    result = run("graphql", LIBRARY, "--url", "https://library.example/graphql", "--header", header)
    assert result.exit_code == 2
    assert why in result.stderr
    assert "abc123" not in result.stderr


@pytest.mark.parametrize(
    "url",
    ["https://u:abc123@h.example/", "https://h.example/?api_key=abc123", "ftp://h.example/", "h.example", "https://"],
)
def test_an_endpoint_with_a_secret_or_none_at_all_is_refused(url: str) -> None:
    result = run("graphql", LIBRARY, "--url", url)
    assert (result.exit_code, result.stdout) == (2, "")
    assert "abc123" not in result.stderr


def test_a_base_url_with_a_secret_is_refused(spec: Path) -> None:
    result = run("openapi", spec, "--base-url", "https://u:abc123@h.example/")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "abc123" not in result.stderr


def test_without_graphql_core_it_is_told_how_to_have_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "graphql", None)
    result = run("graphql", LIBRARY, "--url", "https://library.example/graphql")
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == "error: graphql-core is not installed here (pip install 'magictunnel[generate]')\n"


def test_who_waits_is_told_how_far_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    from magictunnel.cli.generating import Watched

    watched = Watched(_next=0.0)
    watched("operations", 1_000, 2_000)
    watched("operations", 1_001, 2_000)
    assert capsys.readouterr().err == "operations: 1,000 of 2,000\n"


def test_a_report_is_of_all_that_was_made() -> None:
    from magictunnel.cli.generating import reachable

    file = {"http": {"base_url": "http://10.0.0.1/"}, "tools": [{"name": "a", "http": {"url": "/x"}}]}
    made = Generated(file, (Made("a", "GET /x", file["tools"][0]),), (LeftOut("b", "c"),))
    assert reachable(made, "http://10.0.0.1/spec.json").file["http"]["allow_private"] is True
    assert reachable(made, "http://10.0.0.2/spec.json") is made
    assert reachable(made, "spec.json") is made
