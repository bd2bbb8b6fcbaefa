"""The pieces a text is shown in: escaped words, code, formulas, and the structure between them.

This is where documents are disarmed. HTML is escaped, images and links become their words,
bare addresses become code, and whatever Streamlit would act on (directives, colors, icons)
is escaped too.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

Span = tuple[int, int]
NOWHERE: Span = (-1, -1)

_CODE = re.compile(
    r"(?<![`\\])(?P<ticks>`+)(?!`)(?P<code>(?:[^`\n]|\n(?!\s*\n)|(?!(?<!`)(?P=ticks)(?!`))`)+)(?<!`)(?P=ticks)(?!`)"
)
_MATH = re.compile(
    r"(?<![\\$])\$\$(?P<display>[^$\n]+)\$\$(?!\$)"  # in a line of text, where it cannot be displayed
    r"|(?<![\\$])\$(?P<dollar>[^\s$](?:[^$\n]|\n(?!\s*\n))*?(?<=[^\s\\])|[^\s$\\])\$(?![\d$])|\\\((?P<paren>.+?)\\\)"
)
_IMAGE = re.compile(r"!\[(?P<alt>[^\]]*)\](?:\([^)]*\)|\[[^\]]*\])")
_LINK = re.compile(
    r"(?<!\\)\[(?P<words>(?:[^\[\]]|\[[^\[\]]*\])+)\]"
    r"(?:\((?:[^()\s]|\([^()\s]*\))*(?:\s+[\"'(][^\n]*?[\"')])?\s*\)|\[[^\]\n]*\])"
)
_WIKI = re.compile(r"!?\[\[(?:[^\]|\n]*\|)?(?P<name>[^\]\n]+)\]\]")
_ADDRESS = re.compile(
    r"<?(?:(?:https?|ftp|file|data|javascript|vbscript|mailto):|www\.)[^\s<>\"`|]*[^\s<>\"`|.,;:!?)\]}*_'’]>?"
    r"|[\w.+-]+@[\w-]+(?:\.[\w-]+)*\.[A-Za-z]{2,}\b",
    re.I,
)
_COMMENT = re.compile(r"<!--.*?-->", re.S)
# Tags that only lay text out are dropped, their text kept; any other tag is shown as the characters it is.
_LAYOUT = re.compile(
    r"</?(?:a|abbr|b|big|blockquote|br|center|dd|del|details|div|dl|dt|em|figcaption|figure|font|h[1-6]|hr|i|img|ins|"
    r"kbd|li|mark|ol|p|picture|small|source|span|strong|sub|summary|sup|table|tbody|td|tfoot|th|thead|tr|u|ul|var)"
    r"(?:\s[^<>]*)?/?>",
    re.I,
)
_ESCAPED = re.compile(r"\\[!-/:-@\[-`{-~]")
_LINE_START = re.compile(
    r"(?P<quote>[ \t]*(?:>[ \t]?)*)(?P<mark>(?:[-*+]|\d{1,9}[.)])[ \t]+|#{1,6}[ \t]+|)(?P<box>\[[ xX]\][ \t]+)?"
)
_DEFINITION = re.compile(r"^[ ]{0,3}\[[^\]\n]+\]:[^\n]*$", re.M)
_RULE = re.compile(r"[ \t]*(?:[-*_=][ \t]*){3,}$|[ \t]*\|?[ \t]*:?-+:?[ \t]*(?:\|[ \t]*:?-+:?[ \t]*)*\|?[ \t]*$")
_UNSHOWN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
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
class Piece:
    """Safe Markdown for a span; `frame` is structure (newline, bullet, pipe), which no mark may enclose."""

    markdown: str
    kind: Literal["text", "code", "math", "frame"]
    marked: bool = False


def clean(text: str) -> str:
    """Return a text of the same length without controls, direction overrides and lone surrogates."""
    return _UNSHOWN.sub("\ufffd", text).replace("\r\n", " \n").replace("\r", "\n")


def pieces(text: str, start: int, end: int, quote: Span) -> Iterator[Piece]:
    """Yield the pieces of a run of paragraphs, lists, headings and tables."""
    line_start = start
    table = False
    while line_start < end:
        stop = _line_end(text, line_start, end)
        line = text[line_start:stop]
        if _DEFINITION.match(line) or (_RULE.match(line) and not line.lstrip().startswith("|")):
            # Rules, lines under headings (which would make them huge) and link targets; "---|---" is part of a table.
            yield Piece(line if "|" in line else "", "frame")
        elif _RULE.match(line):
            yield Piece(line, "frame")
        else:
            table = line.lstrip().startswith("|") or (table and "|" in line) or _heads_table(text, stop, end, line)
            yield from _line(text, line_start, stop, quote, table)
        following = text[stop + 1 : _line_end(text, stop + 1, end)] if stop < end else ""
        runs_on = bool(following.strip()) and bool(line.strip()) and not table and not _starts_anew(following, line)
        inside = quote[0] <= stop < quote[1] - 1
        if stop < end:
            yield Piece(" ", "text", True) if runs_on and inside else Piece("\n", "frame")
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
    below = text[stop + 1 : _line_end(text, stop + 1, end)] if stop < end else ""
    return "|" in line and "|" in below and bool(_RULE.match(below))


def _starts_anew(line: str, above: str) -> bool:
    match = _LINE_START.match(line)
    marked = bool(match and (match["mark"] or match["quote"].strip()))
    return marked or above.lstrip().startswith("#") or line.lstrip().startswith("|")


def _line(text: str, start: int, end: int, quote: Span, table: bool) -> Iterator[Piece]:
    match = _LINE_START.match(text, start, end)
    if match and not table:
        mark = _HEADING if match["mark"].startswith("#") else match["mark"]
        box = "" if not match["box"] else "☐ " if match["box"][1] == " " else "☑ "
        if lead := match["quote"] + mark + box:
            yield Piece(lead, "frame")
        start = match.end()
    if text[start:end].endswith("\\") and not text[start:end].endswith("\\\\"):
        end -= 1  # a hard line break
    if not table:
        yield from inline_pieces(text, start, end, quote, first=True)
        return
    cell = start
    for pipe in [m.start() for m in re.finditer(r"(?<!\\)\|", text[start:end])]:
        yield from inline_pieces(text, cell, start + pipe, quote)
        yield Piece("|", "frame")
        cell = start + pipe + 1
    yield from inline_pieces(text, cell, end, quote)


def inline_pieces(text: str, start: int, end: int, quote: Span, *, first: bool = False) -> Iterator[Piece]:
    """Yield escaped text, code and formulas of one line, code never touching code, nor a formula a formula."""
    last = ""
    for piece in _inline(text, start, end, quote, first=first):
        if piece.markdown[:1] == last and last in ("`", "$"):
            yield Piece(" ", "text", piece.marked)
        if piece.markdown:
            yield piece
            last = piece.markdown[-1]


def formula(body: str) -> str:
    """Return a formula that holds no tag, link or address even for a parser that does not know formulas."""
    body = re.sub(r"<(?=[A-Za-z/!?])", "< ", body.replace("$", "").replace("`", "'")).replace("](", "]{}(")
    return re.sub(r"(https?|ftp|www)(?=[:.])", r"\1{}", body)


def _inline(text: str, start: int, end: int, quote: Span, *, first: bool) -> Iterator[Piece]:
    position = start
    # The next match of every pattern, looked for again only where it was passed: else `\\(` times 1,000 takes minutes.
    ahead = [(name, pattern, pattern.search(text, start, end)) for name, pattern in _ATOMS]
    while position < end:
        ahead = [
            (name, pattern, m if m is None or m.start() >= position else pattern.search(text, position, end))
            for name, pattern, m in ahead
        ]
        found = min(((m.start(), n, name, m) for n, (name, _, m) in enumerate(ahead) if m), default=None)
        stop = found[0] if found else end
        for a, b, marked in split(position, stop, quote):
            yield Piece(_escape(text[a:b], first=first and a == start), "text", marked)
        if found is None:
            return
        yield from _atom(found[2], found[3], quote)
        position = found[3].end()


def _atom(name: str, match: re.Match[str], quote: Span) -> Iterator[Piece]:
    marked = overlap(match.span(), quote)
    whole = match.group()
    if name == "code":
        yield Piece(_code(" ".join(match["code"].split("\n"))), "code", marked)
    elif name == "math":
        body = " ".join((match["display"] or match["dollar"] or match["paren"]).split())
        yield Piece(f"${formula(body)}$" if body else "", "math", marked)
    elif name == "address":
        yield Piece(_code(whole.strip("<>")), "code", marked)
    elif name == "kept":
        yield Piece(whole, "text", marked)
    elif name in ("wiki", "image", "link"):
        inner = next(g for g in ("name", "alt", "words") if g in match.groupdict())
        yield from _inline(match.string, *match.span(inner), quote, first=False)
    elif whole.lower().startswith("<br"):
        yield Piece(" ", "text", marked)
    elif whole.lower().startswith("<sup"):
        yield Piece("^", "text", marked)


def _code(code: str) -> str:
    longest = max((len(run) for run in re.findall(r"`+", code)), default=0)
    ticks = "`" * (longest + 1)
    pad = " " if code[:1] in ("`", " ") or code[-1:] in ("`", " ") else ""
    return f"{ticks}{pad}{code}{pad}{ticks}"


def _escape(text: str, *, first: bool = False) -> str:
    """Escape what Markdown, HTML and Streamlit's directives would act on; emphasis is left to act."""
    text = re.sub(r"([\\`\[\]$])", r"\\\1", text)
    text = re.sub(r"(?<![~\\])~(?!~)", r"\\~", text)
    text = re.sub(r":(?=[A-Za-z])", r"\\:", text)
    text = text.replace("<", "&lt;")
    return re.sub(r"^(\s*)([-+#>=]|\d+(?=[.)]))", _first_sign, text) if first else text


def _first_sign(match: re.Match[str]) -> str:
    """Escape a sign that would start a list, heading or quotation; after a number its dot is what counts."""
    return match[1] + (f"{match[2]}&#8203;" if match[2].isdigit() else f"\\{match[2]}")


def verbatim(text: str, *, first: bool) -> str:
    text = re.sub(r"([\\`*_\[\]$~|!#:])", r"\\\1", text).replace("&", "&amp;").replace("<", "&lt;")
    text = re.sub(r"(https?|ftp|www)(\\:|\.)", "\\1&#8288;\\2", text, flags=re.I).replace("@", "&#8288;@")
    text = re.sub(r"^([ \t]*)([-+>=]|\d+(?=[.)]))", _first_sign, text) if first else text
    return re.sub(r"^[ \t]{2,}", lambda m: "&nbsp;" * len(m.group()), text) if first else text


def split(start: int, end: int, quote: Span) -> Iterator[tuple[int, int, bool]]:
    """Cut a span at the ends of the quote; tell for each piece whether it is quoted."""
    cuts = sorted({start, end, *(c for c in quote if start < c < end)})
    for a, b in pairwise(cuts):
        yield a, b, quote[0] <= a and b <= quote[1]


def overlap(span: Span, quote: Span) -> bool:
    return min(span[1], quote[1]) > max(span[0], quote[0])
