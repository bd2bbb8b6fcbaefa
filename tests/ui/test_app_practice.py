"""The Practice page run by Streamlit's own test harness: a question, its answer, grades, an empty choice, an error."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from ingest.pipeline import ingest
from retrieval.store import Home
from tests.ui.conftest import Room
from tests.ui.test_app_ask import labels, shown
from tests.ui.test_app_pages import open_page
from ui.reviews import FILE_NAME, Reviews, key_of

P_VALUE = "What is a p-value?"
TYPED = "how often one sees data at least as extreme as the observed"


@pytest.fixture
def own(room: Room, tmp_path: Path) -> Path:
    """A copy of the small library whose progress a test may change."""
    return Path(shutil.copytree(room.home, tmp_path / "home", symlinks=True))


def practise(monkeypatch: pytest.MonkeyPatch, home: Path, difficulty: str = "easy") -> AppTest:
    """Open the page on the one bank question of a difficulty."""
    return open_page(monkeypatch, home, "practice", level=difficulty)


def press(at: AppTest, label: str) -> AppTest:
    next(b for b in at.button if b.label.startswith(label)).click().run()
    assert not at.exception
    return at


def test_a_question_hides_its_answer(monkeypatch: pytest.MonkeyPatch, own: Path) -> None:
    """This test ensures that nothing of the reference answer is on the page before it is asked for."""
    at = practise(monkeypatch, own)
    assert [s.value for s in at.subheader] == [P_VALUE]
    assert "null hypothesis" not in shown(at)
    assert "Good" not in " ".join(labels(at))


def test_the_answer_comes_with_marks_source_and_grades(monkeypatch: pytest.MonkeyPatch, own: Path) -> None:
    """This test ensures that what was typed is set against the key points, each with its citation."""
    at = practise(monkeypatch, own)
    at.text_area[0].set_value(TYPED)
    press(at, "Show the answer")
    page = shown(at)
    assert "Key points: you cover 1 of 2" in page
    assert ":green-badge[:material/check: covered] A p-value is the probability of data" in page
    assert ":gray-badge[not found] It is not the probability that the null hypothesis is true." in page
    assert any("You are the judge." in str(c.value) for c in at.caption)
    assert [name.split(" · ")[0] for name in labels(at)][-4:] == ["Again", "Hard", "Good", "Easy"]
    at.button(key="cite-2").click().run()
    assert ":orange-background[It is not the probability that the null hypothesis is true.]" in shown(at)


def test_a_question_thought_about_gets_no_marks(monkeypatch: pytest.MonkeyPatch, own: Path) -> None:
    """This test ensures that one may only think, and is then told the points without a judgement."""
    at = press(practise(monkeypatch, own), "Show the answer")
    assert "not found" not in shown(at)
    assert "###### Key points" in shown(at)


def test_a_grade_is_kept_and_the_next_question_comes(monkeypatch: pytest.MonkeyPatch, own: Path) -> None:
    """This test ensures that progress is in the library home and a graded question is not asked again at once."""
    at = press(press(practise(monkeypatch, own), "Show the answer"), "Easy")
    assert Reviews(own).standings(datetime.now(UTC))[key_of(P_VALUE)].reviews == 1
    assert at.info[0].value.startswith("Nothing is due now. The next question comes in")


def test_another_question_passes_one_over(monkeypatch: pytest.MonkeyPatch, own: Path) -> None:
    """This test ensures that skipping shows each of the chosen questions before the first comes back."""
    at = open_page(monkeypatch, own, "practice", on="statistics")
    first = at.subheader[0].value
    press(at, "Another question")
    second = at.subheader[0].value
    assert {first, second} == {P_VALUE, "What does the bootstrap estimate?"}
    assert press(at, "Another question").subheader[0].value in {first, second}


def test_nothing_weak_is_said_so(monkeypatch: pytest.MonkeyPatch, own: Path) -> None:
    """This test ensures that an empty choice is a sentence."""
    at = practise(monkeypatch, own)
    at.button_group[0].set_value("weak").run()
    assert not at.exception
    assert at.info[0].value == "Nothing was weak so far."


def test_a_topic_leads_to_its_practice(monkeypatch: pytest.MonkeyPatch, own: Path) -> None:
    """This test ensures that the topic chosen on the Topics page is the one practised."""
    at = open_page(monkeypatch, own, "topics", t="Regularization")
    at.button(key="practise").click().run()
    assert not at.exception


def test_a_library_without_questions_says_how_to_get_some(
    monkeypatch: pytest.MonkeyPatch, room: Room, tmp_path: Path
) -> None:
    """This test ensures that prose alone gives a page with a next step."""
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "a.md").write_text("# Notes\n\nRidge shrinks all weights a little.\n", encoding="utf-8")
    ingest(Home(tmp_path / "home", (room.home / "encoders").resolve()), [tmp_path / "notes"])
    (tmp_path / "home" / "encoders").symlink_to((room.home / "encoders").resolve())
    at = open_page(monkeypatch, tmp_path / "home", "practice")
    assert "add a question bank" in at.info[0].value


def test_damaged_progress_is_a_sentence(monkeypatch: pytest.MonkeyPatch, own: Path) -> None:
    """This test ensures that the page says what to do, and shows no traceback."""
    (own / FILE_NAME).write_bytes(b"not a database " * 100)
    at = open_page(monkeypatch, own, "practice")
    assert "put a copy back" in at.warning[0].value
