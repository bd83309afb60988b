"""What every error says to a person, and what it gives to a program."""

from __future__ import annotations

from typing import Any

import pytest

from magictunnel.errors import (
    AnswerError,
    BackendError,
    BackendUnavailable,
    BadParams,
    CallError,
    CannotAsk,
    ConfigError,
    DeadlineExceeded,
    MagicTunnelError,
    MethodNotOffered,
    OutcomeUnknown,
    StartFailure,
    Unanswered,
    UnknownEntry,
)


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (MagicTunnelError("what"), "what"),
        (MagicTunnelError("what", hint="do this"), "what (do this)"),
        (ConfigError("what"), "what"),
        (ConfigError("what", file="a.yaml"), "a.yaml: what"),
        (ConfigError("what", file="a.yaml", line=7, hint="do this"), "a.yaml:7: what (do this)"),
        (StartFailure("s", "list", "no answer", hint="do this"), "server 's': list: no answer (do this)"),
    ],
)
def test_an_error_is_one_line_of_where_what_and_what_to_do(error: MagicTunnelError, text: str) -> None:
    assert str(error) == text


def test_a_failure_can_be_told_where_server_and_phase_stand_already() -> None:
    assert StartFailure("s", "list", "no answer", hint="do this").told == "no answer (do this)"
    assert StartFailure("s", "list", "no answer").told == "no answer"


@pytest.mark.parametrize(
    ("error", "code", "data"),
    [
        (UnknownEntry("tool", "x"), -32602, {"error": "unknown_entry"}),
        (UnknownEntry("tool", "x", hint="h"), -32602, {"error": "unknown_entry", "hint": "h"}),
        (BadParams("what"), -32602, {"error": "bad_params"}),
        (MethodNotOffered("x/y"), -32601, {"error": "method_not_offered"}),
        (CannotAsk("roots/list", "why"), -32063, {"error": "cannot_ask"}),
        (CannotAsk("roots/list", "why", code=-32601, hint="h"), -32601, {"error": "cannot_ask", "hint": "h"}),
        (
            Unanswered("roots/list", 5.0),
            -32064,
            {"error": "unanswered", "hint": "raise `ask_timeout` for this tool or server if people need longer"},
        ),
        (AnswerError(-1, "no"), -1, None),
        (AnswerError(-1, "no", {"their": "own"}), -1, {"their": "own"}),
        (BackendUnavailable("s", "c"), -32060, {"error": "backend_unavailable", "server": "s"}),
        (
            DeadlineExceeded("s", "x", 0.5),
            -32061,
            {
                "error": "deadline_exceeded",
                "hint": "raise `timeout` for this tool or server if it needs longer",
                "server": "s",
                "timeout": 0.5,
            },
        ),
        (
            OutcomeUnknown("s", "x", "c"),
            -32062,
            {"error": "outcome_unknown", "hint": "check its effect before calling again", "server": "s"},
        ),
        (BackendError(-7, "m"), -7, None),
        (BackendError(-7, "m", {"their": "own"}), -7, {"their": "own"}),
    ],
)
def test_a_client_gets_a_code_and_what_a_program_can_act_on(error: CallError, code: int, data: Any) -> None:
    assert (error.code, error.data) == (code, data)


def test_messages_name_what_a_person_has_to_look_at() -> None:
    assert UnknownEntry("tool", "x").message == "Unknown tool: x"
    assert DeadlineExceeded("s", "x", 2.0).message == "x on server 's' did not answer within 2 s and was cancelled"
    assert CannotAsk("roots/list", "nobody is there").message == "roots/list cannot be asked: nobody is there"
    assert Unanswered("roots/list", 5.0).message == "roots/list was not answered within 5 s"
    assert OutcomeUnknown("s", "x", "it broke").message == (
        "The connection to server 's' broke during x: it broke. Whether it ran is unknown"
    )
