"""Markdown of other people's documents, made safe to show, with a quote marked in it.

What comes out holds no HTML, no image and no link: tags are escaped, images and links
become their words, bare addresses become code. Formulas, tables, lists, code and emphasis
stay. The mark is Streamlit's own `:orange-background[...]`, whose label is Markdown that
went through the same escaping, so no document text is ever passed as HTML.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

Span = tuple[int, int]
NOWHERE: Span = (-1, -1)

_FENCE = re.compile(r"^(?P<indent>[ \t]*)(?P<mark>`{3,}|~{3,})[ \t]*(?P<info>[^\n`]*)\n(?P<body>.*?)(?:^[ \t]*(?P=mark)[`~]*[ \t]*$|\Z)", re.M | re.S)
_INDENTED = re.compile(r"(?:\A|(?<=\n\n))(?:(?: {4}|\t)[^\n]*(?:\n|\Z))+")
_DISPLAY = re.compile(r"\$\$(?P<dollar>.+?)\$\$|\\\[(?P<bracket>[^\]]*?[\\=^_][^\]]*?)\\\]", re.S)
_CODE = re.compile(r"(?<![`\\])(?P<ticks>`+)(?!`)(?P<code>(?:[^`\n]|\n(?!\s*\n)|(?!(?<!`)(?P=ticks)(?!`))`)+)(?<!`)(?P=ticks)(?!`)")
_MATH = re.compile(r"(?<![\\$])\$(?P<dollar>[^\s$](?:[^$\n]|\n(?!\s*\n))*?(?<=[^\s\\])|[^\s$\\])\$(?![\d$])|\\\((?P<paren>.+?)\\\)")
_IMAGE = re.compile(r"!\[(?P<alt>[^\]]*)\](?:\([^)]*\)|\[[^\]]*\])")
_LINK = re.compile(r"(?<!\\)\[(?P<words>(?:[^\[\]]|\[[^\[\]]*\])+)\](?:\((?:[^()\s]|\([^()\s]*\))*(?:\s+[\"'(][^\n]*?[\"')])?\s*\)|\[[^\]\n]*\])")
_WIKI = re.compile(r"!?\[\[(?:[^\]|\n]*\|)?(?P<name>[^\]\n]+)\]\]")
_ADDRESS = re.compile(r"<?(?:(?:https?|ftp|file|data|javascript|vbscript|mailto):|www\.)[^\s<>\"`|]*[^\s<>\"`|.,;:!?)\]}*_'’]>?|[\w.+-]+@[\w-]+(?:\.[\w-]+)*\.[A-Za-z]{2,}\b", re.I)
_COMMENT = re.compile(r"<!--.*?-->", re.S)
# Tags that only lay text out are dropped, their text kept; any other tag is shown as the characters it is.
_LAYOUT = re.compile(
    r"</?(?:a|abbr|b|big|blockquote|br|center|dd|del|details|div|dl|dt|em|figcaption|figure|font|h[1-6]|hr|i|img|ins|kbd|li|mark|ol|p|picture|"
    r"small|source|span|strong|sub|summary|sup|table|tbody|td|tfoot|th|thead|tr|u|ul|var)(?:\s[^<>]*)?/?>",
    re.I,
)
_ESCAPED = re.compile(r"\\[!-/:-@\[-`{-~]")
_LINE_START = re.compile(r"(?P<quote>[ \t]*(?:>[ \t]?)*)(?P<mark>(?:[-*+]|\d{1,9}[.)])[ \t]+|#{1,6}[ \t]+|)(?P<box>\[[ xX]\][ \t]+)?")
_DEFINITION = re.compile(r"^[ ]{0,3}\[[^\]\n]+\]:[^\n]*$", re.M)
_RULE = re.compile(r"[ \t]*(?:[-*_=][ \t]*){3,}$|[ \t]*\|?[ \t]*:?-+:?[ \t]*(?:\|[ \t]*:?-+:?[ \t]*)*\|?[ \t]*$")
_LONE_STAR = re.compile(r"(?<![\\*])\*(?!\*)")
_HEADING = "##### "

_ATOMS = (
    ("code", _CODE),
    ("math", _MATH),
    ("dropped", _COMMENT),
    ("wiki", _WIKI),
    ("image", _IMAGE),
    ("link", _LINK),
    ("address", _ADDRESS),
    ("dropped", _LAYOUT),
    ("kept", _ESCAPED),
)


@dataclass(frozen=True, slots=True)
class Part:
    """A run of safe Markdown; `quoted` where all of it is the quote and stands as a block (code, a formula)."""

    markdown: str
    quoted: bool = False


@dataclass(frozen=True, slots=True)
class _Piece:
    """Safe Markdown for a span; `frame` is structure (newline, bullet, pipe), which no mark may enclose."""

    markdown: str
    kind: Literal["text", "code", "math", "frame"]
    marked: bool = False


def parts(text: str, quote: Span = NOWHERE) -> list[Part]:
    """Return a Markdown text as safe parts, with the characters of `quote` marked."""
    text = _clean(text)
    found: list[Part] = []
    for kind, start, end in _blocks(text):
        if kind == "text":
            markdown = _assemble(_pieces(text, start, end, quote))
            if markdown.strip():
                found.append(Part(markdown))
        else:
            found.extend(_block(kind, text, (start, end), quote))
    return _joined(found)


def plain_parts(text: str, quote: Span = NOWHERE) -> list[Part]:
    """Return a text that is no Markdown (a PDF's, a text file's) as safe parts: every sign stands for itself."""
    text = _clean(text)
    pieces: list[_Piece] = []
    for match in re.finditer(r"\n+[ \t]*|[^\n]+", text):
        if match.group().startswith("\n"):
            pieces.append(_Piece("\n\n" if match.group().count("\n") > 1 else "  \n", "frame"))
            continue
        for start, end, marked in _split(match.start(), match.end(), quote):
            pieces.append(_Piece(_verbatim(text[start:end], first=start == match.start()), "text", marked))
    return [Part(_assemble(pieces))]


def inline(text: str) -> str:
    """Return a text as safe Markdown on one line, for labels, tooltips and sentences; formulas and code kept."""
    text = " ".join(_clean(text).split())
    return "".join(piece.markdown for piece in _inline_pieces(text, 0, len(text), NOWHERE, first=True)).strip()


def literal(text: str) -> str:
    """Return a text as Markdown that shows exactly these characters on one line: names, paths, messages."""
    return _verbatim(" ".join(_clean(text).split()), first=True)


def _clean(text: str) -> str:
    """Return a text of the same length without control characters and lone surrogates, which browsers refuse."""
    return re.sub("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]", "\ufffd", text).replace("\r\n", " \n").replace("\r", "\n")


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
        yield Part(f"\n\n$$\n{body.strip().replace('$$', '')}\n$$\n\n", _overlap(span, quote))
        return
    match = _FENCE.match(text, *span) if kind == "fence" else None
    info = re.match(r"[\w+#-]*", match["info"] if match else "")
    language = info.group() if info else ""
    start, end = match.span("body") if match else span
    lines: list[tuple[str, bool]] = []
    for line in text[start:end].splitlines(keepends=True):
        lines.append((line.rstrip("\n"), _overlap((start, start + len(line)), quote)))
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


def _pieces(text: str, start: int, end: int, quote: Span) -> Iterator[_Piece]:
    """Yield the pieces of a run of paragraphs, lists, headings and tables."""
    line_start = start
    table = False
    while line_start < end:
        stop = _line_end(text, line_start, end)
        line = text[line_start:stop]
        if _DEFINITION.match(line) or (_RULE.match(line) and not line.lstrip().startswith("|")):
            # Rules, lines under headings (which would make them huge) and link targets; "---|---" is part of a table.
            yield _Piece(line if "|" in line else "", "frame")
        elif _RULE.match(line):
            yield _Piece(line, "frame")
        else:
            table = line.lstrip().startswith("|") or (table and "|" in line) or _heads_table(text, stop, end, line)
            yield from _line(text, line_start, stop, quote, table)
        following = text[stop + 1 : _line_end(text, stop + 1, end)] if stop < end else ""
        runs_on = bool(following.strip()) and bool(line.strip()) and not table and not _starts_anew(following, line)
        inside = quote[0] <= stop < quote[1] - 1
        if stop < end:
            yield _Piece(" ", "text", True) if runs_on and inside else _Piece("\n", "frame")
        table = table and bool(line.strip())
        line_start = stop + 1


def _line_end(text: str, start: int, end: int) -> int:
    """Return where the line ends: at a newline that no inline code or formula runs across."""
    stop = text.find("\n", start, end)
    stop = stop if stop != -1 else end
    for pattern in (_CODE, _MATH):
        for match in pattern.finditer(text, start, end):
            if match.start() >= stop:
                break
            if match.end() > stop:
                later = text.find("\n", match.end(), end)
                stop = later if later != -1 else end
    return stop


def _heads_table(text: str, stop: int, end: int, line: str) -> bool:
    return "|" in line and stop < end and bool(_RULE.match(below := text[stop + 1 : _line_end(text, stop + 1, end)])) and "|" in below


def _starts_anew(line: str, above: str) -> bool:
    match = _LINE_START.match(line)
    return bool(match and (match["mark"] or match["quote"].strip())) or above.lstrip().startswith("#") or line.lstrip().startswith("|")


def _line(text: str, start: int, end: int, quote: Span, table: bool) -> Iterator[_Piece]:
    match = _LINE_START.match(text, start, end)
    if match and not table:
        mark = _HEADING if match["mark"].startswith("#") else match["mark"]
        box = "" if not match["box"] else "☐ " if match["box"][1] == " " else "☑ "
        if lead := match["quote"] + mark + box:
            yield _Piece(lead, "frame")
        start = match.end()
    if text[start:end].endswith("\\") and not text[start:end].endswith("\\\\"):
        end -= 1  # a hard line break
    if not table:
        yield from _inline_pieces(text, start, end, quote, first=True)
        return
    cell = start
    for pipe in [m.start() for m in re.finditer(r"(?<!\\)\|", text[start:end])]:
        yield from _inline_pieces(text, cell, start + pipe, quote)
        yield _Piece("|", "frame")
        cell = start + pipe + 1
    yield from _inline_pieces(text, cell, end, quote)


def _inline_pieces(text: str, start: int, end: int, quote: Span, *, first: bool = False) -> Iterator[_Piece]:
    """Yield escaped text, code and formulas of one line."""
    position = start
    while position < end:
        found = min(
            ((m.start(), n, name, m) for n, (name, pattern) in enumerate(_ATOMS) if (m := pattern.search(text, position, end)) and m.end() > m.start()),
            default=None,
            key=lambda item: item[:2],
        )
        stop = found[0] if found else end
        for a, b, marked in _split(position, stop, quote):
            yield _Piece(_escape(text[a:b], first=first and a == start), "text", marked)
        if found is None:
            return
        yield from _atom(found[2], found[3], quote)
        position = found[3].end()


def _atom(name: str, match: re.Match[str], quote: Span) -> Iterator[_Piece]:
    marked = _overlap(match.span(), quote)
    whole = match.group()
    if name == "code":
        yield _Piece(_code(" ".join(match["code"].split("\n"))), "code", marked)
    elif name == "math":
        body = " ".join((match["dollar"] or match["paren"]).split())
        yield _Piece(f"${body}$", "math", marked)
    elif name == "address":
        yield _Piece(_code(whole.strip("<>")), "code", marked)
    elif name == "kept":
        yield _Piece(whole, "text", marked)
    elif name in ("wiki", "image", "link"):
        inner = next(g for g in ("name", "alt", "words") if g in match.groupdict())
        yield from _inline_pieces(match.string, *match.span(inner), quote)
    elif whole.lower().startswith("<br"):
        yield _Piece(" ", "text", marked)
    elif whole.lower().startswith("<sup"):
        yield _Piece("^", "text", marked)


def _code(code: str) -> str:
    longest = max((len(run) for run in re.findall(r"`+", code)), default=0)
    ticks = "`" * (longest + 1)
    pad = " " if code[:1] in ("`", " ") or code[-1:] in ("`", " ") else ""
    return f"{ticks}{pad}{code}{pad}{ticks}"


def _escape(text: str, *, first: bool = False) -> str:
    """Escape what Markdown, HTML and Streamlit's directives would act on; emphasis is left to act."""
    text = re.sub(r"([\\\[\]$])", r"\\\1", text)
    text = re.sub(r"(?<![~\\])~(?!~)", r"\\~", text)
    text = re.sub(r":(?=[A-Za-z])", r"\\:", text)
    text = text.replace("<", "&lt;")
    return re.sub(r"^(\s*)([-+#>=]|\d+(?=[.)]))", _first_sign, text) if first else text


def _first_sign(match: re.Match[str]) -> str:
    """Escape a sign that would start a list, heading or quotation; after a number its dot is what counts."""
    return match[1] + (f"{match[2]}&#8203;" if match[2].isdigit() else f"\\{match[2]}")


def _verbatim(text: str, *, first: bool) -> str:
    text = re.sub(r"([\\`*_\[\]$~|!#:])", r"\\\1", text).replace("&", "&amp;").replace("<", "&lt;")
    text = re.sub(r"(https?|ftp|www)(\\:|\.)", "\\1&#8288;\\2", text, flags=re.I).replace("@", "&#8288;@")
    text = re.sub(r"^([ \t]*)([-+>=]|\d+(?=[.)]))", _first_sign, text) if first else text
    return re.sub(r"^[ \t]{2,}", lambda m: "&nbsp;" * len(m.group()), text) if first else text


def _split(start: int, end: int, quote: Span) -> Iterator[tuple[int, int, bool]]:
    """Cut a span at the ends of the quote; tell for each piece whether it is quoted."""
    cuts = sorted({start, end, *(c for c in quote if start < c < end)})
    for a, b in zip(cuts, cuts[1:], strict=False):
        yield a, b, quote[0] <= a and b <= quote[1]


def _overlap(span: Span, quote: Span) -> bool:
    return min(span[1], quote[1]) > max(span[0], quote[0])


def _assemble(pieces: Iterator[_Piece] | Sequence[_Piece]) -> str:
    out: list[str] = []
    run: list[str] = []

    def close() -> None:
        if run:
            out.append(_mark("".join(run)))
            run.clear()

    for piece in pieces:
        markdown = piece.markdown
        if piece.marked and piece.kind == "math":
            markdown = markdown.replace("\\[", "\\lbrack ").replace("\\]", "\\rbrack ").replace("[", "\\lbrack ").replace("]", "\\rbrack ")
        if piece.marked and piece.kind != "frame" and not (piece.kind == "code" and not _balanced(markdown)):
            run.append(markdown)
        else:
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
