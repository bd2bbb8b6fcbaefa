"""Terms that must not be lost, misspellings that must be found, and BM25 against its formula."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from retrieval.errors import IndexCorruptError
from retrieval.lexical import LexicalIndex, grams, words


@pytest.mark.parametrize(
    ("text", "term"),
    [
        ("ROW_NUMBER() over (...)", "row_number"),
        ("report nDCG@10", "ndcg@10"),
        ("L1 or L2?", "l1"),
        ("the p-value", "p-value"),
        ("in C++ and C#", "c++"),
        ("in C++ and C#", "c#"),
        ("k-NN", "k-nn"),
        ("F1-score", "f1-score"),
    ],
)
def test_exact_terms_survive(text: str, term: str) -> None:
    """This test ensures that the tokenizer keeps a technical term whole."""
    assert term in words(text)


def test_compounds_are_found_by_their_parts_too() -> None:
    """This test ensures that "p value" finds "p-value"."""
    assert set(words("p value")) <= set(words("the p-value"))


def test_grams_stay_inside_words() -> None:
    """This test ensures that a 4-gram never spans two words and knows where its word starts and ends."""
    assert grams("model fit") == ["^mod", "mode", "odel", "del$", "^fit", "fit$"]


def test_scores_equal_bm25_worked_out() -> None:
    """This test ensures that a share is BM25 (Lucene's idf, k1 = 0.6, b = 0.9) over the mean of best and bound."""
    index = LexicalIndex.build(["a" * 32, "b" * 32, "c" * 32], ["cat dog", "cat cat mouse bird", "tree"])
    share, _ = index.scores("cat unicorn")
    average = (2 + 4 + 1) / 3

    def tf(count: int, length: int) -> float:
        return count / (count + 0.6 * (1 - 0.9 + 0.9 * length / average))

    idf = math.log(1 + (3 - 2 + 0.5) / (2 + 0.5))
    unknown = math.log(1 + (3 + 0.5) / 0.5)
    one, two = idf * tf(1, 2), idf * tf(2, 4)
    scale = math.sqrt(max(one, two) * (idf + unknown))
    assert share == pytest.approx([one / scale, two / scale, 0.0], rel=1e-4)


def test_a_misspelt_word_is_found_by_its_grams() -> None:
    """This test ensures that "regularizaton" still reaches "regularization"."""
    index = LexicalIndex.build(["a" * 32, "b" * 32], ["regularization of weights", "random forests"])
    by_words, by_grams = index.scores("regularizaton")
    assert by_words.tolist() == [0.0, 0.0]
    assert by_grams[0] > 0.5
    assert by_grams[1] == 0.0


def test_a_saved_index_gives_the_same_scores(tmp_path: Path) -> None:
    """This test ensures that saving and mapping changes nothing."""
    built = LexicalIndex.build(["a" * 32, "b" * 32], ["alpha beta", "beta gamma"])
    built.save(tmp_path / "lexical")
    loaded = LexicalIndex.load(tmp_path / "lexical")
    for query in ("beta", "alpha gamma", "nothing"):
        for mine, theirs in zip(built.scores(query), loaded.scores(query), strict=True):
            assert np.array_equal(mine, theirs)
    assert [loaded.id(row) for row in range(2)] == ["a" * 32, "b" * 32]


def test_an_empty_index_finds_nothing(tmp_path: Path) -> None:
    """This test ensures that an empty library is no special case."""
    LexicalIndex.build([], []).save(tmp_path / "lexical")
    assert [s.size for s in LexicalIndex.load(tmp_path / "lexical").scores("anything")] == [0, 0]


def test_a_damaged_index_says_what_to_do(tmp_path: Path) -> None:
    """This test ensures that a missing file is a clear error."""
    with pytest.raises(IndexCorruptError, match="prep doctor --fix"):
        LexicalIndex.load(tmp_path / "nothing")
