"""`capabilities`: begin, list, check, try, merge, migrate; what is written, what is told, how it ends."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from magictunnel.capabilities.parse import read_file
from magictunnel.cli.app import app
from tests.support.process import ran
from tests.support.recorder import recorder

GOOD = """
tools:
  - name: greet
    description: Greet somebody.
    inputSchema:
      type: object
      properties: {name: {type: string}, times: {type: integer, default: 1}}
      required: [name]
    command: [echo, "hello {{name}}", "{{times}}"]
"""


def run(*args: object) -> Result:
    return CliRunner().invoke(app, ["capabilities", *map(str, args)])


def told(result: Result, code: int = 0) -> str:
    assert (result.exit_code, result.stderr) == (code, "")
    return result.stdout


def refusal(result: Result) -> str:
    assert (result.exit_code, result.stdout) == (2, "")
    (line,) = result.stderr.splitlines()
    return line.removeprefix("error: ")


def put(name: str, text: str = GOOD) -> str:
    Path(name).parent.mkdir(parents=True, exist_ok=True)
    Path(name).write_text(text, "utf-8")
    return name


# --- init


def test_the_first_file_is_valid_and_each_of_its_tools_runs() -> None:
    result = run("init", "first.yaml")
    assert (result.exit_code, result.stdout) == (0, "wrote first.yaml\n")
    assert told(run("validate", "first.yaml", "--strict")) == "first.yaml\tok\t3\t1\t1\t0\t\n"
    called = {
        "today": ["format=%Y"],
        "shorten": ["text=a long story", "width=8"],
        "summary": ["numbers=[1, 2, 6]"],
    }
    assert [tool.name for tool in read_file(Path("first.yaml")).tools] == list(called)
    answers = {name: run("test", "first.yaml", name, *words) for name, words in called.items()}
    assert [result.exit_code for result in answers.values()] == [0, 0, 0]
    assert answers["shorten"].stdout == "a...\n"
    assert json.loads(answers["summary"].stdout)["mean"] == 3


def test_the_first_file_is_called_as_one_likes_and_written_once() -> None:
    assert run("init").exit_code == 0
    assert refusal(run("init")).startswith("capabilities.yaml: it is there already")
    assert run("init", "--force").exit_code == 0
    assert "capabilities test other.yaml" in (run("init", "other.yaml").stdout + Path("other.yaml").read_text("utf-8"))


def test_a_first_file_with_comments_is_not_called_json() -> None:
    assert refusal(run("init", "x.json")) == "x.json: what is written has comments, and is YAML (call it x.yaml)"
    assert not Path("x.json").exists()


# --- validate and list


def test_a_disabled_tool_is_marked_and_not_counted() -> None:
    put("a.yaml", GOOD + "    enabled: false\n")
    assert told(run("list", "a.yaml")) == "a\ta.yaml\t0\t0\t0\t0\t\n"
    assert json.loads(told(run("list", "a.yaml", "--json")))[0]["tools"][0]["enabled"] is False
    assert told(run("test", "a.yaml")) == "greet\tcommand echo\t(disabled) Greet somebody.\n"


def test_a_glob_of_the_config_that_names_no_file_is_noted() -> None:
    put("magictunnel-config.yaml", "capabilities: [cups/*.yaml]")
    note = "note: capabilities: no file matches cups/*.yaml"
    assert run("list").stderr.splitlines()[0] == note
    result = CliRunner().invoke(app, ["check"])
    assert (result.exit_code, result.stderr) == (0, note + "\n")


def test_of_a_file_that_is_not_there_the_path_is_told() -> None:
    put("magictunnel-config.yaml", "capabilities: [sub/gone.yaml]")
    result = CliRunner().invoke(app, ["check"])
    assert result.exit_code == 1
    assert "sub/gone.yaml: there is no such file (check the path)" in result.stdout


def test_every_file_is_judged_by_itself() -> None:
    put("good.yaml")
    put("bad.yaml", GOOD.replace("command:", "comand:"))
    result = run("validate", "good.yaml", "bad.yaml", "missing.yaml")
    assert result.exit_code == 1
    rows = [line.split("\t") for line in result.stdout.splitlines()]
    assert [(row[0], row[1]) for row in rows] == [
        ("good.yaml", "ok"),
        ("bad.yaml", "FAILED"),
        ("missing.yaml", "FAILED"),
    ]
    assert "command" in rows[1][-1]
    facts = json.loads(run("validate", "bad.yaml", "--json").stdout)
    assert facts[0]["ok"] is False
    assert facts[0]["line"] > 0


def test_without_files_those_of_the_config_are_judged() -> None:
    put("files/a.yaml")
    put("files/b.yaml", GOOD.replace("greet", "other"))
    put("config.yaml", "mcpServers: {}\ncapabilities: [files/*.yaml]\n")
    result = run("validate", "-c", "config.yaml")
    assert result.exit_code == 0
    assert [Path(line.split("\t")[0]).name for line in result.stdout.splitlines()] == ["a.yaml", "b.yaml"]
    put("files/b.yaml", "name: a\n" + GOOD)
    result = run("validate", "-c", "config.yaml")
    assert result.exit_code == 1
    assert "is the name of" in result.stdout
    put("config.yaml", "mcpServers: {}\n")
    assert "there are no capability files" in refusal(run("validate", "-c", "config.yaml"))


def test_folders_and_globs_name_files() -> None:
    put("files/a.yaml")
    put("files/deep/b.yml")
    put("files/readme.md", "x")
    for word in ("files", "files/**/*.y*ml"):
        assert len(told(run("validate", word)).splitlines()) == 2


@pytest.mark.parametrize(
    ("text", "warning"),
    [
        (GOOD.replace("description: Greet somebody.", "title: x"), "tool greet has no description"),
        (GOOD + "auth: {k: {type: bearer, token: '${NOT_SET_HERE}'}}\n", "${NOT_SET_HERE} in auth.k.token is not set"),
        (
            "http: {headers: {Authorization: Bearer abcdef123456}}\n" + GOOD,
            "http.headers.Authorization looks like a secret that stands in the file",
        ),
        ("tools: [{name: a, description: b, mcp: {tool: other__x}}]", "tool a calls other__x, and no config says"),
    ],
)
def test_what_is_only_warned_of_is_an_error_if_one_is_strict(text: str, warning: str) -> None:
    put("x.yaml", text)
    result = run("validate", "x.yaml")
    assert result.exit_code == 0
    assert warning in result.stderr
    assert "abcdef123456" not in result.stderr
    result = run("validate", "x.yaml", "--strict")
    assert result.exit_code == 1
    assert "x.yaml\tFAILED" in result.stdout
    assert json.loads(run("validate", "x.yaml", "--strict", "--json").stdout)[0]["warnings"]


def test_a_tool_of_a_server_of_the_config_is_taken_on_trust() -> None:
    put("x.yaml", "tools: [{name: a, description: b, mcp: {tool: other__x}}]")
    put("config.yaml", "mcpServers: {other: {command: x}}\n")
    assert told(run("validate", "x.yaml", "--strict", "-c", "config.yaml"))
    put("config.yaml", "mcpServers: {another: {command: x}}\n")
    assert "no server in config.yaml is called so" in run("validate", "x.yaml", "-c", "config.yaml").stderr


def test_a_list_has_what_each_file_declares() -> None:
    put("a.yaml")
    assert told(run("list", "a.yaml")) == "a\ta.yaml\t1\t0\t0\t0\t\n"
    facts = json.loads(told(run("list", "a.yaml", "--json")))
    assert facts[0]["tools"] == [{"name": "greet", "runs": "command echo", "enabled": True}]


# --- test


def test_the_tools_of_a_file_are_told_with_how_they_run() -> None:
    assert told(run("test", put("a.yaml"))) == "greet\tcommand echo\tGreet somebody.\n"
    assert json.loads(told(run("test", "a.yaml", "--json")))[0]["runs"] == "command echo"


def test_a_tool_runs_and_what_it_runs_is_told() -> None:
    put("a.yaml")
    for words in (["name=you there"], ['{"name": "you there"}'], ["--args", '{"name": "you there"}']):
        result = run("test", "a.yaml", "greet", *words)
        assert (result.exit_code, result.stdout) == (0, "hello you there 1\n")
        assert result.stderr == '> run ["echo","hello you there","1"]\n'


def test_a_dry_run_runs_nothing() -> None:
    put("a.yaml", GOOD.replace("[echo", "[touch, made"))
    assert told(run("test", "a.yaml", "greet", "name=x", "--dry-run")) == 'run ["touch","made","hello x","1"]\n'
    request = json.loads(told(run("test", "a.yaml", "greet", "name=x", "--dry-run", "--json")))
    assert request == {"request": {"command": {"argv": ["touch", "made", "hello x", "1"]}}}
    assert not Path("made").exists()


def test_a_tool_that_fails_ends_with_one() -> None:
    put("a.yaml", GOOD.replace('[echo, "hello {{name}}", "{{times}}"]', '[sh, -c, "echo no >&2; exit 3"]'))
    result = run("test", "a.yaml", "greet", "name=x")
    assert result.exit_code == 1
    assert "no" in result.stdout


def test_what_cannot_be_done_is_one_line() -> None:
    put("a.yaml", GOOD + "  - {name: other, mcp: {tool: s__t}}\n")
    assert refusal(run("test", "a.yaml", "gret")) == "a.yaml: there is no tool 'gret' (did you mean greet?)"
    assert "is a required property" in refusal(run("test", "a.yaml", "greet"))
    assert "is not an argument" in refusal(run("test", "a.yaml", "greet", "name"))
    result = run("test", "a.yaml", "other")
    assert result.exit_code == 1
    assert "s__t is a tool of another server" in result.stdout


def test_a_tool_that_takes_too_long_is_ended() -> None:
    put("a.yaml", "tools: [{name: a, description: b, timeout: 200ms, command: [sleep, 30]}]".replace("30", '"30"'))
    result = run("test", "a.yaml", "a")
    assert result.exit_code == 1
    assert "no answer within 0.2 s" in result.stdout


HTTP = """
auth: {key: {type: bearer, token: "${TEST_TOKEN}"}}
http: {base_url: "BASE/v1", auth: key, allow_private: true}
tools:
  - name: add
    description: Add a thing.
    inputSchema: {type: object, properties: {id: {type: string}, note: {type: string}}, required: [id]}
    http: {method: POST, url: "/things/{{id}}", query: {note: "{{note}}"}, json: {id: "{{id}}"}}
"""


@pytest.mark.anyio
async def test_a_request_is_shown_as_it_arrives_with_its_secret_as_a_reference() -> None:
    async with recorder() as server:
        put("a.yaml", HTTP.replace("BASE", server.base))
        words = ["capabilities", "test", "a.yaml", "add", "id=a/b", "note=x y"]
        dry = await ran(*words, "--dry-run", env={"TEST_TOKEN": "s3cret-token"})
        assert (dry.code, server.arrived) == (0, [])
        done = await ran(*words, "--json", env={"TEST_TOKEN": "s3cret-token"})
        arrived = server.last

    assert dry.out.splitlines()[0] == f"POST {server.base}{arrived.target}"
    assert "Authorization: Bearer ${TEST_TOKEN}" in dry.out.splitlines()
    assert dry.out.splitlines()[-1] == '{"id":"a/b"}'
    assert arrived.target == "/v1/things/a%2Fb?note=x%20y"
    assert arrived.header("authorization") == "Bearer s3cret-token"
    assert json.loads(arrived.body) == {"id": "a/b"}
    assert done.code == 0
    assert json.loads(done.out)["request"]["http"]["url"] == f"{server.base}{arrived.target}"
    assert "s3cret-token" not in done.out + done.err + dry.out


# --- merge


def test_files_become_one() -> None:
    put("a.yaml")
    put("sub/b.yaml", GOOD.replace("greet", "other"))
    result = run("merge", "a.yaml", "sub/b.yaml", "-o", "both.yaml")
    assert told(result) == "wrote both.yaml: 2 tools of 2 files\n"
    assert told(run("test", "both.yaml", "other", "name=x", "--dry-run")).startswith(
        'run ["echo","hello x","1"]\ncwd: sub'
    )
    assert refusal(run("merge", "a.yaml", "sub/b.yaml", "-o", "both.yaml")).startswith("both.yaml: it is there already")


def test_a_clash_is_an_error_unless_one_says_what_is_to_become_of_it() -> None:
    put("a.yaml")
    put("b.yaml", GOOD.replace("somebody", "anybody"))
    assert "tool 'greet' stands in a.yaml and, otherwise, in b.yaml" in refusal(
        run("merge", "a.yaml", "b.yaml", "-o", "c.yaml")
    )
    assert not Path("c.yaml").exists()
    result = run("merge", "a.yaml", "b.yaml", "-o", "c.yaml", "--strategy", "rename", "--json")
    assert json.loads(told(result)) == {
        "file": "c.yaml",
        "tools": 2,
        "notes": ["tool 'greet' of b.yaml is 'greet_2' now"],
    }
    result = run("merge", "a.yaml", "b.yaml", "-o", "c.yaml", "--strategy", "keep-last", "--force")
    assert "note: tool 'greet': kept is that of b.yaml" in result.stderr
    assert "use one of keep-first" in refusal(run("merge", "a.yaml", "-o", "d.yaml", "--strategy", "x"))


def test_a_secret_is_not_merged_into_another_file() -> None:
    put("a.yaml", "http: {headers: {X-Api-Key: abcdef123456}}\n" + GOOD)
    line = refusal(run("merge", "a.yaml", put("b.yaml", GOOD.replace("greet", "b")), "-o", "c.yaml"))
    assert "http.headers.X-Api-Key looks like a secret" in line
    assert "abcdef123456" not in line
    assert not Path("c.yaml").exists()


def test_tools_that_call_each_other_do_so_in_the_new_file() -> None:
    put("a.yaml")
    schema = "{type: object, properties: {name: {type: string}}}"
    put("b.yaml", f"tools: [{{name: again, description: D., inputSchema: {schema}, mcp: {{tool: a__greet}}}}]")
    result = run("merge", "a.yaml", "b.yaml", "-o", "both.yaml")
    assert result.stderr == "note: tool 'again' calls 'a__greet' by its new name, 'both__greet'\n"
    put("magictunnel-config.yaml", "capabilities: [both.yaml]")
    result = CliRunner().invoke(app, ["call", "both__again", "name=you"])
    assert (result.exit_code, result.stdout) == (0, "hello you 1\n")


def test_a_file_that_would_lie_out_of_the_new_folder_is_told_where_it_stands() -> None:
    Path("sub/docs").mkdir(parents=True)
    put("sub/a.yaml", "resources: [{uri: 'a://b', name: b, directory: docs}]")
    line = refusal(run("merge", "sub/a.yaml", put("b.yaml"), "-o", "new/c.yaml"))
    assert line.startswith("sub/a.yaml: directory 'docs' would lie out of the folder of the new file")
    assert "beside sub/a.yaml" in line
    assert run("merge", "sub/a.yaml", "b.yaml", "-o", "c.yaml").exit_code == 0


def test_steps_that_run_and_those_that_are_skipped_are_told() -> None:
    steps = "[{name: a, command: [echo, x]}, {name: b, depends_on: [a], when: 'steps.a == \"y\"', command: [echo, z]}]"
    put("s.yaml", f"tools: [{{name: s, description: D., steps: {steps}}}]")
    result = run("test", "s.yaml", "s")
    assert result.exit_code == 0
    assert '> step b (after a; when steps.a == "y")' in result.stderr
    assert "2/2 b: skipped (its `when` does not hold)" in result.stderr


# --- migrate

OLD = """
tools:
  - name: hello
    description: Say hello.
    inputSchema: {type: object, properties: {name: {type: string}}, required: [name]}
    routing: {type: subprocess, config: {command: echo, args: ["hello {name}"], env: {API_TOKEN: abcdef123456}}}
"""


def test_a_file_of_the_ancestor_is_migrated_and_runs() -> None:
    put("old.yaml", OLD)
    result = run("migrate", "old.yaml", "-o", "new.yaml")
    assert (result.exit_code, result.stdout) == (0, "wrote new.yaml\n")
    assert "note: set OLD_API_TOKEN to the secret that stands in the old file" in result.stderr
    assert "abcdef123456" not in Path("new.yaml").read_text("utf-8") + result.stderr
    result = CliRunner().invoke(
        app, ["capabilities", "test", "new.yaml", "hello", "name=x"], env={"OLD_API_TOKEN": "other1"}
    )
    assert (result.exit_code, result.stdout) == (0, "hello x\n")


def test_what_is_lost_is_told_and_ends_with_one() -> None:
    put("old.yaml", OLD + "  - {name: db, routing: {type: database, config: {}}}\n")
    result = run("migrate", "old.yaml")
    assert result.exit_code == 1
    assert "lost: tools.db: databases are not spoken to" in result.stderr
    assert "name: hello" in result.stdout
    facts = json.loads(run("migrate", "old.yaml", "--json").stdout)
    assert facts["tools"] == ["hello"]
    assert [one["where"] for one in facts["lost"]] == ["tools.db"]
    put("old.yaml", "tools:\n  - {name: db, routing: {type: database, config: {}}}\n")
    result = run("migrate", "old.yaml", "-o", "none.yaml")
    assert (result.exit_code, Path("none.yaml").exists()) == (1, False)


def test_a_file_of_today_is_not_migrated() -> None:
    assert "is no capability file of MagicTunnel 0.3" in refusal(run("migrate", put("a.yaml")))
