"""Fit the confidence model on the dev questions and write retrieval/confidence.json.

    python -m evals.fit_confidence [INDEX] [--library INDEX --answerable FILE... --unanswerable FILE...]

The dev questions of the gold come in two sets: those that share few words with their answers,
and plain ones. Further libraries with questions of both kinds make the fit hold on material
that is not ours; each set weighs the same. Probabilities that choose the threshold are
cross-validated.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from evals.answers import reliability
from evals.gold import GOLD, load_gold, of_split, place, read_queries
from evals.metrics import SEED, auroc
from retrieval import confidence
from retrieval.library import ANSWER_HITS, Library, default_home, quiet
from retrieval.logistic import Logistic

TARGET_ANSWERED = 0.975
SETS = (("bundled.jsonl", "unanswerable.jsonl"), ("plain.jsonl",))  # what is answerable has spans
_FOLDS = 5
_STRENGTH = 1.0  # of the L2 penalty's inverse; features are standardised

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Sample:
    """Features `(n, features)`, labels (1: answerable) and weights of the questions of one library."""

    features: Floats
    labels: Floats
    weights: Floats


def sample(library: Library, answerable: Sequence[str], unanswerable: Sequence[str]) -> Sample:
    """Search every question; each of the two kinds weighs one half, whatever its number."""
    rows = []
    for text in (*answerable, *unanswerable):
        found = library.searcher.candidates(text)
        hits = library.searcher.hits(found, ANSWER_HITS)
        rows.append(confidence.features(found, hits, library.searcher.lexical))
    yes, no = len(answerable), len(unanswerable)
    weights = np.concatenate([np.full(yes, 0.5 / yes), np.full(no, 0.5 / no)])
    return Sample(np.array(rows), np.concatenate([np.ones(yes), np.zeros(no)]), weights)


def fit(data: Sample) -> tuple[confidence.Model, Floats]:
    """Return the model fitted on all questions, and the cross-validated probability of each."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedKFold

    scale = data.features.std(axis=0)
    scale[scale < 1e-9] = 1.0
    mean = data.features.mean(axis=0)
    x = (data.features - mean) / scale
    weights = data.weights * len(data.labels)
    held = np.zeros(len(data.labels))
    for train, test in StratifiedKFold(_FOLDS, shuffle=True, random_state=SEED).split(x, data.labels):
        part = LogisticRegression(C=_STRENGTH).fit(x[train], data.labels[train], weights[train])
        held[test] = part.predict_proba(x[test])[:, 1]
    whole = LogisticRegression(C=_STRENGTH).fit(x, data.labels, weights)
    chance = Logistic(
        tuple(mean.tolist()), tuple(scale.tolist()), tuple(whole.coef_[0].tolist()), float(whole.intercept_[0])
    )
    return confidence.Model(chance, choose_threshold(held, data.labels)), held


def choose_threshold(probabilities: Floats, labels: Floats) -> float:
    """Return the threshold that the target share of answerable questions reaches, an interpolated quantile."""
    return round(float(np.quantile(probabilities[labels == 1], 1 - TARGET_ANSWERED)), 4)


def write(model: confidence.Model, path: Path) -> None:
    data = model.chance.kept(confidence.FEATURES) | {"threshold": model.threshold}
    path.write_text(json.dumps(data, indent=1) + "\n", encoding="ascii")


def main() -> None:
    """Fit, write, and print what the fit is worth."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("index", nargs="?", type=Path, default=None)
    parser.add_argument("--library", type=Path, help="a further index")
    parser.add_argument("--answerable", type=Path, nargs="*", default=[], help="its answerable questions (JSONL)")
    parser.add_argument("--unanswerable", type=Path, nargs="*", default=[], help="its unanswerable questions (JSONL)")
    options = parser.parse_args()
    quiet()
    samples = []
    with Library.open(options.index or default_home()) as library:
        for names in SETS:
            questions = [q for name in names for q in of_split(load_gold(GOLD / name), "dev")]
            for question in questions:
                place(question, library)  # refuses a library that is not that of the bundled corpus
            samples.append(
                sample(library, [q.text for q in questions if q.spans], [q.text for q in questions if not q.spans])
            )
    if options.library:
        with Library.open(options.library) as library:
            yes, no = (
                [t for f in files for _, t in read_queries(f)] for files in (options.answerable, options.unanswerable)
            )
            samples.append(sample(library, yes, no))
    data = Sample(*(np.concatenate([getattr(s, name) for s in samples]) for name in ("features", "labels", "weights")))
    model, held = fit(data)
    write(model, Path(confidence.__file__).with_name("confidence.json"))
    yes, no = held[data.labels == 1], held[data.labels == 0]
    print(
        f"{len(yes)} answerable, {len(no)} unanswerable; cross-validated AUROC {auroc(yes.tolist(), no.tolist()):.3f}"
    )
    answered, declined = (yes >= model.threshold).mean(), (no < model.threshold).mean()
    print(f"threshold {model.threshold}: answered {answered:.1%}, declined {declined:.1%}")
    for name, weight in zip(confidence.FEATURES, model.chance.weights, strict=True):
        print(f"  {name:22s} {weight:+.3f}")
    print("reliability (mean probability, share answerable, questions):")
    for row in reliability(held.tolist(), data.labels.tolist(), data.weights.tolist()):
        print(f"  {row.confidence:.2f}  {row.answerable:.2f}  {row.questions}")


if __name__ == "__main__":
    main()
