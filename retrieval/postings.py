"""Which rows hold which token how often: what BM25 is computed from, kept so that a change costs what changed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain, count, islice

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int32]
_Part = tuple[Ints, Ints, Ints]  # tokens, rows and counts

_ROWS = 10_000  # rows counted at once


@dataclass(frozen=True, slots=True)
class Postings:
    """Aligned arrays, ordered by token and then by row: row `rows[i]` of `size` holds `tokens[i]` `counts[i]` times.

    A token is a place in `vocabulary`, which is sorted and has no token without a row, so
    that the same rows give the same arrays however they came about.
    """

    vocabulary: list[str]
    tokens: Ints
    rows: Ints
    counts: Ints
    size: int

    @classmethod
    def of(cls, token_lists: Iterable[Iterable[str]]) -> Postings:
        """Count the tokens of each row, some rows at once, for a list of all tokens would take ten times the memory."""
        numbers: defaultdict[str, int] = defaultdict(count().__next__)
        parts: list[_Part] = []
        size = 0
        rows = iter(token_lists)
        while some := [[numbers[token] for token in row] for row in islice(rows, _ROWS)]:
            parts.append(_counted(some, size))
            size += len(some)
        return _ordered(list(numbers), parts, size)

    @classmethod
    def merged(cls, parts: Sequence[tuple[Postings, NDArray[np.int64]]], size: int) -> Postings:
        """Return parts as one of `size` rows: row `i` of a part goes to `places[i]`, and out where that is -1."""
        vocabulary = list(dict.fromkeys(token for part, _ in parts for token in part.vocabulary))
        numbers = dict(zip(vocabulary, count()))
        moved: list[_Part] = []
        for part, places in parts:
            here = np.fromiter(map(numbers.__getitem__, part.vocabulary), np.int32, len(part.vocabulary))
            rows = places.astype(np.int32)[part.rows] if len(part.rows) else part.rows
            kept = rows >= 0
            moved.append((here[part.tokens[kept]], rows[kept], part.counts[kept]))
        return _ordered(vocabulary, moved, size)

    @property
    def starts(self) -> NDArray[np.int64]:
        """Where the postings of each token begin, `(tokens + 1,)`."""
        return np.searchsorted(self.tokens, np.arange(len(self.vocabulary) + 1))

    @property
    def lengths(self) -> NDArray[np.float64]:
        """How many tokens each row has, `(size,)`."""
        return np.bincount(self.rows, weights=self.counts, minlength=self.size).astype(np.float64)


def _counted(rows: Sequence[Sequence[int]], first: int) -> _Part:
    """Count the tokens of some rows, the first of which has the number `first`; ordered by token and then by row."""
    lengths = [len(row) for row in rows]
    tokens = np.fromiter(chain.from_iterable(rows), np.int64, sum(lengths))
    pairs = tokens * len(rows) + np.repeat(np.arange(len(rows), dtype=np.int64), lengths)
    found, counts = np.unique(pairs, return_counts=True)
    token, row = np.divmod(found, len(rows))
    return token.astype(np.int32), (row + first).astype(np.int32), counts.astype(np.int32)


def _ordered(vocabulary: list[str], parts: list[_Part], size: int) -> Postings:
    """Number the tokens that are left by their order, and sort; `parts` are taken over, to be free of them early."""
    columns = [np.concatenate([part[n] for part in parts] or [np.empty(0, np.int32)]) for n in range(3)]
    parts.clear()
    held = np.bincount(columns[0], minlength=len(vocabulary)).tolist()
    names = sorted(token for token, n in zip(vocabulary, held, strict=True) if n)
    places = dict(zip(names, count()))
    columns[0] = np.fromiter((places.get(token, -1) for token in vocabulary), np.int32, len(vocabulary))[columns[0]]
    by = np.argsort(columns[0].astype(np.int64) * max(1, size) + columns[1], kind="stable")
    for n in range(3):
        columns[n] = columns[n][by]
    tokens, rows, counts = columns
    return Postings(names, tokens, rows, counts, size)
