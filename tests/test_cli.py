"""The command line from outside: exit codes, JSON on stdout only, one-line errors, nothing lost."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from ingest.pipeline import ingest
from retrieval.manifest import Manifest, SourceRecord
from retrieval.models import DEFAULT_MODEL
from retrieval.store import Home
from tests.retrieval.test_reranker import tiny_cross_encoder
from ui.cli import app, main

Prep = Callable[..., subprocess.CompletedProcess[str]]


def environment(home: Home) -> dict[str, str]:
    return {**os.environ, "PREP_INDEX": str(home.path), "COLUMNS": "200", "NO_COLOR": "1"}


@pytest.fixture
def prep(home: Home, encoders: Path) -> Prep:
    """Run `prep ARGS...` on the test's own library home."""
    home.path.mkdir(parents=True)
    (home.path / "encoders").symlink_to(encoders)

    def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "ui.cli", *map(str, arguments)]
        return subprocess.run(command, capture_output=True, text=True, env=environment(home), timeout=120, check=False)

    return run


@pytest.fixture
def here(home: Home, encoders: Path) -> Prep:
    """Run `prep ARGS...` in this process, which takes no second to start."""
    home.path.mkdir(parents=True)
    (home.path / "encoders").symlink_to(encoders)

    def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
        done = CliRunner().invoke(app, [*map(str, arguments)], env=environment(home))
        if done.exception and not isinstance(done.exception, SystemExit):
            raise done.exception
        return subprocess.CompletedProcess(arguments, done.exit_code, done.stdout, done.stderr)

    return run


def check_one_line_error(done: subprocess.CompletedProcess[str], *words: str) -> None:
    lines = [line for line in done.stderr.splitlines() if line.startswith("prep: ")]
    assert done.returncode == 1, done.stderr
    assert len(lines) == 1, done.stderr
    assert "Traceback" not in done.stderr
    assert all(word in done.stderr for word in words), done.stderr


def check_wrong_option(done: subprocess.CompletedProcess[str], *words: str) -> None:
    (line,) = done.stderr.splitlines()
    assert (done.returncode, line[:6]) == (2, "prep: "), done.stderr
    assert all(word in line for word in words), line


def output(done: subprocess.CompletedProcess[str]) -> Any:
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_ingest_ask_search_topics_related_status(prep: Prep, notes: Path, tmp_path: Path) -> None:
    """This test ensures that the first minutes of a new user work, in JSON and for people."""
    assert output(prep("ingest", notes, "--json"))["passages"] == 4
    answer = output(prep("ask", "Why is accuracy misleading on imbalanced data?", "--json"))
    assert answer["answered"] is True
    assert answer["citations"][0]["source"]["path"] == "bank.yaml"
    shown = prep("ask", "Why is accuracy misleading on imbalanced data?")
    assert "majority class" in shown.stdout
    assert "[1] bank.yaml > evaluation, line 6" in shown.stdout
    hits = output(prep("search", "dropout", "--k", "2", "--json"))
    assert (hits["query"], [h["rank"] for h in hits["hits"]]) == ("dropout", [1, 2])
    assert "cosine" in prep("search", "dropout", "--explain").stdout
    assert any(t["name"] == "Regularization" for t in output(prep("topics", "--json"))["topics"])
    assert output(prep("related", "regularization", "--json"))["topic"]["name"] == "Regularization"
    assert output(prep("status", "--json"))["passages"] == 4
    assert all(check["ok"] for check in output(prep("doctor", "--json")))


def test_a_question_loads_no_more_than_it_needs(prep: Prep, home: Home, notes: Path) -> None:
    """This test ensures a fast start: what trains, reads files, traces or computes at large is not even imported."""
    prep("ingest", notes)
    heavy = [
        "torch",
        "sentence_transformers",
        "transformers",
        "scipy",
        "bm25s",
        "grpc",
        "pypdf",
        "streamlit",
        "chromadb",
    ]
    code = (
        "import sys; from ui.cli import app\n"
        "app(['ask', 'what is dropout'], standalone_mode=False)\n"
        f"print('loaded', sorted(set({heavy}) & set(sys.modules)))"
    )
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, env=environment(home), timeout=120, check=True)
    assert "Dropout sets each activation to zero" in done.stdout
    assert done.stdout.splitlines()[-1] == "loaded []"


def test_ingest_tells_its_steps_as_json(here: Prep, notes: Path) -> None:
    """This test ensures that a program can follow an ingest: every line of stderr is an event, stdout the report."""
    done = here("ingest", notes, "--events", "--json")
    events = [json.loads(line) for line in done.stderr.splitlines()]
    assert list(dict.fromkeys(e["stage"] for e in events)) == ["read", "encode", "write"]
    assert events[-1]["done"] == events[-1]["total"]
    assert [e["seconds"] for e in events] == sorted(e["seconds"] for e in events)
    assert json.loads(done.stdout)["passages"] == 4


def test_queries_of_a_file_keep_their_order_and_ids(here: Prep, notes: Path, tmp_path: Path) -> None:
    """This test ensures that many queries give one JSON line each, in order, for search and ask."""
    here("ingest", notes)
    file = tmp_path / "q.jsonl"
    file.write_text('{"_id": "b", "text": "dropout"}\n{"_id": "a", "text": "who won the war of 1812"}\n')
    for command, key in (("search", "hits"), ("ask", "answered")):
        rows = [json.loads(line) for line in here(command, "--queries", file).stdout.splitlines()]
        assert [row["_id"] for row in rows] == ["b", "a"]
        assert all(next(iter(row)) == "_id" and key in row for row in rows)


def test_errors_are_one_line_with_what_to_do(here: Prep, notes: Path, tmp_path: Path) -> None:
    """This test ensures that whatever a user gets wrong is one clear line and exit code 1."""
    (tmp_path / "empty").mkdir()
    (tmp_path / "broken.pdf").write_bytes(b"%PDF-1.4 nonsense")
    check_one_line_error(here("ingest", tmp_path / "nowhere"), "nowhere", "no such file")
    check_one_line_error(here("ingest", tmp_path / "empty"), "empty", "no files")
    check_one_line_error(here("ingest", tmp_path / "broken.pdf"), "broken.pdf")
    check_one_line_error(here("ingest", notes, "--model", "no/such-model"), "no/such-model", "--model")
    here("ingest", notes)
    check_one_line_error(here("ask", ""), "empty")
    check_one_line_error(here("search", "x", "--source", "nope.md"), "nope.md")
    check_one_line_error(here("ask", "--queries", tmp_path / "none.jsonl"), "none.jsonl")
    check_one_line_error(here("eval", tmp_path / "none.jsonl"), "none.jsonl")
    for wrong, *told in (
        (("search", "x", "--k", "0"), "--k", "prep search -h"),
        (("search", "x", "--k", "many"), "--k"),
        (("serch", "x"), "'serch'", "'search'", "prep -h"),
        (("ask", "x", "--modle", "y"), "--modle", "prep ask -h"),
    ):
        check_wrong_option(here(*wrong), *told)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("ask",), ("no question",)),
        (("search",), ("no query",)),
        (("search", "x", "--mode", "magic"), ("magic", "hybrid")),
        (("search", "x", "--kind", "poem"), ("poem", "prose")),
        (("ask", "x", "--kind", "poem"), ("poem", "prose")),
        (("eval", "--compare", "dense,magic"), ("magic", "hybrid")),
        (("eval", "--gate"), ("--baseline",)),
        (("eval", "--k", "0"), ("--k 0", "1 to 20")),
        (("eval", "--own", "--split", "dev"), ("--own", "--split")),
        (("eval", "--own", "--answers"), ("--own", "--answers")),
        (("eval", "--llm"), ("--llm", "--answers")),
        (("eval", "--queries", "q.tsv"), ("qrels",)),
        (("ingest", "--watch", "--dry-run"), ("--watch", "--dry-run")),
        (("ingest", "--columns", "zzz"), ("zzz", "question=Prompt,answer=Solution")),
        (("ingest", "--remove", "bank.yaml", "--rebuild"), ("--remove goes alone",)),
    ],
)
def test_wrong_usage_is_told_before_anything_is_opened(
    here: Prep, tmp_path: Path, arguments: tuple[str, ...], words: tuple[str, ...]
) -> None:
    """This test ensures that a slip in typing is a line and exit code 2, and builds no library for a minute first."""
    check_wrong_option(here(*arguments, "--index", tmp_path / "new"), *words)
    assert not (tmp_path / "new").exists()


def test_a_dry_run_makes_nothing(here: Prep, notes: Path, tmp_path: Path) -> None:
    """This test ensures that looking at what an ingest would do leaves no home behind, and reads one that is locked."""
    assert "2 new" in here("ingest", notes, "--dry-run", "--index", tmp_path / "new").stderr
    assert not (tmp_path / "new").exists()


def test_an_index_that_is_a_file_is_one_line(here: Prep, notes: Path) -> None:
    """This test ensures that no command meets it as a surprise."""
    for arguments in (("status",), ("search", "x"), ("ask", "x"), ("ingest",), ("doctor",), ("export", "x.prep")):
        check_one_line_error(here(*arguments, "--index", notes / "bank.yaml"), "bank.yaml", "--index DIR")


def test_an_empty_text_among_many_does_not_end_the_batch(here: Prep, home: Home, notes: Path, tmp_path: Path) -> None:
    """This test ensures that every line is answered, the empty one by saying so."""
    ingest(home, [notes])
    file = tmp_path / "q.jsonl"
    file.write_text('{"_id": "a", "text": " "}\n{"_id": "b", "text": "dropout"}\n')
    for command in ("search", "ask"):
        done = here(command, "--queries", file)
        rows = [json.loads(line) for line in done.stdout.splitlines()]
        assert [(row["_id"], bool(row["hits"]), "error" in row) for row in rows] == [
            ("a", False, True),
            ("b", True, False),
        ]


def test_the_nearest_topic_is_told_where_none_has_the_name(here: Prep, home: Home, notes: Path) -> None:
    """This test ensures that what is shown for words is not taken for a topic of that name."""
    ingest(home, [notes])
    assert "nearest topic to 'sourdough bread': " in here("related", "sourdough bread").stderr
    assert here("related", "regularization").stderr == ""


def test_advice_to_rebuild_leads_out(here: Prep, home: Home, notes: Path) -> None:
    """This test ensures that out of another schema, or a model that is gone, the error names the way."""
    ingest(home, [notes])
    replace(Manifest.read(home.current()), model="/gone").write(home.current())
    for options in ((), ("--rebuild",)):
        check_one_line_error(here("ingest", *options, notes), "/gone", "--rebuild --model prepdesk-MiniLM-L6")
    replace(Manifest.read(home.current()), model=DEFAULT_MODEL, schema=99).write(home.current())
    check_one_line_error(here("ingest", notes), "99", "prep ingest --rebuild")
    assert "2 new" in here("ingest", "--rebuild").stderr
    assert {r.root for r in Manifest.read(home.current()).sources} == {str(notes)}
    (home.current() / "manifest.json").write_text("{}")
    check_one_line_error(here("ingest", "--rebuild"), "prep ingest --rebuild FOLDER")


def test_any_locale_prints_any_name(home: Home, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """This test ensures that arrows, and names that are no text, are printed where the locale has neither."""
    home.path.mkdir()
    empty = Manifest("encoder", "→", 3, "chunker", "now", sources=(SourceRecord("\udcff", "f", "p", "", 0, 0),))
    with home.writing():
        folder = home.begin(copy=False)
        empty.write(folder)
        home.commit(folder)
    out = io.TextIOWrapper(io.BytesIO(), encoding="cp1252")
    monkeypatch.setattr("sys.stdout", out)
    monkeypatch.setattr("sys.argv", ["prep", "status", "--json", "--index", str(home.path)])
    with pytest.raises(SystemExit) as ended:
        main()
    said = json.loads(out.buffer.getvalue())  # type: ignore[attr-defined]
    assert (ended.value.code, said["model"], said["roots"]) == (0, "→", ["\udcff"])


def test_a_damaged_index_is_one_line_and_mended(here: Prep, home: Home, notes: Path) -> None:
    """This test ensures that doctor finds a lost pointer and a lost lexical index, and mends both."""
    here("ingest", notes)
    (home.path / "CURRENT").write_text("000099\n")
    check_one_line_error(here("ask", "dropout?"), "prep doctor --fix")
    assert "fixed  live generation" in here("doctor", "--fix").stdout
    (home.current() / "lexical" / "ids.npy").unlink()
    check_one_line_error(here("search", "dropout"), "prep doctor --fix")
    assert here("doctor").returncode == 1
    assert here("doctor", "--fix").returncode == 0
    assert here("search", "dropout").returncode == 0


def test_status_and_doctor_without_an_index_say_how_to_make_one(prep: Prep) -> None:
    """This test ensures that nothing is built behind one's back by a command that only looks."""
    check_one_line_error(prep("status"), "prep ingest")
    check_one_line_error(prep("doctor"), "prep ingest")


def test_an_interrupted_ingest_loses_nothing(prep: Prep, home: Home, notes: Path) -> None:
    """This test ensures that Ctrl-C exits with 130 and leaves the library as it was."""
    prep("ingest", notes)
    for n in range(400):
        (notes / f"more-{n}.md").write_text(
            f"# Note {n}\n\n" + f"Fact {n} about training models. " * 60, encoding="utf-8"
        )
    command = [sys.executable, "-m", "ui.cli", "ingest", str(notes)]
    # A test run in the background ignores Ctrl-C, and its children inherit that.
    listening = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    process = subprocess.Popen(command, env=environment(home), stderr=subprocess.PIPE, text=True, preexec_fn=listening)
    kept = home.path / "vectors.sqlite-wal"
    while not (kept.exists() and kept.stat().st_size):  # the first vectors are kept, most are still to come
        assert process.poll() is None
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert (process.returncode, "Traceback" in errors) == (130, False), errors
    assert home.current_name() == "000001"
    assert prep("search", "dropout").returncode == 0


def test_watching_commits_what_changes_until_interrupted(prep: Prep, home: Home, notes: Path) -> None:
    """This test ensures that --watch tells one line for every commit and that Ctrl-C ends it with 130."""
    prep("ingest", notes)
    command = [sys.executable, "-m", "ui.cli", "ingest", str(notes), "--watch"]
    listening = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    process = subprocess.Popen(command, env=environment(home), stderr=subprocess.PIPE, text=True, preexec_fn=listening)
    assert process.stderr
    while "Watching 1 folder" not in (line := process.stderr.readline()):
        assert line, "the command ended"
    time.sleep(1.0)  # until the watch stands
    (notes / "new.md").write_text("# New\n\nBoosting adds weak learners one by one.\n")
    assert "1 new, 2 unchanged: 5 passages, 1 texts embedded" in process.stderr.readline()
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert (process.returncode, errors) == (130, "prep: interrupted; nothing already indexed is lost\n")


def test_options_of_ingest_that_contradict_are_told(here: Prep, notes: Path) -> None:
    """This test ensures that nothing is guessed, and that --remove and --columns work as typed."""
    check_wrong_option(here("ingest", notes, "--columns", "question:Prompt"), "question=Prompt,answer=Solution")
    check_wrong_option(here("ingest", notes, "--remove", "bank.yaml"), "--remove goes alone")
    (notes / "bank.csv").write_text("Stimulus,Key\nWhat is F1?,The harmonic mean of precision and recall.\n")
    assert here("ingest", notes, "--columns", "question=Stimulus,answer=Key").returncode == 0
    assert "1 removed" in here("ingest", "--remove", "bank.yaml").stderr
    assert output(here("status", "--json"))["passages"] == 3


def test_eval_runs_compares_and_gates(here: Prep, notes: Path, tmp_path: Path) -> None:
    """This test ensures that a gold file of one's own is measured, compared, kept and held to."""
    here("ingest", notes)
    quote = "Dropout sets each activation to zero with probability p during training, so that units cannot co-adapt."
    gold = tmp_path / "gold.jsonl"
    rows = [
        {
            "_id": "q1",
            "text": "what does dropout do",
            "slice": "s",
            "spans": [{"path": "regularization.md", "quote": quote}],
        },
        {"_id": "q2", "text": "who won the war of 1812", "slice": "far"},
    ]
    gold.write_text("".join(json.dumps(row) + "\n" for row in rows))
    kept, run, report = tmp_path / "kept.json", tmp_path / "run.trec", tmp_path / "report.html"
    summary = output(here("eval", gold, "--json", "--save", kept, "--run", run, "--report", report))
    assert summary["metrics"]["recall@5"] == {"mean": 1.0, "ci95": [1.0, 1.0]}
    assert summary["declining"]["unanswerable"] == 1
    assert run.read_text().startswith("q1 Q0 ")
    assert "<svg" in report.read_text()
    assert here("eval", gold, "--baseline", kept, "--gate").returncode == 0
    compared = output(here("eval", gold, "--compare", "dense,lexical,hybrid", "--json"))
    assert [r["mode"] for r in compared["runs"]] == ["dense", "lexical", "hybrid"]
    assert output(here("eval", gold, "--k", "2", "--json"))["metrics"]["recall@2"]["mean"] == 1.0


@pytest.mark.parametrize("option", ["--save", "--run", "--report"])
def test_eval_tells_first_what_it_cannot_write(here: Prep, tmp_path: Path, option: str) -> None:
    """This test ensures that a target without a folder, or that is one, is told before anything is built or asked."""
    for target, why in ((tmp_path / "gone" / "x", "folder is not there"), (tmp_path, "is a folder")):
        done = here("eval", option, target, "--index", tmp_path / "new")
        check_one_line_error(done, str(target), why, "name another file")
    assert not (tmp_path / "new").exists()


def test_a_disk_that_refuses_the_results_of_eval_is_told(here: Prep, notes: Path, tmp_path: Path) -> None:
    """This test ensures that a disk that is full by the end of the evaluation is one line as well."""
    here("ingest", notes)
    gold = tmp_path / "q.csv"
    gold.write_text("question,file\nwhat does dropout do,regularization.md\n")
    for option in ("--save", "--run", "--report"):
        check_one_line_error(here("eval", gold, option, "/dev/full"), "/dev/full", "No space left")


def test_a_disk_that_refuses_to_note_what_is_opened_is_told(here: Prep, home: Home, notes: Path) -> None:
    """This test ensures that `adapt --keep-opened` says in a line what is wrong where its file cannot be written."""
    here("ingest", notes)
    (home.path / "opened.jsonl").symlink_to(notes / "bank.yaml" / "below")
    check_one_line_error(here("adapt", "--keep-opened"), "opened.jsonl", "a file stands where a folder is needed")


def test_eval_reads_what_other_tools_keep(here: Prep, notes: Path, tmp_path: Path) -> None:
    """This test ensures that a CSV of questions and TREC qrels are measured, and another system's run compared."""
    here("ingest", notes)
    questions, qrels, queries, run = (tmp_path / name for name in ("q.csv", "t.qrels", "t.tsv", "theirs.trec"))
    questions.write_text("question,file\nwhat does dropout do,regularization.md\nwho won the war of 1812,\n")
    found = output(here("eval", questions, "--k", "3", "--json"))
    assert (found["queries"], found["metrics"]["recall@3"]["mean"]) == (1, 1.0)
    assert (found["declining"]["recall"], found["declining"]["precision"]) == (1.0, 1.0)
    qrels.write_text("1 0 regularization.md 1\n2 0 bank.yaml 1\n")
    queries.write_text("1\twhat does dropout do\n2\tlearning rate too high\n")
    run.write_text("1 Q0 bank.yaml 1 2.0 x\n1 Q0 regularization.md 2 1.0 x\n")
    compared = output(here("eval", qrels, "--queries", queries, "--against", run, "--json"))
    assert [(r["mode"], r["metrics"]["MRR@10"]["mean"]) for r in compared["runs"]] == [
        ("hybrid", 1.0),
        ("theirs", 0.25),
    ]
    assert "cannot tell theirs from hybrid" in compared["verdicts"][0]
    check_wrong_option(here("eval", qrels, "--queries", queries, "--answers"), "--answers", "qrels")
    qrels.write_text("1 0 elsewhere.md 1\n")
    check_one_line_error(here("eval", qrels, "--queries", queries), "elsewhere.md")


def test_eval_own_asks_the_librarys_own_questions(here: Prep, notes: Path) -> None:
    """This test ensures that a library with a bank is measured without labels, and one without is told so."""
    here("ingest", notes)
    check_one_line_error(here("eval", "--own"), "3 question entries", "20")
    cards = "".join(
        f"  - question: What is {name}?\n    answer: The method that {name} stands for keeps {n} weights at rest.\n"
        for n, name in enumerate(["boosting", "bagging", "stacking", "pruning"] * 5)
    )
    numbered = "".join(
        f"  - question: Define term {n}?\n    answer: Fact {n} about model number {n}.\n" for n in range(20)
    )
    (notes / "more.yaml").write_text(f"questions:\n{cards}{numbered}")
    here("ingest", notes)
    found = output(here("eval", "--own", "--json"))
    assert (found["dataset"], found["queries"]) == ("own library", 3 + 4 + 20)
    assert here("status", "--json").stdout.count('"same_as": null') == 3


def test_a_reranker_orders_the_hits_and_says_so(here: Prep, notes: Path, tmp_path: Path) -> None:
    """This test ensures that --reranker works for search, ask and eval, and that --explain shows what it moved."""
    here("ingest", notes)
    folder = tiny_cross_encoder(tmp_path / "model")
    assert "before reranking" in here("search", "dropout", "--reranker", folder, "--explain").stdout
    hits = output(here("search", "dropout", "--reranker", folder, "--json"))["hits"]
    assert sorted(hit["before_reranking"] for hit in hits) == [1, 2, 3, 4]
    answer = output(here("ask", "Why is accuracy misleading on imbalanced data?", "--reranker", folder, "--json"))
    assert [hit["rank"] for hit in answer["hits"]] == [1, 2, 3, 4]
    assert all("before_reranking" in hit for hit in answer["hits"])
    questions = tmp_path / "q.csv"
    questions.write_text("question,file\nwhat does dropout do,regularization.md\n")
    assert output(here("eval", questions, "--reranker", folder, "--json"))["metrics"]["recall@5"]["mean"] == 1.0
    check_one_line_error(here("search", "dropout", "--reranker", "no/such-model"), "no/such-model", "--reranker")


def test_every_command_has_help_with_an_example(prep: Prep) -> None:
    """This test ensures that --help shows how a command is typed."""
    for name in (
        "ingest",
        "ask",
        "chat",
        "llm",
        "mcp",
        "search",
        "related",
        "topics",
        "eval",
        "status",
        "doctor",
        "ui",
    ):
        assert f"prep {name}" in prep(name, "--help").stdout
