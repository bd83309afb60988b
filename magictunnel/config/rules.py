"""A Config as the rules that other parts go by."""

from __future__ import annotations

from magictunnel.catalog.merge import MergeRules, Override, ServerRules
from magictunnel.catalog.model import Kind
from magictunnel.catalog.names import NameRules
from magictunnel.config.discovery import DISCOVERY, Mode
from magictunnel.config.model import Config, Globs, Resolved, ServerConfig, Settings, resolve


def merge_rules(config: Config) -> MergeRules:
    """How the catalog names, filters and overrides, for the servers of `config` in their order."""
    return MergeRules(
        names=NameRules(config.naming.separator, config.naming.max_length),
        prefix=config.naming.prefix,
        servers={name: _server_rules(name, server, config) for name, server in config.servers.items()},
        visibility=config.visibility,
        guide="" if config.discovery.mode is Mode.OFF else DISCOVERY,
    )


def is_needed(server: ServerConfig, config: Config) -> bool:
    """Whether a server is to be started: it is enabled, or one of its tools is in spite of it."""
    return resolve(config.defaults, server).enabled or any(tool.enabled for tool in server.tools.values())


def needed(config: Config) -> list[str]:
    """The names of the servers that are to be started, in their order."""
    return [name for name, server in config.servers.items() if is_needed(server, config)]


def longest_call(config: Config, server: str) -> float:
    """Seconds that some call of a server may take."""
    entry = config.servers.get(server)
    tools = entry.tools if entry else ()
    return max(settings_of(config, server, Kind.TOOL, name).timeout for name in ("", *tools))


def settings_of(config: Config, server: str, kind: Kind | None = None, name: str = "") -> Resolved:
    """The settings that hold for a server, or for one of its tools."""
    entry = config.servers.get(server)
    levels: list[Settings] = [config.defaults]
    if entry is not None:
        levels.append(entry)
        if kind is Kind.TOOL and name in entry.tools:
            levels.append(entry.tools[name])
    return resolve(*levels)


def _server_rules(name: str, server: ServerConfig, config: Config) -> ServerRules:
    return ServerRules(
        alias=server.alias or name,
        enabled=resolve(config.defaults, server).enabled,
        include=_globs(server.include),
        exclude=_globs(server.exclude),
        overrides={
            tool: Override(override.name, override.description, override.enabled)
            for tool, override in server.tools.items()
        },
    )


def _globs(globs: Globs) -> dict[Kind, tuple[str, ...]]:
    named = {Kind.TOOL: globs.tools, Kind.PROMPT: globs.prompts, Kind.RESOURCE: globs.resources}
    return {kind: found for kind, found in named.items() if found is not None}
