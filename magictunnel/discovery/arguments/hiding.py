"""Credentials in a text -> `[secret]`, by what they look like and by the words before them. Pure.

For texts that go to a model. What a person told us to be a secret is hidden by `magictunnel.secrets`; this is for those
that nobody told us about. Better one word too many is hidden than one key shown.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import Any

HIDDEN = "[secret]"
_MOST = 500
"""Characters that are hidden for the words before them."""

Span = tuple[int, int]

# --- what credentials look like

_SHAPES = (
    re.compile(r"-----BEGIN [A-Z ]{0,40}PRIVATE KEY-----[\s\S]{0,8000}?(?:-----END [A-Z ]{0,40}PRIVATE KEY-----|\Z)"),
    re.compile(r"(?<=://)[^\s/@:]{0,200}:[^\s/@]{1,200}(?=@)"),
    re.compile(r"(?<![\w.])eyJ[\w-]{8,2000}\.[\w-]{2,4000}(?:\.[\w-]{0,2000})?"),
    re.compile(
        r"(?<![\w-])(?:(?:sk|pk|rk|gh[opsur]|github_pat|glpat|xox[a-z]|xapp|npm|pypi|hf|dop_v1|whsec|shpat)[_-]|SG\.|AIza"
        r"|ya29|AKIA|ASIA)[\w.-]{12,500}"
    ),
    re.compile(r"(?<![\w.-])(?!000|666|9\d\d)\d{3}-(?!00)\d\d-(?!0000)\d{4}(?![\w-])"),
)
"""Private keys, logins in URLs, tokens of known makers, social security numbers."""
_LONG = re.compile(r"(?<![\w+/=.-])[A-Za-z0-9+/_-]{20,500}={0,2}(?![\w+/=])")
_DIGITS = re.compile(r"(?<![\w.])\d(?:[ -]?\d){12,}+")
_GROUP = re.compile(r"\d+")
_CARD = re.compile(
    r"4\d{12}(?:\d{3}){0,2}|(?:5[1-5]\d\d|2(?:2[2-9]\d|[3-6]\d\d|7[01]\d|720)|6(?:011|5\d\d|4[4-9]\d|2\d\d)|35\d\d)\d{12}"
    r"|3[47]\d{13}|3(?:0[0-5]|[689]\d)\d{11}"
)

# --- which words announce one

_NAMES = (
    r"(?:pass(?:words?|wd|phrases?|codes?)|pwd|secrets?|tokens?|(?:api|access|private|secret|signing)[ _-]?keys?"
    r"|client[ _-]?secret|connection[ _-]?string|dsn|pin(?:[ _-]?code)?|(?:security|verification|2fa|mfa)[ _-]code"
    r"|cv[vc]|ssn|social security number|card number|credentials?|session[ _-]?(?:id|key)|cookie|otp)"
)
_GAP = r"[ \t]{1,3}"
_WHOSE = rf"(?:{_GAP}(?:of|for|on|in|at)(?:{_GAP}(?!and\b|then\b)[\w.@'\u2019-]{{1,60}}){{1,4}}?)?"
_NO_VALUE = (
    r"(?!(?:wrong|expir\w{1,6}|invalid|incorrect|required|missing|not|too|empty|blank|weak|strong|stored|kept|being|never"
    r"|still|needed|valid|unknown|lost|broken|used|rotated|revoked|about|no|longer|in|on|for|from|only|already|also"
    r"|due|older|shorter|leaked|compromised|exposed|optional|mandatory|the|an?|there|what|something|one|random|set)\b(?!\S*\d))"
)
"""What follows says how it is, not what it is."""
_SENTENCE_AFTER = re.compile(
    rf"\b{_NAMES}{_WHOSE}{_GAP}(?:is|was|are|were|=>|->){_GAP}(?:now{_GAP})?{_NO_VALUE}"
    rf"|\b(?:set|chang(?:e|ing)|reset(?:ting)?|updat(?:e|ing)|mak(?:e|ing)|rotat(?:e|ing)|assign)\b[^\n.;:]{{0,60}}?\b{_NAMES}"
    rf"{_WHOSE}{_GAP}(?:to|as|with){_GAP}(?:be{_GAP})?{_NO_VALUE}",
    re.IGNORECASE,
)
_WORD_AFTER = re.compile(
    rf"\bbearer{_GAP}(?:token{_GAP})?(?:is{_GAP}|:{_GAP})?(?=[\w.~+/=-]{{6}})"
    rf"|\bbasic{_GAP}(?=[\w+/=-]{{8}})(?=\S{{0,60}}(?-i:[a-z]))(?=\w\S{{0,60}}(?-i:[A-Z\d=]))"
    rf"|\b{_NAMES}{_GAP}(?:(?:to|as){_GAP})?(?=[\"'`]|[^\s\d]{{0,60}}\d)(?=[\"'`]|[^\s\"'`,;]{{6}})"
    rf"|\b(?:pin(?:{_GAP}?code)?|otp|cv[vc]|passcode|(?:security|verification|2fa|mfa){_GAP}code){_GAP}(?=\d{{3}})"
    rf"|\b(?:with|using|user(?:name)?{_GAP}\S{{1,60}}(?:{_GAP}and)?){_GAP}(?:the{_GAP}|a{_GAP})?(?:password|passphrase|pwd)"
    rf"{_GAP}(?!(?:auth\w*|protect\w*|manag\w*|reset|polic\w*|log\w*|hash\w*|field|based|and|or|for|of|to|the|a|is|in|on|with"
    rf"|from|rotat\w*|recover\w*|sign\w*)\b)(?=\S)"
    rf"|(?<!\S)(?:-u|--user|--proxy-user)(?:{_GAP}|=)(?=[\"']?[^\s:\"']{{1,100}}:\S)"
    rf"|\b(?:log(?:ging|ged)?[ -]?in|sign(?:ing|ed)?[ -]?in|authenticate|credentials?|creds|connect)\b"
    rf"(?:[^\n:]{{0,60}}?{_GAP}(?:as|with|using|are|is))?(?:{_GAP}|[ \t]?[:=]{_GAP})"
    rf"(?=[\"']?(?!\d{{1,2}}:\d\d\b)[^\s:/@\"']{{1,60}}:[^\s/:])",
    re.IGNORECASE,
)
_FLAG = re.compile(r"(?<![\w-])--([A-Za-z][\w-]{1,60})(?:=|[ \t]{1,3})(?=[^\s-])")
_SEPARATOR = re.compile(r"[ \t]{0,3}(?:=>|:=|[:=])[ \t]{0,3}(?:\r?\n[ \t]{0,20})?")
_NAME_BACKWARDS = re.compile(r"[\"'`\]*]{0,3}([\w.$-]{1,60}(?: [\w.$-]{1,60}){0,2})([?&]?)")
_IN_URL = frozenset({"sig", "signature", "key", "code", "jwt", "hmac"})
_SHORT = frozenset({"pass", "pw"})

_SENTENCE_END = re.compile(r"[\n;]|\.(?=\s|\Z)|[!?](?=\s|\Z)|,[ \t]{1,3}(?=[\w-]{1,40}[ \t]{0,3}[:=])")
_QUOTED = {quote: re.compile(rf"(?:[^{quote}\\\n]|\\.){{1,{_MOST}}}(?={quote})") for quote in "\"'`"}
_WORD = re.compile(r"(?:[^\s\"'`<>]|[\"'`](?=\w)){1,2000}")
_URL_PART = re.compile(r"[^\s\"'`<>&#]{1,4000}")
_JSON_SCALAR = re.compile(r"[^\s,}\]]{1,500}")

# --- what the names of properties say


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


_BREAKS = re.compile(r"(?<=[a-z\d])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])|[^A-Za-z\d]+")
_SURE = _set(
    "password passwords passwd passphrase passcode pwd secret secrets credential credentials apikey apikeys bearer dsn"
    " otp totp pincode cvv cvc ssn jwt"
)
_GLUED = (
    *("password", "passwd", "passphrase", "secret", "apikey", "accesstoken", "authtoken", "accesskey", "privatekey"),
    *("secretkey", "connectionstring"),
)
_PAIRS = _set(
    "pass-word pass-words pass-phrase pass-code pass-wd api-key api-keys access-key private-key secret-key signing-key"
    " encryption-key auth-key service-key account-key session-key session-id connection-string conn-string conn-str"
    " database-url db-url security-code verification-code card-number social-security pin-code"
)
_LIKELY = _set("token tokens auth authorization authentication pin cookie cookies pass pw")
_AFTER_LIKELY = _set("value string header key code data text")
_BEFORE_SHORT = _set("db user smtp mysql admin root ftp http basic auth login proxy")
_COUNTED = _set(
    "page pagination paging next previous prev continuation cursor sync max min count limit total budget num public"
    " estimated usage"
)
_ABOUT = _set(
    "name names arn policy length type types version count hint required enabled expiry expires expiration ttl strategy"
    " mode method provider scheme url uri endpoint"
)
_STATED = frozenset({"default", "example", "examples", "const", "enum", "value"})
"""Keywords of a schema that show values."""
_SCHEMA = frozenset({"type", "$ref", "anyOf", "oneOf", "allOf", "properties", "items"})


def hidden(text: str) -> str:
    """`text` with `[secret]` in place of all that looks like a credential."""
    text = _without_values(text)
    parts: list[str] = []
    done = 0
    for start, end in sorted(_spans(text)):
        if end > done:
            if start >= done:
                parts += (text[done:start], HIDDEN)
            done = end
    return "".join((*parts, text[done:]))


def is_secret_name(name: str) -> bool:
    """Whether a property of this name holds a credential: `apiKey`, `db_password`; not `next_page_token`."""
    words = [word.lower() for word in _BREAKS.split(name[:100]) if word]
    if not words:
        return False
    pairs = [f"{first}-{second}" for first, second in pairwise(words)]
    if pairs and pairs[-1] in _PAIRS:
        return _COUNTED.isdisjoint(words)
    if words[-1] in _ABOUT:
        return False
    if not _SURE.isdisjoint(words) or any(word.endswith(_GLUED) for word in words):
        return True
    return _COUNTED.isdisjoint(words) and (not _PAIRS.isdisjoint(pairs) or _is_likely(words))


def holds_hidden(value: Any) -> bool:
    """Whether something of what was hidden stands in a value."""
    if isinstance(value, str):
        return HIDDEN in value or "***" in value
    if isinstance(value, dict):
        return any(holds_hidden(one) for one in value.values())
    return isinstance(value, list) and any(holds_hidden(one) for one in value)


def _is_likely(words: list[str]) -> bool:
    """Whether the last word that counts is one for credentials."""
    while len(words) > 1 and words[-1] in _AFTER_LIKELY:
        words = words[:-1]
    if words[-1] in _SHORT:
        return len(words) == 1 or words[-2] in _BEFORE_SHORT
    return words[-1] in _LIKELY


def _spans(text: str) -> Iterator[Span]:
    """What is to be hidden, in any order; spans may overlap."""
    for shape in _SHAPES:
        yield from (match.span() for match in shape.finditer(text))
    yield from (match.span() for match in _LONG.finditer(text) if _is_random(match[0]))
    for match in _DIGITS.finditer(text):
        yield from _cards(text, match.span())
    yield from _kept(_sentence(text, match.end()) for match in _SENTENCE_AFTER.finditer(text))
    yield from _kept(_word(text, match.end()) for match in _WORD_AFTER.finditer(text))
    yield from _kept(_word(text, match.end()) for match in _FLAG.finditer(text) if is_secret_name(match[1]))
    done = 0
    for match in _SEPARATOR.finditer(text):
        if match.start() >= done and (span := _assigned(text, match)) and span[0] < span[1]:
            yield span
            done = span[1]


def _kept(spans: Iterable[Span | None]) -> Iterator[Span]:
    return (span for span in spans if span and span[0] < span[1])


def _assigned(text: str, separator: re.Match[str]) -> Span | None:
    """The value after a separator, if the name before it is one of a credential."""
    before, at = _named(text, separator.start()), separator.end()
    if before is None or text[at : at + 1] in ("{", "["):
        return None
    name, is_in_url = before
    if is_in_url:
        return _match(_URL_PART, text, at) if _is_secret(name) or name.lower().split("-")[-1] in _IN_URL else None
    if not _is_secret(name):
        return None
    if "=" in separator[0]:
        return _word(text, at)
    is_key = text[separator.start() - 1] in "\"'"
    return _quoted(text, at) or (_match(_JSON_SCALAR, text, at) if is_key else _sentence(text, at))


def _named(text: str, at: int) -> tuple[str, bool] | None:
    """The name that ends at a place, of up to three words; and whether it is that of a parameter in a URL."""
    before = text[max(0, at - 90) : at]
    found = _NAME_BACKWARDS.match(before[::-1])
    if found is None or before.endswith(HIDDEN):
        return None
    return found[1][::-1], bool(found[2])


def _is_secret(name: str) -> bool:
    return is_secret_name(name) or name.lower().rpartition(" ")[2] in _SHORT


def _word(text: str, at: int) -> Span | None:
    """What is in quotes there, or one word without the punctuation after it."""
    if quoted := _quoted(text, at):
        return quoted
    if text[at : at + 1] in _QUOTED:
        return _sentence(text, at)  # of quotes that do not end
    found = None if text.startswith(HIDDEN, at) else _WORD.match(text, at)
    return (at, at + len(found[0].rstrip(",;.)]}"))) if found else None


def _sentence(text: str, at: int) -> Span | None:
    """What is in quotes there, or all up to the end of the line or the sentence."""
    if quoted := _quoted(text, at):
        return quoted
    if text.startswith(HIDDEN, at):
        return None
    last = min(len(text), at + _MOST)
    stop = _SENTENCE_END.search(text, at, last)
    return at, stop.start() + (stop[0] in "!?") if stop else last


def _quoted(text: str, at: int) -> Span | None:
    quote = text[at : at + 1]
    return _match(_QUOTED[quote], text, at + 1) if quote in _QUOTED else None


def _match(pattern: re.Pattern[str], text: str, at: int) -> Span | None:
    found = pattern.match(text, at)
    return found.span() if found else None


def _cards(text: str, span: Span) -> Iterator[Span]:
    """The numbers of payment cards in a run of digits, whole groups of them."""
    groups = [match.span() for match in _GROUP.finditer(text, *span)]
    first = 0
    while first < len(groups):
        digits = ""
        for last in range(first, min(first + 19, len(groups))):
            digits += text[slice(*groups[last])]
            if len(digits) > 19:
                break
            if _CARD.fullmatch(digits) and _adds_up(digits):
                yield groups[first][0], groups[last][1]
                first = last
                break
        first += 1


def _adds_up(digits: str) -> bool:
    """Luhn's check."""
    doubled = (sum(divmod(2 * int(digit), 10)) for digit in digits[-2::-2])
    return (sum(map(int, digits[-1::-2])) + sum(doubled)) % 10 == 0


def _is_random(text: str) -> bool:
    """Whether a long word is of no language: letters in both cases and digits; not ids and commits in hex."""
    if re.fullmatch(r"[0-9a-f]{24}|[0-9a-f]{40}|[0-9]+", text) or text.count("/") > 2:
        return False
    if re.fullmatch(r"[0-9a-fA-F]{32,}", text):
        return True
    digits = sum(map(str.isdecimal, text))
    return digits >= 3 and any(map(str.isupper, text)) and any(map(str.islower, text))


# --- JSON: objects and lists behind the name of a credential

_OPENING = re.compile(r"[\"']?[ \t]{0,3}[:=]\s{0,20}(?=[{\[](?!secret\]))")
_DECODER = json.JSONDecoder()


def _without_values(text: str) -> str:
    """`text` without what objects and lists behind the name of a credential hold; of a schema only values go."""
    parts: list[str] = []
    done = 0
    for match in _OPENING.finditer(text):
        before = _named(text, match.start()) if match.start() >= done else None
        if before is not None and _is_secret(before[0]):
            shown, end = _read(text, match.end())
            parts += (text[done : match.end()], shown)
            done = end
    return "".join((*parts, text[done:]))


def _read(text: str, at: int) -> tuple[str, int]:
    """What may be shown of the JSON at a place, and where that ends; what is none is hidden as far as it was read."""
    try:
        value, end = _DECODER.raw_decode(text, at)
        return json.dumps(_shown(value), ensure_ascii=False), end
    except json.JSONDecodeError as error:
        is_cut = error.msg.startswith("Unterminated") or error.pos >= len(text) - 1
        line_end = text.find("\n", error.pos, error.pos + _MOST)
        return f'"{HIDDEN}"', len(text) if is_cut else line_end if line_end >= 0 else min(len(text), error.pos + _MOST)
    except (ValueError, RecursionError):
        return f'"{HIDDEN}"', len(text)


def _shown(value: Any) -> Any:
    """What is left of the schema of a credential; all else there is hidden."""
    if not isinstance(value, dict) or _SCHEMA.isdisjoint(value):
        return HIDDEN
    return {key: HIDDEN if key in _STATED or key.startswith("x-") else _part(one, key) for key, one in value.items()}


def _part(value: Any, key: str) -> Any:
    """What is left of what stands under one keyword of such a schema."""
    if isinstance(value, dict):
        is_map = key in ("properties", "patternProperties", "$defs", "definitions")
        return {name: _shown(one) for name, one in value.items()} if is_map else _shown(value)
    if isinstance(value, list):
        return [_shown(one) if isinstance(one, dict | list) else one for one in value]
    return value
