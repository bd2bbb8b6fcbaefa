"""Anki notes to a document of question entries, wherever the notes came from.

The front of a note is the question and the rest the answer; a cloze note asks with its
gaps and answers with its text. The deck is the heading, decks and tags are the topics.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from ingest.decode import storable
from ingest.documents import Document, QuestionEntry
from ingest.markup import to_markdown
from ingest.readers.bank import QUESTION
from retrieval.errors import ReadError
from retrieval.text import one_line

_CLOZE = re.compile(r"\{\{c\d+(?:,\d+)*::((?:(?!\{\{|\}\}).)*)\}\}", re.S)
_MEDIA = re.compile(r"\[(?:sound:[^\]]*|anki:[^\]]*)\]")
_TEX = ((re.compile(r"\[(\$\$?)\](.*?)\[/\$\$?\]", re.S), r"\1\2\1"), (re.compile(r"\[/?latex\]"), ""))
_HEADING = re.compile(r"^#{1,6}[ \t]+")
_MAX_NESTED = 8  # as in Anki
_NO_DECK = "Default"


@dataclass(frozen=True, slots=True)
class Note:
    """One note: `fields` by name in order, as HTML where `html`; `deck` is its path; `lines` those of a text export."""

    fields: tuple[tuple[str, str], ...]
    deck: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    html: bool = True
    lines: tuple[int, int] | None = None


def notes_document(path: Path, notes: Iterable[Note]) -> Document:
    """Lay notes out as one text. Raises ReadError where no note has a question and an answer in words."""
    parts: list[str] = []
    found: list[QuestionEntry] = []
    position = passed = 0
    for note in notes:
        laid = _cloze(note) or _card(note)
        if laid is None:
            passed += 1
            continue
        question, text, start = laid
        deck = tuple(part for part in note.deck if part != _NO_DECK)
        found.append(
            QuestionEntry(
                question,
                (position, position + len(text)),
                (position + start, position + len(text)),
                heading=deck,
                topics=tuple(dict.fromkeys((*deck, *note.tags))),
                lines=note.lines,
            )
        )
        parts.append(text)
        position += len(text) + 2
    if not found:
        raise ReadError(
            f"{path.name}: none of its {passed} notes asks and answers in words; export a deck with text on both sides"
        )
    warnings = (f"{passed} notes without a question or an answer in words",) if passed else ()
    title = one_line(path.stem.replace("_", " ")) or path.name
    return Document("\n\n".join(parts), title, "bank", entries=tuple(found), warnings=warnings)


def _card(note: Note) -> tuple[str, str, int] | None:
    """Return the question, the laid out text and where the answer starts in it; None where one of them is missing."""
    filled = [(name.strip().lower(), text) for name, value in note.fields if (text := _text(value, note.html))]
    asking = next((n for wanted in QUESTION for n, (name, _) in enumerate(filled) if name == wanted), 0)
    if len(filled) < 2 or not (question := one_line(filled[asking][1])):
        return None
    front = filled[asking][1]
    front = _HEADING.sub("", front) if "\n" not in front else front
    answer = "\n\n".join(text for n, (_, text) in enumerate(filled) if n != asking)
    return question, f"{front}\n\n{answer}", len(front) + 2


def _cloze(note: Note) -> tuple[str, str, int] | None:
    if not any(_CLOZE.search(value) for _, value in note.fields):
        return None
    value = next(value for _, value in note.fields if _CLOZE.search(value))
    question = one_line(_text(_deletions(value, gaps=True), note.html))
    answers = [_text(_deletions(v, gaps=False), note.html) for _, v in note.fields]
    answer = "\n\n".join(text for text in answers if text)
    return (question, answer, 0) if question and answer else None


def _deletions(value: str, *, gaps: bool) -> str:
    """Return a cloze text with its deletions, or with gaps or hints in their place; inner ones first."""

    def shown(match: re.Match[str]) -> str:
        text, _, hint = match[1].partition("::")
        return f"[{hint.strip() or '...'}]" if gaps else text

    for _ in range(_MAX_NESTED):
        value = _CLOZE.sub(shown, value)
    return value


def _text(value: str, html: bool) -> str:
    value = _MEDIA.sub("", storable(value))
    for pattern, plain in _TEX:
        value = pattern.sub(plain, value)
    return to_markdown(value) if html else value.strip()


def deck_path(name: str) -> tuple[str, ...]:
    """Return the levels of a deck's name, which Anki divides by "::" in files and by \\x1f in its database."""
    return tuple(part for level in re.split("::|\x1f", storable(name)) if (part := one_line(level)))
