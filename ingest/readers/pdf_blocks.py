"""From the lines of a PDF to its blocks: headings, paragraphs, lists, code and tables.

Every block lies on one page. What cannot be told from looks alone (a short line, a bold one)
is decided with its neighbors; where in doubt, lines become prose.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Literal

from ingest.documents import BlockKind, Span
from ingest.readers.pdf_layout import Line
from ingest.readers.pdf_mend import Vocabulary, join

Tag = Literal["heading", "code", "table", "item", "formula", "text"]

_BULLET = re.compile(r"([•◦▪▫‣●○■□◆◇➢➤✓✔✗☐☑❑❒❖∗·–—*-]|\(?(\d{1,2}|[a-zA-Z]|[ivx]{1,4})[.)])(?= |$)")
_ROUND = frozenset("•◦▪▫‣●○■□◆◇➢➤✓✔✗☐☑❑❒❖")
"""Bullets that are nothing else; a dash or a letter may also start a formula or a heading."""
_LINK = re.compile(r"(?:https?://|www\.|[\w.+-]+@)\S+")
_LABEL = re.compile(r"\(?[\dA-Za-z]{1,3}(\.\d{1,2})*[.):]?|[^\w\s]")
NUMBERED = re.compile(
    r"(?:(?i:chapter|part|section|appendix|lecture)\s+(?:\d{1,2}|[A-Z]|[IVX]{1,5})\b[.:)]?"
    r"|((?:[A-Z]\.)?\d{1,2}(?:\.\d{1,2}){0,4})[.:)]?|(?:[A-Z]|[IVX]{1,5})[.:)])\s+(?=[^\W\d_])"
)
_MATH = re.compile(r"[=<>≤≥⩽⩾≠≈∼←→↔⟶∈∉∀∃∑∏∫√∂∇∞±×·|+−\u0370-\u03ff]|(?<!\w)\w[_^]|\)[_^]")
_LONG_WORD = re.compile(r"[^\W\d_]{3,}")
_SENTENCE = re.compile(r"[^\W\d_]{4,}:? [^\W\d_]{2,} ")
_FUNCTION = re.compile(
    r"(?:log|exp|max|min|arg|lim|sup|inf|sin|cos|tan|tanh|det|Var|Cov|std|sgn|sign|rank|softmax|ReLU|if|opt|for|all)+",
    re.I,
)
ENDED = re.compile(r"[.!?:;。！？؟…][\"'”’)\]]*$")
_CONTENTS = re.compile(r"(?:(?:\s?[.·]){4,}|…)\s*(?:\d{1,4}|[ivxl]{1,6})$")
_LEADER = re.compile(r"\s*(?:(?:\s?[.·]){4,}|…{2,})\s*")


@dataclass(slots=True)
class Piece:
    """A block before it has its place in the text; `units` are relative to `text`."""

    kind: BlockKind
    text: str
    page: int
    lines: list[Line]
    units: tuple[Span, ...] = ()
    level: int = 0
    contents: bool = False
    """A table of contents: it repeats every heading and answers nothing, so it is text and no block."""


@dataclass(frozen=True, slots=True)
class OutlineEntry:
    """A bookmark; `level` from 1, `page` 1-based, `top` and `left` in points where the file says them."""

    title: str
    level: int
    page: int
    top: float | None = None
    left: float | None = None


@dataclass(frozen=True, slots=True)
class Style:
    """What is normal in this document."""

    size: float
    bold: bool
    mono: bool
    leading: dict[float, float] = field(default_factory=dict)

    @classmethod
    def of(cls, lines: Sequence[Line]) -> Style:
        sizes: Counter[float] = Counter()
        bold = mono = 0
        for line in lines:
            sizes[step(line.size)] += len(line.text)
            bold += line.bold * len(line.text)
            mono += line.mono * len(line.text)
        total = max(1, sum(sizes.values()))
        gaps: defaultdict[float, list[float]] = defaultdict(list)
        for above, below in pairwise(lines):
            gap = above.y - below.y
            if above.column == below.column and _alike(above, below) and 0.8 < gap / below.size < 2.2:
                gaps[step(below.size)].append(gap)
        leading = {size: _leading(found) for size, found in gaps.items() if len(found) > 3}
        return cls(max(sizes, key=lambda s: (sizes[s], s), default=10.0), bold > total / 2, mono > 0.8 * total, leading)

    def gap(self, line: Line) -> float:
        """Return the usual distance between lines of this size."""
        known = self.leading.get(step(line.size))
        return known or line.size * self.leading.get(self.size, 1.25 * self.size) / self.size


def _leading(gaps: Sequence[float]) -> float:
    """Return the smallest distance that is common: where paragraphs are short, most distances are between them."""
    counts = Counter(map(step, gaps))
    return min(gap for gap in counts if counts[gap] >= 0.2 * max(counts.values()))


def step(size: float) -> float:
    return round(2 * size) / 2


def _alike(a: Line, b: Line) -> bool:
    return max(a.size, b.size) < 1.12 * min(a.size, b.size)


def key_of(title: str) -> str:
    """Return what two spellings of one title share: letters and digits, without a section number."""
    return "".join(ch for ch in NUMBERED.sub("", title).casefold() if ch.isalnum())


def pieces_of(
    lines: Sequence[Line], page: int, style: Style, words: Vocabulary, outline: Sequence[OutlineEntry]
) -> list[Piece]:
    """Group the lines of one page, which stand in reading order."""
    levels = _outlined(lines, outline)
    tags = [_tag(lines, i, style) if i not in levels else "heading" for i in range(len(lines))]
    tags = _settled(lines, tags, style)
    groups: list[_Group] = []
    for i, (line, tag) in enumerate(zip(lines, tags, strict=True)):
        alone = _Group(tag, [[(line, tag)]], levels.get(i, 0))
        if not i or not _continues(groups[-1], alone, lines[i - 1], style):
            groups.append(alone)
        elif tag == "item" or tag == groups[-1].tag in ("code", "table"):
            groups[-1].parts.extend(alone.parts)
        else:
            groups[-1].parts[-1].extend(alone.parts[0])
    return [_piece(group, page, words, style) for group in groups]


@dataclass(frozen=True, slots=True)
class _Group:
    """Lines that make one block; a part is an item of a list or a row of a table."""

    tag: Tag
    parts: list[list[tuple[Line, Tag]]]
    level: int


def _outlined(lines: Sequence[Line], outline: Sequence[OutlineEntry]) -> dict[int, int]:
    """Return the level of each line that is the title of a bookmark to this page, alone or with the lines after it."""
    levels: dict[int, int] = {}
    keys = {
        (i, count): key_of(" ".join(line.text for line in lines[i : i + count]))
        for i in range(len(lines) if outline else 0)
        for count in (1, 2, 3)
    }
    for entry in outline:
        wanted = key_of(entry.title)
        found = [
            (abs(lines[i].y + lines[i].size - entry.top) if entry.top is not None else -lines[i].size, i, count)
            for (i, count), key in keys.items()
            if key == wanted and wanted and i not in levels
        ]
        if found:
            _, start, count = min(found)
            levels.update(dict.fromkeys(range(start, min(start + count, len(lines))), entry.level))
    return levels


def _tag(lines: Sequence[Line], i: int, style: Style) -> Tag:
    line = lines[i]
    if line.mono and not style.mono and not _LINK.fullmatch(line.text):
        return "code"
    if len(_cells(line)) > 1 or _LEADER.search(line.text):
        return "table"
    if _BULLET.match(line.text) and line.text[0] in _ROUND:
        return "item"
    if _is_formula(line):
        return "formula"
    if _is_heading(lines, i, style):
        return "heading"
    if _BULLET.match(line.text) and len(line.text) > 2:
        return "item"
    return "text"


def _cells(line: Line) -> Sequence[str]:
    """The cells of a line; a bullet or a section number in front is none."""
    return line.cells[1:] if len(line.cells) > 1 and _LABEL.fullmatch(line.cells[0]) else line.cells


def _is_formula(line: Line) -> bool:
    text = line.text
    if not any(ch.isalnum() for ch in text):
        return True
    if _SENTENCE.match(text) or not _MATH.search(text):
        return False
    words = [w for w in _LONG_WORD.findall(text) if not (_FUNCTION.fullmatch(w) or (w.isupper() and len(w) < 4))]
    return len(words) < 5 and sum(map(len, words)) <= 0.25 * len("".join(text.split()))


def _is_heading(lines: Sequence[Line], i: int, style: Style) -> bool:
    line = lines[i]
    text = line.text
    words = text.split()
    letters = sum(ch.isalpha() for ch in text)
    if (
        letters < 3
        or 2 * letters < len("".join(words))
        or len(words) > 16
        or (text[-1] in ".,;" and text[-3:] != "...")
    ):
        return False
    if line.size > 1.12 * style.size:
        return True
    before = lines[i - 1] if i else None
    gap = before.y - line.y if before is not None and before.column == line.column else None
    apart = gap is None or gap < 0 or gap > 1.15 * style.gap(line)
    placed = line.x0 - line.left < line.size or abs(line.x0 + line.x1 - line.left - line.right) < 2 * line.size
    if not apart or not placed or line.size < 0.92 * style.size or text[0].islower() or len(words) > 12:
        return False
    if line.bold and not style.bold:
        return True
    after = lines[i + 1] if i + 1 < len(lines) else None
    alone = after is None or after.column != line.column or line.y - after.y > 1.15 * style.gap(line)
    number = NUMBERED.match(text)
    titled = number is not None and not text[number.end()].islower() and not ENDED.search(text)
    return alone and letters > 3 and (text.isupper() or titled)


def _settled(lines: Sequence[Line], tags: list[Tag], style: Style) -> list[Tag]:
    """Take back what its neighbors do not bear out: one row makes no table."""
    near = [a.column == b.column and 0 <= a.y - b.y < 4 * style.gap(b) for a, b in pairwise(lines)]
    settled = list(tags)
    for i, tag in enumerate(tags):
        before = tags[i - 1] if i and near[i - 1] else None
        after = tags[i + 1] if i + 1 < len(tags) and near[i] else None
        if tag == "table" and "table" not in (before, after):
            line = lines[i]
            settled[i] = "formula" if _is_formula(line) else "item" if _BULLET.match(line.text) else "text"
        elif tag == "formula" and before == "text" and _flows(lines[i - 1], lines[i], style):
            settled[i] = "text"
        elif (
            tag in ("text", "formula", "heading")
            and before == after == "table"
            and len(lines[i].text) < 40
            and lines[i].size <= 1.12 * style.size
        ):
            settled[i] = "table"
    return settled


def _flows(before: Line, line: Line, style: Style) -> bool:
    """Return whether a line of signs only ends the paragraph above: displayed formulas stand in from the edge."""
    full = before.x1 > before.right - 1.5 * line.size
    return full and line.x0 - line.left < line.size and before.y - line.y < 1.5 * style.gap(line)


def _continues(group: _Group, alone: _Group, before: Line, style: Style) -> bool:
    """Return whether the line of `alone`, which comes after `before`, belongs to the group."""
    kind, last = group.tag, group.parts[-1]
    line, tag = alone.parts[0][0]
    usual = style.gap(line)
    gap = before.y - line.y if before.column == line.column else -1.0
    if kind == "heading" or tag == "heading":
        same = kind == tag and alone.level == group.level and _alike(before, line) and before.bold == line.bold
        return same and len(last) < 3 and 0 <= gap < 1.8 * line.size
    if kind in ("code", "table") or tag in ("code", "table"):
        return kind == tag and 0 <= gap < 4 * usual
    if tag == "item":
        return kind == "item" and gap < 2.6 * usual
    if tag == "formula":
        return 0 <= gap < 4.2 * usual and (last[-1][1] == "formula" or not re.search(r"[.!?。]$", before.text))
    if last[-1][1] == "formula":
        return 0 <= gap < 3.5 * usual and line.text[0].islower()
    if kind == "item" and 0 <= gap < 2.2 * usual and _alike(before, line) and _hangs(line, last[0][0]):
        return True
    return not _breaks(before, line, style)


def _hangs(line: Line, item: Line) -> bool:
    """Return whether a line hangs under the text of a list item, or at least not under its bullet and reads on."""
    if abs(line.x0 - item.second) < 0.7 * line.size:
        return True
    return line.x0 > item.x0 + 0.5 * line.size and line.text[0].islower()


def _breaks(before: Line, line: Line, style: Style) -> bool:
    """Return whether a new paragraph starts at `line`."""
    text, gap = line.text, before.y - line.y
    ended = bool(ENDED.search(before.text))
    new = ended or not text[0].islower()
    if not _alike(before, line) or before.column != line.column or gap < 0:
        return new or not _alike(before, line)
    full = before.x1 + 0.3 * line.size + line.first > before.right - 0.5 * line.size
    if gap > 1.35 * style.gap(line):
        # A fraction or a sum in a line pushes the next one down.
        return new or not full or gap > 2.2 * style.gap(line)
    indented = line.x0 - before.x0 > 0.7 * line.size
    return new and (indented or (ended and not full))


def _piece(group: _Group, page: int, words: Vocabulary, style: Style) -> Piece:
    lines = [line for part in group.parts for line, _ in part]
    if group.tag == "heading":
        return Piece("heading", join([line.text for line in lines], words), page, lines, level=group.level)
    if group.tag == "code":
        return _rows("code", _indented(lines, style), page, lines)
    if group.tag == "table":
        piece = _rows("table", [_LEADER.sub(" … ", "  ".join(line.cells)) for line in lines], page, lines)
        if all(_is_formula(line) for line in lines):
            return Piece("prose", piece.text, page, lines, piece.units)
        dotted = sum(bool(_CONTENTS.search(line.text[-300:])) for line in lines)
        piece.contents = dotted > 2 and 2 * dotted >= len(lines)
        return piece
    texts = [_flowing(part, words) for part in group.parts]
    hanging = any(_hangs(line, part[0][0]) for part in group.parts for line, _ in part[1:])
    if group.tag == "item" and (len(texts) > 1 or hanging):
        return _rows("list", texts, page, lines)
    return Piece("prose", "\n".join(texts), page, lines)


def _flowing(part: Sequence[tuple[Line, Tag]], words: Vocabulary) -> str:
    """Join the lines of a paragraph; formulas in it keep their lines."""
    runs: list[list[str]] = []
    before: Tag | None = None
    for line, tag in part:
        if "formula" in (tag, before) or before is None:
            runs.append([])
        runs[-1].append(line.text)
        before = tag
    return "\n".join(join(run, words) for run in runs)


def _rows(kind: BlockKind, texts: Sequence[str], page: int, lines: list[Line]) -> Piece:
    units: list[Span] = []
    at = 0
    for text in texts:
        units.append((at, at + len(text)))
        at += len(text) + 1
    return Piece(kind, "\n".join(texts), page, lines, tuple(units))


def _indented(lines: Sequence[Line], style: Style) -> list[str]:
    """Return code lines with their indentation, which in a PDF is only a position, and with their empty lines."""
    left = min(line.x0 for line in lines)
    texts: list[str] = []
    for i, line in enumerate(lines):
        if i and lines[i - 1].y - line.y > 1.7 * style.gap(line):
            texts[-1] += "\n"
        width = (line.x1 - line.x0) / max(1, len(line.text))
        text = "  ".join(line.cells)
        texts.append(" " * round((line.x0 - left) / width) + text if width else text)
    return texts
