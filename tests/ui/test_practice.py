"""Which question comes next, how waits read, and what goes to Anki."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from ingest.readers import READERS
from retrieval import coverage
from ui.anki import Note, anki_text
from ui.practice import Card, chosen, count, difficulties_of, draw, honesty, wait_words
from ui.reviews import Standing

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
CARDS = [Card(k, f"Question {k}?", d, f"p-{k}") for k, d in (("a", "hard"), ("b", "easy"), ("c", "senior"), ("d", ""))]


def standing(days: float, recall: float, *, weak: bool = False) -> Standing:
    return Standing(NOW + timedelta(days=days), recall, weak, 1, "again" if weak else "good")


def test_the_least_remembered_of_what_is_due_comes_first() -> None:
    """This test ensures that due questions go before new ones, and among them the weakest first."""
    standings = {"a": standing(-1, 0.8), "b": standing(-9, 0.6), "c": standing(3, 0.1)}
    first = draw(CARDS, standings, "due", NOW)
    assert first
    assert first.key == "b"
    later = draw(CARDS, {**standings, "a": standing(2, 1), "b": standing(2, 1)}, "due", NOW)
    assert later
    assert later.key == "d", "nothing is due, so what is new comes"


def test_weak_and_new_keep_to_their_kind() -> None:
    """This test ensures that the order "weak" asks only what went badly, and "new" only what was never asked."""
    standings = {"a": standing(3, 0.9, weak=True), "b": standing(-9, 0.6)}
    weak, new = draw(CARDS, standings, "weak", NOW), draw(CARDS, standings, "new", NOW)
    assert weak
    assert weak.key == "a"
    assert new
    assert new.key in {"c", "d"}
    assert draw(CARDS, {}, "weak", NOW) is None
    assert draw(CARDS[:2], standings, "new", NOW) is None


def test_counts_tell_when_the_next_question_comes() -> None:
    """This test ensures that an empty page can say when to come back."""
    standings = {"a": standing(2, 0.9), "b": standing(0.5, 0.9, weak=True)}
    counted = count(CARDS, standings, NOW)
    assert (counted.total, counted.due, counted.weak, counted.new) == (4, 0, 1, 2)
    assert counted.next_due == NOW + timedelta(days=0.5)


def test_topics_and_difficulties_narrow_the_choice() -> None:
    """This test ensures that either choice left empty lets all through."""
    topics = {"Trees": frozenset({"p-a", "p-b"}), "SQL": frozenset({"p-d"})}
    assert [c.key for c in chosen(CARDS, topics, ["Trees", "SQL"], [])] == ["a", "b", "d"]
    assert [c.key for c in chosen(CARDS, topics, ["Trees"], ["easy"])] == ["b"]
    assert chosen(CARDS, topics, [], []) == CARDS
    assert difficulties_of(CARDS) == ["easy", "hard", "senior"]


@pytest.mark.parametrize(
    ("wait", "words"),
    [
        (timedelta(seconds=20), "1 min"),
        (timedelta(minutes=10), "10 min"),
        (timedelta(hours=5), "5 h"),
        (timedelta(days=1), "1 day"),
        (timedelta(days=8), "8 days"),
        (timedelta(days=120), "4 months"),
        (timedelta(days=1095), "3.0 years"),
    ],
)
def test_waits_read_in_their_largest_unit(wait: timedelta, words: str) -> None:
    """This test ensures that a grade says when the question comes again."""
    assert wait_words(wait) == words


def test_the_marks_say_what_they_are_worth() -> None:
    """This test ensures that the note under the marks holds the measured numbers."""
    assert "9% of the points that were covered got no mark" in honesty(coverage.Marks(0.4, 181, 0.09, 0.23, 0.9))


HOSTILE = Note(
    "k1",
    "Why <img src=x onerror=alert(1)> $a < b$?",
    "See [the page](javascript:alert(1)) <script>alert(2)</script> ![dot](http://far.invalid/x.png)\n\n"
    "```python\nif a < b:\n\tpass\n```\n\n$$\nE = mc^2\n$$",
    "guides/a.md · lines 3",
    ("two words", "sql"),
)


def test_an_export_is_read_back_by_our_own_reader(tmp_path: Path) -> None:
    """This test ensures that questions, answers, code, formulas and tags survive the way to Anki and back."""
    file = tmp_path / "prepdesk-anki.txt"
    notes = [HOSTILE, Note("k2", 'Tab\tand "quote"?', "plain <text>\nsecond", "b.txt", (), plain=True)]
    file.write_text(anki_text(notes, "Prepdesk"), encoding="utf-8")
    document = READERS[".txt"](file)
    assert [e.question for e in document.entries] == ["Why \\(a < b\\)?", 'Tab and "quote"?']
    assert document.entries[0].topics == ("Prepdesk", "two-words", "sql")
    answer = document.text[slice(*document.entries[0].answer)]
    assert "if a < b:\n\tpass" in answer
    assert "\\[E = mc^2\\]" in answer
    assert "plain <text>" in document.text.replace("\\", "")


def test_an_export_holds_no_html_of_a_document() -> None:
    """This test ensures that Anki, which runs scripts, gets none, and fetches nothing."""
    text = anki_text([HOSTILE], "Prepdesk")
    for sign in ("<script", "<img", "href", "src=", "far.invalid"):
        assert sign not in text.replace("&lt;img src=x", "")
