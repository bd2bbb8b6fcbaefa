"""Ranks the headings of a whole PDF: by bookmarks where there are any, else by what they look like."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from ingest.readers.pdf_blocks import ENDED, NUMBERED, Piece, step


def headings_of(pieces: Sequence[Piece], title: str | None) -> None:
    """Set the level of every heading: a bookmark's own, else by size, weight and section number.

    Large lines of the title page that are no headings (authors, a date) become prose: no running text
    follows them there, or the title stands right before them, and their style does not come back.
    """
    found = [piece for piece in pieces if piece.kind == "heading"]
    uses = Counter(_style_of(piece) for piece in found)
    before: Piece | None = None
    for piece, after in zip(pieces, (*pieces[1:], None), strict=True):
        if piece.kind == "heading" and piece.page == 1 and not piece.level and piece.text != title:
            use = uses[_style_of(piece)]
            byline = use == 1 and before is not None and before.text == title
            if (byline or (use < 4 and not _opens(piece, after))) and not NUMBERED.match(piece.text):
                piece.kind = "prose"
        before = piece
    found = [piece for piece in found if piece.kind == "heading"]
    known = {_style_of(piece): piece.level for piece in found if piece.level}
    deepest = max(known.values(), default=0)
    ranked = sorted({_style_of(piece) for piece in found if piece.text != title} - set(known))
    for piece in found:
        style = _style_of(piece)
        if not piece.level:
            piece.level = known.get(style) or (deepest + 1 + ranked.index(style) if style in ranked else 1)


def _opens(piece: Piece, after: Piece | None) -> bool:
    """Return whether running text follows a heading on its page."""
    if after is None or after.page != piece.page or after.kind == "heading":
        return False
    return len(after.text) > 80 or bool(ENDED.search(after.text))


def _style_of(piece: Piece) -> tuple[float, bool, int]:
    """Order styles from the top of a document's structure down."""
    line = piece.lines[0]
    number = NUMBERED.match(piece.text)
    depth = number[1].count(".") if number and number[1] else 0
    return -step(line.size), not line.bold, depth


def largest_heading(pieces: Sequence[Piece]) -> str | None:
    """Return the largest heading of the first two pages that stands there once, the first of equals."""
    texts = Counter(piece.text for piece in pieces)
    first = [piece for piece in pieces if piece.kind == "heading" and piece.page <= 2 and texts[piece.text] == 1]
    if not first:
        return None
    return max(first, key=lambda piece: (step(piece.lines[0].size), -piece.page)).text
