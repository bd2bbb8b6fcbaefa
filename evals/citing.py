"""What the citations of an answer are worth: ALCE's recall and precision, with our support check for its entailment.

Gao et al., Enabling Large Language Models to Generate Text with Citations (EMNLP 2023), section 3. A sentence is
supported where `retrieval.support` says so of all the passages it cites together; weak is not supported.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from evals import metrics
from retrieval.support import Checker
from retrieval.types import Answer, Passage

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Timed:
    """An answer and the seconds it took."""

    answer: Answer
    seconds: float


@dataclass(frozen=True, slots=True)
class Citing:
    """Citation recall and precision, a value for each answered question; seconds and tokens, one for each that was.

    `written` counts the answers in a model's words, `fallbacks` those that are quoted because it failed; both are 0
    without a model. `tokens` are those of prompt and reply, where the server counted them.
    """

    recall: tuple[float, ...]
    precision: tuple[float, ...]
    seconds: tuple[float, ...]
    tokens: tuple[tuple[int, int], ...]
    written: int
    fallbacks: int
    model: str = ""

    def summary(self) -> dict[str, Any]:
        p50, p95 = np.percentile(self.seconds, [50, 95]) if self.seconds else (0.0, 0.0)
        prompts, replies = zip(*self.tokens, strict=True) if self.tokens else ((), ())
        return {
            "answers": len(self.recall),
            "model": self.model or None,
            "written": self.written,
            "fallbacks": self.fallbacks,
            "recall": metrics.with_interval(self.recall),
            "precision": metrics.with_interval(self.precision),
            "seconds": {"p50": round(float(p50), 3), "p95": round(float(p95), 3)},
            "tokens": {"prompt": sum(prompts), "reply": sum(replies)} if self.tokens else None,
        }


def timed(ask: Callable[[str], Answer], questions: Sequence[str], progress: Progress | None = None) -> list[Timed]:
    """Ask every question and note how long its answer takes to its end."""
    done: list[Timed] = []
    for question in questions:
        started = time.perf_counter()
        answer = ask(question)
        done.append(Timed(answer, time.perf_counter() - started))
        if progress:
            progress(len(done), len(questions))
    return done


def evaluate_citing(answers: Sequence[Timed], checker: Checker) -> Citing:
    """Measure the citations of the answers that were given; what was declined counts for its time alone."""
    given = [t.answer for t in answers if t.answer.answered]
    found = [alce(answer, checker) for answer in given]
    writings = [a.writing for a in given if a.writing]
    return Citing(
        tuple(recall for recall, _ in found),
        tuple(precision for _, precision in found),
        tuple(t.seconds for t in answers),
        tuple(w.tokens for w in writings if w.tokens),
        sum(a.written for a in given),
        sum(bool(w.fallback) for w in writings),
        writings[0].model if writings else "",
    )


def alce(answer: Answer, checker: Checker) -> tuple[float, float]:
    """Return citation recall and precision of one answer, struck sentences included.

    Recall is the share of sentences that what they cite together supports. A citation is precise where its sentence
    is supported so, and it either supports the sentence alone or the others no longer do without it.
    """
    supported, precise, cited = 0, 0, 0
    for sentence in answer.sentences:
        passages = _cited(answer, sentence.citations)
        cited += len(passages)
        if not _supports(checker, sentence.text, passages):
            continue
        supported += 1
        precise += sum(
            _supports(checker, sentence.text, [passage])
            or not _supports(checker, sentence.text, [p for p in passages if p is not passage])
            for passage in passages
        )
    return supported / len(answer.sentences) if answer.sentences else 0.0, precise / cited if cited else 0.0


def _supports(checker: Checker, text: str, passages: Sequence[Passage]) -> bool:
    return checker.judge(text, passages).mark == "supported"


def _cited(answer: Answer, numbers: Sequence[int]) -> list[Passage]:
    """Return the passages that numbers stand for, each once; of a quote outside its passage, the quote."""
    passages = {hit.passage.id: hit.passage for hit in answer.hits}
    found: dict[str, Passage] = {}
    for citation in (c for c in answer.citations if c.n in numbers):
        passage = passages[citation.passage_id]
        if citation.quote not in passage.text:  # the reference answer of an entry goes on in another part of it
            id_ = f"{passage.id}/{citation.locator.span}"
            passage = replace(passage, id=id_, text=citation.quote, locator=citation.locator)
        found[passage.id] = passage
    return list(found.values())
