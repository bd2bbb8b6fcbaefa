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
from ui.people import may_edit

home = bootstrap.home()
editor = may_edit(bootstrap.person())
running = bootstrap.jobs().progress.state == "running"
empty = not bootstrap.has_index()
if not empty:  # the greeting shows both itself
    if running:
        show_progress()
    show_outcome()
show_refused()
if editor and not running:
    with st.expander("Add to the library", icon=":material/add:", expanded=empty, key="adding"):
        show_adding(home)

with bootstrap.sentences_for_errors():
    desk = bootstrap.desk()
    manifest = desk.manifest
    show_facts(desk.facts(), manifest)
    if not editor:
        st.caption("You may read this library; its editors add to it and take out of it.")
    offer_logout()
    show_failures(manifest)
    left, right = st.columns([12, 10], gap="large")
    with left:
        chosen = show_sources(manifest)
        if editor and not running and st.button("Read all folders again", icon=":material/refresh:", key="all"):
            start(shelf.roots(home, manifest))
            st.rerun()
    with right:
        if chosen:
            show_source(desk, chosen, home)
        else:
            st.caption("Choose a source to read it here.")
