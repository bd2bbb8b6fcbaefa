"""Drawing a page of a PDF and finding a quote on it."""

from __future__ import annotations

import hashlib
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image

from retrieval.errors import ReadError
from tests.ui.conftest import write_pdf
from ui.pdf_page import bare, check_version, draw, locate

PAGES = (
    "The first page of the handbook introduces estimators and their notation for the rest of the book.",
    (
        "Kalman filtering alternates a prediction step, which widens the covariance of the state estimate, with an "
        "update step, which narrows it by weighing each measurement with the Kalman gain. The Kalman gain is the ratio "
        "of the uncertainty of the state to the total uncertainty of state and measurement."
    ),
    "The third page closes with particle filters.",
)
QUOTE = (
    "The Kalman gain is the ratio of the uncertainty of the state to the total uncertainty of state and measurement."
)


@pytest.fixture
def book(tmp_path: Path) -> Path:
    write_pdf(tmp_path / "book.pdf", PAGES)
    return tmp_path / "book.pdf"


def yellow(png: bytes) -> tuple[int, int, int, int] | None:
    """Return the box around all pixels of the mark."""
    red, green, blue = Image.open(BytesIO(png)).convert("RGB").split()
    mask = Image.merge("RGB", (red, green, blue)).convert("HSV").split()[1].point([255 * (v > 100) for v in range(256)])
    return mask.getbbox()


def test_the_quote_is_marked_where_it_stands(book: Path) -> None:
    """This test ensures that the mark covers the last two lines of page 2 and nothing above or below."""
    picture = draw(book, 2, QUOTE)
    assert picture is not None
    assert (picture.marks, picture.pages) == (2, 3)
    box = yellow(picture.png)
    height = Image.open(BytesIO(picture.png)).height
    assert box is not None
    # A5 is 595 points high; the paragraph starts at 480 and its lines are 16 apart: lines 4 and 5 end at 428.
    assert box[1] / height == pytest.approx((595 - 442) / 595, abs=0.02)
    assert box[3] / height == pytest.approx((595 - 413) / 595, abs=0.02)


@pytest.mark.parametrize(
    "quote",
    [
        QUOTE.replace("uncertainty", "uncer-\ntainty"),
        QUOTE.replace(" ", "\n"),
        QUOTE.upper(),
        QUOTE.replace("fi", "ﬁ").replace("'", "’"),
        QUOTE + " And a sentence that stands elsewhere.",
    ],
)
def test_white_space_hyphens_and_ligatures_do_not_hide_a_quote(book: Path, quote: str) -> None:
    """This test ensures that the quote is found however its text was extracted."""
    picture = draw(book, 2, quote)
    assert picture
    assert picture.marks >= 1


def test_a_quote_that_is_not_there_marks_nothing(book: Path) -> None:
    """This test ensures that no place is guessed."""
    picture = draw(book, 1, QUOTE)
    assert picture
    assert picture.marks == 0
    assert yellow(picture.png) is None


@pytest.mark.parametrize("page", [0, 4, -1])
def test_a_page_that_is_not_there_draws_nothing(book: Path, page: int) -> None:
    """This test ensures that a page number out of range is no error."""
    assert draw(book, page, QUOTE) is None


def test_a_file_that_is_gone_or_damaged_draws_nothing(tmp_path: Path) -> None:
    """This test ensures that the panel can fall back on the text."""
    assert draw(tmp_path / "gone.pdf", 1, "") is None
    (tmp_path / "bad.pdf").write_bytes(b"%PDF-1.7 nothing")
    assert draw(tmp_path / "bad.pdf", 1, "") is None


def test_another_version_of_a_file_is_told_from_a_lost_one(book: Path, tmp_path: Path) -> None:
    """This test ensures that only the file that was indexed passes for it."""
    check_version(book, hashlib.sha256(book.read_bytes()).hexdigest())
    with pytest.raises(ReadError, match="has changed"):
        check_version(book, "0" * 64)
    for gone in (tmp_path / "gone.pdf", tmp_path):
        with pytest.raises(ReadError, match="not where it was"):
            check_version(gone, "0" * 64)


def test_letters_come_with_the_place_they_came_from() -> None:
    """This test ensures that a ligature gives two letters of one origin."""
    assert bare("ﬁ-x É") == ("fixe", [0, 0, 2, 4])


def test_a_short_piece_is_not_enough_to_know_a_place() -> None:
    """This test ensures that a quote found in small part only is not marked."""
    assert locate("abcdefgh", "abcdxxxx") is None
    assert locate("abc", "") is None
