"""CSV questions, TREC qrels, queries and runs: what they mean, and which line is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from evals import baseline
from evals.evaluate import Evaluation, Scored, evaluate_beir, evaluate_run
from evals.formats import load_csv, load_run, load_trec
from evals.gold import GoldSpan
from retrieval import Library
from retrieval.errors import GoldError


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def test_rows_of_a_csv_are_questions_with_alternatives(tmp_path: Path) -> None:
    """This test ensures that files, quotes, repeats, an order of columns and a byte-order mark are read."""
    rows = '\ufeffQuote,Question,File\n"a, b",what?,x\\y.md\n,what?,z.md\n"two\nlines",why?,\n,far away?,\n'
    found = load_csv(write(tmp_path / "q.csv", rows))
    assert [(q.id, q.spans) for q in found] == [
        ("what?", (GoldSpan("x/y.md", "a, b"), GoldSpan("z.md", ""))),
        ("why?", (GoldSpan("", "two\nlines"),)),
        ("far away?", ()),
    ]


def test_ids_slices_and_splits_of_a_csv_are_kept(tmp_path: Path) -> None:
    """This test ensures that optional columns mean what they mean in gold files."""
    found = load_csv(
        write(tmp_path / "q.csv", "id,question,file,slice,split\n7,what?,a.md,short,dev\n8,what?,b.md,,\n")
    )
    assert [(q.id, q.slice, q.split) for q in found] == [("7", "short", "dev"), ("8", "all", "test")]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("text,file\nx,a.md\n", r"q\.csv, line 1.*question"),
        ("question\nx\n", r"q\.csv, line 1.*file or quote"),
        ("question,file\nx,a.md\n,b.md\n", r"q\.csv, line 3.*no question"),
        ("", r"q\.csv, line 1"),
    ],
)
def test_a_wrong_csv_is_named_by_its_line(tmp_path: Path, text: str, words: str) -> None:
    """This test ensures that one can find the line to mend."""
    with pytest.raises(GoldError, match=words):
        load_csv(write(tmp_path / "q.csv", text))


def test_a_file_in_another_encoding_is_one_error(tmp_path: Path) -> None:
    """This test ensures that what is not UTF-8 is named, with what to do."""
    (tmp_path / "q.csv").write_bytes("question,file\nür?,a.md\n".encode("latin-1"))
    with pytest.raises(GoldError, match=r"q\.csv.*save it as UTF-8"):
        load_csv(tmp_path / "q.csv")


def test_qrels_judge_sources_of_the_library(tmp_path: Path, library: Library) -> None:
    """This test ensures that a source is found by its best passage, under TREC's names."""
    qrels = write(tmp_path / "t.qrels", "1 0 regularization.md 1\n1 0 my notes.md 0\n2\t0\tbank.yaml\t2\n9 0 x.md 1\n")
    queries = write(tmp_path / "t.tsv", "1\twhat does dropout do\n2\tlearning rate too high\n")
    collection = load_trec(qrels, queries)
    assert collection.qrels["1"] == {"regularization.md": 1, "my notes.md": 0}
    done = evaluate_beir(library, collection)
    assert [(q.id, q.ranking[0]) for q in done.queries] == [("1", "regularization.md"), ("2", "bank.yaml")]


@pytest.mark.parametrize("line", ["1 0 a.md", "1 0 a.md yes", "1 0", "1"])
def test_a_wrong_line_of_qrels_is_named(tmp_path: Path, line: str) -> None:
    """This test ensures that a run given as qrels, or a cut line, is told."""
    queries = write(tmp_path / "t.tsv", "1\tx\n")
    with pytest.raises(GoldError, match=r"t\.qrels, line 2"):
        load_trec(write(tmp_path / "t.qrels", f"1 0 b.md 1\n{line}\n"), queries)


def test_queries_without_a_tab_or_none_of_them_are_named(tmp_path: Path) -> None:
    """This test ensures that the queries that go with qrels are checked too."""
    qrels = write(tmp_path / "t.qrels", "1 0 a.md 1\n")
    with pytest.raises(GoldError, match=r"t\.tsv, line 1.*tab"):
        load_trec(qrels, write(tmp_path / "t.tsv", "1 what\n"))
    with pytest.raises(GoldError, match=r"none of its queries"):
        load_trec(qrels, write(tmp_path / "t.tsv", "2\twhat\n"))


def test_a_run_is_ranked_by_score(tmp_path: Path) -> None:
    """This test ensures that scores decide, ties fall to the smaller document, and repeats count once."""
    rows = "1 Q0 b.md 1 0.5 tag\n1 Q0 my notes.md 2 0.9 tag\n1 Q0 a.md 3 0.5 tag\n1 Q0 a.md 4 0.1 tag\n"
    assert load_run(write(tmp_path / "r.trec", rows)) == {"1": ["my notes.md", "a.md", "b.md"]}


@pytest.mark.parametrize(("text", "words"), [("1 Q0 a.md 1 tag\n", "line 1"), ("", "empty"), ("x\n", "line 1")])
def test_a_wrong_run_is_named(tmp_path: Path, text: str, words: str) -> None:
    """This test ensures that a run that is none is told."""
    with pytest.raises(GoldError, match=rf"r\.trec.*{words}"):
        load_run(write(tmp_path / "r.trec", text))


def test_a_run_of_our_own_reads_back_with_the_same_measures(tmp_path: Path) -> None:
    """This test ensures that what is written for other tools is what was measured, and a missing query scores 0."""
    qrels = {"q1": {"a": 1}, "q2": {"b": 1}}
    ours = Evaluation("s", "hybrid", (Scored("q1", "t", "all", {}, ("x", "a"), 0.1),), qrels=qrels)
    baseline.write_trec(ours, tmp_path / "r.trec")
    both = Evaluation("s", "x", (*ours.queries, Scored("q2", "t", "all", {}, (), 0.1)), qrels=qrels)
    done = evaluate_run(both, load_run(tmp_path / "r.trec"), name="theirs", measures=("MRR@10", "recall@5"))
    assert done.mode == "theirs"
    assert [q.measures for q in done.queries] == [{"MRR@10": 0.5, "recall@5": 1.0}, {"MRR@10": 0.0, "recall@5": 0.0}]
