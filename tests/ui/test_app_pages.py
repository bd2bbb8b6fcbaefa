"""The Topics and Library pages run by Streamlit's own test harness: empty, a result, an error."""

from __future__ import annotations

from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from retrieval.store import Home
from tests.ui.conftest import Room
from tests.ui.test_app_ask import labels, run_app, shown
from tests.ui.test_jobs import wait
from ui import bootstrap
from ui.safe_markdown import literal
from ui.server import APP


def open_page(monkeypatch: pytest.MonkeyPatch, home: Path, page: str, **address: str) -> AppTest:
    monkeypatch.setenv("PREP_INDEX", str(home))
    at = AppTest.from_file(str(APP), default_timeout=60)
    at.run()
    for key, value in address.items():
        at.query_params[key] = value
    at.switch_page(f"app_pages/{page}.py").run()
    assert not at.exception
    return at


@pytest.mark.parametrize("page", ["topics", "practice", "evaluate", "library"])
def test_every_page_greets_where_there_is_no_index(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, page: str) -> None:
    """This test ensures that an empty library opens on every page."""
    at = open_page(monkeypatch, tmp_path / "nothing", page)
    assert [t.value for t in at.title] == ["Your library is empty"]


@pytest.mark.parametrize("page", ["ask", "topics", "practice", "evaluate", "library"])
def test_every_page_tells_a_damaged_index_in_a_sentence(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, page: str
) -> None:
    """This test ensures that no page shows a traceback."""
    (tmp_path / "CURRENT").write_text("000009\n", encoding="ascii")
    at = open_page(monkeypatch, tmp_path, page)
    assert "prep ingest --rebuild" in at.warning[0].value


def test_the_tree_lists_areas_and_opens_a_topic(monkeypatch: pytest.MonkeyPatch, room: Room) -> None:
    """This test ensures that a click in the tree shows related topics with reasons and questions to practise."""
    at = open_page(monkeypatch, room.home, "topics")
    assert "**machine learning** · 3" in [e.label.casefold() for e in at.expander]
    at.button(key="tree-guide/guides/regularization.md").click().run()
    assert [s.value for s in at.subheader] == ["Regularization"]
    assert "When do you prefer the lasso over ridge regression?" in labels(at)
    assert any("cosine" in str(c.value) for c in at.caption)


def test_a_topic_has_an_address(monkeypatch: pytest.MonkeyPatch, room: Room) -> None:
    """This test ensures that `?t=` opens a topic, also by a name near it."""
    at = open_page(monkeypatch, room.home, "topics", t="Training networks")
    assert [s.value for s in at.subheader] == ["Training networks"]


def test_a_question_to_practise_is_asked_on_the_ask_page(monkeypatch: pytest.MonkeyPatch, room: Room) -> None:
    """This test ensures that practice leads to the answer."""
    at = open_page(monkeypatch, room.home, "topics", t="Regularization")
    next(b for b in at.button if b.label.startswith("When do you prefer")).click().run()
    assert not at.exception


def test_the_library_lists_its_sources_and_failures(monkeypatch: pytest.MonkeyPatch, room: Room) -> None:
    """This test ensures that each source stands with its kind and passages, and each failure with its reason."""
    at = open_page(monkeypatch, room.home, "library")
    table = at.dataframe[0].value
    assert list(table["Source"]) == [
        "banks/statistics.yaml",
        "broken.yaml",
        "estimation.pdf",
        "guides/quokka.md",
        "guides/regularization.md",
        "guides/training.md",
    ]
    assert list(table["Kind"])[:3] == ["bank", "notes", "paper"]
    assert "not a question bank" in shown(at)


def test_a_source_can_be_looked_up(monkeypatch: pytest.MonkeyPatch, room: Room) -> None:
    """This test ensures that the table narrows to what is typed."""
    at = open_page(monkeypatch, room.home, "library")
    at.text_input(key="sought").set_value("quokka").run()
    assert list(at.dataframe[0].value["Source"]) == ["guides/quokka.md"]


@pytest.mark.parametrize("path", ["/no/such/folder", "~no-such-person/notes", f"/{'a' * 300}", "notes", ""])
def test_a_folder_that_is_not_there_is_refused_in_a_sentence(
    monkeypatch: pytest.MonkeyPatch, room: Room, path: str
) -> None:
    """This test ensures that nothing is started for a wrong path, whatever the system says of it."""
    at = open_page(monkeypatch, room.home, "library")
    at.text_input(key="path").set_value(path)
    next(b for b in at.button if b.label == "Read this folder").click().run()
    assert not at.exception
    said = literal(path) or "nothing"
    assert at.warning[0].value == f"There is no folder {said} on this machine; type its whole path."
    assert bootstrap.jobs().progress.state == "idle"


def test_a_pdf_is_opened_without_a_word_on_quotes(monkeypatch: pytest.MonkeyPatch, room: Room) -> None:
    """This test ensures that its page stands alone where nothing was quoted, and that how to leave it out for good
    names the folder whose rules count.
    """
    at = open_page(monkeypatch, room.home, "library")
    at.session_state["sources"] = {"selection": {"rows": [2], "columns": [], "cells": []}}
    at.run()
    assert not at.exception
    captions = [str(c.value) for c in at.caption]
    assert "Page 1 of 6" in captions
    assert "Chapter 1" not in shown(at)
    (advice,) = [c for c in captions if ".prepignore" in c]
    assert advice.endswith(f"at the top of the folder you ingested: {literal(str(room.folder))}")


def test_a_first_ingest_and_its_end_are_shown_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, room: Room) -> None:
    """This test ensures that the greeting and the page around it do not both show a job on an empty library."""
    home = Home(tmp_path / "home")
    with home.writing():  # the job waits for it, and gives up
        at = open_page(monkeypatch, home.path, "library")
        at.text_input(key="path").set_value(str(room.folder / "banks"))
        next(b for b in at.button if b.label == "Read this folder").click().run()
        assert not at.exception
        assert sum("stays as it is until this is finished" in str(c.value) for c in at.caption) == 1
        assert wait(bootstrap.jobs()).state == "failed"
    at.run()
    assert ["is writing to" in str(w.value) for w in at.warning] == [True]
    assert [t.value for t in at.title] == ["Your library is empty"]


def test_a_folder_is_read_behind_the_page(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, room: Room) -> None:
    """This test ensures that a folder typed in is ingested and then asked."""
    home = tmp_path / "home"
    home.mkdir()
    (home / "encoders").symlink_to((room.home / "encoders").resolve())
    at = open_page(monkeypatch, home, "library")
    at.text_input(key="path").set_value(str(room.folder / "banks"))
    next(b for b in at.button if b.label == "Read this folder").click().run()
    assert wait(bootstrap.jobs()).state == "done"
    at = run_app(monkeypatch, home, q="What is a p-value?")
    assert "data at least as extreme" in shown(at)
