"""Languages and countries by name, and their two-letter codes (ISO 639-1, ISO 3166-1). Pure."""

from __future__ import annotations

from itertools import pairwise

from magictunnel.discovery.arguments.fields import Field
from magictunnel.discovery.arguments.flags import Found
from magictunnel.discovery.arguments.phrases import Item, Phrases
from magictunnel.discovery.words import stem

LANGUAGES = {
    "arabic": "ar", "bengali": "bn", "bulgarian": "bg", "catalan": "ca", "chinese": "zh", "croatian": "hr",
    "czech": "cs",
    "danish": "da", "dutch": "nl", "english": "en", "estonian": "et", "finnish": "fi", "french": "fr", "german": "de",
    "greek": "el", "hebrew": "he", "hindi": "hi", "hungarian": "hu", "icelandic": "is", "indonesian": "id",
    "italian": "it", "japanese": "ja", "korean": "ko", "latvian": "lv", "lithuanian": "lt", "norwegian": "no",
    "persian": "fa", "polish": "pl", "portuguese": "pt", "romanian": "ro", "russian": "ru", "serbian": "sr",
    "slovak": "sk", "slovenian": "sl", "spanish": "es", "swedish": "sv", "thai": "th", "turkish": "tr",
    "ukrainian": "uk", "urdu": "ur", "vietnamese": "vi",
}  # fmt: skip
COUNTRIES = {
    "argentina": "ar", "australia": "au", "austria": "at", "belgium": "be", "brazil": "br", "bulgaria": "bg",
    "canada": "ca", "chile": "cl", "china": "cn", "colombia": "co", "croatia": "hr", "denmark": "dk", "egypt": "eg",
    "estonia": "ee", "finland": "fi", "france": "fr", "germany": "de", "greece": "gr", "hungary": "hu", "iceland": "is",
    "india": "in", "indonesia": "id", "ireland": "ie", "israel": "il", "italy": "it", "japan": "jp", "kenya": "ke",
    "latvia": "lv", "lithuania": "lt", "luxembourg": "lu", "malaysia": "my", "mexico": "mx", "morocco": "ma",
    "netherlands": "nl", "nigeria": "ng", "norway": "no", "pakistan": "pk", "peru": "pe", "philippines": "ph",
    "poland": "pl", "portugal": "pt", "romania": "ro", "serbia": "rs", "singapore": "sg", "slovakia": "sk",
    "slovenia": "si", "spain": "es", "sweden": "se", "switzerland": "ch", "taiwan": "tw", "thailand": "th",
    "turkey": "tr", "uk": "gb", "ukraine": "ua", "usa": "us", "vietnam": "vn",
}  # fmt: skip
_OF_LANGUAGES = frozenset(map(stem, ("language", "lang", "locale")))
_OF_COUNTRIES = frozenset({stem("country")})


CURRENCIES = frozenset(
    {"usd", "eur", "gbp", "jpy", "cny", "inr", "cad", "aud", "chf", "sek", "nok", "dkk", "nzd", "mxn", "brl", "zar"}
    | {"krw", "sgd", "hkd", "pln", "czk", "huf", "ils", "aed", "thb", "idr", "btc", "eth"}
)
_OF_CURRENCIES = frozenset({stem("currency")})


def _currency(phrases: Phrases, field: Field) -> Found | None:
    """The one code of a currency (ISO 4217) that a request names, as it is written there."""
    named = [item for item in phrases.items if item.is_word and item.text.lower() in CURRENCIES]
    named = _directed(phrases, field, named)
    if len({item.text for item in named}) != 1:
        return None
    return Found(named[0].text, named[0].start, named[0].end, "code")


_FROM = frozenset(map(stem, ("source", "from", "origin", "input")))
_INTO = frozenset(map(stem, ("target", "to", "destination", "output")))


def _directed(phrases: Phrases, field: Field, named: list[Item]) -> list[Item]:
    """Of what is named, what comes `from` or goes `to` somewhere, as the property says."""
    words = ("from",) if set(field.names) & _FROM else ("to", "into", "in") if set(field.names) & _INTO else ()
    if not words:
        return named
    ahead = {item.start: before for before, item in pairwise(phrases.items)}
    return [
        item
        for item in named
        if (before := ahead.get(item.start)) and (before.text.lower() in words or _is_amount(before, words))
    ]


def _is_amount(before: Item, words: tuple[str, ...]) -> bool:
    """Whether an amount stands before: `250 USD` is what is converted from."""
    return words == ("from",) and before.literal is not None and before.literal.kind == "number"


def coded(phrases: Phrases, field: Field) -> Found | None:
    """The one language or country that a request names, or its code where that is wanted."""
    if set(field.names) & _OF_CURRENCIES:
        return _currency(phrases, field)
    table = LANGUAGES if set(field.names) & _OF_LANGUAGES else COUNTRIES if set(field.names) & _OF_COUNTRIES else None
    if table is None or "programming" in field.about:
        return None
    named = [item for item in phrases.items if item.is_word and item.text[0].isupper() and item.text.lower() in table]
    named = _directed(phrases, field, named)
    if len({item.text for item in named}) != 1:
        return None
    wants_code = "code" in field.about or "iso" in field.about or stem("code") in field.names
    code = table[named[0].text.lower()]
    value = (code.upper() if f"'{code.upper()}'" in field.about else code) if wants_code else named[0].text
    return Found(value, named[0].start, named[0].end, "code" if wants_code else "name")
