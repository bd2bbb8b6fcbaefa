"""Retrieved text against reference text, by characters: recall, precision and intersection over union.

The definitions are those of "Evaluating Chunking Strategies for Retrieval" (Smith and
Troynikov, Chroma, 2024), where they are counted over tokens of a text; characters give the
same ratios without tying the measure to one tokenizer.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

Place = tuple[str, int, int]
"""A source path with a half-open character span."""


@dataclass(frozen=True, slots=True)
class SpanScores:
    """The three measures of one query, each in [0, 1]."""

    recall: float
    precision: float
    iou: float


def span_scores(retrieved: Sequence[Place], references: Sequence[Place]) -> SpanScores:
    """Score retrieved spans; text retrieved twice counts twice in the precision, as a reader has to read it twice."""
    shared = _length(_intersection(_union(retrieved), _union(references)))
    wanted = _length(_union(references))
    read = sum(end - start for _, start, end in retrieved)
    return SpanScores(
        recall=shared / wanted if wanted else 0.0,
        precision=shared / read if read else 0.0,
        iou=shared / (read + wanted - shared) if read + wanted else 0.0,
    )


def _union(places: Iterable[Place]) -> list[Place]:
    """Return the places merged where they touch, sorted."""
    merged: list[Place] = []
    for path, start, end in sorted(places):
        if merged and merged[-1][0] == path and start <= merged[-1][2]:
            merged[-1] = (path, merged[-1][1], max(end, merged[-1][2]))
        elif end > start:
            merged.append((path, start, end))
    return merged


def _intersection(a: Sequence[Place], b: Sequence[Place]) -> list[Place]:
    found = ((p, max(s, t), min(e, f)) for p, s, e in a for q, t, f in b if p == q)
    return [(p, s, e) for p, s, e in found if s < e]


def _length(places: Iterable[Place]) -> int:
    return sum(end - start for _, start, end in places)
