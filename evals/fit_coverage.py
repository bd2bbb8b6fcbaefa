"""Choose the threshold of retrieval/coverage.py from labelled answers and write retrieval/coverage.json.

    python -m evals.fit_coverage [INDEX]

`gold/coverage.jsonl` holds answers as candidates type them, to questions of the bundled
corpus; a line names the points (by how they begin) that the text covers, and those that it
contradicts. A language model wrote and labelled them.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from evals.gold import GOLD
from evals.metrics import auroc
from ingest.bundled import bundled_corpus
from ingest.readers import READERS
from retrieval import coverage
from retrieval.encoder import Encoder, open_encoder
from retrieval.errors import GoldError
from retrieval.library import default_home, quiet
from retrieval.models import DEFAULT_MODEL
from retrieval.store import Home

MOST_WRONG = 0.10

Label = Literal["covered", "missing", "contradicted"]


@dataclass(frozen=True, slots=True)
class Point:
    """A key point of a question's answer, what a text does to it, and how like it is to the text."""

    question: str
    label: Label
    likeness: float


def labelled_points(path: Path, corpus: Path, encoder: Encoder) -> list[Point]:
    """Measure every labelled point. Raises GoldError where a line does not fit the corpus."""
    found: list[Point] = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        row = json.loads(line)
        answer = _answer(corpus / row["path"], row["question"])
        points = [answer[slice(*s)] for s in coverage.key_points(row["question"], answer, encoder)]
        labels = [_label(point, row) for point in points]
        if len(row["covered"]) + len(row["wrong"]) != sum(label != "missing" for label in labels):
            raise GoldError(f"{path.name}, line {number}: its points are not those of the answer; mend the line")
        scores = coverage.likeness(row["question"], points, row["text"], encoder)
        found.extend(Point(row["question"], label, s) for label, s in zip(labels, scores, strict=True))
    return found


def choose(points: Sequence[Point]) -> float:
    """Return the lowest threshold at which a missing point is marked in at most one case of ten.

    A mark that is wrong lets a person rest on what they do not know; one that is left out makes
    them read a sentence again.
    """
    return next(t / 100 for t in range(101) if errors(points, t / 100)[1] <= MOST_WRONG)


def errors(points: Sequence[Point], threshold: float) -> tuple[float, float]:
    """Return the share of covered points that are not marked, and of missing ones that are."""
    return (
        1 - _marked([p for p in points if p.label == "covered"], threshold),
        _marked([p for p in points if p.label == "missing"], threshold),
    )


def measure(points: Sequence[Point]) -> coverage.Marks:
    """Choose the threshold on all questions, and tell its errors on questions it was not chosen on."""
    held: dict[Label, list[bool]] = {"covered": [], "missing": [], "contradicted": []}
    for question in sorted({p.question for p in points}):
        threshold = choose([p for p in points if p.question != question])
        for point in (p for p in points if p.question == question):
            held[point.label].append(point.likeness >= threshold)
    shares = {label: round(sum(marks) / len(marks), 2) for label, marks in held.items()}
    return coverage.Marks(
        choose(points), len(points), round(1 - shares["covered"], 2), shares["missing"], shares["contradicted"]
    )


def _marked(points: Sequence[Point], threshold: float) -> float:
    return sum(p.likeness >= threshold for p in points) / len(points) if points else 0.0


def _answer(path: Path, question: str) -> str:
    document = READERS[path.suffix](path)
    entry = next((e for e in document.entries if e.question == question), None)
    if entry is None:
        raise GoldError(f"{path}: it does not ask {question!r}; mend the gold")
    return document.text[slice(*entry.answer)]


def _label(point: str, row: dict[str, Any]) -> Label:
    if any(point.startswith(start) for start in row["covered"]):
        return "covered"
    return "contradicted" if any(point.startswith(start) for start in row["wrong"]) else "missing"


def main() -> None:
    """Choose, write, and print what the threshold is worth."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("index", nargs="?", type=Path, default=None, help="a library, for its exported encoder")
    options = parser.parse_args()
    quiet()
    encoder = open_encoder(DEFAULT_MODEL, Home(options.index or default_home()).encoders)
    points = labelled_points(GOLD / "coverage.jsonl", bundled_corpus(), encoder)
    marks = measure(points)
    Path(coverage.__file__).with_name("coverage.json").write_text(json.dumps(asdict(marks)) + "\n", encoding="ascii")
    by_label = {label: [p.likeness for p in points if p.label == label] for label in ("covered", "missing")}
    counts = {label: sum(p.label == label for p in points) for label in ("covered", "missing", "contradicted")}
    print(f"{counts}; AUROC {auroc(by_label['covered'], by_label['missing']):.3f}; {marks}")


if __name__ == "__main__":
    main()
