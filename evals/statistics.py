"""Which of two runs is better, and whether these queries can tell."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from evals.metrics import SEED

Named = tuple[str, Mapping[str, Mapping[str, float]]]  # a run's name, and its measures by query

_DRAWS = 10_000
_ALPHA = 0.05
_POWER = 0.8
_SMALL = 0.001  # below which a p-value of 10,000 draws is not told from another


@dataclass(frozen=True, slots=True)
class Comparison:
    """A paired comparison of one measure: `difference` is the mean of b minus a over the same queries."""

    measure: str
    a: str
    b: str
    difference: float
    p: float
    wins: int
    losses: int
    ties: int
    needed: int | None

    def sentence(self, p: float | None = None) -> str:
        """Say which run is better, or that these queries cannot tell; `p` is a corrected value to judge by."""
        p = self.p if p is None else p
        chance = f"p = {p:.3f}" if p >= _SMALL else f"p < {_SMALL}"
        seen = f"{chance}; {self.b} wins {self.wins}, {self.a} wins {self.losses}, {self.ties} ties"
        if p < _ALPHA:
            better, worse = (self.b, self.a) if self.difference > 0 else (self.a, self.b)
            return f"{better} is better than {worse} on {self.measure} by {abs(self.difference):.3f} ({seen})."
        about = f"; about {self.needed:,} queries would" if self.needed else ""
        moved = f"difference {self.difference:+.3f}, {seen}"
        return f"These queries cannot tell {self.b} from {self.a} on {self.measure} ({moved}){about}."


def compare(measure: str, a: tuple[str, Sequence[float]], b: tuple[str, Sequence[float]]) -> Comparison:
    """Compare two runs over the same queries by a paired randomisation test (Smucker, Allan and Carterette, 2007).

    Two-sided, with 10,000 sign flips drawn from a fixed seed. `needed` is about how many
    queries would show the observed difference with power 0.8 at 0.05, None where it is 0.
    """
    differences = np.asarray(b[1], dtype=np.float64) - np.asarray(a[1], dtype=np.float64)
    observed = float(differences.mean()) if differences.size else 0.0
    moved = differences[differences != 0.0]
    if moved.size == 0:
        return Comparison(measure, a[0], b[0], 0.0, 1.0, 0, 0, int(differences.size), None)
    generator = np.random.default_rng(SEED)
    total = abs(float(moved.sum()))
    extreme = 0
    for start in range(0, _DRAWS, 500):
        signs = generator.integers(0, 2, size=(min(500, _DRAWS - start), moved.size), dtype=np.int8) * 2 - 1
        extreme += int(np.count_nonzero(np.abs(signs @ moved) >= total - 1e-12))
    wins, losses = int((differences > 0).sum()), int((differences < 0).sum())
    return Comparison(
        measure,
        a[0],
        b[0],
        observed,
        (extreme + 1) / (_DRAWS + 1),
        wins,
        losses,
        int(differences.size) - wins - losses,
        _queries_needed(observed, float(differences.std(ddof=1)) if differences.size > 1 else 0.0),
    )


def verdicts(pairs: Sequence[tuple[Named, Named]], measures: Sequence[str]) -> list[str]:
    """Say of every pair of runs which is better on each measure, over the queries that both have.

    p-values are Holm-corrected over all pairs and measures.
    """
    made = []
    for (name, run), (other_name, other) in pairs:
        shared = [query for query in run if query in other]
        for measure in measures:
            values, others = ([found[query][measure] for query in shared] for found in (run, other))
            made.append(compare(measure, (name, values), (other_name, others)))
    return [c.sentence(p) for c, p in zip(made, holm([c.p for c in made]), strict=True)]


def holm(p_values: Sequence[float]) -> list[float]:
    """Return p-values corrected for several comparisons (Holm, 1979), in the given order."""
    order = sorted(range(len(p_values)), key=lambda i: p_values[i])
    corrected = [0.0] * len(p_values)
    running = 0.0
    for rank, i in enumerate(order):
        running = max(running, min(1.0, (len(p_values) - rank) * p_values[i]))
        corrected[i] = running
    return corrected


def _queries_needed(difference: float, deviation: float) -> int | None:
    if difference == 0.0 or deviation == 0.0:
        return None
    z = NormalDist().inv_cdf(1 - _ALPHA / 2) + NormalDist().inv_cdf(_POWER)
    return math.ceil((z * deviation / difference) ** 2)
