"""Whether scripts can be run here, and how much one may take."""

from __future__ import annotations

from magictunnel.config.discovery import CodeConfig
from magictunnel.discovery import code


def no_scripts(config: CodeConfig) -> str:
    """Why scripts are not run here; empty if they are."""
    if not config.enabled:
        return "scripts are not enabled here (discovery.code.enabled in the config)"
    return code.available()


def about_scripts(config: CodeConfig) -> str:
    """How scripts are written here, and what they may take; empty if they are not run."""
    return "" if no_scripts(config) else code.about(script_limits(config))


def script_limits(config: CodeConfig) -> code.ScriptLimits:
    """What a person lets one script take."""
    return code.ScriptLimits(
        time=config.time, total=config.timeout, memory=config.memory << 20, calls=config.calls, output=config.output
    )
