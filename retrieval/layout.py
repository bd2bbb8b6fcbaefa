"""Where vectors stand on a map: near where they mean alike.

The layout is metric multidimensional scaling of the angles between centered vectors
(SMACOF: de Leeuw 1977), started from the two main components, so that it is the same for
the same vectors. 400 of them take about 0.1 s.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_ROUNDS = 80
_GAP = 0.035  # of the width of the map, kept between neighbors so that each can be clicked

Floats = NDArray[np.floating]


def layout(vectors: Floats) -> Floats:
    """Return a place in the unit square for every vector, `(n, 2)`; like vectors lie near each other."""
    count = len(vectors)
    if count == 1:
        return np.full((1, 2), 0.5)
    unit = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)
    wanted = np.maximum(np.arccos(np.clip(unit @ unit.T, -1.0, 1.0)), 0.05).astype(np.float32)
    np.fill_diagonal(wanted, 0.0)
    places = _start(unit).astype(np.float32)
    for _ in range(_ROUNDS):
        gaps = _distances(places)
        np.fill_diagonal(gaps, 1.0)
        pull = np.divide(wanted, np.maximum(gaps, np.float32(1e-9), out=gaps), out=gaps)
        places = (places * pull.sum(axis=1)[:, None] - pull @ places) / np.float32(count)
    return _apart(_into_square(places))


def _start(unit: Floats) -> Floats:
    """Return the two main components, signs fixed, with a little spread so that equal vectors are not one point."""
    centered = unit - unit.mean(axis=0)
    _, axes = np.linalg.eigh(centered.T @ centered)  # ascending; several times as fast as the singular values
    kept = min(2, axes.shape[1])
    start = np.zeros((len(unit), 2))
    start[:, :kept] = centered @ axes[:, ::-1][:, :kept]
    signs = np.sign(start[np.argmax(np.abs(start), axis=0), [0, 1]])
    angle = np.arange(len(unit)) * 2.399963  # the golden angle
    return np.asarray(start * np.where(signs == 0, 1, signs) + 1e-3 * np.stack([np.cos(angle), np.sin(angle)], axis=1))


def _distances(places: Floats) -> Floats:
    x, y = (np.subtract.outer(axis, axis) for axis in places.T)
    x *= x
    y *= y
    x += y
    return np.asarray(np.sqrt(x, out=x))  # a third of the time of np.hypot


def _into_square(places: Floats) -> Floats:
    low, high = places.min(axis=0), places.max(axis=0)
    return np.asarray((places - low) / np.maximum(high - low, 1e-9))


def _apart(places: Floats) -> Floats:
    """Push neighbors that cover each other a little apart."""
    gap = min(_GAP, 0.8 / np.sqrt(len(places)))
    for _ in range(40):
        gaps = _distances(places)
        np.fill_diagonal(gaps, 1.0)
        one, other = np.nonzero(gaps < gap)
        if not len(one):
            break
        near = gaps[one, other][:, None]
        push = np.zeros_like(places)
        np.add.at(push, one, (places[one] - places[other]) / np.maximum(near, 1e-6) * (gap - near) / 2)
        places = places + push
    return np.clip(places, -0.05, 1.05)
