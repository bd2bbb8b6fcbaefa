"""Markdown to blocks, by a CommonMark parser with tables, math and front matter.

Line maps of the parser become character spans of the file's own text, so that a
citation is the file, verbatim, newlines and all.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from ingest.decode import read_text
from ingest.documents import Block, BlockKind, Document, QuestionEntry, Span, line_starts
from ingest.entries import Node, find_entries
from retrieval.text import one_line
from retrieval.types import SourceKind

_KINDS: dict[str, BlockKind] = {
    "paragraph_open": "prose",
    "blockquote_open": "prose",
    "dl_open": "prose",
    "html_block": "prose",
    "math_block": "prose",
    "math_block_label": "prose",
    "bullet_list_open": "list",
    "ordered_list_open": "list",
    "table_open": "table",
    "fence": "code",
    "code_block": "code",
    "heading_open": "heading",
}
_CONTENTS_LINK = re.compile(r"\s*(?:\*\*)?\[[^\]]*\]\(#[^)]*\)(?:\*\*)?\s*$")
_TITLE_WITHIN = 1500  # characters; a level-1 heading further down is a chapter, not the title
_BARE_TAGS = re.compile(r"(?:\s|</?[A-Za-z][^>]*>|<!--.*?-->)*$", re.S)
_KEY = re.compile(r"\s*[\w-]+[ \t]*:")
_SUMMARY = re.compile(r"<summary>.*?</summary>", re.S | re.I)


def read_markdown(path: Path) -> Document:
    """Read a Markdown file. Raises ReadError where it is not text."""
    return parse_markdown(read_text(path), path.stem)


def parse_markdown(text: str, stem: str) -> Document:
    """Parse Markdown; `stem` names the document where nothing in it does."""
    starts = line_starts(text)
    front, nodes = _nodes(text, starts)
    title = _title(front, nodes, stem)
    blocks = tuple(_with_headings(nodes, title))
    entries, warnings = find_entries(nodes, blocks, text)
    if "error" in front:
        warnings = (f"front matter is not YAML and was passed over ({front['error']})", *warnings)
    return Document(
        text=text,
        title=title,
        kind=_source_kind(text, front, entries, nodes),
        blocks=blocks,
        entries=entries,
        topics=_strings(front.get("tags")),
        area=str(front["area"]) if front.get("area") else None,
        related=_strings(front.get("related")),
        line_starts=starts,
        warnings=warnings,
    )


@cache
def _parser(front_matter: bool) -> Any:
    from markdown_it import MarkdownIt
    from mdit_py_plugins.dollarmath import dollarmath_plugin
    from mdit_py_plugins.front_matter import front_matter_plugin

    parser = MarkdownIt("commonmark", {"html": True}).enable("table").use(dollarmath_plugin)
    return parser.use(front_matter_plugin) if front_matter else parser


def _parsed(text: str) -> tuple[dict[str, Any], Sequence[Any]]:
    """Return the front matter and the tokens of all else; text between two rules is no front matter."""
    tokens = _parser(True).parse(text)
    if not tokens or tokens[0].type != "front_matter":
        return {}, tokens
    front = _front_matter(tokens[0].content)
    return ({}, _parser(False).parse(text)) if front is None else (front, tokens)


def _nodes(text: str, starts: Sequence[int]) -> tuple[dict[str, Any], list[Node]]:
    """Return the front matter and the top-level nodes of a document, tables of contents left out."""
    nodes: list[Node] = []
    front, tokens = _parsed(text)
    for i, token in enumerate(tokens):
        if token.level != 0 or token.map is None or token.nesting < 0:
            continue
        span = _line_span(text, starts, token.map)
        if token.type not in _KINDS or span[0] >= span[1]:
            continue
        end = _closing(tokens, i)
        inner = tokens[i:end]
        units = _units(text, starts, inner) if _KINDS[token.type] in ("list", "table", "code") else ()
        if _KINDS[token.type] == "list" and _is_contents(inner):
            continue
        inline = next((t.content for t in inner if t.type == "inline"), "")
        nodes.append(
            Node(
                kind=_KINDS[token.type],
                span=span,
                inline=inline if _KINDS[token.type] in ("heading", "prose") else "",
                level=int(token.tag[1]) if token.type == "heading_open" else 0,
                html=text[span[0] : span[1]] if token.type == "html_block" else "",
                units=units,
            )
        )
    return front, nodes


def _closing(tokens: Sequence[Any], start: int) -> int:
    if tokens[start].nesting == 0:
        return start + 1
    return next(i for i in range(start + 1, len(tokens)) if tokens[i].level == 0 and tokens[i].nesting == -1) + 1


def _line_span(text: str, starts: Sequence[int], lines: Sequence[int]) -> Span:
    """Return the span of lines [first, last), without the blank space around it."""
    start = starts[lines[0]]
    end = starts[lines[1]] if lines[1] < len(starts) else len(text)
    while end > start and text[end - 1].isspace():
        end -= 1
    while start < end and text[start] in "\r\n\ufeff":
        start += 1
    return start, end


def _units(text: str, starts: Sequence[int], inner: Sequence[Any]) -> tuple[Span, ...]:
    """Return where a list, table or code block may be split: at items, rows, lines."""
    if inner[0].type in ("fence", "code_block"):
        first, last = inner[0].map
        return tuple(s for n in range(first, last) if (s := _line_span(text, starts, (n, n + 1)))[0] < s[1])
    wanted = "tr_open" if inner[0].type == "table_open" else "list_item_open"
    level = min((t.level for t in inner if t.type == wanted), default=0)
    maps = [t.map for t in inner if t.type == wanted and t.map and (wanted == "tr_open" or t.level == level)]
    return tuple(s for m in maps if (s := _line_span(text, starts, m))[0] < s[1])


def _is_contents(inner: Sequence[Any]) -> bool:
    """Tell a table of contents: at least four of five items are nothing but a link into the page."""
    lines = [line for t in inner if t.type == "inline" for line in t.content.split("\n")]
    return len(lines) >= 2 and sum(bool(_CONTENTS_LINK.match(line)) for line in lines) >= 0.8 * len(lines)


def _with_headings(nodes: Sequence[Node], title: str) -> Iterator[Block]:
    """Give every block the path of headings above it; a heading that is the title is left out of the path."""
    path: list[tuple[int, str]] = []
    for node in nodes:
        if node.kind == "heading":
            name = one_line(node.inline)
            path = [p for p in path if p[0] < node.level]
            yield Block("heading", node.span, tuple(p[1] for p in path if p[1] != title), level=node.level)
            path.append((node.level, name))
        elif not (node.html and _BARE_TAGS.match(_SUMMARY.sub("", node.html))):
            yield Block(node.kind, node.span, tuple(p[1] for p in path if p[1] != title), units=node.units)


def _title(front: dict[str, Any], nodes: Sequence[Node], stem: str) -> str:
    if isinstance(front.get("title"), str) and front["title"].strip():
        return one_line(front["title"])
    headings = [node for node in nodes if node.kind == "heading" and one_line(node.inline)]
    at_top = headings and headings[0].span[0] < _TITLE_WITHIN
    if headings and (headings[0] is nodes[0] or (at_top and headings[0].level == 1)):
        return one_line(headings[0].inline)
    return stem.replace("_", " ").replace("-", " ").strip() or stem


def _source_kind(
    text: str, front: dict[str, Any], entries: Sequence[QuestionEntry], nodes: Sequence[Node]
) -> SourceKind:
    if sum(e.span[1] - e.span[0] for e in entries) > 0.5 * len(text):
        return "bank"
    if "title" in front or (len(text) > 2000 and sum(node.kind == "heading" for node in nodes) >= 3):
        return "guide"
    return "notes"


def _front_matter(content: str) -> dict[str, Any] | None:
    """Return what front matter says, "error" where it is broken; None for what is none, lines without a key."""
    try:
        front = yaml.safe_load(content)
    except (yaml.YAMLError, ValueError) as error:  # the latter for a date that there is not
        return {"error": " ".join(str(error).split())[:120]} if _KEY.match(content) else None
    return front if isinstance(front, dict) else {} if front is None else None


def _strings(value: Any) -> tuple[str, ...]:
    """Read a front-matter list: a YAML list, or words divided by commas."""
    if isinstance(value, str):
        value = value.split(",")
    return tuple(str(v).strip() for v in value if str(v).strip()) if isinstance(value, list) else ()
