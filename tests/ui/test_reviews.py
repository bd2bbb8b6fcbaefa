"""What was practised is kept: by question, through ingests, never half written."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from fsrs import Card, Rating, Scheduler

from ingest.pipeline import Report
from retrieval.errors import StorageError
from retrieval.store import Home
from ui.reviews import GRADES, Reviews, key_of

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
LASSO = "When do you prefer the lasso?"


def test_a_grade_decides_when_a_question_comes_again(tmp_path: Path) -> None:
    """This test ensures that the schedule is that of the fsrs library, review by review."""
    reviews = Reviews(tmp_path)
    card, at = Card(card_id=0), NOW
    for grade in ("good", "good", "again", "hard", "easy"):
        card, _ = Scheduler(enable_fuzzing=False).review_card(card, Rating(GRADES.index(grade) + 1), at)
        assert reviews.grade(LASSO, grade, at).due == card.due
        at = card.due
    assert reviews.standings(at)[key_of(LASSO)].reviews == 5


def test_waits_are_what_a_grade_then_gives(tmp_path: Path) -> None:
    """This test ensures that a button keeps what it promises, for a new question and a known one."""
    for day in (0, 30):
        now = NOW + timedelta(days=day)
        for grade in GRADES:
            reviews = Reviews(tmp_path / f"{day}-{grade}")
            reviews.path.parent.mkdir()
            if day:
                reviews.grade(LASSO, "easy", NOW)
            promised = reviews.waits(LASSO, now)[grade]
            assert reviews.grade(LASSO, grade, now).due == now + promised


def test_what_was_answered_badly_is_weak_until_it_is_known(tmp_path: Path) -> None:
    """This test ensures that a bad answer marks a question and a good one clears it."""
    reviews = Reviews(tmp_path)
    assert reviews.grade("a?", "hard", NOW).weak
    assert not reviews.grade("a?", "good", NOW).weak
    forgotten = reviews.standings(NOW + timedelta(days=30))[key_of("a?")]
    assert forgotten.recall < reviews.standings(NOW)[key_of("a?")].recall


def test_case_spacing_and_markup_do_not_make_another_question() -> None:
    """This test ensures that a retyped heading keeps its progress, and that signs count."""
    assert key_of("Why  **does** it work?") == key_of("why does it work?")
    assert key_of("What is C?") != key_of("What is C++?")


def test_a_rebuild_keeps_what_was_practised(home: Home, ingest_notes: Callable[..., Report], notes: Path) -> None:
    """This test ensures that neither a rebuild nor a moved file touches progress."""
    ingest_notes()
    reviews = Reviews(home.path)
    reviews.grade("When do you prefer L1 over L2?", "good", NOW)
    before = reviews.standings(NOW)
    (notes / "regularization.md").rename(notes / "penalties.md")
    ingest_notes(rebuild=True)
    ingest_notes()
    assert Reviews(home.path).standings(NOW) == before


def test_a_damaged_file_is_told_and_left_alone(tmp_path: Path) -> None:
    """This test ensures that progress that cannot be read is never written over."""
    reviews = Reviews(tmp_path)
    reviews.path.write_bytes(b"not a database " * 100)
    with pytest.raises(StorageError, match=r"practice\.sqlite: damaged .* put a copy back"):
        reviews.grade(LASSO, "good", NOW)
    assert reviews.path.read_bytes() == b"not a database " * 100


def test_a_disk_that_refuses_is_told(tmp_path: Path) -> None:
    """This test ensures that a home that cannot be written to is one sentence."""
    with pytest.raises(StorageError, match="cannot be kept"):
        Reviews(tmp_path / "gone").grade(LASSO, "good", NOW)


def test_two_sessions_grade_one_question(tmp_path: Path) -> None:
    """This test ensures that no review is lost where two windows are open."""
    first, second = Reviews(tmp_path), Reviews(tmp_path)
    for reviews in (first, second, first, second):
        reviews.grade(LASSO, "good", NOW)
    assert first.standings(NOW)[key_of(LASSO)].reviews == 4
