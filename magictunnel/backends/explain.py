"""Why a server failed: the tangle a connection raises -> one line of phase, cause and what to do next. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import httpx2
from mcp.shared.exceptions import MCPError
from pydantic import ValidationError

from magictunnel.backends.base import LinkLost, Phase
from magictunnel.errors import BackendError, StartFailure, UnsetVariable
from magictunnel.wire.evidence import Evidence

_LOGIN = (401, 403)
_MISSING_MODULE = ("ModuleNotFoundError", "ImportError", "Cannot find module")


def explain(
    server: str, phase: Phase, error: BaseException, evidence: Evidence, mask: Callable[[str], str]
) -> StartFailure:
    """The one line that a person needs to see about a server that failed in `phase`."""
    root = root_cause(error)
    if isinstance(root, httpx2.ConnectError | httpx2.ConnectTimeout):
        phase = Phase.CONNECT
    cause, hint = _told(root, evidence) or _inferred(root, evidence)
    if evidence.stderr and not hint:
        hint = f"its stderr ends: {_last_words(evidence)}"
    return StartFailure(server, phase.value, mask(_one_line(cause)), hint=mask(_one_line(hint)))


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
    telling = (UnsetVariable, OSError, httpx2.HTTPError, StartFailure, MCPError, BackendError, ValidationError)
    return next((rank for rank, kind in enumerate(telling) if isinstance(error, kind)), len(telling))


def _told(error: BaseException, evidence: Evidence) -> tuple[str, str] | None:
    """What the error itself says, where it says enough."""
    match error:
        case UnsetVariable():
            return error.message, error.hint
        case FileNotFoundError() if error.filename:
            return f"no such folder: {error.filename}", "correct `cwd` (or the command's path)"
        case FileNotFoundError():
            return f"command {str(error)!r} was not found on PATH", "install it, or write its full path in `command`"
        case PermissionError():
            return f"not allowed to run {error.filename}", "make it executable (chmod +x)"
        case httpx2.ConnectTimeout():
            return f"{_url(error)} does not answer", "check the address, and that the server is reachable from here"
        case httpx2.ConnectError():
            return f"cannot connect to {_url(error)}", "start that server, or correct `url`"
        case _ if evidence.http_status in _LOGIN:
            return (
                f"the server answered HTTP {evidence.http_status}",
                "it wants credentials: add `headers: {Authorization: Bearer ${TOKEN}}`",
            )
        case _:
            return None


def _inferred(error: BaseException, evidence: Evidence) -> tuple[str, str]:
    """What can be read from what the server left behind."""
    if any(word in line for word in _MISSING_MODULE for line in evidence.stderr):
        return f"it cannot be loaded: {_last_words(evidence)}", "install what it misses, or pin its dependencies"
    if evidence.broke:
        return evidence.broke, ""
    if evidence.hung_up and evidence.exit_code is not None:
        words = f", after {_junk(evidence)}" if evidence.junk else ""
        return f"the process ended with exit code {evidence.exit_code}{words}", ""
    if evidence.junk:
        words = f"{_words(error)}, but {_junk(evidence)}"
        return words, "check that the command is an MCP server, and that it logs to stderr"
    if evidence.http_status is not None:
        return f"the server answered HTTP {evidence.http_status}", "check `url`: is this its MCP endpoint?"
    return _words(error), ""


def _words(error: BaseException) -> str:
    match error:
        case TimeoutError():
            return str(error) or "no answer in time"
        case MCPError():
            return f"the server answered error {error.code}: {error.message}"
        case BackendError():
            return f"the server answered error {error.code}: {error.message}"
        case ValidationError():
            return f"its answer is not valid MCP ({error.error_count()} fields are wrong)"
        case LinkLost():
            return str(error)
        case _:
            return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__


def _junk(evidence: Evidence) -> str:
    return f"{evidence.junk} line(s) on stdout that are not JSON-RPC, the first: {evidence.first_junk!r}"


def _url(error: httpx2.RequestError) -> str:
    return str(error.request.url.copy_with(userinfo=b"", query=None))


def _last_words(evidence: Evidence) -> str:
    return next((line for line in reversed(evidence.stderr) if line), "")


def _one_line(text: str) -> str:
    return " ".join(text.split())[:600]
