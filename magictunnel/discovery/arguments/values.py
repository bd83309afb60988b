"""A part of a request as the value that a property wants: numbers, texts, dates as it writes them. Pure."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, time
from typing import Any

from magictunnel.discovery.arguments.cues import side
from magictunnel.discovery.arguments.dates import Moment
from magictunnel.discovery.arguments.fields import Field, Role
from magictunnel.discovery.arguments.phrases import Item
from magictunnel.discovery.words import stem

_RANGES = frozenset(map(stem, ("since", "until", "before", "after", "from", "to", "min", "max", "oldest", "latest")))
_DAY_ONLY = re.compile(r"yyyy-mm-dd(?!t|.?hh| hh)|'\d{4}-\d{2}-\d{2}'")
_WITH_TIME = re.compile(r"iso[- ]?8601|rfc ?3339|datetime|date-time|hh|timestamp|\d{4}-\d{2}-\d{2}t\d{2}")
_ROOTED = re.compile(r"['\"`]/\w")
_WITH_BLANK = re.compile(r"yyyy-mm-dd hh:mm")
_WITH_ZONE = re.compile(r"ssz|\d{2}:\d{2}z|rfc ?3339")


def value_of(item: Item, field: Field, now: datetime) -> Any:
    """The value of one item for one value of `field` (an element, if it is a list); None if it can be none."""
    if item.moment is not None:
        return written(item.moment, field, now)
    text = item.text
    types = field.types
    if item.literal is not None and item.literal.kind == "json":
        return _of_json(text, field)
    if "string" in types and not (item.literal and item.literal.kind == "number" and types & {"integer", "number"}):
        if item.literal and item.literal.is_marked and field.role in (Role.CHANNEL, Role.USER):
            return text.lstrip("#@") if len(text) > 1 else text
        return as_path(text, field) if field.role is Role.PATH else text
    return number(text, types)


def _of_json(text: str, field: Field) -> Any:
    """What JSON says, where an object or a list is wanted; else its text."""
    value = json.loads(text)
    if field.is_list:
        return value if isinstance(value, list) else None
    return value if field.role is Role.OBJECT and isinstance(value, dict) else text if field.is_text else None


def as_path(text: str, field: Field) -> str:
    """A path of several parts as the property writes its own example: `'/a/b'`."""
    return "/" + text if _ROOTED.search(field.about) and re.match(r"[\w-]+/", text) else text


def number(text: str, types: frozenset[str]) -> int | float | None:
    """The number that `text` is, if one of these types may be it; None if not."""
    if not re.fullmatch(r"-?\d{1,30}(?:\.\d{1,20})?", text):
        return None
    worth = float(text)
    if "number" in types and "." in text:
        return worth
    whole = "." not in text or worth.is_integer()
    return int(text.partition(".")[0]) if whole and types & {"integer", "number"} else None


def written(moment: Moment, field: Field, now: datetime) -> str | None:
    """A moment as the property writes it; None where that says more than the request did."""
    kind = _style(field)
    if kind == "time":
        return moment.at.isoformat() if moment.at else None
    end = side(field.names)
    is_end = end == "to"
    day = moment.last if is_end and moment.last else moment.day
    if day is None or (moment.last and not end):
        return None
    if kind == "date":
        return day.isoformat()
    at = moment.at
    if at is None and (moment.last or moment.side or set(field.names) & _RANGES):
        at = time(23, 59, 59) if is_end else time(0)
    if at is None:
        return None if kind == "date-time" else day.isoformat()
    exact = moment.instant or datetime.combine(day, at)
    if field.schema.get("format") == "date-time" or _WITH_ZONE.search(field.about):
        exact = exact if exact.tzinfo else exact.replace(tzinfo=now.tzinfo)
        return exact.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return exact.replace(tzinfo=None, microsecond=0).isoformat(" " if _WITH_BLANK.search(field.about) else "T")


def _style(field: Field) -> str:
    """`date`, `date-time` or `time`; `` where a day with or without a time is fine."""
    given = field.schema.get("format")
    if given in ("date", "date-time", "time"):
        return str(given)
    if _DAY_ONLY.search(field.about):
        return "date"
    if _WITH_TIME.search(field.about) or stem("datetime") in field.names or stem("timestamp") in field.names:
        return "date-time"
    names = set(field.names)
    if {stem("date"), stem("time")} <= names:
        return "date-time"
    return "time" if field.head == stem("time") and stem("date") not in names and "date" not in field.about else "date"
