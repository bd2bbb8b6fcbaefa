"""The source panel beside an answer: a passage in its context with the quote marked, or its page of a PDF."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import streamlit as st

from retrieval.errors import ReadError
from retrieval.types import Locator
from ui import bootstrap, logic
from ui.desk import Desk
from ui.safe_markdown import NOWHERE, Part, literal


def show_source(
    desk: Desk,
    passage: Locator,
    quote: Locator | None,
    on_close: Callable[[], None] | None = None,
    *,
    context: int = logic.CONTEXT,
) -> None:
    """Show a passage, and where a quote of it is given, that quote marked; it can be closed where `on_close`."""
    shown = quote or passage
    with st.container(border=True, key="panel"):
        with st.container(horizontal=True, vertical_alignment="center", wrap=False):
            st.markdown(f"**{logic.place(shown)}**", width="stretch")
            if on_close:
                st.button("Close", key="close", icon=":material/close:", type="tertiary", on_click=on_close)
        st.caption(literal(shown.path))
        text = desk.text(passage.path)
        parts = logic.excerpt(text, passage.span, quote.span if quote else NOWHERE, path=passage.path, context=context)
        if shown.page is None or not shown.path.lower().endswith(".pdf"):
            show_parts(parts)
            return
        if show_page(desk, shown, text[slice(*shown.span)]):
            with st.expander("The text as it was read"):
                show_parts(parts)
        else:
            show_parts(parts)


def show_parts(parts: Sequence[Part]) -> None:
    """Show safe parts, those that are quoted whole on the color of the mark."""
    for n, part in enumerate(parts):
        if part.quoted:
            with st.container(key=f"quoted-{n}"):
                st.markdown(part.markdown, anchors=False)
        else:
            st.markdown(part.markdown, anchors=False)


def show_page(desk: Desk, shown: Locator, quote: str) -> bool:
    """Draw the page, of the version that was read alone; tell whether it is drawn, a quote marked on it."""
    picture, why = None, "the page cannot be drawn"
    if record := desk.manifest.by_path().get(shown.path):
        try:
            picture = bootstrap.page_picture(Path(record.file), record.indexed_sha256, shown.page or 1, quote)
        except ReadError as error:
            why = str(error)
    if picture is None:
        st.caption(f"{why[:1].upper()}{why[1:]}; this is its text as it was read.")
        return False
    marked = ", the quote marked" if picture.marks else ""
    st.image(picture.png, width="stretch", alt=f"Page {shown.page} of {shown.title}{marked}")
    missed = bool(quote) and not picture.marks
    note = ". The quote was not found on the drawn page; it is marked in the text below." if missed else ""
    st.caption(f"Page {shown.page} of {picture.pages}{note}")
    return not missed
