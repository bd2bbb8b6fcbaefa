"""The Evaluate page run by Streamlit's own test harness: no run, a run started from it, what runs show, errors."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from tests.ui.conftest import Room
from tests.ui.runs import evaluate, write_gold
from tests.ui.test_app_ask import shown
from tests.ui.test_app_pages import open_page
from tests.ui.test_jobs import wait
from ui import bootstrap
from ui.evaluations import FOLDER, load_all


@pytest.fixture
def own(room: Room, tmp_path: Path) -> Path:
    """A copy of the small library that runs may be kept in."""
    return Path(shutil.copytree(room.home, tmp_path / "home", symlinks=True))


def test_the_page_offers_a_run_where_there_is_none(monkeypatch: pytest.MonkeyPatch, own: Path) -> None:
    """This test ensures that a person reads what a run would be."""
    at = open_page(monkeypatch, own, "evaluate")
    assert any("No run is kept yet." in str(c.value) for c in at.caption)
    at.radio(key="what").set_value("own").run()
    assert any("does it lead to its answer by what the answer says?" in str(c.value) for c in at.caption)


def test_a_run_is_started_from_the_page_and_shown(monkeypatch: pytest.MonkeyPatch, own: Path, tmp_path: Path) -> None:
    """This test ensures that a gold file typed in is run behind the page, kept, and shown."""
    at = open_page(monkeypatch, own, "evaluate")
    at.radio(key="what").set_value("file").run()
    at.text_input(key="gold").set_value(str(write_gold(tmp_path / "gold.jsonl"))).run()
    at.button(key="run").click().run()
    assert not at.exception
    assert wait(bootstrap.evaluations()).state == "done"
    at = open_page(monkeypatch, own, "evaluate")
    assert "| hybrid | " in shown(at)
    assert "Which way to search is better" in shown(at)


def test_a_run_shows_its_measures_and_misses(monkeypatch: pytest.MonkeyPatch, own: Path, tmp_path: Path) -> None:
    """This test ensures that measures have intervals and that a miss says what came instead and why."""
    evaluate(own, write_gold(tmp_path / "gold.jsonl"), "lexical")
    (kept,), _ = load_all(own)
    at = open_page(monkeypatch, own, "evaluate")
    page = shown(at)
    assert "| way to search |recall@1|recall@3|recall@5|recall@10|MRR@10|nDCG@10|" in page
    assert len(kept.misses) == 1
    assert "1 miss of lexical" in page
    assert "**Came instead** " in page
    assert "Likely cause: " in page
    assert "of 1 that it does not cover it declines **100%**" in page


def test_an_earlier_run_can_be_compared(monkeypatch: pytest.MonkeyPatch, own: Path, tmp_path: Path) -> None:
    """This test ensures that two runs on the same questions are set against each other in words."""
    gold = write_gold(tmp_path / "gold.jsonl")
    evaluate(own, gold, "hybrid")
    (first,) = (own / FOLDER).iterdir()
    first.rename(first.with_name("20260301T120000Z.json"))
    text = first.with_name("20260301T120000Z.json").read_text(encoding="utf-8")
    first.with_name("20260301T120000Z.json").write_text(text.replace(first.stem, "20260301T120000Z"), encoding="utf-8")
    evaluate(own, gold, "hybrid")
    at = open_page(monkeypatch, own, "evaluate")
    at.selectbox(key="before").set_value("20260301T120000Z").run()
    assert not at.exception
    assert "cannot tell hybrid of this run from hybrid of 2026-03-01 12\\:00" in shown(at)


def run_with(at: AppTest, path: str) -> AppTest:
    at.radio(key="what").set_value("file").run()
    at.text_input(key="gold").set_value(path).run()
    at.button(key="run").click().run()
    assert not at.exception
    return at


@pytest.mark.parametrize("path", ["/no/such/gold.jsonl", f"/{'a' * 300}", ""])
def test_a_file_that_is_not_there_is_refused_in_a_sentence(
    monkeypatch: pytest.MonkeyPatch, own: Path, path: str
) -> None:
    """This test ensures that nothing is started for a wrong path, whatever the system says of it."""
    at = run_with(open_page(monkeypatch, own, "evaluate"), path)
    assert at.warning[0].value == "There is no such file on this machine; type its whole path."
    assert bootstrap.evaluations().progress.state == "idle"


def test_a_run_that_fails_is_told_in_a_sentence(
    monkeypatch: pytest.MonkeyPatch, room: Room, own: Path, tmp_path: Path
) -> None:
    """This test ensures that the reason of the worker stands on the page."""
    (tmp_path / "gold.jsonl").write_text("not json\n", encoding="utf-8")
    run_with(open_page(monkeypatch, own, "evaluate"), str(tmp_path / "gold.jsonl"))
    assert wait(bootstrap.evaluations()).state == "failed"
    at = open_page(monkeypatch, own, "evaluate")
    assert "gold.jsonl, line 1\\: not JSON" in at.warning[0].value
