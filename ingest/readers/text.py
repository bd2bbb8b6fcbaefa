"""Plain text to blocks: paragraphs between empty lines, `Q:` and `A:` shapes recognised."""

from __future__ import annotations

import re
from pathlib import Path

from ingest.decode import read_text
from ingest.documents import Block, Document, line_starts
from ingest.entries import Node, find_entries
from retrieval.text import one_line

_PARAGRAPH = re.compile(r"\S(?:.|\r?\n(?![ \t]*\r?\n))*", re.M)


def read_plain_text(path: Path) -> Document:
    """Read a text file. Raises ReadError where it is not text."""
    text = read_text(path)
    spans = [(m.start(), m.start() + len(m.group().rstrip())) for m in _PARAGRAPH.finditer(text)]
    blocks = tuple(Block("prose", span) for span in spans)
    nodes = [Node("prose", span, inline=text[slice(*span)]) for span in spans]
    entries, warnings = find_entries(nodes, blocks, text)
    title = one_line(path.stem.replace("_", " ").replace("-", " ")) or path.name
    return Document(
        text, title, "bank" if entries else "notes", blocks, entries, line_starts=line_starts(text), warnings=warnings
    )
