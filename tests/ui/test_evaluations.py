"""Runs kept in the library home: written whole, read back, compared over the questions they share."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from tests.ui.conftest import Room
from tests.ui.runs import evaluate, write_gold
from ui import evaluation_worker
from ui.evaluations import FOLDER, Mode, Run, comparable, load_all, mode_verdicts, run_verdicts, save


@pytest.fixture
def own(room: Room, tmp_path: Path) -> Path:
    """A copy of the small library that runs may be kept in."""
    return Path(shutil.copytree(room.home, tmp_path / "home", symlinks=True))


def mode(name: str, values: dict[str, float]) -> Mode:
    return Mode(name, {"metrics": {}}, {}, {q: {"recall@5": v, "nDCG@10": v} for q, v in values.items()})


def run(id_: str, *modes: Mode) -> Run:
    return Run(id_, "gold", len(modes[0].queries), "encoder", 10, "000001", modes, ())


def test_a_run_is_kept_and_read_back(own: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """This test ensures that the worker tells every step as JSON and leaves one file with all there is to show."""
    assert evaluate(own, write_gold(tmp_path / "gold.jsonl"), "hybrid", "lexical") == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert {"stage": "search-lexical", "done": 3, "total": 3} in lines
    (kept,), unread = load_all(own)
    assert (lines[-1], unread) == ({"report": {"run": kept.id}}, [])
    assert (kept.dataset, kept.asked, kept.of) == ("gold.jsonl", 3, 3)
    assert [m.mode for m in kept.modes] == ["hybrid", "lexical"]
    assert set(kept.modes[0].queries) == {"lasso", "ridge", "bakery"}
    assert kept.modes[0].recall["20"] >= kept.modes[0].recall["1"]
    assert list((own / FOLDER).iterdir()) == [own / FOLDER / f"{kept.id}.json"]


def test_a_sample_is_the_same_every_time(own: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """This test ensures that two runs on part of the questions can be compared."""
    gold = write_gold(tmp_path / "gold.jsonl")
    for _ in range(2):
        assert evaluation_worker.main(["--mode=lexical", f"--gold={gold}", "--most=2", "--", str(own)]) == 0
        (kept,), _unread = load_all(own)
        assert (kept.asked, kept.of) == (2, 3)
        asked = set(kept.modes[0].queries)
        shutil.rmtree(own / FOLDER)
    assert len(asked) == 2


def test_gold_that_does_not_fit_is_one_sentence(own: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """This test ensures that nothing is kept of a run that could not be made."""
    gold = tmp_path / "gold.jsonl"
    gold.write_text('{"_id": "a", "text": "b", "spans": [{"path": "gone.md", "quote": "c"}]}\n', encoding="utf-8")
    assert evaluate(own, gold, "hybrid") == 1
    assert "gone.md" in json.loads(capsys.readouterr().out.splitlines()[-1])["error"]
    assert load_all(own) == ([], [])


def test_a_file_that_is_no_run_is_named_and_the_others_are_shown(tmp_path: Path) -> None:
    """This test ensures that one damaged file hides nothing."""
    save(tmp_path, run("20260301T120000Z", mode("dense", {"a": 1.0})))
    for name, text in (("half.json", '{"id": "2026'), ("other.json", '{"modes": []}')):
        (tmp_path / FOLDER / name).write_text(text, encoding="utf-8")
    runs, unread = load_all(tmp_path)
    assert [r.when for r in runs] == ["2026-03-01 12:00"]
    assert unread == ["other.json", "half.json"]


def test_modes_are_compared_in_words() -> None:
    """This test ensures that a difference on every question is told as one, and none as none."""
    values = {str(n): 0.0 for n in range(40)}
    better = dict.fromkeys(values, 1.0)
    said = mode_verdicts(run("20260301T120000Z", mode("hybrid", better), mode("dense", values)))
    assert said[0].startswith("hybrid is better than dense on recall@5 by 1.000 (p < 0.001")
    same = mode_verdicts(run("20260301T120000Z", mode("hybrid", values), mode("dense", values)))
    assert same[0].startswith("These queries cannot tell dense from hybrid on recall@5")


def test_runs_are_compared_over_the_questions_they_share() -> None:
    """This test ensures that other questions, and modes only one run has, are left out."""
    before = run("20260301T120000Z", mode("dense", {"a": 0.0, "b": 0.0, "x": 1.0}))
    now = run("20260302T120000Z", mode("hybrid", {"a": 1.0}), mode("dense", {"a": 1.0, "b": 1.0, "y": 0.0}))
    stranger = replace(before, id="20260303T120000Z", modes=(mode("dense", {"z": 1.0}),))
    assert comparable(now, [before, now, stranger]) == [before]
    said = run_verdicts(now, before)
    assert len(said) == 2
    assert "cannot tell dense of this run from dense of 2026-03-01 12:00 on recall@5" in said[0]
    assert "dense of this run wins 2, dense of 2026-03-01 12:00 wins 0, 0 ties" in said[0]
