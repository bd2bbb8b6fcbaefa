"""Library: what is in it, adding and removing, and one source opened."""

from __future__ import annotations

import streamlit as st

from ui import bootstrap, shelf
from ui.greeting import show_outcome, show_progress
from ui.library_view import (
    offer_logout,
    show_adding,
    show_facts,
    show_failures,
    show_refused,
    show_source,
    show_sources,
    start,
)

home = bootstrap.home()
running = bootstrap.jobs().progress.state == "running"
if running:
    show_progress()
show_outcome()
show_refused()
if not running:
    with st.expander("Add to the library", icon=":material/add:", expanded=not bootstrap.has_index(), key="adding"):
        show_adding(home)

with bootstrap.sentences_for_errors():
    desk = bootstrap.desk()
    manifest = desk.manifest
    show_facts(desk.facts(), manifest)
    offer_logout()
    show_failures(manifest)
    left, right = st.columns([12, 10], gap="large")
    with left:
        chosen = show_sources(manifest)
        if not running and st.button("Read all folders again", icon=":material/refresh:", key="all"):
            start(shelf.roots(manifest))
            st.rerun()
    with right:
        if chosen:
            show_source(desk, chosen, home)
        else:
            st.caption("Choose a source to read it here.")
