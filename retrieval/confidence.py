"""The probability that the library answers a question: a logistic model over a few named features.

The coefficients and the threshold stand in confidence.json, fitted by
`python -m evals.fit_confidence`; nothing here is set by hand.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources

from retrieval.lexical import Lexical, words
from retrieval.logistic import Logistic
from retrieval.search import Candidates
from retrieval.types import Hit, Passage, embedded_text

FEATURES = ("score", "coverage", "verbosity")
_TOP = 3
_TERSE, _CHATTY = 4, 12  # content words between which a question counts as ever more chatty


@dataclass(frozen=True, slots=True)
class Model:
    """The chance that a question is answered, and the threshold from which it is answered."""

    chance: Logistic
    threshold: float


@cache
def load() -> Model:
    """Read the fitted model that ships with the project."""
    kept = json.loads(resources.files("retrieval").joinpath("confidence.json").read_text(encoding="ascii"))
    return Model(Logistic.of(kept, FEATURES), kept["threshold"])


def features(found: Candidates, hits: Sequence[Hit], lexical: Lexical) -> tuple[float, ...]:
    """Return the features of one question that was asked of both searches, in the order of FEATURES.

    Score is the best sum of cosine and lexical score. Coverage is the share of the question's
    inverse-document-frequency mass whose words stand in the first hits or in the phrasings of
    their entries. Verbosity makes up for what chatter takes off both; terse questions are all
    alike to it. Signals that a small library or one without question entries lacks are left out,
    and so is what would count against a clear match.
    """
    if not hits or not found.ids:
        return (0.0,) * len(FEATURES)
    asked = sorted(set(words(found.query)))
    weight = {w: lexical.rarity(w) for w in asked}
    mass = sum(weight.values()) or 1.0
    together = frozenset().union(*(words(_ways_to_ask(hit.passage)) for hit in hits[:_TOP]))
    coverage = sum(weight[w] for w in asked if w in together) / mass
    verbosity = min(1.0, max(0.0, (len(asked) - _TERSE) / (_CHATTY - _TERSE)))
    return float(found.fused[0]), coverage, verbosity


def _ways_to_ask(passage: Passage) -> str:
    """Return the words by which a passage is found, those of its entry's phrasings among them."""
    return "\n".join((embedded_text(passage), *(passage.entry.phrasings if passage.entry else ())))
