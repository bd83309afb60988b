"""A world clock, served over streamable HTTP: the time anywhere, conversions, and a countdown with progress.

Try it alone with `python examples/clock_server.py`, or let MagicTunnel start it: a config entry with both a
`command` and a `url` is launched first and connected to then.
"""

from __future__ import annotations

import argparse
import functools
import os
import re
import signal
import socket
import stat
import sys
import threading
from datetime import UTC, datetime, time, timedelta, timezone, tzinfo
from difflib import get_close_matches
from typing import Annotated
from zoneinfo import ZoneInfo, available_timezones

import anyio
import mcp_types as types
import uvicorn
from mcp.server.mcpserver import Context, MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from pydantic import BaseModel, Field

HOST = "127.0.0.1"
READ_ONLY = types.ToolAnnotations(read_only_hint=True, open_world_hint=False)
OFFSET = re.compile(r"(?:UTC|GMT)?([+-])(\d{1,2})(?::?([0-5]\d))?", re.IGNORECASE)

Zone = Annotated[str, Field(description="Europe/Berlin, UTC, or an offset like UTC+02:00", max_length=100)]
Clock = Annotated[str, Field(description="14:30 (today) or 2026-03-01T14:30, as the clock on the wall shows it")]
Seconds = Annotated[float, Field(description="How long, at most a minute", gt=0, le=60)]

server = MCPServer(
    "clock",
    title="World clock",
    version="1.0.0",
    instructions="Time zones have names like Europe/Berlin; an offset like UTC+02:00 does as well.",
    log_level="WARNING",
    subscriptions=False,  # nothing it lists ever changes, and it says so
)


class Moment(BaseModel):
    """A moment as one zone sees it."""

    time: str = Field(description="ISO 8601, with the offset from UTC")
    zone: str
    weekday: str

    @classmethod
    def of(cls, when: datetime, zone: str) -> Moment:
        return cls(time=when.isoformat(timespec="seconds"), zone=zone, weekday=when.strftime("%A"))


class Conversion(BaseModel):
    """One moment, seen from two zones."""

    here: Moment
    there: Moment


@functools.cache
def cities() -> dict[str, str]:
    """Zone names by city, `new york` -> `America/New_York`; empty where there is no time zone database."""
    names = sorted(name for name in available_timezones() if "/" in name and not name.startswith("Etc/"))
    return {name.rpartition("/")[2].replace("_", " ").casefold(): name for name in names}


def find_zone(name: str) -> tzinfo:
    """The zone of that name or offset; raises ToolError with what to write instead."""
    if name.upper() in {"UTC", "GMT", "Z"}:
        return UTC
    if match := OFFSET.fullmatch(name.strip()):
        ahead = timedelta(hours=int(match[2]), minutes=int(match[3] or 0))
        if ahead < timedelta(hours=24):
            return timezone(ahead if match[1] == "+" else -ahead)
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):  # unknown, not a name at all, or a folder such as "Europe"
        raise ToolError(f"There is no time zone {name!r}. {zone_hint(name)}") from None


def zone_hint(name: str) -> str:
    """What to write instead of a name that is no zone."""
    if not cities():
        return "This computer has no time zone database (`pip install tzdata` adds one): write UTC or UTC+02:00."
    city = name.rpartition("/")[2].replace("_", " ").casefold()
    close = [cities()[match] for match in get_close_matches(city, cities(), n=3)]
    return f"Did you mean {' or '.join(close or ['Europe/Berlin'])}? An offset like UTC+02:00 does as well."


def parse_clock(text: str, zone: tzinfo) -> datetime:
    """`14:30` or a date and time -> that moment in `zone`; raises ToolError where it is neither, or never was."""
    try:
        if "-" in text:
            when = datetime.fromisoformat(text)
        else:
            when = datetime.combine(datetime.now(zone).date(), time.fromisoformat(text))
    except ValueError:
        raise ToolError(f"{text!r} is not a time: write 14:30, or 2026-03-01T14:30 for another day.") from None
    if when.tzinfo is not None:
        raise ToolError(f"{text!r} brings its own offset: leave that out, and name the zone in from_zone.")
    if not 1900 <= when.year <= 2100:
        raise ToolError("Zones are known for the years 1900 to 2100 only.")
    there_and_back = when.replace(tzinfo=zone).astimezone(UTC).astimezone(zone)
    if there_and_back.replace(tzinfo=None) != when:
        raise ToolError(f"{text!r} never was: the clocks went forward over it. Try an hour later.")
    return when.replace(tzinfo=zone)


@server.tool(annotations=READ_ONLY)
def now(timezone: Zone = "UTC") -> Moment:
    """Tell the date and time in a time zone."""
    return Moment.of(datetime.now(find_zone(timezone)), timezone)


@server.tool(annotations=READ_ONLY)
def convert_time(time: Clock, from_zone: Zone, to_zone: Zone) -> Conversion:
    """Tell what a time in one zone is in another."""
    here, there = find_zone(from_zone), find_zone(to_zone)
    when = parse_clock(time, here)
    return Conversion(here=Moment.of(when, from_zone), there=Moment.of(when.astimezone(there), to_zone))


@server.tool(annotations=READ_ONLY)
async def countdown(seconds: Seconds, ctx: Context) -> str:
    """Wait that many seconds, telling each one as it passes."""
    start, passed = anyio.current_time(), 0.0
    while passed < seconds:
        await ctx.report_progress(passed, seconds, f"{seconds - passed:g} s to go")
        passed = min(passed + 1, seconds)
        await anyio.sleep_until(start + passed)
    await ctx.report_progress(seconds, seconds, "Time is up.")
    return f"{seconds:g} s are over."


@server.resource("clock://now", name="Now", mime_type="text/plain")
def clock_now() -> str:
    """The very moment in UTC; another one with every read."""
    return datetime.now(UTC).isoformat(timespec="microseconds")


@server.prompt(title="Plan my day")
def plan_day(city: Annotated[str, Field(description="Where the day is spent, such as Lisbon")]) -> str:
    """Plan the rest of the day in a city, by its own clock."""
    zone = cities().get(city.strip().casefold())
    clock = f"It is {datetime.now(ZoneInfo(zone)):%A, %H:%M} there now. " if zone else ""
    return (
        f"Help me plan the rest of my day in {city}. {clock}Ask what I must get done and when I must be where, "
        "then propose a timetable in local time with room to breathe."
    )


def stop_with_parent(uvicorn_server: uvicorn.Server) -> None:
    """Stop serving at the end of stdin, if that is a pipe: whoever held its other end is gone."""
    if not any(kind(os.fstat(0).st_mode) for kind in (stat.S_ISFIFO, stat.S_ISSOCK)):
        return

    def watch() -> None:
        while os.read(0, 4096):
            pass
        uvicorn_server.should_exit = True

    threading.Thread(target=watch, daemon=True).start()


def serve(listener: socket.socket) -> None:
    """Serve until a signal or the end of stdin; streams still open then have a second to finish."""
    app = server.streamable_http_app(host=HOST)
    # The SDK logs what goes wrong in a handler; uvicorn would only add a traceback for each stream it cuts off.
    config = uvicorn.Config(app, log_level="critical", access_log=False, timeout_graceful_shutdown=1)
    uvicorn_server = uvicorn.Server(config)
    stop_with_parent(uvicorn_server)
    uvicorn_server.run(sockets=[listener])


def main() -> None:
    """Listen on the port asked for, say where, and serve."""
    parser = argparse.ArgumentParser(description="A world clock as an MCP server over streamable HTTP.")
    parser.add_argument("--port", type=int, default=8421, help="0 for any free one (default: %(default)s)")
    port = parser.parse_args().port
    try:
        listener = socket.create_server((HOST, port))
    except (OSError, OverflowError) as error:
        sys.exit(f"clock: cannot listen on port {port} ({error}). Choose another with --port.")
    # Ctrl-C ends us as SIGTERM does, without a traceback; uvicorn closes down first in either case.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    sys.stderr.write(f"clock: serving at http://{HOST}:{listener.getsockname()[1]}/mcp\n")
    serve(listener)


if __name__ == "__main__":
    main()
