"""Which rows hold which token how often: what BM25 is computed from, kept so that a change costs what changed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, count, islice

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int32]
Counts = NDArray[np.integer]
Field = Callable[[str], Sequence[str]]
"""The tokens that a term has in a field."""

_ROWS = 10_000  # counted at once
_POSTINGS = 500_000  # merged at once; larger arrays are mapped and cleared by the system each time, which takes longer


@dataclass(frozen=True, slots=True)
class Postings:
    """The token that `vocabulary` numbers `t` stands `counts[i]` times in row `rows[i]` of `size`, for `i` from
    `starts[t]` up to `starts[t + 1]`, rows ascending.

    The vocabulary is sorted and has no token without a row, so that the same rows give the same
    arrays however they came about; `counts` are of the smallest type that holds them, mostly one byte each.
    """

    vocabulary: dict[str, int]
    starts: NDArray[np.int64]
    rows: Ints
    counts: Counts
    size: int

    @classmethod
    def of(cls, term_lists: Iterable[Sequence[str]], *fields: Field) -> list[Postings]:
        """Count the tokens of each row, whose terms are given, for each field.

        Some rows at once: a list of all tokens would take ten times the memory.
        """
        parts: list[list[tuple[Postings, Ints]]] = [[] for _ in fields]
        size = 0
        rows = iter(term_lists)
        while some := list(islice(rows, _ROWS)):
            places = np.arange(size, size + len(some), dtype=np.int32)
            for part, postings in zip(parts, _counted(some, fields), strict=True):
                part.append((postings, places))
            size += len(some)
        return [part[0][0] if len(part) == 1 else cls.merged(part, size) for part in parts]

    @classmethod
    def merged(cls, parts: Sequence[tuple[Postings, Ints]], size: int) -> Postings:
        """Return parts as one of `size` rows: row `i` of a part goes to `places[i]`, and out where that is -1.

        The tokens are merged range by range; what is read of the parts may be mapped from files.
        """
        vocabulary = _union([part.vocabulary for part, _ in parts])
        theirs = [_numbers_in(vocabulary, part.vocabulary) for part, _ in parts]
        most = np.zeros(len(vocabulary), np.int64)
        for (part, _), here in zip(parts, theirs, strict=True):
            most[here] += np.diff(part.starts)
        rows = np.empty(int(most.sum()), np.int32)
        counts = np.empty(len(rows), np.result_type(np.uint8, *(part.counts.dtype for part, _ in parts)))
        held = np.zeros(len(vocabulary), np.int64)
        done = 0
        for tokens in _ranges(most):
            pieces = [_piece(part, here, tokens, places) for (part, places), here in zip(parts, theirs, strict=True)]
            token, row, times = (np.concatenate(column) for column in zip(*pieces, strict=True))
            token -= tokens.start
            by = np.argsort(token.astype(np.int64) * max(1, size) + row, kind="stable")
            rows[done : done + len(by)], counts[done : done + len(by)] = row[by], times[by]
            held[tokens] = np.bincount(token, minlength=tokens.stop - tokens.start)
            done += len(by)
        if not held.all():
            vocabulary = _numbered(token for token, n in zip(vocabulary, held.tolist(), strict=True) if n)
        starts = np.concatenate([[0], np.cumsum(held[held > 0])])
        return cls(vocabulary, starts, rows[:done], _small(counts[:done]), size)

    @property
    def lengths(self) -> NDArray[np.float64]:
        """How many tokens each row has, `(size,)`."""
        lengths = np.zeros(self.size)
        for start in range(0, len(self.rows), _POSTINGS):
            some = slice(start, start + _POSTINGS)
            lengths += np.bincount(self.rows[some], weights=self.counts[some], minlength=self.size)
        return lengths


def _counted(rows: Sequence[Sequence[str]], fields: Sequence[Field]) -> Iterator[Postings]:
    """Yield the postings of each field; tokens are looked up once for each term, not once for each place of it."""
    names = _numbered(dict.fromkeys(chain.from_iterable(rows)))
    lengths = [len(row) for row in rows]
    term = np.fromiter(map(names.__getitem__, chain.from_iterable(rows)), np.int64, sum(lengths))
    row_of = np.repeat(np.arange(len(rows), dtype=np.int64), lengths)
    for field in fields:
        held = [field(name) for name in names]
        vocabulary = _numbered(sorted(set(chain.from_iterable(held))))
        sizes = np.array([len(tokens) for tokens in held], dtype=np.int64)
        flat = np.fromiter(map(vocabulary.__getitem__, chain.from_iterable(held)), np.int64, sizes.sum())
        times = sizes[term]  # tokens that each place of a term has
        before = np.cumsum(times) - times
        starts = np.cumsum(sizes) - sizes
        tokens = flat[np.repeat(starts[term] - before, times) + np.arange(times.sum())]
        found, counts = np.unique(tokens * len(rows) + np.repeat(row_of, times), return_counts=True)
        token, row = np.divmod(found, len(rows))
        firsts = np.searchsorted(token, np.arange(len(vocabulary) + 1))
        yield Postings(vocabulary, firsts, row.astype(np.int32), _small(counts), len(rows))


def _numbered(tokens: Iterable[str]) -> dict[str, int]:
    return dict(zip(tokens, count()))


def _union(vocabularies: Sequence[dict[str, int]]) -> dict[str, int]:
    most: dict[str, int] = max(vocabularies, key=len, default={})
    if all(vocabulary.keys() <= most.keys() for vocabulary in vocabularies):
        return most  # a change mostly brings no new token
    return _numbered(sorted(dict.fromkeys(chain.from_iterable(vocabularies))))


def _numbers_in(all_tokens: dict[str, int], some: dict[str, int]) -> Ints:
    if some is all_tokens:
        return np.arange(len(some), dtype=np.int32)
    return np.fromiter(map(all_tokens.__getitem__, some), np.int32, len(some))


def _small(counts: Counts) -> Counts:
    return counts.astype(np.min_scalar_type(int(counts.max(initial=0))), copy=False)


def _ranges(sizes: NDArray[np.int64]) -> Iterator[slice]:
    """Yield ranges of tokens that together have about `_POSTINGS` postings, or one token that has more."""
    ends = np.cumsum(sizes)
    start = 0
    while start < len(sizes):
        below = ends[start - 1] if start else 0
        stop = max(start + 1, int(np.searchsorted(ends, below + _POSTINGS, side="right")))
        yield slice(start, stop)
        start = stop


def _piece(part: Postings, here: Ints, tokens: slice, places: Ints) -> tuple[Ints, Ints, Counts]:
    """Return the postings of a part for a range of tokens, numbered as `here` says: tokens, rows moved, counts."""
    first, last = np.searchsorted(here, [tokens.start, tokens.stop])
    some = slice(int(part.starts[first]), int(part.starts[last]))
    rows = places[part.rows[some]]
    kept = rows >= 0
    token = np.repeat(here[first:last], np.diff(part.starts[first : last + 1]))
    return token[kept], rows[kept], part.counts[some][kept]
