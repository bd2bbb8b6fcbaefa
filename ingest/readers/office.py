"""Word by mammoth and PowerPoint by python-pptx, laid out as Markdown.

Both leave pictures alone and neither reaches out of the file. Equations of Word, which
mammoth passes over, are put on one line first. The heading path of a slide is its number
and title; short slides share a path ("Slides 3-5"), as notebook cells do.
"""

from __future__ import annotations

import bisect
import io
import re
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import IO, Any

from ingest.archive import open_archive, refuse_entities
from ingest.decode import storable
from ingest.documents import Block, Document, QuestionEntry
from ingest.markup import to_markdown
from ingest.readers.markdown import parse_markdown
from ingest.runs import run_name, runs
from retrieval.errors import ReadError
from retrieval.text import one_line

MAX_UNPACKED_BYTES = 256 * 2**20
MAX_XML_BYTES = 48 * 2**20  # a parsed document takes some twenty times its XML
_STYLES = "p[style-name='Title'] => h1:fresh\np[style-name='Quote'] => blockquote > p:fresh"
_MARKS = re.compile(r"^(\s*)(#{1,6}(?!\S)|```|~~~|---|===|<(?=[A-Za-z/!?]))", re.M)
_WORD_MARKS = re.compile(  # the same in mammoth's HTML; a cell of a table needs none
    r'((?:^|(?<!<t[dh]>)<p>|<br />)(?:<a id="[^"]*"></a>)*[^\S\n]*)'
    r"(?=#{1,6}(?![^\s<])|```|~~~|(?:-+|=+)\s*(?:<|$)|&lt;[A-Za-z/!?])",
    re.M,
)
_BULLETED = ("BODY", "OBJECT", "VERTICAL_BODY", "VERTICAL_OBJECT")
_SIGNS = {"sub": "_", "lim": "_", "sup": "^", "den": "/", "num": ""}  # before these parts of an equation
_BEFORE = {"rad": "√", "nary": " ", "func": " "}  # before what these stand over
_BASES = ("sSub", "sSup", "sSubSup", "rad")
_ONE = re.compile(r"[\w.\u0300-\u036f\u20d7]*|\([^()]*\)")  # reads as one thing without parentheses


def read_word(path: Path) -> Document:
    """Read a Word file. Raises ReadError where it is none, or too much of it."""
    import mammoth  # type: ignore[import-untyped]

    _check(path)
    with path.open("rb") as stream:
        try:
            converted = mammoth.convert_to_html(
                _with_equations(stream),
                style_map=_STYLES,
                include_embedded_style_map=False,
                external_file_access=False,
                convert_image=mammoth.images.img_element(lambda _: {"src": ""}),
            )
        except Exception as error:  # mammoth raises whatever a damaged part makes it meet
            raise _damaged(path, "Word", error) from error
    html = _WORD_MARKS.sub(r"\1\\", storable(converted.value))
    return replace(parse_markdown(to_markdown(html), path.stem), line_starts=None)


def _with_equations(stream: IO[bytes]) -> IO[bytes]:
    """Return a Word file whose equations are runs of text: the file itself where it has none, else its XML parts."""
    with zipfile.ZipFile(stream) as archive:
        parts = {name: archive.read(name) for name in archive.namelist() if name.endswith((".xml", ".rels"))}
    if not any(b"oMath" in part for part in parts.values()):
        return stream
    copy = io.BytesIO()
    with zipfile.ZipFile(copy, "w") as archive:
        for name, part in parts.items():
            archive.writestr(name, _spelled(part) if b"oMath" in part else part)
    return copy


def _spelled(part: bytes) -> bytes:
    """Return a part of a Word file with each equation as a run of text."""
    from lxml import etree  # type: ignore[import-untyped]

    root = etree.fromstring(part, parser=etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False))
    word = etree.QName(root).namespace
    for equation in list(root.iter("{*}oMath")):
        run = etree.Element(f"{{{word}}}r")
        etree.SubElement(run, f"{{{word}}}t").text = _linear(equation)
        run.tail = equation.tail
        equation.getparent().replace(equation, run)
    etree.strip_tags(root, "{*}oMathPara")
    return bytes(etree.tostring(root, encoding="UTF-8", xml_declaration=True))


def _linear(node: Any) -> str:
    """Return Office MathML (ECMA-376 part 1, 22.1) on one line: (a+b)/c, x_i, √(a+b), ∑_(i=1)^n x_i."""
    name = _name(node)
    if name in ("t", "br"):
        return str(node.text or "") if name == "t" else " "
    settings = {_name(s): next(iter(s.values()), "") for part in node if _name(part) == f"{name}Pr" for s in part}
    signs = _SIGNS | {"e": _BEFORE.get(name, "")}
    if settings.get("type") == "noBar":
        signs["den"] = " choose "
    parts = []
    for kind, text in ((_name(part), _linear(part)) for part in node):
        if text:
            one = _ONE.fullmatch(text) or not (kind in _SIGNS or (kind == "e" and name in _BASES))
            parts.append(signs.get(kind, "") + (text if one else f"({text})"))
    match name:
        case "d":
            within = settings.get("sepChr", "|").join(parts)
            return settings.get("begChr", "(") + within + settings.get("endChr", ")")
        case "nary":
            return settings.get("chr", "∫") + "".join(parts)
        case "acc":
            return "".join(parts) + settings.get("chr", "\u0302")
        case "bar":
            return "".join(parts) + "\u0305"
        case "m" | "eqArr":
            return "; ".join(parts)
        case "mr":
            return ", ".join(parts)
    return "".join(parts)


def _name(node: Any) -> str:
    """Return the name of an element without its namespace, "" of a comment."""
    return node.tag.rpartition("}")[2] if isinstance(node.tag, str) else ""


def read_slides(path: Path) -> Document:
    """Read a PowerPoint file with its notes. Raises ReadError where it is none, or too much of it."""
    from pptx import Presentation

    _check(path)
    with path.open("rb") as stream:
        try:
            slides = [_slide(n, slide) for n, slide in enumerate(Presentation(stream).slides, start=1)]
        except Exception as error:  # python-pptx raises whatever a damaged part makes it meet
            raise _damaged(path, "PowerPoint", error) from error
    return _slides_document(path, slides)


def _check(path: Path) -> None:
    with open_archive(path, MAX_UNPACKED_BYTES) as archive:
        size = sum(m.file_size for m in archive.infolist() if m.filename.endswith((".xml", ".rels")))
        if size > MAX_XML_BYTES:
            raise ReadError(
                f"{path.name}: {size / 2**20:.0f} MB of XML in it, the limit is {MAX_XML_BYTES // 2**20} MB; split it"
            )
        refuse_entities(archive, path.name, doctype=True)


def _damaged(path: Path, program: str, error: Exception) -> ReadError:
    reason = " ".join(str(error).split())[:120] or type(error).__name__
    return ReadError(f"{path.name}: not a readable {program} file ({reason}); open it in {program} and save it again")


def _slide(number: int, slide: Any) -> tuple[str, str]:
    """Return the title of a slide, "" where it has none, and the slide as Markdown."""
    title_shape = slide.shapes.title
    title = one_line(_plain(title_shape.text_frame.text)) if title_shape is not None else ""
    parts = [f"## Slide {number}: {title}" if title else f"## Slide {number}"]
    skip = title_shape.shape_id if title_shape is not None else None
    parts.extend(text for shape in _shapes(slide.shapes) if shape.shape_id != skip for text in _texts(shape))
    if slide.has_notes_slide and slide.notes_slide.notes_text_frame is not None:
        notes = _plain(slide.notes_slide.notes_text_frame.text).strip()
        parts.extend([f"Notes: {_escaped(notes)}"] if notes else [])
    return title, "\n\n".join(parts)


def _shapes(shapes: Any) -> Iterator[Any]:
    """Yield the shapes of a slide from top to bottom, those in groups too."""
    for shape in sorted(shapes, key=lambda shape: (shape.top or 0, shape.left or 0)):
        if hasattr(shape, "shapes"):
            yield from _shapes(shape.shapes)
        else:
            yield shape


def _texts(shape: Any) -> Iterator[str]:
    if getattr(shape, "has_table", False):
        rows = [[" ".join(_plain(c.text).replace("|", "\\|").split()) for c in row.cells] for row in shape.table.rows]
        lines = [f"| {' | '.join(row)} |" for row in rows]
        if lines:
            yield "\n".join([lines[0], "|" + " --- |" * len(rows[0]), *lines[1:]])
    elif shape.has_text_frame:
        bulleted = shape.is_placeholder and str(shape.placeholder_format.type).split(" ")[0] in _BULLETED
        paragraphs = [(p.level, _escaped(" ".join(_plain(p.text).split()))) for p in shape.text_frame.paragraphs]
        filled = [(level, text) for level, text in paragraphs if text]
        if bulleted or any(level for level, _ in filled):
            yield "\n".join(f"{'  ' * level}- {text}" for level, text in filled)
        elif filled:
            yield "\n\n".join(text for _, text in filled)


def _escaped(text: str) -> str:
    """Return text that Markdown takes for no heading, fence or rule."""
    return _MARKS.sub(r"\1\\\2", text)


def _plain(text: str) -> str:
    return storable(text).replace("\v", " ")


def _slides_document(path: Path, slides: list[tuple[str, str]]) -> Document:
    title = next((title for title, _ in slides if title), "") or one_line(path.stem.replace("_", " "))
    texts = [f"# {title}", *(text for _, text in slides)]
    starts = [sum(len(text) + 2 for text in texts[:n]) for n in range(1, len(texts))]
    document = parse_markdown("\n\n".join(texts), path.stem)
    groups = runs([len(text) for _, text in slides], [False] * len(slides))

    def path_at(position: int) -> tuple[str, ...]:
        at = bisect.bisect_right(starts, position) - 1
        if at < 0:
            return ()
        first, last = groups[at]
        name = run_name("Slide", first + 1, last + 1)
        return (f"{name}: {slides[at][0]}" if first == last and slides[at][0] else name,)

    def block(made: Block) -> Block:
        if made.span[0] < (starts[0] if starts else len(document.text)):
            return made  # the title
        at = bisect.bisect_right(starts, made.span[0]) - 1
        alone = groups[at][0] == groups[at][1]
        if made.kind == "heading":  # in a shared passage the title of a slide is text
            return made if alone else replace(made, kind="prose", heading=path_at(made.span[0]), level=0)
        return replace(made, heading=path_at(made.span[0]))

    def entry(made: QuestionEntry) -> QuestionEntry:
        return replace(made, heading=path_at(made.span[0]))

    return replace(
        document,
        blocks=tuple(block(b) for b in document.blocks),
        entries=tuple(entry(e) for e in document.entries),
        line_starts=None,
    )
