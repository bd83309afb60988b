"""A folder with the files of a sentence model, read and checked."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from magictunnel.discovery.embedding.arrays import Array
from magictunnel.discovery.embedding.bert import ACTIVATIONS, Bert, Shape
from magictunnel.discovery.embedding.find import WEIGHTS
from magictunnel.discovery.embedding.safetensors import Weights
from magictunnel.discovery.embedding.wordpiece import SPECIAL, WordPiece
from magictunnel.errors import DiscoveryError

MAX_PIECES = 256
"""Of a text, also where a model could read more."""
_LARGEST_FILE = 64 * 1024 * 1024
_LARGEST_SIZE = 1_000_000
_LAYERS = 48
_HINT = "it has to be a sentence model of BERT's shape with a WordPiece vocabulary, such as all-MiniLM-L6-v2"


class Model:
    """Texts -> vectors of length 1. It is used by one thread at a time."""

    def __init__(self, folder: Path) -> None:
        """Raises DiscoveryError if there is no usable model in `folder`."""
        self._folder = folder
        self._tokenizer = self._read_tokenizer()
        shape = self._read_shape()
        self._bert = Bert(Weights(folder / WEIGHTS), shape)
        self._limit = min(shape.positions, MAX_PIECES, self._read_limit())
        self._prompts = self._read_prompts()
        self.width = shape.width

    def encode(self, text: str, *, is_query: bool = False, limit: int = MAX_PIECES) -> list[int]:
        """The pieces of a text, with what the model wants to stand before a query or a document."""
        return self._tokenizer.encode(self._prompts[is_query] + text, min(limit, self._limit))

    def embed(self, texts: Sequence[Sequence[int]]) -> Array:
        """A vector for each text that `encode` made: (texts, width)."""
        return self._bert.embed(texts)

    def digest(self) -> str:
        """Says which model this is by all that its vectors depend on."""
        whole = hashlib.sha256()
        for name in (WEIGHTS, "config.json", "vocab.txt", "tokenizer.json", "1_Pooling/config.json"):
            path = self._folder / name
            if path.is_file():
                with path.open("rb") as file:
                    whole.update(hashlib.file_digest(file, "sha256").digest())
            whole.update(name.encode())
        whole.update(repr((self._limit, self._prompts)).encode())
        return whole.hexdigest()

    def _read_shape(self) -> Shape:
        config = self._json("config.json")
        if config is None:
            raise self._wrong("it has no config.json")
        if (kind := config.get("model_type", "bert")) != "bert":
            raise self._wrong(f"its model_type is {kind!r:.50}, not 'bert'")
        if (activation := config.get("hidden_act", "gelu")) not in [*ACTIVATIONS]:
            raise self._wrong(f"its hidden_act {activation!r:.50} is not known")
        if config.get("position_embedding_type", "absolute") != "absolute":
            raise self._wrong("its position_embedding_type is not 'absolute'")
        names = ("vocab_size", "max_position_embeddings", "hidden_size", "intermediate_size")
        vocabulary, positions, width, inner = (self._size(config, name) for name in names)
        layers, heads = (self._size(config, name) for name in ("num_hidden_layers", "num_attention_heads"))
        epsilon = config.get("layer_norm_eps", 1e-12)
        if width % heads or layers > _LAYERS or positions < len(SPECIAL) or not _is_small(epsilon):
            raise self._wrong("the sizes in its config.json do not fit together")
        if self._tokenizer.size > vocabulary:
            raise self._wrong(f"its vocabulary has {self._tokenizer.size} pieces, its config.json says {vocabulary}")
        return Shape(
            vocabulary, positions, width, inner, layers, heads, activation, float(epsilon), self._read_is_mean()
        )

    def _read_is_mean(self) -> bool:
        """How pieces become a sentence: what `1_Pooling` says, else their mean."""
        pooling = self._json("1_Pooling/config.json") or {}
        modes = [name for name, is_on in pooling.items() if name.startswith("pooling_mode_") and is_on is True]
        if modes not in ([], ["pooling_mode_mean_tokens"], ["pooling_mode_cls_token"]):
            raise self._wrong("its 1_Pooling/config.json wants neither the mean nor the first piece")
        return modes != ["pooling_mode_cls_token"]

    def _read_limit(self) -> int:
        limit = (self._json("sentence_bert_config.json") or {}).get("max_seq_length")
        return limit if isinstance(limit, int) and limit >= len(SPECIAL) else MAX_PIECES

    def _read_prompts(self) -> tuple[str, str]:
        """What stands before a document, and before a query."""
        prompts = (self._json("config_sentence_transformers.json") or {}).get("prompts")
        prompts = prompts if isinstance(prompts, dict) else {}
        document, query = prompts.get("document", prompts.get("passage")), prompts.get("query")
        return tuple(text[:200] if isinstance(text, str) else "" for text in (document, query))  # type: ignore[return-value]

    def _read_tokenizer(self) -> WordPiece:
        settings = self._json("tokenizer_config.json") or {}
        vocabulary, lowercase = self._read_vocabulary(settings.get("do_lower_case", True) is not False)
        try:
            return WordPiece(vocabulary, lowercase=lowercase)
        except KeyError as error:
            raise self._wrong(f"its vocabulary has no {error}") from error

    def _read_vocabulary(self, lowercase: bool) -> tuple[Mapping[str, int], bool]:
        text = self._text("vocab.txt")
        if text is not None:
            return {piece: number for number, piece in enumerate(text.removesuffix("\n").split("\n"))}, lowercase
        match self._json("tokenizer.json"):
            case {"model": {"type": "WordPiece", "vocab": dict(pieces)}, **others}:
                normalizer = others.get("normalizer")
                normalizer = normalizer if isinstance(normalizer, dict) else {}
                numbers = {piece: number for piece, number in pieces.items() if type(number) is int and number >= 0}
                return numbers, normalizer.get("lowercase", True) is not False
        raise self._wrong("it has neither a vocab.txt nor a tokenizer.json with WordPieces")

    def _size(self, config: Mapping[str, Any], name: str) -> int:
        value = config.get(name)
        if type(value) is not int or not 0 < value <= _LARGEST_SIZE:
            raise self._wrong(f"{name!r} in its config.json is no usable size")
        return value

    def _json(self, name: str) -> dict[str, Any] | None:
        """A file of the folder that holds a JSON object; None if there is no such file."""
        text = self._text(name)
        if text is None:
            return None
        try:
            value = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise self._wrong(f"its {name} is no JSON") from error
        if not isinstance(value, dict):
            raise self._wrong(f"its {name} is no JSON object")
        return value

    def _text(self, name: str) -> str | None:
        path = self._folder / name
        try:
            if not path.is_file():
                return None
            if path.stat().st_size > _LARGEST_FILE:
                raise self._wrong(f"its {name} is larger than {_LARGEST_FILE // 1024 // 1024} MiB")
            return path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise self._wrong(f"its {name} cannot be read: {error}") from error

    def _wrong(self, cause: str) -> DiscoveryError:
        return DiscoveryError(f"sentence model {self._folder}", cause, hint=_HINT)


def _is_small(value: Any) -> bool:
    return isinstance(value, (int, float)) and 0 <= value < 1
