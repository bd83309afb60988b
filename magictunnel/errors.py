"""Every exception MagicTunnel raises, drawn as a tree.

    MagicTunnelError            what went wrong, and what to do next
    ├── ConfigError             the config file cannot be used: file, line, remedy
    ├── UnsetVariable           a ${VAR} of one server has no value
    │   └── UnsetSecret         a ${keyring:NAME} has none, or it cannot be had
    ├── StartFailure            a backend did not come up: phase, cause, remedy
    ├── StoreError              the file that keeps what servers offered cannot be used: file, why, remedy
    ├── DiscoveryError          something that finding a tool can do without cannot be used: what, why, remedy
    ├── RunError                a declared tool could not run, or not to its end: told as its result
    └── CallError               answered to a client: carries its JSON-RPC code and data
        ├── UnknownEntry        no such tool, prompt or resource (or none this caller may see)
        ├── BadParams           the request itself is malformed
        ├── MethodNotOffered    no backend behind us can do this
        ├── NoTasks             the caller's sort of task does not exist in the backend's era
        ├── MissingCapability   the client did not declare what its request needs
        ├── CannotAsk           a backend's question cannot be put to the caller it concerns
        ├── Unanswered          the caller was asked, and did not answer in time
        ├── TooMany             a client, or all of them, want more of something than we keep
        ├── BackendUnavailable  the owner is not up: its last error is told
        ├── DeadlineExceeded    the owner did not answer in time; a cancel was sent
        ├── OutcomeUnknown      the connection broke after the call left; it is not sent again
        └── PeerError           somebody else's JSON-RPC error, passed on as it came
            ├── AnswerError     a client's, in answer to a question
            └── BackendError    a backend's, in answer to a call

Only `front/handlers.py` turns these into wire form; anything else that is raised is a defect of ours.
"""

from __future__ import annotations

from typing import Any

INVALID_PARAMS = -32602
METHOD_NOT_FOUND = -32601
RESOURCE_NOT_FOUND = -32002
"""What the handshake era answers for an unknown resource; the stateless era says INVALID_PARAMS."""

MISSING_CAPABILITY = -32021
"""The stateless era's code for it."""

BACKEND_UNAVAILABLE = -32060
DEADLINE_EXCEEDED = -32061
OUTCOME_UNKNOWN = -32062
CANNOT_ASK = -32063
UNANSWERED = -32064


class MagicTunnelError(Exception):
    """One line of what, where and why; `hint` is what to do next."""

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} ({self.hint})" if self.hint else self.message


class ConfigError(MagicTunnelError):
    """A config file that cannot be used. `file` and `line` (1-based, 0 when unknown) say where."""

    def __init__(self, message: str, *, file: str = "", line: int = 0, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.file = file
        self.line = line

    def __str__(self) -> str:
        place = ":".join(str(part) for part in (self.file, self.line) if part)
        return f"{place}: {super().__str__()}" if place else super().__str__()


class UnsetVariable(MagicTunnelError):
    """`${name}` stands in a server's config but has no value."""

    def __init__(self, name: str, where: str) -> None:
        super().__init__(f"${{{name}}} in {where} is not set", hint=f"set {name}, or write ${{{name}:-default}}")
        self.name = name
        self.where = where


class UnsetSecret(UnsetVariable):
    """`${keyring:name}` stands in a config, but the keyring did not give it (`why`)."""

    def __init__(self, name: str, where: str, why: str, *, hint: str) -> None:
        MagicTunnelError.__init__(self, f"${{keyring:{name}}} in {where}: {why}", hint=hint)
        self.name = name
        self.where = where


class StartFailure(MagicTunnelError):
    """A backend did not come up (or went down): the phase it failed in, one line of why, and a remedy."""

    def __init__(self, server: str, phase: str, cause: str, *, hint: str = "") -> None:
        super().__init__(f"server {server!r}: {phase}: {cause}", hint=hint)
        self.server = server
        self.phase = phase
        self.cause = cause

    @property
    def told(self) -> str:
        """What is wrong, and what to do, for where server and phase stand already."""
        return f"{self.cause} ({self.hint})" if self.hint else self.cause


class StoreError(MagicTunnelError):
    """The store (`file`) cannot be used, or what it was given cannot be kept. Nothing else depends on it."""

    def __init__(self, file: str, cause: str, *, hint: str = "") -> None:
        super().__init__(f"store {file}: {cause}", hint=hint)
        self.file = file
        self.cause = cause


class DiscoveryError(MagicTunnelError):
    """What helps to find a tool (`what`: a model, an endpoint) cannot be used. Tools are found without it."""

    def __init__(self, what: str, cause: str, *, hint: str = "") -> None:
        super().__init__(f"{what}: {cause}", hint=hint)
        self.what = what
        self.cause = cause


class RunError(MagicTunnelError):
    """A tool of a capability file could not run, or not to its end: told to whoever called it as the tool's result."""


class CallError(MagicTunnelError):
    """Ends a Call and is answered to its client as JSON-RPC error `code` with `data`."""

    code = INVALID_PARAMS
    kind = "call_error"

    @property
    def data(self) -> Any:
        """What a program can act on: the error's own name, and the hint if there is one."""
        return {"error": self.kind} | ({"hint": self.hint} if self.hint else {})


class UnknownEntry(CallError):
    """No entry of that name, or none this caller may see: the two are told alike."""

    kind = "unknown_entry"

    def __init__(self, what: str, name: str, *, hint: str = "") -> None:
        super().__init__(f"Unknown {what}: {name}", hint=hint)
        self.what = what
        self.name = name

    @property
    def data(self) -> Any:
        return super().data | ({"uri": self.name} if self.what == "resource" else {})


class BadParams(CallError):
    """The params of a request do not have the shape the protocol gives them."""

    kind = "bad_params"


class MethodNotOffered(CallError):
    """No backend behind us offers this method."""

    code = METHOD_NOT_FOUND
    kind = "method_not_offered"

    def __init__(self, method: str) -> None:
        super().__init__(f"Method not found: {method}")


class NoTasks(CallError):
    """A client of the handshake era wants a task of a server of the stateless era, whose tasks are others."""

    code = METHOD_NOT_FOUND
    kind = "no_tasks"

    def __init__(self, server: str) -> None:
        super().__init__(
            f"Server {server!r} runs no tasks for clients of the handshake era", hint="call the tool without `task`"
        )


class MissingCapability(CallError):
    """The client did not declare what its request needs, `required` in the shape of client capabilities."""

    code = MISSING_CAPABILITY
    kind = "missing_capability"

    def __init__(self, required: dict[str, Any]) -> None:
        super().__init__(f"The client must declare this capability: {required}")
        self.required = required

    @property
    def data(self) -> Any:
        return super().data | {"requiredCapabilities": self.required}


class CannotAsk(CallError):
    """A question of a backend (elicitation, sampling, roots) cannot be put to the caller it concerns."""

    kind = "cannot_ask"

    def __init__(self, question: str, why: str, *, code: int = CANNOT_ASK, hint: str = "") -> None:
        super().__init__(f"{question} cannot be asked: {why}", hint=hint)
        self.code = code


class Unanswered(CallError):
    """The caller was asked, and did not answer in time (seconds)."""

    code = UNANSWERED
    kind = "unanswered"

    def __init__(self, question: str, timeout: float) -> None:
        super().__init__(
            f"{question} was not answered within {timeout:g} s",
            hint="raise `ask_timeout` for this tool or server if people need longer",
        )


class TooMany(CallError):
    """As many of something are kept as we keep."""

    kind = "too_many"

    def __init__(self, limit: int, what: str, *, hint: str) -> None:
        super().__init__(f"There are {limit} {what} already", hint=hint)


class PeerError(CallError):
    """A JSON-RPC error of somebody else, with the code, message and data it chose."""

    def __init__(self, code: int, message: str, data: Any = None) -> None:
        super().__init__(message)
        self.code = code
        self._data = data

    @property
    def data(self) -> Any:
        return self._data


class AnswerError(PeerError):
    """A client's own error in answer to a question."""

    kind = "answer_error"


class BackendError(PeerError):
    """A backend's own error in answer to a call."""

    kind = "backend_error"


class BackendUnavailable(CallError):
    """The owner of an entry is not up; nothing was sent."""

    code = BACKEND_UNAVAILABLE
    kind = "backend_unavailable"

    def __init__(self, server: str, cause: str, *, hint: str = "") -> None:
        super().__init__(f"Server {server!r} is unavailable: {cause}", hint=hint)
        self.server = server

    @property
    def data(self) -> Any:
        return super().data | {"server": self.server}


class DeadlineExceeded(CallError):
    """No answer within the call's deadline (seconds); the backend was told to stop."""

    code = DEADLINE_EXCEEDED
    kind = "deadline_exceeded"

    def __init__(self, server: str, name: str, timeout: float) -> None:
        super().__init__(
            f"{name} on server {server!r} did not answer within {timeout:g} s and was cancelled",
            hint="raise `timeout` for this tool or server if it needs longer",
        )
        self.server = server
        self.timeout = timeout

    @property
    def data(self) -> Any:
        return super().data | {"server": self.server, "timeout": self.timeout}


class OutcomeUnknown(CallError):
    """The connection broke after the call was sent: it may or may not have run, and is not sent again."""

    code = OUTCOME_UNKNOWN
    kind = "outcome_unknown"

    def __init__(self, server: str, name: str, cause: str) -> None:
        super().__init__(
            f"The connection to server {server!r} broke during {name}: {cause}. Whether it ran is unknown",
            hint="check its effect before calling again",
        )
        self.server = server

    @property
    def data(self) -> Any:
        return super().data | {"server": self.server}
