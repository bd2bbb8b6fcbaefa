"""Sentences as spans, and the plain reading of Markdown. Nothing here rewrites stored text."""

from __future__ import annotations

import bisect
import re
from collections.abc import Iterator, Sequence

Span = tuple[int, int]

_FENCE = re.compile(r"^[ \t]*(```|~~~).*?^[ \t]*\1[ \t]*$", re.M | re.S)
_MATH = re.compile(r"\$\$.+?\$\$|\\\[.+?\\\]", re.S)
_TABLE = re.compile(r"^[ \t]*\|.*(?:\r?\n[ \t]*\|.*)+", re.M)
_SHORT_TABLE = 700  # characters, about six rows
_FORMULA, _FORMULA_ENDS = ("$$", "\\["), ("$$", "\\]")
_STOPS = (".", "!", "?", "…", "。", "！", "？")
_LINE = re.compile(r"[^\r\n]+")
_LIST_ITEM = re.compile(r"[ \t]*(?:[-*+•]|\d{1,3}[.)])[ \t]+")
_HEADING = re.compile(r"[ \t]*#{1,6}[ \t]")
_NOISE_LINE = re.compile(
    r"[ \t]*(?:</?\w++[^>]*+>[ \t]*+)++$"  # bare tags
    r"|[ \t]*[-=*_]{3,}[ \t]*$"  # rules
    r"|(?=[ \t:|-]+\|)[ \t:|-]++$"  # the line under a table's head
    r"|[ \t]*!\[[^\]]*\]\([^)]*\)[ \t]*$"  # images
)
_END = re.compile(r"(?<![.!?…])[.!?…]++[\"'”’)\]*_]*+(?=\s++[\"'“‘(\[*_$`\\]*+[^\Wa-z_]|\s*+$)|[。！？]")
_ABBREVIATION = re.compile(
    r"(?:\b(?:e\.g|i\.e|etc|vs|cf|al|Fig|Eq|Eqs|Sec|Ch|No|Dr|Mr|Mrs|Ms|Prof|St|approx|resp|pp?|ed|eds|vol|w\.r\.t|a\.k\.a)|\b[A-Z])\.$"
)
_LONGEST_ABBREVIATION = len("approx.")

# Labels are bounded, so that brackets that open and never close are not each looked for to the end; so are targets, by
# the next parenthesis that opens and is not closed before another one: `[set](https://x.org/Set_(mathematics))`.
_IMAGE = re.compile(r"!\[([^\]]{0,1000})\]\((?:[^()]++|\([^()]*+\))*+\)")
# `f[i](x)`: to Markdown a link, to people code
CALL = re.compile(r"(?<=[\w)\]])\[[^\[\]]{1,1000}\](?=\([\w\s,+*-]*\))")
_LINK = re.compile(rf"(?!{CALL.pattern})\[([^\]]{{1,1000}})\]\((?:[^()\s]++|\([^()\s]*+\))*+(?:\s+\"[^\"]*\")?\)")
_WIKI_LINK = re.compile(r"\[\[(?:[^\]|]{0,1000}\|)?([^\]]{1,1000})\]\]")
_COMMENT = re.compile(r"<!--.*?-->", re.S)
TAG = re.compile(
    r"</?(?:a|abbr|aside|b|blockquote|br|center|code|dd|del|details|div|dl|dt|em|figure|figcaption|font|h[1-6]|hr|i|img|"
    r"ins|kbd|li|mark|ol|p|picture|pre|q|s|section|small|source|span|strike|strong|sub|summary|sup|svg|table|tbody|td|"
    r"tfoot|th|thead|tr|tt|u|ul|video)(?:\s+[\w:-]+\s*=\s*(?:\"[^\"]*\"|'[^']*'|[^\s<>\"']+)|\s+open)*\s*/?>",
    re.I,
)
# A mark opens before a word and closes after one, so that `COUNT(*)`, `x ** 2` and `a * b` are none.
_EMPHASIS_OPENS = re.compile(r"(?<![\\\w*])(?:\*{1,3}|_{1,3})(?=[^\s*_),.;:])")
_EMPHASIS_CLOSES = re.compile(r"(?<=[^\s*_(])(?:\*{1,3}|_{1,3})(?![\w*])")
_VERBATIM = re.compile(
    r"^[ \t]*(?P<fence>```+|~~~+).*?^[ \t]*(?P=fence)[ \t]*$"
    r"|\$\$.+?\$\$"
    r"|(?<![\\$\w])\$(?!\s)[^$\n]+?(?<!\s)\$(?![\w$])"
    r"|`[^`\n]+`",
    re.M | re.S,
)
_HELD = re.compile("\ue000(\\d{1,9})\ue001")  # private-use marks around the number of a verbatim piece
_EMOJI = re.compile("[\U0001f300-\U0001faff\u2600-\u27bf\ufe0f\u200d\u2b50]")
_PREFIX = re.compile(r"^[ \t]*(?:#{1,6}|>+|[-*+•])[ \t]+", re.M)
_FENCE_MARK = re.compile(r"(?:```+|~~~+)[\w+#.-]*")
_TABLE_RULE = re.compile(r"^(?=[ \t:|-]*---)[ \t:|-]*+$", re.M)
# What each pattern needs in a text, and what is left of a match.
_MARKED = (
    ("<", TAG, " "),
    ("![", _IMAGE, r"\1"),
    ("](", _LINK, r"\1"),
    ("[[", _WIKI_LINK, r"\1"),
    ("---", _TABLE_RULE, ""),
)


def plain(text: str) -> str:
    """Return the text as a person reads it: no Markdown marks, tags, link targets or emoji; formulas and code kept."""
    text, verbatim = held(text)
    text = without_comments(text)
    for mark, pattern, left in _MARKED:
        if mark in text:  # to look for it takes a hundredth of the time
            text = pattern.sub(left, text)
    text = _PREFIX.sub("", text)
    if "*" in text or "_" in text:
        text = _without_emphasis(text)
    if not text.isascii():
        text = _EMOJI.sub("", text)
    text = _FENCE_MARK.sub("", restored(text, verbatim))
    return re.sub(r"[ \t]+", " ", "\n".join(filter(None, map(str.strip, text.split("\n")))))


def held(text: str) -> tuple[str, list[str]]:
    """Return a text with marks in the place of its code and formulas, and those, for `restored`."""
    verbatim: list[str] = []

    def hold(match: re.Match[str]) -> str:
        verbatim.append(match.group())
        return f"\ue000{len(verbatim) - 1}\ue001"

    return _VERBATIM.sub(hold, text), verbatim


def restored(text: str, verbatim: Sequence[str]) -> str:
    """Return a text with the code and formulas that were held; a mark that `held` did not set is dropped."""
    return _HELD.sub(lambda mark: verbatim[int(mark[1])] if int(mark[1]) < len(verbatim) else "", text)


def without_comments(text: str) -> str:
    """Return a text with a blank for each HTML comment; one that is never closed is none."""
    closed = text.rfind("-->") + len("-->")  # behind it, every "<!--" would be looked for to the end
    return _COMMENT.sub(" ", text[:closed]) + text[closed:]


def _without_emphasis(text: str) -> str:
    """Return a text without the marks of emphasis: each with the next one like it that closes, in time linear in both.

    One pattern for the pair would look for the end of every mark that never closes in all of the text.
    """
    closing: dict[str, list[int]] = {}
    for mark in _EMPHASIS_CLOSES.finditer(text):
        closing.setdefault(mark.group(), []).append(mark.start())
    kept: list[str] = []
    position = 0
    for mark in _EMPHASIS_OPENS.finditer(text):
        ends = closing.get(mark.group(), [])
        nearest = bisect.bisect_right(ends, mark.end())
        if mark.start() >= position and nearest < len(ends):
            kept += text[position : mark.start()], text[mark.end() : ends[nearest]]
            position = ends[nearest] + len(mark.group())
    return "".join((*kept, text[position:]))


def valid(text: str) -> str:
    """Return text with a question mark for each lone surrogate, which can be neither written nor tokenised."""
    return text.encode("utf-8", "replace").decode("utf-8")


def one_line(text: str) -> str:
    """Return the plain text on one line, for titles, questions and terminals."""
    return " ".join(plain(text).split())


def sentences(text: str) -> list[Span]:
    """Return the spans of the sentences of a Markdown or plain text, in order.

    Fenced code is one span, and so is a short table; a display formula is one with the sentence
    that runs into it and what goes on after it ("where x is ..."). A list item or the row of a
    long table starts a new sentence; headings, rules, images and lines of bare tags are none.
    """
    spans: list[Span] = []
    for start, end, whole in _regions(text):
        for span in _trimmed(text, start, end) if whole else _prose(text, start, end):
            if spans and (whole or span[0] == start) and _goes_on(text, spans[-1], span):
                spans[-1] = (spans[-1][0], span[1])
            else:
                spans.append(span)
    return spans


def _goes_on(text: str, before: Span, span: Span) -> bool:
    """Tell whether a sentence runs into the formula after it, or a formula into the words after it."""
    if not text[before[1] : span[0]].isspace():
        return False
    said, following = text[slice(*before)], text[slice(*span)]
    if following.startswith(_FORMULA):
        return not said.endswith((*_STOPS, *_FORMULA_ENDS, "|", "```", "~~~"))
    return said.endswith(_FORMULA_ENDS) and following[0].islower()


def _regions(text: str) -> Iterator[tuple[int, int, bool]]:
    """Yield (start, end, keep whole) for fences, formulas, short tables and the paragraphs between them."""
    position = 0
    tables = (m for m in _TABLE.finditer(text) if len(m.group()) <= _SHORT_TABLE)
    blocks = sorted(m.span() for found in (_FENCE.finditer(text), _MATH.finditer(text), tables) for m in found)
    for start, end in blocks:
        if start < position:
            continue
        yield from ((a, b, False) for a, b in _paragraphs(text, position, start))
        # A formula that a sentence runs into belongs to no paragraph of its own.
        yield start, end, True
        position = end
    yield from ((a, b, False) for a, b in _paragraphs(text, position, len(text)))


def _paragraphs(text: str, start: int, end: int) -> Iterator[Span]:
    """Yield runs of lines that read on: cut at empty lines, headings, list items, table rows and noise."""
    first: int | None = None
    last = start
    previous = start
    for match in _LINE.finditer(text, start, end):
        line = match.group()
        gap = text.count("\n", previous, match.start()) + text.count("\r", previous, match.start()) > (
            2 if "\r\n" in text[previous : match.start()] else 1
        )
        noise = not line.strip() or _HEADING.match(line) or _NOISE_LINE.match(line)
        if first is not None and (gap or noise or _LIST_ITEM.match(line) or line.lstrip().startswith("|")):
            yield first, last
            first = None
        previous = match.end()
        if noise:
            continue
        if first is None:
            first = match.start()
        last = match.end()
    if first is not None:
        yield first, last


def _prose(text: str, start: int, end: int) -> Iterator[Span]:
    marker = _LIST_ITEM.match(text, start, end)
    position = marker.end() if marker else start
    for match in _END.finditer(text, position, end):
        stop = match.end()
        near = max(position, match.start() + 1 - _LONGEST_ABBREVIATION)
        if _ABBREVIATION.search(text, near, match.start() + 1) and stop < end:
            continue
        yield from _trimmed(text, position, stop)
        position = stop
    yield from _trimmed(text, position, end)


def _trimmed(text: str, start: int, end: int) -> Iterator[Span]:
    while start < end and text[start].isspace():
        start += 1
    while end > start and text[end - 1].isspace():
        end -= 1
    if any(c.isalnum() for c in text[start:end]):
        yield start, end


def line_starts(text: str) -> tuple[int, ...]:
    """Return the offset of every line; lines end at \\n, \\r\\n or \\r, as in CommonMark."""
    starts = [0]
    i = 0
    while (i := _next_break(text, i)) != -1:
        i += 2 if text.startswith("\r\n", i) else 1
        starts.append(i)
    return tuple(starts)


def _next_break(text: str, start: int) -> int:
    newline = text.find("\n", start)
    end = newline if newline != -1 else len(text)
    carriage = text.find("\r", start, end)
    return carriage if carriage != -1 else newline


def lines_of(span: Span, starts: Sequence[int], numbers: Sequence[int] | None = None) -> tuple[int, int]:
    """Return the first and last line of a span, 1-based and inclusive; `numbers` renames lines where it is given.

    Renamed lines need not be in order: a bank may have an answer before its question.
    """
    first = bisect.bisect_right(starts, span[0])
    last = bisect.bisect_right(starts, max(span[0], span[1] - 1))
    named = numbers[first - 1 : last] if numbers else (first, last)
    return min(named), max(named)
