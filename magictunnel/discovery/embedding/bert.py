"""A sentence model of BERT's shape in numpy: numbers of word pieces -> one vector of length 1.

The texts of a batch stand one after the other in one array, so that no time goes into padding and there is nothing to
mask; only attention, which must not look into a neighbour, takes them one by one.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from magictunnel.discovery.embedding.arrays import Array, np
from magictunnel.discovery.embedding.safetensors import Weights

_EPSILON = 1e-12
_PREFIXES = ("", "bert.", "model.")
"""What may stand before the name of every array of a file."""


@dataclass(frozen=True, slots=True)
class Shape:
    """The sizes a model was trained with, as its `config.json` gives them."""

    vocabulary: int
    positions: int
    width: int
    inner: int
    layers: int
    heads: int
    activation: str
    epsilon: float
    is_mean: bool
    """Whether a sentence is the mean of its pieces; else it is its first."""


@dataclass(frozen=True, slots=True)
class _Linear:
    weight: Array
    bias: Array

    def __call__(self, rows: Array) -> Array:
        out: Array = rows @ self.weight.T
        out += self.bias
        return out


@dataclass(frozen=True, slots=True)
class _Norm:
    weight: Array
    bias: Array
    epsilon: float

    def __call__(self, rows: Array) -> Array:
        """`rows`, changed in place: each has mean 0 and variance 1, then weight and bias."""
        rows -= rows.mean(axis=1, keepdims=True)
        variance = np.einsum("ij,ij->i", rows, rows) / np.float32(rows.shape[1])
        rows /= np.sqrt(variance + np.float32(self.epsilon))[:, None]
        rows *= self.weight
        rows += self.bias
        return rows


@dataclass(frozen=True, slots=True)
class _Layer:
    mixed: _Linear
    """Queries, keys and values in one."""
    attended: _Linear
    attended_norm: _Norm
    inner: _Linear
    outer: _Linear
    outer_norm: _Norm


class Bert:
    """A model, ready to be used by one thread."""

    def __init__(self, weights: Weights, shape: Shape) -> None:
        """Raises DiscoveryError if `weights` are not those of a model of this `shape`."""
        self.shape = shape
        self._activation = ACTIVATIONS[shape.activation]
        loader = _Loader(weights, shape)
        self._words = loader.array("embeddings.word_embeddings.weight", shape.vocabulary, shape.width)
        self._places = loader.rows("embeddings.position_embeddings.weight", shape.positions, shape.width)
        self._places = self._places + loader.first_row("embeddings.token_type_embeddings.weight", shape.width)
        self._norm = loader.norm("embeddings.LayerNorm")
        self._layers = [loader.layer(f"encoder.layer.{number}.") for number in range(shape.layers)]

    def embed(self, texts: Sequence[Sequence[int]]) -> Array:
        """One vector of length 1 for each text (numbers of pieces, 1 to `shape.positions` of them): (texts, width)."""
        ends = np.cumsum([len(text) for text in texts])
        spans = [slice(int(end) - len(text), int(end)) for text, end in zip(texts, ends, strict=True)]
        rows = self._words[np.concatenate([np.asarray(text) for text in texts])].astype(np.float32)
        rows += np.concatenate([self._places[: len(text)] for text in texts])
        rows = self._norm(rows)
        for layer in self._layers:
            rows = self._passed(layer, rows, spans)
        return self._pooled(rows, spans)

    def _passed(self, layer: _Layer, rows: Array, spans: Sequence[slice]) -> Array:
        attended = layer.attended(self._attention(layer.mixed(rows), spans))
        attended += rows
        attended = layer.attended_norm(attended)
        out = layer.outer(self._activation(layer.inner(attended)))
        out += attended
        return layer.outer_norm(out)

    def _attention(self, mixed: Array, spans: Sequence[slice]) -> Array:
        """Every piece as a mixture of the pieces of its own text."""
        heads, width = self.shape.heads, self.shape.width
        out: Array = np.empty((len(mixed), width), np.float32)
        for span in spans:
            queries, keys, values = mixed[span].reshape(-1, 3, heads, width // heads).transpose(1, 2, 0, 3)
            scores = queries @ keys.transpose(0, 2, 1)
            scores -= scores.max(axis=-1, keepdims=True)
            np.exp(scores, out=scores)
            scores /= scores.sum(axis=-1, keepdims=True)
            out[span] = (scores @ values).transpose(1, 0, 2).reshape(-1, width)
        return out

    def _pooled(self, rows: Array, spans: Sequence[slice]) -> Array:
        found: Array = np.stack([rows[span].mean(axis=0) if self.shape.is_mean else rows[span.start] for span in spans])
        found /= np.maximum(np.linalg.norm(found, axis=1, keepdims=True), np.float32(_EPSILON))
        return found


class _Loader:
    """The arrays of a file under the names that BERT gives them."""

    def __init__(self, weights: Weights, shape: Shape) -> None:
        self._weights = weights
        self._shape = shape
        known = (prefix for prefix in _PREFIXES if f"{prefix}embeddings.word_embeddings.weight" in weights)
        self._prefix = next(known, "")

    def array(self, name: str, *shape: int) -> Any:
        return self._weights.array(self._prefix + name, *shape)

    def rows(self, name: str, *shape: int) -> Array:
        return np.require(self.array(name, *shape), np.float32, ["A"])

    def first_row(self, name: str, width: int) -> Array:
        """Of the types of texts we have only the first."""
        first: Array = self.rows(name, self._weights.length(self._prefix + name), width)[0]
        return first

    def linear(self, name: str, outputs: int, inputs: int) -> _Linear:
        return _Linear(self.rows(f"{name}.weight", outputs, inputs), self.rows(f"{name}.bias", outputs))

    def norm(self, name: str) -> _Norm:
        width = self._shape.width
        return _Norm(self.rows(f"{name}.weight", width), self.rows(f"{name}.bias", width), self._shape.epsilon)

    def layer(self, name: str) -> _Layer:
        width, inner = self._shape.width, self._shape.inner
        return _Layer(
            self._mixed(f"{name}attention.self."),
            self.linear(f"{name}attention.output.dense", width, width),
            self.norm(f"{name}attention.output.LayerNorm"),
            self.linear(f"{name}intermediate.dense", inner, width),
            self.linear(f"{name}output.dense", width, inner),
            self.norm(f"{name}output.LayerNorm"),
        )

    def _mixed(self, name: str) -> _Linear:
        """Queries are scaled here once, and not the scores each time."""
        width = self._shape.width
        query, key, value = (self.linear(name + part, width, width) for part in ("query", "key", "value"))
        scale = np.float32(1 / math.sqrt(width / self._shape.heads))
        return _Linear(
            np.concatenate([query.weight * scale, key.weight, value.weight]),
            np.concatenate([query.bias * scale, key.bias, value.bias]),
        )


def _gelu(rows: Array) -> Array:
    """Each x times the normal distribution up to x, which numpy lacks: error below 2e-7 (Abramowitz, Stegun 7.1.26)."""
    size = np.abs(rows) * np.float32(math.sqrt(0.5))
    near = np.float32(1) / (np.float32(1) + np.float32(0.3275911) * size)
    tail = np.float32(1.061405429) * near
    for term in (-1.453152027, 1.421413741, -0.284496736, 0.254829592):
        tail += np.float32(term)
        tail *= near
    tail *= np.exp(-size * size)
    tail *= np.abs(rows) * np.float32(0.5)
    out: Array = np.maximum(rows, np.float32(0)) - tail
    return out


def _gelu_tanh(rows: Array) -> Array:
    inside: Array = rows * rows * rows
    inside *= np.float32(0.044715)
    inside += rows
    inside *= np.float32(math.sqrt(2 / math.pi))
    out: Array = np.tanh(inside)
    out += np.float32(1)
    out *= rows
    out *= np.float32(0.5)
    return out


def _relu(rows: Array) -> Array:
    out: Array = np.maximum(rows, np.float32(0))
    return out


ACTIVATIONS: dict[str, Callable[[Array], Array]] = {
    "gelu": _gelu,
    "gelu_new": _gelu_tanh,
    "gelu_pytorch_tanh": _gelu_tanh,
    "relu": _relu,
}
"""Those a `config.json` may name as `hidden_act`."""
