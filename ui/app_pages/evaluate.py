"""Evaluate: run questions with known answers through the library, and read what the runs say."""

from __future__ import annotations

import streamlit as st

from ui import bootstrap
from ui.evaluate_view import choose_run, offer_run, show_end, show_misses, show_run, show_verdicts
from ui.evaluations import load_all
from ui.greeting import show_progress
from ui.people import may_edit

with bootstrap.sentences_for_errors():
    bootstrap.desk()
    runs, unread = load_all(bootstrap.home())
    if bootstrap.evaluations().progress.state == "running":
        show_progress(bootstrap.evaluations())
    else:
        show_end()
        if may_edit(bootstrap.person()):
            offer_run(first=not runs)
    if not runs:
        st.caption("No run is kept yet. A run takes about a minute for 300 questions in three ways to search.")
        st.stop()
    run = choose_run(runs, unread)
    show_run(run)
    show_verdicts(run, runs)
    show_misses(run.misses, run.modes[0].mode)
