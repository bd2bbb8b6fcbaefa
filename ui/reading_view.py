"""What the Ask page shows of a question: the answer with its source beside it, and what to ask next."""

from __future__ import annotations

import streamlit as st

from ui import bootstrap
from ui.answer_view import show_abstention, show_answer, show_follow_up, show_next, show_passages
from ui.ask_state import choice, close_panel, opened
from ui.desk import Desk, Reading
from ui.drafts import LiveDraft
from ui.panel import show_source
from ui.written_view import show_draft

_PACE = 0.4  # seconds between two looks at an answer that is being written


@st.fragment(run_every=_PACE)
def show_writing(desk: Desk, reading: Reading, draft: LiveDraft) -> None:
    """Show an answer as it is written; draw the page anew once it is."""
    if draft.done:
        st.rerun()
    with bootstrap.sentences_for_errors():
        _show_beside_source(desk, reading, draft)


def show_reading(desk: Desk, reading: Reading, draft: LiveDraft | None) -> None:
    """Show a finished answer, and below it what to ask next."""
    answer = draft.shown if draft else reading.answer
    with _show_beside_source(desk, reading, draft):
        if answer.answered:
            show_follow_up()
        show_next(desk, reading)
        show_passages(desk, answer)


def _show_beside_source(desk: Desk, reading: Reading, draft: LiveDraft | None) -> st.delta_generator.DeltaGenerator:
    """Show an answer and its open source; return the place below the answer."""
    answer = draft.shown if draft else reading.answer
    # Before the first sentence is written, the source that the quotes begin with is there to read.
    passage, quote = opened(answer if answer.citations or not answer.answered else reading.answer)
    if passage and choice():  # opened by hand, not the first citation that opens by itself
        desk.note_opened(answer, passage, by=bootstrap.person())
    left, right = st.columns([11, 10], gap="large") if passage else (st.container(), None)
    with left:
        if draft:
            show_draft(desk, draft)
        elif answer.answered:
            show_answer(desk, answer)
        else:
            show_abstention(reading)
    if passage and right:
        with right:
            show_source(desk, passage, quote, close_panel)
    return left
