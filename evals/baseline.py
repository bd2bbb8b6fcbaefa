"""Runs kept to compare with: a baseline of per-query measures, and the gate that holds a new run to it."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from evals.evaluate import Evaluation
from evals.statistics import Comparison, compare, holm
from retrieval.errors import GoldError, StorageError

TOLERANCE = 0.01
_ALPHA = 0.05
_DIGITS = 4  # that are kept, and compared: what rounding moves is no win
_REFUSALS: dict[type[OSError], str] = {
    IsADirectoryError: "it is a folder",
    FileNotFoundError: "its folder is not there",
    PermissionError: "permission is denied",
}


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the gate says of one measure: it fails where the fall is past the tolerance and the test agrees."""

    comparison: Comparison
    p: float
    failed: bool


def check_target(path: Path) -> None:
    """Raise StorageError where a file cannot be written; called before what it shall hold is worked out."""
    with writing(path):
        if path.is_dir():
            raise IsADirectoryError
        if not path.parent.is_dir():
            raise FileNotFoundError
        if not os.access(path if path.exists() else path.parent, os.W_OK):
            raise PermissionError


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn what keeps a file from being written into one StorageError that says what to do."""
    try:
        yield
    except OSError as error:
        why = next((said for kind, said in _REFUSALS.items() if isinstance(error, kind)), error.strerror)
        raise StorageError(f"cannot write {path}: {why}; name another file") from error


def save(evaluation: Evaluation, path: Path) -> None:
    """Write the per-query measures of a run. Raises StorageError where that cannot be."""
    rows = {q.id: {m: round(v, _DIGITS) for m, v in q.measures.items()} for q in evaluation.queries}
    data = {"dataset": evaluation.dataset, "mode": evaluation.mode, "queries": rows}
    with writing(path):
        path.write_text(json.dumps(data, indent=0, sort_keys=True) + "\n", encoding="utf-8")


def load(path: Path) -> dict[str, Mapping[str, float]]:
    """Read the per-query measures of a kept run. Raises GoldError where the file is missing or no baseline."""
    try:
        rows = json.loads(path.read_text(encoding="utf-8"))["queries"]
        return {str(q): {str(m): float(v) for m, v in row.items()} for q, row in rows.items()}
    except OSError as error:
        raise GoldError(
            f"{path}: cannot be opened ({error.strerror}); make one with: prep eval --save {path}"
        ) from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise GoldError(f"{path}: not a baseline ({error}); make one with: prep eval --save {path}") from error


def gate(
    evaluation: Evaluation, baseline: Mapping[str, Mapping[str, float]], tolerance: float = TOLERANCE
) -> list[Verdict]:
    """Hold a run to a baseline over the queries both have. Raises GoldError where they share none."""
    shared = [q for q in evaluation.queries if q.id in baseline]
    if not shared:
        raise GoldError("the baseline shares no query with this run; make a new one with: prep eval --save FILE")
    measures = [m for m in shared[0].measures if m in baseline[shared[0].id]]
    made = [
        compare(
            m,
            ("the baseline", [baseline[q.id][m] for q in shared]),
            ("this run", [round(q.measures[m], _DIGITS) for q in shared]),
        )
        for m in measures
    ]
    corrected = holm([c.p for c in made])
    return [Verdict(c, p, c.difference < -tolerance and p < _ALPHA) for c, p in zip(made, corrected, strict=True)]


def write_trec(evaluation: Evaluation, path: Path) -> None:
    """Write a run in TREC form: query, Q0, document, rank, score, tag. Raises StorageError where that cannot be."""
    with writing(path), path.open("w", encoding="utf-8") as file:
        for query in evaluation.queries:
            for rank, document in enumerate(query.ranking, 1):
                file.write(
                    f"{query.id} Q0 {document} {rank} {len(query.ranking) - rank + 1} prepdesk-{evaluation.mode}\n"
                )
