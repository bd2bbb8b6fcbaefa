"""Misses one can act on: what was wanted, what came instead, where the gold stood in each list, and why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from evals.evaluate import PART, Evaluation, Scored
from evals.gold import Placed, Question, covers, overlaps, place
from retrieval.library import Library
from retrieval.text import one_line
from retrieval.types import MODES, Hit, Mode, Passage

_DEPTH = 100
_CUTOFF = 5
_SHOWN = 240  # characters of a passage that are enough to judge it by


@dataclass(frozen=True, slots=True)
class Failure:
    """One part (or document) a question needs that is not in the first five hits.

    `ranks` are those of the first hit that covers it, in lists of 100. `cause` is "not indexed",
    "not in candidates" or "outranked". That a passage was folded into a like one is never the
    cause: it counts as found there.
    """

    id: str
    question: str
    wanted: str
    wanted_text: str
    instead: str
    instead_text: str
    ranks: Mapping[Mode, int | None]
    cause: str
    detail: str


def find_failures(
    evaluation: Evaluation, library: Library, questions: Sequence[Question] = (), most: int | None = None
) -> list[Failure]:
    """Return the misses of a run in the order of its queries, at most `most`.

    Gold questions are given; of a collection's queries the documents are what is wanted.
    """
    by_id = {q.id: q for q in questions}
    found: list[Failure] = []
    for scored, unit in misses(evaluation)[:most]:
        if unit.startswith(PART) and scored.id in by_id:
            places = [p for p in place(by_id[scored.id], library) if f"{PART}{p.part}" == unit]
        else:
            size = len(library.text(unit)) if unit in library.manifest.by_path() else 0
            places = [Placed(unit, (0, size), 1)]
        found.append(_explain(scored, places, library))
    return found


def misses(evaluation: Evaluation) -> list[tuple[Scored, str]]:
    """Return each query with each judged unit that is not among its first five."""
    return [
        (scored, unit)
        for scored in evaluation.queries
        for unit, grade in evaluation.qrels[scored.id].items()
        if grade > 0 and unit not in scored.ranking[:_CUTOFF]
    ]


def _explain(scored: Scored, places: Sequence[Placed], library: Library) -> Failure:
    lists = {mode: library.search(scored.text, _DEPTH, mode=mode) for mode in MODES}
    ranks = {mode: _rank(hits, places) for mode, hits in lists.items()}
    passages = [passage for wanted in places for passage in _covering(wanted, library)]
    cause, detail = _cause(ranks) if passages else ("not indexed", "no passage covers the wanted text")
    top = lists["hybrid"][0].passage if lists["hybrid"] else None
    return Failure(
        scored.id,
        scored.text,
        _named(passages[0]) if passages else places[0].path,
        one_line(library.text(places[0].path)[slice(*places[0].span)])[:_SHOWN] if passages else "",
        _named(top) if top else "nothing",
        one_line(top.text)[:_SHOWN] if top else "",
        ranks,
        cause,
        detail,
    )


def _rank(hits: Sequence[Hit], places: Sequence[Placed]) -> int | None:
    return next((hit.rank for hit in hits if any(covers(hit, p) for p in places)), None)


def _cause(ranks: Mapping[Mode, int | None]) -> tuple[str, str]:
    if not any(ranks.values()):
        return "not in candidates", f"neither search has it in its first {_DEPTH}"
    sides = [mode for mode in MODES[1:] if (rank := ranks[mode]) is not None and rank <= _CUTOFF]
    if sides:
        return "outranked", f"{' and '.join(sides)} alone would have found it"
    return "outranked", "both searches prefer other passages"


def _covering(wanted: Placed, library: Library) -> list[Passage]:
    return [p for p in library.searcher.dense.find({"path": wanted.path}) if overlaps(p.locator, wanted)]


def _named(passage: Passage) -> str:
    """Return "path > heading, line 12" of a passage."""
    where = passage.locator
    name = " > ".join((where.path, *where.heading))
    if where.page:
        return f"{name}, page {where.page}"
    return f"{name}, line {where.lines[0]}" if where.lines else name
