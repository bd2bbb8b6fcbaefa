"""BM25 over stemmed words and over character 4-grams. Owns bm25s and the stemmer.

Words carry exact terms (`nDCG@10`, `C++`, `ROW_NUMBER` are kept whole beside their parts);
4-grams inside words carry misspellings and inflections. Both scores become shares in
[0, 1]: BM25 over the geometric mean of the query's best row and of the most that any row
could reach. A chatty question of which no passage holds much then has no strong row, where
a share of the best alone would give full marks to a passage with its filler words.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence, Set
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, cached_property, lru_cache
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from retrieval import fusion
from retrieval.arrays import mapped
from retrieval.bm25 import K1, B, Bm25, Floats, load_vocabulary
from retrieval.errors import IndexCorruptError
from retrieval.fusion import Weights
from retrieval.index import Where
from retrieval.postings import Postings

_CJK = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af"
# A term is letters and digits, with the joints that technical names have (p-value, nDCG@10, k/v, C++, F#).
_TERM = re.compile(rf"[{_CJK}]+|[^\W{_CJK}]+(?:[-@./'’][^\W{_CJK}]+)*(?:\+\+|#)?")
_JOINT = re.compile(r"[-@./'’_]+")
_GRAM = 4
_UNSEEN = 0.5  # rows that a word in none of them is counted in
_TERMS = 2**17  # distinct terms whose tokens are kept at hand, about 60 MB at most
_FIELDS = ("words", "grams")
TOKENS = 2  # goes up when words() or grams() change, so that no old tokens are taken over
_COUNTS = f"counts-{TOKENS}.npy"

# Function words, and the words people wrap questions in. Measured on the natural and qa dev sets.
STOP_WORDS = frozenset(
    "a an the and or but if then so of to in on at by for from with about as into than that this these those it its "
    "is are was were be been being am do does did doing have has had having will would shall should can could may "
    "might must i me my we us our you your he she they them their his her what which who whom whose how why when "
    "where there here not no nor very just also too use used using s t d ll m re ve".split()
)


def words(text: str) -> list[str]:
    """Return the stemmed words of a text, compounds both whole and in parts, stop words left out.

    A compound with hyphens is whole without them: people write trade-off and tradeoff, k-means and kmeans.
    """
    return [word for match in _TERM.finditer(_fold(text)) for word in _words_of(match.group())]


def grams(text: str) -> list[str]:
    """Return the character 4-grams of each word that is not a stop word, its two ends marked, never across words."""
    return [gram for match in _TERM.finditer(_fold(text)) for gram in _grams_of(match.group())]


@lru_cache(_TERMS)
def _words_of(term: str) -> tuple[str, ...]:
    if "\u3040" <= term[0] <= "\u9fff" or "\uac00" <= term[0] <= "\ud7af":
        return tuple(term[i : i + 2] for i in range(max(1, len(term) - 1)))
    parts = [part for part in _JOINT.split(term) if part]
    whole = (_whole(term),) if len(parts) > 1 else ()
    return (*whole, *(_stem(part) for part in parts if part not in STOP_WORDS))


def _whole(term: str) -> str:
    if "-" in term and term.replace("-", "").isalpha():
        return _stem(term.replace("-", ""))
    return term.replace("’", "'")


@lru_cache(_TERMS)
def _grams_of(term: str) -> tuple[str, ...]:
    marked = [f"^{part}$" for part in _JOINT.split(term) if part and part not in STOP_WORDS]
    return tuple(word[i : i + _GRAM] for word in marked for i in range(max(1, len(word) - _GRAM + 1)))


@dataclass(frozen=True, slots=True)
class Allowed:
    """A filter as the index takes it, and the passages that it lets through."""

    where: Where
    ids: Set[str]


class LexicalMatch(Protocol):
    """How the words of one question match the passages of a library."""

    def best(self, depth: int, allowed: Allowed | None = None) -> set[str]:
        """Return the ids of the `depth` best that share a token with the question, of those allowed."""
        ...

    def scores(self, ids: Sequence[str]) -> Floats:
        """Return the lexical score of passages, in [0, 1], in their order."""
        ...


class Lexical(Protocol):
    """The words of all passages of a version, wherever they are looked up."""

    def __len__(self) -> int: ...
    def __contains__(self, id_: object) -> bool: ...
    def rarity(self, word: str) -> float: ...
    def match(self, query: str, weights: Weights) -> LexicalMatch: ...


class LexicalIndex:
    """Two BM25 indexes over the same rows; row i is `ids[i]`. One that was just built has its postings as well."""

    def __init__(self, ids: NDArray[Any], fields: Sequence[Bm25], postings: Sequence[Postings] = ()) -> None:
        self.ids = ids
        self._words, self._grams = fields
        self._postings = postings
        self._rarity: dict[str, float] = {}

    @cached_property
    def rows(self) -> dict[str, int]:
        """The row of each id."""
        return {self.id(row): row for row in range(len(self))}

    @classmethod
    def build(cls, ids: Sequence[str], texts: Mapping[str, str], old: Path | None = None) -> LexicalIndex:
        """Index the texts of `ids`, in that order; those that `texts` lacks are taken from the index saved at `old`.

        Raises IndexCorruptError where the old one lacks them too, or is damaged.
        """
        fresh = [id_ for id_ in ids if id_ in texts]
        made = Postings.of((_TERM.findall(_fold(texts[id_])) for id_ in fresh), _words_of, _grams_of)
        if len(fresh) < len(ids):
            if old is None:
                raise ValueError("texts are missing, and no older index is named")
            order = {id_: row for row, id_ in enumerate(ids)}
            places = np.array([order[id_] for id_ in fresh], dtype=np.int32)
            known = saved_ids(old)
            kept = np.array([-1 if id_ in texts else order.get(id_, -1) for id_ in known], dtype=np.int32)
            if np.count_nonzero(kept >= 0) + len(fresh) < len(ids):
                raise IndexCorruptError(f"the lexical index at {old} lacks passages; run: prep doctor --fix")
            with _damage_told(old):
                made = [
                    Postings.merged([(_load_postings(old / name, len(known)), kept), (new, places)], len(ids))
                    for new, name in zip(made, _FIELDS, strict=True)
                ]
        return cls(np.array(ids, dtype="S32"), [Bm25.of(postings) for postings in made], made)

    def save(self, folder: Path) -> None:
        """Write a newly built index to a new folder."""
        folder.mkdir(parents=True)
        np.save(folder / "ids.npy", self.ids)
        for name, field, postings in zip(_FIELDS, (self._words, self._grams), self._postings, strict=True):
            _save_field(folder / name, field)
            np.save(folder / name / _COUNTS, postings.counts)

    @classmethod
    def load(cls, folder: Path) -> LexicalIndex:
        """Open an index memory-mapped. Raises IndexCorruptError if it is missing or damaged."""
        with _damage_told(folder):
            ids = mapped(folder / "ids.npy")
            return cls(ids, [Bm25.load(folder / name, len(ids)) for name in _FIELDS])

    def __len__(self) -> int:
        return len(self.ids)

    def __contains__(self, id_: object) -> bool:
        return id_ in self.rows

    def match(self, query: str, weights: Weights) -> RowsMatch:
        """Score every row."""
        return RowsMatch(self, fusion.lexical(*self.scores(query), weights))

    def scores(self, query: str) -> tuple[Floats, Floats]:
        """Return the shares of every row for words and for 4-grams, `(rows,)` each, in [0, 1]."""
        return self._words.shares(words(query)), self._grams.shares(grams(query))

    def rarity(self, word: str) -> float:
        """Return the rarity of a stemmed word."""
        if (known := self._rarity.get(word)) is not None:
            return known
        self._rarity[word] = rarity(self._words.holding(word), len(self))
        return self._rarity[word]

    def id(self, row: int) -> str:
        return bytes(self.ids[row]).decode("ascii")


class RowsMatch:
    """The lexical score of every row for one question."""

    def __init__(self, index: LexicalIndex, scores: Floats) -> None:
        self._index = index
        self._scores = scores

    def best(self, depth: int, allowed: Allowed | None = None) -> set[str]:
        scores, rows = self._scores, self._index.rows
        if allowed is not None:
            mask = np.zeros(len(scores), dtype=np.float32)
            mask[[rows[i] for i in allowed.ids if i in rows]] = 1.0
            scores = scores * mask
        count = min(depth, int(np.count_nonzero(scores)))
        if count == 0:
            return set()
        top = np.argpartition(-scores, count - 1)[:count]
        return {self._index.id(int(row)) for row in top}

    def scores(self, ids: Sequence[str]) -> Floats:
        return self._scores[[self._index.rows[i] for i in ids]]


def rarity(holding: int, size: int) -> float:
    """Return ln(1 + N / n) of a stemmed word that `holding` (n) of `size` (N) passages hold.

    It is a kind of inverse document frequency; a word that none holds counts as if half a passage did.
    """
    return math.log1p(size / (holding or _UNSEEN))


def saved_postings(folder: Path) -> list[Postings]:
    """Return the postings of a saved index, those of words and those of 4-grams.

    Raises IndexCorruptError where they are damaged.
    """
    with _damage_told(folder):
        size = len(mapped(folder / "ids.npy"))
        return [_load_postings(folder / name, size) for name in _FIELDS]


def saved_ids(folder: Path) -> list[str]:
    """Return the ids of a saved index whose postings can be taken over; none where there is no such index.

    Raises IndexCorruptError where they are damaged.
    """
    if not all((folder / name / _COUNTS).is_file() for name in _FIELDS):
        return []
    with _damage_told(folder):
        return [bytes(id_).decode("ascii") for id_ in mapped(folder / "ids.npy")]


def _load_postings(folder: Path, size: int) -> Postings:
    vocabulary = load_vocabulary(folder)
    starts, rows = (mapped(folder / f"{name}.csc.index.npy") for name in ("indptr", "indices"))
    if list(vocabulary.values()) != list(range(len(starts) - 1)):
        raise ValueError("a vocabulary that is not in the order of its numbers")
    return Postings(vocabulary, starts.astype(np.int64), rows, mapped(folder / _COUNTS), size)


@contextmanager
def _damage_told(folder: Path) -> Iterator[None]:
    """Turn what the files of a damaged index lead to into one IndexCorruptError."""
    try:
        yield
    except (OSError, ValueError, TypeError, LookupError) as error:
        raise IndexCorruptError(
            f"the lexical index at {folder} cannot be opened ({error}); run: prep doctor --fix"
        ) from error


def load_bm25s() -> Any:
    """Return bm25s, imported at its first use."""
    import bm25s

    return bm25s


def _save_field(folder: Path, field: Bm25) -> None:
    """Write a field as bm25s does, so that its library can open it."""
    index = load_bm25s().BM25(k1=K1, b=B, method="lucene")
    index.scores = {"data": field.scores, "indices": field.rows, "indptr": field.starts, "num_docs": field.size}
    index.vocab_dict = field.vocabulary
    index.nonoccurrence_array = None
    index.save(folder, show_progress=False)


def _fold(text: str) -> str:
    return unicodedata.normalize("NFKC", text).casefold()


def _stem(word: str) -> str:
    return str(_stemmer().stemWord(word))


@cache
def _stemmer() -> Any:
    import Stemmer

    return Stemmer.Stemmer("english")
