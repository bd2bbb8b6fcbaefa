"""Practice: a question with its answer hidden, then the reference answer, and when the question comes again."""

from __future__ import annotations

from datetime import UTC, datetime

import streamlit as st

from ui import bootstrap, practice
from ui.practice_view import choose_cards, current, show_answer, show_counts, show_nothing, show_question

with bootstrap.sentences_for_errors():
    desk = bootstrap.desk()
    cards = desk.cards()
    if not cards:
        st.info(
            "The library asks nothing yet: add a question bank, or notes with questions.",
            icon=":material/school:",
        )
        st.stop()
    reviews, now = bootstrap.reviews(), datetime.now(UTC)
    standings = reviews.standings(now)
    pool, order = choose_cards(desk, cards)
    counts = practice.count(pool, standings, now)
    show_counts(counts, pool, desk)
    card = current(pool, standings, order, now)
    if card is None:
        show_nothing(counts, order, now)
    elif "shown" in st.session_state:
        show_answer(desk, card, standings.get(card.key), reviews, now)
    else:
        show_question(card, standings.get(card.key), now)
