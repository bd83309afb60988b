"""`search`: what is found for a request, in which order, and what is said of it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from magictunnel.cli.app import app
from tests.support.process import config_file, entry
from tests.support.raw import Json, Script, tool

MAIL = Script(
    name="mail",
    offers={
        "tools": [
            tool("send_email", description="Send an email to people.", annotations={"readOnlyHint": False}),
            tool("search_emails", description="Search the mailbox for emails.", annotations={"readOnlyHint": True}),
        ],
        "prompts": [{"name": "polite_answer", "description": "Write a polite answer to an email."}],
    },
)
FILES = Script(
    name="files",
    offers={
        "tools": [tool("delete_file", description="Delete a file\x1b[31m from the disk."), tool("copy_file")],
        "resources": [{"uri": "file:///report", "name": "report", "description": "The report of the year."}],
    },
)
BY_WORDS = "note: searched by words\n"
NOTHING = "note: nothing here seems to do this"


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return config_file(tmp_path, {"mail": entry(MAIL, tmp_path), "files": entry(FILES, tmp_path)})


def run(*args: object) -> Result:
    return CliRunner().invoke(app, ["search", *map(str, args)])


def rows(result: Result, stderr: str = BY_WORDS) -> list[list[str]]:
    assert (result.exit_code, result.stderr) == (0, stderr)
    return [line.split("\t") for line in result.stdout.splitlines()]


def told(*args: object, code: int = 0) -> Json:
    result = run(*args, "--json")
    assert (result.exit_code, result.stderr) == (code, "")
    return dict(json.loads(result.stdout))


def test_the_best_comes_first_with_what_it_does(config: Path) -> None:
    first, *others = rows(run("send an email to Ada", "-c", config))

    assert first[:3] == ["1", "mail__send_email", "mail"]
    assert 0 <= float(first[3]) <= 1
    assert first[4] == "Send an email to people."
    assert all(float(other[3]) <= float(first[3]) for other in others)


def test_what_servers_write_does_not_drive_a_terminal(config: Path) -> None:
    (first, *_) = rows(run("delete a file", "-c", config))

    assert first[4] == "Delete a file [31m from the disk."


def test_as_many_as_are_wanted_of_the_server_that_is_wanted(config: Path) -> None:
    assert len(rows(run("email", "-c", config, "--limit", "1"))) == 1
    assert {row[2] for row in rows(run("copy a file of an email", "-c", config, "--server", "files"))} == {"files"}


def test_it_is_explained_by_words_and_by_what_they_count(config: Path) -> None:
    first, *_ = rows(run("send an email", "-c", config, "--explain"))

    assert first[5] == "send email"
    assert all(name[0].isalpha() and float(value) for name, value in (part.split() for part in first[6].split(", ")))
    ((step,), found) = (lambda whole: (whole["steps"], whole))(told("send an email", "-c", config, "--explain"))
    features = list(step["found"][0]["features"].values())
    assert features == sorted(features, key=abs, reverse=True)
    assert step["found"][0]["matched"] == ["send", "email"]
    assert found["mode"] == "lexical"


def test_each_step_of_a_request_is_shown(config: Path) -> None:
    words = "search the emails of Ada, then delete the file"
    found = rows(run(words, "-c", config, "--limit", "1"))

    assert [row[:2] for row in found] == [["1", "mail__search_emails"], ["2", "files__delete_file"]]
    assert [step["step"] for step in told(words, "-c", config)["steps"]] == [
        "search the emails of Ada",
        "delete the file",
    ]


def test_prompts_and_resources_are_found_where_they_are_wanted(config: Path) -> None:
    def best(kind: str) -> Json:
        (step,) = told("polite answer about the report of the year", "-c", config, "--kind", kind)["steps"]
        return dict(step["found"][0])

    assert (best("prompt")["name"], best("prompt")["use"]) == ("mail__polite_answer", "prompts/get")
    assert (best("resource")["name"], best("resource")["use"]) == ("file:///report", "resources/read")
    assert best("any")["kind"] in ("prompt", "resource")


def test_what_nothing_does_ends_with_exit_code_1(config: Path) -> None:
    result = run("xylophone zebra quux", "-c", config)

    assert result.exit_code == 1
    assert result.stderr.splitlines()[0].startswith(NOTHING)
    (step,) = told("xylophone zebra quux", "-c", config, code=1)["steps"]
    assert step["fits"] is False


def test_what_is_disabled_is_not_found(tmp_path: Path) -> None:
    config = config_file(tmp_path, {"mail": entry(MAIL, tmp_path)}, visibility={"mail__send_email": "disabled"})

    assert "mail__send_email" not in run("send an email", "-c", config).stdout


@pytest.mark.parametrize(
    ("args", "line"),
    [
        (["email", "--server", "mial"], "there is no server 'mial' (did you mean 'mail'?)"),
        (["  "], "a request has 1 to 10000 characters (say what you want to do)"),
        (["x" * 10_001], "a request has 1 to 10000 characters (say what you want to do)"),
    ],
)
def test_what_cannot_be_searched_is_refused(args: list[str], line: str, config: Path) -> None:
    result = run(*args, "-c", config)

    assert (result.exit_code, result.stdout, result.stderr) == (2, "", f"error: {line}\n")


def test_without_the_model_that_is_wanted_it_is_said_and_words_are_enough(tmp_path: Path) -> None:
    pytest.importorskip("numpy")
    servers = {"mail": entry(MAIL, tmp_path)}
    config = config_file(tmp_path, servers, discovery={"embeddings": {"model": "no-such-model"}}, store="off")

    result = run("send an email", "-c", config)

    assert result.exit_code == 0
    assert result.stdout.startswith("1\tmail__send_email\t")
    why, how = result.stderr.splitlines()
    assert why.startswith("note: sentence model 'no-such-model': there is none")
    assert how == BY_WORDS.strip()
