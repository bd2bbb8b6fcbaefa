"""Sets the papers of the corpus: each Markdown file beside this script becomes a PDF one folder up.

Only the standard fonts of PDF are used (Helvetica, Courier; Greek and signs come from Symbol and
ZapfDingbats), nothing is compressed and no date is written: the same source gives the same bytes
on every machine with the pinned reportlab.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from io import BytesIO
from itertools import pairwise
from pathlib import Path
from xml.sax.saxutils import escape

from markdown_it import MarkdownIt
from markdown_it.token import Token
from reportlab.lib.colors import HexColor
from reportlab.lib.pagesizes import LETTER
from reportlab.lib.styles import ParagraphStyle
from reportlab.pdfbase.rl_codecs import RL_Codecs
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import (
    BaseDocTemplate,
    Flowable,
    Frame,
    KeepTogether,
    PageTemplate,
    Paragraph,
    Table,
    XPreformatted,
)

SOURCES = Path(__file__).parent
PAPERS = SOURCES.parent
NAMES = ("formula-sheet", "sql-python-patterns", "thirty-day-plan")
HIDDEN = "hidden"
"""A fence marked so holds the check of printed numbers: the tests run it, the PDF leaves it out."""
CODE_WIDTH = 100
"""Characters of Courier that fit between the margins."""

_MARGIN = 50.0
_WIDTH = LETTER[0] - 2 * _MARGIN
_INK, _ACCENT, _QUIET, _SHADE = (HexColor(color) for color in ("#1b1f24", "#0b4a8f", "#5f6b7a", "#f3f5f8"))
_BODY = ParagraphStyle("body", fontName="Helvetica", fontSize=9.2, leading=12, textColor=_INK, spaceAfter=4.5)
_ITEM = ParagraphStyle("item", _BODY, leftIndent=20, bulletIndent=2, bulletFontSize=8.5, spaceAfter=2.5)
_BOX = ParagraphStyle("box", _ITEM, bulletFontName="ZapfDingbats")
_CELL = ParagraphStyle("cell", _BODY, fontSize=9, leading=11.5, spaceAfter=0)
_HEAD_CELL = ParagraphStyle("head", _CELL, fontName="Helvetica-Bold")
_CODE = ParagraphStyle(
    "code",
    fontName="Courier",
    fontSize=8.1,
    leading=9.2,
    textColor=_INK,
    backColor=_SHADE,
    borderPadding=(2, 4, 4, 4),
    spaceBefore=4,
    spaceAfter=9,
)
_HEADINGS = {
    1: ParagraphStyle("h1", fontName="Helvetica-Bold", fontSize=20, leading=24, textColor=_ACCENT, spaceAfter=8),
    2: ParagraphStyle(
        "h2",
        fontName="Helvetica-Bold",
        fontSize=13.5,
        leading=17,
        textColor=_ACCENT,
        spaceBefore=11,
        spaceAfter=5,
    ),
    3: ParagraphStyle(
        "h3",
        fontName="Helvetica-Bold",
        fontSize=10.5,
        leading=13.5,
        textColor=_INK,
        spaceBefore=6,
        spaceAfter=3,
    ),
}


class _Heading(Paragraph):
    """A heading that also stands in the PDF's outline."""

    def __init__(self, text: str, level: int, key: str) -> None:
        super().__init__(escape(text), _HEADINGS[level])
        self.title, self.level, self.key = text, level, key

    def draw(self) -> None:
        self.canv.bookmarkHorizontal(self.key, 0, self.height)
        self.canv.addOutlineEntry(self.title, self.key, self.level - 1, closed=self.level > 1)
        super().draw()


def build(source: Path) -> bytes:
    """Return the PDF of a source. Raises ValueError for a character without a glyph or a code line too long."""
    text = source.read_text(encoding="utf-8")
    _check(source.name, text)
    tokens = MarkdownIt("commonmark").enable("table").parse(text)
    title = next(token.content for token in tokens if token.type == "inline")

    def furnish(canvas: Canvas, document: BaseDocTemplate) -> None:
        canvas.saveState()
        canvas.setFont("Helvetica", 8)
        canvas.setFillColor(_QUIET)
        canvas.drawString(_MARGIN, LETTER[1] - 34, f"Prepdesk: {title}")
        canvas.drawRightString(LETTER[0] - _MARGIN, LETTER[1] - 34, f"Page {document.page}")
        canvas.restoreState()

    stream = BytesIO()
    document = BaseDocTemplate(
        stream,
        pagesize=LETTER,
        title=title,
        author="The Prepdesk project",
        subject="Preparation for machine-learning interviews. License: CC BY 4.0",
        lang="en-US",
        pageCompression=0,  # zlib's output differs between its builds
        invariant=1,
    )
    frame = Frame(
        _MARGIN, 40, _WIDTH, LETTER[1] - 40 - 48, leftPadding=0, rightPadding=0, topPadding=0, bottomPadding=0
    )
    document.addPageTemplates(PageTemplate("page", [frame], onPage=furnish))
    document.build(list(_flowables(tokens)))
    return stream.getvalue()


def _check(name: str, text: str) -> None:
    hidden = code = False
    for number, line in enumerate(text.splitlines(), 1):
        if line.startswith("```"):
            code, hidden = not code, not code and HIDDEN in line
            continue
        if hidden:
            continue
        if code and len(line) > CODE_WIDTH:
            raise ValueError(f"{name}, line {number}: code of {len(line)} characters, {CODE_WIDTH} fit the page")
        for char in line:
            if not _has_glyph(char) or (code and not char.isascii()):
                raise ValueError(f"{name}, line {number}: no glyph for {char!r}; write it in words")


def _has_glyph(char: str) -> bool:
    """Return whether one of the standard fonts draws a character; reportlab takes the first that does."""
    RL_Codecs.register()
    for encoding in ("winansi", "symbol", "zapfdingbats"):
        try:
            char.encode(encoding)
        except UnicodeEncodeError:
            continue
        return True
    return False


def _flowables(tokens: Sequence[Token]) -> Iterator[Flowable]:
    """Yield what stands on the pages; no block is broken over two pages, and some stay with the next."""
    group: list[Flowable] = []
    for block, after in pairwise([*_blocks(tokens), None]):
        group.append(block)
        if not _holds(block, after):
            yield KeepTogether(group)
            group = []


def _holds(block: Flowable, after: Flowable | None) -> bool:
    """Return whether a block stays on one page with the next: a heading, a lead-in of code, an item of a list."""
    items = [isinstance(flowable, Paragraph) and flowable.style in (_ITEM, _BOX) for flowable in (block, after)]
    return isinstance(block, _Heading) or isinstance(after, XPreformatted) or all(items)


def _blocks(tokens: Sequence[Token]) -> Iterator[Flowable]:
    i = 0
    while i < len(tokens):
        token = tokens[i]
        end = i if token.nesting == 0 else _closing(tokens, i)
        inside = tokens[i + 1 : end]
        if token.type == "heading_open":
            yield _Heading(inside[0].content, int(token.tag[1]), f"heading-{i}")
        elif token.type == "paragraph_open":
            yield Paragraph(_markup(inside[0]), _BODY)
        elif token.type == "bullet_list_open":
            yield from _bullets(inside)
        elif token.type == "table_open":
            yield _table(inside)
        elif token.type == "fence":
            if HIDDEN not in token.info:
                yield XPreformatted(escape(token.content.rstrip()), _CODE)
        else:
            raise ValueError(f"no way to set {token.type}: {token.content[:60]!r}")
        i = end + 1


def _closing(tokens: Sequence[Token], start: int) -> int:
    """Return the index of the token that closes the one at `start`."""
    depth = 0
    for i in range(start, len(tokens)):
        depth += tokens[i].nesting
        if depth == 0:
            return i
    raise ValueError(f"{tokens[start].type} is not closed")


def _markup(inline: Token) -> str:
    """Return the markup of reportlab for an inline token; a backslash at the end of a line breaks it."""
    tags = {
        "strong_open": "<b>",
        "strong_close": "</b>",
        "em_open": "<i>",
        "em_close": "</i>",
        "softbreak": " ",
        "hardbreak": "<br/>",
    }
    parts = []
    for child in inline.children or []:
        if child.type == "text":
            parts.append(escape(child.content))
        elif child.type == "code_inline":
            parts.append(f'<font color="{_ACCENT.hexval().replace("0x", "#")}">{escape(child.content)}</font>')
        else:
            parts.append(tags[child.type])
    return "".join(parts)


def _bullets(tokens: Sequence[Token]) -> Iterator[Flowable]:
    """Yield the items of a list; one that starts with [ ] has a box to tick."""
    for token in tokens:
        if token.type == "inline":
            markup = _markup(token)
            box = markup.startswith("[ ] ")
            style = _BOX if box else _ITEM
            yield Paragraph(markup.removeprefix("[ ] "), style, bulletText="\u2751" if box else "\u2022")


def _table(tokens: Sequence[Token]) -> Table:
    """Return a table as wide as the page; columns take their share by the longest text in them."""
    rows: list[list[str]] = []
    for token in tokens:
        if token.type == "tr_open":
            rows.append([])
        elif token.type == "inline":
            rows[-1].append(_markup(token))
    lengths = [max(8, *(len(cell) for cell in column)) for column in zip(*rows, strict=True)]
    cells = [[Paragraph(cell, _CELL if i else _HEAD_CELL) for cell in row] for i, row in enumerate(rows)]
    table = Table(cells, colWidths=[_WIDTH * length / sum(lengths) for length in lengths], repeatRows=1)
    table.setStyle(
        [
            ("LINEBELOW", (0, 0), (-1, 0), 0.8, _ACCENT),
            ("LINEBELOW", (0, 1), (-1, -1), 0.25, _QUIET),
            ("TOPPADDING", (0, 0), (-1, -1), 2),
            ("BOTTOMPADDING", (0, 0), (-1, -1), 3),
            ("LEFTPADDING", (0, 0), (-1, -1), 3),
            ("RIGHTPADDING", (0, 0), (-1, -1), 6),
            ("VALIGN", (0, 0), (-1, -1), "TOP"),
        ]
    )
    table.spaceBefore, table.spaceAfter = 7, 8
    return table


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the papers, or with --check tell which are stale and return 1."""
    parser = argparse.ArgumentParser(description="Set the papers of the corpus from their sources.")
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 when a paper is not up to date")
    check = parser.parse_args(arguments).check
    stale = 0
    for name in NAMES:
        paper = PAPERS / f"{name}.pdf"
        built = build(SOURCES / f"{name}.md")
        if not check:
            paper.write_bytes(built)
            print(f"{paper}: {len(built):,} bytes")
        elif not paper.is_file() or paper.read_bytes() != built:
            stale += 1
            print(f"{paper}: not what {name}.md gives; run python -m corpus.papers.src.build")
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
