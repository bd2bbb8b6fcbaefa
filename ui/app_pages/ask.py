"""Ask: a question, its answer with numbered citations, and the page each one comes from beside it."""

from __future__ import annotations

import streamlit as st

from retrieval.errors import IndexMissingError
from retrieval.types import PASSAGE_KINDS
from ui import bootstrap, logic
from ui.answer_view import ask_buttons
from ui.ask_state import ask, choose, followed, forget_panel, remember, talk, typed_instead
from ui.filters import filter_sources, filter_topics, filters_of
from ui.reading_view import show_reading, show_writing
from ui.safe_markdown import literal
from ui.written_view import draft_of

with bootstrap.sentences_for_errors():
    desk = bootstrap.desk()
    followed(bootstrap.model())
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
        asked = (question or "").strip()
        with st.popover("Filters", icon=":material/filter_list:", key="filters"):
            kinds = choose("Kind of passage", "kind", PASSAGE_KINDS)
            names = choose("Topic", "topic", filter_topics(topics, manifest))
            sources = choose("Source or folder", "source", filter_sources(manifest))
        filters = filters_of(kinds, names, sources)
        if asked:
            bootstrap.count_question((asked, filters))
        remember(asked, bootstrap.history())
        with st.popover("History", icon=":material/history:", key="history"):
            ask_buttons("history", st.session_state.get("asked", []))
            if not st.session_state.get("asked"):
                st.caption("What you ask will stand here.")

    if not asked:
        st.markdown("##### Try one of these", anchors=False)
        ask_buttons("example", desk.examples())
        count = sum(r.passages > 0 for r in manifest.sources)
        st.caption(f"{manifest.passages:,} passages of {count:,} sources. Press / to come back to the field.")
        st.stop()

    talk(asked)
    reading = desk.read(asked, filters)
    draft = draft_of(desk, reading)
    if typed := typed_instead(asked):
        with st.container(horizontal=True, vertical_alignment="center", gap="xsmall", key="searched"):
            st.caption(f"You asked “{literal(typed)}”; searched: “{literal(asked)}”", width="content")
            st.button("Search my words alone", key="alone", type="tertiary", on_click=ask, args=(typed,))
    if draft and not draft.done:
        show_writing(desk, reading, draft)
    else:
        show_reading(desk, reading, draft)
