"""The protocol matrix as data: the ways through the gateway, the behaviours, and what differs across eras."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

CLIENTS = (
    ("handshake", "stdio"),
    ("handshake", "sse"),
    ("handshake", "http"),
    ("stateless", "stdio"),
    ("stateless", "http"),
)
"""Era and transport: the same for clients in front and for servers behind. SSE belongs to the handshake era."""
COMBINATIONS = tuple((client, server) for client in ("handshake", "stateless") for server in ("handshake", "stateless"))


@dataclass(frozen=True)
class Way:
    """Who speaks how on either side."""

    client: str
    front: str
    server: str
    over: str

    @property
    def eras(self) -> tuple[str, str]:
        return self.client, self.server

    def __str__(self) -> str:
        return f"{self.client}-{self.front}--{self.server}-{self.over}"


WAYS = tuple(Way(*client, *server) for client in CLIENTS for server in CLIENTS)

BEHAVIOURS: Mapping[str, str] = {
    "elicitation_accepted": "elicitation: accept",
    "elicitation_declined": "elicitation: decline",
    "elicitation_cancelled": "elicitation: cancel",
    "elicitation_unanswered": "elicitation: nobody answers within `ask_timeout`",
    "sampling": "sampling",
    "roots": "roots",
    "progress": "progress: values, messages, order, only one's own",
    "log_level": "log messages from the wanted level on, none below",
    "cancel": "cancel: the server hears it, nothing comes after",
    "change_of_tools": "list_changed: tools",
    "change_of_prompts": "list_changed: prompts",
    "change_of_resources": "list_changed: resources",
    "change_of_templates": "list_changed: resource templates",
    "subscription": "subscribe, updated, unsubscribe",
    "completion": "completion, with context arguments",
    "task": "tasks: create, get, result",
    "task_only": "tasks: a tool that runs only as one",
    "task_cancelled": "tasks: cancel",
    "task_news": "tasks: word of their state",
    "client_gone": "the client goes while it is asked",
}
"""Test (without `test_`) -> the row it fills."""

_NOTHING = "nothing is under way: a stateless server is done with a call when it asks"

DIFFERENT: Mapping[tuple[str, str, str], str] = {
    ("elicitation_unanswered", "handshake", "handshake"): "the server is told -32064, and its tool goes on",
    ("elicitation_unanswered", "handshake", "stateless"): "the client's call ends with -32064",
    ("elicitation_unanswered", "stateless", "handshake"): (
        "the call is cancelled at the server; an answer that comes later is told -32064"
    ),
    ("elicitation_unanswered", "stateless", "stateless"): "nobody waits, so an answer counts however late it comes",
    ("task", "handshake", "stateless"): "not promised; a call is answered plainly, one with `task` refused with -32601",
    ("task", "stateless", "handshake"): "not promised; a call is answered plainly, and `task` ignored",
    ("task_only", "handshake", "stateless"): "the server refuses it with -32021",
    ("task_only", "stateless", "handshake"): "run as a task for the client, and answered with its result",
    ("task_cancelled", "handshake", "stateless"): "refused with -32601, since there are none",
    ("task_cancelled", "stateless", "handshake"): "a call that is run as a task: cancelled with it",
    ("task_news", "handshake", "stateless"): "there are none to hear of",
    ("task_news", "stateless", "handshake"): "there are none to hear of",
    ("client_gone", "handshake", "handshake"): "the call is cancelled at the server",
    ("client_gone", "handshake", "stateless"): _NOTHING,
    ("client_gone", "stateless", "handshake"): (
        "the call is cancelled at the server; over HTTP after `ask_timeout`, since nobody can see that client go"
    ),
    ("client_gone", "stateless", "stateless"): _NOTHING,
}
"""Where something else holds than a plain yes: behaviour and eras -> what, and why."""
