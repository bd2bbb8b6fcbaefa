"""One page of a PDF as a picture, with a quote marked on it. Owns pypdfium2, which is not safe across threads."""

from __future__ import annotations

import threading
import unicodedata
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from retrieval.errors import ReadError
from retrieval.models import file_sha256

if TYPE_CHECKING:
    from PIL.Image import Image

_LOCK = threading.Lock()
_WIDTH = 1100  # pixels; sharp at twice the width of the panel
_MAX_SCALE = 4.0
_MARK = (255, 214, 92)
_SURE = 24  # letters that are enough to know a place where the whole quote is not found

Box = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class PagePicture:
    """A page drawn as PNG, how many boxes mark the quote on it, and how many pages the file has."""

    png: bytes
    marks: int
    pages: int


def check_version(file: Path, sha256: str) -> None:
    """Raise ReadError where a file is gone, or is not the version that was indexed, which has that hash."""
    try:
        if not file.is_file():
            raise FileNotFoundError
        found = file_sha256(file)
    except OSError as error:
        raise ReadError("the file is not where it was read from any more") from error
    if found != sha256:
        raise ReadError("the file has changed since it was read")


def draw(file: Path, page: int, quote: str) -> PagePicture | None:
    """Draw a 1-based page with the quote marked; None where the file cannot be opened or has no such page."""
    import pypdfium2

    with _LOCK:
        try:
            document = pypdfium2.PdfDocument(file)
        except (pypdfium2.PdfiumError, OSError):
            return None
        try:
            if not 1 <= page <= len(document):
                return None
            sheet = document[page - 1]
            width, height = sheet.get_size()
            scale = min(_MAX_SCALE, _WIDTH / max(width, 1.0), 2 * _WIDTH / max(height, 1.0))
            picture = sheet.render(scale=scale, may_draw_forms=False).to_pil().convert("RGB")
            boxes = _boxes(sheet, quote)
            corners = [_pixels(sheet, box, picture.size) for box in boxes]
            return PagePicture(_marked(picture, corners), len(boxes), len(document))
        except pypdfium2.PdfiumError:
            return None
        finally:
            document.close()


def locate(letters: str, quote: str) -> tuple[int, int] | None:
    """Find a quote in the letters of a page; both are bare (see `bare`). Else its longest sure beginning or end."""
    if not quote:
        return None
    if (at := letters.find(quote)) >= 0:
        return at, at + len(quote)
    for share in (0.8, 0.6, 0.4):
        size = int(len(quote) * share)
        if size < _SURE:
            break
        for piece in (quote[:size], quote[-size:]):
            if (at := letters.find(piece)) >= 0:
                return at, at + size
    return None


def bare(text: str) -> tuple[str, list[int]]:
    """Return the letters and digits of a text, folded, with the index each came from.

    White space, hyphens at line ends, ligatures and quotation marks differ between the text
    that was extracted and the one the page gives; letters and digits do not.
    """
    letters: list[str] = []
    origin: list[int] = []
    for n, sign in enumerate(text):
        for folded in unicodedata.normalize("NFKD", sign).casefold():
            if folded.isalnum():
                letters.append(folded)
                origin.append(n)
    return "".join(letters), origin


def _boxes(sheet: Any, quote: str) -> list[Box]:
    """Return the boxes of the quote on the page, in page coordinates, one a line."""
    from pypdfium2 import raw

    words = sheet.get_textpage()
    count = words.count_chars()
    signs = [raw.FPDFText_GetUnicode(words, n) for n in range(count)]
    letters, origin = bare("".join(chr(s) if 0 < s < 0x110000 else " " for s in signs))
    found = locate(letters, bare(quote)[0])
    if found is None:
        return []
    first, last = origin[found[0]], origin[found[1] - 1]
    return [words.get_rect(n) for n in range(words.count_rects(first, last - first + 1))]


def _pixels(sheet: Any, box: Box, size: tuple[int, int]) -> tuple[int, int, int, int]:
    """Turn a box of page coordinates (up is more) into pixels, also on turned or cropped pages."""
    from ctypes import byref, c_int

    from pypdfium2 import raw

    corners = []
    for x, y in ((box[0], box[1]), (box[2], box[3])):
        px, py = c_int(), c_int()
        raw.FPDF_PageToDevice(sheet, 0, 0, size[0], size[1], 0, x, y, byref(px), byref(py))
        corners.append((px.value, py.value))
    (ax, ay), (bx, by) = corners
    return min(ax, bx) - 2, min(ay, by) - 2, max(ax, bx) + 2, max(ay, by) + 2


def _marked(picture: Image, boxes: list[tuple[int, int, int, int]]) -> bytes:
    """Lay a marker pen over the boxes: multiplied, so that the letters stay black."""
    from PIL import Image, ImageChops, ImageDraw

    if boxes:
        pen = Image.new("RGB", picture.size, (255, 255, 255))
        brush = ImageDraw.Draw(pen)
        for box in boxes:
            brush.rounded_rectangle(box, radius=3, fill=_MARK)
        picture = ImageChops.multiply(picture, pen)
    out = BytesIO()
    picture.save(out, format="PNG", compress_level=3)
    return out.getvalue()
