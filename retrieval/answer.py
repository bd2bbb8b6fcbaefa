"""Hits to a short extractive answer: verbatim sentences in reading order, each with its citation.

One passage carries the answer, so that it reads as one thought: a question entry is
answered by its reference answer, prose by the sentences around the one that answers best.
Sentences of other passages join only where they score nearly as well and say something else.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from retrieval.encoder import Encoder, Vectors
from retrieval.lexical import words
from retrieval.search import points_elsewhere
from retrieval.text import plain, sentences
from retrieval.types import Citation, Hit, Locator, Passage, Sentence

MAX_SENTENCES = 6
ENTRY_MATCH = 0.75  # cosine of question to question above which the entry's reference answer is the answer
_HITS = 5  # hits that sentences are taken from
_CORE = 3  # sentences of the carrying passage when it is prose
_MARGIN = 0.08  # a sentence of another passage this far below the best is left out
_HIT_WEIGHT = 3.0  # of the hit's own score in that of its sentences: nearly always the first hit carries
_TERM_WEIGHT = 0.2  # of the share of the question's words that a sentence holds
_SAME = 0.85  # cosine above which two sentences say the same
_MIN_WORDS = 4


class Sources(Protocol):
    """The extracted texts that quotes are taken from."""

    def source_text(self, path: str) -> str: ...

    def quote_locator(self, passage: Passage, span: tuple[int, int]) -> Locator: ...


@dataclass(frozen=True, slots=True)
class _Candidate:
    """A sentence of a hit, with its place among the sentences of that hit."""

    span: tuple[int, int]
    text: str
    hit: Hit
    place: int


def compose(
    question: str,
    asked: Vectors,
    hits: Sequence[Hit],
    matched: Hit | None,
    encoder: Encoder,
    sources: Sources,
) -> tuple[tuple[Sentence, ...], tuple[Citation, ...]]:
    """Return the sentences of an answer and their citations, numbered in reading order.

    `asked` is the vector of the question, `matched` the hit whose question entry asks the same.
    Empty where no sentence of the hits can stand alone.
    """
    pool = _entry_sentences(matched, sources) if matched else []
    if not pool:
        matched = None
        pool = [c for hit in hits[:_HITS] if not points_elsewhere(hit.passage) for c in _passage_sentences(hit)]
    if not pool:
        return (), ()
    vectors = encoder.encode([plain(c.text) for c in pool])
    scores = _scores(question, pool, vectors, asked)
    chosen = _of_entry(scores) if matched else _of_passages(pool, scores, vectors)
    return _cite([pool[i] for i in sorted(chosen, key=lambda i: (pool[i].hit.rank, pool[i].span))], sources)


def _passage_sentences(hit: Hit) -> list[_Candidate]:
    passage, start = hit.passage, hit.passage.locator.span[0]
    spans = [(start + a, start + b) for a, b in sentences(passage.text)]
    if passage.entry:  # the question is no part of an answer, nor are the notes behind it
        answer = passage.entry.answer
        spans = [s for s in spans if answer[0] <= s[0] and s[1] <= answer[1]]
    found = [_Candidate(s, passage.text[s[0] - start : s[1] - start], hit, n) for n, s in enumerate(spans)]
    return [c for c in found if len(c.text.split()) >= _MIN_WORDS]


def _entry_sentences(hit: Hit, sources: Sources) -> list[_Candidate]:
    """Return the sentences of the whole reference answer, also those in other parts of the entry."""
    if not hit.passage.entry:
        return []
    start, end = hit.passage.entry.answer
    answer = sources.source_text(hit.passage.locator.path)[start:end]
    return [_Candidate((start + a, start + b), answer[a:b], hit, n) for n, (a, b) in enumerate(sentences(answer))]


def _scores(question: str, pool: Sequence[_Candidate], vectors: Vectors, asked: Vectors) -> list[float]:
    terms = frozenset(words(question))
    return [
        float(cosine)
        + _TERM_WEIGHT * (len(terms & frozenset(words(c.text))) / len(terms) if terms else 0.0)
        + _HIT_WEIGHT * c.hit.score
        for c, cosine in zip(pool, vectors @ asked, strict=True)
    ]


def _of_entry(scores: Sequence[float]) -> set[int]:
    """Choose from a reference answer: all of a short one, else its first sentence and the best of the rest."""
    order = sorted(range(1, len(scores)), key=lambda i: (-scores[i], i))
    return {0, *order[: MAX_SENTENCES - 1]}


def _of_passages(pool: Sequence[_Candidate], scores: Sequence[float], vectors: Vectors) -> set[int]:
    """Choose the best sentence with its neighbors, then what nearly reaches it elsewhere and is new."""
    best = max(range(len(pool)), key=lambda i: (scores[i], -i))
    mine = [i for i, c in enumerate(pool) if c.hit is pool[best].hit]
    if pool[best].hit.passage.entry and len(mine) <= MAX_SENTENCES:
        chosen = set(mine)
    else:
        chosen = {best}
        while len(chosen) < min(_CORE, len(mine)):
            beside = [i for i in mine if i not in chosen and (i - 1 in chosen or i + 1 in chosen)]
            if not beside:
                break
            chosen.add(max(beside, key=lambda i: (scores[i], -i)))
    for i in sorted(range(len(pool)), key=lambda i: (-scores[i], i)):
        if len(chosen) >= MAX_SENTENCES or scores[i] < scores[best] - _MARGIN:
            break
        if i not in chosen and float(np.max(vectors[sorted(chosen)] @ vectors[i])) < _SAME:
            chosen.add(i)
    return chosen


def _cite(chosen: Sequence[_Candidate], sources: Sources) -> tuple[tuple[Sentence, ...], tuple[Citation, ...]]:
    """Number one citation a sentence, in reading order."""
    made: list[Sentence] = []
    citations: list[Citation] = []
    for n, candidate in enumerate(chosen, 1):
        passage = candidate.hit.passage
        citations.append(Citation(n, candidate.text, sources.quote_locator(passage, candidate.span), passage.id))
        made.append(Sentence(candidate.text, (n,)))
    return tuple(made), tuple(citations)
