"""PDF to blocks. All that is pypdf's ends here: files, passwords, fonts, bookmarks, its many exceptions.

Text is set from the operators of each page (pdf_ink), put into lines and columns (pdf_layout),
freed of running headers (pdf_furniture), mended (pdf_mend) and grouped (pdf_blocks).
"""

from __future__ import annotations

import logging
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from ingest.documents import Block, Document
from ingest.readers.pdf_blocks import (
    OutlineEntry,
    Piece,
    Style,
    headings_of,
    key_of,
    largest_heading,
    pieces_of,
)
from ingest.readers.pdf_furniture import without_furniture
from ingest.readers.pdf_ink import IDENTITY, Glyphs, Ink, Matrix, Rule, Word, matrix_of
from ingest.readers.pdf_layout import Line, find_gutter, fold_formulas, lines_of
from ingest.readers.pdf_mend import Vocabulary, characters
from retrieval.errors import ReadError

if TYPE_CHECKING:
    from pypdf import PageObject, PdfReader
    from pypdf.generic import ArrayObject, DictionaryObject

MAX_PAGES = 5000
_MAX_FORMS = 10
_TAIL = 4096

_FILE_TITLE = re.compile(
    r"microsoft word\b.*|untitled\b.*|(power ?point )?presentation\d*|document\d*|(no )?title|slide \d+"
    r"|.*\.[a-z]\w{1,4}|[\W\d_]*",
    re.I,
)
_BOLD = re.compile(r"bold|black|heavy|semibold|demi|cmbx|-bd\b", re.I)
_MONO = re.compile(r"mono|courier|consol|typewriter|cmtt|menlo|inconsolata|sourcecode|lmtt", re.I)
_HANGING = re.compile(r"cmex|mathext|esint|\bex\d", re.I)
_GLYPH_NAME = re.compile(r"/([a-z]+?)(?:big|Big|bigg|Bigg|text|display|tp|bt|mid|ex|vertex|wide|wider|widest)*\d*")
_NAMED = {
    "parenleft": "(",
    "parenright": ")",
    "bracketleft": "[",
    "bracketright": "]",
    "braceleft": "{",
    "braceright": "}",
    "summation": "∑",
    "product": "∏",
    "integral": "∫",
    "union": "⋃",
    "intersection": "⋂",
    "radical": "√",
    "hat": "ˆ",
}
_RTL = re.compile("[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc]")
_MARK = re.compile("[\x00-\x1f\x7f-\x9f\u064b-\u0652\u0670\ufc5e-\ufc63\ufe70-\ufe7f]+")
"""Control codes of fonts without a table, and Arabic vowel signs, which are set apart and in any order."""


@dataclass(frozen=True, slots=True)
class _Page:
    words: tuple[Word, ...]
    rules: tuple[Rule, ...]
    painted: bool
    failed: str = ""


def read_pdf(path: Path) -> Document:
    """Read a PDF that has text. Raises ReadError where it is locked, broken, too long or a scan."""
    with _quiet():
        try:
            pages, outline, title = _contents(path)
        except ReadError:
            raise
        except Exception as error:
            # pypdf.errors: "broken PDF files might cause other Exceptions"; seen: KeyError, ValueError,
            # AttributeError, RecursionError, zlib.error, struct.error.
            raise ReadError(
                f"{path.name}: cannot be read as a PDF ({_reason(error)}); get a fresh copy of it"
            ) from error
    return _document(path, pages, outline, title)


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
    first = " ".join(str(error).split()).partition(". ")[0].rstrip(".")
    return f"{type(error).__name__}: {first[:120]}" if first else type(error).__name__


def _contents(path: Path) -> tuple[list[_Page], list[OutlineEntry], str]:
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
        fonts: dict[Any, Glyphs | None] = {}
        pages = [_page(page, reader, fonts) for page in reader.pages]
        if pages and all(page.failed for page in pages):
            raise ReadError(f"{path.name}: no page can be read ({pages[0].failed}); get a fresh copy of it")
        return pages, _outline(reader), _metadata_title(reader)


def _page(page: PageObject, reader: PdfReader, fonts: dict[Any, Glyphs | None]) -> _Page:
    try:
        ink = Ink(_upright(page))
        _draw(ink, page.get("/Contents"), page.get("/Resources"), reader, fonts)
    except Exception as error:  # the same many kinds as above; one bad page must not cost the others
        return _Page((), (), True, _reason(error))
    return _Page(tuple(dict.fromkeys(ink.words)), tuple(ink.rules), ink.painted)


def _upright(page: PageObject) -> Matrix:
    """Return the matrix that undoes /Rotate."""
    turn = page.rotation % 360
    return {0: IDENTITY, 90: (0, -1, 1, 0, 0, 0), 180: (-1, 0, 0, -1, 0, 0), 270: (0, 1, -1, 0, 0, 0)}.get(
        turn, IDENTITY
    )


def _draw(
    ink: Ink, content: Any, resources: Any, reader: PdfReader, fonts: dict[Any, Glyphs | None], depth: int = 0
) -> None:
    """Follow the operators of a page or a form XObject."""
    from pypdf.generic import ContentStream

    if content is None or content.get_object() is None:
        return
    resources = resources.get_object() if resources is not None else {}
    for operands, operator in ContentStream(content.get_object(), reader, "bytes").operations:
        if operator == b"Tf" and len(operands) > 1:
            ink.set_font(_font(resources, operands[0], fonts), operands[1])
        elif operator == b"Do" and operands:
            form = _entry(resources, "/XObject", operands[0])
            if form is None or form.get("/Subtype") != "/Form":
                ink.painted = True
            elif depth < _MAX_FORMS:
                ink.save()
                if "/Matrix" in form:
                    ink.concat(form["/Matrix"])
                _draw(ink, form, form.get("/Resources", resources), reader, fonts, depth + 1)
                ink.restore()
        else:
            ink.apply(operator, operands)


def _entry(resources: Any, kind: str, name: Any) -> Any:
    table = resources.get(kind)
    found = table.get_object().get(name) if table is not None else None
    return found.get_object() if found is not None else None


def _font(resources: Any, name: Any, fonts: dict[Any, Glyphs | None]) -> Glyphs | None:
    """Return a font by its name on this page; read once for the whole file, because tables of codes are long."""
    table = resources.get("/Font")
    raw = table.get_object().raw_get(name) if table is not None and name in table.get_object() else None
    key = getattr(raw, "idnum", None) or id(raw)
    if key not in fonts:
        font = raw.get_object() if raw is not None else None
        fonts[key] = _glyphs(font) if font is not None else None
    return fonts[key]


def _glyphs(resource: DictionaryObject) -> Glyphs:
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
    integrals = "esint" in name  # whose glyph names say circumflex
    ornaments = "dingbat" in name.casefold() and not name.startswith("ZapfDingbats")

    def glyph(code: str) -> tuple[str, float]:
        if code not in known:
            text = encoding.get(ord(code), code) if isinstance(encoding, dict) else code
            text = "∫" if integrals else named.get(ord(code)) or font.character_map.get(text, text)
            width = font.space_width if code == font.space_char else font.get_text_width(code)
            known[code] = ("" if ornaments and text.isalnum() else _text(text), width * scale / 1000)
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
        drop=0.75 if _HANGING.search(name) else 0.0,
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
    """Return what a glyph says; a name without a code point, as in TeX's fonts (/parenleftBig), becomes its sign."""
    if len(text) > 1 and text[0] == "/":
        named = _GLYPH_NAME.fullmatch(text)
        return _NAMED.get(named[1], "") if named else text[1:].replace("_", "") if "_" in text else "\ufffd"
    if _MARK.fullmatch(text):
        return ""
    return text[::-1] if len(text) > 1 and _RTL.search(text) else text


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


def _document(path: Path, pages: Sequence[_Page], outline: Sequence[OutlineEntry], named: str) -> Document:
    lines = _lines(pages)
    every = [line for page in lines for line in page]
    style = Style.of(every)
    words = Vocabulary.of(line.text for line in every)
    pieces = [
        piece
        for number, page in enumerate(lines, 1)
        for piece in pieces_of(page, number, style, words, [entry for entry in outline if entry.page == number])
    ]
    warnings = _warnings(path.name, pages, {piece.page for piece in pieces})
    title = _title(path, named, largest_heading(pieces))
    headings_of(pieces, title)
    text, blocks = _placed(pieces, outline, title)
    return Document(text=text, title=title, kind="paper", blocks=blocks, warnings=warnings)


def _lines(pages: Sequence[_Page]) -> list[list[Line]]:
    sizes: Counter[float] = Counter()
    for page in pages:
        for word in page.words:
            sizes[round(word.size, 1)] += len(word.text)
    body = max(sizes, key=lambda size: (sizes[size], size), default=10.0)
    kept = without_furniture([page.words for page in pages], body)
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


def _warnings(name: str, pages: Sequence[_Page], read: set[int]) -> tuple[str, ...]:
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
    bookmarks: dict[int, list[OutlineEntry]] = {}
    for entry in outline:
        bookmarks.setdefault(_anchor(pieces, entry), []).append(entry)
    parts: list[str] = []
    blocks: list[Block] = []
    path: list[tuple[int, str]] = []
    at = 0

    def enter(level: int, name: str) -> None:
        path[:] = [step for step in path if step[0] < level]
        if key_of(name) != key_of(title):
            path.append((level, name))

    for i, piece in enumerate(pieces):
        for entry in bookmarks.get(i, ()):
            if piece.kind != "heading" or key_of(entry.title) != key_of(piece.text):
                enter(entry.level, entry.title)
        if piece.kind == "heading":
            path[:] = [step for step in path if step[0] < piece.level]
        heading = tuple(name for _, name in path)
        units = tuple((at + start, at + end) for start, end in piece.units)
        blocks.append(Block(piece.kind, (at, at + len(piece.text)), heading, piece.page, units, piece.level))
        if piece.kind == "heading":
            enter(piece.level, piece.text)
        parts.append(piece.text)
        at += len(piece.text) + 2
    return "\n\n".join(parts), tuple(blocks)


def _anchor(pieces: Sequence[Piece], entry: OutlineEntry) -> int:
    """Return the index of the piece that a bookmark leads to: its title, else what is nearest under its place."""
    here = [i for i, piece in enumerate(pieces) if piece.page == entry.page]
    for i in here:
        if pieces[i].kind == "heading" and key_of(pieces[i].text) == key_of(entry.title):
            return i
    if here and entry.top is not None:
        under = [
            (entry.top - line.y, i)
            for i in here
            for line in pieces[i].lines[:1]
            if line.y <= entry.top + 2 and (entry.left is None or line.x0 >= entry.left - line.size)
        ]
        if under:
            return min(under)[1]
    return next((i for i, piece in enumerate(pieces) if piece.page >= entry.page), len(pieces))
