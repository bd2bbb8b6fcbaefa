"""A library as its own gold: what is asked, what counts, and that no question can be matched."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from evals.evaluate import evaluate_gold
from evals.gold import place
from evals.own import hide_questions, own_gold
from ingest.pipeline import ingest
from retrieval import Library
from retrieval.errors import GoldError
from retrieval.fusion import Weights
from retrieval.store import Home
from retrieval.types import embedded_text
from tests.invariants import check_generation

FAQ = """# Interview questions

1. [What is bagging?](#what-is-bagging)
2. [Why does dropout help?](#why-does-dropout-help)

Some words about this list of questions.

## What is bagging?

Train the same learner on bootstrap samples and average what the copies predict, which lowers the variance.

## Why does dropout help?

Units cannot lean on each other, so the network behaves like an average of many thinned networks.

## Is it true?

True.
"""

ONE = """# What does batch normalization do?

It standardizes each channel over the mini-batch and then scales and shifts the result by learned parameters.
"""

COPY = """questions:
  - question: So what is bagging
    answer: Bootstrap aggregation fits a model to each resample and lets all of them vote.
  - question: Tell me about thinned networks
    answer: Units cannot lean on each other, so the network behaves like an average of many thinned networks.
"""


@pytest.fixture
def library(tmp_path: Path, home: Home) -> Iterator[Library]:
    """Entries with a table of contents, a file whose title is its question, and repeats of both kinds."""
    folder = tmp_path / "own"
    folder.mkdir()
    for name, text in {"faq.md": FAQ, "one.md": ONE, "copy.yaml": COPY}.items():
        (folder / name).write_text(text, encoding="utf-8")
    ingest(home, [folder])
    with Library(home) as opened:
        yield opened


@pytest.fixture
def hidden(library: Library) -> Iterator[Library]:
    with hide_questions(library) as opened:
        yield opened


def test_every_entry_is_asked_once_and_repeats_are_alternatives(library: Library) -> None:
    """This test ensures that the same question elsewhere, and the same answer elsewhere, count as right."""
    gold = {q.text: q for q in own_gold(library, minimum=1)}
    assert {text: sorted(s.path for s in q.spans) for text, q in gold.items()} == {
        "So what is bagging": ["copy.yaml", "faq.md"],
        "Tell me about thinned networks": ["copy.yaml", "faq.md"],
        "Why does dropout help?": ["copy.yaml", "faq.md"],
        "What does batch normalization do?": ["one.md"],
    }
    for question in gold.values():
        for span, placed in zip(question.spans, place(question, library), strict=True):
            assert library.text(span.path)[slice(*placed.span)] == span.quote


def test_no_question_is_left_in_what_is_searched(library: Library, hidden: Library) -> None:
    """This test ensures that no vector and no words of a question stand in the copy, in contents and titles either."""
    check_generation(hidden.home)
    assert hidden.searcher.dense.count()[1] == 0
    searched = "\n".join(embedded_text(p) for p in hidden.searcher.dense.all_passages()).casefold()
    assert "batch normalization" not in searched
    assert "what is bagging" not in searched
    assert "dropout" not in searched
    assert "some words about this list" in searched
    assert "bootstrap samples" in searched
    assert not hidden.searcher.lexical.match("bagging", Weights(words=1.0)).best(1)


def test_the_copy_is_scored_and_the_library_left_as_it_was(library: Library, hidden: Library) -> None:
    """This test ensures that answers are found by what they say, and that the person's index does not change."""
    before = library.generation
    done = evaluate_gold(hidden, own_gold(library, minimum=1), name="own")
    by_text = {q.text: q.measures["recall@5"] for q in done.queries}
    assert by_text["Tell me about thinned networks"] == 1.0
    assert len(done.queries) == 4
    assert library.generation == before
    assert library.search("what is bagging", 1)[0].passage.entry is not None


def test_a_second_copy_encodes_nothing(library: Library, hidden: Library) -> None:
    """This test ensures that vectors are kept, so that measuring again is quick."""
    stages: list[tuple[str, int, int]] = []
    hide_questions(library, progress=lambda *step: stages.append(step)).close()
    assert next(step for step in stages if step[0] == "encode")[1] == hidden.manifest.passages


def test_too_few_entries_say_what_to_do(library: Library) -> None:
    """This test ensures that a handful of questions is no measure, and that one is told so."""
    with pytest.raises(GoldError, match=r"4 question entries.*needs 20.*GOLD\.jsonl"):
        own_gold(library)
