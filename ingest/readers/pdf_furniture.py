"""Finds what stands on the page and not in the text: running headers and footers, page numbers."""

from __future__ import annotations

import re
import statistics
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from ingest.readers.pdf_ink import Word
from ingest.readers.pdf_rows import Row, cells_of, rows_of

MIN_PAGES = 3
_DEPTH = 3
"""How many rows from the edge may be furniture."""
_MARGIN = 0.15
"""The share of the page's height at either edge where it stands; body text starts at about 0.1."""

Page = tuple[Sequence[Word], tuple[float, float]]
"""The words of a page, and its lower and upper edge."""

_ROMAN = re.compile(r"(?=.)(x{0,3}l?x{0,3})(ix|iv|v?i{0,3})")
_BARE = re.compile(r"\W*(?:(?:page|p\.?|seite)\W*)?(\d{1,4}|[ivxl]+)(?:\W*(?:of|/|von)\W*\d+)?\W*", re.I)
_DIGITS = re.compile(r"\d+")


@dataclass(frozen=True, slots=True)
class _Edge:
    page: int
    zone: str
    depth: int
    text: str
    cells: tuple[str, ...]
    loud: bool
    row: Row


def without_furniture(pages: Sequence[Page], body_size: float) -> list[list[Word]]:
    """Return the words of each page without lines that repeat at its top or bottom, digits aside.

    A line repeats where at least three pages, and more than half of all pages or of the odd or even ones,
    have it, or both pages of two; a page number is one that counts along with the pages.
    """
    gaps: list[float] = []
    ends: list[tuple[list[Row], list[Row]]] = []
    for words, _ in pages:
        rows = rows_of(words)
        gaps.extend(above.y - below.y for above, below in pairwise(rows))
        ends.append((rows[: _DEPTH + 1], rows[: -_DEPTH - 2 : -1]))
    usual = statistics.median(gaps) if gaps else 0.0
    edges = [
        edge
        for number, (page, (_, span)) in enumerate(zip(ends, pages, strict=True))
        for edge in _edges(number, page, span, usual, body_size)
    ]
    dropped: defaultdict[int, set[int]] = defaultdict(set)
    for edge in (*_repeated(edges, len(pages)), *_numbered(edges, len(pages))):
        dropped[edge.page].update(id(word) for word in edge.row.words)
    return [[word for word in words if id(word) not in dropped[number]] for number, (words, _) in enumerate(pages)]


def _edges(
    page: int, ends: tuple[list[Row], list[Row]], span: tuple[float, float], usual: float, body_size: float
) -> Iterable[_Edge]:
    """Yield the rows in the margins that a gap parts from the text, which the first lines of a page are not."""
    bottom, top = span
    for zone, ordered in zip(("top", "bottom"), ends, strict=True):
        parted = [
            depth
            for depth, row in enumerate(ordered[:_DEPTH], 1)
            if depth == len(ordered) or abs(row.y - ordered[depth].y) > 1.4 * usual
        ]
        for depth, row in enumerate(ordered[: max(parted, default=0)]):
            if abs(row.y - (top if zone == "top" else bottom)) > _MARGIN * (top - bottom) > 0:
                break
            cells = tuple(" ".join(cell.casefold().split()) for cell in cells_of(row))
            emphatic = row.size > 1.1 * body_size or all(word.bold for word in row.words)
            loud = emphatic and zone == "top" and len(cells) == 1
            yield _Edge(page, zone, depth, " ".join(cells), cells, loud, row)


def _often(pages: Iterable[int], total: int) -> bool:
    seen = set(pages)
    if total == 2:
        # Both sides of a sheet: there is no third page to ask, but the margin and the gap speak for it.
        return len(seen) == 2
    return any(
        len(part) >= MIN_PAGES and 2 * len(part) > size
        for part, size in (
            (seen, total),
            ({p for p in seen if p % 2 == 0}, (total + 1) // 2),
            ({p for p in seen if p % 2}, total // 2),
        )
    )


def _repeated(edges: Sequence[_Edge], total: int) -> list[_Edge]:
    """Find rows that repeat; of an outermost row one part is enough, as where the other names the chapter."""
    groups: defaultdict[tuple[str, str], list[_Edge]] = defaultdict(list)
    for edge in edges:
        for text in {edge.text, *(cell for cell in edge.cells if edge.depth == 0 and len(cell) > 3)}:
            groups[edge.zone, _DIGITS.sub("#", text)].append(edge)
    found: list[_Edge] = []
    for (_, masked), group in groups.items():
        if not _often((edge.page for edge in group), total):
            continue
        # The title on the first page may read like the header that repeats it; it is larger.
        size = statistics.median(edge.row.size for edge in group)
        group = [edge for edge in group if edge.row.size < 1.15 * size]
        verbatim = Counter(edge.text for edge in group)
        # "Day 3" in large letters on top of every page is a heading that counts, not furniture.
        counts = "#" in masked and any(ch.isalpha() for ch in masked) and "page" not in masked
        found.extend(edge for edge in group if not (counts and edge.loud and verbatim[edge.text] == 1))
    return found


def _numbered(edges: Sequence[_Edge], total: int) -> list[_Edge]:
    """Find rows with the page number in them: at either end where most pages have it there, else alone in its row."""
    outer = [edge for edge in edges if edge.depth == 0]
    ahead: defaultdict[tuple[str, int], list[_Edge]] = defaultdict(list)
    for edge in outer:
        words = edge.text.split()
        for offset in {
            number - edge.page for word in (words[:1] + words[-1:]) if (number := _number(word)) is not None
        }:
            ahead[edge.zone, offset].append(edge)
    found = [
        edge for group in ahead.values() if _often((e.page for e in group), total) for edge in group if not edge.loud
    ]
    for edge in outer:
        bare = _BARE.fullmatch(edge.text)
        number = _number(bare[1]) if bare else None
        if number is not None:
            alike = ahead.get((edge.zone, number - edge.page), [])
            roman = not any(ch.isdecimal() for ch in edge.text)
            if number == edge.page + 1 or len(alike) >= MIN_PAGES or "page" in edge.text or roman:
                found.append(edge)
    return found


def _number(word: str) -> int | None:
    word = word.strip(".-–—|[]()")
    if word.isdecimal() and len(word) < 5:
        return int(word)
    roman = _ROMAN.fullmatch(word)
    if roman is None:
        return None
    values = {"i": 1, "v": 5, "x": 10, "l": 50}
    digits = [values[ch] for ch in word]
    return sum(-d if any(later > d for later in digits[i + 1 :]) else d for i, d in enumerate(digits))
