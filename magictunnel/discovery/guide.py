"""What a client is told in its opening about what it can find. Pure."""

from __future__ import annotations

from collections import Counter

from magictunnel.catalog.find import reaches, visible
from magictunnel.catalog.model import Allows, Catalog, Kind, View, everything
from magictunnel.catalog.promises import merged_instructions

MAX_SERVERS = 100
"""Servers that are named to a client that searches."""
MAX_ABOUT = 100
"""Characters of what each of them says of itself."""

_SEARCH = """\
{count} tools of {servers} server(s) are behind this one. They are not listed, to save you reading them: call \
find_tools with what you want to do, in plain words, then call a tool it names with call_read_tool, call_write_tool \
or call_destructive_tool (find_tools says which). smart_tool_discovery finds and calls in one step.

Servers:
{names}"""


def instructions(catalog: Catalog, view: View, allows: Allows) -> str:
    """What its opening tells a client with these rights and this view."""
    if view is View.EVERYTHING:
        return _of_servers(catalog, allows)
    counts = Counter(entry.backend for entry in visible(catalog, Kind.TOOL, allows))
    named = [name for name in catalog.backends if counts[name]]
    lines = [_line(name, counts[name], catalog.said.get(name, "")) for name in named[:MAX_SERVERS]]
    if len(named) > MAX_SERVERS:
        lines.append(f"and {len(named) - MAX_SERVERS} more")
    return _SEARCH.format(count=counts.total(), servers=len(named), names="\n".join(lines))


def _of_servers(catalog: Catalog, allows: Allows) -> str:
    """What the servers say that are there for somebody with these rights."""
    if allows is everything:
        return catalog.instructions
    return merged_instructions({name: said for name, said in catalog.said.items() if reaches(catalog, name, allows)})


def _line(name: str, count: int, said: str) -> str:
    about = " ".join(said[: 4 * MAX_ABOUT].split())
    short = about if len(about) <= MAX_ABOUT else about[: MAX_ABOUT - 2].rstrip() + " …"
    return f"- {name} ({count}){f': {short}' if short else ''}"
