"""Which kinds of values belong in which properties, before any word around them is looked at. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from magictunnel.discovery.arguments.cues import side
from magictunnel.discovery.arguments.fields import Field, Role
from magictunnel.discovery.arguments.phrases import Span
from magictunnel.discovery.words import stem

NEVER = -100.0
"""It cannot be."""

_AT_HOME: Mapping[str, Mapping[Role, float]] = {
    "email": {Role.EMAIL: 3, Role.USER: -1, Role.ID: -0.5, Role.PATH: NEVER, Role.URL: NEVER, Role.TITLE: -2},
    "url": {Role.URL: 3, Role.PATH: -1, Role.TITLE: -2, Role.QUERY: -1, Role.USER: -2, Role.ID: -0.5},
    "path": {Role.PATH: 2.5, Role.TITLE: -0.5, Role.REPOSITORY: 0.5, Role.URL: -1, Role.USER: -2},
    "file": {Role.PATH: 2.5, Role.TITLE: 0, Role.USER: -2, Role.ID: -1},
    "uuid": {Role.ID: 2, Role.TITLE: -1, Role.TEXT: -1},
    "id": {Role.ID: 1.5, Role.TITLE: -1, Role.TEXT: -2.5},
    "date": {Role.DATE: 2.5},
    "channel": {Role.CHANNEL: 3, Role.TEXT: -1, Role.TITLE: -0.5},
    "username": {Role.USER: 3, Role.OWNER: 1, Role.TITLE: -0.5},
    "phone": {Role.PHONE: 3},
    "repository": {Role.REPOSITORY: 2, Role.PATH: 0.5},
    "quoted": {Role.TITLE: 0.5, Role.TEXT: 0.5, Role.QUERY: 0.5},
}
"""What speaks for a kind of value in a property of some role before any word is looked at."""
_ONLY_AT_HOME = frozenset({"email", "date", "phone"})
"""Kinds that are nothing but what they are: elsewhere they belong only where a word says so."""
_STRICT: Mapping[Role, frozenset[str]] = {
    Role.EMAIL: frozenset({"email"}),
    Role.URL: frozenset({"url", "repository"}),
    Role.DATE: frozenset({"date"}),
    Role.PHONE: frozenset({"phone", "number"}),
}
"""Roles that take no other kinds of values."""
_DAYS = frozenset(map(stem, ("start", "begin", "departure", "checkin")))


def by_kind(span: Span, field: Field) -> float:
    """What the kind of a value says; a list of values has no place in a property for one."""
    if len(span.items) > 1 and not field.is_list:
        return NEVER
    match span.kind:
        case "json":
            is_object = span.items[0].text.startswith("{")
            if (field.role is Role.OBJECT and not field.is_list and is_object) or (field.is_list and not is_object):
                return 2.0
            return -0.5 if field.is_text and not field.is_list else NEVER
        case "number":
            return _of_number(field)
        case "date":
            return _of_date(span, field)
        case _:
            return NEVER if _is_out_of_place(span, field) else _of_text(span, field)


def _is_out_of_place(span: Span, field: Field) -> bool:
    """Whether a property takes no texts, or none of this kind."""
    kind, role = span.kind, field.role
    if kind == "placeholder" or not field.is_text or kind not in _STRICT.get(role, {kind}):
        return True
    if role in (Role.FLAG, Role.CHOICE, Role.OBJECT) or (role is Role.EMAIL and not _is_copied_alike(span, field)):
        return True
    at_home = _AT_HOME.get(kind, {}).get(role, 0) > 0 or role is Role.PLAIN
    if kind == "email" and not at_home:
        literal = span.items[0].literal
        told = "email" in field.about and role in (Role.USER, Role.ID, Role.QUERY)
        return not (told or (role is Role.ID and literal is not None and literal.is_marked))
    return kind in _ONLY_AT_HOME and not at_home


def _of_text(span: Span, field: Field) -> float:
    kind, text = span.kind, span.items[0].text
    if field.role is Role.OPAQUE:
        return -1.0
    if kind == "quoted" and field.role is Role.TITLE and field.head == stem("name") and _is_sentence(text):
        return -1.0
    if kind == "quoted" and field.role is Role.ID and text.isalpha():
        return -1.0
    if kind == "quoted" and field.head == stem("phrase"):
        return 1.0 if " " in text else 0.0
    if kind == "email" and field.role is Role.PLAIN:
        return 0.0 if "email" in field.about else -1.0
    if field.role is Role.TEXT and kind in ("path", "file", "url", "repository"):
        return -2.0
    return _AT_HOME.get(kind, {}).get(field.role, 0.0)


def _of_date(span: Span, field: Field) -> float:
    if field.role is Role.DATE:
        return 2.5 + _by_side(span, field)
    is_marked = span.items[0].literal is not None and span.items[0].literal.is_marked
    return -0.5 if is_marked and field.role is Role.TITLE and field.is_text else NEVER


_COPIES = frozenset({"cc", "bcc", "carbon", "copy", "copying"})


def _is_copied_alike(span: Span, field: Field) -> bool:
    """Whether an address is one of those that get a copy, and the property is for these; or neither."""
    around = (*span.left[:5], *span.right[:3])
    said = {item.text.lower() for item in around} & _COPIES
    if not set(field.names) & {"cc", "bcc"}:
        return not said
    blind = bool(said & {"bcc"}) or any(item.text.lower() == "blind" for item in around)
    return bool(said) and blind == ("bcc" in field.names)


def _is_sentence(text: str) -> bool:
    return len(text.split()) > 3 and text[-1] in ".?!"


def _by_side(span: Span, field: Field) -> float:
    """The ends of a range belong where the start and the end of one are asked for; a stretch of days nowhere else."""
    moment = span.items[0].moment
    if moment is None:
        return 0.0
    names = set(field.names)
    ended = bool(
        {item.text.lower() for item in span.left[:2]} & {"until", "till", "before", "by", "due", "end", "ending"}
    )
    mine = side(names)
    if not moment.side and not moment.last and not ended and mine == "from" and names & _DAYS:
        return 0.6
    if moment.side:
        return 1.5 if mine == moment.side else NEVER if mine else 0.0
    return NEVER if moment.last and not mine else 0.0


def _of_number(field: Field) -> float:
    if field.role in (Role.FLAG, Role.CHOICE, Role.DATE, Role.EMAIL, Role.URL, Role.OBJECT):
        return NEVER
    if field.types & {"integer", "number"} or field.is_numeric:
        return 0.0
    return 1.0 if field.role is Role.ID else -0.5
