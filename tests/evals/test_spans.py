"""Span measures against numbers worked by hand."""

from __future__ import annotations

import pytest

from evals.spans import Place, SpanScores, span_scores


@pytest.mark.parametrize(
    ("retrieved", "references", "wanted"),
    [
        ([("a", 0, 100)], [("a", 50, 70)], SpanScores(1.0, 0.2, 0.2)),
        ([("a", 0, 60)], [("a", 50, 70)], SpanScores(0.5, 10 / 60, 10 / 70)),
        ([("b", 0, 60)], [("a", 0, 60)], SpanScores(0.0, 0.0, 0.0)),
        # The overlap of two retrieved spans is read twice and found once.
        ([("a", 0, 40), ("a", 20, 60)], [("a", 20, 40)], SpanScores(1.0, 20 / 80, 20 / 80)),
        ([("a", 0, 10), ("b", 0, 10)], [("a", 0, 10), ("b", 0, 30)], SpanScores(0.5, 1.0, 0.5)),
        ([], [("a", 0, 10)], SpanScores(0.0, 0.0, 0.0)),
    ],
)
def test_worked_cases(retrieved: list[Place], references: list[Place], wanted: SpanScores) -> None:
    """This test ensures that recall, precision and IoU are those of the Chroma report."""
    found = span_scores(retrieved, references)
    assert (found.recall, found.precision, found.iou) == pytest.approx((wanted.recall, wanted.precision, wanted.iou))
