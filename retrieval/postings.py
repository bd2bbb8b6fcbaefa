"""Which rows hold which token how often: what BM25 is computed from, kept so that a change costs what changed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import count

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int32]
Numbers = NDArray[np.integer]


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
        """Count the tokens of each row."""
        numbers: defaultdict[str, int] = defaultdict(count().__next__)
        tokens: list[int] = []
        lengths: list[int] = []
        for row in token_lists:
            before = len(tokens)
            tokens.extend(map(numbers.__getitem__, row))
            lengths.append(len(tokens) - before)
        rows = np.repeat(np.arange(len(lengths), dtype=np.int64), lengths)
        pairs = np.array(tokens, dtype=np.int64) * max(1, len(lengths)) + rows
        found, counts = np.unique(pairs, return_counts=True)
        token, row_of = np.divmod(found, max(1, len(lengths)))
        return _ordered(list(numbers), token, row_of, counts, len(lengths))

    def moved(self, places: NDArray[np.int64], size: int) -> Postings:
        """Return the same with row `i` at `places[i]` of `size` rows, left out where that is -1."""
        rows = places[self.rows] if len(self.rows) else self.rows
        kept = rows >= 0
        return _ordered(self.vocabulary, self.tokens[kept], rows[kept], self.counts[kept], size)

    def joined(self, other: Postings) -> Postings:
        """Return both, of the same size, which hold different rows."""
        vocabulary = list(dict.fromkeys([*self.vocabulary, *other.vocabulary]))
        places = dict(zip(vocabulary, count()))
        theirs = np.fromiter(map(places.__getitem__, other.vocabulary), np.int64, len(other.vocabulary))
        return _ordered(
            vocabulary,
            np.concatenate([self.tokens, theirs[other.tokens]]),
            np.concatenate([self.rows, other.rows]),
            np.concatenate([self.counts, other.counts]),
            self.size,
        )

    @property
    def starts(self) -> NDArray[np.int64]:
        """Where the postings of each token begin, `(tokens + 1,)`."""
        return np.searchsorted(self.tokens, np.arange(len(self.vocabulary) + 1))

    @property
    def lengths(self) -> NDArray[np.float64]:
        """How many tokens each row has, `(size,)`."""
        return np.bincount(self.rows, weights=self.counts, minlength=self.size).astype(np.float64)


def _ordered(
    vocabulary: list[str],
    tokens: NDArray[np.integer],
    rows: NDArray[np.integer],
    counts: NDArray[np.integer],
    size: int,
) -> Postings:
    """Number the tokens that are left by their order, and sort."""
    used = np.unique(tokens)
    names = [vocabulary[token] for token in used.tolist()]
    order = sorted(range(len(names)), key=names.__getitem__)
    numbers = np.empty(len(vocabulary), dtype=np.int64)
    numbers[used[order]] = np.arange(len(order))
    tokens = numbers[tokens]
    by = np.argsort(tokens * max(1, size) + rows, kind="stable")
    return Postings(
        [names[i] for i in order],
        tokens[by].astype(np.int32),
        rows[by].astype(np.int32),
        counts[by].astype(np.int32),
        size,
    )
