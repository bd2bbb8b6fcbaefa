"""How well the check of written sentences tells supported from unsupported ones, on labelled pairs; and its fit.

    python -m evals.support [INDEX] [--fit] [--twins PASSAGES]

A line of `gold/support.jsonl` is a gold line whose text is the sentence, whose span is the
passage it cites, and whose slice is `supported` or what is wrong with it. No passage is in
both parts: dev is for fitting, test for reporting. `--fit` writes retrieval/support.json.
`--twins` measures on `gold/twins.jsonl` too, of so many passages: a line is a passage, by the hash
of what is embedded of it, with a sentence that it supports and one of almost the same words that
it does not.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from evals.gold import GOLD, Question, content_id, load_gold, of_split, overlaps, place
from retrieval import support
from retrieval.errors import GoldError
from retrieval.library import Library, default_home, quiet
from retrieval.logistic import Logistic
from retrieval.support import FEATURES, Checker
from retrieval.types import MARKS, Passage, in_order

TARGET_RECALL = 0.90  # of what is not supported, among what is marked weak or unsupported
TARGET_PRECISION = 0.85  # of what is marked unsupported
SUPPORTED = "supported"
_STRENGTH = 1.0  # of the L2 penalty's inverse; features are standardised
_FOLDS = 8

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Pair:
    """A sentence, the passage it cites, and what it is: supported, or what is wrong with it."""

    sentence: str
    passage: Passage
    kind: str

    @property
    def supported(self) -> bool:
        return self.kind == SUPPORTED


@dataclass(frozen=True, slots=True)
class Caught:
    """Unsupported sentences that a check caught: recall of them, and precision of what it caught."""

    recall: float
    precision: float
    flagged: int


def load_pairs(library: Library, path: Path = GOLD / "support.jsonl") -> dict[str, list[Pair]]:
    """Return the labelled pairs by part. Raises GoldError for a passage that the library does not have."""
    questions = load_gold(path)
    return {split: _pairs(of_split(questions, split), library) for split in ("dev", "test")}


def _pairs(questions: Sequence[Question], library: Library) -> list[Pair]:
    dense = library.searcher.dense
    passages = in_order(dense.all_passages())
    found: list[Pair] = []
    for question in questions:
        (placed,) = place(question, library)
        passage = next((p for p in passages if overlaps(p.locator, placed)), None)
        if passage is None:
            raise GoldError(f"{question.id}: its passage in {placed.path} is not indexed; run: prep ingest")
        found.append(Pair(question.text, passage, question.slice))
    return found


def load_twins(library: Library, count: int, path: Path = GOLD / "twins.jsonl") -> list[tuple[Pair, Pair]]:
    """Return each supported sentence with its unsupported twin, of `count` passages, whose ids are chance.

    Those whose passage was rewritten are left out.
    """
    passages = {content_id(p): p for p in library.searcher.dense.all_passages()}
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    chosen = set(sorted({r["passage"] for r in lines} & passages.keys())[:count])
    return [
        (
            Pair(r["supported"], passages[r["passage"]], SUPPORTED),
            Pair(r["unsupported"], passages[r["passage"]], r["fault"]),
        )
        for r in lines
        if r["passage"] in chosen
    ]


def caught(pairs: Sequence[Pair], flagged: Sequence[bool]) -> Caught:
    """Return what a check is worth that flagged these pairs."""
    hit = sum(f and not p.supported for p, f in zip(pairs, flagged, strict=True))
    wrong = sum(not p.supported for p in pairs)
    return Caught(hit / wrong if wrong else 0.0, hit / sum(flagged) if any(flagged) else 0.0, sum(flagged))


def fit(pairs: Sequence[Pair], checker: Checker) -> dict[str, object]:
    """Return the content of support.json, fitted on the pairs that no rule decides.

    The thresholds are chosen by cross-validated doubt, folds by passage: `weak` is the highest at which the target
    recall is reached, `unsupported` the lowest from there on at which the target precision is.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import GroupKFold, cross_val_predict
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    ruled = np.array([bool(support.broken_rule(p.sentence, [p.passage])) for p in pairs])
    open_ = [p for p, decided in zip(pairs, ruled, strict=True) if not decided]
    x = np.array([checker.features(p.sentence, [p.passage]) for p in open_])
    y = np.array([not p.supported for p in open_])
    groups = [p.passage.id for p in open_]
    pipeline = make_pipeline(StandardScaler(), LogisticRegression(C=_STRENGTH))
    held = cross_val_predict(pipeline, x, y, groups=groups, cv=GroupKFold(_FOLDS), method="predict_proba")[:, 1]
    scaler, model = (step for _, step in pipeline.fit(x, y).steps)
    doubt = np.ones(len(pairs))
    doubt[~ruled] = held
    weak, unsupported = choose_thresholds(doubt, pairs)
    fitted = Logistic(
        tuple(scaler.mean_.tolist()),
        tuple(scaler.scale_.tolist()),
        tuple(model.coef_[0].tolist()),
        float(model.intercept_[0]),
    )
    kept: dict[str, object] = fitted.kept(FEATURES)
    return kept | {"weak": round(weak, 4), "unsupported": round(unsupported, 4)}


def choose_thresholds(doubt: Floats, pairs: Sequence[Pair]) -> tuple[float, float]:
    """Return the thresholds of `weak` and `unsupported`; 1 for the latter where the precision is never reached."""
    steps = sorted(set(doubt.tolist()))
    at = {t: caught(pairs, (doubt >= t).tolist()) for t in steps}
    weak = max(t for t in steps if at[t].recall >= TARGET_RECALL)
    return weak, min((t for t in steps if t >= weak and at[t].precision >= TARGET_PRECISION), default=1.0)


def report(pairs: Sequence[Pair], checker: Checker) -> list[str]:
    """Return the lines that tell recall and precision, and what becomes of each kind."""
    marks = [checker.judge(p.sentence, [p.passage]).mark for p in pairs]
    lines = []
    for name, flags in (
        ("unsupported", [m == "unsupported" for m in marks]),
        ("weak or unsupported", [m != "supported" for m in marks]),
    ):
        c = caught(pairs, flags)
        lines.append(f"  marked {name}: recall {c.recall:.3f}, precision {c.precision:.3f} ({c.flagged} marked)")
    for kind in sorted({p.kind for p in pairs}, key=lambda k: (k != SUPPORTED, k)):
        mine = [m for m, p in zip(marks, pairs, strict=True) if p.kind == kind]
        shares = ", ".join(f"{mark} {mine.count(mark)}" for mark in MARKS)
        lines.append(f"  {kind} ({len(mine)}): {shares}")
    return lines


def report_twins(twins: Sequence[tuple[Pair, Pair]], checker: Checker) -> list[str]:
    """Return the lines that tell, of each fault, how often the wrong twin is doubted more, and how both are marked."""
    judged = [tuple(checker.judge(p.sentence, [p.passage]) for p in twin) for twin in twins]
    lines = []
    for fault in ("", *sorted({wrong.kind for _, wrong in twins})):
        mine = [j for j, (_, wrong) in zip(judged, twins, strict=True) if fault in ("", wrong.kind)]
        told_apart = sum((wrong.doubt > right.doubt) + (wrong.doubt == right.doubt) / 2 for right, wrong in mine)
        marks = (
            f"{side} {', '.join(f'{mark} {sum(j[n].mark == mark for j in mine) / len(mine):.2f}' for mark in MARKS)}"
            for n, side in enumerate(("right:", "wrong:"))
        )
        lines.append(f"  {fault or 'all'} ({len(mine)}): told apart {told_apart / len(mine):.3f}; {'; '.join(marks)}")
    return lines


def main() -> None:
    """Report, after fitting where that is asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("index", nargs="?", type=Path, default=None)
    parser.add_argument("--fit", action="store_true", help="fit on dev and write retrieval/support.json")
    parser.add_argument("--twins", type=int, default=0, metavar="PASSAGES", help="measure on their twins too")
    options = parser.parse_args()
    quiet()
    with Library.open(options.index or default_home()) as library:
        checker = Checker(library.searcher.encoder)
        parts = load_pairs(library)
        if options.fit:
            path = Path(support.__file__).with_name("support.json")
            path.write_text(json.dumps(fit(parts["dev"], checker), indent=1) + "\n", encoding="ascii")
            support.load.cache_clear()
        for split, pairs in parts.items():
            print(f"{split}: {len(pairs)} pairs, {sum(not p.supported for p in pairs)} not supported")
            print("\n".join(report(pairs, checker)))
        if options.twins:
            print("\n".join(["twins", *report_twins(load_twins(library, options.twins), checker)]))


if __name__ == "__main__":
    main()
