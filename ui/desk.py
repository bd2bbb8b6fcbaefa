"""One open library, shared by all sessions of the app; a lock lets one question in at a time. No streamlit here."""

from __future__ import annotations

import random
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from retrieval import Filters, Library, coverage, opened
from retrieval.llm import LanguageModel
from retrieval.manifest import Manifest
from retrieval.status import facts
from retrieval.store import Store
from retrieval.text import one_line
from retrieval.topics import TopicTree
from retrieval.types import Answer, Citation, Locator, Passage, Related, Topic
from retrieval.written import Draft
from ui import logic
from ui.anki import Note
from ui.people import Person, may_edit
from ui.practice import Card, Point, Review, cards_of

T = TypeVar("T")

_KEPT = 256  # answers; an address that is opened again costs nothing
_NEARBY = 8
_LOOK = 50  # passages that are looked through for them; a filter would start Chroma and take longer
_EXAMPLES = 6
_SAMPLE = 12  # passages of an area that are looked through for a question


@dataclass(frozen=True, slots=True)
class Reading:
    """An answer with the generation it came from, and for an abstention the nearest topics."""

    generation: str
    answer: Answer
    filters: Filters | None = None
    nearest: tuple[Topic, ...] = ()


@dataclass(frozen=True, slots=True)
class Around:
    """What to ask next, and topics related to the one an answer came from."""

    follow_ups: tuple[str, ...] = ()
    related: tuple[Related, ...] = ()


class Desk:
    """The library of a store. Raises what Library raises."""

    def __init__(self, store: Store) -> None:
        self.library = Library(store)
        self._lock = threading.RLock()
        self._answers: _Kept[Reading] = _Kept()
        self._arounds: _Kept[Around] = _Kept()
        self._cards: tuple[str, list[Card]] = ("", [])
        self._reviews: _Kept[Review | None] = _Kept()
        self._examples: tuple[str, tuple[str, ...]] = ("", ())
        self._noted: set[tuple[str, str]] = set()
        self._facts: dict[str, Any] = {}

    @property
    def manifest(self) -> Manifest:
        with self._lock:
            return self.library.manifest

    @property
    def generation(self) -> str:
        with self._lock:
            return self.library.generation

    @property
    def topics(self) -> TopicTree:
        with self._lock:
            return self.library.topic_tree

    def facts(self) -> dict[str, Any]:
        """Return the facts of the live generation, disk use among them, worked out once for each."""
        with self._lock:
            manifest, folder = self.library.manifest, self.library.folder
            if self._facts.get("generation") != folder.name:
                self._facts = facts(self.library.home, folder, manifest)
            return self._facts

    def warm(self) -> None:
        """Load the model and the index before the first question needs them."""
        with self._lock:
            self.library.searcher.encoder.encode_query("warm")

    def text(self, path: str) -> str:
        with self._lock:
            return self.library.text(path)

    def passages(self, ids: tuple[str, ...]) -> list[Passage]:
        """Return the passages of these ids, in their order; unknown ids are left out."""
        with self._lock:
            found = self.library.searcher.dense.passages(ids)
        return [found[i] for i in ids if i in found]

    def read(self, question: str, filters: Filters | None = None) -> Reading:
        """Ask. Raises QueryError as Library.ask does."""
        with self._lock:
            generation = self.library.generation
            return self._answers.get(
                (generation, " ".join(question.split()), filters), lambda: self._read(question, filters)
            )

    def draft(self, reading: Reading, model: LanguageModel) -> Draft:
        """Return the answer of a reading as a model will write it, in a thread that may wait for it."""
        return Draft(self.library, model, reading.answer, self._lock)

    def note_opened(self, answer: Answer, passage: Locator, *, by: Person | None) -> None:
        """Note that a passage was opened for a question, once, where that is kept; nothing of who may only read."""
        if not may_edit(by):
            return
        found = next((h.passage.id for h in answer.hits if h.passage.locator == passage), None)
        if found and (pair := (answer.question, found)) not in self._noted:
            self._noted.add(pair)
            opened.add_opened(self.library.home.path, *pair)

    def around(self, reading: Reading) -> Around:
        """Gather what is shown below an answer; asked for after it, so that the answer does not wait."""
        with self._lock:
            key = (reading.generation, reading.answer.question, reading.filters)
            return self._arounds.get(key, lambda: self._around(reading))

    def related(self, topic: Topic, n: int = 8) -> list[Related]:
        with self._lock:
            return self.library.topic_tree.related(topic, n)

    def find_topic(self, name: str) -> Topic:
        """Return the topic of that id or name, or the nearest. Raises QueryError where the library has none."""
        with self._lock:
            return self.library.find_topic(name)

    def questions(self, topic: Topic) -> list[str]:
        """Return the questions to practise on a topic, as `Library.questions` orders them."""
        with self._lock:
            return self.library.questions(topic)

    def cards(self) -> list[Card]:
        """Return every question of the library to practise, gathered once for each generation."""
        with self._lock:
            generation = self.library.generation
            if self._cards[0] != generation:
                self._cards = (generation, cards_of(self.library.searcher.dense.all_passages()))
            return self._cards[1]

    def review(self, card: Card, typed: str) -> Review | None:
        """Set what a person typed against the reference answer of a question; None where the question is gone."""
        with self._lock:
            key = (self.library.generation, card.key, typed.strip())
            return self._reviews.get(key, lambda: self._review(card, typed))

    def examples(self) -> tuple[str, ...]:
        """Return questions that the library answers, one from each of several areas; the same for one generation."""
        with self._lock:
            generation = self.library.generation
            if self._examples[0] != generation:
                self._examples = (generation, tuple(self._draw(random.Random(generation))))
            return self._examples[1]

    def _draw(self, chance: random.Random) -> list[str]:
        topics = self.library.topics()
        roots = [t for t in topics if t.kind == "area"] or [t for t in topics if t.kind in ("guide", "category")]
        chance.shuffle(roots)
        found: list[str] = []
        for root in (roots * _EXAMPLES)[: 3 * _EXAMPLES]:
            ids = chance.sample(root.passages, min(_SAMPLE, len(root.passages)))
            asked = [one_line(p.entry.question) for p in self.passages(tuple(ids)) if p.entry]
            found.extend([q for q in asked if q not in found and len(q) <= 90][:1])
            if len(found) == _EXAMPLES:
                break
        return found

    def _read(self, question: str, filters: Filters | None) -> Reading:
        answer = self.library.ask(question, filters=filters)
        tree = self.library.topic_tree
        nearest = tuple(t for name in answer.nearest_topics if (t := tree.find(name)))
        return Reading(self.library.generation, answer, filters, nearest)

    def _around(self, reading: Reading) -> Around:
        answer = reading.answer
        found = self.library.search(answer.question, _LOOK, filters=reading.filters)
        nearby = [hit for hit in found if hit.passage.entry][:_NEARBY]
        topic = self._topic(answer.citations[0].passage_id) if answer.citations else None
        related = self.library.topic_tree.related(topic, 6) if topic else []
        return Around(tuple(logic.follow_ups(answer, nearby)), tuple(r for r in related if r.score > 0))

    def notes(self, cards: Sequence[Card]) -> list[Note]:
        """Return questions with their whole reference answers, for Anki."""
        with self._lock:
            found = self.library.searcher.dense.passages([card.passage for card in cards])
            notes = []
            for card in cards:
                if not (passage := found.get(card.passage)) or not (entry := passage.entry):
                    continue
                path, where = passage.locator.path, self.library.quote_locator(passage, entry.answer)
                answer = self.library.text(path)[slice(*entry.answer)]
                place = " · ".join(filter(None, (path, logic.position(where))))
                notes.append(Note(card.key, entry.question, answer, place, passage.topics, logic.is_plain(path)))
            return notes

    def _review(self, card: Card, typed: str) -> Review | None:
        dense, encoder = self.library.searcher.dense, self.library.searcher.encoder
        first = dense.passages([card.passage]).get(card.passage)
        if first is None or first.entry is None:
            return None
        entry, path = first.entry, first.locator.path
        parts = sorted(dense.find({"entry": entry.id}), key=lambda p: p.locator.span)
        start, end = entry.answer
        answer = self.library.text(path)[start:end]
        spans = coverage.key_points(entry.question, answer, encoder)
        quotes = [answer[a:b] for a, b in spans]
        like = coverage.likeness(entry.question, quotes, typed, encoder) if typed.strip() else [None] * len(spans)
        points = []
        for n, ((a, b), quote, score) in enumerate(zip(spans, quotes, like, strict=True), 1):
            holder = next((p for p in reversed(parts) if p.locator.span[0] <= start + a), first)
            place = self.library.quote_locator(holder, (start + a, start + b))
            covered = None if score is None else score >= coverage.load().threshold
            points.append(Point(Citation(n, quote, place, holder.id), covered))
        return Review(self.library.quote_locator(first, entry.answer), tuple(points))

    def _topic(self, passage: str) -> Topic | None:
        """Return the guide or bank category a passage belongs to."""
        holding = {t.kind: t for t in self.library.topics() if passage in t.passages}
        return next((holding[kind] for kind in ("guide", "category", "area") if kind in holding), None)


class _Kept(Generic[T]):
    """The values of the questions asked last."""

    def __init__(self) -> None:
        self._values: OrderedDict[tuple[Hashable, ...], T] = OrderedDict()

    def get(self, key: tuple[Hashable, ...], make: Callable[[], T]) -> T:
        if key not in self._values:
            self._values[key] = make()
        self._values.move_to_end(key)
        while len(self._values) > _KEPT:
            self._values.popitem(last=False)
        return self._values[key]
