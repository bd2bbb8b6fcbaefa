"""Exact terms through the whole search, and how hits are settled: sources spread, references behind."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.pipeline import ingest
from retrieval import Library
from retrieval.arrays import Vectors
from retrieval.errors import QueryError
from retrieval.index import Where
from retrieval.local_index import LocalIndex
from retrieval.search import Searcher, _Texts, _Tokens, settle
from retrieval.store import Home
from retrieval.types import Hit, Locator, Passage, Scores
from tests.invariants import check_hits

TERMS = {
    "ROW_NUMBER": "ROW_NUMBER() OVER (PARTITION BY user ORDER BY day) numbers the rows of each group from one on.",
    "RANK": "RANK() gives equal rows the same number and leaves a gap after them, which ordering functions share.",
    "nDCG@10": "nDCG@10 discounts the gain of the first ten documents by the logarithm of their place in the list.",
    "MRR": "MRR is the mean of one over the place of the first right document in the list of each question.",
    "L1": "L1 adds the sum of absolute weights to the loss and makes many of them exactly zero.",
    "L2": "L2 adds the sum of squared weights to the loss and makes all of them somewhat smaller.",
    "p-value": "A p-value is the chance of data at least this extreme were the null hypothesis true.",
    "C++": "C++ inlines templates at compile time, so that a sort with its own comparison costs no call.",
    "C#": "C# runs on a virtual machine that compiles hot methods while the program is running.",
}


@pytest.fixture(scope="module")
def terms(tmp_path_factory: pytest.TempPathFactory, encoders: Path) -> Iterator[Library]:
    """One note for each term, none of which names another one."""
    folder = tmp_path_factory.mktemp("terms")
    for n, text in enumerate(TERMS.values()):
        (folder / f"{n}.md").write_text(f"# Note {n}\n\n{text}\n", encoding="utf-8")
    home = Home(tmp_path_factory.mktemp("home"), encoders)
    ingest(home, [folder])
    with Library(home) as library:
        yield library


@pytest.mark.parametrize("term", TERMS)
@pytest.mark.parametrize("question", ["{}", "what is {} again?", "when would i use {}"])
def test_an_exact_term_finds_its_passage_first(terms: Library, term: str, question: str) -> None:
    """This test ensures that no technical name is lost on the way to the ranking, alone or in a question."""
    assert TERMS[term] in terms.search(question.format(term), 3)[0].passage.text


def test_what_a_thing_is_stands_before_what_mentions_it(tmp_path: Path, encoders: Path) -> None:
    """This test ensures that a heading or question that names what is asked counts in hybrid search, and only there."""
    (tmp_path / "notes.md").write_text(
        "# Notes\n\n## Dropout\n\nUnits are zeroed at random in training, so that none can lean on another one.\n\n"
        "### How do dropout and batch normalization interact?\n\nDropout before batch normalization shifts the "
        "variance that dropout leaves, so dropout stands behind the last batch normalization.\n",
        encoding="utf-8",
    )
    home = Home(tmp_path / "home", encoders)
    ingest(home, [tmp_path / "notes.md"])
    with Library(home) as library:
        gained = {}
        for mode in ("hybrid", "dense"):
            hits = library.search("What is dropout?", 2, mode=mode)
            scores = {bool(h.passage.entry): h.score - h.scores.dense - 0.3 * h.scores.lexical for h in hits}
            gained[mode] = (scores[False], scores[True])
        first = library.search("What is dropout?", 2)[0]
    assert first.passage.locator.heading[-1] == "Dropout"
    about, mentions = gained["hybrid"]
    assert 0.0 < mentions < about
    assert max(gained["dense"]) <= 1e-6


def hit(rank: int, path: str, score: float) -> Hit:
    passage = Passage(f"{path}-{rank}", "x", "", Locator(path, path, (rank, rank + 1)), "prose")
    return Hit(rank, score, Scores(score, 0.0), passage)


def test_the_sixth_passage_of_a_source_lets_near_ones_of_others_pass() -> None:
    """This test ensures that five stay, further ones lose 0.1, and one that is far better stays all the same."""
    hits = [hit(n, "long.md", 0.9 - n / 100) for n in range(1, 8)] + [hit(8, "a.md", 0.8), hit(9, "b.md", 0.5)]
    done = settle(hits)
    check_hits(done)
    assert [h.passage.id for h in done] == [
        *(f"long.md-{n}" for n in range(1, 6)),
        "a.md-8",
        "long.md-6",
        "long.md-7",
        "b.md-9",
    ]
    assert [h.score for h in done][6:8] == pytest.approx([0.74, 0.73])


@given(st.lists(st.frozensets(st.sampled_from("abcdefghijklmnopqrstuvwxyz"), max_size=26), max_size=40))
def test_the_prefix_filter_loses_no_twin(texts: list[frozenset[str]]) -> None:
    """This test ensures that the filter finds what comparing with every text before would."""
    kept = _Texts()
    for n, tokens in enumerate(texts):
        alike = [i for i, other in enumerate(texts[:n]) if tokens and len(tokens & other) >= 0.9 * len(tokens | other)]
        text = _Tokens(" ".join(tokens))
        assert list(kept.twins(text)) == alike
        kept.add(text)


ENTRY = """- question: What does {0} cost in a doubly linked list?
  answer: |
    Given a pointer to the node, {0} changes the links of both neighbors and nothing else, so it takes constant time
    however long the list is; finding that node first takes linear time, since every earlier one has to be visited.
"""


def test_two_questions_of_almost_the_same_words_are_two_hits(tmp_path: Path, encoders: Path) -> None:
    """This test ensures that no entry hides one that asks another thing, and that a copy still folds into its own."""
    folder = tmp_path / "banks"
    folder.mkdir()
    (folder / "a.yaml").write_text(ENTRY.format("insertion") + ENTRY.format("deletion"), encoding="utf-8")
    (folder / "b.yaml").write_text(
        ENTRY.format("Deletion").replace("?", " ?") + ENTRY.format("lookup"), encoding="utf-8"
    )
    home = Home(tmp_path / "home", encoders)
    ingest(home, [folder])
    with Library(home) as library:
        hits = library.search("insertion and deletion in a linked list", 9)
    found = {h.passage.entry.question.split()[2]: [a.path for a in h.also] for h in hits if h.passage.entry}
    assert found == {"insertion": [], "deletion": ["b.yaml"], "lookup": []}


class DepthNoted(LocalIndex):
    """The passages of a generation, which note how many were asked for."""

    depth = 0

    def query(self, vector: Vectors, k: int, where: Where | None = None) -> dict[str, float]:
        self.depth = k
        return super().query(vector, k, where)


@pytest.mark.parametrize(("k", "depth"), [(1, 100), (200, 600), (1000, 3000), (10**9, 3000)])
def test_no_search_looks_deeper_than_the_most_hits_need(terms: Library, k: int, depth: int) -> None:
    """This test ensures that of so many hits that they are cut, no more candidates are looked for either."""
    dense = DepthNoted(terms.folder)
    searcher = Searcher(terms.searcher.encoder, dense, terms.searcher.lexical)
    assert len(searcher.search("what does L1 do", k)) == min(k, len(TERMS))
    assert dense.depth == depth


@pytest.mark.parametrize("k", [0, -1])
def test_fewer_than_one_hit_is_an_error(terms: Library, k: int) -> None:
    """This test ensures that a wrong number is told and not taken for a place from the end of the list."""
    with pytest.raises(QueryError, match=f"k is {k}; choose 1 or more"):
        terms.search("what does L1 do", k)


def test_a_score_is_the_sum_of_its_parts(terms: Library) -> None:
    """This test ensures that what --explain shows adds up."""
    for found in terms.search("what does ROW_NUMBER do", 5):
        fused = found.scores.dense + terms.searcher.weights.lexical * found.scores.lexical
        assert found.score == pytest.approx(fused + found.scores.settled, abs=1e-5)


def test_a_library_of_one_source_keeps_its_order() -> None:
    """This test ensures that a single book is ranked as before."""
    hits = [hit(n, "book.pdf", 1.0 - n / 100) for n in range(1, 10)]
    assert [h.passage.id for h in settle(hits)] == [h.passage.id for h in hits]


@pytest.mark.parametrize("heading", ["References", "Further reading:", "TABLE OF CONTENTS"])
def test_a_list_of_references_stands_behind_what_it_lists(heading: str) -> None:
    """This test ensures that such a list loses 0.15: it holds the words of many answers and is none."""
    listed, said = hit(1, "a.md", 0.80), hit(2, "b.md", 0.66)
    locator = replace(listed.passage.locator, heading=("A guide", heading))
    listed = replace(listed, passage=replace(listed.passage, locator=locator))
    done = settle([listed, said])
    check_hits(done)
    assert [h.passage.id for h in done] == ["b.md-2", "a.md-1"]
    assert done[1].score == pytest.approx(0.65)


def test_a_section_that_only_mentions_references_keeps_its_place() -> None:
    """This test ensures that a heading counts as a whole."""
    talk = hit(1, "a.md", 0.80)
    locator = replace(talk.passage.locator, heading=("References in Python",))
    talk = replace(talk, passage=replace(talk.passage, locator=locator))
    assert settle([talk])[0].score == pytest.approx(0.80)
