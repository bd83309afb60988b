"""Learning linear weights with numpy: which of many is right (listwise), and yes or no (logistic)."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

Array = Any
"""A numpy array; numpy is no dependency of ours, so types stop here."""
STEPS = 600


def matrix(rows: Sequence[Mapping[str, float]], names: Sequence[str]) -> Array:
    """Rows of named features -> (rows, names)."""
    return np.array([[row.get(name, 0.0) for name in names] for row in rows], dtype=float).reshape(-1, len(names))


def folds(groups: Sequence[str], count: int = 10) -> Array:
    """A fold for each group's members, the same in every run."""
    return np.array([int(hashlib.sha256(group.encode()).hexdigest(), 16) % count for group in groups])


def listwise(
    tables: Sequence[Array],
    right: Sequence[Array],
    shares: Array,
    bounds: tuple[Array, Array],
    l2: float,
    toward: Array | None = None,
) -> Array:
    """Weights under which the right rows of each table have most of its softmax.

    `tables`: per request (candidates, features). `right`: per request (candidates,) of 0 and 1. `shares`: (requests,)
    what each counts. `bounds`: the least and the most of each weight. `l2`: how hard weights on features of variance 1
    are held at `toward`, or else at 0.
    """
    usable = [at for at, mark in enumerate(right) if 0 < mark.sum() < len(mark)]
    stacked = np.concatenate([tables[at] for at in usable])
    scale = stacked.std(0) + 1e-9
    stacked = stacked / scale
    home = 0.0 if toward is None else toward * scale
    marks = np.concatenate([right[at] for at in usable])
    lengths = np.array([len(tables[at]) for at in usable])
    starts = np.concatenate([[0], np.cumsum(lengths)[:-1]])
    owner = np.repeat(np.arange(len(usable)), lengths)
    share = shares[usable] / shares[usable].sum()

    def loss(weights: Array) -> tuple[float, Array]:
        scores = stacked @ weights
        raised = np.exp(scores - np.maximum.reduceat(scores, starts)[owner])
        whole, good = np.add.reduceat(raised, starts), np.add.reduceat(raised * marks, starts)
        slope = (raised / whole[owner] - raised * marks / good[owner]) * share[owner]
        away = weights - home
        value = -(share * np.log(good / whole)).sum() + l2 * away @ away
        return float(value), stacked.T @ slope + 2 * l2 * away

    return _descended(loss, stacked.shape[1], bounds) / scale


def _descended(loss: Any, size: int, bounds: tuple[Array, Array]) -> Array:
    """The minimum of a convex `loss` within `bounds`: accelerated projected gradient with backtracking."""
    weights = ahead = np.zeros(size)
    step, pace, last = 1.0, 1.0, np.inf
    for _ in range(STEPS):
        value, slope = loss(ahead)
        while True:
            moved = np.clip(ahead - step * slope, *bounds)
            change = moved - ahead
            if loss(moved)[0] <= value + slope @ change + change @ change / (2 * step) + 1e-12:
                break
            step /= 2
        now = loss(moved)[0]
        faster = (1 + np.sqrt(1 + 4 * pace * pace)) / 2 if now <= last else 1.0
        ahead = moved + ((pace - 1) / faster if now <= last else 0.0) * (moved - weights)
        if abs(last - now) < 1e-8:
            return moved
        weights, pace, last, step = moved, faster, now, step * 1.2
    return weights


def logistic(table: Array, truth: Array, shares: Array, l2: float = 1e-3) -> Array:
    """Weights whose sum tells how probable `truth` is (Newton's method). The first column is 1 and is not held back."""
    weights = np.zeros(table.shape[1])
    held = np.full(table.shape[1], 2 * l2)
    held[0] = 0.0
    share = shares / shares.sum()
    for _ in range(50):
        probable = 1 / (1 + np.exp(-np.clip(table @ weights, -30, 30)))
        slope = table.T @ (share * (probable - truth)) + held * weights
        curve = (table * (share * probable * (1 - probable))[:, None]).T @ table + np.diag(held + 1e-9)
        move = np.linalg.solve(curve, slope)
        weights = weights - move
        if np.abs(move).max() < 1e-8:
            break
    return weights


def places(scores: Sequence[Array], right: Sequence[Array]) -> Array:
    """Per request the place of the first that is right, from 0; 999 if none is."""
    found: list[int] = []
    for score, mark in zip(scores, right, strict=True):
        hits = np.nonzero(mark[np.argsort(-score, kind="stable")])[0].tolist() if len(score) else []
        found.append(hits[0] if hits else 999)
    return np.array(found)
