"""A failure and what the server left behind -> phase, cause, and what to do next."""

from __future__ import annotations

import errno

import httpx2
import pytest
from mcp.shared.exceptions import MCPError
from mcp_types import CONNECTION_CLOSED, DiscoverResult
from pydantic import ValidationError

from magictunnel.backends.base import LinkLost, Phase
from magictunnel.backends.explain import explain, root_cause
from magictunnel.errors import BackendError, StartFailure, UnsetVariable
from magictunnel.wire.evidence import Evidence

REQUEST = httpx2.Request("POST", "http://me:secret@localhost:3001/mcp?key=secret")
CLOSED = MCPError(CONNECTION_CLOSED, "Connection closed")


def evidence(*stderr: str, **facts: object) -> Evidence:
    found = Evidence(**facts)  # type: ignore[arg-type]
    found.stderr.extend(stderr)
    return found


def told(error: BaseException, left: Evidence | None = None, phase: Phase = Phase.HANDSHAKE) -> StartFailure:
    return explain("s", phase, error, left or Evidence(), lambda text: text)


def invalid() -> ValidationError:
    with pytest.raises(ValidationError) as caught:
        DiscoverResult.model_validate({"supportedVersions": 7})
    return caught.value


@pytest.mark.parametrize(
    ("error", "left", "cause", "hint"),
    [
        (UnsetVariable("TOKEN", "env.KEY"), {}, "${TOKEN} in env.KEY is not set", "set TOKEN, or write"),
        (FileNotFoundError("uvx"), {}, "command 'uvx' was not found on PATH", "install it"),
        (FileNotFoundError(errno.ENOENT, "no", "/no/x"), {}, "no such folder: /no/x", "correct `cwd`"),
        (PermissionError(errno.EACCES, "no", "/x"), {}, "not allowed to run /x", "chmod +x"),
        (
            httpx2.ConnectError("refused", request=REQUEST),
            {},
            "cannot connect to http://localhost:3001/mcp",
            "start that server",
        ),
        (
            httpx2.ConnectTimeout("slow", request=REQUEST),
            {},
            "http://localhost:3001/mcp does not answer",
            "check the address",
        ),
        (CLOSED, {"http_status": 401}, "the server answered HTTP 401", "it wants credentials"),
        (CLOSED, {"http_status": 403}, "the server answered HTTP 403", "it wants credentials"),
        (CLOSED, {"http_status": 404}, "the server answered HTTP 404", "check `url`"),
        (CLOSED, {"broke": "a line is longer than 64 MiB"}, "a line is longer than 64 MiB", "MCP server"),
        (CLOSED, {"hung_up": True, "exit_code": 3}, "the process ended with exit code 3", "by hand"),
        (
            CLOSED,
            {"hung_up": True, "exit_code": 1, "junk": 2, "first_junk": "usage: x"},
            "the process ended with exit code 1, after 2 line(s) on stdout that are not JSON-RPC, the first: usage: x",
            "by hand",
        ),
        (
            TimeoutError("no answer within 1 s"),
            {"junk": 1, "first_junk": "hello"},
            "no answer within 1 s, but 1 line(s) on stdout that are not JSON-RPC, the first: hello",
            "check that the command is an MCP server",
        ),
        (
            TimeoutError("no answer within 1 s"),
            {"exit_code": -15},
            "no answer within 1 s",
            "start_timeout",
        ),
        (TimeoutError(), {}, "no answer in time", "start_timeout"),
        (MCPError(-7, "not today"), {}, "the server answered error -7: not today", "documentation"),
        (BackendError(-7, "not today"), {}, "the server answered error -7: not today", "documentation"),
        (MCPError(-7, "not today"), {"http_status": 400}, "the server answered error -7: not today", "documentation"),
        (LinkLost("the connection was closed"), {}, "the connection was closed", "documentation"),
        (CLOSED, {"hung_up": True, "exit_code": -9}, "the process was ended by SIGKILL", "by hand"),
        (RuntimeError("odd"), {}, "odd", "documentation"),
        (KeyError("odd"), {}, "KeyError 'odd'", "report it"),
        (RuntimeError(), {}, "RuntimeError", "report it"),
    ],
)
def test_a_failure_is_told_by_its_cause_and_a_remedy(
    error: BaseException, left: dict[str, object], cause: str, hint: str
) -> None:
    failure = told(error, evidence(**left))

    assert failure.cause == cause
    assert failure.hint.startswith(hint) or hint in failure.hint
    assert bool(failure.hint) == bool(hint)


def test_an_answer_that_is_no_mcp_is_told_in_one_line() -> None:
    assert "not valid MCP" in told(invalid()).cause


@pytest.mark.parametrize(
    "error", [httpx2.ConnectError("x", request=REQUEST), httpx2.ConnectTimeout("x", request=REQUEST)]
)
def test_a_server_that_cannot_be_reached_failed_to_connect_in_whatever_phase_that_showed(error: Exception) -> None:
    assert told(error, phase=Phase.HANDSHAKE).phase == "connect"
    assert told(CLOSED, phase=Phase.LIST).phase == "list"


def test_a_missing_module_is_told_before_the_exit_code() -> None:
    failure = told(CLOSED, evidence("Traceback", "ModuleNotFoundError: No module named 'x'", hung_up=True, exit_code=1))

    assert failure.cause == "it cannot be loaded: ModuleNotFoundError: No module named 'x'"
    assert "install what it misses" in failure.hint


def test_the_last_words_of_a_server_are_the_hint_where_there_is_no_better_one() -> None:
    assert told(CLOSED, evidence("first", "database is locked", "")).hint == "its stderr ends: database is locked"
    assert "it wants credentials" in told(CLOSED, evidence("chatter", http_status=401)).hint


def test_cause_and_hint_are_one_line_each_bounded_and_masked() -> None:
    failure = explain(
        "s",
        Phase.LIST,
        BackendError(1, "hunter2\n" * 900),
        evidence("key=hunter2 refused"),
        lambda text: text.replace("hunter2", "***"),
    )

    assert "hunter2" not in str(failure)
    assert "\n" not in str(failure)
    assert len(failure.cause) <= 600
    assert failure.hint == "its stderr ends: key=*** refused"


def test_of_many_errors_the_most_telling_is_the_cause() -> None:
    refusal = httpx2.ConnectError("refused", request=REQUEST)
    tangle = BaseExceptionGroup("", [ExceptionGroup("", [RuntimeError("late"), CLOSED]), ExceptionGroup("", [refusal])])

    assert root_cause(tangle) is refusal
    assert root_cause(ExceptionGroup("", [RuntimeError("late"), CLOSED])) is CLOSED
    assert root_cause(CLOSED) is CLOSED
