"""The probability that the library answers a question: a logistic model over a few named features.

The coefficients and the threshold stand in confidence.json, fitted by
`python -m evals.fit_confidence`; nothing here is set by hand.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources

import numpy as np

from retrieval.lexical import LexicalIndex, words
from retrieval.search import Candidates
from retrieval.types import Hit, embedded_text

FEATURES = (
    "top_cosine",
    "top_question_cosine",
    "coverage",
    "best_coverage",
    "unknown_share",
    "gap",
    "agreement",
)
_TOP = 3
_UNSEEN = 0.5  # rows that an unseen word is counted in when its weight is worked out


@dataclass(frozen=True, slots=True)
class Model:
    """Standardised logistic regression: sigmoid(bias + weights . (x - mean) / scale)."""

    mean: tuple[float, ...]
    scale: tuple[float, ...]
    weights: tuple[float, ...]
    bias: float
    threshold: float

    def probability(self, features: Sequence[float]) -> float:
        """Return the probability in [0, 1] for one value per name in FEATURES."""
        z = self.bias + sum(
            w * (x - m) / s for w, x, m, s in zip(self.weights, features, self.mean, self.scale, strict=True)
        )
        return 1.0 / (1.0 + math.exp(-max(-50.0, min(50.0, z))))


@cache
def load() -> Model:
    """Read the fitted model that ships with the project."""
    raw = json.loads(resources.files("retrieval").joinpath("confidence.json").read_text(encoding="ascii"))
    names = raw["features"]
    if tuple(names) != FEATURES:
        raise ValueError(f"confidence.json was fitted on {names}, the code has {list(FEATURES)}; run: make confidence")
    return Model(tuple(raw["mean"]), tuple(raw["scale"]), tuple(raw["weights"]), raw["bias"], raw["threshold"])


def features(query: str, found: Candidates, hits: Sequence[Hit], lexical: LexicalIndex) -> tuple[float, ...]:
    """Return the features of one question, in the order of FEATURES.

    Coverage is the share of the query's inverse-document-frequency mass whose words stand in
    the first hits (or in the best single one of them): a question on something else may be
    near in the vector space, but its rare words are missing. The length of the question is left
    out on purpose: it raised AUROC on the dev questions by 0.03, and declined "knn".
    """
    if not hits or not found.ids:
        return (0.0,) * len(FEATURES)
    asked = sorted(set(words(query)))
    weight = {w: math.log(1.0 + 1.0 / max(lexical.document_share(w), _UNSEEN / max(1, len(lexical)))) for w in asked}
    mass = sum(weight.values()) or 1.0
    texts = [frozenset(words(embedded_text(hit.passage))) for hit in hits[:_TOP]]
    together = frozenset().union(*texts)
    coverage = sum(weight[w] for w in asked if w in together) / mass if asked else 0.0
    best = max(sum(weight[w] for w in asked if w in text) / mass for text in texts) if asked else 0.0
    unknown = sum(weight[w] for w in asked if lexical.document_share(w) == 0.0) / mass
    dense = np.sort(found.dense)[::-1]
    gap = float(dense[0] - dense[1:11].mean()) if len(dense) > 1 else 0.0
    by_dense, by_lexical = np.argsort(-found.dense, kind="stable")[:10], np.argsort(-found.lexical, kind="stable")[:10]
    agreement = len(set(by_dense.tolist()) & set(by_lexical.tolist())) / 10
    return (
        float(found.dense.max()),
        float(max(0.0, found.question.max())),
        coverage,
        best,
        unknown,
        gap,
        agreement,
    )
