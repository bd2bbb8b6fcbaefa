"""Answers and abstentions against values worked out by hand."""

from __future__ import annotations

import pytest

from evals.answers import Bin, citation_precision, containment, evaluate_answers, evaluate_declining, reliability
from evals.gold import GoldSpan, Placed, Question
from retrieval import Library
from retrieval.types import Answer, Citation, Locator, Sentence


def cite(*spans: tuple[int, int], path: str = "a.md") -> list[Citation]:
    return [Citation(n, "x", Locator(path, path, span), "p") for n, span in enumerate(spans, 1)]


def said(confidence: float, answered: bool) -> Answer:
    sentences = (Sentence("x", (1,)),) if answered else ()
    return Answer("q", answered, confidence, sentences, tuple(cite((0, 9))) if answered else ())


@pytest.mark.parametrize(
    ("spans", "share"),
    [
        ([(0, 50)], 1.0),
        ([(0, 20), (21, 50)], 1.0),  # two sentences and the space between them
        ([(0, 20), (30, 50)], 0.0),  # a hole in the middle
        ([(10, 37)], 0.0),
        ([], 0.0),
    ],
)
def test_gold_is_contained_whole_or_not(spans: list[tuple[int, int]], share: float) -> None:
    """This test ensures that an answer holds a quote only where its citations cover all of it."""
    assert containment(cite(*spans), [Placed("a.md", (10, 40), 1)]) == share


def test_each_part_is_looked_for_and_alternatives_are_one_part() -> None:
    """This test ensures that one of two parts is a half, and that either alternative gives it."""
    places = [Placed("a.md", (0, 9), 1), Placed("b.md", (0, 9), 1), Placed("a.md", (100, 109), 2)]
    assert containment(cite((0, 9), path="b.md"), places) == 0.5
    assert containment(cite((0, 9), (100, 109)), places) == 1.0


def test_citations_count_one_by_one() -> None:
    """This test ensures that two of three citations in gold are a precision of two thirds."""
    assert citation_precision(cite((0, 9), (20, 29), (500, 600)), [Placed("a.md", (0, 100), 1)]) == 2 / 3


def test_an_answer_is_held_to_the_library_it_quotes(library: Library) -> None:
    """This test ensures that the reference answer of an entry is contained in the answer to its question."""
    quote = "A classifier that always predicts the majority class reaches high accuracy and finds no positives."
    question = Question("q1", "Why is accuracy misleading on imbalanced data?", spans=(GoldSpan("bank.yaml", quote),))
    found = evaluate_answers(library, [question], [library.ask(question.text)])
    assert found.containment == (1.0,)
    assert found.citation_precision == (0.5,)  # its second sentence is not in this gold


def test_declining_is_worked_out() -> None:
    """This test ensures that of 3 declined 2 are right (precision 2/3), and 2 of 3 unanswerable ones are declined."""
    yes = [said(0.9, True), said(0.8, True), said(0.3, False), said(0.7, True)]
    no = [said(0.1, False), said(0.2, False), said(0.75, True)]
    found = evaluate_declining(yes, no)
    assert (found.answered, found.declined, found.precision) == (0.75, pytest.approx(2 / 3), pytest.approx(2 / 3))
    assert found.auroc == pytest.approx((3 + 3 + 2 + 2) / 12)
    assert sum(b.questions for b in found.reliability) == 7


def test_declining_on_a_library(library: Library) -> None:
    """This test ensures that what is covered has the higher confidence."""
    asked = ("Why is accuracy misleading on imbalanced data?", "Which treaty ended the Thirty Years' War?")
    found = evaluate_declining([library.ask(asked[0])], [library.ask(asked[1])])
    assert (found.auroc, found.answered, found.declined) == (1.0, 1.0, 1.0)


def test_reliability_is_by_tenths() -> None:
    """This test ensures that a tenth has the mean of its confidences, 1.0 goes with the last, and weights count."""
    assert reliability([0.05, 0.97, 1.0], [0.0, 0.0, 1.0], [1.0, 1.0, 3.0]) == (
        Bin(0.05, 0.0, 1),
        Bin(pytest.approx(0.985), 0.75, 2),
    )
