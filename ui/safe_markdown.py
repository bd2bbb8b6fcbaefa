"""Markdown of other people's documents, made safe to show, with a quote marked in it.

What comes out holds no HTML, no image and no link (`ui.markdown_pieces` sees to that);
formulas, tables, lists, code and emphasis stay. The mark is Streamlit's own
`:orange-background[...]`, whose label is Markdown that went through the same escaping, so
no text of a document is ever passed on as HTML.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from ui.markdown_pieces import NOWHERE, Piece, Span, clean, formula, inline_pieces, overlap, pieces, split, verbatim

__all__ = [
    "NOWHERE",
    "Part",
    "Span",
    "code_block",
    "code_language",
    "code_parts",
    "inline",
    "literal",
    "parts",
    "plain_parts",
]

_FENCE = re.compile(
    r"^[ \t]*(?P<mark>`{3,}|~{3,})[ \t]*(?P<info>[^\n`]*)\n(?P<body>.*?)(?:^[ \t]*(?P=mark)[`~]*[ \t]*$|\Z)",
    re.M | re.S,
)
_INDENTED = re.compile(r"(?:\A|(?<=\n\n))(?:(?: {4}|\t)[^\n]*(?:\n|\Z))+")
_DISPLAY = re.compile(r"\$\$(?P<dollar>.+?)\$\$|\\\[(?P<bracket>[^\]]*?[\\=^_][^\]]*?)\\\]", re.S)
_LONE_STAR = re.compile(r"(?<![\\*])\*(?!\*)")
# KaTeX takes these names for the brackets that would otherwise end the label of the mark.
_ATTACHED = ("(", "[", "{")
_BRACKETS = (("\\[", "\\lbrack "), ("\\]", "\\rbrack "), ("[", "\\lbrack "), ("]", "\\rbrack "))


@dataclass(frozen=True, slots=True)
class Part:
    """A run of safe Markdown; `quoted` where all of it is the quote and stands as a block (code, a formula)."""

    markdown: str
    quoted: bool = False


def parts(text: str, quote: Span = NOWHERE) -> list[Part]:
    """Return a Markdown text as safe parts, with the characters of `quote` marked."""
    text = clean(text)
    found: list[Part] = []
    for kind, start, end in _blocks(text):
        if kind == "text":
            markdown = _assemble(pieces(text, start, end, quote))
            if markdown.strip():
                found.append(Part(markdown))
        else:
            found.extend(_block(kind, text, (start, end), quote))
    return _joined(found)


def plain_parts(text: str, quote: Span = NOWHERE) -> list[Part]:
    """Return a text that is no Markdown (a PDF's, a text file's) as safe parts: every sign stands for itself."""
    text = clean(text)
    found: list[Piece] = []
    for match in re.finditer(r"\n+[ \t]*|[^\n]+", text):
        if match.group().startswith("\n"):
            found.append(Piece("\n\n" if match.group().count("\n") > 1 else "  \n", "frame"))
            continue
        for start, end, marked in split(match.start(), match.end(), quote):
            found.append(Piece(verbatim(text[start:end], first=start == match.start()), "text", marked))
    return [Part(_assemble(found))]


def inline(text: str) -> str:
    """Return a text as safe Markdown on one line, for labels, tooltips and sentences; formulas and code kept."""
    text = " ".join(clean(text).split())
    return "".join(piece.markdown for piece in inline_pieces(text, 0, len(text), NOWHERE, first=True)).strip()


def literal(text: str) -> str:
    """Return a text as Markdown that shows exactly these characters on one line: names, paths, messages."""
    return verbatim(" ".join(clean(text).split()), first=True)


def code_language(text: str, span: Span) -> str | None:
    """Return the language of the fenced code a span of a text lies in, "" where it names none; None outside code."""
    for match in _FENCE.finditer(clean(text)):
        if match.start("body") <= span[0] < match.end("body") and span[1] <= match.end():
            return _language(match)
        if match.start() > span[0]:
            break
    return None


def code_block(code: str, language: str) -> str:
    """Return code as a fence that nothing in it can close."""
    return _fenced(clean(code).strip("\n"), language)


def _language(match: re.Match[str]) -> str:
    info = re.match(r"[\w+#-]*", match["info"])
    return info.group() if info else ""


def _blocks(text: str) -> Iterator[tuple[Literal["text", "fence", "indented", "display"], int, int]]:
    """Yield what the text consists of, in order: fenced and indented code, display formulas, and all between."""
    spans = [("fence", m.span()) for m in _FENCE.finditer(text)]
    spans += [("indented", m.span()) for m in _INDENTED.finditer(text) if not _in_list(text, m.start())]
    spans += [("display", m.span()) for m in _DISPLAY.finditer(text) if _alone(text, m.span())]
    position = 0
    for kind, (start, end) in sorted(spans, key=lambda item: item[1]):
        if start < position:
            continue
        if start > position:
            yield "text", position, start
        yield kind, start, end  # type: ignore[misc]
        position = end
    if position < len(text):
        yield "text", position, len(text)


def _in_list(text: str, start: int) -> bool:
    """Tell whether the paragraph before a position is a list item, whose further lines are indented too."""
    before = text[:start].rstrip("\n")
    paragraph = before[before.rfind("\n\n") + 2 if "\n\n" in before else 0 :]
    return bool(re.match(r"[ \t]*(?:[-*+]|\d{1,9}[.)])[ \t]", paragraph)) or paragraph.startswith((" ", "\t"))


def _alone(text: str, span: Span) -> bool:
    """Tell whether a formula has its lines for itself."""
    before = text[text.rfind("\n", 0, span[0]) + 1 : span[0]]
    newline = text.find("\n", span[1])
    return not before.strip() and not text[span[1] : newline if newline != -1 else len(text)].strip()


def _block(kind: str, text: str, span: Span, quote: Span) -> Iterator[Part]:
    """Yield a block, cut at line ends where only some of its lines are quoted."""
    if kind == "display":
        match = _DISPLAY.match(text, *span)
        body = (match["dollar"] or match["bracket"] or "") if match else ""
        body = re.sub(r"\n\s*\n", "\n", formula(body.strip()))
        yield Part(f"\n\n$$\n{body}\n$$\n\n", overlap(span, quote))
        return
    match = _FENCE.match(text, *span) if kind == "fence" else None
    language = _language(match) if match else ""
    start, end = match.span("body") if match else span
    yield from code_parts(text, (start, end), quote, language)


def code_parts(text: str, span: Span, quote: Span, language: str) -> Iterator[Part]:
    """Yield the lines of a span as code, those that are quoted as parts of their own."""
    start, end = span
    lines: list[tuple[str, bool]] = []
    for line in text[start:end].splitlines(keepends=True):
        lines.append((line.rstrip("\n"), overlap((start, start + len(line)), quote)))
        start += len(line)
    indent = min((len(line) - len(line.lstrip()) for line, _ in lines if line.strip()), default=0)
    run: list[str] = []
    for n, (line, marked) in enumerate(lines):
        run.append(line[indent:])
        if n + 1 == len(lines) or lines[n + 1][1] != marked:
            yield Part(_fenced("\n".join(run), language), marked)
            run = []


def _fenced(code: str, language: str) -> str:
    longest = max((len(run) for run in re.findall(r"`+", code)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"\n\n{fence}{language}\n{code}\n{fence}\n\n"


def _assemble(found: Iterable[Piece]) -> str:
    out: list[str] = []
    run: list[str] = []

    def close() -> None:
        if run:
            if out and out[-1].endswith(":") and not out[-1].endswith("\\:"):
                out[-1] = f"{out[-1][:-1]}\\:"  # two colons in a row are no directive
            out.append(_mark("".join(run)))
            run.clear()

    for piece in found:
        markdown = piece.markdown
        if piece.marked and piece.kind == "math":
            for sign, name in _BRACKETS:
                markdown = markdown.replace(sign, name)
        if piece.marked and piece.kind != "frame" and not (piece.kind == "code" and not _balanced(markdown)):
            run.append(markdown)
        else:
            if run and markdown[:1] in _ATTACHED:
                markdown = f"\\{markdown}"  # what follows a mark at once would be its target or its attributes
            close()
            out.append(markdown)
    close()
    return "".join(out)


def _mark(markdown: str) -> str:
    """Wrap Markdown in the highlight, white space outside, emphasis that does not close inside taken off."""
    inner = markdown.strip()
    if not inner:
        return markdown
    for sign in ("**", "__", "~~"):
        if inner.count(sign) % 2:
            inner = inner.replace(sign, "")
    if len(_LONE_STAR.findall(inner)) % 2:
        inner = _LONE_STAR.sub(r"\\*", inner)
    before, after = markdown[: len(markdown) - len(markdown.lstrip())], markdown[len(markdown.rstrip()) :]
    return f"{before}:orange-background[{inner}]{after}"


def _balanced(text: str) -> bool:
    depth = 0
    for sign in text:
        depth += (sign == "[") - (sign == "]")
        if depth < 0:
            return False
    return depth == 0


def _joined(found: Sequence[Part]) -> list[Part]:
    """Join neighbors that are shown alike, so that lists and paragraphs are not cut without need."""
    joined: list[Part] = []
    for part in found:
        if joined and joined[-1].quoted == part.quoted:
            joined[-1] = Part(joined[-1].markdown + part.markdown, part.quoted)
        else:
            joined.append(part)
    return joined
