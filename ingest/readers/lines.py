"""The lines of the file for a text that a reader laid out anew, so that a quote is cited where it stands."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import pairwise

from ingest.documents import Document, line_starts

_LABEL = re.compile(r"^(?:- |[^:]{1,40}:(?: |$))")  # what bank.py sets before the values of further fields


def rows_of(text: str) -> list[str]:
    """Return the lines of a file."""
    return [text[start:end] for start, end in pairwise((*line_starts(text), len(text)))]


def with_file_lines(document: Document, rows: Sequence[str] = ()) -> Document:
    """Return a document of entries with the line of the file for each line of its text.

    `rows` are the lines of the file, without the escapes of its format; only entries of more
    than one line are looked for in them. A line that is not found there (a label, what the
    format folds) is given that of the line before, so that a citation is never off by more
    than the entry.
    """
    starts = line_starts(document.text)
    return replace(document, line_starts=starts, file_lines=tuple(_numbers(document, starts, list(rows))))


def _numbers(document: Document, starts: Sequence[int], rows: list[str]) -> Iterator[int]:
    places = {entry.span[0]: entry.lines for entry in document.entries}
    answers = {entry.answer[0] for entry in document.entries}
    first = last = end = 1
    for start, stop in pairwise((*starts, len(document.text))):
        if place := places.get(start):
            first, end = place
            last = first
        line = document.text[start:stop].strip()
        if line and first < end:
            found = _take(line, rows, range(last, end + 1)) or _take(_LABEL.sub("", line), rows, range(last, end + 1))
            if found is None and start in answers:  # fields may be sorted by name: the answer before its question
                found = _take(line, rows, range(first, last))
            last = found or last
        yield last


def _take(line: str, rows: list[str], numbers: range) -> int | None:
    """Return the first of the rows that holds a line between its words, and take it out: no other line stands there."""
    for n in numbers if line else ():
        if line in rows[n - 1] and (found := re.search(rf"(?<!\w){re.escape(line)}(?!\w)", rows[n - 1])):
            rows[n - 1] = rows[n - 1][: found.start()] + rows[n - 1][found.end() :]
            return n
    return None
