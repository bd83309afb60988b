"""What may differ between a direct connection and one through us. All of it is written here, and nothing else is.

- Names: a tool or prompt of `server` is called `server__name`.
- URIs, only where several servers list the same one: each is then called `server+uri`.
- The stateless era has every server say who it is and how long its answer holds. That is said of the connection it
  comes over, so ours says it of us: `resultType`, `ttlMs`, `cacheScope`, and one key in `_meta`.
- What is asked by a name that nobody has is refused by us, as the protocol says (see the tests for it).
- A server is told what its clients can do, so the client of either connection says that it can do all that we relay.
- A tool that runs as a task alone has a result for a client of the stateless era, which could not ask for it so.

Besides, two runs of one server differ in what its `Ask` says: the time of day, the id of a session.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping, Sequence
from typing import Any

from tests.peers.servers import Ask
from tests.peers.wires import META, Json

KINDS = {
    "tools": ("tools/list", "name"),
    "prompts": ("prompts/list", "name"),
    "resources": ("resources/list", "uri"),
    "resourceTemplates": ("resources/templates/list", "uriTemplate"),
}
"""Key of a list -> its method, and the field by which one of its entries is asked for."""
SAID_OF_A_CONNECTION = ("resultType", "ttlMs", "cacheScope")
SERVER_INFO = META + "serverInfo"


def merged(direct: Mapping[str, Sequence[Json]], kind: str) -> list[Json]:
    """The list that a client sees through us, of what each server shows directly."""
    key = KINDS[kind][1]
    named = key == "name"
    return [
        entry | {key: f"{server}__{entry[key]}" if named else entry[key]}
        for server, entries in direct.items()
        for entry in entries
    ]


def addressed(server: str, ask: Ask) -> Json:
    """The params of `ask` with the names that a client of ours uses."""
    params = dict(ask.params)
    if "name" in params:
        params["name"] = f"{server}__{params['name']}"
    if params.get("ref", {}).get("type") == "ref/prompt":
        params["ref"] = params["ref"] | {"name": f"{server}__{params['ref']['name']}"}
    return params


def comparable(answer: Json, ask: Ask, era: str) -> Json:
    """`answer` without what may differ."""
    if era == "stateless" and "result" in answer:
        answer = answer | {"result": _of_no_connection(answer["result"])}
    return {key: _steady(value, ask.varies) for key, value in answer.items()}


def _of_no_connection(result: Json) -> Json:
    rest = {key: value for key, value in result.items() if key not in SAID_OF_A_CONNECTION}
    meta = {key: value for key, value in rest.pop("_meta", {}).items() if key != SERVER_INFO}
    return rest | {"_meta": meta} if meta else rest


def _steady(value: Any, varies: Sequence[str]) -> Any:
    if isinstance(value, dict):
        return {
            key: _steady(base64.b64decode(inner).decode() if key == "blob" and varies else inner, varies)
            for key, inner in value.items()
        }
    if isinstance(value, list):
        return [_steady(inner, varies) for inner in value]
    if isinstance(value, str):
        for pattern in varies:
            value = re.sub(pattern, "(varies)", value)
    return value
