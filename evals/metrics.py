"""Ranking measures, by ir-measures, and what they are averaged with. Owns ir_measures.

Measures are named as they are written: recall@5, precision@5, MRR@10, MAP, nDCG@10.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

Qrels = Mapping[str, Mapping[str, int]]
Run = Mapping[str, Sequence[str]]

DEFAULT = ("recall@1", "recall@3", "recall@5", "recall@10", "precision@5", "MRR@10", "MAP", "nDCG@10")
BOOTSTRAP = 2000
SEED = 20261121


def score(qrels: Qrels, run: Run, measures: Sequence[str] = DEFAULT) -> dict[str, dict[str, float]]:
    """Return every measure of every judged query, `{query: {measure: value}}`; a query with no hits scores 0.

    `run` lists document ids best first; the order is the ranking, so nothing is left to ties.
    """
    import ir_measures

    parsed = {_measure(name): name for name in measures}
    judged = [ir_measures.Qrel(q, d, grade) for q, docs in qrels.items() for d, grade in docs.items()]
    ranked = [ir_measures.ScoredDoc(q, d, float(len(docs) - i)) for q, docs in run.items() for i, d in enumerate(docs)]
    out = {q: dict.fromkeys(measures, 0.0) for q in qrels}
    if not parsed:
        return out
    for row in ir_measures.iter_calc(list(parsed), judged, ranked):
        out[row.query_id][parsed[row.measure]] = float(row.value)
    return out


def chief_recall(measures: Sequence[str]) -> str:
    """Return the recall that runs are compared by: recall@5 where it was measured, else the first one."""
    recalls = [m for m in measures if m.startswith("recall")]
    return "recall@5" if "recall@5" in recalls else recalls[0]


def _measure(name: str) -> Any:
    import ir_measures

    short, _, cutoff = name.partition("@")
    known = {"recall": "R", "precision": "P", "MRR": "RR", "MAP": "AP", "nDCG": "nDCG"}
    return ir_measures.parse_measure(known[short] + (f"@{cutoff}" if cutoff else ""))


def mean_and_interval(values: Sequence[float]) -> tuple[float, float, float]:
    """Return the mean and its 95 % bootstrap percentile interval over queries (Efron, 1979), seeded."""
    array = np.asarray(values, dtype=np.float64)
    if array.size == 0:
        return 0.0, 0.0, 0.0
    draws = np.random.default_rng(SEED).integers(0, array.size, size=(BOOTSTRAP, array.size), dtype=np.int32)
    means = array[draws].mean(axis=1)
    low, high = np.percentile(means, [2.5, 97.5])
    return float(array.mean()), float(low), float(high)


def with_interval(values: Sequence[float]) -> dict[str, Any]:
    """Return a mean with its interval as JSON has it: `{"mean", "ci95": [low, high]}`."""
    mean, low, high = mean_and_interval(values)
    return {"mean": round(mean, 4), "ci95": [round(low, 4), round(high, 4)]}


def auroc(positive: Sequence[float], negative: Sequence[float]) -> float:
    """Return the probability that a positive scores above a negative, ties as half (Mann and Whitney, 1947)."""
    if not positive or not negative:
        return 0.0
    both = np.concatenate([np.asarray(positive), np.asarray(negative)])
    order = np.argsort(both, kind="stable")
    ranks = np.empty(len(both))
    ranks[order] = np.arange(1, len(both) + 1)
    _, inverse, counts = np.unique(both, return_inverse=True, return_counts=True)
    mean_ranks = np.zeros(len(counts))
    np.add.at(mean_ranks, inverse, ranks)
    ranks = (mean_ranks / counts)[inverse]
    n = len(positive)
    return float((ranks[:n].sum() - n * (n + 1) / 2) / (n * len(negative)))
