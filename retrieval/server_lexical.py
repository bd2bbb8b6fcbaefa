"""Words matched by a Chroma server that searches sparse vectors, in the place of an index on the reader's machine.

The server names the passages that share most with a question. Their BM25 scores are worked out
here, from their texts and from how many passages hold each token (`words.json`, written with each
version), so that they are those of the local index and both stores give the same hits.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import orjson

from retrieval import fusion
from retrieval.bm25 import Floats, idf, length_norm, share
from retrieval.errors import IndexCorruptError
from retrieval.fusion import Weights
from retrieval.index import Where
from retrieval.lexical import Allowed, rarity, saved_postings
from retrieval.server_index import ServerIndex
from retrieval.sparse import FIELDS, counted, query_vector
from retrieval.types import embedded_text

FILE_NAME = "words.json"
_LEADERS = 200  # passages named for each field; the best of each is among them
_WIDER = 2  # so many times the best of both fields are asked of each; on the bundled gold 99.8 % of them are found then


class Field(NamedTuple):
    """How many passages hold each token of a field, and how many tokens a passage has in the mean."""

    holding: Mapping[str, int]
    mean: float


@dataclass(frozen=True, slots=True)
class WordStatistics:
    """What BM25 has to know of all passages of a version: their number, and the fields of words and of 4-grams."""

    size: int
    fields: tuple[Field, ...]

    @classmethod
    def of_index(cls, lexical: Path) -> WordStatistics:
        """Return those of a saved lexical index. Raises IndexCorruptError where it is damaged."""
        saved = saved_postings(lexical)
        fields = (
            Field(
                dict(zip(p.vocabulary, np.diff(p.starts).tolist(), strict=True)),
                float(p.lengths.sum()) / max(1, p.size),
            )
            for p in saved
        )
        return cls(saved[0].size, tuple(fields))

    def write(self, folder: Path) -> None:
        (folder / FILE_NAME).write_bytes(orjson.dumps({"size": self.size, "fields": [tuple(f) for f in self.fields]}))

    @classmethod
    def read(cls, folder: Path) -> WordStatistics:
        """Read those of a version. Raises IndexCorruptError where they are missing or malformed."""
        path = folder / FILE_NAME
        try:
            said = orjson.loads(path.read_bytes())
            of_words, of_grams = (Field(dict(holding), float(mean)) for holding, mean in said["fields"])
            if not all(type(n) is int for field in (of_words, of_grams) for n in field.holding.values()):
                raise ValueError("a count that is no number")
            return cls(int(said["size"]), (of_words, of_grams))
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise IndexCorruptError(f"{path} cannot be read ({error}); run: prep doctor --fix") from error


class ServerLexical:
    """The words of one version; what is asked of them is what is asked of a `LexicalIndex`."""

    def __init__(self, folder: Path, index: ServerIndex) -> None:
        self._statistics = WordStatistics.read(folder)
        self._index = index

    def __len__(self) -> int:
        return self._statistics.size

    def __contains__(self, id_: object) -> bool:
        return id_ in self._index

    def rarity(self, word: str) -> float:
        return rarity(self._statistics.fields[0].holding.get(word, 0), len(self))

    def match(self, query: str, weights: Weights) -> ServerMatch:
        asked = tuple(Counter(tokens(query)) for tokens in FIELDS)
        return ServerMatch(self._index, self._statistics, asked, weights)


class ServerMatch:
    """How the words of one question match; the text of a passage is fetched when it is scored."""

    def __init__(
        self, index: ServerIndex, statistics: WordStatistics, asked: Sequence[Counter[str]], weights: Weights
    ) -> None:
        self._index = index
        self._weights = weights
        self._means = [field.mean for field in statistics.fields]
        self._worth = [_worth(tokens, f, statistics.size) for tokens, f in zip(asked, statistics.fields, strict=True)]
        self._vectors = [
            query_vector(n, {token: worth[token] for token in worth.keys() & field.holding.keys()})
            for n, (worth, field) in enumerate(zip(self._worth, statistics.fields, strict=True))
        ]
        self._sums: dict[str, tuple[float, ...]] = {}
        self._leaders = self._named(_LEADERS, None)
        self._best = self._summed(self._leaders).max(axis=0, initial=0.0)

    def best(self, depth: int, allowed: Allowed | None = None) -> set[str]:
        """Return what `LexicalMatch.best` does; the server applies the filter itself."""
        known = allowed is None and _WIDER * depth <= _LEADERS
        ids = self._leaders if known else self._named(_WIDER * depth, allowed.where if allowed else None)
        scores = self.scores(ids)
        return {ids[n] for n in np.argsort(-scores, kind="stable")[:depth].tolist() if scores[n] > 0}

    def scores(self, ids: Sequence[str]) -> Floats:
        """Return the lexical score of passages, in [0, 1], in their order."""
        bounds = [sum(worth.values()) for worth in self._worth]
        columns = zip(self._summed(ids).T, self._best.tolist(), bounds, strict=True)
        of_words, of_grams = (share(sums, best, bound) for sums, best, bound in columns)
        return fusion.lexical(of_words, of_grams, self._weights)

    def _named(self, depth: int, where: Where | None) -> list[str]:
        return sorted(self._index.sharing([v for v in self._vectors if v.indices], depth, where))

    def _summed(self, ids: Sequence[str]) -> Floats:
        """Return the BM25 score of passages in each field, `(ids, fields)`."""
        unknown = [id_ for id_ in ids if id_ not in self._sums]
        for id_, passage in self._index.passages(unknown).items():
            fields = zip(counted(embedded_text(passage)), self._worth, self._means, strict=True)
            self._sums[id_] = tuple(_bm25(counts, worth, mean) for counts, worth, mean in fields)
        return np.array([self._sums[id_] for id_ in ids], dtype=np.float32).reshape(len(ids), len(self._means))


def _worth(asked: Counter[str], field: Field, size: int) -> dict[str, float]:
    """Return the inverse document frequency of each token that is asked, as often as it is asked."""
    weights = idf(np.array([field.holding.get(token, 0) for token in asked], dtype=np.int64), size)
    return {token: times * weight for (token, times), weight in zip(asked.items(), weights.tolist(), strict=True)}


def _bm25(counts: Counter[str], worth: Mapping[str, float], mean: float) -> float:
    norm = length_norm(counts.total(), mean)
    return sum(worth[token] * counts[token] / (counts[token] + norm) for token in worth if token in counts)
