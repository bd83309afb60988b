"""`eval`: figures of a small set of labelled requests, and what they are counted from."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from magictunnel.cli.app import app
from magictunnel.config.discovery import DiscoveryConfig
from tests.discovery.tiny_model import write_model
from tests.support.process import config_file, entry
from tests.support.raw import Json, Script, tool

TOOLS = {
    "office": {
        "mail": {
            "send_email": "Send an email to one or more people.",
            "search_emails": "Search the mailbox for emails.",
            "delete_email": "Delete an email for good.",
        },
        "calendar": {
            "create_event": "Create an event in a calendar and invite people.",
            "list_events": "List the events of a day.",
        },
    },
    "code": {
        "github": {
            "create_issue": "Open a new issue in a repository.",
            "list_issues": "List the issues of a repository.",
            "merge_pull_request": "Merge a pull request.",
        }
    },
}
ASKED = [
    ("office", "send an email to Ada", ["mail/send_email"]),
    ("office", "what is on my calendar today, list the events", ["calendar/list_events"]),
    ("office", "delete that email", ["mail/delete_email", "mail/search_emails"]),
    ("office", "water the plants", ["mail/send_email"]),
    ("code", "open an issue about the crash", ["github/create_issue"]),
    ("code", "merge the pull request", ["github/merge_pull_request"]),
    ("code", "which issues are there", ["github/list_issues"]),
]
SEVERAL = {
    "id": "both",
    "query": "search the emails of Ada, then create an event in the calendar",
    "gold": ["mail/search_emails", "calendar/create_event"],
    "need": [["mail/search_emails"], ["calendar/create_event"]],
    "suite": "tasks",
    "profile": "office",
}
HEAD = 6


def lines(path: Path, objects: Sequence[Json]) -> None:
    path.write_text("".join(json.dumps(one) + "\n" for one in objects), encoding="utf-8")


def queries() -> list[Json]:
    plain = [
        {"id": str(number), "query": words, "gold": gold, "need": [gold], "suite": f"of {profile}", "profile": profile}
        for number, (profile, words, gold) in enumerate(ASKED)
    ]
    return [*plain, SEVERAL]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    lines(tmp_path / "queries.jsonl", queries())
    tools = [
        {"server": server, "name": name, "description": said, "input_schema": {"type": "object"}, "profile": profile}
        for profile, servers in TOOLS.items()
        for server, offered in servers.items()
        for name, said in offered.items()
    ]
    lines(tmp_path / "tools.jsonl", tools)
    return tmp_path


def run(*args: object) -> Result:
    return CliRunner().invoke(app, ["eval", *map(str, args)])


def told(*args: object) -> Json:
    """What it printed as JSON."""
    result = run(*args, "--json")
    assert (result.exit_code, result.stderr) == (0, "")
    return dict(json.loads(result.stdout))


def refusal(*args: object) -> str:
    result = run(*args)
    assert (result.exit_code, result.stdout) == (2, "")
    (line,) = result.stderr.splitlines()
    return str(line.removeprefix("error: "))


# --- the figures


def test_predictions_give_the_same_figures_by_another_count(folder: Path) -> None:
    figures = told(folder, "--predictions", folder / "out.jsonl")

    answers = [json.loads(line) for line in (folder / "out.jsonl").read_text("utf-8").splitlines()]
    assert [one["id"] for one in answers] == [one["id"] for one in queries()]
    for kind, expected in scored({one["id"]: one["ranked"] for one in answers}).items():
        for group, values in expected.items():
            found = figures[kind]["all"] if group == "all" else figures[kind][group[0]][group[1]]
            assert [found["n"], found["hit@1"], found["recall@1"], found["recall@3"], found["recall@5"]] == values[:5]
            assert [found["recall@10"], found["mrr@10"]] == pytest.approx(values[5:])


def scored(ranked: dict[str, list[str]]) -> dict[str, dict[Any, list[float]]]:
    """n, hit@1, recall@1/3/5/10 and MRR@10, counted from the predictions alone."""
    rows: dict[str, dict[Any, list[list[float]]]] = {"single": defaultdict(list), "multi": defaultdict(list)}
    for one in queries():
        top = ranked[one["id"]]
        place = next((at for at, name in enumerate(top[:10], 1) if name in one["gold"]), None)
        met = [
            sum(1 for group in one["need"] if set(group) & set(top[:cut])) / len(one["need"]) for cut in (1, 3, 5, 10)
        ]
        row = [float(place == 1), *met, 1 / place if place else 0.0]
        kind = rows["single" if len(one["need"]) == 1 else "multi"]
        for group in ("all", ("suites", one["suite"]), ("profiles", one["profile"])):
            kind[group].append(row)
    return {
        kind: {
            group: [len(many), *(sum(column) / len(many) for column in zip(*many, strict=True))]
            for group, many in groups.items()
        }
        for kind, groups in rows.items()
    }


def test_all_that_is_told_in_json(folder: Path) -> None:
    figures = told(folder)

    assert (figures["searched"], figures["requests"]) == (str(folder / "tools.jsonl"), 8)
    assert figures["modes"] == {"lexical": 8}
    assert figures["single"]["all"]["n"] == 7
    assert figures["single"]["all"]["recall@1"] >= 5 / 7
    assert figures["multi"]["suites"]["tasks"]["recall@3"] == 1.0
    macro = [figures["single"]["profiles"][name]["mrr@10"] for name in TOOLS]
    assert figures["single"]["macro"]["mrr@10"] == pytest.approx(sum(macro) / 2)
    sure = figures["confidence"]
    assert sure["threshold"] == DiscoveryConfig().confidence
    assert 0 <= sure["calibration_error"] <= 1
    assert 0 <= sure["coverage_at_0.95"] <= 1
    assert 0 < figures["seconds"]["p50"] <= figures["seconds"]["p95"] < 5
    tokens = figures["tokens"]["code"]
    assert tokens["tools"] == 3
    assert tokens["share"] == tokens["search"] / tokens["everything"] > 1
    assert (figures["shown"], figures["arguments"]) == (None, None)


def test_in_a_pipe_each_line_says_what_it_is_about(folder: Path) -> None:
    result = run(folder)

    rows = [line.split("\t") for line in result.stdout.splitlines()]
    assert result.exit_code == 0
    assert {row[0] for row in rows} == {"one need", "several", "confidence", "milliseconds", "tokens"}
    assert [row[1] for row in rows if row[0] == "several"] == [
        "suite tasks",
        "profile office",
        "all (micro)",
        "profiles (macro)",
    ]
    assert {len(row) for row in rows if row[0] == "one need"} == {9}
    assert [row[1] for row in rows if row[0] == "tokens"] == ["office", "code"]
    assert result.stderr == f"note: {folder}/tools.jsonl, lexical\n"


def test_what_is_not_offered_at_all_is_said(folder: Path) -> None:
    lines(folder / "queries.jsonl", [{"id": "1", "query": "send an email", "gold": ["mail/fax"], "profile": "office"}])

    result = run(folder, "--json")

    assert result.stderr == "note: what 1 of 1 requests want is not there at all\n"
    assert json.loads(result.stdout)["single"]["all"]["recall@10"] == 0


def test_the_threshold_of_a_config_that_is_named_counts(folder: Path, tmp_path: Path) -> None:
    config = config_file(tmp_path, {}, discovery={"confidence": 0.25})

    assert told(folder, "-c", config)["confidence"]["threshold"] == 0.25


# --- arguments


DUE = {"type": "object", "properties": {"due_date": {"type": "string", "format": "date"}, "note": {"type": "string"}}}


def with_arguments(folder: Path) -> list[Json]:
    """A tool that takes arguments, and two requests that say which are right."""
    lines(
        folder / "tools.jsonl", [{"server": "todo", "name": "set_due", "description": "Set it.", "input_schema": DUE}]
    )
    wanted = {"due_date": "2025-03-02", "note": None}
    asked: list[Json] = [
        {"id": "1", "query": "it is due tomorrow", "args": [{"tool": "todo/set_due", "arguments": wanted}]},
        {"id": "2", "query": "set it", "args": [{"tool": "todo/set_due", "arguments": {"note": "yes"}}]},
        {"id": "3", "query": "set it"},
    ]
    lines(folder / "queries.jsonl", [one | {"gold": ["todo/set_due"]} for one in asked])
    return asked


def test_arguments_are_measured_where_they_are_known(folder: Path) -> None:
    with_arguments(folder)

    figures = told(folder, "--now", "2025-03-01T23:30", "--predictions", folder / "out.jsonl")

    assert figures["arguments"] == {
        "calls": 2,
        "expected": 2,
        "found": 1,
        "right": 1,
        "whole": 1,
        "precision": 1.0,
        "recall": 0.5,
        "exact": 0.5,
    }
    answers = [json.loads(line) for line in (folder / "out.jsonl").read_text("utf-8").splitlines()]
    assert [one.get("arguments") for one in answers] == [
        {"todo/set_due": {"due_date": "2025-03-02"}},
        {"todo/set_due": {}},
        None,
    ]
    assert told(folder)["arguments"]["right"] == 0  # it is tomorrow of another day


def test_arguments_are_told_in_a_pipe_too(folder: Path) -> None:
    with_arguments(folder)

    rows = [line.split("\t") for line in run(folder, "--now", "2025-03-01").stdout.splitlines()]

    assert [row[1:] for row in rows if row[0] == "arguments"] == [
        ["calls", "2"],
        ["precision", "1.000"],
        ["recall", "0.500"],
        ["exact", "0.500"],
    ]


def test_a_day_that_is_none_is_refused(folder: Path) -> None:
    assert refusal(folder, "--now", "soon") == "--now 'soon' is no date (write it like 2025-04-25 or 2025-04-25T09:30)"


# --- a config's own tools


SHOP = Script(
    name="shop",
    offers={
        "tools": [tool("find_product", description="Find a product."), tool("pay", description="Pay for the basket.")],
        "prompts": [{"name": "ask"}],
    },
)


def test_without_tools_those_of_the_config_are_searched(tmp_path: Path) -> None:
    config = config_file(tmp_path, {"shop": entry(SHOP, tmp_path)})
    asked = [("find a product", "shop/find_product"), ("pay for what is in the basket", "shop/pay")]
    many = [{"id": str(at), "query": words, "gold": [gold], "profile": "any"} for at, (words, gold) in enumerate(asked)]
    lines(tmp_path / "queries.jsonl", many)

    figures = told(tmp_path, "-c", config)

    assert (figures["searched"], figures["shown"]) == (str(config), "everything")
    assert figures["single"]["all"] == {
        "n": 2,
        "hit@1": 1,
        "recall@1": 1,
        "recall@3": 1,
        "recall@5": 1,
        "recall@10": 1,
        "mrr@10": 1,
    }
    assert figures["tokens"]["live"]["tools"] == 2
    assert run(tmp_path, "-c", config).stderr.splitlines()[-1] == (
        "note: with discovery.mode auto, clients are shown every tool"
    )


# --- what is refused


def test_what_cannot_be_read_is_told_in_one_line(folder: Path) -> None:
    assert "queries.jsonl: it cannot be read" in refusal(folder / "none")
    with (folder / "tools.jsonl").open("a") as file:
        file.write("{}\n")
    assert refusal(folder) == f"{folder}/tools.jsonl:9: server: Field required"


def test_where_predictions_cannot_be_written_nothing_is_searched(folder: Path) -> None:
    assert "there is no folder" in refusal(folder, "--predictions", folder / "none" / "out.jsonl")


def test_embeddings_that_cannot_be_had_are_an_error_and_never_left_out_in_silence(folder: Path) -> None:
    pytest.importorskip("numpy")
    assert "there is none" in refusal(folder, "--embeddings", "no-such-model")
    assert "names no model (write it like http://127.0.0.1:9/v1#MODEL)" in refusal(
        folder, "--embeddings", "http://127.0.0.1:9/v1"
    )
    assert "embeddings of 127.0.0.1" in refusal(folder, "--embeddings", "http://127.0.0.1:9/v1#m")


def test_embeddings_of_a_config_can_be_switched_off(folder: Path, tmp_path: Path) -> None:
    config = config_file(tmp_path, {}, discovery={"embeddings": {"model": "no-such-model"}})

    assert told(folder, "-c", config, "--embeddings", "off")["modes"] == {"lexical": 8}


def test_with_embeddings_things_are_found_by_their_meaning_too(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("numpy")
    monkeypatch.delenv("MAGICTUNNEL_STORE", raising=False)
    model = write_model(tmp_path / "model")
    config = config_file(tmp_path, {}, store="vectors.db", discovery={"embeddings": {"model": model.name}})

    for _ in range(2):  # the second time, all vectors are there
        figures = told(folder, "-c", config)
        assert figures["modes"] == {"lexical+embeddings": 8}
        assert figures["single"]["all"]["n"] == 7
    assert (tmp_path / "vectors.db").exists()
    assert told(folder, "--embeddings", model)["modes"] == {"lexical+embeddings": 8}
