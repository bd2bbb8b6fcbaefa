"""From the words of a page to its lines in reading order, column by column.

Pure geometry on plain data: points, y grows upwards. What the lines mean is left to pdf_blocks.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import accumulate, pairwise

from ingest.readers.pdf_ink import WORD_GAP, Word
from ingest.readers.pdf_rows import Row, cells_of, is_rtl, rows_of

GUTTER = 1.0
"""The narrowest gutter, in em: the tightest seen is 1.25, the widest stretched word gap about 0.8."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line of one column. `left` and `right` are the edges of that column, `cells` its parts between wide gaps."""

    text: str
    x0: float
    x1: float
    y: float
    size: float
    left: float = 0.0
    right: float = 0.0
    bold: bool = False
    mono: bool = False
    cells: tuple[str, ...] = ()
    first: float = 0.0
    """The width of its first word, to tell whether it would have fitted on the line before."""
    second: float = 0.0
    """Where its second word starts: of a list item, where the lines after it hang."""
    even: bool = False
    """Whether its gaps are all alike, as in justified text."""
    column: int = 0


@dataclass(frozen=True, slots=True)
class Gutter:
    x0: float
    x1: float

    def crossed_by(self, row: Row) -> bool:
        """True where the row runs over the gutter: a word stands in it, or a gap that is only a word gap."""
        middle = (self.x0 + self.x1) / 2
        before = max((w.x1 for w in row.words if w.x0 < middle), default=None)
        after = min((w.x0 for w in row.words if w.x0 >= middle), default=None)
        if before is None or after is None:
            return before is not None and before > self.x1
        return after - before < max(0.6 * (self.x1 - self.x0), 0.7 * row.size)


def find_gutter(words: Sequence[Word], like: Gutter | None = None, share: float = 0.08) -> Gutter | None:
    """Find the white strip between two columns of running text, or None.

    Both sides need a share of lines that fill them, which the cells of a table do not. `like` is the gutter of
    the other pages: there, any lines will do.
    """
    rows = rows_of(words)
    left, right = min(w.x0 for w in words), max(w.x1 for w in words)
    width = right - left
    blocked = _blocked(rows, left, int(width) + 2)
    em = statistics.median(row.size for row in rows)
    low, high = (0.2 * width, 0.8 * width) if like is None else (like.x0 - left - em, like.x1 - left + em)
    xs = range(max(0, round(low)), min(len(blocked), round(high)))
    if not xs or width < 15 * em:
        return None
    floor = min(blocked[x] for x in xs)
    if floor > len(rows) * (0.3 if like is None else 0.6):
        return None
    runs: list[list[int]] = []
    for x in xs:
        if blocked[x] <= floor + max(1, len(rows) * 0.02):  # a page number may stand there
            if runs and runs[-1][-1] == x - 1:
                runs[-1].append(x)
            else:
                runs.append([x])
    best = max(runs, key=lambda run: (len(run), -abs(run[0] + run[-1] - width)))
    gutter = Gutter(left + best[0], left + best[-1])
    free = [row for row in rows if not gutter.crossed_by(row)]
    (first, first_full), (second, second_full) = _filled(free, left, gutter.x0), _filled(free, gutter.x1, right)
    if like is not None:
        return gutter if first and second else None
    text = first_full > max(1, share * first) and second_full > max(1, share * second)
    enough = first_full + second_full > max(5, 0.15 * (first + second))
    return gutter if text and enough and len(best) >= 0.5 * em else None


def _blocked(rows: Sequence[Row], left: float, width: int) -> list[int]:
    """Count, for every point across the page, the rows with ink or no more than a word gap there."""
    changes = [0] * (width + 1)
    for row in rows:
        start, end, size = row.words[0].x0, row.words[0].x0, row.size
        for word in (*row.words, None):
            if word is not None and word.x0 - end < GUTTER * min(size, word.size):
                end, size = max(end, word.x1), word.size
                continue
            changes[round(start - left)] += 1
            changes[min(round(end - left) + 1, width)] -= 1
            if word is not None:
                start, end, size = word.x0, word.x1, word.size
    return list(accumulate(changes[:width]))


def _filled(rows: Sequence[Row], x0: float, x1: float) -> tuple[int, int]:
    """Count the rows with ink between two edges, and those that fill the width like running text does."""
    inked = [sum(w.x1 - w.x0 for w in row.words if w.x0 >= x0 - 2 and w.x1 <= x1 + 2) for row in rows]
    return sum(ink > 0 for ink in inked), sum(ink > 0.65 * (x1 - x0) for ink in inked)


def regions_of(
    words: Sequence[Word], gutter: Gutter | None, rtl: bool = False, depth: int = 0
) -> list[tuple[int, list[Word]]]:
    """Return (column, words) in reading order: what spans the page cuts it into bands, read column by column."""
    if gutter is None or not words:
        return [(0, list(words))] if words else []
    regions: list[tuple[int, list[Word]]] = []
    middle = (gutter.x0 + gutter.x1) / 2
    spanning: list[Word] = []
    sides: tuple[list[Word], list[Word]] = ([], [])

    def close() -> None:
        if spanning:
            regions.append((0, list(spanning)))
        for number, side in sorted(enumerate(sides, 1), reverse=rtl):
            inner = find_gutter(side, share=0.3) if side and depth == 0 else None
            regions.extend((number + 2 * n, part) for n, part in regions_of(side, inner, rtl, depth + 1))
            side.clear()
        spanning.clear()

    for row in rows_of(words):
        if gutter.crossed_by(row):
            if any(sides):
                close()
            spanning.extend(row.words)
        else:
            if spanning and not any(sides):
                regions.append((0, list(spanning)))
                spanning.clear()
            for word in row.words:
                sides[word.x0 >= middle].append(word)
    close()
    return regions


def lines_of(words: Sequence[Word], gutter: Gutter | None) -> list[Line]:
    """Return the lines of a page in reading order."""
    lines: list[Line] = []
    rtl = is_rtl("".join(word.text for word in words))
    for column, region in regions_of(words, gutter, rtl):
        for row in rows_of(region):
            cells = tuple(cell for cell in cells_of(row, rtl) if cell.strip())
            if cells:
                line = _line(row, cells, column)
                # Mirrored, so that whoever looks for indents and short lines need not know.
                lines.append(replace(line, x0=-line.x1, x1=-line.x0, second=-line.x1) if rtl else line)
    edges = {column: _edges([line for line in lines if line.column == column]) for column in {x.column for x in lines}}
    return [_within(line, *edges[line.column]) for line in lines]


def _within(line: Line, left: float, right: float) -> Line:
    """Return a line with the edges of its column; words spread evenly from edge to edge are no cells."""
    filled = line.x0 - left < 1.5 * line.size and abs(line.x1 - right) < 0.5 * line.size
    return replace(line, left=left, right=right, cells=(line.text,) if line.even and filled else line.cells)


def _line(row: Row, cells: tuple[str, ...], column: int) -> Line:
    letters = sum(len(w.text) for w in row.words)
    bold = sum(len(w.text) for w in row.words if w.bold)
    mono = sum(len(w.text) for w in row.words if w.mono)
    gaps = [gap for a, b in pairwise(row.words) if (gap := b.x0 - a.x1) > WORD_GAP * row.size]
    head = second = row.words[0].x1
    for before, word in pairwise(row.words):
        second = word.x0
        if word.x0 - before.x1 > WORD_GAP * row.size:
            break
        head = word.x1
    return Line(
        text=" ".join(cells),
        x0=row.words[0].x0,
        x1=max(w.x1 for w in row.words),
        y=row.y,
        size=row.size,
        bold=bold > 0.9 * letters,
        mono=mono > 0.9 * letters,
        cells=cells,
        first=head - row.words[0].x0,
        second=second,
        even=len(gaps) > 1 and max(gaps) < 1.4 * min(gaps),
        column=column,
    )


def _edges(lines: Sequence[Line]) -> tuple[float, float]:
    """The edges of a column: the right one leaves out the few lines that run over it (formulas, wide tables)."""
    rights = sorted(line.x1 for line in lines)
    return min(line.x0 for line in lines), rights[int(0.95 * (len(rights) - 1))]
