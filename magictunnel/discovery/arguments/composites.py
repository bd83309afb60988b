"""One span that is two values: `owner/name`, `schema.table`, `Bob Smith`. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace

from magictunnel.discovery.arguments.bare import is_free
from magictunnel.discovery.arguments.cues import side
from magictunnel.discovery.arguments.fields import Field, Role
from magictunnel.discovery.arguments.flags import Found
from magictunnel.discovery.arguments.phrases import Item, Phrases, Span
from magictunnel.discovery.literals import NO_OWNERS
from magictunnel.discovery.words import stem

_REPOSITORY = re.compile(r"([\w.-]{1,100})/([\w.-]{1,100})")
_IN_WORDS = re.compile(r"(?<![\w/.:~-])([A-Za-z][\w-]{1,38})/([\w.-]{0,99}\w)(?![\w/])")
_DOTTED_IN_WORDS = re.compile(r"(?<![\w./:@-])([A-Za-z_]\w{0,60})\.([A-Za-z_]\w{0,60})(?![\w./:@-]|\.\w)")
_DOTTED = re.compile(r"([A-Za-z_]\w{0,60})\.([A-Za-z_]\w{0,60})")
_OWNERS = frozenset(map(stem, ("owner", "organization", "namespace", "account", "workspace")))
_OUTER = frozenset(map(stem, ("schema", "database", "dataset", "db", "namespace")))
_INNER = frozenset(map(stem, ("table", "collection", "view")))


def parts(phrases: Phrases, wanted: Sequence[Field]) -> Iterator[tuple[Field, str, int, int]]:
    """Properties with their parts of a span, and the part's own span."""
    owner, repository = _owner_and_name(wanted)
    if owner and repository and owner.is_required and repository.is_required:
        yield from _plain_repository(phrases, owner, repository)
    outer, inner = _one(wanted, _OUTER), _one(wanted, _INNER)
    if outer and inner and outer.is_required and inner.is_required:
        yield from _plain_dotted(phrases, outer, inner)
    for item in phrases.items:
        literal = item.literal
        if literal is None:
            continue
        start = phrases.request.find(literal.text, literal.start)
        if (
            owner
            and repository
            and literal.kind in ("repository", "path")
            and (match := _REPOSITORY.fullmatch(literal.text))
        ):
            yield owner, match[1], start, start + len(match[1])
            yield repository, match[2], start + match.start(2), start + match.end(2)
            owner = None
        elif (
            outer
            and inner
            and (literal.is_marked or literal.kind == "file")
            and (match := _DOTTED.fullmatch(literal.text))
        ):
            yield outer, match[1], start, start + len(match[1])
            yield inner, match[2], start + match.start(2), start + match.end(2)
            outer = None


def _plain_dotted(phrases: Phrases, outer: Field, inner: Field) -> Iterator[tuple[Field, str, int, int]]:
    """`shop.orders`, where both are asked for and nothing else looks like it."""
    found = list(_DOTTED_IN_WORDS.finditer(phrases.request[:2000]))
    inside = [item for item in phrases.items if item.literal and item.literal.is_marked]
    if len(found) == 1 and not any(item.start <= found[0].start() < item.end for item in inside):
        yield outer, found[0][1], *found[0].span(1)
        yield inner, found[0][2], *found[0].span(2)


def _plain_repository(phrases: Phrases, owner: Field, repository: Field) -> Iterator[tuple[Field, str, int, int]]:
    """`facebook/react` in small letters, where both are asked for and nothing else looks like it."""
    if any(item.literal and item.literal.kind == "repository" for item in phrases.items):
        return
    found = [match for match in _IN_WORDS.finditer(phrases.request[:2000]) if match[1].lower() not in NO_OWNERS]
    if len(found) == 1:
        yield owner, found[0][1], *found[0].span(1)
        yield repository, found[0][2], *found[0].span(2)


def _owner_and_name(wanted: Sequence[Field]) -> tuple[Field | None, Field | None]:
    owner = next((one for one in wanted if one.role is Role.OWNER or (set(one.names) & _OWNERS and one.is_text)), None)
    repository = next((one for one in wanted if one.role is Role.REPOSITORY or stem("repository") in one.names), None)
    if owner and owner.role is Role.OWNER and repository is None:
        repository = next((one for one in wanted if one.path[-1] == "name"), None)
    return owner, repository


_OF = re.compile(
    r"\b(?:in|on|from|of|for)\s(?:the\s)?(?:repo(?:sitory)?\s)?([A-Za-z][\w-]{0,99})\s(?:repo(?:sitory)?\s)?"
    r"(?:of|by|from|owned by)\s@?([A-Za-z][\w-]{0,38})(?=\s*(?:[.,;?!)](?:\s|\Z)|\Z)|\s(?:with|and|to|as|on)\s)",
    re.IGNORECASE,
)


def repository_of(
    phrases: Phrases, wanted: Sequence[Field], known: frozenset[str]
) -> Iterator[tuple[Field, str, int, int]]:
    """`in web of acme` as repository and owner, where the tool asks for both; `known`: words that are no names."""
    owner, repository = _owner_and_name(wanted)
    found = list(_OF.finditer(phrases.request[:2000]))
    if owner is None or repository is None or owner is repository or len(found) != 1:
        return
    if owner.role is not Role.OWNER or not repository.is_text or owner.is_list or repository.is_list:
        return
    ends = {found[0].start(1), found[0].start(2)}
    names = [item for item in phrases.items if item.start in ends]
    if len(names) == 2 and all(is_free(item, known) for item in names):
        yield owner, found[0][2], *found[0].span(2)
        yield repository, found[0][1], *found[0].span(1)


_PEOPLE = frozenset(
    map(
        stem,
        ("email", "attendee", "invitee", "participant", "recipient", "guest", "people", "person", "member", "user"),
    )
)
_APART = frozenset({"from", "by", "not", "without", "except", "excluding", "cc", "bcc", "copy", "copying", "me", "my"})


def people(spans: Sequence[Span], wanted: Sequence[Field]) -> tuple[Field, Found] | None:
    """All the addresses of a request, where one list of people is all that takes some."""
    said = [span for span in spans if span.kind == "email"]
    fitting = [one for one in wanted if one.role is Role.EMAIL or (one.head in _PEOPLE and one.is_text)]
    if not said or len(fitting) != 1 or not fitting[0].is_list or not fitting[0].is_text:
        return None
    if set(fitting[0].names) & _APART or fitting[0].choices:
        return None
    items = [item for span in said for item in span.items]
    around = {item.text.lower() for span in said for item in (*span.left[:3], *span.right[:2])}
    if around & _APART or any(item.literal is None or item.literal.kind != "email" for item in items):
        return None
    values = list(dict.fromkeys(item.text for item in items))
    return fitting[0], Found(values, items[0].start, items[-1].end, "email")


def _one(wanted: Sequence[Field], names: frozenset[str]) -> Field | None:
    found = [one for one in wanted if set(one.names) & names and one.is_text and not one.is_list]
    return found[0] if len(found) == 1 else None


_IN_FOLDER = re.compile(r"\W*(?:in|from|inside|under|within)\s+(?:the\s+)?(?:folder|directory|path)?\W*", re.IGNORECASE)


def path(phrases: Phrases, wanted: Sequence[Field]) -> tuple[Field, Found] | None:
    """`x.txt in the folder a/b` as one path, where the tool asks for one."""
    fields = [one for one in wanted if one.role is Role.PATH and not one.is_list]
    values = [
        item.literal for item in phrases.items if item.literal and item.literal.kind in ("file", "path", "repository")
    ]
    if len(fields) != 1 or len(values) != 2:
        return None
    file, folder = values
    between = phrases.request[file.end : folder.start]
    if file.kind != "file" or folder.kind == "file" or len(between) > 60 or not _IN_FOLDER.fullmatch(between):
        return None
    return fields[0], Found(f"{folder.text.rstrip('/')}/{file.text}", file.start, folder.end, "path")


def stretch(phrases: Phrases, wanted: Sequence[Field], *, looks: bool) -> Iterator[tuple[Field, Item]]:
    """The properties for the start and the end of a stretch of days, such as `last week`, and that.

    `looks`: the tool looks at what there is; then `tomorrow` is such a stretch, from its start to its end.
    """
    days = [item for item in phrases.items if item.moment is not None]
    dates = [one for one in wanted if one.role is Role.DATE and not one.is_list]
    starts = [one for one in dates if side(one.names) == "from"]
    ends = [one for one in dates if side(one.names) == "to"]
    if len(days) == 1 and days[0].moment and days[0].moment.last and len(starts) == len(ends) == 1 and starts != ends:
        yield starts[0], days[0]
        yield ends[0], days[0]
    elif looks and _is_one_day(phrases, days) and len(dates) == 2 and all(one.is_required for one in dates):
        moment = days[0].moment
        whole = replace(days[0], moment=replace(moment, last=moment.day)) if moment else days[0]
        yield from ((one, whole) for one in (*starts[:1], *ends[:1]) if starts and ends)


_CHANGED = re.compile(
    r"\b(?:change|set|update|edit|modify|switch)\s+(?:the|its|my|his|her|their)\s+([a-z]+(?: [a-z]+)?)\s"
    r"(?:of|for|on|in)\s",
    re.IGNORECASE,
)


def changed(phrases: Phrases, wanted: Sequence[Field]) -> tuple[Field, Span] | None:
    """`change the title of the page 7 to 'x'`: the property that is named, and what it is set to."""
    found = list(_CHANGED.finditer(phrases.request[:2000]))
    values = [span for span in phrases.spans if span.left[:1] and span.left[0].text.lower() == "to"]
    if len(found) != 1 or len(values) != 1 or len(values[0].items) != 1 or values[0].start < found[0].end():
        return None
    said = {stem(word.lower()) for word in found[0][1].split()}
    named = [one for one in wanted if one.head in said and not one.is_list and (one.is_text or one.is_numeric)]
    return (named[0], values[0]) if len(named) == 1 else None


_BOUNDING = re.compile(
    r"\b(?:from|since|after|before|until|till|by|starting|begin\w*|ending|due)\s(?:on )?\Z", re.IGNORECASE
)


def _is_one_day(phrases: Phrases, days: Sequence[Item]) -> bool:
    """Whether a request is about one day as a whole: `the events on May 2`."""
    moment = days[0].moment if len(days) == 1 else None
    if moment is None or moment.day is None or moment.at or moment.last or moment.side:
        return False
    return not _BOUNDING.search(phrases.request[max(0, days[0].start - 20) : days[0].start])


_FROM = frozenset(map(stem, ("origin", "from", "start", "source", "departure")))
_INTO = frozenset(map(stem, ("destination", "to", "end", "target", "arrival")))
_FIRST = r"(?P<one>[A-Z0-9][^.?!;:\n]{1,80}?)"
_OTHER = r"(?P<other>[A-Z0-9][^?!;:\n]{1,120})"
_WAYS = (
    re.compile(rf"\bfrom\s+{_FIRST}\s+to\s+{_OTHER}"),
    re.compile(rf"\bbetween\s+(?:[^:.?!\n]{{1,60}}:\s*)?{_FIRST}\s+and\s+{_OTHER}"),
)
_CODE = re.compile(r"[A-Z0-9]{2,5}\b")
_AFTER_PLACE = re.compile(
    r"\.\s*\Z|\.\s+[A-Z][a-z]|,?\s(?:with|by|using|on|via|at|in|for|departing|leaving|tomorrow|today|and|avoiding)\s"
)


def ends(phrases: Phrases, wanted: Sequence[Field]) -> Iterator[tuple[Field, Found]]:
    """`from Berlin to Paris`, `between A and B`, where the tool asks for two places."""
    plain = [one for one in wanted if one.is_text and not one.is_list and one.role in (Role.PLAIN, Role.TITLE)]
    starts = [one for one in plain if set(one.names) & _FROM and not one.is_numeric]
    stops = [one for one in plain if set(one.names) & _INTO and not one.is_numeric]
    text = phrases.request[:2000]
    ways = [match for way in _WAYS for match in way.finditer(text)]
    if len(starts) != 1 or len(stops) != 1 or starts == stops or len(ways) != 1:
        return
    start, last = ways[0].span("other")
    if stop := _AFTER_PLACE.search(text, start):
        last = min(last, stop.start())
    said = [item.start for item in phrases.items if item.moment and item.start > start]
    last = min([last, *said])
    if stem("code") in stops[0].names and (code := _CODE.match(text, start)):
        last = code.end()
    if last > start:
        yield starts[0], Found(ways[0]["one"], *ways[0].span("one"), "from")
        place = text[start:last].rstrip(" ,")
        yield stops[0], Found(place, start, start + len(place), "to")


def _family_alone(wanted: Sequence[Field]) -> Field | None:
    """Where of a person's names only the family's is required."""
    given = [one for one in wanted if set(one.names) & _GIVEN and one.is_required]
    family = [one for one in wanted if set(one.names) & _FAMILY and one.is_required]
    return family[0] if len(family) == 1 and not given else None


_GIVEN = frozenset(map(stem, ("given", "first", "forename")))
_FAMILY = frozenset(map(stem, ("family", "last", "surname")))


def person(names: Sequence[Found], wanted: Sequence[Field]) -> Iterator[tuple[Field, Found]]:
    """The only name in a request as given and family name, where the tool asks for these."""
    if len(names) == 1 and " " not in names[0].value and (alone := _family_alone(wanted)):
        yield alone, names[0]
        return
    given = next((one for one in wanted if set(one.names) & _GIVEN and stem("name") in one.names), None)
    family = next((one for one in wanted if set(one.names) & _FAMILY), None)
    if given is None or family is None or len(names) != 1:
        return
    first, _, last = str(names[0].value).partition(" ")
    start = names[0].start
    yield given, Found(first, start, start + len(first), "name")
    if last and " " not in last:
        yield family, Found(last, names[0].end - len(last), names[0].end, "name")
