"""A further adapter of a person's own: trained on their own questions, kept only when it is measured to be better.

What is learned from are the question entries of the library, asked of a copy without their
questions, and the passages the person opened for questions of theirs, where they let them be
kept. A third of the entries' questions is held out, and decides.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from evals.gold import Question, overlaps, place
from evals.own import hide_questions, own_gold
from evals.statistics import Comparison, compare
from evals.train.contrastive import Pair, Recipe, Report, Trainee, train
from retrieval import adapter, fusion
from retrieval.errors import QueryError
from retrieval.fusion import Floats, Weights
from retrieval.library import Library
from retrieval.models import DEFAULT_MODEL, find_model
from retrieval.opened import read_opened
from retrieval.types import embedded_text, in_order

MIN_QUESTIONS = 100  # a third of fewer could not show a gain of five points
_HELD = 3
_K = 5
_ALPHA = 0.05
_RECIPE = Recipe(learning_rate=2e-4, epochs=3, batch=32)
_RECORDED = 10


@dataclass(frozen=True, slots=True)
class Adapted:
    """What training gave: questions learned from and held out, hybrid recall@5 of these before and after.

    Before is the library's model as it is. `file` is the adapter that was kept, None where it is
    not shown to be better.
    """

    learned: int
    opened: int
    held: int
    comparison: Comparison
    before: float
    after: float
    file: Path | None


@dataclass(frozen=True, slots=True)
class _Asked:
    """A question with the rows of the passages that answer it."""

    text: str
    rows: frozenset[int]


def adapt(library: Library, target: Path, *, recipe: Recipe = _RECIPE, report: Report = print) -> Adapted:
    """Train an adapter over the default model and write it where held-out questions do better than as it is.

    `target` is what its file is called, but for a digest that is added. Raises QueryError for a
    library that is not on the default model or an adapter over it, GoldError where it has too
    few question entries.
    """
    model = library.manifest.model
    if model != DEFAULT_MODEL and not model.endswith(".safetensors"):
        raise QueryError(f"prep adapt trains over the model {DEFAULT_MODEL}; this library has {model}")
    questions = own_gold(library, MIN_QUESTIONS)
    with hide_questions(library) as hidden:
        searcher = hidden.searcher
        known = in_order(searcher.dense.all_passages())
        ids = [p.id for p in known]
        passages = [embedded_text(p) for p in known]
        asked = [_Asked(q.text, _answers(q, hidden, ids)) for q in questions]
        lexical = {a.text: searcher.lexical.match(a.text, Weights()).scores(ids) for a in asked if _is_held(a.text)}
    learn = [a for a in asked if a.rows and not _is_held(a.text)]
    held = [a for a in asked if a.rows and _is_held(a.text)]
    opened = list(_opened_pairs(library.home.path, ids, {a.text for a in held}))
    trainee = Trainee(find_model(DEFAULT_MODEL), recipe)
    # An adapter that is there already is what a further one has to beat; it never saw what is held out.
    present = trainee if model == DEFAULT_MODEL else Trainee(find_model(model), recipe)
    before = _found(present, held, passages, lexical)
    train(trainee, [*((a.text, min(a.rows)) for a in learn), *opened], passages, report)
    after = _found(trainee, held, passages, lexical)
    comparison = compare(f"recall@{_K}", ("the model as it is", before), ("the adapted model", after))
    better = _is_better(comparison)
    kept = _keep(trainee, passages[:_RECORDED], target) if better else None
    return Adapted(
        len(learn),
        len(opened),
        len(held),
        comparison,
        float(np.mean(before)),
        float(np.mean(after)),
        kept,
    )


def _keep(trainee: Trainee, texts: Sequence[str], target: Path) -> Path:
    """Write the adapter under the target's name and a digest: a library may be on the one written before."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as folder:
        made = Path(folder, target.name)
        adapter.save(made, trainee.changes())
        adapter.write_record(made, texts, trainee.encode(texts, exact=True))
        kept = target.with_stem(f"{target.stem}-{adapter.verified_sha256(made)[:8]}")
        adapter.record_path(made).replace(adapter.record_path(kept))
        made.replace(kept)
    return kept


def _is_better(comparison: Comparison) -> bool:
    return comparison.p < _ALPHA and comparison.difference > 0


def _answers(question: Question, library: Library, ids: Sequence[str]) -> frozenset[int]:
    placed = place(question, library)
    passages = library.searcher.dense.find({"path": {"$in": sorted({p.path for p in placed})}})
    rows = {id_: row for row, id_ in enumerate(ids)}
    return frozenset(rows[p.id] for p in passages if any(overlaps(p.locator, gold) for gold in placed))


def _found(
    trainee: Trainee, asked: Sequence[_Asked], passages: Sequence[str], lexical: dict[str, Floats]
) -> list[float]:
    """Return 1.0 for each question with a right passage among the first five of the hybrid ranking, else 0.0."""
    cosines = trainee.encode([a.text for a in asked]) @ trainee.encode(passages).T
    fused = [fusion.fuse(row, lexical[a.text], Weights()) for row, a in zip(cosines, asked, strict=True)]
    tops = [set(np.argsort(-row, kind="stable")[:_K].tolist()) for row in fused]
    return [float(bool(top & a.rows)) for top, a in zip(tops, asked, strict=True)]


def _opened_pairs(home: Path, ids: Sequence[str], held: set[str]) -> Iterator[Pair]:
    rows = {id_: row for row, id_ in enumerate(ids)}
    for question, passage in read_opened(home):
        if passage in rows and question not in held:
            yield question, rows[passage]


def _is_held(question: str) -> bool:
    return hashlib.sha256(question.encode("utf-8", "surrogatepass")).digest()[0] % _HELD == 0
