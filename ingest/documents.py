"""What a reader makes of a file: the extracted text, and blocks that point into it.

Every block is a span of `Document.text`; nothing downstream ever rewrites text, so a
citation made from a block is verbatim by construction.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from itertools import accumulate
from pathlib import Path
from typing import Literal, Protocol

from retrieval.text import line_starts, lines_of
from retrieval.types import PassageKind, SourceKind

__all__ = [
    "BankReader",
    "Block",
    "BlockKind",
    "Columns",
    "Document",
    "QuestionEntry",
    "Reader",
    "Span",
    "covering",
    "line_starts",
    "passage_kind",
]

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
    """A question with the span of its reference answer, and of both together; `phrasings` are other ways to ask it."""

    question: str
    span: Span
    answer: Span
    heading: tuple[str, ...] = ()
    topics: tuple[str, ...] = ()
    page: int | None = None
    lines: tuple[int, int] | None = None
    difficulty: str = ""
    phrasings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Document:
    """A file that was read.

    `line_starts` maps characters to lines of the extracted text, None where lines mean nothing
    (PDF); `file_lines` gives the line of the file for each of those, where the two differ.
    """

    text: str
    title: str
    kind: SourceKind
    blocks: tuple[Block, ...] = ()
    entries: tuple[QuestionEntry, ...] = ()
    topics: tuple[str, ...] = ()
    area: str | None = None
    related: tuple[str, ...] = ()
    line_starts: tuple[int, ...] | None = field(default=None, repr=False)
    file_lines: tuple[int, ...] | None = field(default=None, repr=False)
    warnings: tuple[str, ...] = ()

    def lines(self, span: Span) -> tuple[int, int] | None:
        """Return the first and last line of a span, 1-based and inclusive."""
        return None if self.line_starts is None else lines_of(span, self.line_starts, self.file_lines)


Columns = tuple[tuple[str, str], ...]
"""Columns (or fields) of a bank named by hand, as (meaning, name): (("question", "Prompt"), ("answer", "Solution"))."""

Reader = Callable[[Path], Document]
"""Reads one file; raises retrieval.errors.ReadError, in one sentence, where it cannot."""


class BankReader(Protocol):
    """Reads one question bank, whose columns may be named by hand; raises as a Reader does."""

    def __call__(self, path: Path, columns: Columns = ..., /) -> Document: ...


def covering(spans: Iterable[Span]) -> Callable[[int], bool]:
    """Return a test whether a position lies in one of the spans."""
    ordered = sorted(spans)
    starts = [start for start, _ in ordered]
    ends = list(accumulate((end for _, end in ordered), max))
    return lambda position: (n := bisect_right(starts, position)) > 0 and position < ends[n - 1]


def passage_kind(kind: BlockKind) -> PassageKind:
    return "prose" if kind == "heading" else kind
