"""Which value of a request goes into which property of a tool: the surest first, none twice. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime

from magictunnel.catalog.model import Json
from magictunnel.discovery.arguments import bare, composites, leftovers, sayings
from magictunnel.discovery.arguments.codes import coded
from magictunnel.discovery.arguments.cues import TOWARDS, side
from magictunnel.discovery.arguments.dates import Moment, duration
from magictunnel.discovery.arguments.evidence import ENOUGH, evidence, stands_for
from magictunnel.discovery.arguments.examples import exemplified
from magictunnel.discovery.arguments.fields import Field, Role, name_stems
from magictunnel.discovery.arguments.flags import Found, choice, count_in_words, flag
from magictunnel.discovery.arguments.inputs import fields
from magictunnel.discovery.arguments.kinds import NEVER
from magictunnel.discovery.arguments.pairs import Pair, masked, pairs
from magictunnel.discovery.arguments.phrases import Phrases, Span, phrases
from magictunnel.discovery.arguments.quantities import length
from magictunnel.discovery.arguments.values import as_path, value_of, written
from magictunnel.discovery.words import stem

_MARGIN = 0.4
"""By how much a property must be the better one for a value."""
_MAX_SPANS = 60
_FREE = (Role.TITLE, Role.QUERY, Role.PLAIN, Role.USER, Role.REPOSITORY, Role.OWNER, Role.CHANNEL)
"""Roles of texts that a name alone may fill."""
_EXAMPLES = re.compile(r"\b(?:examples?|e\.g\.)|```", re.IGNORECASE)
_PATHS = ("path", "file", "repository")
_LOOKING = frozenset(map(stem, ("get", "list", "find", "search", "read", "show", "fetch", "query")))
_TICKERS = frozenset(map(stem, ("ticker", "symbol")))
_WORDED = (Role.TITLE, Role.TEXT, Role.QUERY)
"""Roles of texts that are sentences, or parts of some."""


class Finding:
    """One request and one tool: what is found so far, and which spans are used up."""

    def __init__(self, request: str, tool: Json, now: datetime, given: Json) -> None:
        self.now = now
        self.found: dict[tuple[str, ...], Found] = {}
        self.open: list[Field] = [one for one in fields(tool) if one.path[0] not in given]
        dated = any(one.role is Role.DATE for one in self.open)
        self._texts = sum(one.is_text and one.role not in (Role.CHOICE, Role.DATE, Role.OPAQUE) for one in self.open)
        self.phrases: Phrases = phrases(request, now if dated else None)
        self.pairs: list[Pair] = pairs(self.phrases, self.open, now)
        if self.pairs:
            self._take_pairs(request, now if dated else None)
        held = [span for span in self.phrases.spans if span.kind == "placeholder"][:_MAX_SPANS]
        self.is_held = bool(held)
        """Whether placeholders stand where values would."""
        self.open = [one for one in self.open if not any(stands_for(span, one) for span in held)]
        self.spans: list[Span] = [span for span in self.phrases.spans if span.kind != "placeholder"][:_MAX_SPANS]
        name, description = tool.get("name"), tool.get("description")
        self.name = frozenset(name_stems(name)) if isinstance(name, str) else frozenset[str]()
        told = _EXAMPLES.split(description[:1500])[0] if isinstance(description, str) else ""
        self.own = self.name | bare.own_stems(told)
        """Stems of the tool's own words, which are no values."""

    def run(self) -> dict[tuple[str, ...], Found]:
        """What is found, by path."""
        for wanted, part, start, end in composites.parts(self.phrases, self.open):
            self._take(wanted, Found(part, start, end, "part"))
        for one in list(self.open):
            found = length(self.phrases, one, self.open)
            if found and not self._is_used(found):
                self._take(one, found)
        if change := composites.changed(self.phrases, self.open):
            self._take_span(*change, "changed")
        self._together()
        self._calculated()
        self._said()
        self._addresses()
        self._by_evidence()
        self._lone_path()
        self._lasting()
        self._listed()
        self._in_order()
        self._lone_value()
        self._coded()
        self._people()
        self._bare()
        self._lone_name()
        self._sole_name()
        return self.found

    # --- taking

    def _take_pairs(self, request: str, now: datetime | None) -> None:
        """What is said as `name=value`; nothing of it is part of another value, and its property takes no other."""
        self.phrases = phrases(masked(request, self.pairs), now)
        named = {pair.field.path: pair.found for pair in self.pairs if pair.field}
        self.found |= {path: found for path, found in named.items() if found}
        self.open = [one for one in self.open if one.path not in named]

    def _take(self, wanted: Field, found: Found) -> None:
        if any(found.start < pair.end and pair.start < found.end for pair in self.pairs):
            return
        self.found[wanted.path] = found
        self.open = [one for one in self.open if one.path != wanted.path]
        self.spans = [span for span in self.spans if span.end <= found.start or found.end <= span.start]

    def _take_span(self, wanted: Field, span: Span, how: str) -> bool:
        """Whether all its values are values of the property."""
        values = [value_of(item, wanted, self.now) for item in span.items]
        if any(value is None for value in values) or (len(values) > 1 and not wanted.is_list):
            return False
        whole = span.kind == "json" and len(values) == 1  # it is the list itself
        self._take(wanted, Found(values if wanted.is_list and not whole else values[0], span.start, span.end, how))
        return True

    def _is_used(self, found: Found) -> bool:
        taken = [(one.start, one.end) for one in self.found.values()] + [(one.start, one.end) for one in self.pairs]
        return any(found.start < end and start < found.end for start, end in taken)

    def _required(self, *roles: Role) -> list[Field]:
        return [one for one in self.open if one.is_required and (not roles or one.role in roles)]

    # --- values that are marked, or are what they are

    def _by_evidence(self) -> None:
        """Value by value, the best founded first, where one property is clearly the better one."""
        spans = self._telling_spans()
        pairs = [(evidence(span, one), -span.first, span, one) for span in spans for one in self.open]
        pairs = sorted((pair for pair in pairs if pair[0] >= ENOUGH), key=lambda pair: pair[:2], reverse=True)
        done: set[int] = set()
        for score, _, span, wanted in pairs:
            if span.first in done or wanted not in self.open:
                continue
            rivals = [
                other for other, _, one, field in pairs if one is span and field is not wanted and field in self.open
            ]
            if score - max(rivals, default=0.0) < _MARGIN or self._take_span(wanted, span, span.kind):
                done.add(span.first)

    def _together(self) -> None:
        """One path of two parts; one stretch of days for two properties."""
        for one, item in list(composites.stretch(self.phrases, self.open, looks=bool(self.name & _LOOKING))):
            value = value_of(item, one, self.now)
            if value is not None:
                self._take(one, Found(value, item.start, item.end, "date"))
        for wanted, part, start, end in composites.repository_of(self.phrases, self.open, self.own):
            self._take(wanted, Found(part, start, end, "part"))
        if joined := composites.path(self.phrases, self.open):
            one, found = joined
            self._take(one, found._replace(value=as_path(found.value, one)))

    def _lone_path(self) -> None:
        """What looks like the name of a repository is a path, where a path is all that the tool takes of the kind."""
        wanted = [one for one in self.open if one.role is Role.PATH and not one.is_list]
        spans = [span for span in self.spans if span.kind in _PATHS and len(span.items) == 1]
        others = any(one.role in (Role.REPOSITORY, Role.OWNER) for one in self.open)
        if len(wanted) == 1 and len(spans) == 1 and not others and spans[0].kind == "repository":
            self._take_span(wanted[0], spans[0], "the only one")

    def _calculated(self) -> None:
        wanted = [one for one in self._required() if one.is_text and not one.is_list and one.head == stem("expression")]
        if len(wanted) == 1 and (found := sayings.calculation(self.phrases)):
            self._take(wanted[0], found)

    def _said(self) -> None:
        """All that follows `saying`, if it has numbers or the like in it that nothing else is known to take."""
        wanted = [one for one in self.open if one.role is Role.TEXT and one.is_text and not one.is_list]
        titled = any(one.role is Role.TITLE for one in self.open)
        found = sayings.spoken(self.phrases, is_titled=titled) if len(wanted) == 1 else None
        if found is None or self._is_used(found) or self.is_held:
            return
        inside = [span for span in self.spans if found.start <= span.start < found.end]
        others = [one for one in self.open if one is not wanted[0]]
        if not any(evidence(span, one) >= ENOUGH for span in inside for one in others):
            self._take(wanted[0], found)

    def _addresses(self) -> None:
        """All addresses, for the one list of people that is wanted."""
        if several := composites.people(self.spans, self.open):
            self._take(*several)

    def _telling_spans(self) -> list[Span]:
        """Those that are not parts of one value: of several paths for one property none is the path."""
        others = [one for one in self.open if one.role is not Role.PATH]
        paths = [span for span in self.spans if span.kind in _PATHS]
        paths = [span for span in paths if not any(evidence(span, one) >= ENOUGH for one in others)]
        wanted = [one for one in self.open if one.role is Role.PATH]
        torn = len(paths) > 1 and len(wanted) == 1 and not wanted[0].is_list
        return [span for span in self.spans if not (torn and span in paths)]

    def _listed(self) -> None:
        """Properties of a few values: those that are named."""
        for one in list(self.open):
            found = None
            if one.role is Role.CHOICE:
                found = choice(self.phrases, one, self.name)
            elif one.role is Role.FLAG:
                found = flag(self.phrases, one, self.name)
            elif one.role is Role.COUNT and not one.is_list:
                found = count_in_words(self.phrases)
            elif one.is_text:
                found = exemplified(self.phrases, one, self.name)
            if found and not self._is_used(found):
                self._take(one, found)

    def _in_order(self) -> None:
        """As many numbers as required properties that are numbers: in their order."""
        wanted = [one for one in self._required() if one.is_numeric and one.role is not Role.COUNT]
        items = [item for span in self.spans for item in span.items if item.literal and item.literal.kind == "number"]
        lists = [one for one in wanted if one.is_list]
        if len(wanted) == 1 and lists and items:
            values = [value_of(item, wanted[0], self.now) for item in items]
            self._take(wanted[0], Found(values, items[0].start, items[-1].end, "in order"))
        elif len(wanted) == len(items) and not lists and not self._is_named_otherwise(wanted):
            if len(items) == 2 and _is_turned(self.phrases.request, items[0].start, items[0].end, items[1].start):
                items.reverse()
            for one, item in zip(wanted, items, strict=True):
                if (value := value_of(item, one, self.now)) is not None:
                    self._take(one, Found(value, item.start, item.end, "in order"))

    def _is_named_otherwise(self, wanted: list[Field]) -> bool:
        """Whether the word before a number names a property that is not in its place: `layer 2 of composition 1`."""
        numbers = [span for span in self.spans if span.kind == "number"]
        if len(numbers) != len(wanted):
            return False
        own = [{item.stem for item in span.left[:1]} for span in numbers]
        return any(
            words & set(other.names) and not words & set(one.names)
            for words, one in zip(own, wanted, strict=True)
            for other in wanted
        )

    def _lone_value(self) -> None:
        """A value that is left for the one required property that is left, or of its sort."""
        for span in [span for span in self.spans if span.kind not in ("date", "time", "version")]:
            wanted = [
                one for one in self._required() if one.role not in (Role.FLAG, Role.DATE, Role.COUNT, Role.OPAQUE)
            ]
            scores = {one.path: evidence(span, one) for one in wanted}
            wanted = [one for one in wanted if scores[one.path] >= 0 and scores[one.path] > max(scores.values()) - 1]
            if span.kind == "quoted" and len(wanted) > 1:
                wanted = self._worded(span, wanted)
            if len(wanted) != 1:
                continue
            least = max(0.0, scores[wanted[0].path] - 1)
            rivals = [one for one in self.spans if one is not span and evidence(one, wanted[0]) >= least]
            if not rivals and self.phrases.request[max(0, span.start - 1) : span.start] not in tuple("([=,{"):
                self._take_span(wanted[0], span, "the only one")

    def _worded(self, span: Span, wanted: list[Field]) -> list[Field]:
        """Those properties that take words: a title if there are few, a text if there are many."""
        words = len(span.items[0].text.split())
        role = Role.TITLE if words <= 3 else Role.TEXT
        return [one for one in wanted if one.role is role] or [one for one in wanted if one.role in _WORDED]

    def _lasting(self) -> None:
        """The end of what starts at a moment and takes `an hour`."""
        took = duration(self.phrases.request)
        ends = [one for one in self.open if one.role is Role.DATE and side(one.names) == "to"]
        starts = {found.start: path for path, found in self.found.items() if found.how == "date"}
        begun = [item.moment for item in self.phrases.items if item.moment and item.start in starts]
        if took is None or len(ends) != 1 or len(begun) != 1 or begun[0].day is None or begun[0].at is None:
            return
        until = datetime.combine(begun[0].day, begun[0].at) + took[0]
        value = written(Moment(*took[1:], until.date(), at=until.time()), ends[0], self.now)
        if value is not None:
            self._take(ends[0], Found(value, took[1], took[2], "duration"))

    # --- values that nothing marks

    def _people(self) -> None:
        for wanted, found in composites.person(self._names(), self.open):
            self._take(wanted, found)

    def _names(self) -> list[Found]:
        return [one for one in leftovers.names(self.phrases, self.own) if not self._is_used(one)]

    def _coded(self) -> None:
        """Languages and countries; two places of a way."""
        for one in [one for one in self.open if one.is_text and not one.is_list and one.role is not Role.CHOICE]:
            found = coded(self.phrases, one)
            if found and not self._is_used(found):
                self._take(one, found)
        tickers = [one for one in self.open if set(one.names) & _TICKERS and one.is_text and not one.is_list]
        if len(tickers) == 1 and (code := leftovers.ticker(self.phrases, self.own)) and not self._is_used(code):
            self._take(tickers[0], code)
        for one, found in composites.ends(self.phrases, self.open):
            if not self._is_used(found):
                self._take(one, found)

    def _bare(self) -> None:
        called = bare.named(self.phrases, self.open, self.name)
        if called and not self._is_used(called[1]):
            self._take(*called)
        for name in self._names():
            wanted = leftovers.towards(self.phrases, name, self.open)
            if wanted is not None:
                self._take(wanted, name)
        for one in list(self.open):
            if one.role is Role.USER and one.is_text and (whom := sayings.addressed(self.phrases, one, self.own)):
                if not self._is_used(whom):
                    self._take(one, whom)
                continue
            if one.is_list and one.is_text and (several := sayings.enumerated(self.phrases, one, self.own)):
                if not self._is_used(several):
                    self._take(one, several)
                continue
            found = self._bare_value(one) if one.is_text else None
            if found and not self._is_used(found) and not (one.is_list and leftovers.is_joined(self.phrases, found)):
                self._take(one, found._replace(value=[found.value]) if one.is_list else found)

    def _bare_value(self, wanted: Field) -> Found | None:
        match wanted.role:
            case Role.PLAIN if wanted.names == (stem("topic"),):
                return sayings.sought(self.phrases, self.own, is_open=True)
            case Role.TEXT:
                return sayings.said(self.phrases) if wanted.is_required else None
            case Role.QUERY:
                placed = any(set(one.names) & TOWARDS["in"] for one in self.open)
                return (
                    sayings.sought(self.phrases, self.own, not placed)
                    or bare.beside_name(self.phrases, wanted, self.own)
                    or (sayings.looked_up(self.phrases) if wanted.is_required and not self.found else None)
                )
            case role if role in _FREE or role is Role.ID:
                return bare.beside_name(self.phrases, wanted, self.own)
            case _:
                return None

    def _lone_name(self) -> None:
        """The only name in the request, for the only required text that is left."""
        wanted = [one for one in self._required(*_FREE) if one.is_text and not one.is_list and not one.is_numeric]
        others = [one for one in self._required() if one not in wanted and one.role not in (Role.FLAG, Role.OPAQUE)]
        if len(wanted) != 1 or others or self.is_held or any(evidence(span, wanted[0]) > NEVER for span in self.spans):
            return
        found = next(self._lone_names(wanted[0]), None)
        if found is not None and bare.looks_like(found.value, wanted[0]):
            self._take(wanted[0], found)

    def _sole_name(self) -> None:
        """The only name in the request, or the only quotation, for the only property that is a name or is sought."""
        wanted = [one for one in self.open if one.is_text and not one.is_list and one.role in (Role.TITLE, Role.QUERY)]
        if len(wanted) != 1 or self._required() or self.is_held:
            return
        searches = wanted[0].role is Role.QUERY or len(wanted[0].names) == 1
        spans = [one for one in self.spans if one.kind == "quoted"]
        if len(spans) == 1 and spans[0].left[:1] and spans[0].left[0].text.lower() == "to":
            return  # what is set to it may be any other property
        if len(spans) == 1 and evidence(spans[0], wanted[0]) >= 0:
            self._take_span(wanted[0], spans[0], "the only one")
        elif searches and not self.spans and self._texts == 1 and len(found := self._names()) == 1:
            self._take(wanted[0], found[0])

    def _lone_names(self, wanted: Field) -> Iterator[Found]:
        found = [one for one in self._names() if not str(one.value).islower()]
        if any(leftovers.is_whole(self.phrases, one, self.own) for one in found):
            return
        names = leftovers.objects(self.phrases, found)
        if len(names) == 1 and not leftovers.is_away(self.phrases, names[0], wanted, self.open):
            yield names[0]
        elif not names and (place := leftovers.at_place(self.phrases, self.own, wanted)):
            yield place
        elif not names and (asked := leftovers.asked_of(self.phrases, self.own)):
            yield asked
        elif not names and not self.found and (rest := leftovers.remainder(self.phrases, self.own)):
            yield rest


def _is_turned(request: str, start: int, end: int, other: int) -> bool:
    """Whether two numbers are said the other way round: `subtract 3 from 10`."""
    before = request[max(0, start - 40) : start].lower().split()
    return "from" in request[end:other].lower().split() and "from" not in before


def found_in(request: str, tool: Json, now: datetime, given: Json) -> dict[tuple[str, ...], Found]:
    """Values by the path of their property, for those properties that are not `given`."""
    return Finding(request, tool, now, given).run()
