"""Ask: a question, its answer with numbered citations, and the page each one comes from beside it."""

from __future__ import annotations

import streamlit as st

from retrieval.errors import IndexMissingError
from retrieval.types import PASSAGE_KINDS
from ui import bootstrap, logic
from ui.answer_view import ask_buttons, show_abstention, show_answer, show_next, show_passages
from ui.ask_state import choice, choose, close_panel, forget_panel, opened, remember
from ui.desk import filter_sources, filter_topics, filters_of
from ui.panel import show_source

with bootstrap.sentences_for_errors():
    desk = bootstrap.desk()
    manifest, topics = desk.manifest, desk.topics
    if not manifest.passages:
        raise IndexMissingError("the library is empty")

    with st.container(horizontal=True, vertical_alignment="bottom", key="bar"):
        question = st.text_input(
            "Your question",
            key="q",
            bind="query-params",
            type="search",
            placeholder="Ask your library",
            max_chars=logic.MAX_QUESTION,
            label_visibility="collapsed",
            on_change=forget_panel,
        )
        remember((question or "").strip())
        with st.popover("Filters", icon=":material/filter_list:", key="filters"):
            kinds = choose("Kind of passage", "kind", PASSAGE_KINDS)
            names = choose("Topic", "topic", filter_topics(topics, manifest))
            sources = choose("Source or folder", "source", filter_sources(manifest))
        with st.popover("History", icon=":material/history:", key="history"):
            ask_buttons("history", st.session_state.get("asked", []))
            if not st.session_state.get("asked"):
                st.caption("The questions of this session will stand here.")

    if not (question or "").strip():
        st.markdown("##### Try one of these", anchors=False)
        ask_buttons("example", desk.examples())
        count = sum(r.passages > 0 for r in manifest.sources)
        st.caption(f"{manifest.passages:,} passages of {count:,} sources. Press / to come back to the field.")
        st.stop()

    reading = desk.read(question or "", filters_of(kinds, names, sources))
    passage, quote = opened(reading.answer)
    if passage and choice():  # opened by hand, not the first citation that opens by itself
        desk.note_opened(reading.answer, passage)
    left, right = st.columns([11, 10], gap="large") if passage else (st.container(), None)
    with left:
        if reading.answer.answered:
            show_answer(desk, reading.answer)
        else:
            show_abstention(reading)
    if passage and right:
        with right:
            show_source(desk, passage, quote, close_panel)
    with left:
        show_next(desk, reading)
        show_passages(desk, reading.answer)
