"""Evaluations kept in the library home, one JSON file a run, and what two runs say of each other. No streamlit here."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

from evals.evaluate import Evaluation
from evals.failures import Failure
from evals.report import CUTOFFS, recall_at
from evals.statistics import verdicts
from retrieval.manifest import Manifest
from retrieval.store import storage_errors

FOLDER = "evaluations"
HEADLINE = ("recall@5", "nDCG@10")  # the measures that runs are compared by


@dataclass(frozen=True, slots=True)
class Mode:
    """One mode of a run: its summary as `prep eval --json` prints it, recall by cutoff, measures by query."""

    mode: str
    summary: Mapping[str, Any]
    recall: Mapping[str, float]
    queries: Mapping[str, Mapping[str, float]]


@dataclass(frozen=True, slots=True)
class Run:
    """One evaluation; `misses` are those of the first mode, `of` the number of questions they were drawn from."""

    id: str
    dataset: str
    of: int
    encoder: str
    passages: int
    generation: str
    modes: tuple[Mode, ...]
    misses: tuple[Failure, ...]

    @property
    def when(self) -> str:
        """Return the minute it was made, in UTC."""
        return time.strftime("%Y-%m-%d %H:%M", time.strptime(self.id[:15], "%Y%m%dT%H%M%S"))

    @property
    def asked(self) -> int:
        return len(self.modes[0].queries)


def make(done: Sequence[Evaluation], failures: Sequence[Failure], of: int, manifest: Manifest, generation: str) -> Run:
    """Return what is kept of an evaluation."""
    modes = tuple(
        Mode(
            e.mode,
            e.summary(),
            {str(k): round(recall_at(e, k), 4) for k in CUTOFFS},
            {q.id: {m: round(v, 4) for m, v in q.measures.items()} for q in e.queries},
        )
        for e in done
    )
    id_ = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    return Run(id_, done[0].dataset, of, manifest.encoder, manifest.passages, generation, modes, tuple(failures))


def save(home: Path, run: Run) -> Path:
    """Write a run whole or not at all; return the file. Raises StorageError where the disk refuses."""
    folder = home / FOLDER
    file = folder / f"{run.id}.json"
    with storage_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        part = file.with_suffix(".part")
        part.write_text(json.dumps(asdict(run)), encoding="utf-8")
        part.replace(file)
    return file


def load_all(home: Path) -> tuple[list[Run], list[str]]:
    """Return the kept runs, the newest first, and the names of files that are none."""
    runs, unread = [], []
    for file in sorted((home / FOLDER).glob("*.json"), reverse=True):
        try:
            runs.append(_load(file))
        except (OSError, ValueError, KeyError, TypeError, IndexError):
            unread.append(file.name)
    return runs, unread


def _load(file: Path) -> Run:
    data = json.loads(file.read_text(encoding="utf-8"))
    modes = tuple(Mode(**mode) for mode in data.pop("modes"))
    run = Run(**data | {"modes": modes, "misses": tuple(Failure(**miss) for miss in data["misses"])})
    _ = (run.when, run.asked, [mode.summary["metrics"] for mode in modes])  # what every page reads is there
    return run


def mode_verdicts(run: Run) -> list[str]:
    """Say for every pair of modes which is better."""
    return verdicts(list(combinations([(m.mode, m.queries) for m in run.modes], 2)), HEADLINE)


def run_verdicts(run: Run, before: Run) -> list[str]:
    """Say for every mode that both runs have what has changed, over the questions that both asked."""
    earlier = {mode.mode: mode for mode in before.modes}
    pairs = [
        (
            (f"{mode.mode} of {before.when}", earlier[mode.mode].queries),
            (f"{mode.mode} of this run", mode.queries),
        )
        for mode in run.modes
        if mode.mode in earlier
    ]
    return verdicts(pairs, HEADLINE)


def comparable(run: Run, runs: Sequence[Run]) -> list[Run]:
    """Return the other runs that share a question and a mode with one."""
    asked = set(run.modes[0].queries)
    names = {mode.mode for mode in run.modes}
    return [
        other
        for other in runs
        if other.id != run.id and asked & set(other.modes[0].queries) and names & {m.mode for m in other.modes}
    ]
