"""BM25 over stemmed words and over character 4-grams. Owns bm25s and the stemmer.

Words carry exact terms (`nDCG@10`, `C++`, `ROW_NUMBER` are kept whole beside their parts);
4-grams inside words carry misspellings and inflections. Both scores become shares in
[0, 1]: BM25 over the geometric mean of the query's best row and of the most that any row
could reach. A chatty question of which no passage holds much then has no strong row, where
a share of the best alone would give full marks to a passage with its filler words.
"""

from __future__ import annotations

import json
import math
import re
import unicodedata
from collections.abc import Mapping, Sequence
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from retrieval.errors import IndexCorruptError
from retrieval.postings import Postings

Floats = NDArray[np.float32]

_CJK = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af"
# A term is letters and digits, with the joints that technical names have (p-value, nDCG@10, k/v, C++, F#).
_TERM = re.compile(rf"[{_CJK}]+|[^\W{_CJK}]+(?:[-@./'’][^\W{_CJK}]+)*(?:\+\+|#)?")
_JOINT = re.compile(r"[-@./'’_]+")
_GRAM = 4
_TERMS = 2**17  # distinct terms whose tokens are kept at hand, about 60 MB at most
_FIELDS = ("words", "grams")
_COUNTS = "counts-1.npy"  # the number goes up when words() or grams() change, so that no old tokens are taken over
# Passages are short and of like length, so that a repeated word says little; tuned on nine sets.
_K1, _B = 0.6, 0.9

# Function words, and the words people wrap questions in. Measured on the natural and qa dev sets.
STOP_WORDS = frozenset(
    "a an the and or but if then so of to in on at by for from with about as into than that this these those it its "
    "is are was were be been being am do does did doing have has had having will would shall should can could may "
    "might must i me my we us our you your he she they them their his her what which who whom whose how why when "
    "where there here not no nor very just also too s t d ll m re ve".split()
)


def words(text: str) -> list[str]:
    """Return the stemmed words of a text, compounds both whole and in parts, stop words left out."""
    return [word for match in _TERM.finditer(_fold(text)) for word in _words_of(match.group())]


def grams(text: str) -> list[str]:
    """Return the character 4-grams of each word that is not a stop word, its two ends marked, never across words."""
    return [gram for match in _TERM.finditer(_fold(text)) for gram in _grams_of(match.group())]


@lru_cache(_TERMS)
def _words_of(term: str) -> tuple[str, ...]:
    if "\u3040" <= term[0] <= "\u9fff" or "\uac00" <= term[0] <= "\ud7af":
        return tuple(term[i : i + 2] for i in range(max(1, len(term) - 1)))
    parts = [part for part in _JOINT.split(term) if part]
    whole = (term.replace("’", "'"),) if len(parts) > 1 else ()
    return (*whole, *(_stem(part) for part in parts if part not in STOP_WORDS))


@lru_cache(_TERMS)
def _grams_of(term: str) -> tuple[str, ...]:
    marked = [f"^{part}$" for part in _JOINT.split(term) if part and part not in STOP_WORDS]
    return tuple(word[i : i + _GRAM] for word in marked for i in range(max(1, len(word) - _GRAM + 1)))


class LexicalIndex:
    """Two BM25 indexes over the same rows; row i is `ids[i]`. One that was just built has its postings as well."""

    def __init__(
        self, ids: NDArray[Any], words_index: Any, grams_index: Any, postings: tuple[Postings, ...] = ()
    ) -> None:
        self.ids = ids
        self._words = words_index
        self._grams = grams_index
        self._postings = postings

    @classmethod
    def build(cls, ids: Sequence[str], texts: Mapping[str, str], old: Path | None = None) -> LexicalIndex:
        """Index the texts of `ids`, in that order; those that `texts` lacks are taken from the index saved at `old`.

        Raises IndexCorruptError where the old one lacks them too.
        """
        order = {id_: row for row, id_ in enumerate(ids)}
        fresh = [id_ for id_ in ids if id_ in texts]
        places = np.array([order[id_] for id_ in fresh], dtype=np.int64)
        made = [Postings.of([tokens(texts[id_]) for id_ in fresh]).moved(places, len(ids)) for tokens in (words, grams)]
        if len(fresh) < len(ids):
            if old is None:
                raise ValueError("texts are missing, and no older index is named")
            known = saved_ids(old)
            kept = np.array([-1 if id_ in texts else order.get(id_, -1) for id_ in known], dtype=np.int64)
            if np.count_nonzero(kept >= 0) + len(fresh) < len(ids):
                raise IndexCorruptError(f"the lexical index at {old} lacks passages; run: prep doctor --fix")
            made = [
                part.joined(_load_postings(old / name, len(known)).moved(kept, len(ids)))
                for part, name in zip(made, _FIELDS, strict=True)
            ]
        return cls(np.array(ids, dtype="S32"), _bm25(made[0]), _bm25(made[1]), tuple(made))

    def save(self, folder: Path) -> None:
        """Write a newly built index to a new folder."""
        folder.mkdir(parents=True)
        np.save(folder / "ids.npy", self.ids)
        for name, index, postings in zip(_FIELDS, (self._words, self._grams), self._postings, strict=True):
            if index is not None:
                index.save(folder / name, show_progress=False)
                np.save(folder / name / _COUNTS, postings.counts)

    @classmethod
    def load(cls, folder: Path) -> LexicalIndex:
        """Open an index memory-mapped. Raises IndexCorruptError if it is missing or damaged."""
        import bm25s

        try:
            ids = np.load(folder / "ids.npy", mmap_mode="r")
            pair = [bm25s.BM25.load(folder / name, mmap=True) if len(ids) else None for name in _FIELDS]
        except (OSError, ValueError, KeyError) as error:
            raise IndexCorruptError(
                f"the lexical index at {folder} cannot be opened ({error}); run: prep doctor --fix"
            ) from error
        return cls(ids, pair[0], pair[1])

    def __len__(self) -> int:
        return len(self.ids)

    def scores(self, query: str) -> tuple[Floats, Floats]:
        """Return the shares of every row for words and for 4-grams, `(rows,)` each, in [0, 1]."""
        return _shares(self._words, words(query), len(self)), _shares(self._grams, grams(query), len(self))

    def document_share(self, word: str) -> float:
        """Return the share of rows that hold a stemmed word."""
        if self._words is None or (token := self._words.vocab_dict.get(word)) is None:
            return 0.0
        start, end = self._words.scores["indptr"][token : token + 2]
        return float(end - start) / len(self)

    def id(self, row: int) -> str:
        return bytes(self.ids[row]).decode("ascii")


def saved_ids(folder: Path) -> list[str]:
    """Return the ids of a saved index whose postings can be taken over; none where there is no such index."""
    if not all((folder / name / _COUNTS).is_file() for name in _FIELDS):
        return []
    return [bytes(id_).decode("ascii") for id_ in np.load(folder / "ids.npy")]


def _load_postings(folder: Path, size: int) -> Postings:
    starts = np.load(folder / "indptr.csc.index.npy")
    tokens = np.repeat(np.arange(len(starts) - 1, dtype=np.int32), np.diff(starts))
    vocabulary = json.loads((folder / "vocab.index.json").read_text(encoding="utf-8"))
    return Postings(
        sorted(vocabulary, key=vocabulary.__getitem__),
        tokens,
        np.load(folder / "indices.csc.index.npy"),
        np.load(folder / _COUNTS),
        size,
    )


def _bm25(postings: Postings) -> Any:
    """Return what `bm25s.BM25.index` makes of the rows, computed for all postings at once: ten times as fast.

    Lucene (Kamphuis et al., 2020): ln(1 + (N - n + 0.5) / (n + 0.5)) tf / (tf + k1 (1 - b + b l / mean l)).
    """
    import bm25s

    if postings.size == 0:
        return None
    starts = postings.starts
    holding = np.diff(starts)
    idf = np.log1p((postings.size - holding + 0.5) / (holding + 0.5))
    lengths = postings.lengths
    norm = _K1 * (1 - _B + _B * lengths / max(lengths.mean(), 1e-9))
    scores = idf[postings.tokens] * postings.counts / (postings.counts + norm[postings.rows])
    index = bm25s.BM25(k1=_K1, b=_B, method="lucene")
    index.scores = {
        "data": scores.astype(np.float32),
        "indices": postings.rows,
        "indptr": starts.astype(np.int32),
        "num_docs": postings.size,
    }
    index.vocab_dict = {token: number for number, token in enumerate(postings.vocabulary)}
    index.unique_token_ids_set = set(index.vocab_dict.values())
    index.nonoccurrence_array = None
    return index


def _shares(index: Any, tokens: list[str], rows: int) -> Floats:
    if index is None or not (known := [t for t in tokens if t in index.vocab_dict]):
        return np.zeros(rows, dtype=np.float32)
    scores: Floats = index.get_scores(known)
    best = float(scores.max())
    return scores / np.float32(math.sqrt(best * _bound(index, tokens, rows))) if best > 0 else scores


def _bound(index: Any, tokens: list[str], rows: int) -> float:
    """Return the BM25 score of a row that holds every token without end: the sum of their idf (Lucene's)."""
    indptr = index.scores["indptr"]
    total = 0.0
    for token in tokens:
        known = index.vocab_dict.get(token)
        holding = float(indptr[known + 1] - indptr[known]) if known is not None else 0.0
        total += math.log(1.0 + (rows - holding + 0.5) / (holding + 0.5))
    return total


def _fold(text: str) -> str:
    return unicodedata.normalize("NFKC", text).casefold()


def _stem(word: str) -> str:
    return str(_stemmer().stemWord(word))


@cache
def _stemmer() -> Any:
    import Stemmer

    return Stemmer.Stemmer("english")
