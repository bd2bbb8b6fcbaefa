"""Questions as a text file that Anki imports: File > Import. No streamlit here.

Anki's own text format needs no library, says in its head what its columns are, updates notes
that it knows by their guid, and is read by `ingest.readers.anki_text`. Anki shows fields as
HTML and runs scripts in them, so fields are made by a Markdown renderer that lets no HTML of
a document through; links and images become their words.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from html import escape
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from markdown_it import MarkdownIt

_HEAD = (
    "#separator:tab",
    "#html:true",
    "#notetype:Basic",
    "#columns:guid\tFront\tBack\ttags",
    "#guid column:1",
    "#tags column:4",
)


@dataclass(frozen=True, slots=True)
class Note:
    """A question with its answer, both as Markdown (`plain`: as they are), and where the answer stands."""

    key: str
    question: str
    answer: str
    place: str
    tags: tuple[str, ...]
    plain: bool = False


def anki_text(notes: Iterable[Note], deck: str) -> str:
    """Return the notes as one text, a row each, under a head that names the deck."""
    out = io.StringIO()
    out.write("\n".join([*_HEAD, f"#deck:{' '.join(deck.split())}"]) + "\n")
    rows = csv.writer(out, delimiter="\t", lineterminator="\n")
    for note in notes:
        back = f"{_html(note.answer, plain=note.plain)}<p><small>{escape(note.place)}</small></p>"
        tags = " ".join(re.sub(r"\s+", "-", tag) for tag in note.tags)
        rows.writerow([note.key, _html(note.question, plain=note.plain), back, tags])
    return out.getvalue()


def _html(text: str, *, plain: bool) -> str:
    """Return Markdown as HTML with MathJax's brackets around formulas, on one line outside code."""
    if plain:
        return escape(text).replace("\n", "<br>")
    return str(_renderer().render(text)).strip()


@cache
def _renderer() -> MarkdownIt:
    from markdown_it import MarkdownIt
    from mdit_py_plugins.dollarmath import dollarmath_plugin

    made = MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"])
    dollarmath_plugin(made, allow_space=False, allow_digits=False, double_inline=True, renderer=_formula)
    for name in ("link_open", "link_close"):
        made.renderer.rules[name] = lambda *_: ""  # type: ignore[attr-defined]
    made.renderer.rules["image"] = lambda tokens, index, *_: escape(tokens[index].content)  # type: ignore[attr-defined]
    return made


def _formula(tex: str, options: dict[str, Any]) -> str:
    opening, closing = ("\\[", "\\]") if options["display_mode"] else ("\\(", "\\)")
    return f"{opening}{escape(tex.strip())}{closing}"
