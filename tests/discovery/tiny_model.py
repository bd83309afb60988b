"""A sentence model as small as can be, with random weights, in real files; and the same sums done the long way."""

from __future__ import annotations

import json
import math
import random
import struct
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

Array = list[float]
PIECES = [
    "[PAD]",
    "[UNK]",
    "[CLS]",
    "[SEP]",
    *"abcdefghijklmnopqrstuvwxyz0123456789",
    *(f"##{c}" for c in "abcdelnorst"),
]
PIECES += ["list", "delete", "file", "files", "the", "##s", "repository", "send", "mail"]
WIDTH, INNER, LAYERS, HEADS, POSITIONS = 16, 24, 2, 4, 40
CONFIG: dict[str, Any] = {
    "model_type": "bert",
    "hidden_act": "gelu",
    "vocab_size": len(PIECES),
    "max_position_embeddings": POSITIONS,
    "hidden_size": WIDTH,
    "intermediate_size": INNER,
    "num_hidden_layers": LAYERS,
    "num_attention_heads": HEADS,
}


def shapes() -> dict[str, tuple[int, ...]]:
    """The arrays that a BERT of this size has."""
    found: dict[str, tuple[int, ...]] = {
        "embeddings.word_embeddings.weight": (len(PIECES), WIDTH),
        "embeddings.position_embeddings.weight": (POSITIONS, WIDTH),
        "embeddings.token_type_embeddings.weight": (2, WIDTH),
        **_norm("embeddings.LayerNorm"),
    }
    for layer in (f"encoder.layer.{number}." for number in range(LAYERS)):
        for part in ("attention.self.query", "attention.self.key", "attention.self.value", "attention.output.dense"):
            found |= _linear(layer + part, WIDTH, WIDTH)
        found |= _linear(layer + "intermediate.dense", INNER, WIDTH) | _linear(layer + "output.dense", WIDTH, INNER)
        found |= _norm(layer + "attention.output.LayerNorm") | _norm(layer + "output.LayerNorm")
    return found


def _linear(name: str, outputs: int, inputs: int) -> dict[str, tuple[int, ...]]:
    return {f"{name}.weight": (outputs, inputs), f"{name}.bias": (outputs,)}


def _norm(name: str) -> dict[str, tuple[int, ...]]:
    return {f"{name}.weight": (WIDTH,), f"{name}.bias": (WIDTH,)}


def numbers(seed: int = 1) -> dict[str, Array]:
    """Random weights, by name."""
    dice = random.Random(seed)
    return {name: [dice.gauss(0, 0.5) for _ in range(math.prod(shape))] for name, shape in shapes().items()}


def packed(weights: Mapping[str, Array], dtype: str = "F32", prefix: str = "") -> bytes:
    """A safetensors file."""
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    data = b""
    for name, values in weights.items():
        part = _bytes(values, dtype)
        offsets = [len(data), len(data) + len(part)]
        header[prefix + name] = {"dtype": dtype, "shape": list(shapes()[name]), "data_offsets": offsets}
        data += part
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def _bytes(values: Sequence[float], dtype: str) -> bytes:
    if dtype == "BF16":
        return b"".join(struct.pack("<f", value)[2:] for value in values)
    return struct.pack(f"<{len(values)}{'f' if dtype == 'F32' else 'e'}", *values)


def write_model(folder: Path, *, config: Mapping[str, Any] = CONFIG, weights: bytes | None = None) -> Path:
    """The files of a model."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.safetensors").write_bytes(packed(numbers()) if weights is None else weights)
    (folder / "config.json").write_text(json.dumps(dict(config)))
    (folder / "vocab.txt").write_text("\n".join(PIECES) + "\n")
    return folder


def the_long_way(weights: Mapping[str, Array], text: Sequence[int]) -> Array:
    """The vector of a text, by the book: one number after another, in double precision."""

    def rows(name: str) -> list[Array]:
        width = shapes()[name][-1]
        return [weights[name][at : at + width] for at in range(0, len(weights[name]), width)]

    def linear(name: str, vector: Array) -> Array:
        bias = weights[f"{name}.bias"]
        return [_dot(row, vector) + add for row, add in zip(rows(f"{name}.weight"), bias, strict=True)]

    def norm(name: str, vector: Array) -> Array:
        mean = sum(vector) / len(vector)
        scale = math.sqrt(sum((x - mean) ** 2 for x in vector) / len(vector) + 1e-12)
        pairs = zip(vector, weights[f"{name}.weight"], weights[f"{name}.bias"], strict=True)
        return [(x - mean) / scale * w + b for x, w, b in pairs]

    words, places = rows("embeddings.word_embeddings.weight"), rows("embeddings.position_embeddings.weight")
    kind = rows("embeddings.token_type_embeddings.weight")[0]
    states = [_sum(_sum(words[number], places[at]), kind) for at, number in enumerate(text)]
    states = [norm("embeddings.LayerNorm", state) for state in states]
    for layer in (f"encoder.layer.{number}." for number in range(LAYERS)):
        query, key, value = (
            [linear(f"{layer}attention.self.{part}", state) for state in states] for part in ("query", "key", "value")
        )
        mixed = [_attended(one, key, value) for one in query]
        attended = [
            norm(f"{layer}attention.output.LayerNorm", _sum(linear(f"{layer}attention.output.dense", mix), state))
            for mix, state in zip(mixed, states, strict=True)
        ]
        inner = [[_gelu(x) for x in linear(f"{layer}intermediate.dense", state)] for state in attended]
        states = [
            norm(f"{layer}output.LayerNorm", _sum(linear(f"{layer}output.dense", one), state))
            for one, state in zip(inner, attended, strict=True)
        ]
    mean = [sum(column) / len(states) for column in zip(*states, strict=True)]
    return [x / math.hypot(*mean) for x in mean]


def _attended(query: Array, keys: Sequence[Array], values: Sequence[Array]) -> Array:
    size = WIDTH // HEADS
    out: Array = []
    for head in (slice(at, at + size) for at in range(0, WIDTH, size)):
        scores = [math.exp(_dot(query[head], key[head]) / math.sqrt(size)) for key in keys]
        out += [_dot(scores, column) / sum(scores) for column in zip(*(value[head] for value in values), strict=True)]
    return out


def _gelu(x: float) -> float:
    return x * (1 + math.erf(x / math.sqrt(2))) / 2


def _dot(one: Sequence[float], other: Sequence[float]) -> float:
    return sum(a * b for a, b in zip(one, other, strict=True))


def _sum(one: Array, other: Array) -> Array:
    return [a + b for a, b in zip(one, other, strict=True)]
