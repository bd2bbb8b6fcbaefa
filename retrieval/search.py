"""A query to ranked passages: both searches over one union of candidates, fused, near-duplicates collapsed, settled."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from math import ceil

import numpy as np
from numpy.typing import NDArray

from retrieval import abbreviations, fusion
from retrieval.encoder import Encoder
from retrieval.errors import QueryError
from retrieval.fusion import Floats, Weights
from retrieval.index import PassageIndex, Where
from retrieval.lexical import Allowed, Lexical, words
from retrieval.reranker import MOST, Reranker, rerank
from retrieval.text import valid
from retrieval.types import MODES, Entry, Hit, Mode, Passage, PassageKind, Scores

DEPTH = 100  # candidates from each list; recall of the fused top 10 is flat from 50 on
MAX_K = 1000
_SAME = 0.9  # word-set overlap (Jaccard) above which two passages are the same to a reader
_MANY = 5  # passages of one source; further ones lose _CROWD. With four of them recall@10 on the bundled gold falls
_CROWD = 0.1  # recall@10 on all bundled gold is .864 without it and .867 with it, which these queries cannot tell apart
_LOOK = 20  # passages that are looked at for the first ten
_ELSEWHERE = 0.15  # what a list of references or contents loses: it holds the words of an answer and never one
_LISTS = frozenset(
    (
        "references",
        "reference list",
        "bibliography",
        "works cited",
        "further reading",
        "see also",
        "contents",
        "table of contents",
    )
)
_TOKEN = re.compile(r"\w+")


@dataclass(frozen=True, slots=True)
class Filters:
    """What a hit must be; empty means anything. `sources` are paths or folders, `topics` topic names."""

    kinds: tuple[PassageKind, ...] = ()
    topics: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()

    def where(self, holders: Mapping[str, str], of_topics: Sequence[Where] = ()) -> Where | None:
        """Return the filter as the index takes it, given that of each topic.

        `holders` are the paths of the library, each with the one whose passages it has, as
        `Manifest.holders` gives them. Raises QueryError for a source that the library does not have.
        """
        parts: list[Where] = []
        if self.kinds:
            parts.append({"kind": {"$in": list(self.kinds)}})
        if of_topics:
            parts.append(any_of(of_topics))
        if self.sources:
            paths = {
                holder
                for p, holder in holders.items()
                if any(p == s or p.startswith(s.rstrip("/") + "/") for s in self.sources)
            }
            if not paths:
                raise QueryError(f"no source matches {', '.join(self.sources)}; see: prep status --sources")
            parts.append({"path": {"$in": sorted(paths)}})
        if not parts:
            return None
        return parts[0] if len(parts) == 1 else {"$and": parts}


def any_of(parts: Sequence[Where]) -> Where:
    """Return a filter that lets through what one of several does."""
    return parts[0] if len(parts) == 1 else {"$or": list(parts)}


@dataclass(frozen=True, slots=True)
class Candidates:
    """Every candidate with its scores, best first, and what was searched for; arrays are aligned with `ids`.

    `query` holds the words, those of abbreviations that were written out among them, `vector` the sense.
    """

    query: str
    mode: Mode
    vector: Floats
    ids: list[str]
    fused: Floats
    dense: Floats
    lexical: Floats


class Searcher:
    """Searches one generation. Ties break by passage id."""

    def __init__(self, encoder: Encoder, dense: PassageIndex, lexical: Lexical, weights: Weights | None = None) -> None:
        self.encoder = encoder
        self.dense = dense
        self.lexical = lexical
        self.weights = weights or Weights()

    def search(
        self,
        query: str,
        k: int,
        mode: Mode = "hybrid",
        where: Where | None = None,
        reranker: Reranker | None = None,
    ) -> list[Hit]:
        """Return at most `k` hits, and no more than MAX_K, best first.

        Raises QueryError for an empty query, an unknown mode or a `k` below 1.
        """
        if k < 1:
            raise QueryError(f"k is {k}; choose 1 or more")
        found = self.candidates(query, mode=mode, where=where, depth=max(DEPTH, 3 * min(k, MAX_K)))
        return self.ranked(found, k, reranker)

    def ranked(self, found: Candidates, k: int, reranker: Reranker | None = None) -> list[Hit]:
        """Return the best `k` candidates as hits, in the order of the reranker where there is one."""
        if reranker is None:
            return self.hits(found, k)
        return rerank(found.query, self.hits(found, max(k, MOST)), reranker)[:k]

    def candidates(
        self, query: str, *, mode: Mode = "hybrid", where: Where | None = None, depth: int = DEPTH
    ) -> Candidates:
        """Return the union of both candidate lists with every score of every candidate."""
        if not query.strip():
            raise QueryError("the question is empty; type a few words")
        if mode not in MODES:
            raise QueryError(f"no search mode {mode!r}; choose one of {', '.join(MODES)}")
        typed = valid(query)
        query = abbreviations.glossed(typed)
        matches = [self.lexical.match(way, self.weights) for way in dict.fromkeys((typed, query))]
        allowed = Allowed(where, set(self.dense.ids(where))) if where else None
        ids: set[str] = set()
        if mode != "dense":
            ids.update(*(match.best(depth, allowed) for match in matches))
        vector = self._vector(typed, abbreviations.written_out(typed))
        near = self.dense.query(vector, depth, where)
        asked = self.dense.query_questions(vector, depth)
        if mode != "lexical":
            ids |= {i for i in (*near, *asked) if i in self.lexical and (allowed is None or i in allowed.ids)}
        order = sorted(ids)
        dense, question = self._cosines(order, vector, near, asked)
        best = fusion.dense(dense, question, self.weights)
        lexical = np.maximum.reduce([match.scores(order) for match in matches])
        key = {"dense": best, "lexical": lexical, "hybrid": fusion.fuse(best, lexical, self.weights)}[mode]
        top = np.argsort(-key, kind="stable")  # `order` is sorted by id, so ties fall to the smaller id
        return Candidates(query, mode, vector, [order[i] for i in top], key[top], best[top], lexical[top])

    def _vector(self, typed: str, written_out: str) -> Floats:
        """Return the unit vector halfway between the two ways to put a question, mostly one."""
        vector = self.encoder.encode_query(typed)
        if written_out == typed:
            return vector
        both = vector + self.encoder.encode_query(written_out)
        return both / np.linalg.norm(both)

    def hits(self, found: Candidates, k: int) -> list[Hit]:
        """Return the best `k` candidates as hits, those that say the same as a better one folded into it.

        In hybrid search a hit gains where its heading, or the question of its entry, names what is
        asked and little else: of all that mentions dropout, "What is dropout?" wants what is about
        it. Lists of references and contents lose a little, and so do the sixth and later passages
        of one source, so that one long document does not fill a list that another one has
        something to say to.
        """
        k = min(k, MAX_K)
        hits = self._folded_hits(found, max(_LOOK, 2 * k))
        if found.mode == "hybrid":
            asked = frozenset(words(found.query))
            hits = [_moved(hit, self._naming(asked, hit.passage)) for hit in hits]
        return settle(hits)[:k]

    def _naming(self, asked: frozenset[str], passage: Passage) -> float:
        """Return what a passage gains by how like its naming is to the words asked, rare words counting for more."""
        title = passage.locator.title
        named = (
            (passage.entry.question,) if passage.entry else (title, " ".join((title, *passage.locator.heading[-1:])))
        )
        return self.weights.naming * max(self._likeness(asked, frozenset(words(name))) for name in named)

    def _likeness(self, a: frozenset[str], b: frozenset[str]) -> float:
        """Return the weighted Jaccard index of two sets of words, inverse document frequencies being the weights."""
        weight = {word: self.lexical.rarity(word) for word in a | b}
        return sum(weight[word] for word in a & b) / sum(weight.values()) if weight else 0.0

    def _folded_hits(self, found: Candidates, k: int) -> list[Hit]:
        hits: list[Hit] = []
        kept = _Texts()
        for start in range(0, len(found.ids), k):
            if len(hits) == k:
                break
            part = found.ids[start : start + k]
            passages = self.dense.passages(part)
            for offset, id_ in enumerate(part):
                passage = passages[id_]
                tokens = _Tokens(passage.text)
                twin = next((t for t in kept.twins(tokens) if _may_fold(passage, hits[t].passage)), None)
                if twin is not None:
                    hits[twin] = _folded(hits[twin], passage)
                    continue
                if len(hits) == k:
                    return hits
                n = start + offset
                scores = Scores(dense=float(found.dense[n]), lexical=float(found.lexical[n]))
                hits.append(Hit(len(hits) + 1, float(found.fused[n]), scores, passage))
                kept.add(tokens)
        return hits

    def _cosines(
        self, ids: list[str], vector: NDArray[np.float32], near: dict[str, float], asked: dict[str, float]
    ) -> tuple[Floats, Floats]:
        """Return the cosine of every candidate's passage and bare question, fetching what the queries did not give."""
        missing = self.dense.vectors([i for i in ids if i not in near])
        questions = self.dense.question_vectors([i for i in ids if i not in asked])
        dense = [near[i] if i in near else float(missing[i] @ vector) for i in ids]
        question = [asked[i] if i in asked else float(questions[i] @ vector) if i in questions else -1.0 for i in ids]
        return np.array(dense, dtype=np.float32), np.array(question, dtype=np.float32)


def settle(hits: Sequence[Hit]) -> list[Hit]:
    """Return the hits in order once lists of references, and the sixth and later ones of a source, have lost.

    Ties break by passage id.
    """
    seen: Counter[str] = Counter()
    scored = []
    for hit in sorted(hits, key=_place):
        path = hit.passage.locator.path
        lost = (_CROWD if seen[path] >= _MANY else 0.0) + (_ELSEWHERE if points_elsewhere(hit.passage) else 0.0)
        scored.append(_moved(hit, -lost))
        seen[path] += 1
    return [replace(hit, rank=rank) for rank, hit in enumerate(sorted(scored, key=_place), 1)]


def _place(hit: Hit) -> tuple[float, str]:
    return -hit.score, hit.passage.id


def _moved(hit: Hit, by: float) -> Hit:
    if not by:
        return hit
    return replace(hit, score=hit.score + by, scores=replace(hit.scores, settled=hit.scores.settled + by))


def points_elsewhere(passage: Passage) -> bool:
    """Tell whether a passage stands in a section of references or contents."""
    heading = passage.locator.heading
    return bool(heading) and heading[-1].strip(" .:#").casefold() in _LISTS


def _folded(hit: Hit, passage: Passage) -> Hit:
    """Add a place to a hit; of equal texts the one that stands first in the library is the hit's own."""
    mine, other = hit.passage.locator, passage.locator
    if passage.text == hit.passage.text and (other.path, other.span) < (mine.path, mine.span):
        return replace(hit, passage=passage, also=(mine, *hit.also))
    return replace(hit, also=(*hit.also, other))


class _Tokens:
    """The tokens of a text, `all` and the `first` of them.

    Sets whose Jaccard index reaches `_SAME` share one of the first tokens of each in one order
    (the prefix filter of Bayardo, Ma and Srikant, 2007), so that few have to be compared; fewest
    where rare tokens come first, and long ones are rare.
    """

    def __init__(self, text: str) -> None:
        self.all = frozenset(_TOKEN.findall(text.casefold()))
        count = len(self.all)
        self.first = sorted(sorted(self.all), key=len, reverse=True)[: count - ceil(_SAME * count) + 1]

    def like(self, other: _Tokens) -> bool:
        both = len(self.all & other.all)
        return both >= _SAME * (len(self.all) + len(other.all) - both)


class _Texts:
    """Texts by their tokens, to find those that are nearly the same as another."""

    def __init__(self) -> None:
        self._texts: list[_Tokens] = []
        self._by_token: dict[str, list[int]] = defaultdict(list)

    def add(self, text: _Tokens) -> None:
        for token in text.first:
            self._by_token[token].append(len(self._texts))
        self._texts.append(text)

    def twins(self, text: _Tokens) -> Iterator[int]:
        """Yield the numbers of the texts that are nearly the same, as they were added."""
        near = sorted({n for token in text.first for n in self._by_token.get(token, ())})
        return (n for n in near if text.like(self._texts[n]))


def _may_fold(passage: Passage, better: Passage) -> bool:
    """Tell whether two like passages are two places of one text, and not two questions or two parts of one entry.

    What tells insertion from deletion, or L1 from L2, may be one word of a whole entry.
    """
    mine, other = passage.entry, better.entry
    if mine is None or other is None:
        return True
    if _asked(mine) != _asked(other):
        return False
    return mine.id != other.id or passage.locator.span == better.locator.span


def _asked(entry: Entry) -> list[str]:
    """Return the words of a question, whatever their case, spacing and punctuation; C++ and C# are words."""
    return re.findall(r"[\w+#]+", entry.question.casefold())
