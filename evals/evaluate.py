"""A run of questions through a library, scored: by query, by slice, with intervals."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from evals import metrics
from evals.answers import Answering, Declining
from evals.citing import Citing
from evals.collections import documents_of
from evals.gold import Beir, Placed, Question, covers, place
from retrieval.library import Library
from retrieval.types import Hit, Mode

PART = "part-"  # what the judge calls a part of gold, with its number
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
class Evaluation:
    """One dataset searched in one mode, or ranked by a run of that name; `queries` keeps the order of the dataset."""

    dataset: str
    mode: str
    queries: tuple[Scored, ...]
    answering: Answering | None = None
    declining: Declining | None = None
    citing: Citing | None = None
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
            "metrics": {m: metrics.with_interval(self.values(m)) for m in names},
            "by_slice": {
                name: {"queries": len(part), **{m: metrics.with_interval([q.measures[m] for q in part]) for m in names}}
                for name, part in sorted(slices.items())
            },
            "latency_ms": _latency([q.seconds for q in self.queries if q.seconds]),
        }
        if self.answering:
            out["answers"] = self.answering.summary()
        if self.declining:
            out["declining"] = self.declining.summary()
        if self.citing:
            out["citing"] = self.citing.summary()
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
    place that repeats a part already found is one more hit, not one more find. Precision@k alone
    judges hits: it is the share of the first k that cover any part.
    """
    asked = [q for q in questions if q.spans]
    places = {q.id: place(q, library) for q in asked}
    qrels = {q.id: {f"{PART}{p.part}": 1 for p in places[q.id]} for q in asked}
    run: dict[str, list[str]] = {}
    found: dict[str, list[Hit]] = {}
    seconds: dict[str, float] = {}
    _warm_up(library, [q.text for q in asked], mode)
    for done, question in enumerate(asked):
        started = time.perf_counter()
        hits = library.search(question.text, DEPTH, mode=mode)
        seconds[question.id] = time.perf_counter() - started
        run[question.id] = judged(hits, places[question.id])
        found[question.id] = hits
        if progress:
            progress(done + 1, len(asked))
    texts = {q.id: (q.text, q.slice) for q in asked}
    scored = _scored(qrels, run, seconds, texts, measures)
    precise = _precision(found, places, [m for m in measures if m.startswith("precision")])
    queries = tuple(replace(q, measures={**q.measures, **precise[q.id]}) for q in scored)
    return Evaluation(name, mode, queries, qrels=qrels)


def _warm_up(library: Library, texts: Sequence[str], mode: Mode) -> None:
    """Search once unmeasured: the first query of a library opens its index and encoder."""
    for text in texts[:1]:
        library.search(text, 1, mode=mode)


def judged(hits: Sequence[Hit], places: Sequence[Placed]) -> list[str]:
    """Return what each hit is to the judge: the first part it covers that is new, else its own id."""
    seen: set[str] = set()
    ranking: list[str] = []
    for hit in hits:
        parts = [f"{PART}{p.part}" for p in places if covers(hit, p)]
        new = [part for part in dict.fromkeys(parts) if part not in seen]
        # One passage may answer two parts at once: both are found at its rank.
        ranking.extend(new or [hit.passage.id])
        seen.update(new)
    return ranking


def _precision(
    found: Mapping[str, Sequence[Hit]], places: Mapping[str, Sequence[Placed]], measures: Sequence[str]
) -> dict[str, dict[str, float]]:
    right = {q: {h.passage.id: 1 for h in hits if any(covers(h, p) for p in places[q])} for q, hits in found.items()}
    return metrics.score(right, {q: [h.passage.id for h in hits] for q, hits in found.items()}, measures)


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
    _warm_up(library, list(collection.queries.values()), mode)
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


def evaluate_run(done: Evaluation, run: metrics.Run, *, name: str, measures: Sequence[str]) -> Evaluation:
    """Score the run of another system on the queries and judgements of an evaluation; a query it lacks scores 0."""
    ranked = {q.id: run.get(q.id, ()) for q in done.queries}
    texts = {q.id: (q.text, q.slice) for q in done.queries}
    return Evaluation(done.dataset, name, _scored(done.qrels, ranked, {}, texts, measures), qrels=done.qrels)


def _scored(
    qrels: metrics.Qrels,
    run: metrics.Run,
    seconds: Mapping[str, float],
    texts: Mapping[str, tuple[str, str]],
    measures: Sequence[str],
) -> tuple[Scored, ...]:
    scores = metrics.score(qrels, run, measures)
    return tuple(Scored(q, *texts[q], scores[q], tuple(run[q]), seconds.get(q, 0.0)) for q in run)


def _latency(seconds: Sequence[float]) -> dict[str, float]:
    if not seconds:
        return {}
    p50, p95, p99 = np.percentile(np.asarray(seconds) * 1000, [50, 95, 99])
    return {"p50": round(float(p50), 1), "p95": round(float(p95), 1), "p99": round(float(p99), 1)}
