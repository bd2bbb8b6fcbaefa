"""Abbreviations and names typed in one: written out in a terse question, left alone in any other."""

from __future__ import annotations

from pathlib import Path

import pytest

from ingest.pipeline import ingest
from retrieval import Library
from retrieval.abbreviations import LONG_FORMS, glossed, written_out
from retrieval.lexical import STOP_WORDS
from retrieval.store import Home


@pytest.mark.parametrize(
    ("typed", "out", "both"),
    [
        ("knn pros and cons", "k-nearest neighbors pros and cons", "k-nearest neighbors (knn) pros and cons"),
        ("What is GMM?", "What is Gaussian mixture model?", "What is Gaussian mixture model (GMM)?"),
        ("RNNs", "recurrent neural network", "recurrent neural network (RNNs)"),
        ("unet", "U-Net", "U-Net (unet)"),
        ("svm or knn", "support vector machine or k-nearest neighbors", None),
    ],
)
def test_a_terse_question_is_written_out(typed: str, out: str, both: str | None) -> None:
    """This test ensures that the long form stands in the place of the short one, and before it."""
    assert written_out(typed) == out
    assert both is None or glossed(typed) == both


@pytest.mark.parametrize(
    "typed",
    [
        "why does my knn classifier get slow with many rows",
        "pca (principal component analysis)",
        "explain k-NN",
        "nDCG@10",
        "C++",
        "random forest",
        "",
    ],
)
def test_what_has_its_sense_already_stays(typed: str) -> None:
    """This test ensures that a longer question, a long form that is there and what is no abbreviation are kept."""
    assert written_out(typed) == glossed(typed) == typed


def test_no_abbreviation_is_a_word_people_wrap_questions_in() -> None:
    """This test ensures that the table can be looked up in lower case and changes no function word."""
    assert all(name == name.lower() and name.isalnum() for name in LONG_FORMS)
    assert not STOP_WORDS & set(LONG_FORMS)
    assert list(LONG_FORMS) == sorted(LONG_FORMS)


def test_notes_that_write_it_out_are_found_by_the_abbreviation(home: Home, tmp_path: Path) -> None:
    """This test ensures that an abbreviation that stands in no note finds the one on its long form, and is answered."""
    (tmp_path / "mixture.md").write_text(
        "# Mixtures\n\n## What is a Gaussian mixture model?\n\nA Gaussian mixture model describes the density of data "
        "as a weighted sum of several Gaussian densities.\n",
        encoding="utf-8",
    )
    (tmp_path / "gram.md").write_text(
        "# Gram matrices\n\n## What is a Gram matrix?\n\nA Gram matrix holds the inner products of all pairs.\n",
        encoding="utf-8",
    )
    ingest(home, [tmp_path / "mixture.md", tmp_path / "gram.md"])
    with Library(home) as library:
        answer = library.ask("gmm")
    assert answer.hits[0].passage.locator.path == "mixture.md"
    assert answer.answered
