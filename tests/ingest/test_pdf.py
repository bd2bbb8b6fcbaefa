"""PDFs to blocks: the right page, the right order, whole words, and a clear refusal of what cannot be read."""

from __future__ import annotations

import contextlib
import logging
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from reportlab.lib.pagesizes import A4
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.pdfgen.canvas import Canvas

from ingest.documents import Block, Document
from ingest.readers import pdf
from ingest.readers.pdf import read_pdf
from ingest.readers.pdf_formulas import fold_formulas
from ingest.readers.pdf_ink import Rule, Word
from ingest.readers.pdf_mend import Vocabulary, characters, join
from ingest.readers.pdf_rows import cells_of, logical, rows_of, text_of
from retrieval.errors import ReadError
from tests.ingest.make_pdfs import MARKED_PAGES, book, drawn_lines, marked, scanned, two_column
from tests.invariants import check_blocks_lie_in_text

PROSE = [
    "A model that has seen too few examples learns their noise by heart, and",
    "what it says about new ones is wrong. More data helps, and so does a",
    "smaller model.",
]


def text_of_block(document: Document, block: Block) -> str:
    return document.text[slice(*block.span)]


def texts(document: Document) -> list[tuple[str, str]]:
    return [(block.kind, text_of_block(document, block)) for block in document.blocks]


def check_pages(document: Document, pages: int) -> None:
    """Pages of blocks are 1-based, in the file, and never go back."""
    numbers = [block.page or 0 for block in document.blocks]
    assert numbers == sorted(numbers)
    assert set(numbers) <= set(range(1, pages + 1))
    assert document.line_starts is None
    assert document.kind == "paper"


def pages_of_marked(document: Document) -> dict[int, list[int | None]]:
    return {
        page: [block.page for block in document.blocks if marked(page) in text_of_block(document, block)]
        for page in MARKED_PAGES
    }


@pytest.fixture(scope="module")
def paper(tmp_path_factory: pytest.TempPathFactory) -> Document:
    return read_pdf(two_column(tmp_path_factory.mktemp("pdf") / "paper.pdf"))


@pytest.fixture(scope="module")
def exercises(tmp_path_factory: pytest.TempPathFactory) -> Document:
    return read_pdf(book(tmp_path_factory.mktemp("pdf") / "exercises.pdf"))


def test_every_marked_sentence_of_a_long_paper_is_on_its_page(paper: Document) -> None:
    """This test ensures that all 30 marked sentences of 104 two-column pages are whole and on the right page."""
    check_blocks_lie_in_text(paper)
    check_pages(paper, 104)
    assert len(MARKED_PAGES) == 30
    assert pages_of_marked(paper) == {page: [page] for page in MARKED_PAGES}


def test_two_columns_are_read_one_after_the_other(paper: Document) -> None:
    """This test ensures that the numbered sentences of 104 pages come in reading order, a title first."""
    numbers = [int(number) for number in re.findall(r"\[(\d+)\]", paper.text)]
    assert numbers == list(range(1, 104 * 24 + 1))
    assert paper.text.startswith("Learning to Read Two Columns at Once\n\n")


def test_headings_come_from_the_outline(paper: Document) -> None:
    """This test ensures that a block is under the chapter and section that the bookmarks put it under."""
    by_page = {block.page: block.heading for block in paper.blocks if block.kind == "prose"}
    assert by_page[4] == ("1 Chapter on gradient descent", "1.1 Section of page 1")
    assert by_page[45] == ("3 Chapter on attention", "3.2 Section of page 45")
    assert [(b.level, text_of_block(paper, b)) for b in paper.blocks if b.kind == "heading"][1:4] == [
        (1, "1 Chapter on gradient descent"),
        (2, "1.1 Section of page 1"),
        (2, "1.2 Section of page 5"),
    ]


def test_running_headers_and_page_numbers_go(paper: Document, exercises: Document) -> None:
    """This test ensures that headers that differ on odd and even pages, and numbers, are no text."""
    for furniture in ("A Journal of Reading", "Nobody et al.", "The Book of Exercises", "of 108"):
        assert furniture not in paper.text + exercises.text
    assert not re.search(r"^\d+$", paper.text + "\n" + exercises.text, re.M)


def test_every_marked_sentence_of_a_book_is_on_its_page(exercises: Document) -> None:
    """This test ensures the same for 108 pages in one ragged column, with no outline."""
    check_blocks_lie_in_text(exercises)
    check_pages(exercises, 108)
    assert pages_of_marked(exercises) == {page: [page] for page in MARKED_PAGES}


def test_a_page_falls_into_its_parts(exercises: Document) -> None:
    """This test ensures that headings, prose, list, code and table of a page are told apart by their looks."""
    path = ("Part 2: A join",)
    expected = [
        ("heading", (), "Part 2: A join"),
        ("heading", path, "Exercise set 10"),
        ("prose", (*path, "Exercise set 10"), "Before the exercises, a join is put in other words. " * 3),
        ("code", (*path, "Exercise set 10"), "for i in range(10):\n    print(i)"),
        ("table", (*path, "Exercise set 10"), "metric  train  test\nrecall  0.91  0.10\nprecision  0.88  0.77"),
    ]
    blocks = [block for block in exercises.blocks if block.page == 10]
    found = [(block.kind, block.heading, text_of_block(exercises, block)) for block in blocks if block.kind != "list"]
    assert found == [(kind, heading, text.strip()) for kind, heading, text in expected]
    listed = next(block for block in blocks if block.kind == "list")
    items = [exercises.text[slice(*unit)] for unit in listed.units]
    assert len(items) == 6
    assert items[3] == "• Item 4 of page 10 asks what the bias of an estimator costs."


def test_hyphenated_words_are_joined_where_that_is_right(tmp_path: Path) -> None:
    """This test ensures that line-end hyphens go, and that the hyphens of compounds stay."""
    page = [
        "The network learns a representation of each word, and self-",
        "attention weighs them. A model is regu-",
        "larized by dropout; the Levenberg-",
        "Marquardt method is not. State-of-the-",
        "art models are well-known, and a well-",
        "known model is pre-trained on trans-",
        "lation pairs of all the languages.",
    ]
    document = read_pdf(drawn_lines(tmp_path / "a.pdf", [page]))
    assert document.text == (
        "The network learns a representation of each word, and self-attention weighs them. A model is regularized "
        "by dropout; the Levenberg-Marquardt method is not. State-of-the-art models are well-known, and a "
        "well-known model is pre-trained on translation pairs of all the languages."
    )


def test_lines_of_a_paragraph_are_joined_and_paragraphs_are_not(tmp_path: Path) -> None:
    """This test ensures that a gap parts paragraphs, that a line end does not, and that headers with numbers go."""
    path = drawn_lines(tmp_path / "a.pdf", [[*PROSE, "", *PROSE]] * 4, header="Notes on learning, page")
    document = read_pdf(path)
    check_blocks_lie_in_text(document)
    assert texts(document) == [("prose", " ".join(PROSE))] * 8
    assert [block.page for block in document.blocks] == [1, 1, 2, 2, 3, 3, 4, 4]


def test_short_lines_are_no_headings_for_their_first_letter(tmp_path: Path) -> None:
    """This test ensures that "A model" and "3 models" alone on a line are prose, and that "3 Models" is a section."""
    lines = ["A model on its own", "", "", "3 models on their own", "", "", "3 Models of this kind", "", "", *PROSE]
    document = read_pdf(drawn_lines(tmp_path / "a.pdf", [lines]))
    assert [block.kind for block in document.blocks] == ["prose", "prose", "heading", "prose"]


def test_text_that_repeats_inside_the_page_stays(tmp_path: Path) -> None:
    """This test ensures that the first line of every page is text where no gap parts it from the rest."""
    document = read_pdf(drawn_lines(tmp_path / "a.pdf", [[f"Sentence {n} opens a page.", *PROSE] for n in range(1, 7)]))
    assert document.text.count("opens a page.") == 6


@pytest.mark.parametrize(
    ("named", "expected"),
    [
        ("A Handbook of Models", "A Handbook of Models"),
        ("", "My notes 2"),
        ("untitled", "My notes 2"),
        ("Microsoft Word - notes_final.docx", "My notes 2"),
        ("foo.dvi", "My notes 2"),
    ],
)
def test_a_title_is_one_a_person_gave(tmp_path: Path, named: str, expected: str) -> None:
    """This test ensures that a title that a program made gives way to the name of the file."""
    assert read_pdf(drawn_lines(tmp_path / "my_notes-2.pdf", [PROSE], title=named)).title == expected


def test_the_largest_line_is_the_title_where_metadata_has_none(paper: Document) -> None:
    """This test ensures that paper.dvi is no title, and that the title is in no heading path."""
    assert paper.title == "Learning to Read Two Columns at Once"
    assert all(paper.title not in block.heading for block in paper.blocks)


def test_ligatures_are_expanded_and_formulas_are_not_harmed(tmp_path: Path) -> None:
    """This test ensures that fi and fl are letters again and that x² does not become x2."""
    pdfmetrics.registerFont(TTFont("Vera", "Vera.ttf"))
    canvas = Canvas(str(tmp_path / "a.pdf"), pagesize=A4)
    canvas.setFont("Vera", 11)
    canvas.drawString(72, 700, "The ﬁrst classiﬁer has a co\xadefficient of x² and ½ of the ﬂow.")
    canvas.save()
    assert read_pdf(tmp_path / "a.pdf").text == "The first classifier has a coefficient of x² and ½ of the flow."


def test_pages_without_text_are_told(tmp_path: Path) -> None:
    """This test ensures that scans are named with what to do, and that a blank page is not called a scan."""
    document = read_pdf(scanned(tmp_path / "a.pdf", "ttssstbts"))
    assert [block.page for block in document.blocks] == [1, 2, 6, 8]
    assert document.warnings == (
        "pages 3-5, 9 have no text (scans); run OCR on the file first",
        "page 7 has no text (blank)",
    )


def test_a_scan_is_refused(tmp_path: Path) -> None:
    """This test ensures that a file of nothing but scans is an error that says what to do."""
    with pytest.raises(ReadError) as caught:
        read_pdf(scanned(tmp_path / "book.pdf", "s" * 12))
    assert str(caught.value) == "book.pdf: none of its 12 pages has text, it looks like a scan; run OCR on it first"


def encrypted(path: Path, password: str) -> Path:
    from pypdf import PdfWriter

    writer = PdfWriter(clone_from=drawn_lines(path, [PROSE]))
    writer.encrypt(user_password=password, owner_password="owner", algorithm="AES-256")
    writer.write(path)
    return path


def test_an_empty_password_is_tried(tmp_path: Path) -> None:
    """This test ensures that a file that only forbids printing is read."""
    assert read_pdf(encrypted(tmp_path / "a.pdf", "")).text == " ".join(PROSE)


def test_a_locked_file_is_refused(tmp_path: Path) -> None:
    """This test ensures that the error says to save the file without its password."""
    with pytest.raises(ReadError, match=r"^a\.pdf: the file is locked with a password; save it without a password"):
        read_pdf(encrypted(tmp_path / "a.pdf", "secret"))


def test_a_truncated_file_is_refused(tmp_path: Path) -> None:
    """This test ensures that no part of a half-downloaded book passes for the book."""
    whole = drawn_lines(tmp_path / "a.pdf", [PROSE] * 20).read_bytes()
    for share in (0.1, 0.5, 0.9, 0.99):
        (tmp_path / "a.pdf").write_bytes(whole[: int(share * len(whole))])
        with pytest.raises(ReadError, match=r"^a\.pdf: "):
            read_pdf(tmp_path / "a.pdf")


@pytest.mark.parametrize(
    "data",
    [b"", b"%PDF-1.7", b"%PDF-1.7\n%%EOF", b"\0\1\2" * 999, b"# A Markdown file\n", b"%PDF-1.4\nxref\n0 9\n%%EOF\n"],
)
def test_garbage_is_refused(tmp_path: Path, data: bytes) -> None:
    """This test ensures that what is no PDF is a ReadError that names the file."""
    (tmp_path / "a.pdf").write_bytes(data)
    with pytest.raises(ReadError, match=r"^a\.pdf: "):
        read_pdf(tmp_path / "a.pdf")


@given(cuts=st.lists(st.tuples(st.integers(0, 9999), st.binary(max_size=40)), min_size=1, max_size=4))
def test_a_damaged_file_is_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, cuts: list[tuple[int, bytes]]
) -> None:
    """This test ensures that no damage raises anything but ReadError."""
    path = tmp_path_factory.getbasetemp() / "damaged.pdf"
    data = bytearray(drawn_lines(path, [PROSE, PROSE]).read_bytes())
    for at, piece in cuts:
        start = at % len(data)
        data[start : start + len(piece)] = piece
    path.write_bytes(data)
    with contextlib.suppress(ReadError):
        check_blocks_lie_in_text(read_pdf(path))


def test_one_broken_page_does_not_cost_the_others(tmp_path: Path) -> None:
    """This test ensures that a page that cannot be parsed is a warning."""
    from pypdf import PdfWriter
    from pypdf.generic import DecodedStreamObject, NameObject

    writer = PdfWriter(clone_from=drawn_lines(tmp_path / "a.pdf", [PROSE] * 3))
    stream = DecodedStreamObject()
    stream.set_data(b"BT /F1 12 Tf (never closed")
    writer.pages[1][NameObject("/Contents")] = writer._add_object(stream)
    writer.write(tmp_path / "a.pdf")
    document = read_pdf(tmp_path / "a.pdf")
    assert [block.page for block in document.blocks] == [1, 3]
    assert document.warnings[0].startswith("page 2 cannot be read (")


def test_too_many_pages_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """This test ensures that the limit is told with both numbers."""
    monkeypatch.setattr(pdf, "MAX_PAGES", 3)
    with pytest.raises(ReadError, match=r"^a\.pdf: it has 4 pages, the limit is 3; split it into parts$"):
        read_pdf(drawn_lines(tmp_path / "a.pdf", [PROSE] * 4))


def test_pypdf_says_nothing_and_its_logger_is_left_as_it_was(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """This test ensures that what is wrong with a file is in the error, not in a log."""
    logging.getLogger("pypdf").setLevel(logging.INFO)
    (tmp_path / "a.pdf").write_bytes(b"%PDF-1.4\n1 0 obj\nstartxref\n99999\n%%EOF\n")
    with pytest.raises(ReadError):
        read_pdf(tmp_path / "a.pdf")
    assert caplog.records == []
    assert logging.getLogger("pypdf").level == logging.INFO
    logging.getLogger("pypdf").setLevel(logging.NOTSET)


def test_a_page_that_was_turned_is_read_upright(tmp_path: Path) -> None:
    """This test ensures that a landscape page stored sideways reads like any other."""
    canvas = Canvas(str(tmp_path / "a.pdf"), pagesize=A4)
    canvas.setPageRotation(90)
    canvas.translate(A4[0], 0)
    canvas.rotate(90)
    canvas.setFont("Times-Roman", 11)
    for i, line in enumerate(PROSE):
        canvas.drawString(72, 500 - 14 * i, line)
    canvas.save()
    assert read_pdf(tmp_path / "a.pdf").text == " ".join(PROSE)


def test_forms_and_poor_mans_bold_are_read_once(tmp_path: Path) -> None:
    """This test ensures that text in a form XObject is read at its place, and text that is drawn twice is read once."""
    canvas = Canvas(str(tmp_path / "a.pdf"), pagesize=A4)
    canvas.beginForm("box")
    canvas.setFont("Times-Roman", 11)
    canvas.drawString(0, 0, PROSE[1])
    canvas.endForm()
    canvas.setFont("Times-Roman", 11)
    canvas.drawString(72, 700, PROSE[0])
    canvas.drawString(72.3, 700, PROSE[0])
    canvas.drawString(72, 672, PROSE[2])
    canvas.translate(72, 686)
    canvas.doForm("box")
    canvas.save()
    assert read_pdf(tmp_path / "a.pdf").text == " ".join(PROSE)


def test_a_table_of_contents_is_text_and_no_block(tmp_path: Path) -> None:
    """This test ensures that lines of dots do not come up in searches in place of the sections they name."""
    contents = [
        f"{n} The part about {name} . . . . . . . . . . {3 * n}" for n, name in enumerate(("a", "b", "c", "d"), 1)
    ]
    document = read_pdf(drawn_lines(tmp_path / "a.pdf", [[*contents, "", "", *PROSE]]))
    assert texts(document) == [("prose", " ".join(PROSE))]
    assert "1 The part about a … 3\n2 The part about b … 6" in document.text


def words(*parts: tuple[str, float, float, float]) -> list[Word]:
    """Words of (text, x, y, size), each character half its size wide."""
    return [Word(text, x, x + len(text) * size / 2, y, size) for text, x, y, size in parts]


def test_a_fraction_stands_on_one_line() -> None:
    """This test ensures that a bar between two rows, with an equals sign beside it, is read as a division."""
    parts = words(("P=", 0, 100, 10), ("TP", 21, 107, 10), ("TP+FN", 13, 93, 10))
    assert text_of(fold_formulas(parts, [Rule(12.5, 38.5, 102.5)])) == "P= TP/(TP+FN)"
    assert text_of(parts) == "TP P= TP+FN"


def test_an_underline_is_no_fraction() -> None:
    """This test ensures that a rule under a word, or between the rows of a table, divides nothing."""
    parts = words(("see", 0, 100, 10), ("here", 20, 100, 10), ("and", 0, 88, 10), ("there", 20, 88, 10))
    assert fold_formulas(parts, [Rule(20, 40, 98.5), Rule(0, 200, 96)]) == parts


def test_limits_and_scripts_are_marked() -> None:
    """This test ensures that x², a sum over i and an ordinal read as they are spoken."""
    line = words(("the", -60, 100, 10), ("sum", -40, 100, 10), ("is", -20, 100, 10), ("∑", 0, 100, 10))
    sum_ = line + words(("n", 1, 112, 7), ("i=1", -2, 90, 7), ("x", 8, 100, 10), ("2", 13, 104, 7))
    assert text_of(fold_formulas(sum_, [])) == "the sum is ∑_(i=1)^n x^2"
    assert text_of(words(("the", 0, 100, 10), ("4", 18, 100, 10), ("th", 23, 104, 7))) == "the 4th"
    assert text_of(words(("h", 0, 100, 10), ("ij", 5, 98, 7), ("(x)", 12, 100, 10))) == "h_ij(x)"


def test_wide_gaps_part_cells() -> None:
    """This test ensures that a gap of more than an em is not a space."""
    (row,) = rows_of(words(("recall", 0, 100, 10), ("0.91", 60, 100, 10), ("of", 84, 100, 10)))
    assert cells_of(row) == ["recall", "0.91 of"]


def test_arabic_is_turned_and_latin_in_it_is_not() -> None:
    """This test ensures that lines drawn from left to right are stored as they are spoken."""
    assert logical("(SVM) ملعت", rtl=True) == "تعلم (SVM)"
    assert logical(".x نم y ملعت", rtl=True) == "تعلم y من x."
    assert logical("the word ملعت here", rtl=False) == "the word تعلم here"


@given(st.lists(st.text(alphabet="abc -\xad", max_size=12), max_size=6))
def test_joining_lines_loses_no_letter(lines: list[str]) -> None:
    """This test ensures that mending takes away spaces and hyphens only."""
    joined = join(lines, Vocabulary.of(lines))
    assert re.sub("[ \xad-]", "", joined) == re.sub("[ \xad-]", "", "".join(lines))
    assert "\xad" not in joined


@given(st.text(max_size=60))
def test_characters_can_be_stored_and_settle(text: str) -> None:
    """This test ensures that mended characters are valid UTF-8 and are not changed by mending them again."""
    mended = characters(text)
    assert characters(mended).encode() == mended.encode()
