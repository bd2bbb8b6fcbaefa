"""An evaluation as a process of its own: `python -m ui.evaluation_worker HOME`; JSON lines as in ui.worker.

A library of one's own is measured on a copy without its questions (`evals.own`), so a cancel
at any moment leaves the library itself as it is.
"""

from __future__ import annotations

import argparse
import os
import random
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path

from evals.evaluate import evaluate_gold
from evals.failures import find_failures
from evals.gold import Question
from evals.metrics import SEED
from evals.own import hide_questions
from retrieval.errors import PrepdeskError
from retrieval.library import Library, quiet
from retrieval.types import MODES, Mode
from ui.eval_command import Task, find_task, own_task, with_answers
from ui.evaluations import make, save
from ui.stores import CHROMA, find_store
from ui.worker import say, step

MOST_MISSES = 200  # explained; each costs three searches


def main(arguments: Sequence[str] | None = None) -> int:
    """Evaluate the library at HOME and keep the run there."""
    parser = argparse.ArgumentParser(prog="ui.evaluation_worker")
    parser.add_argument("home", type=Path)
    parser.add_argument("--own", action="store_true")
    parser.add_argument("--gold", type=Path)
    parser.add_argument("--mode", action="append", choices=MODES, required=True)
    parser.add_argument("--most", type=int, default=10_000)
    given = parser.parse_args(arguments)
    quiet()
    try:
        store = find_store(given.home, os.environ.get(CHROMA))
        with Library(store) as library:
            task = own_task(library) if given.own else find_task(given.gold, None)
            run_id = _evaluate(library, task, given.mode, given.most, store.path)
    except PrepdeskError as error:
        say(error=" ".join(str(error).split()))
        return 1
    say(report={"run": run_id})
    return 0


def _evaluate(opened: Library, task: Task, modes: Sequence[Mode], most: int, home: Path) -> str:
    questions = _sample(task.questions, most)
    with ExitStack() as stack:
        library = stack.enter_context(hide_questions(opened, step)) if task.own else opened
        done = [
            evaluate_gold(library, questions, name=task.name, mode=mode, progress=partial(step, f"search-{mode}"))
            for mode in modes
        ]
        if not task.own:
            sampled = replace(task, questions=tuple(questions))
            done[0] = with_answers(done[0], sampled, library, partial(step, "answer"))
        step("explain", 0, 1)
        failures = find_failures(done[0], library, questions, MOST_MISSES)
        run = make(done, failures, len(task.questions), opened.manifest, opened.generation)
    save(home, run)
    return run.id


def _sample(items: Sequence[Question], most: int) -> list[Question]:
    """Return at most so many, the same ones every time, in their order."""
    kept = sorted(random.Random(SEED).sample(range(len(items)), min(most, len(items))))
    return [items[i] for i in kept]


if __name__ == "__main__":
    raise SystemExit(main())
