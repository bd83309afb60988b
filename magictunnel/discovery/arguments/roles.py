"""What part a property plays, by its type, format, name and description. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping

from magictunnel.catalog.model import Json
from magictunnel.discovery.arguments.fields import UNTOLD, Field, Role
from magictunnel.discovery.words import stem


def _stems(*words: str) -> frozenset[str]:
    return frozenset(map(stem, words))


_DATES = _stems("date", "datetime", "time", "timestamp", "deadline", "since", "until", "day")
_NEAR_DATES = _stems(
    "start", "end", "due", "after", "before", "from", "to", "min", "max", "at", "on", "created", "when"
)
_NEAR_DATES |= _stems("updated", "begin", "oldest", "latest", "departure", "arrival", "checkin", "checkout", "modified")
_NO_DATES = _stems(
    "timezone", "timeout", "zone", "range", "period", "limit", "format", "field", "duration", "id", "unit"
)
_DATE_WORDS = re.compile(r"iso[- ]?8601|rfc ?3339|yyyy|\bdates?\b|datetime|timestamp")
_COUNTING = re.compile(
    r"\b(?:number|count|amount) of [\w /'-]{1,60}? ?(?:to|per)\b|\bhow many\b|\bmax(?:imum)? "
    r"(?:number|results|items|count)"
    r"|\blimit(?:s)? (?:on )?the\b|\bper page\b|\bpage size\b|\b(?:maximum|max) \w+ to return\b"
)
_COUNT_HEADS = _stems("limit", "max", "count", "size", "top", "results", "items", "first", "num", "k", "n")
_OF_FILES = re.compile(r"\b(?:file ?path|path|file ?name)\b")
_ROLES: Mapping[Role, frozenset[str]] = {
    Role.URL: _stems("url", "uri", "link", "href", "website", "webpage", "endpoint", "homepage", "webhook", "callback"),
    Role.PATH: _stems("path", "file", "filename", "directory", "folder"),
    Role.PHONE: _stems("phone", "mobile", "telephone"),
    Role.ID: _stems("id", "identifier", "uuid", "guid", "sha", "key", "arn", "identifiers", "hash"),
    Role.CHANNEL: _stems("channel", "room", "subreddit"),
    Role.REPOSITORY: _stems("repository"),
    Role.OWNER: _stems("owner"),
    Role.TEXT: _stems(
        *("body", "message", "text", "content", "comment", "description", "note", "caption", "reply", "instructions"),
        *("details", "markdown", "html", "code", "script", "prompt"),
    ),
    Role.QUERY: _stems("query", "q", "search", "keyword", "term", "phrase", "question", "expression"),
    Role.TITLE: _stems("title", "name", "subject", "heading", "label", "tag", "summary"),
    Role.USER: _stems(
        "user", "handle", "login", "actor", "assignee", "author", "person", "member", "reviewer", "contact"
    ),
}
"""Roles of texts by the last word of their name, in the order in which they are tried."""
_PEOPLE = _stems(
    *(
        "email",
        "to",
        "cc",
        "bcc",
        "recipient",
        "attendee",
        "invitee",
        "participant",
        "sender",
        "from",
        "guest",
        "address",
    )
)


def role_of(field: Field, schema: Json) -> Role:
    """What part a property plays, by its type, format, name and description."""
    types = field.types - {"null"}
    if field.choices and types != {"boolean"}:
        return Role.CHOICE
    if types == {"boolean"}:
        return Role.FLAG
    if types and types <= {"object", "array"}:
        return Role.OBJECT
    if set(field.names[-1:]) & _stems("cursor", "token"):
        return Role.OPAQUE
    if _is_date(field, schema):
        return Role.DATE
    if types & {"integer", "number"} and "string" not in types:
        return _role_of_number(field)
    return _role_of_text(field, schema)


def _is_date(field: Field, schema: Json) -> bool:
    names = set(field.names)
    if schema.get("format") in ("date", "date-time", "time"):
        return True
    if names & _NO_DATES or "string" not in field.types or "cursor" in field.about:
        return False
    says = bool(_DATE_WORDS.search(field.about))
    return bool(field.head in _DATES or names & _stems("date", "datetime", "timestamp")) or (
        says and bool(names & (_NEAR_DATES | _DATES))
    )


def _role_of_number(field: Field) -> Role:
    names = set(field.names)
    if names & _stems("offset", "skip"):
        return Role.OFFSET
    if field.names == (stem("page"),) or field.names in (_two("page", "number"), _two("page", "index")):
        return Role.PAGE
    if field.head in _ROLES[Role.ID] or (len(names) > 1 and field.head == stem("number")):
        return Role.ID
    counts = field.head in _COUNT_HEADS or stem("per") in names or _COUNTING.search(field.about)
    return Role.COUNT if counts else Role.NUMBER


def _two(one: str, other: str) -> tuple[str, ...]:
    return (stem(one), stem(other))


def _role_of_text(field: Field, schema: Json) -> Role:
    names, head = set(field.names), field.head
    if stem("or") in names:
        return Role.PLAIN
    if schema.get("format") in ("email", "idn-email") or (
        head not in _ROLES[Role.ID] and names & _PEOPLE and "email" in field.about + " ".join(names)
    ):
        return Role.EMAIL
    if schema.get("format") in ("uri", "url", "iri"):
        return Role.URL
    if schema.get("format") == "uuid":
        return Role.ID
    if field.names in (_two("user", "name"), _two("screen", "name")):
        return Role.USER
    if names & _ROLES[Role.CHANNEL] and head in UNTOLD - _ROLES[Role.ID]:
        return Role.CHANNEL
    if names & _ROLES[Role.REPOSITORY] and head in UNTOLD - _ROLES[Role.ID]:
        return Role.REPOSITORY
    if stem("file") in names and head == stem("name"):
        return Role.PATH
    if head == stem("code") and len(names) > 1:
        return Role.PLAIN
    role = next((role for role, heads in _ROLES.items() if head in heads), Role.PLAIN)
    return Role.PATH if role is Role.PLAIN and _OF_FILES.search(field.about) else role
