"""A logistic model over a few named features, small enough to read in the file it is kept in."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Logistic:
    """Standardised logistic regression: sigmoid(bias + weights . (x - mean) / scale)."""

    mean: tuple[float, ...]
    scale: tuple[float, ...]
    weights: tuple[float, ...]
    bias: float

    def probability(self, features: Sequence[float]) -> float:
        """Return the probability in [0, 1] for one value per feature."""
        z = self.bias + sum(
            w * (x - m) / s for w, x, m, s in zip(self.weights, features, self.mean, self.scale, strict=True)
        )
        return 1.0 / (1.0 + math.exp(-max(-50.0, min(50.0, z))))

    @classmethod
    def of(cls, kept: Mapping[str, Any], names: Sequence[str]) -> Logistic:
        """Return the model kept in a file. Raises ValueError where it was fitted on other features than these."""
        if list(kept["features"]) != list(names):
            raise ValueError(f"the model was fitted on {kept['features']}, the code has {list(names)}; fit it again")
        return cls(tuple(kept["mean"]), tuple(kept["scale"]), tuple(kept["weights"]), kept["bias"])

    def kept(self, names: Sequence[str]) -> dict[str, Any]:
        """Return what `of` reads, rounded to what the eye can compare."""
        return {
            "features": list(names),
            "mean": [round(v, 5) for v in self.mean],
            "scale": [round(v, 5) for v in self.scale],
            "weights": [round(v, 4) for v in self.weights],
            "bias": round(self.bias, 4),
        }
