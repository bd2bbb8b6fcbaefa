"""A run of questions through a library, scored: by query, by slice, with intervals."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from evals import metrics
from evals.collections import documents_of
from evals.gold import Beir, Placed, Question, covers, place
from retrieval.library import Library
from retrieval.types import Hit, Mode

DEPTH = 20  # hits asked for a query; twice the deepest cutoff, since several may be of one document

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Scored:
    """One query with its measures, its slice, its ranking (judged unit or passage ids) and its seconds."""

    id: str
    text: str
    slice: str
    measures: Mapping[str, float]
    ranking: tuple[str, ...]
    seconds: float


@dataclass(frozen=True, slots=True)
class Declining:
    """How well confidence tells answerable questions from the others."""

    answerable: int
    unanswerable: int
    auroc: float
    answered: float
    declined: float


@dataclass(frozen=True, slots=True)
class Evaluation:
    """One dataset searched in one mode; `queries` keeps the order of the dataset."""

    dataset: str
    mode: Mode
    queries: tuple[Scored, ...]
    declining: Declining | None = None
    qrels: Mapping[str, Mapping[str, int]] = field(default_factory=dict, repr=False)

    def values(self, measure: str) -> list[float]:
        return [q.measures[measure] for q in self.queries]

    def summary(self) -> dict[str, Any]:
        """Return the JSON of `prep eval --json`."""
        names = list(self.queries[0].measures) if self.queries else []
        slices: dict[str, list[Scored]] = defaultdict(list)
        for query in self.queries:
            slices[query.slice].append(query)
        out: dict[str, Any] = {
            "dataset": self.dataset,
            "mode": self.mode,
            "queries": len(self.queries),
            "metrics": {m: _with_interval(self.values(m)) for m in names},
            "by_slice": {
                name: {"queries": len(part), **{m: _with_interval([q.measures[m] for q in part]) for m in names}}
                for name, part in sorted(slices.items())
            },
            "latency_ms": _latency([q.seconds for q in self.queries]),
        }
        if self.declining:
            d = self.declining
            out["declining"] = {
                "answerable": d.answerable,
                "unanswerable": d.unanswerable,
                "auroc": round(d.auroc, 4),
                "answered": round(d.answered, 4),
                "declined": round(d.declined, 4),
            }
        return out


def evaluate_gold(
    library: Library,
    questions: Sequence[Question],
    *,
    name: str,
    mode: Mode = "hybrid",
    measures: Sequence[str] = metrics.DEFAULT,
    progress: Progress | None = None,
) -> Evaluation:
    """Search every answerable question. What is judged is its parts: a hit that covers a part is that part.

    So recall@k is the share of the parts a question needs that stand in the first k hits, and a
    place that repeats a part already found is one more hit, not one more find.
    """
    asked = [q for q in questions if q.spans]
    places = {q.id: place(q, library) for q in asked}
    qrels = {q.id: {f"part-{p.part}": 1 for p in places[q.id]} for q in asked}
    run: dict[str, list[str]] = {}
    seconds: dict[str, float] = {}
    for done, question in enumerate(asked):
        started = time.perf_counter()
        hits = library.search(question.text, DEPTH, mode=mode)
        seconds[question.id] = time.perf_counter() - started
        run[question.id] = judged(hits, places[question.id])
        if progress:
            progress(done + 1, len(asked))
    texts = {q.id: (q.text, q.slice) for q in asked}
    return Evaluation(name, mode, _scored(qrels, run, seconds, texts, measures), qrels=qrels)


def judged(hits: Sequence[Hit], places: Sequence[Placed]) -> list[str]:
    """Return what each hit is to the judge: the first part it covers that is new, else its own id."""
    seen: set[str] = set()
    ranking: list[str] = []
    for hit in hits:
        parts = [f"part-{p.part}" for p in places if covers(hit, p)]
        new = [part for part in dict.fromkeys(parts) if part not in seen]
        # One passage may answer two parts at once: both are found at its rank.
        ranking.extend(new or [hit.passage.id])
        seen.update(new)
    return ranking


def evaluate_beir(
    library: Library,
    collection: Beir,
    *,
    mode: Mode = "hybrid",
    measures: Sequence[str] = metrics.DEFAULT,
    progress: Progress | None = None,
) -> Evaluation:
    """Search every judged query of a BEIR folder; passages count for the documents they are cut from."""
    run: dict[str, list[str]] = {}
    seconds: dict[str, float] = {}
    for done, (id_, text) in enumerate(collection.queries.items()):
        started = time.perf_counter()
        hits = library.search(text, DEPTH, mode=mode)
        seconds[id_] = time.perf_counter() - started
        run[id_] = documents_of(hits)
        if progress:
            progress(done + 1, len(collection.queries))
    qrels = {q: collection.qrels[q] for q in collection.queries}
    texts = {q: (text, "all") for q, text in collection.queries.items()}
    return Evaluation(collection.name, mode, _scored(qrels, run, seconds, texts, measures), qrels=qrels)


def evaluate_declining(library: Library, answerable: Sequence[str], unanswerable: Sequence[str]) -> Declining:
    """Ask both kinds of questions and compare their confidence."""
    yes = [library.ask(text) for text in answerable]
    no = [library.ask(text) for text in unanswerable]
    return Declining(
        len(yes),
        len(no),
        metrics.auroc([a.confidence for a in yes], [a.confidence for a in no]),
        float(np.mean([a.answered for a in yes])) if yes else 0.0,
        float(np.mean([not a.answered for a in no])) if no else 0.0,
    )


def _scored(
    qrels: metrics.Qrels,
    run: metrics.Run,
    seconds: Mapping[str, float],
    texts: Mapping[str, tuple[str, str]],
    measures: Sequence[str],
) -> tuple[Scored, ...]:
    scores = metrics.score(qrels, run, measures)
    return tuple(Scored(q, *texts[q], scores[q], tuple(run[q]), seconds[q]) for q in run)


def _with_interval(values: Sequence[float]) -> dict[str, Any]:
    mean, low, high = metrics.mean_and_interval(values)
    return {"mean": round(mean, 4), "ci95": [round(low, 4), round(high, 4)]}


def _latency(seconds: Sequence[float]) -> dict[str, float]:
    if not seconds:
        return {}
    p50, p95, p99 = np.percentile(np.asarray(seconds) * 1000, [50, 95, 99])
    return {"p50": round(float(p50), 1), "p95": round(float(p95), 1), "p99": round(float(p99), 1)}
