"""How the dense and the lexical score of a passage become one. Pure functions and their measured weights."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Weights:
    """What a full lexical share adds to the cosine; tuned on the dev sets (evals/README.md has the table)."""

    words: float = 0.125
    grams: float = 0.125
    question: float = 1.0


def lexical(words: Floats, grams: Floats, weights: Weights) -> Floats:
    """Return one lexical share in [0, 1] per row from the shares of words and of 4-grams."""
    share = weights.words / (weights.words + weights.grams)
    mixed: Floats = np.float32(share) * words + np.float32(1.0 - share) * grams
    return mixed


def fuse(dense: Floats, lexical_share: Floats, weights: Weights) -> Floats:
    """Return cosine plus weighted lexical share, one per row.

    A sum of scores, not of ranks: reciprocal rank fusion throws away how much better the
    dense side is where it is sure, and lost on three of seven sets.
    """
    fused: Floats = dense + np.float32(weights.words + weights.grams) * lexical_share
    return fused
