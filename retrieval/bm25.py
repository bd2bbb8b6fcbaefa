"""The BM25 scores of one field, worked out when the index is built, and their sums for a query.

They lie on disk as bm25s saves them, and its library reads them too. They are read here
without it, since it brings SciPy along, which costs every question on the command line
0.3 s and 30 MB.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
import orjson
from numpy.typing import NDArray

from retrieval.arrays import mapped
from retrieval.postings import Postings

Floats = NDArray[np.float32]
Length = TypeVar("Length", float, NDArray[np.float64])

# Passages are short and of like length, so that a repeated word says little; tuned on nine sets.
K1, B = 0.6, 0.9


@dataclass(frozen=True, slots=True)
class Bm25:
    """Token `t` of `vocabulary` stands in `rows[starts[t]:starts[t + 1]]` of `size`, and is worth `scores` there."""

    vocabulary: dict[str, int]
    starts: NDArray[np.integer]
    rows: NDArray[np.int32]
    scores: Floats
    size: int

    @classmethod
    def of(cls, postings: Postings) -> Bm25:
        """Compute the scores of all postings at once, ten times as fast as bm25s does row by row.

        Lucene (Kamphuis et al., 2020): ln(1 + (N - n + 0.5) / (n + 0.5)) tf / (tf + k1 (1 - b + b l / mean l)).
        """
        held, lengths = np.diff(postings.starts), postings.lengths
        weight = idf(held, postings.size)
        norm = length_norm(lengths, lengths.mean()) if postings.size else lengths
        scores = np.repeat(weight.astype(np.float32), held)
        scores *= postings.counts
        below = norm.astype(np.float32)[postings.rows]
        below += postings.counts
        scores /= below
        return cls(postings.vocabulary, postings.starts.astype(np.int32), postings.rows, scores, postings.size)

    @classmethod
    def load(cls, folder: Path, size: int) -> Bm25:
        """Map the arrays of an index of `size` rows. Raises OSError or ValueError where one is missing or damaged."""
        starts, rows, scores = (mapped(folder / f"{name}.csc.index.npy") for name in ("indptr", "indices", "data"))
        return cls(load_vocabulary(folder), starts, rows, scores, size)

    def holding(self, token: str) -> int:
        """Return how many rows hold a token."""
        number = self.vocabulary.get(token)
        return 0 if number is None else int(self.starts[number + 1] - self.starts[number])

    def shares(self, tokens: list[str]) -> Floats:
        """Return the score of every row as a share in [0, 1]; a token that is asked twice counts twice."""
        scores = np.zeros(self.size, dtype=np.float32)
        for number in (self.vocabulary[t] for t in tokens if t in self.vocabulary):
            part = slice(int(self.starts[number]), int(self.starts[number + 1]))
            scores[self.rows[part]] += self.scores[part]
        return share(scores, float(scores.max(initial=0.0)), self._bound(tokens))

    def _bound(self, tokens: Iterable[str]) -> float:
        """Return the score of a row that holds every token without end: the sum of their weights."""
        return float(idf(np.array([self.holding(t) for t in tokens]), self.size).sum())


def load_vocabulary(folder: Path) -> dict[str, int]:
    """Read the numbers of a field's tokens. Raises OSError or ValueError where they are missing or damaged."""
    vocabulary = orjson.loads((folder / "vocab.index.json").read_bytes())
    if not isinstance(vocabulary, dict):
        raise ValueError(f"a vocabulary that is a {type(vocabulary).__name__}")
    return vocabulary


def share(scores: Floats, best: float, bound: float) -> Floats:
    """Return scores over the geometric mean of the best row's and of the most that any row could reach."""
    return scores / np.float32(math.sqrt(best * bound)) if best > 0 else scores


def length_norm(length: Length, mean: float) -> Length:
    """Return what BM25 adds to the count of a token below the line, for passages of so many tokens."""
    return K1 * (1 - B + B * length / max(mean, 1e-9))


def idf(holding: NDArray[np.integer], size: int) -> NDArray[np.float64]:
    """Return Lucene's inverse document frequency of tokens that stand in `holding` of `size` rows."""
    return np.log1p((size - holding + 0.5) / (holding + 0.5))
