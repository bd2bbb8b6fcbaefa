"""From the words of a page to its lines in reading order: rows, formulas, columns.

Pure geometry on plain data. Lengths are in points or, where named em, in multiples of the
size of the text around; y grows upwards. What the lines mean is left to pdf_blocks.
"""

from __future__ import annotations

import re
import statistics
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from ingest.readers.pdf_ink import WORD_GAP, Rule, Word

SCRIPT = 0.85
"""Text below this share of the size around it is a script (TeX: 0.7 to 0.8) where it is also shifted."""
CELL_GAP = 1.5
GUTTER = 1.0
"""The narrowest gutter, in em: the tightest seen is 1.25, the widest stretched word gap about 0.8."""

_OPERATORS = re.compile(r"[∑∏⋃⋂∫]|(arg)?(max|min)|lim|sup|inf")
_ACCENTS = frozenset("ˆ˜¯´`˙¨ˇ˘˚⃗")
_ORDINAL = re.compile(r"\d(st|nd|rd|th)")
_RTL_LETTER = "\u0590-\u065f\u066e-\u06ef\u06fa-\u08ff\ufb1d-\ufdff\ufe70-\ufefc"
_RTL = re.compile(f"[{_RTL_LETTER}]")
_RTL_RUN = re.compile(f"[{_RTL_LETTER}](?:[^A-Za-z0-9]*[{_RTL_LETTER}])*")
_LTR_RUN = re.compile(rf"[^\s{_RTL_LETTER}.,:;!?،؛–-](?:[^{_RTL_LETTER}]*[^\s{_RTL_LETTER}.,:;!?،؛–-])?")
_MIRROR = str.maketrans("()[]{}<>«»", ")(][}{><»«")


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
    column: int = 0


@dataclass(slots=True)
class Row:
    """Words on one baseline with their scripts, left to right."""

    y: float
    size: float
    words: list[Word]

    def takes(self, word: Word) -> float | None:
        """Return how far the word is from this row, in em, or None where it does not belong to it."""
        rise = (word.y - self.y) / self.size
        if abs(rise) <= 0.2:
            return abs(rise)
        if _floats(word):
            return abs(rise) if abs(rise) < 1.1 and self._near(word, 1.0) else None
        if word.size >= SCRIPT * self.size or word.size < 0.4 * self.size or not -0.6 <= rise <= 1.0:
            return None
        return abs(rise) if self._near(word, 0.5) else None

    def _near(self, word: Word, em: float) -> bool:
        reach = em * self.size
        return any(word.x0 <= other.x1 + reach and other.x0 - reach <= word.x1 for other in self.words)


def rows_of(words: Collection[Word]) -> list[Row]:
    """Group words into rows, top to bottom: first the text, then what hangs loose beside it, then small scripts."""
    rows: list[Row] = []
    text = SCRIPT * statistics.median(word.size for word in words) if words else 0.0

    def order(word: Word) -> tuple[int, float, float, float]:
        rank = 1 if _floats(word) else 0 if word.size >= text else 2
        return rank, -round(word.size), -word.y, word.x0

    for word in sorted(words, key=order):
        distances = [(distance, i) for i, row in enumerate(rows) if (distance := row.takes(word)) is not None]
        if distances:
            rows[min(distances)[1]].words.append(word)
        else:
            rows.append(Row(word.y, word.size, [word]))
    for row in rows:
        row.words = sorted((_on_letter(word, row.words) for word in row.words), key=lambda w: (w.x0, w.x1))
    return sorted(rows, key=lambda row: (-row.y, row.words[0].x0))


def _on_letter(word: Word, others: Sequence[Word]) -> Word:
    """Return an accent that is set apart at the front of the letter under it, as typewriters had it."""
    if word.text not in _ACCENTS:
        return word
    middle = (word.x0 + word.x1) / 2
    letters = [other.x0 for other in others if other.x0 <= middle <= other.x1 and other is not word]
    return replace(word, x0=letters[0], x1=letters[0]) if letters else word


def _floats(word: Word) -> bool:
    return word.loose or word.text in _ACCENTS or word.text == "√"


def cells_of(row: Row, rtl: bool = False) -> list[str]:
    """Return the row's text, split at gaps that are too wide for a space; scripts get _ and ^ in front.

    `rtl` says that the page is written from right to left.
    """
    cells = [""]
    under: list[str] = []
    over: list[str] = []
    end = row.words[0].x0

    def close() -> None:
        for mark, parts in (("_", under), ("^", over)):
            cells[-1] += _script(mark, "".join(parts), cells[-1])
            parts.clear()

    for word in row.words:
        gap = (word.x0 - end) / min(word.size, row.size)
        rise = (word.y - row.y) / row.size
        script = word.size < SCRIPT * row.size and not word.loose and not -0.08 <= rise <= 0.2 and cells[-1]
        if script and gap < 0.42:
            (over if rise > 0 else under).append(word.text)
        else:
            close()
            if gap > CELL_GAP and cells[-1]:
                cells.append("")
            elif cells[-1] and (gap > WORD_GAP or (word.spaced and gap > 0.05)):
                cells[-1] += " "
            cells[-1] += word.text
        end = max(end, word.x1) if gap > -1 else word.x1
    close()
    texts = [logical(cell, rtl) for cell in cells]
    return texts[::-1] if rtl and _RTL.search("".join(texts)) else texts


def _script(mark: str, text: str, base: str) -> str:
    if not text or not text.strip("′″'*†‡") or _ORDINAL.fullmatch(base[-1:] + text):
        return text
    bare = len(text) == 1 or text.isalnum() or (text[0] == "(" and text[-1] == ")")
    return mark + (text if bare else f"({text})")


def logical(text: str, rtl: bool) -> str:
    """Return text that was read off from left to right in the order it is spoken (a small part of UAX 9)."""
    if not _RTL.search(text):
        return text
    if not rtl:
        return _RTL_RUN.sub(lambda run: run[0][::-1].translate(_MIRROR), text)
    return _LTR_RUN.sub(lambda run: run[0][::-1].translate(_MIRROR), text[::-1].translate(_MIRROR))


def is_rtl(text: str) -> bool:
    """Return whether more letters are Arabic or Hebrew than not."""
    return 2 * len(_RTL.findall(text)) > sum(ch.isalpha() for ch in text)


def text_of(words: Collection[Word]) -> str:
    return " ".join(" ".join(cells_of(row)) for row in rows_of(words))


def fold_formulas(words: Sequence[Word], rules: Sequence[Rule]) -> list[Word]:
    """Put fractions and the limits of operators on one line: (a)/(b), ∑_(i=1)^n."""
    folded = list(words)
    em = statistics.median(word.size for word in words) if words else 0.0
    for operator in words:
        if _OPERATORS.fullmatch(operator.text):
            folded = _fold_limits(folded, operator, min(em, operator.size))
    for rule in sorted(set(rules), key=lambda r: (r.x1 - r.x0, -r.y, r.x0)):
        folded = _fold_fraction(folded, rule)
    return folded


def _fold_fraction(words: list[Word], rule: Rule) -> list[Word]:
    across = [w for w in words if w.x1 > rule.x0 and w.x0 < rule.x1 and abs(w.y - rule.y) < 2.6 * w.size]
    em = max((w.size for w in across), default=0.0)
    near = [w for w in words if w.x1 > rule.x0 and w.x0 < rule.x1 and abs(w.y - rule.y) < 2.8 * em]
    if not near or any(w.x0 < rule.x0 - 2 or w.x1 > rule.x1 + 2 for w in near if abs(w.y - rule.y) < 1.2 * w.size):
        return words
    # The bar stands on the axis, 0.25 em over the baseline: its neighbour on that baseline is what
    # tells a fraction from a table rule or an underline.
    beside = [
        w
        for w in words
        if abs(rule.y - w.y - 0.25 * w.size) < 0.1 * w.size
        and (-0.2 < (rule.x0 - w.x1) / w.size < 1.2 or -0.2 < (w.x0 - rule.x1) / w.size < 1.2)
    ]
    inside = [w for w in near if w.x0 >= rule.x0 - 2 and w.x1 <= rule.x1 + 2]
    over = _beside_bar([w for w in inside if w.y > rule.y], rule)
    under = _beside_bar([w for w in inside if w.y < rule.y], rule)
    if not over or not under or not (beside or _fits(words, (over, under), rule)):
        return words
    size = max(w.size for w in (*over, *under))
    line = max(beside, key=lambda w: w.size, default=replace(over[0], y=rule.y - 0.25 * size, size=size))
    text = "/".join(_part(text_of(part)) for part in (over, under))
    used = {id(w) for w in (*over, *under)}
    fraction = Word(text, rule.x0, rule.x1, line.y, line.size)
    return [w for w in words if id(w) not in used] + [fraction]


def _fits(words: Sequence[Word], parts: tuple[list[Word], list[Word]], rule: Rule) -> bool:
    """Return whether a bar without neighbors is as long as the wider of its parts, and both stand there alone."""
    widths = []
    for part in parts:
        x0, x1, y, em = part[0].x0, max(w.x1 for w in part), part[0].y, part[0].size
        used = {id(w) for w in part}
        alone = not any(
            abs(w.y - y) < 0.2 * em and w.x1 > x0 - em and w.x0 < x1 + em for w in words if id(w) not in used
        )
        if not alone or abs(x0 + x1 - rule.x0 - rule.x1) > 4:
            return False
        widths.append(x1 - x0)
    return rule.x1 - rule.x0 - max(widths) < 2.5


def _beside_bar(words: Sequence[Word], rule: Rule) -> list[Word]:
    """Return the row of words next to a fraction bar; a sum in it keeps its distance."""
    rows = sorted(rows_of(words), key=lambda row: abs(row.y - rule.y))
    if not rows:
        return []
    reach = 2.6 if any(word.loose for word in rows[0].words) else 1.6
    return rows[0].words if 0.2 < abs(rows[0].y - rule.y) / rows[0].size < reach else []


def _part(text: str) -> str:
    return text if text.isalnum() else f"({text})"


def _fold_limits(words: list[Word], operator: Word, em: float) -> list[Word]:
    limits = [_limit([w for w in words if w.size < SCRIPT * em], operator, side * em) for side in (-1, 1)]
    under, over = limits[0], [] if operator.text.isalpha() else limits[1]
    if not under:
        return words
    text = operator.text + _script("_", text_of(under), "")
    if over:
        text += _script("^", text_of(over), "")
    used = {id(w) for w in (*under, *over, operator)}
    return [w for w in words if id(w) not in used] + [replace(operator, text=text)]


def _limit(small: Sequence[Word], operator: Word, em: float) -> list[Word]:
    """Return the small words that stand over (em > 0) or under an operator, if they stand in its middle."""
    level = sorted((w for w in small if 0.6 < (w.y - operator.y) / em < 1.9), key=lambda w: w.x0)
    runs: list[list[Word]] = []
    for word in level:
        if runs and word.x0 - runs[-1][-1].x1 < 0.4 * word.size:
            runs[-1].append(word)
        else:
            runs.append([word])
    for run in runs:
        off = run[0].x0 + run[-1].x1 - operator.x0 - operator.x1
        # Under arg max, a limit stands in the middle of both words.
        if abs(off) < 1.2 * abs(em) or (operator.text in ("max", "min") and -4 * abs(em) < off < 0):
            return run
    return []


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
    blocked = [0] * (int(width) + 2)
    for row in rows:
        start, end, size = row.words[0].x0, row.words[0].x0, row.size
        for word in (*row.words, None):
            if word is not None and word.x0 - end < GUTTER * min(size, word.size):
                end, size = max(end, word.x1), word.size
                continue
            for x in range(round(start - left), round(end - left) + 1):
                blocked[min(x, len(blocked) - 1)] += 1
            if word is not None:
                start, end, size = word.x0, word.x1, word.size
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
    return [replace(line, left=edges[line.column][0], right=edges[line.column][1]) for line in lines]


def _line(row: Row, cells: tuple[str, ...], column: int) -> Line:
    letters = sum(len(w.text) for w in row.words)
    bold = sum(len(w.text) for w in row.words if w.bold)
    mono = sum(len(w.text) for w in row.words if w.mono)
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
        column=column,
    )


def _edges(lines: Sequence[Line]) -> tuple[float, float]:
    """The edges of a column: the right one leaves out the few lines that run over it (formulas, wide tables)."""
    rights = sorted(line.x1 for line in lines)
    return min(line.x0 for line in lines), rights[int(0.95 * (len(rights) - 1))]
