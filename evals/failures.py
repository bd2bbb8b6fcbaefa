"""Misses one can act on: what was wanted, what came instead, where the gold stood in each list, and why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from evals.evaluate import Evaluation
from evals.gold import Placed, Question, covers, overlaps, place
from retrieval.library import Library
from retrieval.types import MODES, Hit, Mode

_DEPTH = 100
_CUTOFF = 5


@dataclass(frozen=True, slots=True)
class Failure:
    """One part of one question that is not in the first five hits."""

    id: str
    question: str
    wanted: str
    instead: str
    ranks: Mapping[Mode, int | None]
    cause: str


def find_failures(evaluation: Evaluation, library: Library, questions: Sequence[Question]) -> list[Failure]:
    """Return the misses of a run on gold questions, in the order of the questions."""
    by_id = {q.id: q for q in questions}
    found: list[Failure] = []
    for scored in evaluation.queries:
        if scored.id not in by_id:
            continue
        question = by_id[scored.id]
        places = place(question, library)
        for part in sorted({p.part for p in places}):
            if f"part-{part}" not in scored.ranking[:_CUTOFF]:
                found.append(_explain(question, [p for p in places if p.part == part], library))
    return found


def _explain(question: Question, places: Sequence[Placed], library: Library) -> Failure:
    lists = {mode: library.search(question.text, _DEPTH, mode=mode) for mode in MODES}
    ranks = {mode: _rank(hits, places) for mode, hits in lists.items()}
    top = lists["hybrid"][0].passage if lists["hybrid"] else None
    return Failure(
        question.id,
        question.text,
        f"{places[0].path} {places[0].span}",
        f"{top.locator.path} > {' > '.join(top.locator.heading)}" if top else "nothing",
        ranks,
        _cause(ranks, places, library),
    )


def _rank(hits: Sequence[Hit], places: Sequence[Placed]) -> int | None:
    return next((hit.rank for hit in hits if any(covers(hit, p) for p in places)), None)


def _cause(ranks: Mapping[Mode, int | None], places: Sequence[Placed], library: Library) -> str:
    if not any(_indexed(p, library) for p in places):
        return "not indexed: no passage covers the wanted text"
    if ranks["hybrid"] is None:
        return f"not in candidates: neither search has it in its first {_DEPTH}"
    sides = [mode for mode in MODES[1:] if (rank := ranks[mode]) is not None and rank <= _CUTOFF]
    if sides:
        return f"outranked: {' and '.join(sides)} alone would have found it"
    return "outranked: both searches prefer other passages"


def _indexed(wanted: Placed, library: Library) -> bool:
    return any(overlaps(p.locator, wanted) for p in library.searcher.dense.find({"path": wanted.path}))
