"""What a reader makes of a file: the extracted text, and blocks that point into it.

Every block is a span of `Document.text`; nothing downstream ever rewrites text, so a
citation made from a block is verbatim by construction.
"""

from __future__ import annotations

import bisect
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from retrieval.types import PassageKind, SourceKind

BlockKind = Literal["prose", "code", "table", "list", "heading"]
Span = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Block:
    """One paragraph, list, table, fenced code or heading.

    `units` are the spans it may be split at when it does not fit a passage (list items,
    table rows, code lines); empty means: at sentences. `heading` is the path above it.
    `page` is 1-based, None where the format has no pages.
    """

    kind: BlockKind
    span: Span
    heading: tuple[str, ...] = ()
    page: int | None = None
    units: tuple[Span, ...] = ()
    level: int = 0


@dataclass(frozen=True, slots=True)
class QuestionEntry:
    """A question with the span of its reference answer, and of both together."""

    question: str
    span: Span
    answer: Span
    heading: tuple[str, ...] = ()
    topics: tuple[str, ...] = ()
    page: int | None = None
    lines: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class Document:
    """A file that was read. `line_starts` maps characters to lines, None where lines mean nothing (PDF)."""

    text: str
    title: str
    kind: SourceKind
    blocks: tuple[Block, ...] = ()
    entries: tuple[QuestionEntry, ...] = ()
    topics: tuple[str, ...] = ()
    area: str | None = None
    related: tuple[str, ...] = ()
    line_starts: tuple[int, ...] | None = field(default=None, repr=False)
    warnings: tuple[str, ...] = ()

    def lines(self, span: Span) -> tuple[int, int] | None:
        """Return the first and last line of a span, 1-based and inclusive."""
        if self.line_starts is None:
            return None
        first = bisect.bisect_right(self.line_starts, span[0])
        last = bisect.bisect_right(self.line_starts, max(span[0], span[1] - 1))
        return first, last


Reader = Callable[[Path], Document]
"""Reads one file; raises retrieval.errors.ReadError, in one sentence, where it cannot."""


def line_starts(text: str) -> tuple[int, ...]:
    """Return the offset of every line; lines end at \\n, \\r\\n or \\r, as in CommonMark."""
    starts = [0]
    i = 0
    while (i := _next_break(text, i)) != -1:
        i += 2 if text.startswith("\r\n", i) else 1
        starts.append(i)
    return tuple(starts)


def _next_break(text: str, start: int) -> int:
    newline = text.find("\n", start)
    end = newline if newline != -1 else len(text)
    carriage = text.find("\r", start, end)
    return carriage if carriage != -1 else newline


def passage_kind(kind: BlockKind) -> PassageKind:
    return "prose" if kind == "heading" else kind
