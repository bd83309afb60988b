"""A server opened anew, or listed anew, in every running gateway that has it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from magictunnel.admin.reach import Running
from magictunnel.catalog.model import Json
from magictunnel.cli.session import FAILED
from magictunnel.cli.show import progress, say, show_json, show_text
from magictunnel.cli.steer import failure_of, meant, no_such_server, offers_of, side_by_side
from magictunnel.errors import ConfigError


async def again(config: Path | None, name: str, do: str, *, as_json: bool) -> int:
    """Have each gateway that has the server do something with it."""
    before = await _having(await meant(config), name)

    async def ask(gateway: Running) -> Json:
        known = before[gateway]
        answer: Json = {"status": known}
        if do == "restart" or not known["is_down"]:
            answer = await gateway.ask(do, server=name)
        is_done = do == "restart" or (answer["status"]["listed_at"] or 0) > (known["listed_at"] or 0)
        return {"pid": gateway.pid, "serves": gateway.serves, "done": is_done, **answer}

    with progress(f"{do} of {name}"):
        answers = await side_by_side(list(before), ask)
    if as_json:
        show_json(answers)
    return max([_told(do, name, answer, quiet=as_json) for answer in answers])


async def _having(gateways: Sequence[Running], name: str) -> dict[Running, Json]:
    """Those that have the server, and how it is there. Raises ConfigError: none has it, or it is wrong there."""
    told = await side_by_side(gateways, lambda gateway: gateway.ask("status"))
    known = {
        gateway: {facts["server"]: facts for facts in one["servers"]}
        for gateway, one in zip(gateways, told, strict=True)
    }
    having = {gateway: servers[name] for gateway, servers in known.items() if name in servers}
    if not having:
        raise no_such_server(name, [server for servers in known.values() for server in servers])
    usable = {gateway: facts for gateway, facts in having.items() if facts["state"] != "wrong"}
    if not usable:
        wrong = next(iter(having.values()))["last_error"]["cause"]
        raise ConfigError(f"server {name!r} cannot be used as it is written: {wrong}")
    return usable


def _told(do: str, name: str, answer: Json, *, quiet: bool) -> int:
    """Say what came of it in one gateway; the exit code for that."""
    facts, where = answer["status"], f"gateway {answer['pid']}"
    if failure := failure_of(facts):
        say(f"error: {where}: {failure}", "red")
        return FAILED
    if not answer["done"]:
        why = answer.get("why") or "its listing cannot be had (see the gateway's log)"
        say(f"error: {where}: {name}, whose last listing stays: {why}", "red")
        return FAILED
    if not quiet:
        show_text(f"{do}ed {name} in {where} ({answer['serves']}): {facts['state']}, {offers_of(facts)}")
    return 0
