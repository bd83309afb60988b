"""Dates and times in words -> moments, by a small grammar with an injected clock. Pure.

What is not said is not made up: a day has no time, and a word that may mean two days means none.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta

MAX_REQUEST = 20_000
"""Characters of a request that are looked at."""
MAX_MOMENTS = 40


@dataclass(frozen=True, slots=True)
class Moment:
    """When something is: a day, a time or both; the last day of it too where it is a stretch of days.

    `start` and `end` are the span in the request. `at` alone is a time of no day that was said.
    """

    start: int
    end: int
    day: date | None = None
    last: date | None = None
    at: time | None = None
    side: str = ""
    """`from` or `to`, of a range whose both ends are said."""
    instant: datetime | None = None
    """Exactly, where it was said in hours and minutes from now, or with an offset."""


_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_WEEKDAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_COUNTS = {"a": 1, "an": 1, "one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8}
_COUNTS |= {"nine": 9, "ten": 10, "twelve": 12, "couple of": 2, "a couple of": 2}

_MONTH = (
    r"(?P<month>jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?"
    r"|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)\.?"
)
_WEEKDAY = r"(?P<weekday>mon|tues?|wed(?:nes)?|thu(?:rs)?|fri|sat(?:ur)?|sun)(?P<whole>day)?"
_COUNT = r"(?P<count>\d{1,4}|an?|(?:a )?couple of|one|two|three|four|five|six|seven|eight|nine|ten|twelve)"
_UNIT = r"(?P<unit>minute|min|hour|hr|day|week|month|year)s?"
_PERIOD = r"(?P<period>day|week|weekend|month|quarter|year)"


def _rule(pattern: str) -> re.Pattern[str]:
    return re.compile(rf"(?<![\w.-]){pattern}(?![\w-]|\.\d)", re.IGNORECASE)


_ISO = _rule(
    r"(?P<y>\d{4})-(?P<m>\d{2})-(?P<d>\d{2})"
    r"(?:(?:T| at | )(?P<time>\d{2}:\d{2}(?::\d{2})?)(?:\.\d{1,6})?(?P<zone>Z|[+-]\d{2}:?\d{2})?)?"
)
_CLOCK = _rule(
    r"(?:(?P<h>\d{1,2})(?::(?P<min>\d{2})(?::(?P<sec>\d{2}))?)? ?(?P<half>[ap])\.?m\.?"
    r"|(?P<h24>\d{1,2}):(?P<min24>\d{2})(?::(?P<sec24>\d{2}))?|(?P<word>noon|midday|midnight))"
)


def moments(request: str, now: datetime) -> tuple[Moment, ...]:
    """The moments in `request`, left to right, none within another; days and times that belong together are one."""
    text = request[:MAX_REQUEST]
    found: list[Moment] = []
    for pattern, read in _RULES:
        for match in pattern.finditer(text):
            if len(found) >= MAX_MOMENTS:
                break
            moment = _read(match, now, read)
            if moment is not None and not any(one.start < moment.end and moment.start < one.end for one in found):
                found.append(moment)
    return tuple(_paired(text, list(_joined(text, sorted(found, key=lambda one: one.start)))))


def _read(
    match: re.Match[str], now: datetime, read: Callable[[re.Match[str], datetime], Moment | None]
) -> Moment | None:
    try:
        moment = read(match, now)
    except (ValueError, OverflowError):  # there is no such day
        return None
    return replace(moment, start=match.start(), end=match.end()) if moment else None


def _on(day: date, last: date | None = None, at: time | None = None) -> Moment:
    return Moment(0, 0, day=day, last=last, at=at)


def _iso(match: re.Match[str], _now: datetime) -> Moment:
    day = date(int(match["y"]), int(match["m"]), int(match["d"]))
    if not match["time"]:
        return _on(day)
    at = time.fromisoformat(match["time"])
    if not match["zone"]:
        return _on(day, at=at)
    return Moment(0, 0, day, at=at, instant=datetime.fromisoformat(f"{day}T{at}{match['zone'].replace('z', 'Z')}"))


def _slashed(match: re.Match[str], _now: datetime) -> Moment | None:
    """`2025/03/05`; `25/03/2025` and `03/25/2025`, but not `03/05/2025`, which is two days."""
    if match["y1"]:
        return _on(date(int(match["y1"]), int(match["m1"]), int(match["d1"])))
    one, other, year = int(match["a"]), int(match["b"]), int(match["y2"])
    if "." in match.group():
        return _on(date(year, other, one))
    if one > 12 or one == other:
        return _on(date(year, other, one))
    return _on(date(year, one, other)) if other > 12 else None


def _named_day(match: re.Match[str], now: datetime) -> Moment:
    """`5 March 2025`; without a year it is the nearest such day from half a year ago on."""
    month = _MONTHS.index(match["month"][:3].lower()) + 1
    if match["year"]:
        return _on(date(int(match["year"]), month, int(match["day"])))
    day = date(now.year, month, int(match["day"]))
    if day < now.date() - timedelta(days=183):
        day = date(now.year + 1, month, int(match["day"]))
    return _on(day)


def _named_month(match: re.Match[str], _now: datetime) -> Moment:
    first = date(int(match["year"]), _MONTHS.index(match["month"][:3].lower()) + 1, 1)
    return _on(first, _end_of("month", first))


_NEAR = {"today": 0, "tonight": 0, "tomorrow": 1, "yesterday": -1, "day after tomorrow": 2, "day before yesterday": -2}


def _near(match: re.Match[str], now: datetime) -> Moment:
    return _on(now.date() + timedelta(days=_NEAR[" ".join(match["near"].lower().split())]))


def _weekday(match: re.Match[str], now: datetime) -> Moment | None:
    """The first such day after today; with `last`, before; with `this`, today counts."""
    which = (match["which"] or "").lower()
    if not match["whole"] and not which and match["weekday"].islower():
        return None  # they sat in the sun
    ahead = (_WEEKDAYS.index(match["weekday"][:3].lower()) - now.weekday()) % 7
    if which in ("last", "past", "previous"):
        ahead -= 7
    elif which != "this":
        ahead = ahead or 7
    return _on(now.date() + timedelta(days=ahead))


def _ahead(match: re.Match[str], now: datetime) -> Moment:
    """`in 3 days`, `2 hours ago`."""
    sign = -1 if match["ago"] else 1
    return _shifted(now, _count(match), match["unit"].lower(), sign)


def _shifted(now: datetime, count: int, unit: str, sign: int) -> Moment:
    if unit.startswith(("min", "h")):
        minutes = count * (1 if unit.startswith("min") else 60)
        instant = now + timedelta(minutes=sign * minutes)
        return Moment(0, 0, instant.date(), at=instant.time().replace(microsecond=0, tzinfo=None), instant=instant)
    return _on(_moved(now.date(), unit, sign * count))


def _stretch(match: re.Match[str], now: datetime) -> Moment:
    """`the last 3 days` up to now, `the next 2 weeks` from now."""
    count, unit, today = _count(match), match["unit"].lower(), now.date()
    if match["which"].lower() in ("next", "coming", "following"):
        return _on(today, _moved(today, unit, count))
    if unit.startswith(("min", "h")):
        return _shifted(now, count, unit, -1)
    return _on(_moved(today, unit, -count), today)


def _period(match: re.Match[str], now: datetime) -> Moment | None:
    """`last week`, `this month`, `next year`: the whole of it."""
    step = {"last": -1, "past": -1, "previous": -1, "this": 0, "current": 0}.get(match["which"].lower(), 1)
    name, today = match["period"].lower(), now.date()
    if name == "day":
        return None
    if match["which"].lower() == "past" and name != "weekend":
        return _on(_moved(today, name, -1), today)
    if name == "weekend":
        saturday = today + timedelta(days=(5 - today.weekday()) + 7 * step)
        return _on(saturday, saturday + timedelta(days=1))
    first = _moved(_start_of(name, today), name, step)
    return _on(first, _end_of(name, first))


def _clock(match: re.Match[str], _now: datetime) -> Moment | None:
    if match["word"]:
        return Moment(0, 0, at=time(0 if match["word"].lower() == "midnight" else 12))
    if match["half"]:
        hour = int(match["h"])
        if not 1 <= hour <= 12:
            return None
        hour = hour % 12 + 12 * (match["half"].lower() == "p")
        return Moment(0, 0, at=time(hour, int(match["min"] or 0), int(match["sec"] or 0)))
    return Moment(0, 0, at=time(int(match["h24"]), int(match["min24"]), int(match["sec24"] or 0)))


def _count(match: re.Match[str]) -> int:
    text = match["count"].lower()
    return int(text) if text.isdecimal() else _COUNTS[text]


def _moved(day: date, unit: str, count: int) -> date:
    """`day`, so many days, weeks, months or years on; the end of a shorter month stands for its missing days."""
    if unit in ("day", "week"):
        return day + timedelta(days=count * (7 if unit == "week" else 1))
    months = {"month": 1, "quarter": 3, "year": 12}[unit] * count + day.year * 12 + day.month - 1
    first = date(months // 12, months % 12 + 1, 1)
    return min(_end_of("month", first), first + timedelta(days=day.day - 1))


def _start_of(period: str, day: date) -> date:
    match period:
        case "week":
            return day - timedelta(days=day.weekday())
        case "month":
            return day.replace(day=1)
        case "quarter":
            return date(day.year, (day.month - 1) // 3 * 3 + 1, 1)
        case _:
            return date(day.year, 1, 1)


def _end_of(period: str, first: date) -> date:
    if period == "month":
        return (first + timedelta(days=31)).replace(day=1) - timedelta(days=1)
    return _moved(first, period, 1) - timedelta(days=1)


_WHICH = r"(?P<which>last|past|previous|this|current|next|coming|following)"
_RULES = (
    (_ISO, _iso),
    (
        _rule(
            r"(?:(?P<y1>\d{4})/(?P<m1>\d{1,2})/(?P<d1>\d{1,2})|(?P<a>\d{1,2})(?P<sep>[/.])(?P<b>\d{1,2})(?P=sep)(?P<y2>\d{4}))"
        ),
        _slashed,
    ),
    (_rule(rf"(?:the )?(?P<day>\d{{1,2}})(?:st|nd|rd|th)?(?: of)? {_MONTH}(?:,? (?P<year>\d{{4}}))?"), _named_day),
    (_rule(rf"{_MONTH} (?:the )?(?P<day>\d{{1,2}})(?:st|nd|rd|th)?(?:,? (?P<year>\d{{4}}))?"), _named_day),
    (_rule(rf"{_MONTH},? (?P<year>\d{{4}})"), _named_month),
    (_rule(r"(?:the )?(?P<near>day after tomorrow|day before yesterday|today|tonight|tomorrow|yesterday)"), _near),
    (_rule(rf"(?:the )?{_WHICH} {_COUNT} {_UNIT}"), _stretch),
    (_rule(rf"(?:the )?{_WHICH} {_PERIOD}"), _period),
    (_rule(rf"(?:(?P<which>last|past|previous|this|next|coming) )?{_WEEKDAY}"), _weekday),
    (_rule(rf"(?:in {_COUNT} {_UNIT})(?P<ago>(?!))?"), _ahead),
    (_rule(rf"{_COUNT} {_UNIT}(?: (?P<ago>ago)| from now)"), _ahead),
    (_CLOCK, _clock),
)

_LASTS = _rule(rf"for {_COUNT} {_UNIT}")


def duration(request: str) -> tuple[timedelta, int, int] | None:
    """How long something is to take (`for 2 hours`), and the span that says it, if one does."""
    found = list(_LASTS.finditer(request[:MAX_REQUEST]))
    if len(found) != 1 or found[0]["unit"].lower() in ("month", "year"):
        return None
    minutes = {"min": 1, "hou": 60, "hr": 60, "day": 1440, "wee": 10080}[found[0]["unit"].lower()[:3]]
    return timedelta(minutes=minutes * _count(found[0])), found[0].start(), found[0].end()


_BETWEEN = re.compile(r"[ ,]{0,3}(?:at|on|by|around|from|starting(?: at)?|@|T)? ?", re.IGNORECASE)


def _joined(text: str, found: list[Moment]) -> Iterator[Moment]:
    """Days with the times beside them; a time that is the end of a range has the day of its start."""
    place = 0
    while place < len(found):
        one = found[place]
        other = found[place + 1] if place + 1 < len(found) else None
        gap = text[one.end : other.start] if other else ""
        if other and _belong(one, other) and len(gap) < 16 and _BETWEEN.fullmatch(gap):
            day, at = (one, other) if one.day else (other, one)
            one = replace(day, start=one.start, end=other.end, at=at.at)
            place += 1
        yield one
        place += 1


def _belong(one: Moment, other: Moment) -> bool:
    """Whether one is a single day and the other a time."""
    first, second = (one, other) if one.day else (other, one)
    return bool(first.day and not first.last and not first.at and second.at and not second.day)


_TO = re.compile(r"\s?(?:to|until|till|through|-|\u2013|and)\s?(?:the )?", re.IGNORECASE)
_RANGE = re.compile(r"\b(?:between|from)(?: the)? \Z", re.IGNORECASE)


def _paired(text: str, found: list[Moment]) -> list[Moment]:
    """The two ends of `from X to Y` and `between X and Y` know each other: they share a day, and are in order."""
    for place in range(len(found) - 1):
        one, other = found[place], found[place + 1]
        gap = text[one.end : other.start]
        if (
            len(gap) < 16
            and _TO.fullmatch(gap)
            and ("and" not in gap.lower() or _RANGE.search(text[: one.start][-20:]))
        ):
            found[place : place + 2] = _ends(one, other)
    return found


def _ends(one: Moment, other: Moment) -> list[Moment]:
    if one.at and other.at and not (one.day and other.day):
        day = one.day or other.day
        one, other = replace(one, day=day), replace(other, day=day)
        if day and other.at <= one.at:  # type: ignore[operator]  # both have one
            other = replace(other, day=day + timedelta(days=1))
    elif one.day and other.day and other.day < one.day and (one.day - other.day).days < 7:
        other = replace(other, day=other.day + timedelta(days=7))
    return [replace(one, side="from"), replace(other, side="to")]
