"""Why a server failed: the tangle a connection raises -> one line of phase, cause and what to do next. Pure."""

from __future__ import annotations

import errno
import os
import signal
from collections.abc import Callable, Iterator

import httpx2
from mcp.shared.exceptions import MCPError
from pydantic import ValidationError

from magictunnel.backends.base import AddressTaken, LinkLost, Phase
from magictunnel.backends.handshake import WrongVersion
from magictunnel.errors import BackendError, MagicTunnelError, StartFailure, UnsetVariable
from magictunnel.wire.evidence import Evidence

_LOGIN = (401, 403)
_MISSING_MODULE = ("ModuleNotFoundError", "ImportError", "Cannot find module")
_STAND_INS = ("Connection closed", "Not Found", "Server returned an error response", "Session terminated")
"""What the SDK says in place of an answer that never was one: the HTTP status, or the exit code, says more."""

_BY_HAND = "run its command by hand to see what is wrong"
_ENDPOINT = "check `url`: is this its MCP endpoint?"
_LONGER = "raise `start_timeout` if it needs longer"
_NO_SERVER = "check that the command is an MCP server, and that it logs to stderr"
_ITS_DOCS = "look it up in the server's own documentation"


def explain(
    server: str, phase: Phase, error: BaseException, evidence: Evidence, mask: Callable[[str], str]
) -> StartFailure:
    """The one line that a person needs to see about a server that failed in `phase`."""
    root = root_cause(error)
    if isinstance(root, httpx2.ConnectError | httpx2.ConnectTimeout):
        phase = Phase.CONNECT
    cause, hint = _not_started(root) or _not_reached(root, evidence) or _ended(evidence) or _answered(root, evidence)
    if hint in (_BY_HAND, _LONGER, _ITS_DOCS) and (words := _last_words(evidence)):
        hint = f"its stderr ends: {words}"
    return StartFailure(server, phase.value, _one_line(mask(cause)), hint=_one_line(mask(hint)))


def root_cause(error: BaseException) -> BaseException:
    """The leaf of an exception group that tells most: a refusal rather than the cancellations around it."""
    return min(_leaves(error), key=_rank)


def _leaves(error: BaseException) -> Iterator[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            yield from _leaves(inner)
    else:
        yield error


def _rank(error: BaseException) -> int:
    telling = (
        UnsetVariable,
        AddressTaken,
        OSError,
        httpx2.HTTPError,
        StartFailure,
        MCPError,
        BackendError,
        ValidationError,
    )
    return next((rank for rank, kind in enumerate(telling) if isinstance(error, kind)), len(telling))


def _not_started(error: BaseException) -> tuple[str, str] | None:
    """What kept the command from running at all."""
    match error:
        case UnsetVariable():
            return error.message, error.hint
        case FileNotFoundError(filename=None) if os.sep in str(error):
            return f"there is no program {error}", "correct `command`, or install it"
        case FileNotFoundError(filename=None):
            return f"command {str(error)!r} was not found on PATH", "install it, or write its full path in `command`"
        case FileNotFoundError() | NotADirectoryError():
            return f"no such folder: {error.filename}", "correct `cwd`"
        case PermissionError():
            return f"not allowed to run {error.filename}", "make it executable (chmod +x)"
        case AddressTaken():
            return str(error), "stop it, or choose another port for this server"
        case OSError(errno=errno.ENOEXEC):
            return f"{error.filename} is no program that this system can run", "correct `command`"
        case _:
            return None


def _not_reached(error: BaseException, evidence: Evidence) -> tuple[str, str] | None:
    """What stood between us and a server behind a URL."""
    match error:
        case httpx2.ConnectTimeout():
            return f"{_url(error)} does not answer", "check the address, and that the server is reachable from here"
        case httpx2.ConnectError():
            return f"cannot connect to {_url(error)}", "start that server, or correct `url`"
        case httpx2.LocalProtocolError():
            return "its `url` or `headers` have characters that HTTP does not allow", "look for line ends in them"
        case httpx2.HTTPStatusError():
            return f"the server answered HTTP {error.response.status_code}", _hint_of_status(error.response.status_code)
        case httpx2.SSEError():
            return str(error), _ENDPOINT
        case MCPError() if error.message.startswith("Unexpected content type"):
            return error.message, _ENDPOINT
        case MCPError() | BackendError() if error.message not in _STAND_INS:
            return None  # it answered, whatever the status
        case _ if evidence.http_status is not None:
            return f"the server answered HTTP {evidence.http_status}", _hint_of_status(evidence.http_status)
        case _:
            return None


def _hint_of_status(status: int) -> str:
    return "it wants credentials: add `headers: {Authorization: Bearer ${TOKEN}}`" if status in _LOGIN else _ENDPOINT


def _ended(evidence: Evidence) -> tuple[str, str] | None:
    """How a process ended that ended by itself."""
    if any(word in line for word in _MISSING_MODULE for line in evidence.stderr):
        return f"it cannot be loaded: {_last_words(evidence)}", "install what it misses, or pin its dependencies"
    if evidence.broke:
        return evidence.broke, _NO_SERVER
    if not evidence.hung_up or evidence.exit_code is None:
        return None
    words = f", after {_junk(evidence)}" if evidence.junk else ""
    if evidence.exit_code < 0:
        return f"the process was ended by {_signal_name(-evidence.exit_code)}{words}", _BY_HAND
    return f"the process ended with exit code {evidence.exit_code}{words}", _BY_HAND


def _answered(error: BaseException, evidence: Evidence) -> tuple[str, str]:
    """What it said, or that it said nothing."""
    match error:
        case MCPError() | BackendError():
            return f"the server answered error {error.code}: {error.message}", _ITS_DOCS
        case ValidationError():
            return f"its answer is not valid MCP ({error.error_count()} fields are wrong)", _ITS_DOCS
        case TimeoutError() if evidence.junk:
            return f"{error}, but {_junk(evidence)}", _NO_SERVER
        case TimeoutError():
            return str(error) or "no answer in time", _LONGER
        case MagicTunnelError():
            return error.message, error.hint or _BY_HAND
        case LinkLost() | WrongVersion() | RuntimeError() | OSError() if str(error):
            return str(error), _BY_HAND if evidence.exit_code is not None else _ITS_DOCS
        case _:
            return f"{type(error).__name__} {error}".strip(), "this may be a defect of MagicTunnel: report it"


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _junk(evidence: Evidence) -> str:
    return f"{evidence.junk} line(s) on stdout that are not JSON-RPC, the first: {evidence.first_junk}"


def _url(error: httpx2.RequestError) -> str:
    return str(error.request.url.copy_with(userinfo=b"", query=None))


def _last_words(evidence: Evidence) -> str:
    return next((line for line in reversed(evidence.stderr) if line), "")


def _one_line(text: str) -> str:
    return " ".join(text.split())[:600]
