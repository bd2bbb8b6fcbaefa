"""Key points of an answer, and how like they are to what was typed."""

from __future__ import annotations

import pytest

from evals.fit_coverage import MOST_WRONG, choose, errors, labelled_points, measure
from evals.gold import GOLD
from ingest.bundled import bundled_corpus
from retrieval import coverage
from retrieval.encoder import Encoder

QUESTION = "Why does dropout work?"
ANSWER = """Dropout trains an ensemble of networks that share their weights.

```python
hidden = dropout(hidden)
```

Two reasons follow.
- No unit can rely on the presence of another unit.
- Its noise works as a regularizer, so that overfitting is smaller.
"""


def test_points_are_the_sentences_that_say_something(encoder: Encoder) -> None:
    """This test ensures that code and stubs are no points, and that spans are verbatim."""
    points = [ANSWER[slice(*s)] for s in coverage.key_points(QUESTION, ANSWER, encoder)]
    assert points == [
        "Dropout trains an ensemble of networks that share their weights.",
        "No unit can rely on the presence of another unit.",
        "Its noise works as a regularizer, so that overfitting is smaller.",
    ]


def test_of_a_long_answer_twelve_points_are_kept_in_order(encoder: Encoder) -> None:
    """This test ensures that a page of text does not become a page of marks."""
    text = " ".join(f"Dropout layer number {n} removes {n} units at random." for n in range(30))
    spans = coverage.key_points(QUESTION, text, encoder)
    assert len(spans) == coverage.MOST_POINTS
    assert spans == sorted(spans)


def test_what_was_said_is_liker_than_what_was_not(encoder: Encoder) -> None:
    """This test ensures that a paraphrase of one point lifts that point over the threshold and not the others."""
    points = [ANSWER[slice(*s)] for s in coverage.key_points(QUESTION, ANSWER, encoder)]
    typed = "it is like averaging many subnetworks with shared weights, an ensemble"
    first, second, third = coverage.likeness(QUESTION, points, typed, encoder)
    assert first > coverage.load().threshold > max(second, third)


@pytest.mark.parametrize("typed", ["", "  \n "])
def test_nothing_typed_covers_nothing(typed: str, encoder: Encoder) -> None:
    """This test ensures that an empty answer has a likeness of 0."""
    assert coverage.likeness(QUESTION, ["A point that says something."], typed, encoder) == [0.0]


def test_the_shipped_threshold_is_the_one_the_labels_give(encoder: Encoder) -> None:
    """This test ensures that coverage.json is what `python -m evals.fit_coverage` writes today."""
    points = labelled_points(GOLD / "coverage.jsonl", bundled_corpus(), encoder)
    measured, shipped = measure(points), coverage.load()
    assert measured.points == shipped.points
    assert measured.threshold == pytest.approx(shipped.threshold, abs=0.02)  # encoders differ in the last digits
    for name in ("missed", "wrong", "contradicted"):
        assert getattr(measured, name) == pytest.approx(getattr(shipped, name), abs=0.05)
    missed, wrong = errors(points, choose(points))
    assert wrong <= MOST_WRONG
    assert missed < 0.3
