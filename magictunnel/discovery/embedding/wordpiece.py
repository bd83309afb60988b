"""The tokenizer of BERT: text -> numbers of word pieces. Linear in the text; `tests` hold it to its reference."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping
from functools import lru_cache

CHARACTERS_PER_TOKEN = 32
"""Text beyond this many for each token that is wanted is not looked at: a megabyte of blanks has no tokens."""
LONGEST_WORD = 100
"""Characters; a longer word is unknown, as in the reference."""
SPECIAL = ("[CLS]", "[SEP]", "[UNK]")
"""The pieces for the start and the end of a text, and for what has no pieces."""
_CONTINUES = "##"
_UNSEEN = ("Cc", "Cf", "Co", "Cs")
_IDEOGRAPHS = (
    (0x4E00, 0x9FFF),
    (0x3400, 0x4DBF),
    (0x20000, 0x2A6DF),
    (0x2A700, 0x2B73F),
    (0x2B740, 0x2B81F),
    (0x2B920, 0x2CEAF),
    (0xF900, 0xFAFF),
    (0x2F800, 0x2FA1F),
)
_PLAIN = re.compile(r"[a-z0-9]+|[!-/:-@\[-`{-~]")
"""The words of lower-case ASCII, which most texts are made of."""
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


class WordPiece:
    """A vocabulary (piece -> number) and how it is used."""

    def __init__(self, vocabulary: Mapping[str, int], *, lowercase: bool = True) -> None:
        """`lowercase`: whether case and accents are dropped first. Raises KeyError without the special pieces."""
        self._vocabulary = vocabulary
        self.size = 1 + max(vocabulary.values(), default=0)
        self._lowercase = lowercase
        self._longest = max(map(len, vocabulary), default=0)
        self._start, self._end, self._unknown = (vocabulary[name] for name in SPECIAL)

    def encode(self, text: str, limit: int) -> list[int]:
        """The numbers of at most `limit` (>= 2) pieces, those for start and end among them.

        Names of special pieces in a text are words like others: a text cannot forge the end of itself.
        """
        numbers = [self._start]
        for word in words(text[: limit * CHARACTERS_PER_TOKEN], lowercase=self._lowercase):
            numbers += self._pieces(word)
            if len(numbers) >= limit:
                break
        return [*numbers[: limit - 1], self._end]

    def _pieces(self, word: str) -> list[int]:
        """The longest piece that the word begins with, and so on; if there is none, the whole word is unknown."""
        if len(word) > LONGEST_WORD:
            return [self._unknown]
        found: list[int] = []
        at = 0
        while at < len(word):
            number, at = self._piece(word, at)
            found.append(number)
            if number == self._unknown:
                return [self._unknown]
        return found

    def _piece(self, word: str, at: int) -> tuple[int, int]:
        """The longest piece at `at`, and where it ends."""
        before = _CONTINUES if at else ""
        for end in range(min(len(word), at + self._longest), at, -1):
            number = self._vocabulary.get(before + word[at:end])
            if number is not None:
                return number, end
        return self._unknown, len(word)


def words(text: str, *, lowercase: bool = True) -> Iterator[str]:
    """The words and punctuation marks of `text`, in order."""
    if lowercase and text.isascii() and not _CONTROL.search(text):
        return iter(_PLAIN.findall(text.lower()))
    return iter(_marked(_cleaned(text, lowercase=lowercase)).split())


def _cleaned(text: str, *, lowercase: bool) -> str:
    """Blanks are spaces, control characters are gone, ideographs stand alone; without case and accents if asked."""
    kept = "".join(_spaced(char) for char in text)
    if not lowercase:
        return kept
    bare = (char for char in unicodedata.normalize("NFD", kept) if unicodedata.category(char) != "Mn")
    # One at a time: what `lower` makes of a whole word depends on the neighbours of a letter (sigma).
    return "".join(char.lower() for char in bare)


def _marked(text: str) -> str:
    """`text` with spaces around every punctuation mark."""
    return "".join(f" {char} " if _is_punctuation(char) else char for char in text)


@lru_cache(maxsize=4096)
def _spaced(char: str) -> str:
    if char in "\t\n\r":
        return " "
    if char == "\ufffd" or unicodedata.category(char) in _UNSEEN:
        return ""
    if char.isspace():
        return " "
    return f" {char} " if _is_ideograph(char) else char


@lru_cache(maxsize=4096)
def _is_punctuation(char: str) -> bool:
    if char.isascii():
        return 33 <= ord(char) <= 126 and not char.isalnum()
    return unicodedata.category(char).startswith("P")


def _is_ideograph(char: str) -> bool:
    return any(first <= ord(char) <= last for first, last in _IDEOGRAPHS)
