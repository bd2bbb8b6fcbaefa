"""An answer that a language model writes: sentence by sentence while it does, then whole, or quoted where it failed."""

from __future__ import annotations

import streamlit as st

from retrieval.types import Answer
from ui import bootstrap, written_words
from ui.answer_view import show_answer, show_foot, show_sources
from ui.desk import Desk, Reading
from ui.drafts import LiveDraft
from ui.safe_markdown import literal

_HELD = "draft"  # of this session: what it was asked with, and the draft


def draft_of(desk: Desk, reading: Reading) -> LiveDraft | None:
    """Return the answer that the model writes or has written; None without a model, or where there is none to give.

    A session writes one answer at a time: another question stops the one before.
    """
    held: tuple[object, LiveDraft] | None = st.session_state.get(_HELD)
    model = bootstrap.model() if reading.answer.answered else None
    # What one person had written is nobody else's to come upon.
    key = (bootstrap.person(), reading.generation, reading.answer.question, reading.filters, model and model.backend)
    if held and held[0] == key:
        return held[1]
    if held and not held[1].done:
        held[1].stop()
    if model is None:
        st.session_state.pop(_HELD, None)
        return None
    draft = bootstrap.drafts().open(key, lambda: desk.draft(reading, model))
    st.session_state[_HELD] = (key, draft)
    return draft


def write_again() -> None:
    """Let the next run ask the model anew."""
    st.session_state.pop(_HELD, None)
    st.session_state.pop(bootstrap.COUNTED, None)


def show_draft(desk: Desk, draft: LiveDraft) -> None:
    """Show an answer being written with the button that stops it, or written, or the quotes that stand in for it."""
    answer = draft.shown
    if draft.done and not answer.written:
        _show_fallback(answer)
        show_answer(desk, answer)
        return
    with st.container(key="answer"):
        if standing := written_words.text(answer):
            st.markdown(standing, anchors=False)
        for section, citations in written_words.citations_by_section(answer):
            show_sources(citations, section)
        _show_struck(answer)
    if draft.done:
        _show_writing(answer, draft)
        show_foot(desk, answer)
        return
    with st.container(horizontal=True, vertical_alignment="center", key="writing"):
        st.button("Stop", icon=":material/stop_circle:", key="stop", on_click=draft.stop)
        st.caption("Writing; each sentence is shown once it is checked.", width="content")


def _show_struck(answer: Answer) -> None:
    if lost := written_words.struck(answer):
        with st.container(key="struck", gap="xsmall"):
            st.caption(written_words.STRUCK)
            for sentence in lost:
                st.markdown(written_words.struck_text(sentence), anchors=False)
            for section, citations in written_words.citations_by_section(answer, of_struck=True):
                show_sources(citations, section)


def _show_writing(answer: Answer, draft: LiveDraft) -> None:
    if answer.writing is None:
        return
    near = written_words.has_near(answer.sentences)
    st.caption(written_words.told(answer.writing, near=near, stopped=draft.stopped))
    if answer.writing.missing:
        st.caption(f"Not in your passages: {literal(answer.writing.missing)}")


def _show_fallback(answer: Answer) -> None:
    if not answer.writing:
        return
    with st.container(horizontal=True, vertical_alignment="center", key="fallback"):
        st.caption(f"Quoted, not written: {literal(answer.writing.fallback)}.", width="content")
        st.button("Try again", icon=":material/refresh:", key="write-again", type="tertiary", on_click=write_again)
