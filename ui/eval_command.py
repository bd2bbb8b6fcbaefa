"""What `prep eval` does: find the questions, open or build their library, run, compare, gate."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from evals import baseline
from evals.collections import build_library, collection_home
from evals.evaluate import Evaluation, evaluate_beir, evaluate_declining, evaluate_gold
from evals.gold import GOLD, Beir, Question, is_beir, load_beir, load_gold, of_split
from evals.metrics import DEFAULT
from evals.own import hide_questions, own_gold
from evals.statistics import compare, holm
from retrieval.errors import QueryError
from retrieval.library import Library
from retrieval.types import Mode
from ui import console


@dataclass(frozen=True, slots=True)
class Task:
    """What is evaluated: a BEIR collection, gold questions of a library, or the library's own questions."""

    name: str
    questions: tuple[Question, ...] = ()
    unanswerable: tuple[Question, ...] = ()
    collection: Beir | None = None
    own: bool = False


def find_task(path: Path | None, split: str | None) -> Task:
    """Read what is to be evaluated; none means the bundled gold. Raises GoldError for files that are no such thing."""
    if path is not None and is_beir(path):
        return Task(path.name, collection=load_beir(path, split or "test"))
    bundled = path is None
    questions = load_gold(path or GOLD / "bundled.jsonl")
    unanswerable = load_gold(GOLD / "unanswerable.jsonl") if bundled else [q for q in questions if not q.spans]
    chosen = split or ("test" if bundled else None)
    answerable = [q for q in of_split(questions, chosen) if q.spans]
    if not answerable:
        raise QueryError(f"no gold questions in {path or 'the bundled gold'} for split {chosen!r}")
    name = f"bundled ({chosen})" if bundled else str((path or Path()).name)
    return Task(name, tuple(answerable), tuple(of_split(unanswerable, chosen)))


def own_task(library: Library) -> Task:
    """Make gold of a library's own question entries. Raises GoldError where it has too few."""
    return Task("own library", tuple(own_gold(library)), own=True)


@contextmanager
def library_of(task: Task, opened: Library) -> Iterator[Library]:
    """Open the library a task is asked of: a collection's own, one without its questions, or the person's."""
    if task.collection is None and not task.own:
        yield opened
        return
    with console.ingest_progress() as progress:
        if task.collection is None:
            library = hide_questions(opened, progress)
        else:
            home = collection_home(opened.home, task.collection)
            library = build_library(task.collection, home, model=opened.manifest.model, progress=progress)
    with library:
        yield library


def measures_for(cutoffs: Sequence[int] | None) -> tuple[str, ...]:
    """Return the default measures, with recall at other cutoffs where some are given."""
    if not cutoffs:
        return DEFAULT
    if bad := [k for k in cutoffs if not 1 <= k <= 20]:
        raise QueryError(f"--k {bad[0]}: cutoffs from 1 to 20 can be measured")
    return (*(f"recall@{k}" for k in sorted(set(cutoffs))), *(m for m in DEFAULT if not m.startswith("recall")))


def run(task: Task, library: Library, modes: Sequence[Mode], measures: Sequence[str]) -> list[Evaluation]:
    """Evaluate every mode; declining is measured once, for the answers do not depend on the mode."""
    done: list[Evaluation] = []
    for mode in modes:
        if task.collection is not None:
            done.append(evaluate_beir(library, task.collection, mode=mode, measures=measures))
        else:
            done.append(evaluate_gold(library, task.questions, name=task.name, mode=mode, measures=measures))
    if task.unanswerable:
        declining = evaluate_declining(library, [q.text for q in task.questions], [q.text for q in task.unanswerable])
        done[0] = replace(done[0], declining=declining)
    return done


def verdicts(done: Sequence[Evaluation]) -> list[str]:
    """Say for every measure and every pair of runs which is better; p-values are Holm-corrected over all of them."""
    made = [
        compare(m, (a.mode, a.values(m)), (b.mode, b.values(m)))
        for m in (done[0].queries[0].measures if done and done[0].queries else ())
        for i, a in enumerate(done)
        for b in done[i + 1 :]
    ]
    return [c.sentence(p) for c, p in zip(made, holm([c.p for c in made]), strict=True)]


def check_gate(evaluation: Evaluation, path: Path) -> tuple[list[str], bool]:
    """Compare with a baseline file; return a sentence a measure, and whether all of them pass."""
    found = baseline.gate(evaluation, baseline.load(path))
    lines = [("FAIL " if v.failed else "ok   ") + v.comparison.sentence(v.p) for v in found]
    return lines, not any(v.failed for v in found)
