"""Gold that survives re-chunking, BEIR folders, and how hits are judged."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from evals.answers import evaluate_declining
from evals.collections import build_library, collection_home
from evals.evaluate import Evaluation, Scored, evaluate_beir, evaluate_gold, judged
from evals.failures import find_failures
from evals.gold import GoldSpan, Placed, Question, covers, is_beir, load_beir, load_gold, place, read_queries
from evals.report import write_report
from retrieval import Library
from retrieval.errors import GoldError
from retrieval.store import Home
from retrieval.types import MODES, Hit, Locator, Passage, Scores

QUOTE = "Dropout sets each activation to zero with probability p during training, so that units cannot co-adapt."


def hit(id_: str, path: str, span: tuple[int, int], rank: int = 1) -> Hit:
    passage = Passage(id_, "x", "", Locator(path, path, span), "prose")
    return Hit(rank, 1.0, Scores(1.0, 0.0), passage)


@pytest.mark.parametrize(
    ("span", "found"),
    [((0, 100), True), ((50, 150), True), ((60, 160), False), ((20, 40), True), ((0, 1000), True), ((100, 200), False)],
)
def test_a_hit_counts_from_half_of_the_shorter_on(span: tuple[int, int], found: bool) -> None:
    """This test ensures that overlap is measured against the shorter of the two spans."""
    assert covers(hit("p", "a.md", span), Placed("a.md", (0, 100), 1)) is found


def test_another_file_never_counts() -> None:
    """This test ensures that equal spans of different files are different places."""
    assert not covers(hit("p", "b.md", (0, 100)), Placed("a.md", (0, 100), 1))


def test_a_part_is_found_once_and_alternatives_are_one_part() -> None:
    """This test ensures that two places of one answer are one find, and two parts two."""
    places = [Placed("a.md", (0, 100), 1), Placed("b.md", (0, 100), 1), Placed("c.md", (0, 100), 2)]
    hits = [
        hit("h1", "b.md", (0, 100)),
        hit("h2", "a.md", (0, 100)),
        hit("h3", "x.md", (0, 9)),
        hit("h4", "c.md", (0, 100)),
    ]
    assert judged(hits, places) == ["part-1", "h2", "h3", "part-2"]


def test_gold_questions_are_scored_on_a_library(library: Library) -> None:
    """This test ensures that the whole way from file to measures holds."""
    questions = [
        Question(
            "q1", "what does dropout do to activations", "paraphrase", "test", (GoldSpan("regularization.md", QUOTE),)
        ),
        Question("q2", "no spans, so not searched", "far", "test"),
    ]
    evaluation = evaluate_gold(library, questions, name="t")
    summary = evaluation.summary()
    assert (summary["queries"], summary["metrics"]["recall@5"]["mean"]) == (1, 1.0)
    assert list(summary["by_slice"]) == ["paraphrase"]
    assert set(summary["latency_ms"]) == {"p50", "p95", "p99"}


def test_precision_counts_hits_and_recall_parts(library: Library) -> None:
    """This test ensures that one of four passages covering the gold is a precision@5 of a fifth, and recall 1."""
    question = Question("q1", "what does dropout do to activations", spans=(GoldSpan("regularization.md", QUOTE),))
    measures = evaluate_gold(library, [question], name="t").queries[0].measures
    assert (measures["precision@5"], measures["recall@5"], measures["MAP"]) == (0.2, 1.0, measures["MRR@10"])


def test_a_whole_source_and_a_quote_of_any_source_are_placed(library: Library) -> None:
    """This test ensures that a question may name the file alone, by the end of its path, or the quote alone."""
    whole = place(Question("q1", "t", spans=(GoldSpan("regularization.md", ""),)), library)
    assert [(p.path, p.span) for p in whole] == [("regularization.md", (0, len(library.text("regularization.md"))))]
    anywhere = place(Question("q1", "t", spans=(GoldSpan("", QUOTE),)), library)
    assert [library.text(p.path)[slice(*p.span)] for p in anywhere] == [QUOTE]
    with pytest.raises(GoldError, match=r"q1.*not in any source"):
        place(Question("q1", "t", spans=(GoldSpan("", "words that stand nowhere"),)), library)


def test_a_quote_that_is_not_there_is_named(library: Library) -> None:
    """This test ensures that stale gold is an error and not a miss."""
    with pytest.raises(GoldError, match=r"q1.*not in regularization\.md"):
        place(Question("q1", "t", spans=(GoldSpan("regularization.md", "words that stand nowhere"),)), library)
    with pytest.raises(GoldError, match=r"q1.*nowhere\.md"):
        place(Question("q1", "t", spans=(GoldSpan("nowhere.md", "x"),)), library)


def test_a_miss_is_explained(library: Library, tmp_path: Path) -> None:
    """This test ensures that a failure names what was wanted, what came instead, its ranks and why it was missed."""
    spans = (GoldSpan("regularization.md", QUOTE), GoldSpan("bank.yaml", "The loss jumps around", part=2))
    question = Question("q1", "what does dropout do to activations", "two-part", "test", spans)
    evaluation = evaluate_gold(library, [question], name="t")
    assert find_failures(evaluation, library, [question]) == []  # four passages: all are in the first five
    ranked = tuple(f"other-{n}" for n in range(5))
    missed = replace(evaluation, queries=tuple(replace(q, ranking=ranked) for q in evaluation.queries))
    first, second = find_failures(missed, library, [question])
    assert (first.wanted, first.wanted_text) == ("regularization.md, line 3", QUOTE)
    assert (first.instead, first.ranks["hybrid"], first.cause) == (first.wanted, 1, "outranked")
    assert "dense and lexical alone" in first.detail
    assert (second.wanted_text, second.cause) == ("The loss jumps around", "outranked")
    assert find_failures(missed, library, [question], most=1) == [first]


def test_what_no_passage_covers_is_not_indexed(library: Library) -> None:
    """This test ensures that a document of judgements that the library lacks is told from one that ranks low."""
    queries = (Scored("q1", "dropout", "all", {}, ("bank.yaml",), 0.1),)
    evaluation = Evaluation("t", "hybrid", queries, qrels={"q1": {"lost.md": 1, "regularization.md": 1, "x.md": 0}})
    lost, low = find_failures(evaluation, library)
    assert (lost.wanted, lost.cause, set(lost.ranks.values())) == ("lost.md", "not indexed", {None})
    assert (low.cause, low.ranks["hybrid"]) == ("outranked", 1)


def test_the_report_shows_runs_slices_and_misses(library: Library, tmp_path: Path) -> None:
    """This test ensures that the page stands alone and holds curves, bars with intervals, verdicts and misses."""
    spans = (GoldSpan("regularization.md", QUOTE),)
    questions = [Question(f"q{n}", "<b>cooking pasta</b>", name, spans=spans) for n, name in enumerate("ab")]
    done = [evaluate_gold(library, questions, name="t", mode=mode) for mode in MODES]
    ranked = [replace(q, ranking=("x",) * 5, measures={**q.measures, "recall@5": 0.0}) for q in done[0].queries]
    done[0] = replace(done[0], queries=tuple(ranked))
    answers = [library.ask("cooking pasta")]
    done[0] = replace(done[0], declining=evaluate_declining(answers, answers))
    write_report(done, ["a verdict"], library, questions, tmp_path / "r.html")
    page = (tmp_path / "r.html").read_text(encoding="utf-8")
    for words in ("a verdict", "<polyline", "class='bar'", "recall@5 by slice", "Misses of hybrid", QUOTE, "AUROC"):
        assert words in page
    assert page.count("<polyline") == 3
    assert "<b>cooking" not in page
    assert "http" not in page


def beir_folder(tmp_path: Path) -> Path:
    folder = tmp_path / "tiny"
    (folder / "qrels").mkdir(parents=True)
    documents = {
        "d1": "The boiling point of water is 100 degrees Celsius.",
        "d2": "Penguins live in the southern hemisphere.",
    }
    rows = "\n".join(json.dumps({"_id": i, "title": "", "text": t}) for i, t in documents.items())
    (folder / "corpus.jsonl").write_text(rows)
    (folder / "queries.jsonl").write_text(json.dumps({"_id": "q1", "text": "where do penguins live"}) + "\n")
    (folder / "qrels" / "test.tsv").write_text("query-id\tcorpus-id\tscore\nq1\td2\t1\n")
    return folder


def test_a_beir_folder_is_indexed_and_scored(tmp_path: Path, home: Home) -> None:
    """This test ensures that documents are ranked by their best passage."""
    collection = load_beir(beir_folder(tmp_path))
    with build_library(collection, home) as library:
        evaluation = evaluate_beir(library, collection)
    assert is_beir(tmp_path / "tiny")
    assert evaluation.queries[0].ranking[0] == "d2"
    assert evaluation.queries[0].measures["MRR@10"] == 1.0


def test_a_collection_is_never_taken_for_the_library(tmp_path: Path, home: Home) -> None:
    """This test ensures that `prep eval ..` indexes beside the library and not in its place."""
    collection = load_beir(beir_folder(tmp_path) / "qrels" / "..")
    assert collection_home(home, collection).path == home.path / "collections" / "tiny"


def test_a_beir_folder_without_judgements_is_named(tmp_path: Path) -> None:
    """This test ensures that what is missing is said."""
    folder = beir_folder(tmp_path)
    (folder / "qrels" / "test.tsv").unlink()
    with pytest.raises(GoldError, match=r"test\.tsv"):
        load_beir(folder)


@pytest.mark.parametrize("line", ["not json", "[]", '{"text": "x"}', '{"_id": 1}'])
def test_a_wrong_line_is_named_by_its_number(tmp_path: Path, line: str) -> None:
    """This test ensures that one can find the line to mend."""
    path = tmp_path / "g.jsonl"
    path.write_text('{"_id": "a", "text": "fine"}\n' + line + "\n")
    with pytest.raises(GoldError, match=r"g\.jsonl, line 2"):
        load_gold(path)
    with pytest.raises(GoldError, match=r"line 2"):
        read_queries(path)
