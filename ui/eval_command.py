"""What `prep eval` does: find the questions, open or build their library, run, compare, gate."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from itertools import combinations
from pathlib import Path

import typer

from evals import baseline
from evals.answers import evaluate_answers, evaluate_declining
from evals.citing import evaluate_citing, timed
from evals.collections import build_library, collection_home
from evals.evaluate import Evaluation, evaluate_beir, evaluate_gold, evaluate_run
from evals.formats import load_csv, load_run, load_trec
from evals.gold import GOLD, Beir, Question, is_beir, load_beir, load_gold, of_split
from evals.metrics import DEFAULT, chief_recall
from evals.own import hide_questions, own_gold
from evals.statistics import verdicts
from retrieval.errors import GoldError, QueryError
from retrieval.library import Library
from retrieval.llm import LanguageModel
from retrieval.support import Checker
from retrieval.types import Answer, Mode
from retrieval.written import Writer
from ui import console


@dataclass(frozen=True, slots=True)
class Task:
    """What is evaluated: a BEIR collection, gold questions of a library, or the library's own questions."""

    name: str
    questions: tuple[Question, ...] = ()
    unanswerable: tuple[Question, ...] = ()
    collection: Beir | None = None
    own: bool = False


@dataclass(frozen=True, slots=True)
class Asking:
    """How answers are measured beside the ranking: `citations` checks what they cite, `model` writes them."""

    citations: bool = False
    model: LanguageModel | None = None


QUOTED = Asking()


def find_task(path: Path | None, split: str | None, queries: Path | None = None) -> Task:
    """Read what is to be evaluated; none means the bundled gold. Raises GoldError for files that are no such thing.

    Queries without qrels are a BadParameter.
    """
    if queries is not None:
        if path is None:
            said = "--queries goes with TREC qrels; name the qrels file: prep eval QRELS --queries FILE"
            raise typer.BadParameter(said)
        return Task(path.name, collection=load_trec(path, queries))
    if path is not None and is_beir(path):
        return Task(path.name, collection=load_beir(path, split or "test"))
    bundled = path is None
    questions = _questions(path or GOLD / "bundled.jsonl")
    unanswerable = load_gold(GOLD / "unanswerable.jsonl") if bundled else [q for q in questions if not q.spans]
    chosen = split or ("test" if bundled else None)
    answerable = [q for q in of_split(questions, chosen) if q.spans]
    if not answerable:
        raise QueryError(f"no gold questions in {path or 'the bundled gold'} for split {chosen!r}")
    name = f"bundled ({chosen})" if bundled else str((path or Path()).name)
    return Task(name, tuple(answerable), tuple(of_split(unanswerable, chosen)))


def _questions(path: Path) -> list[Question]:
    return load_csv(path) if path.suffix.lower() == ".csv" else load_gold(path)


def own_task(library: Library) -> Task:
    """Make gold of a library's own question entries. Raises GoldError where it has too few."""
    return Task("own library", tuple(own_gold(library)), own=True)


@contextmanager
def library_of(task: Task, opened: Library) -> Iterator[Library]:
    """Open the library a task is asked of: a collection's own, one without its questions, or the person's."""
    if not task.own and not (task.collection and task.collection.documents):
        yield opened
        return
    with console.ingest_progress() as progress:
        if task.collection is None:
            library = hide_questions(opened, progress)
        else:
            home = collection_home(opened.home, task.collection)
            library = build_library(task.collection, home, model=opened.manifest.model, progress=progress)
    library.reranker = opened.reranker
    with library:
        yield library


def measures_for(cutoffs: Sequence[int] | None) -> tuple[str, ...]:
    """Return the default measures, with recall and precision at other cutoffs where some are given.

    Raises BadParameter for a cutoff that cannot be measured.
    """
    if not cutoffs:
        return DEFAULT
    if bad := [k for k in cutoffs if not 1 <= k <= 20]:
        raise typer.BadParameter(f"--k {bad[0]}: cutoffs from 1 to 20 can be measured")
    chosen = sorted(set(cutoffs))
    others = (m for m in DEFAULT if not m.startswith(("recall", "precision")))
    return (*(f"recall@{k}" for k in chosen), *(f"precision@{k}" for k in chosen), *others)


def run(
    task: Task, library: Library, modes: Sequence[Mode], measures: Sequence[str], asking: Asking = QUOTED
) -> list[Evaluation]:
    """Evaluate every mode; answers are measured once, for no mode changes them."""
    if task.collection and not task.collection.documents:
        _check_sources(task.collection, library)
    done: list[Evaluation] = []
    for mode in modes:
        if task.collection is not None:
            done.append(evaluate_beir(library, task.collection, mode=mode, measures=measures))
        else:
            done.append(evaluate_gold(library, task.questions, name=task.name, mode=mode, measures=measures))
    if task.questions and not task.own:
        with console.ingest_progress() as progress:
            done[0] = with_answers(done[0], task, library, partial(progress, "answer"), asking)
    return done


def add_other(done: list[Evaluation], path: Path, measures: Sequence[str]) -> None:
    """Add the TREC run of another system on the same queries."""
    done.append(evaluate_run(done[0], load_run(path), name=path.stem, measures=measures))


def _check_sources(collection: Beir, library: Library) -> None:
    judged = {document for grades in collection.qrels.values() for document in grades}
    if not judged & library.manifest.by_path().keys():
        raise GoldError(
            f"{collection.name}: no judged document is a source of the library, {min(judged)!r} for one; "
            "documents are source paths: prep status --sources"
        )


def with_answers(
    done: Evaluation, task: Task, library: Library, progress: Callable[[int, int], None], asking: Asking = QUOTED
) -> Evaluation:
    """Add what the answers are worth where there are quotes to hold them to, and what declining is where it is due."""
    ask = partial(_write, library, asking.model) if asking.model else library.ask
    answered = timed(ask, [q.text for q in (*task.questions, *task.unanswerable)], progress)
    answers = [t.answer for t in answered]
    yes, no = answers[: len(task.questions)], answers[len(task.questions) :]
    if all(span.quote for q in task.questions for span in q.spans):
        done = replace(done, answering=evaluate_answers(library, task.questions, yes))
    if no:
        done = replace(done, declining=evaluate_declining(yes, no))
    if asking.citations:
        done = replace(done, citing=evaluate_citing(answered, Checker(library.searcher.encoder)))
    return done


def _write(library: Library, model: LanguageModel, question: str) -> Answer:
    return Writer(library, model).write(question).finish()


def pair_verdicts(done: Sequence[Evaluation]) -> list[str]:
    """Say of every pair of runs which is better on the chief measures."""
    named = [(e.mode, {q.id: q.measures for q in e.queries}) for e in done]
    measures = list(done[0].queries[0].measures) if done and done[0].queries else []
    return verdicts(list(combinations(named, 2)), (chief_recall(measures), "nDCG@10")) if measures else []


def check_gate(evaluation: Evaluation, before: Mapping[str, Mapping[str, float]]) -> tuple[list[str], bool]:
    """Compare with a baseline; return a sentence a measure, and whether all of them pass."""
    found = baseline.gate(evaluation, before)
    lines = [("FAIL " if v.failed else "ok   ") + v.comparison.sentence(v.p) for v in found]
    return lines, not any(v.failed for v in found)
