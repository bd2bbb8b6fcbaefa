"""PDF to blocks. All that is pypdf's ends here: files, passwords, fonts, bookmarks, its many exceptions.

Text is set from the operators of each page (pdf_ink), put into lines and columns (pdf_layout),
freed of running headers (pdf_furniture), mended (pdf_mend) and grouped (pdf_blocks).
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from ingest.documents import Document
from ingest.readers.pdf_blocks import OutlineEntry
from ingest.readers.pdf_document import PageInk, assemble
from ingest.readers.pdf_ink import IDENTITY, Glyphs, Ink, Matrix, matrix_of
from ingest.readers.pdf_mend import characters
from ingest.readers.pdf_rows import RTL
from retrieval.errors import ReadError

if TYPE_CHECKING:
    from pypdf import PageObject, PdfReader
    from pypdf.generic import ArrayObject, DictionaryObject

MAX_PAGES = 5000
_MAX_DEPTH = 10
_MAX_FORMS = 2000
"""Forms drawn on one page; ten forms that each draw the next ten times would never end."""
_TAIL = 4096
UNKNOWN = "\ufffd"

_BOLD = re.compile(r"bold|black|heavy|semibold|demi|cmbx|-bd\b", re.I)
_MONO = re.compile(r"mono|courier|consol|typewriter|cmtt|menlo|inconsolata|sourcecode|lmtt", re.I)
_HANGING = re.compile(r"cmex|mathext|esint|\bex\d", re.I)
_MARK = re.compile("[\x00-\x1f\x7f-\x9f\u064b-\u0652\u0670\ufc5e-\ufc63\ufe70-\ufe7f]+")
"""Control codes of fonts without a table, and Arabic vowel signs, which are set apart and in any order."""


def read_pdf(path: Path) -> Document:
    """Read a PDF that has text. Raises ReadError where it is locked, broken, too long or a scan."""
    with _quiet():
        try:
            return assemble(path, *_contents(path))
        except ReadError:
            raise
        except Exception as error:
            # pypdf.errors: "broken PDF files might cause other Exceptions"; seen: KeyError, ValueError,
            # AttributeError, RecursionError, zlib.error, struct.error.
            raise ReadError(
                f"{path.name}: cannot be read as a PDF ({_reason(error)}); get a fresh copy of it"
            ) from error


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep pypdf's log silent: what it finds wrong with a file is told in the error or the warnings."""
    logger = logging.getLogger("pypdf")
    level = logger.level
    logger.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        logger.setLevel(level)


def _reason(error: Exception) -> str:
    """Return the error in a few words, without the bytes that pypdf likes to quote."""
    words = re.split(r"\s*(?:@|\bb['\"]|\n|\. )", str(error))[0].strip(" .:(")
    return f"{type(error).__name__}: {words[:80]}" if words.isprintable() and words else type(error).__name__


def _contents(path: Path) -> tuple[list[PageInk], list[OutlineEntry], str]:
    from pypdf import PdfReader

    size = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(1024)
        file.seek(max(0, size - _TAIL))
        if b"%PDF-" in head and b"%%EOF" not in file.read():
            # pypdf mends such a file with what is there, which would index half a book and not say so.
            raise ReadError(
                f"{path.name}: the file ends in the middle (no end-of-file mark); get a complete copy of it"
            )
        file.seek(0)
        reader = PdfReader(file)
        if reader.is_encrypted and not reader.decrypt(""):
            raise ReadError(
                f"{path.name}: the file is locked with a password; save it without a password and ingest it again"
            )
        count = len(reader.pages)
        if count > MAX_PAGES:
            raise ReadError(f"{path.name}: it has {count:,} pages, the limit is {MAX_PAGES:,}; split it into parts")
        source = _Source(reader)
        pages = [_page(page, source) for page in reader.pages]
        if pages and all(page.failed for page in pages):
            raise ReadError(f"{path.name}: no page can be read ({pages[0].failed}); get a fresh copy of it")
        return pages, _outline(reader), _metadata_title(reader)


@dataclass(frozen=True, slots=True)
class _Source:
    """An open file with its fonts, each read once, because their tables of codes are long."""

    reader: PdfReader
    fonts: dict[int, tuple[Any, Glyphs | None]] = field(default_factory=dict)
    """By the id of the font's object, which is kept so that no other gets its id."""


def _page(page: PageObject, source: _Source) -> PageInk:
    try:
        upright = _upright(page)
        ink = Ink(upright)
        _draw(ink, page.get("/Contents"), page.get("/Resources"), source)
    except Exception as error:  # the same many kinds as above; one bad page must not cost the others
        return PageInk((), (), True, failed=_reason(error))
    words = tuple(ink.words)
    text = "".join(word.text for word in words)
    if 2 * text.count(UNKNOWN) > len(text):
        # Fonts that do not say which letters they draw: for a reader as good as a scan.
        return PageInk((), (), True)
    return PageInk(words, tuple(ink.rules), ink.painted, _edges(page, upright))


def _edges(page: PageObject, upright: Matrix) -> tuple[float, float]:
    """Return the lower and upper edge of a page, 0 and 0 where its box makes no sense."""
    try:
        box = page.mediabox
        heights = [upright[1] * float(x) + upright[3] * float(y) for x, y in (box.lower_left, box.upper_right)]
    except Exception:  # as above
        return 0.0, 0.0
    return min(heights), max(heights)


def _upright(page: PageObject) -> Matrix:
    """Return the matrix that undoes /Rotate."""
    turn = page.rotation % 360
    return {0: IDENTITY, 90: (0, -1, 1, 0, 0, 0), 180: (-1, 0, 0, -1, 0, 0), 270: (0, 1, -1, 0, 0, 0)}.get(
        turn, IDENTITY
    )


def _draw(ink: Ink, content: Any, resources: Any, source: _Source, depth: int = 0) -> None:
    """Follow the operators of a page or a form XObject."""
    from pypdf.generic import ContentStream

    if content is None or content.get_object() is None:
        return
    resources = resources.get_object() if resources is not None else {}
    for operands, operator in ContentStream(content.get_object(), source.reader, "bytes").operations:
        if operator == b"Tf" and len(operands) > 1:
            ink.set_font(_font(resources, operands[0], source), operands[1])
        elif operator == b"Do" and operands:
            form = _entry(resources, "/XObject", operands[0])
            if form is None or form.get("/Subtype") != "/Form":
                ink.painted = True
            elif depth < _MAX_DEPTH and ink.forms < _MAX_FORMS:
                ink.forms += 1
                ink.save()
                if "/Matrix" in form:
                    ink.concat(form["/Matrix"])
                _draw(ink, form, form.get("/Resources", resources), source, depth + 1)
                ink.restore()
        else:
            ink.apply(operator, operands)


def _entry(resources: Any, kind: str, name: Any) -> Any:
    table = resources.get(kind)
    found = table.get_object().get(name) if table is not None else None
    return found.get_object() if found is not None else None


def _font(resources: Any, name: Any, source: _Source) -> Glyphs | None:
    """Return a font by its name on this page."""
    font = _entry(resources, "/Font", name)
    if id(font) not in source.fonts:
        source.fonts[id(font)] = font, _glyphs(font) if font is not None else None
    return source.fonts[id(font)][1]


def _glyphs(resource: DictionaryObject) -> Glyphs:
    # pypdf hands its fonts on in no other way; the version is pinned, and every test of a page would fail.
    from pypdf.generic._font import Font

    font = Font.from_font_resource(resource)
    encoding, name = font.encoding, font.name
    scale = em = 1.0
    if font.sub_type == "Type3" and "/FontMatrix" in resource:
        # Type 3 widths are in the font's own units (TeX's old bitmap fonts); 1.3 em is a usual height of the box.
        matrix = matrix_of(cast("ArrayObject", resource["/FontMatrix"]))
        scale = 1000 * matrix[0]
        box = font.font_descriptor.bbox
        em = abs(matrix[3]) * (box[3] - box[1]) / 1.3 if box and abs(matrix[3]) != 0.001 and box[3] > box[1] else 1.0
    named = _differences(resource)
    known: dict[str, tuple[str, float]] = {}
    hanging = bool(_HANGING.search(name))
    integrals = "esint" in name  # whose glyph names say circumflex
    ornaments = "dingbat" in name.casefold() and not name.startswith("ZapfDingbats")

    def glyph(code: str) -> tuple[str, float]:
        if code not in known:
            text = encoding.get(ord(code), code) if isinstance(encoding, dict) else code
            text = "∫" if integrals else named.get(ord(code)) or font.character_map.get(text, text)
            width = font.space_width if code == font.space_char else font.get_text_width(code)
            text = "" if ornaments and text.isalnum() else _text(text)
            # What TeX builds tall brackets and roots of has no letter, and is none.
            known[code] = ("" if hanging and text == UNKNOWN else text, width * scale / 1000)
        return known[code]

    def decode(data: bytes) -> list[tuple[str, float]]:
        codes = data.decode(encoding, "replace") if isinstance(encoding, str) else data.decode("latin-1")
        return [glyph(code) for code in codes]

    flags = font.font_descriptor.flags
    return Glyphs(
        decode,
        bold=bool(_BOLD.search(name)) or bool(flags & 1 << 18),
        mono=bool(_MONO.search(name)) or bool(flags & 1),
        em=em,
        single_byte=isinstance(encoding, dict),
        drop=0.75 if hanging else 0.0,
    )


def _differences(resource: DictionaryObject) -> dict[int, str]:
    """Return what the codes of a TeX font mean that its /Differences name.

    pypdf 7.1 prefers the encoding inside the font file to them, and then reads ∩ as a backslash.
    """
    from pypdf._codecs import adobe_glyphs

    raw = resource.get("/Encoding")
    encoding: Any = raw.get_object() if raw is not None else None
    if "/ToUnicode" in resource or resource.get("/Subtype") != "/Type1" or not isinstance(encoding, dict):
        return {}
    meanings: dict[int, str] = {}
    code = 0
    for item in encoding.get("/Differences", ()):
        if isinstance(item, int):
            code = int(item)
        else:
            if item in adobe_glyphs:
                meanings[code] = adobe_glyphs[item]
            code += 1
    return meanings


def _text(text: str) -> str:
    """Return what a glyph says. A name that pypdf knows no letter for stays unknown, but for ligatures (/f_i)."""
    if len(text) > 1 and text[0] == "/":
        return text[1:].replace("_", "") if "_" in text else UNKNOWN
    if text == "\x7f":
        return "•"  # WinAnsi has no letter there, and PDF shows its unused codes as bullets
    if _MARK.fullmatch(text):
        return ""
    # The glyphs of a line are put in visual order, so what one glyph says is turned here and back with its line.
    return text[::-1] if len(text) > 1 and RTL.search(text) else text


def _outline(reader: PdfReader) -> list[OutlineEntry]:
    entries: list[OutlineEntry] = []

    def walk(items: Any, level: int) -> None:
        for item in items:
            if isinstance(item, list):
                walk(item, level + 1)
                continue
            page = reader.get_destination_page_number(item)
            if page is not None and page >= 0 and item.title:
                top, left = (float(v) if isinstance(v, (int, float)) else None for v in (item.top, item.left))
                entries.append(OutlineEntry(characters(str(item.title)), level, page + 1, top, left))

    try:
        walk(reader.outline, 1)
    except (
        Exception
    ):  # as above: bookmarks are often damaged where the pages are not, and headings can be told from looks
        return []
    return entries


def _metadata_title(reader: PdfReader) -> str:
    try:
        return characters(str(reader.metadata.title or "")) if reader.metadata else ""
    except Exception:  # as above
        return ""
