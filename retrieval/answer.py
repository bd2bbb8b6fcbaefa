"""Hits to a short extractive answer: verbatim sentences in reading order, each with its citation.

A question that matches a question entry is answered by the entry's reference answer.
Otherwise the sentences of the best hits are scored against the question, and those near
the best one are kept, neighbors of a chosen sentence a little preferred.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from retrieval.encoder import Encoder, Vectors
from retrieval.lexical import words
from retrieval.text import plain, sentences
from retrieval.types import Citation, Hit, Locator, Passage, Sentence

MAX_SENTENCES = 6
_HITS = 4  # hits that sentences are taken from
_MARGIN = 0.12  # a sentence this far below the best is left out
_HIT_WEIGHT = 0.35  # of the hit's own score in the score of its sentences
_TERM_WEIGHT = 0.25  # of the share of the question's words that a sentence holds
_NEIGHBOR = 0.05  # bonus of a sentence beside a better one of the same passage
_SAME = 0.92  # cosine above which two sentences say the same
_MIN_WORDS = 4
ENTRY_MATCH = 0.8  # cosine of question to question above which the entry's reference answer is the answer

TextOf = Callable[[str], str]


@dataclass(frozen=True, slots=True)
class _Candidate:
    span: tuple[int, int]
    text: str
    hit: Hit
    order: int


def compose(
    question: str, hits: Sequence[Hit], matched: Hit | None, encoder: Encoder, text_of: TextOf
) -> tuple[tuple[Sentence, ...], tuple[Citation, ...]]:
    """Return the sentences of an answer and their citations, numbered in reading order.

    `matched` is the hit whose question entry asks the same; `text_of` gives the extracted
    text of a source by path. Empty where no sentence of the hits can stand alone.
    """
    pool = _entry_sentences(matched, text_of) if matched else _sentences(hits[:_HITS])
    if not pool:
        pool = _sentences(hits[:_HITS])
    if not pool:
        return (), ()
    vectors = encoder.encode([plain(c.text) for c in pool])
    scores = _scores(question, pool, vectors, encoder.encode_query(question))
    if matched and len(pool) <= MAX_SENTENCES:
        chosen = list(range(len(pool)))
    else:
        chosen = _choose(pool, scores, vectors, lead=matched is not None)
    return _cite([pool[i] for i in chosen])


def _sentences(hits: Sequence[Hit]) -> list[_Candidate]:
    found: list[_Candidate] = []
    for hit in hits:
        passage, start = hit.passage, hit.passage.locator.span[0]
        spans = [(start + a, start + b) for a, b in sentences(passage.text)]
        if passage.entry:  # the question is no part of an answer
            spans = [s for s in spans if s[0] >= passage.entry.answer[0]]
        found.extend(
            _Candidate(s, passage.text[s[0] - start : s[1] - start], hit, len(found) + n) for n, s in enumerate(spans)
        )
    return [c for c in found if len(c.text.split()) >= _MIN_WORDS]


def _entry_sentences(hit: Hit, text_of: TextOf) -> list[_Candidate]:
    """Return the sentences of the whole reference answer, also those in other parts of the entry."""
    if not hit.passage.entry:
        return []
    start, end = hit.passage.entry.answer
    answer = text_of(hit.passage.locator.path)[start:end]
    return [_Candidate((start + a, start + b), answer[a:b], hit, n) for n, (a, b) in enumerate(sentences(answer))]


def _scores(question: str, pool: Sequence[_Candidate], vectors: Vectors, asked: Vectors) -> list[float]:
    cosines = vectors @ asked
    terms = frozenset(words(question))
    best = max(c.hit.score for c in pool) or 1.0
    return [
        float(cosine)
        + _TERM_WEIGHT * (len(terms & frozenset(words(c.text))) / len(terms) if terms else 0.0)
        + _HIT_WEIGHT * c.hit.score / best
        for c, cosine in zip(pool, cosines, strict=True)
    ]


def _choose(pool: Sequence[_Candidate], scores: Sequence[float], vectors: Vectors, *, lead: bool) -> list[int]:
    """Pick up to MAX_SENTENCES: the best, then whatever stays within the margin and says something else."""
    first = 0 if lead else max(range(len(pool)), key=lambda i: (scores[i], -i))
    chosen = [first]
    best = scores[first] if not lead else max(scores)
    margin = _MARGIN if not lead else 10.0
    while len(chosen) < MAX_SENTENCES:
        options = []
        for i in range(len(pool)):
            if i in chosen or float(np.max(vectors[chosen] @ vectors[i])) > _SAME:
                continue
            beside = any(pool[i].hit is pool[j].hit and abs(pool[i].order - pool[j].order) == 1 for j in chosen)
            value = scores[i] + _NEIGHBOR * beside
            if value >= best - margin:
                options.append((value, -i))
        if not options:
            break
        chosen.append(-max(options)[1])
    return sorted(chosen, key=lambda i: (pool[i].hit.rank, pool[i].span))


def _cite(chosen: Sequence[_Candidate]) -> tuple[tuple[Sentence, ...], tuple[Citation, ...]]:
    """Number one citation a sentence, in reading order."""
    made: list[Sentence] = []
    citations: list[Citation] = []
    for n, candidate in enumerate(chosen, 1):
        passage = candidate.hit.passage
        citations.append(
            Citation(n, candidate.text, quote_locator(passage, candidate.span, candidate.text), passage.id)
        )
        made.append(Sentence(candidate.text, (n,)))
    return tuple(made), tuple(citations)


def quote_locator(passage: Passage, span: tuple[int, int], quote: str) -> Locator:
    """Return where a quote stands: the lines of the quote itself where the passage's lines are those of its text."""
    locator = passage.locator
    lines = locator.lines
    inside = locator.span[0] <= span[0] and span[1] <= locator.span[1]
    if lines and inside and passage.text.count("\n") == lines[1] - lines[0]:
        first = lines[0] + passage.text.count("\n", 0, span[0] - locator.span[0])
        lines = (first, first + quote.count("\n"))
    return replace(locator, span=span, lines=lines)
