"""What was practised and when it comes again: FSRS cards in a person's practice.sqlite. Owns fsrs.

A card is known by its question, not by where the index keeps it, so no ingest, rebuild or
move of a file touches what was learned. Times are UTC.
"""

from __future__ import annotations

import hashlib
import sqlite3
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from retrieval.text import one_line
from ui.kept import open_file

if TYPE_CHECKING:
    from fsrs import Card, Scheduler

FILE_NAME = "practice.sqlite"
Grade = Literal["again", "hard", "good", "easy"]
GRADES: tuple[Grade, ...] = ("again", "hard", "good", "easy")
_HARD = 7.0  # of FSRS's difficulty, 1 to 10, from which a question counts as weak
_SCHEMA = """
create table if not exists cards (
    key text primary key, question text not null, card text not null, grade text not null, reviews integer not null
) without rowid;
-- every single review: what a schedule fitted to a person, or to a later FSRS, is made from
create table if not exists log (key text not null, grade text not null, at text not null);
"""


@dataclass(frozen=True, slots=True)
class Standing:
    """How well one question is known.

    `recall` is FSRS's probability, in [0, 1], that it is known now; `weak` where it was last
    answered badly, or is a hard one for this person.
    """

    due: datetime
    recall: float
    weak: bool
    reviews: int
    grade: Grade


def key_of(question: str) -> str:
    """Return what a question is known by: its words, whatever their case, spacing and markup."""
    return hashlib.sha256(" ".join(one_line(question).casefold().split()).encode("utf-8", "replace")).hexdigest()[:32]


class Reviews:
    """The reviews in one folder: that of a person who logs in, else the library home."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / FILE_NAME

    def standings(self, now: datetime) -> dict[str, Standing]:
        """Return the standing of every question ever graded, by key. Raises StorageError for a damaged file."""
        if not self.path.exists():
            return {}
        with self._open() as db:
            rows = db.execute("select key, card, grade, reviews from cards").fetchall()
        return {key: _standing(_card(text), grade, count, now) for key, text, grade, count in rows}

    def grade(self, question: str, grade: Grade, now: datetime) -> Standing:
        """Record how a question was answered; return its new standing. Raises StorageError, nothing then changed."""
        key = key_of(question)
        with self._open() as db:
            db.execute("begin immediate")
            row = db.execute("select card, reviews from cards where key = ?", (key,)).fetchone()
            text, reviews = row or (None, 0)
            after = _review(_card(text), grade, now)
            db.execute(
                "insert or replace into cards values (?, ?, ?, ?, ?)",
                (key, one_line(question), after.to_json(), grade, reviews + 1),
            )
            db.execute("insert into log values (?, ?, ?)", (key, grade, now.isoformat()))
        return _standing(after, grade, reviews + 1, now)

    def waits(self, question: str, now: datetime) -> dict[Grade, timedelta]:
        """Return for each grade how long the question would then stay away."""
        card: Card = _card(None)
        if self.path.exists():
            with self._open() as db:
                row = db.execute("select card from cards where key = ?", (key_of(question),)).fetchone()
            card = _card(row[0] if row else None)
        return {grade: _review(card, grade, now).due - now for grade in GRADES}

    def _open(self) -> AbstractContextManager[sqlite3.Connection]:
        return open_file(self.path, _SCHEMA, "what you practised")


@cache
def _scheduler() -> Scheduler:
    from fsrs import Scheduler

    return Scheduler(enable_fuzzing=False)  # a button that promises 8 days means 8 days


def _card(text: str | None) -> Card:
    from fsrs import Card

    return Card.from_json(text) if text else Card(card_id=0)


def _review(card: Card, grade: Grade, now: datetime) -> Card:
    from fsrs import Rating

    return _scheduler().review_card(card, Rating(GRADES.index(grade) + 1), now)[0]


def _standing(card: Card, grade: Grade, reviews: int, now: datetime) -> Standing:
    weak = grade in ("again", "hard") or (card.difficulty or 0.0) >= _HARD
    due = card.due.astimezone(UTC)
    return Standing(due, _scheduler().get_card_retrievability(card, now), weak, reviews, grade)
