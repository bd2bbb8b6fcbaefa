"""PDFs of known content, made with reportlab: whoever draws a sentence knows its page and its place in the order."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import count
from pathlib import Path

from reportlab.lib.enums import TA_JUSTIFY
from reportlab.lib.pagesizes import A4, letter
from reportlab.lib.styles import ParagraphStyle
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import (
    ListFlowable,
    PageBreak,
    Paragraph,
    Preformatted,
    SimpleDocTemplate,
    Spacer,
    Table,
)

TOPICS = ("gradient descent", "dropout", "attention", "the bias of an estimator", "a join", "the learning rate")
TWO_COLUMN_PAGES = 104
BOOK_PAGES = 108
MARKED_PAGES = (
    1,
    2,
    3,
    5,
    8,
    9,
    12,
    15,
    20,
    22,
    27,
    31,
    36,
    38,
    40,
    45,
    51,
    52,
    58,
    60,
    63,
    70,
    71,
    77,
    80,
    88,
    90,
    97,
    103,
    104,
)

_BODY = ParagraphStyle(
    "body", fontName="Times-Roman", fontSize=10, leading=12, alignment=TA_JUSTIFY, firstLineIndent=12
)


def marked(page: int) -> str:
    return f"The marked sentence of page {page} says that lemma {7 * page} holds."


def drawn_lines(path: Path, pages: Sequence[Sequence[str]], *, title: str = "", header: str = "") -> Path:
    """Draw given lines one by one, 14 points apart, an empty one as a gap; with a running header and page numbers."""
    canvas = Canvas(str(path), pagesize=A4)
    canvas.setTitle(title)
    for number, lines in enumerate(pages, 1):
        canvas.setFont("Times-Roman", 9)
        if header:
            canvas.drawString(72, 800, f"{header} {number}")
            canvas.drawCentredString(297, 40, str(number))
        canvas.setFont("Times-Roman", 11)
        for i, line in enumerate(lines):
            canvas.drawString(72, 760 - 14 * i, line)
        canvas.showPage()
    canvas.save()
    return path


def two_column(path: Path) -> Path:
    """Draw a paper as LaTeX does: a title over both columns, justified text, sections in the outline, page numbers.

    Every sentence ends with its number in reading order, in brackets.
    """
    canvas = Canvas(str(path), pagesize=letter)
    canvas.setTitle("paper.dvi")
    numbers = count(1)
    for page in range(1, TWO_COLUMN_PAGES + 1):
        top = 720.0
        if page == 1:
            canvas.setFont("Times-Bold", 18)
            canvas.drawCentredString(306, 720, "Learning to Read Two Columns at Once")
            top = 680.0
        else:
            canvas.setFont("Times-Italic", 8)
            canvas.drawCentredString(306, 760, "A Journal of Reading" if page % 2 else "Nobody et al.")
        canvas.setFont("Times-Roman", 9)
        canvas.drawCentredString(306, 30, str(page))
        for left in (54, 318):
            y = top
            if page % 4 == 1 and left == 54:
                y = _section(canvas, page, left, y)
            for text in _paragraphs(page, left == 318, numbers):
                paragraph = Paragraph(text, _BODY)
                _, height = paragraph.wrap(240, 700)
                paragraph.drawOn(canvas, left, y - height)
                y -= height
        canvas.showPage()
    canvas.save()
    return path


def _section(canvas: Canvas, page: int, left: float, y: float) -> float:
    chapter, section = (page - 1) // 20 + 1, (page - 1) // 4 % 5 + 1
    if section == 1:
        canvas.setFont("Times-Bold", 14)
        canvas.drawString(left, y - 14, f"{chapter} Chapter on {TOPICS[chapter - 1]}")
        canvas.bookmarkHorizontal(f"c{page}", left, y)
        canvas.addOutlineEntry(f"Chapter on {TOPICS[chapter - 1]}", f"c{page}", 0)
        y -= 26
    title = f"{chapter}.{section} Section of page {page}"
    canvas.setFont("Times-Bold", 11)
    canvas.drawString(left, y - 12, title)
    canvas.bookmarkHorizontal(f"s{page}", left, y)
    canvas.addOutlineEntry(title, f"s{page}", 1)
    return y - 24


def _paragraphs(page: int, second: bool, numbers: Iterator[int]) -> Iterator[str]:
    for i in range(4):
        topic = TOPICS[(page + i) % len(TOPICS)]
        sentences = [f"Here {topic} is explained with the care that a long paper can take [{next(numbers)}]."]
        if page in MARKED_PAGES and i == 2 and second == (page % 2 == 0):
            sentences.append(marked(page))
        sentences.append(
            f"It follows that {topic} matters for what is asked in an interview later on [{next(numbers)}]."
        )
        sentences.append(f"Nobody has to take this on trust, because the numbers stand in the table [{next(numbers)}].")
        yield " ".join(sentences)


def book(path: Path) -> Path:
    """Draw a book in one ragged column on A4: large chapter titles, lists, tables and code, and no outline."""
    body = ParagraphStyle("body", fontName="Helvetica", fontSize=11, leading=15, spaceAfter=8)
    chapter = ParagraphStyle("chapter", fontName="Helvetica-Bold", fontSize=20, leading=26, spaceAfter=14)
    section = ParagraphStyle("section", fontName="Helvetica-Bold", fontSize=13, leading=18, spaceBefore=6, spaceAfter=6)
    story: list[object] = []
    for page in range(1, BOOK_PAGES + 1):
        if page % 9 == 1:
            story.append(Paragraph(f"Part {page // 9 + 1}: {TOPICS[page % len(TOPICS)].capitalize()}", chapter))
        story.append(Paragraph(f"Exercise set {page}", section))
        story.append(Paragraph(f"Before the exercises, {TOPICS[page % len(TOPICS)]} is put in other words. " * 3, body))
        if page in MARKED_PAGES:
            story.append(Paragraph(marked(page), body))
        items = [
            Paragraph(f"Item {n} of page {page} asks what {topic} costs.", body) for n, topic in enumerate(TOPICS, 1)
        ]
        story.append(ListFlowable(items, bulletType="bullet", start="•"))
        story.append(
            Preformatted(
                f"for i in range({page}):\n    print(i)",
                ParagraphStyle("code", fontName="Courier", fontSize=9, leading=11),
            )
        )
        story.append(Spacer(1, 12))
        story.append(
            Table([["metric", "train", "test"], ["recall", "0.91", f"0.{page}"], ["precision", "0.88", "0.77"]])
        )
        story.append(PageBreak())

    def frame(canvas: Canvas, _: object) -> None:
        canvas.setFont("Helvetica", 8)
        canvas.drawString(72, 812, "The Book of Exercises")
        canvas.drawRightString(523, 812, f"page {canvas.getPageNumber()} of {BOOK_PAGES}")

    SimpleDocTemplate(str(path), pagesize=A4, title="The Book of Exercises").build(
        story, onFirstPage=frame, onLaterPages=frame
    )
    return path


def scanned(path: Path, kinds: str) -> Path:
    """Draw one page a letter: t text, s a shape and nothing to read, b blank."""
    canvas = Canvas(str(path), pagesize=A4)
    for kind in kinds:
        if kind == "t":
            canvas.drawString(72, 700, "A line of text that can be read.")
        if kind == "s":
            canvas.rect(72, 72, 400, 600, fill=1)
        canvas.showPage()
    canvas.save()
    return path
