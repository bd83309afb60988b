"""What is different in a new Config: which servers come, go, are started anew, and which never notice. Pure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Container, Iterable
from dataclasses import dataclass

from magictunnel.config.model import Config, Included, ServerConfig
from magictunnel.config.rules import is_needed, merge_rules, settings_of

_REACH = frozenset({"type", "command", "args", "env", "cwd", "url", "headers", "era"})
"""How a server is reached."""
_LOOKED_UP = frozenset({"enabled", "timeout"})
"""Settings that no running server was given: each call, or the merge, looks them up."""


@dataclass(frozen=True, slots=True)
class Changes:
    """Names of servers, in the order of the new Config (those that went: of the old one)."""

    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    restarted: tuple[str, ...] = ()
    """Their process or connection, or what its keeper was told, is not right any more. Some may not be needed now."""
    kept: tuple[str, ...] = ()
    rules_changed: bool = False
    """Whether the same listings may come to another catalog."""
    declared: tuple[str, ...] = ()
    """Capability files that came, went, or are others now, by their names as backends."""

    @property
    def is_nothing(self) -> bool:
        """Whether nobody has to do anything. What is looked up for each call may still be different."""
        return not (self.added or self.removed or self.restarted or self.declared or self.rules_changed)


def changes(old: Config, new: Config) -> Changes:
    """What to do so that `new` holds where `old` did."""
    both = [name for name in new.servers if name in old.servers]
    restarted = [name for name in both if _way_of_life(name, old) != _way_of_life(name, new)]
    return Changes(
        added=tuple(name for name in new.servers if name not in old.servers),
        removed=tuple(name for name in old.servers if name not in new.servers),
        restarted=tuple(restarted),
        kept=tuple(name for name in both if name not in restarted),
        rules_changed=_rules(old) != _rules(new),
    )


def _way_of_life(name: str, config: Config) -> object:
    """All that a running server depends on; None if it is not to run."""
    server = config.servers[name]
    if not is_needed(server, config):
        return None
    return server.model_dump(include=set(_REACH)), settings_of(config, name).model_dump(exclude=set(_LOOKED_UP))


def _rules(config: Config) -> object:
    rules = merge_rules(config)
    return rules, tuple(rules.servers), tuple(rules.visibility)  # the order counts, and mappings compare without it


def settled(old: Config, new: Config) -> Config:
    """`new`, in which each server that cannot be used as it is written now is as it was in `old`, if it was there.

    So an entry with a slip in it, or an included file that is half-written, stops nothing that runs. The problems
    are still told.
    """
    lost = {problem.server for problem in new.problems}
    include = tuple(_as_read(included, old, taken=lost | new.servers.keys()) for included in new.include)
    lost.update(name for included in include if not included.is_read for name in included.servers)
    kept = [name for name in old.servers if name in lost and name not in new.servers]
    servers = {name: (new if name in new.servers else old).servers[name] for name in _in_order(old, new, kept)}
    return new.model_copy(update={"servers": servers, "include": include})


def _as_read(included: Included, old: Config, taken: Container[str]) -> Included:
    """`included`; if it could not be read, with the servers it had before and that are not `taken` now."""
    if included.is_read:
        return included
    before = next((other.servers for other in old.include if other.file == included.file), ())
    return included.model_copy(update={"servers": tuple(name for name in before if name not in taken)})


def _in_order(old: Config, new: Config, kept: Iterable[str]) -> list[str]:
    """The servers of `new`, and those that are `kept`, each behind the one it came after in `old`."""
    order = list(new.servers)
    before = list(old.servers)
    for name in kept:
        earlier = [other for other in before[: before.index(name)] if other in order]
        order.insert(order.index(earlier[-1]) + 1 if earlier else 0, name)
    return order


def identity(server: ServerConfig) -> str:
    """A digest (hex) of what makes it the same server as before, for what is remembered of it.

    Text is as written: no `${VAR}` is looked up. Of `env` and `headers` only the names count: values may be secrets
    that are changed from time to time.
    """
    what = [server.type, server.command, server.args, server.cwd, server.url, server.era]
    names = [sorted(server.env), sorted(server.headers)]
    return hashlib.sha256(json.dumps([*what, *names]).encode()).hexdigest()
