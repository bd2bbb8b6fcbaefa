"""Answers and abstentions, measured: is the gold in them, is what they cite gold, is declining right."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from evals import metrics
from evals.gold import Placed, Question, overlaps, place
from evals.spans import span_scores
from retrieval.library import Library
from retrieval.types import Answer, Citation

_BINS = 10
_WHOLE = 0.95  # of a place; the white space between two cited sentences is not missed


@dataclass(frozen=True, slots=True)
class Answering:
    """What the answers to answerable questions are worth, one value a question.

    `containment`: the share of the parts a question needs of which a gold quote stands whole
    in the cited text, 0 where it was declined. `citation_precision`: the share of an answer's
    citations that overlap gold by half of the shorter; answered questions only.
    """

    containment: tuple[float, ...]
    citation_precision: tuple[float, ...]

    def summary(self) -> dict[str, Any]:
        return {
            "questions": len(self.containment),
            "answered": len(self.citation_precision),
            "containment": metrics.with_interval(self.containment),
            "citation_precision": metrics.with_interval(self.citation_precision),
        }


@dataclass(frozen=True, slots=True)
class Bin:
    """Questions whose confidence lies in one tenth: their mean confidence, and the share that is answerable."""

    confidence: float
    answerable: float
    questions: int


@dataclass(frozen=True, slots=True)
class Declining:
    """How well confidence tells answerable questions from the others.

    `answered`: the share of the answerable ones that is answered. `declined`: that of the
    unanswerable ones that is declined, the recall of declining. `precision`: the share of the
    declined ones that is unanswerable, in this mix of both kinds.
    """

    answerable: int
    unanswerable: int
    auroc: float
    answered: float
    declined: float
    precision: float
    reliability: tuple[Bin, ...]

    def summary(self) -> dict[str, Any]:
        return {
            "answerable": self.answerable,
            "unanswerable": self.unanswerable,
            "auroc": round(self.auroc, 4),
            "answered": round(self.answered, 4),
            "recall": round(self.declined, 4),
            "precision": round(self.precision, 4),
            "reliability": [
                {"confidence": round(b.confidence, 4), "answerable": round(b.answerable, 4), "questions": b.questions}
                for b in self.reliability
            ],
        }


def evaluate_answers(library: Library, questions: Sequence[Question], answers: Sequence[Answer]) -> Answering:
    """Hold the answers to gold questions against their quotes, in the same order. Wants quotes, not whole files."""
    contained, precise = [], []
    for question, answer in zip(questions, answers, strict=True):
        places = place(question, library)
        citations = standing(answer)
        contained.append(containment(citations, places))
        if citations:
            precise.append(citation_precision(citations, places))
    return Answering(tuple(contained), tuple(precise))


def standing(answer: Answer) -> list[Citation]:
    """Return the citations of an answer but for those of struck sentences alone."""
    held = {n for s in answer.sentences if s.mark != "unsupported" for n in s.citations}
    return [c for c in answer.citations if c.n in held]


def containment(citations: Sequence[Citation], places: Sequence[Placed]) -> float:
    """Return the share of parts of which one place lies whole within the quoted text."""
    cited = [(c.locator.path, *c.locator.span) for c in citations]
    found = {p.part for p in places if span_scores(cited, [(p.path, *p.span)]).recall >= _WHOLE}
    parts = {p.part for p in places}
    return len(found) / len(parts) if parts else 0.0


def citation_precision(citations: Sequence[Citation], places: Sequence[Placed]) -> float:
    """Return the share of citations that overlap a gold place by half of the shorter of the two."""
    return float(np.mean([any(overlaps(c.locator, p) for p in places) for c in citations]))


def evaluate_declining(answerable: Sequence[Answer], unanswerable: Sequence[Answer]) -> Declining:
    """Compare the confidence of the answers to both kinds of questions."""
    yes, no = [a.confidence for a in answerable], [a.confidence for a in unanswerable]
    wrongly, rightly = (sum(not a.answered for a in answers) for answers in (answerable, unanswerable))
    return Declining(
        len(yes),
        len(no),
        metrics.auroc(yes, no),
        1 - wrongly / len(yes) if yes else 0.0,
        rightly / len(no) if no else 0.0,
        rightly / (rightly + wrongly) if rightly + wrongly else 0.0,
        reliability([*yes, *no], [1.0] * len(yes) + [0.0] * len(no)),
    )


def reliability(
    probabilities: Sequence[float], labels: Sequence[float], weights: Sequence[float] | None = None
) -> tuple[Bin, ...]:
    """Return every tenth of the probability range that holds a question, lowest first; labels are 1 for answerable."""
    tenths: dict[int, list[int]] = {b: [] for b in range(_BINS)}
    for i, probability in enumerate(probabilities):
        tenths[min(int(probability * _BINS), _BINS - 1)].append(i)
    return tuple(
        Bin(
            float(np.mean([probabilities[i] for i in rows])),
            float(np.average([labels[i] for i in rows], weights=[weights[i] for i in rows] if weights else None)),
            len(rows),
        )
        for rows in tenths.values()
        if rows
    )
