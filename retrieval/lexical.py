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
from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from retrieval.errors import IndexCorruptError

Floats = NDArray[np.float32]

_CJK = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af"
# A term is letters and digits, with the joints that technical names have (p-value, nDCG@10, k/v, C++, F#).
_TERM = re.compile(rf"[{_CJK}]+|[^\W{_CJK}]+(?:[-@./'’][^\W{_CJK}]+)*(?:\+\+|#)?")
_JOINT = re.compile(r"[-@./'’_]+")
_GRAM = 4
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
    found: list[str] = []
    for match in _TERM.finditer(_fold(text)):
        term = match.group()
        if "\u3040" <= term[0] <= "\u9fff" or "\uac00" <= term[0] <= "\ud7af":
            found.extend(term[i : i + 2] for i in range(max(1, len(term) - 1)))
            continue
        parts = [part for part in _JOINT.split(term) if part]
        if len(parts) > 1:
            found.append(term.replace("’", "'"))
        found.extend(_stem(part) for part in parts if part not in STOP_WORDS)
    return found


def grams(text: str) -> list[str]:
    """Return the character 4-grams of each word that is not a stop word, its two ends marked, never across words."""
    found: list[str] = []
    for match in _TERM.finditer(_fold(text)):
        for part in _JOINT.split(match.group()):
            if part and part not in STOP_WORDS:
                marked = f"^{part}$"
                found.extend(marked[i : i + _GRAM] for i in range(max(1, len(marked) - _GRAM + 1)))
    return found


class LexicalIndex:
    """Two BM25 indexes over the same rows; row i is `ids[i]`."""

    def __init__(self, ids: NDArray[Any], words_index: Any, grams_index: Any) -> None:
        self.ids = ids
        self._words = words_index
        self._grams = grams_index

    @classmethod
    def build(cls, ids: Sequence[str], texts: Iterable[str]) -> LexicalIndex:
        """Index texts in the order of `ids`."""
        both = [(words(text), grams(text)) for text in texts]
        return cls(np.array(ids, dtype="S32"), _bm25([w for w, _ in both]), _bm25([g for _, g in both]))

    def save(self, folder: Path) -> None:
        """Write the index to a new folder."""
        folder.mkdir(parents=True)
        np.save(folder / "ids.npy", self.ids)
        for name, index in (("words", self._words), ("grams", self._grams)):
            if index is not None:
                index.save(folder / name, show_progress=False)

    @classmethod
    def load(cls, folder: Path) -> LexicalIndex:
        """Open an index memory-mapped. Raises IndexCorruptError if it is missing or damaged."""
        import bm25s

        try:
            ids = np.load(folder / "ids.npy", mmap_mode="r")
            pair = [bm25s.BM25.load(folder / name, mmap=True) if len(ids) else None for name in ("words", "grams")]
        except (OSError, ValueError, KeyError) as error:
            raise IndexCorruptError(
                f"the lexical index at {folder} cannot be opened ({error}); run: prep doctor --fix"
            ) from error
        return cls(ids, *pair)

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


def _bm25(token_lists: list[list[str]]) -> Any:
    import bm25s

    if not token_lists:
        return None
    index = bm25s.BM25(k1=_K1, b=_B, method="lucene")
    index.index(token_lists, show_progress=False)
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


@cache
def _stem(word: str) -> str:
    return str(_stemmer().stemWord(word))


@cache
def _stemmer() -> Any:
    import Stemmer

    return Stemmer.Stemmer("english")
