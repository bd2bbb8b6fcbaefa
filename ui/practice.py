"""Which question to practise next, and how an answer is put. Never imports streamlit."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random
from typing import Literal

from retrieval.coverage import Marks
from retrieval.topics import TopicTree
from retrieval.types import Citation, Locator, Passage, in_order
from ui.reviews import Standing, key_of

Order = Literal["due", "weak", "new"]
ORDERS: dict[Order, str] = {"due": "Due, then new", "weak": "Weak before", "new": "New only"}
PRACTISED_KINDS = ("area", "guide", "category")
_DIFFICULTIES = ("easy", "medium", "hard")  # the usual words, in their order; others follow by name


@dataclass(frozen=True, slots=True)
class Card:
    """A question entry to practise; `passage` is the id of its first passage, `key` what its progress is kept by."""

    key: str
    question: str
    difficulty: str
    passage: str


@dataclass(frozen=True, slots=True)
class Point:
    """A key point of the reference answer with where it stands; `covered` is None where nothing was typed."""

    citation: Citation
    covered: bool | None


@dataclass(frozen=True, slots=True)
class Review:
    """A reference answer, with where the whole of it stands, beside what a person typed."""

    answer: Locator
    points: tuple[Point, ...]

    @property
    def covered(self) -> int:
        return sum(bool(point.covered) for point in self.points)


@dataclass(frozen=True, slots=True)
class Counts:
    """How a set of questions stands; `next_due` is the moment the next one comes, where none is due."""

    total: int
    due: int
    weak: int
    new: int
    next_due: datetime | None


def cards_of(passages: Iterable[Passage]) -> list[Card]:
    """Return the questions of a library in the order of their places; one that is asked twice stands once."""
    found: dict[str, Card] = {}
    entries = (p for p in passages if p.entry and p.entry.part == 1)
    for passage in in_order(entries):
        if entry := passage.entry:
            key = key_of(entry.question)
            found.setdefault(key, Card(key, entry.question, entry.difficulty, passage.id))
    return list(found.values())


def topics_of(cards: Sequence[Card], tree: TopicTree) -> dict[str, frozenset[str]]:
    """Return the passages of every area, guide and bank category that asks something, by name; areas first."""
    asked = {card.passage for card in cards}
    found: dict[str, frozenset[str]] = {}
    for kind in PRACTISED_KINDS:
        for topic in sorted((t for t in tree.topics if t.kind == kind), key=lambda t: t.name.casefold()):
            if own := asked.intersection(topic.passages):
                found[topic.name] = found.get(topic.name, frozenset()) | own
    return found


def difficulties_of(cards: Sequence[Card]) -> list[str]:
    """Return the words for difficulty that the library uses, the easiest first."""
    words = {card.difficulty for card in cards if card.difficulty}
    return [w for w in _DIFFICULTIES if w in words] + sorted(words - set(_DIFFICULTIES))


def chosen(
    cards: Sequence[Card], topics: Mapping[str, frozenset[str]], names: Sequence[str], difficulties: Sequence[str]
) -> list[Card]:
    """Return the cards of any of the topics and any of the difficulties; an empty choice lets all through."""
    passages = frozenset().union(*(topics.get(name, frozenset()) for name in names))
    return [
        card
        for card in cards
        if (not names or card.passage in passages) and (not difficulties or card.difficulty in difficulties)
    ]


def draw(cards: Sequence[Card], standings: Mapping[str, Standing], order: Order, now: datetime) -> Card | None:
    """Return the question to ask next, None where there is none.

    What is due comes with the least remembered first, then what is new, in an order that
    changes by the day. Weak ones come due or not, the least remembered first.
    """
    if order == "weak":
        waiting = [c for c in cards if c.key in standings and standings[c.key].weak]
    else:
        waiting = [c for c in cards if c.key in standings and standings[c.key].due <= now and order == "due"]
    if waiting:
        return min(waiting, key=lambda c: (standings[c.key].recall, standings[c.key].due, c.key))
    new = [c for c in cards if c.key not in standings]
    return Random(f"{now:%Y-%m-%d} {len(new)}").choice(new) if new and order != "weak" else None


def count(cards: Sequence[Card], standings: Mapping[str, Standing], now: datetime) -> Counts:
    """Count what is due, weak and new."""
    seen = [standings[c.key] for c in cards if c.key in standings]
    due = sum(s.due <= now for s in seen)
    coming = min((s.due for s in seen if s.due > now), default=None)
    return Counts(len(cards), due, sum(s.weak for s in seen), len(cards) - len(seen), None if due else coming)


def wait_words(wait: timedelta) -> str:
    """Return a wait in its largest unit: "10 min", "3 h", "8 days", "4 months"."""
    minutes = max(1, round(wait.total_seconds() / 60))
    if minutes < 60:
        return f"{minutes} min"
    if minutes < 24 * 60:
        return f"{round(minutes / 60)} h"
    days = round(minutes / (24 * 60))
    if days < 60:
        return f"{days} day{'s' if days > 1 else ''}"
    return f"{round(days / 30.4)} months" if days < 730 else f"{days / 365:.1f} years"


def honesty(marks: Marks) -> str:
    """Say what the marks are worth, in the numbers they were measured with."""
    return (
        f"A mark means that something you wrote is like the point. Measured on {marks.points} points: "
        f"{marks.missed:.0%} of the points that were covered got no mark, {marks.wrong:.0%} of those that were not "
        f"covered got one, and so did {marks.contradicted:.0%} of those that were contradicted. You are the judge."
    )
