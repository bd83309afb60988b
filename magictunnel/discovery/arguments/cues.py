"""Words of a request, and the words in names of properties that they point to. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from magictunnel.discovery.words import stem

GENERIC = frozenset(
    map(
        stem,
        (
            "id",
            "ids",
            "name",
            "key",
            "title",
            "identifier",
            "number",
            "index",
            "query",
            "value",
            "text",
            "slug",
            "path",
        ),
    )
)
"""Last words of names that are often left unsaid: `ticket 12` is the `ticket_id`."""

STARTS = frozenset(
    map(stem, ("start", "since", "from", "after", "begin", "oldest", "min", "earliest", "departure", "checkin"))
)
ENDS = frozenset(map(stem, ("end", "until", "to", "before", "latest", "max", "due", "deadline", "return", "checkout")))
_FIRST = frozenset(map(stem, ("since", "after", "oldest", "min", "earliest")))
_LAST = frozenset(map(stem, ("until", "before", "latest", "max", "newest")))


def side(names: Iterable[str]) -> str:
    """Which end of a stretch of time a property is: `from`, `to`, or neither; a `max_start` is where it stops."""
    known = set(names)
    for starts, ends in ((_FIRST, _LAST), (STARTS, ENDS)):
        if bool(known & starts) != bool(known & ends):
            return "from" if known & starts else "to"
    return ""


TOWARDS: Mapping[str, frozenset[str]] = {
    "from": frozenset(map(stem, ("from", "source", "start", "origin", "since", "after", "sender", "begin", "min"))),
    "to": frozenset(map(stem, ("to", "target", "destination", "end", "recipient", "until", "before", "max", "due"))),
    "into": frozenset(map(stem, ("target", "destination", "base"))),
    "by": frozenset(
        map(stem, ("author", "actor", "assignee", "creator", "by", "artist", "owner", "before", "until", "due"))
    ),
    "under": frozenset(map(stem, ("owner", "organization", "account", "folder", "parent"))),
    "since": frozenset(map(stem, ("since", "start", "after", "from", "oldest", "min", "begin"))),
    "after": frozenset(map(stem, ("since", "start", "after", "from", "oldest", "min", "begin"))),
    "starting": frozenset(map(stem, ("start", "begin", "since"))),
    "before": frozenset(map(stem, ("before", "until", "end", "latest", "max"))),
    "until": frozenset(map(stem, ("before", "until", "end", "latest", "max", "due"))),
    "due": frozenset(map(stem, ("due", "deadline"))),
    "about": frozenset(map(stem, ("query", "subject", "topic", "q", "keyword"))),
    "invite": frozenset(map(stem, ("attendee", "invitee", "guest", "participant"))),
    "in": frozenset(map(stem, ("location", "city", "place", "country", "region", "area", "town"))),
    "at": frozenset(map(stem, ("location", "place", "start", "time", "at"))),
}
"""Words before a value, and the words in names of properties that take what they announce."""
