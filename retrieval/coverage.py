"""Which key points of a reference answer a person's own words cover: likeness sentence by sentence.

A point is a sentence of the reference answer. The threshold and the error rates stand in
coverage.json, made by `python -m evals.fit_coverage`. Likeness knows no right and wrong:
a statement that contradicts a point is like it.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from itertools import pairwise

import numpy as np

from retrieval.arrays import Vectors
from retrieval.encoder import Encoder
from retrieval.lexical import words
from retrieval.text import Span, one_line, plain, sentences

MOST_POINTS = 12
_MIN_WORDS = 4
_BLOCKS = ("```", "~~~", "$$", "\\[", "|")  # code, formulas and table rows are not said in words
_QUESTION_SHARE = 0.5  # of the question's direction, which all sentences on it share, taken off
_WORDS_WEIGHT = 0.3  # of the share of a point's own words that were used


@dataclass(frozen=True, slots=True)
class Marks:
    """The fitted threshold and what it is worth, as shares in [0, 1] of the labelled points.

    `missed`: covered but not marked; `wrong`: not covered but marked; `contradicted`: points
    that a text contradicts, marked all the same. The first two are held out by question.
    """

    threshold: float
    points: int
    missed: float
    wrong: float
    contradicted: float


@cache
def load() -> Marks:
    """Read the threshold that ships with the project."""
    return Marks(**json.loads(resources.files("retrieval").joinpath("coverage.json").read_text(encoding="ascii")))


def key_points(question: str, answer: str, encoder: Encoder) -> list[Span]:
    """Return the spans of the sentences of an answer that say something, in order.

    Of a long answer only the 12 nearest to the question count.
    """
    spans = [s for s in sentences(answer) if _is_said(answer[slice(*s)])]
    if len(spans) <= MOST_POINTS:
        return spans
    near = encoder.encode([plain(answer[slice(*s)]) for s in spans]) @ encoder.encode_query(one_line(question))
    kept = sorted(range(len(spans)), key=lambda i: (-float(near[i]), i))[:MOST_POINTS]
    return [spans[i] for i in sorted(kept)]


def likeness(question: str, points: Sequence[str], text: str, encoder: Encoder) -> list[float]:
    """Return for each point how like it is to the likeliest stretch of a text: higher is liker, about 0 to 1.3.

    A stretch is a sentence, two in a row, or the whole. What sentences share by being about the
    question is halved; the words of a point that are not the question's count on top.
    """
    stretches = _stretches(text)
    if not points or not stretches:
        return [0.0] * len(points)
    asked = encoder.encode_query(one_line(question))
    theirs, mine = (_without(encoder.encode([plain(t) for t in texts]), asked) for texts in (list(points), stretches))
    best = (theirs @ mine.T).max(axis=1)
    common, used = frozenset(words(question)), frozenset(words(text))
    own = [frozenset(words(p)) - common for p in points]
    return [float(b) + _WORDS_WEIGHT * _share(w, used) for b, w in zip(best, own, strict=True)]


def _is_said(sentence: str) -> bool:
    return not sentence.lstrip().startswith(_BLOCKS) and len(sentence.split()) >= _MIN_WORDS


def _stretches(text: str) -> list[str]:
    alone = [text[slice(*s)] for s in sentences(text)]
    pairs = [" ".join(pair) for pair in pairwise(alone)]
    return list(dict.fromkeys([*alone, *pairs, *([text] if text.strip() else [])]))


def _without(vectors: Vectors, asked: Vectors) -> Vectors:
    left = vectors - _QUESTION_SHARE * np.outer(vectors @ asked, asked)
    unit: Vectors = left / np.maximum(np.linalg.norm(left, axis=1, keepdims=True), 1e-9)
    return unit


def _share(wanted: frozenset[str], used: frozenset[str]) -> float:
    return len(wanted & used) / len(wanted) if wanted else 0.0
