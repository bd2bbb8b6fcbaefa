"""Words of a page to rows, and rows to text: scripts get _ and ^, Arabic and Hebrew are read the other way.

Lengths are in points or, where named em, in multiples of the size of the text around.
"""

from __future__ import annotations

import bisect
import re
import statistics
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from ingest.readers.pdf_ink import WORD_GAP, Word

SCRIPT = 0.85
"""Text below this share of the size around it is a script (TeX: 0.7 to 0.8) where it is also shifted."""
CELL_GAP = 1.1
"""In em; a wider gap parts cells of a table, even the words of justified lines stand closer."""

_ACCENTS = frozenset("ˆ˜¯´`˙¨ˇ˘˚⃗")
_ORDINAL = re.compile(r"\d(st|nd|rd|th)")
_RTL_LETTER = "\u0590-\u065f\u066e-\u06ef\u06fa-\u08ff\ufb1d-\ufdff\ufe70-\ufefc"
RTL = re.compile(f"[{_RTL_LETTER}]")
_RTL_RUN = re.compile(f"[{_RTL_LETTER}](?:[^A-Za-z0-9]*[{_RTL_LETTER}])*")
_LTR_RUN = re.compile(rf"[^\s{_RTL_LETTER}.,:;!?،؛–-](?:[^{_RTL_LETTER}]*[^\s{_RTL_LETTER}.,:;!?،؛–-])?")
_MIRROR = str.maketrans("()[]{}<>«»", ")(][}{><»«")


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

    tallest = max((word.size for word in words), default=0.0)
    for word in sorted(words, key=order):
        # Rows are kept by height, so that only those within reach are asked.
        low = bisect.bisect_left(rows, word.y - 1.1 * tallest, key=lambda row: row.y)
        high = bisect.bisect_right(rows, word.y + 1.1 * tallest, key=lambda row: row.y)
        distances = [(distance, i) for i in range(low, high) if (distance := rows[i].takes(word)) is not None]
        if distances:
            rows[min(distances)[1]].words.append(word)
        else:
            bisect.insort(rows, Row(word.y, word.size, [word]), key=lambda row: row.y)
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
    wide = _wide(row)

    def close() -> None:
        for mark, parts in (("_", under), ("^", over)):
            cells[-1] += script(mark, "".join(parts), cells[-1])
            parts.clear()

    for word in row.words:
        gap = (word.x0 - end) / min(word.size, row.size)
        rise = (word.y - row.y) / row.size
        small = word.size < SCRIPT * row.size and not word.loose and not -0.08 <= rise <= 0.2 and cells[-1]
        if small and gap < 0.42:
            (over if rise > 0 else under).append(word.text)
        else:
            close()
            if gap > wide and cells[-1]:
                cells.append("")
            elif cells[-1] and (gap > WORD_GAP or (word.spaced and gap > 0.05)):
                cells[-1] += " "
            cells[-1] += word.text
        end = max(end, word.x1) if gap > -1 else word.x1
    close()
    texts = [logical(cell, rtl) for cell in cells]
    return texts[::-1] if rtl and RTL.search("".join(texts)) else texts


def _wide(row: Row) -> float:
    """Return the gap, in em, that parts cells; where the words of a narrow column are spread out, it is larger."""
    gaps = [(b.x0 - a.x1) / row.size for a, b in pairwise(row.words) if b.x0 - a.x1 > WORD_GAP * row.size]
    spread = statistics.median(gaps) if len(gaps) > 2 else 0.0
    return max(CELL_GAP, 1.8 * spread) if spread < CELL_GAP else CELL_GAP


def script(mark: str, text: str, base: str) -> str:
    if not text or not text.strip("′″'*†‡") or _ORDINAL.fullmatch(base[-1:] + text):
        return text
    bare = len(text) == 1 or text.isalnum() or (text[0] == "(" and text[-1] == ")")
    return mark + (text if bare else f"({text})")


def logical(text: str, rtl: bool) -> str:
    """Return text that was read off from left to right in the order it is spoken (a small part of UAX 9)."""
    if not RTL.search(text):
        return text
    if not rtl:
        return _RTL_RUN.sub(lambda run: run[0][::-1].translate(_MIRROR), text)
    return _LTR_RUN.sub(lambda run: run[0][::-1].translate(_MIRROR), text[::-1].translate(_MIRROR))


def is_rtl(text: str) -> bool:
    """Return whether more letters are Arabic or Hebrew than not."""
    return 2 * len(RTL.findall(text)) > sum(ch.isalpha() for ch in text)


def text_of(words: Collection[Word]) -> str:
    return " ".join(" ".join(cells_of(row)) for row in rows_of(words))
