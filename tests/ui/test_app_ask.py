"""The Ask page run by Streamlit's own test harness: empty, a result, an abstention, an error."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from retrieval.manifest import Manifest
from retrieval.store import Home
from tests.ui.conftest import Room, write_pdf
from ui.server import APP


def run_app(monkeypatch: pytest.MonkeyPatch, home: Path, **address: str) -> AppTest:
    monkeypatch.setenv("PREP_INDEX", str(home))
    at = AppTest.from_file(str(APP), default_timeout=60)
    for key, value in address.items():
        at.query_params[key] = value
    at.run()
    assert not at.exception
    return at


def shown(at: AppTest) -> str:
    """Return all the Markdown on the page."""
    return "\n".join(str(element.value) for element in at.markdown)


def labels(at: AppTest) -> list[str]:
    return [button.label for button in at.button]


def test_an_empty_library_greets_with_both_ways_to_fill_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """This test ensures that a person without an index reads what to do, and no traceback."""
    at = run_app(monkeypatch, tmp_path / "nothing")
    assert [t.value for t in at.title] == ["Your library is empty"]
    assert at.code[0].value == "prep ingest ~/notes"
    assert labels(at) == ["Build the bundled corpus"]


def test_the_page_opens_with_questions_the_library_answers(monkeypatch: pytest.MonkeyPatch, room: Room) -> None:
    """This test ensures that examples come from the library's own question entries and ask when clicked."""
    at = run_app(monkeypatch, room.home)
    examples = [b for b in at.button if str(b.key).startswith("ask-example-")]
    assert "What is a p-value?" in [b.label for b in examples]
    next(b for b in examples if b.label == "What is a p-value?").click().run()
    assert at.text_input(key="q").value == "What is a p-value?"
    assert "data at least as extreme" in shown(at)


def test_an_address_with_a_question_opens_its_answer_beside_the_source(
    monkeypatch: pytest.MonkeyPatch, room: Room
) -> None:
    """This test ensures that `?q=` gives the answer with numbers, and the first source with the quote marked."""
    at = run_app(monkeypatch, room.home, q="When do you prefer the lasso over ridge regression?")
    assert at.text_input(key="q").value == "When do you prefer the lasso over ridge regression?"
    page = shown(at)
    assert ":blue-badge[1]" in page
    assert ":orange-background[Prefer the lasso when few features matter and a sparse model is wanted.]" in page
    assert any(b.label.startswith("1 · line") for b in at.button)


def test_a_citation_opens_its_own_quote(monkeypatch: pytest.MonkeyPatch, room: Room) -> None:
    """This test ensures that the second number marks the second sentence, and that the panel can be closed."""
    at = run_app(monkeypatch, room.home, q="When do you prefer the lasso over ridge regression?")
    at.button(key="cite-2").click().run()
    assert ":orange-background[Prefer ridge regression when many features matter" in shown(at)
    at.button(key="close").click().run()
    assert ":orange-background" not in shown(at)


def test_a_question_the_library_does_not_cover_gets_a_notice(monkeypatch: pytest.MonkeyPatch, room: Room) -> None:
    """This test ensures that an abstention looks different from an answer and offers topics."""
    at = run_app(monkeypatch, room.home, q="Which visa do I need for a layover in Doha?")
    assert at.info[0].value.startswith("**Your library does not cover this.**")
    assert ":blue-badge" not in shown(at)
    assert [b for b in at.button if str(b.key).startswith("topic-")]


def test_why_this_tells_scores_and_words(monkeypatch: pytest.MonkeyPatch, room: Room) -> None:
    """This test ensures that other passages say what their scores are made of."""
    at = run_app(monkeypatch, room.home, q="When do you prefer the lasso over ridge regression?")
    page = shown(at)
    assert "| Dense: nearness in meaning (cosine, of its question where that is nearer) |" in page
    assert "Your words in it: " in page


KALMAN = "What is the Kalman gain?"


def captions(at: AppTest) -> str:
    return "\n".join(str(caption.value) for caption in at.caption)


def test_a_page_is_drawn_only_of_the_file_that_was_indexed(
    monkeypatch: pytest.MonkeyPatch, room: Room, tmp_path: Path
) -> None:
    """This test ensures that no citation is shown on the page of another file, which is told, as a lost one is."""
    assert "Page 2 of 6" in captions(run_app(monkeypatch, room.home, q=KALMAN, source="estimation.pdf"))
    own = Home(shutil.copytree(room.home, tmp_path / "home", symlinks=True))
    manifest, other = Manifest.read(own.current()), tmp_path / "other.pdf"
    sources = tuple(replace(r, file=str(other)) if r.path.endswith(".pdf") else r for r in manifest.sources)
    replace(manifest, sources=sources).write(own.current())
    for told in ("The file is not where it was read from any more; ", "The file has changed since it was read; "):
        at = run_app(monkeypatch, own.path, q=KALMAN, source="estimation.pdf")
        assert f"{told}this is its text as it was read." in captions(at)
        assert "Page 2 of" not in captions(at)
        write_pdf(other, ("Another first page.", "Another second page."))


def test_a_filter_in_the_address_holds(monkeypatch: pytest.MonkeyPatch, room: Room) -> None:
    """This test ensures that `&source=` limits the answer to that source."""
    at = run_app(monkeypatch, room.home, q="What is a p-value?", source="guides/")
    assert at.multiselect(key="source").value == ["guides/"]
    assert "data at least as extreme" not in shown(at)


def test_the_history_keeps_the_questions_of_the_session(monkeypatch: pytest.MonkeyPatch, room: Room) -> None:
    """This test ensures that an earlier question can be asked again."""
    at = run_app(monkeypatch, room.home, q="What is a p-value?")
    at.text_input(key="q").set_value("What does the bootstrap estimate?").run()
    assert at.button(key="ask-history-1").label == "What is a p-value?"
    at.button(key="ask-history-1").click().run()
    assert at.text_input(key="q").value == "What is a p-value?"


def test_a_damaged_index_is_told_in_a_sentence(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """This test ensures that an error names what to do and shows no traceback."""
    home = Home(tmp_path)
    (home.generations / "000001").mkdir(parents=True)
    (tmp_path / "CURRENT").write_text("000001\n", encoding="ascii")
    at = run_app(monkeypatch, tmp_path)
    assert "which is not complete; run\\: prep ingest --rebuild" in at.warning[0].value
