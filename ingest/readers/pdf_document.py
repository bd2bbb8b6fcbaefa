"""From the ink of all pages to one document: what repeats goes, columns are found, pieces stand under headings."""

from __future__ import annotations

import bisect
import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path

from ingest.documents import Block, Document
from ingest.readers.pdf_blocks import OutlineEntry, Piece, Style, key_of, pieces_of
from ingest.readers.pdf_formulas import fold_formulas
from ingest.readers.pdf_furniture import without_furniture
from ingest.readers.pdf_headings import headings_of, largest_heading
from ingest.readers.pdf_ink import Rule, Word
from ingest.readers.pdf_layout import Line, find_gutter, lines_of
from ingest.readers.pdf_mend import Vocabulary, characters
from retrieval.errors import ReadError

_FILE_TITLE = re.compile(
    r"microsoft word\b.*|untitled\b.*|(power ?point )?presentation\d*|document\d*|(no )?title|slide \d+"
    r"|.*\.[a-z]\w{1,4}|[\W\d_]*",
    re.I,
)


@dataclass(frozen=True, slots=True)
class PageInk:
    """What a page has on it: words, rules, any drawing at all; or why it could not be read."""

    words: tuple[Word, ...]
    rules: tuple[Rule, ...]
    painted: bool
    edges: tuple[float, float] = (0.0, 0.0)
    """The lower and the upper edge of the page."""
    failed: str = ""


def assemble(path: Path, pages: Sequence[PageInk], outline: Sequence[OutlineEntry], named: str) -> Document:
    """Return the document of a file's pages; `named` is the title its metadata gives. Raises ReadError for a scan."""
    lines = _lines(pages)
    every = [line for page in lines for line in page]
    marks: defaultdict[int, list[OutlineEntry]] = defaultdict(list)
    for entry in outline:
        marks[entry.page].append(entry)
    style = Style.of(every)
    words = Vocabulary.of(line.text for line in every)
    pieces = [
        piece for number, page in enumerate(lines, 1) for piece in pieces_of(page, number, style, words, marks[number])
    ]
    warnings = _warnings(path.name, pages, {piece.page for piece in pieces})
    title = _title(path, named, largest_heading(pieces))
    headings_of(pieces, title)
    text, blocks = _placed(pieces, outline, title)
    return Document(text=text, title=title, kind="paper", blocks=blocks, warnings=warnings)


def _lines(pages: Sequence[PageInk]) -> list[list[Line]]:
    sizes: Counter[float] = Counter()
    for page in pages:
        for word in page.words:
            sizes[round(word.size, 1)] += len(word.text)
    body = max(sizes, key=lambda size: (sizes[size], size), default=10.0)
    kept = without_furniture([(page.words, page.edges) for page in pages], body)
    folded = [fold_formulas(words, page.rules) for words, page in zip(kept, pages, strict=True)]
    gutters = [find_gutter(words) if words else None for words in folded]
    found = [gutter for gutter in gutters if gutter is not None]
    if len(found) > 1 and 2 * len(found) > sum(bool(words) for words in folded):
        # The last page and pages of figures have too few lines to show the gutter that the others have.
        usual = sorted(found, key=lambda gutter: gutter.x0)[len(found) // 2]
        gutters = [
            g if g is not None and abs(g.x0 - usual.x0) < 2 * body else find_gutter(w, usual) if w else None
            for g, w in zip(gutters, folded, strict=True)
        ]
    return [
        [
            replace(line, text=text, cells=tuple(filter(None, map(characters, line.cells))))
            for line in lines_of(words, gutter)
            if (text := characters(line.text))
        ]
        for words, gutter in zip(folded, gutters, strict=True)
    ]


def _warnings(name: str, pages: Sequence[PageInk], read: set[int]) -> tuple[str, ...]:
    """Tell which pages gave no text, and why. Raises ReadError where no page gave any."""
    empty = [number for number in range(1, len(pages) + 1) if number not in read]
    if len(empty) == len(pages):
        raise ReadError(
            f"{name}: none of its {len(pages)} pages has text, it looks like a scan; run OCR on it first"
            if len(pages) != 1
            else f"{name}: its one page has no text, it looks like a scan; run OCR on it first"
        )
    failed = [number for number in empty if pages[number - 1].failed]
    scans = [number for number in empty if pages[number - 1].painted and number not in failed]
    blank = [number for number in empty if number not in failed and number not in scans]
    warnings = []
    if failed:
        warnings.append(
            f"{_numbers(failed)} cannot be read ({pages[failed[0] - 1].failed}); get a fresh copy of the file"
        )
    if scans:
        what = "have no text (scans)" if len(scans) > 1 else "has no text (a scan)"
        warnings.append(f"{_numbers(scans)} {what}; run OCR on the file first")
    if blank:
        warnings.append(f"{_numbers(blank)} {'have' if len(blank) > 1 else 'has'} no text (blank)")
    return tuple(warnings)


def _numbers(pages: Sequence[int]) -> str:
    """Return "page 3", "pages 3-5" or "pages 3-5, 8"."""
    runs = [[number for _, number in run] for _, run in groupby(enumerate(pages), key=lambda pair: pair[1] - pair[0])]
    parts = [str(run[0]) if len(run) == 1 else f"{run[0]}-{run[-1]}" for run in runs]
    return f"page{'s' if len(pages) > 1 else ''} {', '.join(parts)}"


def _title(path: Path, named: str, largest: str | None) -> str:
    if named and not _FILE_TITLE.fullmatch(named):
        return named
    if largest:
        return largest
    words = re.sub(r"[\W_]+", " ", path.stem).strip() or path.name
    return words[0].upper() + words[1:]


def _placed(pieces: Sequence[Piece], outline: Sequence[OutlineEntry], title: str) -> tuple[str, tuple[Block, ...]]:
    """Write the pieces one after the other, each under the headings and bookmarks before it."""
    bookmarks: defaultdict[int, list[OutlineEntry]] = defaultdict(list)
    pages = [piece.page for piece in pieces]
    for entry in outline:
        start = bisect.bisect_left(pages, entry.page)
        here = range(start, bisect.bisect_right(pages, entry.page))
        bookmarks[_anchor(pieces, here, entry)].append(entry)
    parts: list[str] = []
    blocks: list[Block] = []
    path: list[tuple[int, str]] = []
    at = 0

    def enter(level: int, name: str) -> None:
        path[:] = [step for step in path if step[0] < level]
        if key_of(name) != key_of(title):
            path.append((level, name))

    for i, piece in enumerate(pieces):
        for entry in bookmarks[i]:
            if piece.kind != "heading" or key_of(entry.title) != key_of(piece.text):
                enter(entry.level, entry.title)
        if piece.kind == "heading":
            path[:] = [step for step in path if step[0] < piece.level]
        heading = tuple(name for _, name in path)
        units = tuple((at + start, at + end) for start, end in piece.units)
        if not piece.contents:
            blocks.append(Block(piece.kind, (at, at + len(piece.text)), heading, piece.page, units, piece.level))
        if piece.kind == "heading":
            enter(piece.level, piece.text)
        parts.append(piece.text)
        at += len(piece.text) + 2
    return "\n\n".join(parts), tuple(blocks)


def _anchor(pieces: Sequence[Piece], here: range, entry: OutlineEntry) -> int:
    """Return the index of the piece on a bookmark's page that it leads to: its title, else the nearest below it."""
    for i in here:
        if pieces[i].kind == "heading" and key_of(pieces[i].text) == key_of(entry.title):
            return i
    if entry.top is None:
        return here.start
    below = [
        (entry.top - line.y, i)
        for i in here
        for line in pieces[i].lines[:1]
        if line.y <= entry.top + 2 and (entry.left is None or line.x0 >= entry.left - line.size)
    ]
    return min(below)[1] if below else here.start
