"""Terms that must not be lost, misspellings that must be found, and BM25 against its formula."""

from __future__ import annotations

import math
from pathlib import Path

import bm25s
import numpy as np
import pytest

from retrieval.errors import IndexCorruptError
from retrieval.lexical import LexicalIndex, grams, saved_ids, words


def build(*texts: str) -> LexicalIndex:
    ids = [letter * 32 for letter in "abcdefgh"[: len(texts)]]
    return LexicalIndex.build(ids, dict(zip(ids, texts, strict=True)))


@pytest.mark.parametrize(
    ("text", "term"),
    [
        ("ROW_NUMBER() over (...)", "row_number"),
        ("report nDCG@10", "ndcg@10"),
        ("L1 or L2?", "l1"),
        ("the p-value", "pvalu"),
        ("in C++ and C#", "c++"),
        ("in C++ and C#", "c#"),
        ("k-NN", "knn"),
        ("F1-score", "f1-score"),
    ],
)
def test_exact_terms_survive(text: str, term: str) -> None:
    """This test ensures that the tokenizer keeps a technical term whole."""
    assert term in words(text)


def test_compounds_are_found_by_their_parts_too() -> None:
    """This test ensures that "p value" finds "p-value"."""
    assert set(words("p value")) <= set(words("the p-value"))


@pytest.mark.parametrize(
    ("one", "other"), [("tradeoff", "trade-off"), ("k-means", "kmeans"), ("Fine-tuning", "finetuned")]
)
def test_a_compound_is_found_however_it_is_joined(one: str, other: str) -> None:
    """This test ensures that people's spellings of a compound share a word, stemmed."""
    assert set(words(one)) & set(words(other))


def test_numbers_with_a_hyphen_are_not_run_together() -> None:
    """This test ensures that a range is no other number."""
    assert "1020" not in words("pages 10-20")


def test_grams_stay_inside_words() -> None:
    """This test ensures that a 4-gram never spans two words and knows where its word starts and ends."""
    assert grams("model fit") == ["^mod", "mode", "odel", "del$", "^fit", "fit$"]


def test_scores_equal_bm25_worked_out() -> None:
    """This test ensures that a share is BM25 (Lucene's idf, k1 = 0.6, b = 0.9) over the mean of best and bound."""
    index = build("cat dog", "cat cat mouse bird", "tree")
    share, _ = index.scores("cat unicorn")
    average = (2 + 4 + 1) / 3

    def tf(count: int, length: int) -> float:
        return count / (count + 0.6 * (1 - 0.9 + 0.9 * length / average))

    idf = math.log(1 + (3 - 2 + 0.5) / (2 + 0.5))
    unknown = math.log(1 + (3 + 0.5) / 0.5)
    one, two = idf * tf(1, 2), idf * tf(2, 4)
    scale = math.sqrt(max(one, two) * (idf + unknown))
    assert share == pytest.approx([one / scale, two / scale, 0.0], rel=1e-4)


def test_scores_equal_those_of_bm25s(tmp_path: Path) -> None:
    """This test ensures that scores computed for all postings at once are those that bm25s computes row by row."""
    texts = ["alpha beta beta gamma", "beta", "", "gamma delta alpha alpha alpha", "delta epsilon"]
    theirs = bm25s.BM25(k1=0.6, b=0.9, method="lucene")
    theirs.index([words(text) for text in texts], show_progress=False)
    build(*texts).save(tmp_path / "lexical")
    ours = bm25s.BM25.load(tmp_path / "lexical" / "words")
    for word in words(" ".join(texts)):
        assert ours.get_scores([word]) == pytest.approx(theirs.get_scores([word]), rel=1e-5)


A, B, C, D, E = (letter * 32 for letter in "abcde")
OFTEN = "alpha " * 300


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (
            {A: "alpha beta beta", B: "gamma only-here", C: "beta delta", D: "omega"},
            {D: "omega", E: "alpha zeta", C: "beta changed", A: "alpha beta beta"},
        ),
        ({A: "alpha beta", B: "beta"}, {A: "alpha beta", B: "alpha alpha"}),
        ({A: "alpha", B: "beta"}, {A: "alpha", B: OFTEN}),
        ({A: "alpha", B: OFTEN}, {A: "alpha", B: "alpha"}),
        ({A: OFTEN, B: "beta"}, {A: OFTEN, B: "gamma"}),
        ({A: "alpha", B: "beta"}, {}),
    ],
    ids=["all-kinds", "no-new-word", "a-large-count-comes", "a-large-count-goes", "a-large-count-stays", "all-gone"],
)
def test_a_change_gives_the_files_of_a_clean_build(tmp_path: Path, old: dict[str, str], new: dict[str, str]) -> None:
    """This test ensures that rows gone, changed, new and moved leave nothing behind: every file is the same."""
    LexicalIndex.build(list(old), old).save(tmp_path / "old")
    fresh = {id_: text for id_, text in new.items() if old.get(id_) != text}
    LexicalIndex.build(list(new), fresh, tmp_path / "old").save(tmp_path / "changed")
    LexicalIndex.build(list(new), new).save(tmp_path / "clean")
    names = sorted(p.relative_to(tmp_path / "clean") for p in (tmp_path / "clean").rglob("*") if p.is_file())
    assert len(names) > 8
    for name in names:
        assert (tmp_path / "changed" / name).read_bytes() == (tmp_path / "clean" / name).read_bytes(), name


def test_an_old_index_without_the_passages_is_refused(tmp_path: Path) -> None:
    """This test ensures that a row without a text is an error and never an empty row."""
    build("alpha").save(tmp_path / "old")
    with pytest.raises(IndexCorruptError, match="prep doctor --fix"):
        LexicalIndex.build(["a" * 32, "z" * 32], {}, tmp_path / "old")


@pytest.mark.parametrize(
    "name", ["ids.npy", "words/vocab.index.json", "grams/counts-2.npy", "words/indptr.csc.index.npy"]
)
@pytest.mark.parametrize("harm", ["cut", "emptied", "gone"])
def test_a_damaged_index_is_not_taken_over(tmp_path: Path, name: str, harm: str) -> None:
    """This test ensures that an ingest which takes rows of damaged files ends in one sentence, or takes none."""
    build("alpha beta", "beta gamma").save(tmp_path / "old")
    file = tmp_path / "old" / name
    content = file.read_bytes()
    file.unlink() if harm == "gone" else file.write_bytes(content[: len(content) // 2] if harm == "cut" else b"")
    if (name, harm) == ("grams/counts-2.npy", "gone"):  # an index of an older version, whose rows are made anew
        assert saved_ids(tmp_path / "old") == []
        return
    with pytest.raises(IndexCorruptError, match=r"old cannot be opened .*prep doctor --fix"):
        LexicalIndex.build(saved_ids(tmp_path / "old"), {}, tmp_path / "old")


def test_a_vocabulary_without_numbers_is_refused(tmp_path: Path) -> None:
    """This test ensures that JSON of another shape than a vocabulary's is damage, read or taken over."""
    build("alpha beta").save(tmp_path / "old")
    (tmp_path / "old" / "words" / "vocab.index.json").write_text('["alpha", "beta"]')
    with pytest.raises(IndexCorruptError, match=r"vocabulary that is a list.*prep doctor --fix"):
        LexicalIndex.load(tmp_path / "old")
    with pytest.raises(IndexCorruptError, match=r"vocabulary that is a list.*prep doctor --fix"):
        LexicalIndex.build(["a" * 32], {}, tmp_path / "old")


def test_a_vocabulary_out_of_order_is_not_taken_over(tmp_path: Path) -> None:
    """This test ensures that words are never joined with the rows of others."""
    build("alpha beta").save(tmp_path / "old")
    (tmp_path / "old" / "words" / "vocab.index.json").write_text('{"beta": 1, "alpha": 0}')
    with pytest.raises(IndexCorruptError, match=r"not in the order.*prep doctor --fix"):
        LexicalIndex.build(["a" * 32], {}, tmp_path / "old")


def test_a_misspelt_word_is_found_by_its_grams() -> None:
    """This test ensures that "regularizaton" still reaches "regularization"."""
    index = build("regularization of weights", "random forests")
    by_words, by_grams = index.scores("regularizaton")
    assert by_words.tolist() == [0.0, 0.0]
    assert by_grams[0] > 0.5
    assert by_grams[1] == 0.0


def test_a_saved_index_gives_the_same_scores(tmp_path: Path) -> None:
    """This test ensures that saving and mapping changes nothing."""
    built = build("alpha beta", "beta gamma")
    built.save(tmp_path / "lexical")
    loaded = LexicalIndex.load(tmp_path / "lexical")
    for query in ("beta", "alpha gamma", "nothing"):
        for mine, theirs in zip(built.scores(query), loaded.scores(query), strict=True):
            assert np.array_equal(mine, theirs)
    assert [loaded.id(row) for row in range(2)] == ["a" * 32, "b" * 32]


def test_an_empty_index_finds_nothing(tmp_path: Path) -> None:
    """This test ensures that an empty library is no special case."""
    build().save(tmp_path / "lexical")
    assert [s.size for s in LexicalIndex.load(tmp_path / "lexical").scores("anything")] == [0, 0]


def test_a_damaged_index_says_what_to_do(tmp_path: Path) -> None:
    """This test ensures that a missing file is a clear error."""
    with pytest.raises(IndexCorruptError, match="prep doctor --fix"):
        LexicalIndex.load(tmp_path / "nothing")
