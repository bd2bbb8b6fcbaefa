"""The parts of the Practice page: what to practise, a question, its reference answer beside what was typed, grades."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

import streamlit as st

from retrieval import coverage
from ui import bootstrap, logic, practice
from ui.anki import anki_text
from ui.desk import Desk
from ui.panel import show_source
from ui.practice import ORDERS, Card, Counts, Order, Review
from ui.reviews import GRADES, Reviews, Standing
from ui.safe_markdown import inline, literal

_MOST_TYPED = 5000  # characters
_MEANING = {
    "again": "I did not know it",
    "hard": "I knew it with effort, or parts of it",
    "good": "I knew it",
    "easy": "I knew it at once",
}


def choose_cards(desk: Desk, cards: Sequence[Card]) -> tuple[list[Card], Order]:
    """Offer what to practise; return the questions it leaves and the order they come in."""
    topics = practice.topics_of(cards, desk.topics)
    levels = practice.difficulties_of(cards)
    with st.container(horizontal=True, vertical_alignment="bottom", key="bar"):
        names = st.multiselect("Topics", list(topics), placeholder="All topics", key="on", bind="query-params")
        hard = (
            st.multiselect("Difficulty", levels, placeholder="Any difficulty", key="level", bind="query-params")
            if levels
            else []
        )
        order = st.segmented_control("Order", list(ORDERS), format_func=ORDERS.__getitem__, default="due", key="order")
    return practice.chosen(cards, topics, names, hard), order or "due"


def show_counts(counts: Counts, pool: Sequence[Card], desk: Desk) -> None:
    """Say how the chosen questions stand, and offer them for Anki."""
    with st.container(horizontal=True, vertical_alignment="center"):
        told = f"{counts.total:,} questions · {counts.due:,} due · {counts.weak:,} weak · {counts.new:,} new"
        st.caption(told, width="stretch")
        st.download_button(
            "Export to Anki",
            lambda: anki_text(desk.notes(pool), "Prepdesk"),
            file_name="prepdesk-anki.txt",
            mime="text/plain",
            key="anki",
            icon=":material/download:",
            type="tertiary",
            on_click="ignore",
            disabled=not pool,
            help="The chosen questions as a text file; in Anki: File, Import",
        )


def current(pool: Sequence[Card], standings: Mapping[str, Standing], order: Order, now: datetime) -> Card | None:
    """Return the question that stands on the page: the one drawn before while it is among the chosen, else the next."""
    state = st.session_state
    if state.get("drawn_in") == order and (same := next((c for c in pool if c.key == state.get("card")), None)):
        return same
    skipped: set[str] = state.setdefault("skipped", set())
    card = practice.draw([c for c in pool if c.key not in skipped], standings, order, now)
    if card is None and skipped:
        skipped.clear()
        card = practice.draw(pool, standings, order, now)
    state["card"], state["drawn_in"] = (card.key if card else None), order
    state.pop("shown", None)
    return card


def show_nothing(counts: Counts, order: Order, now: datetime) -> None:
    """Say why no question comes, and when the next one does."""
    if not counts.total:
        st.info("No question has both this topic and this difficulty; choose more.", icon=":material/school:")
    elif order == "weak":
        st.info("Nothing was weak so far.", icon=":material/school:")
    elif order == "new":
        st.info("You have seen every one of these questions.", icon=":material/school:")
    else:
        wait = practice.wait_words(counts.next_due - now) if counts.next_due else ""
        st.info(f"Nothing is due now. The next question comes in {wait}.", icon=":material/school:")


def show_question(card: Card, standing: Standing | None, now: datetime) -> None:
    """Show a question with a field to answer in; nothing of the answer is on the page."""
    _head(card, standing, now)
    with st.form("try", border=False):
        typed = st.text_area(
            "Your answer",
            key=f"mine-{card.key}",
            height=150,
            max_chars=_MOST_TYPED,
            placeholder="Type your answer, or only think it",
        )
        with st.container(horizontal=True):
            done = st.form_submit_button("Show the answer", type="primary", icon=":material/visibility:")
            other = st.form_submit_button("Another question", type="tertiary", icon=":material/skip_next:")
    if done:
        bootstrap.count_question(("practice", card.key, typed))
        st.session_state["shown"] = typed or ""
        st.session_state.pop("point", None)
        st.rerun()
    if other:
        st.session_state["skipped"].add(card.key)
        st.session_state.pop("card")
        st.rerun()


def show_answer(desk: Desk, card: Card, standing: Standing | None, reviews: Reviews, now: datetime) -> None:
    """Show the reference answer with its key points marked, its source beside it, and the grades."""
    typed = str(st.session_state["shown"])
    review = desk.review(card, typed)
    if review is None:
        st.warning("This question has just left the library; take another one.", icon=":material/error:")
        st.session_state.pop("card")
        return
    left, right = st.columns([11, 10], gap="large")
    with left:
        _head(card, standing, now)
        if typed.strip():
            with st.container(border=True, key="typed"):
                st.markdown("  \n".join(literal(line) for line in typed.strip().splitlines()), anchors=False)
        _points(review, typed)
        _grades(card, reviews, now)
    with right:
        chosen = st.session_state.get("point")
        quote = next((p.citation.locator for p in review.points if p.citation.n == chosen), None)
        show_source(desk, review.answer, quote, context=0)


def _head(card: Card, standing: Standing | None, now: datetime) -> None:
    st.subheader(logic.label(card.question), anchor=False)
    told = [literal(card.difficulty)] if card.difficulty else []
    if standing:
        told += [f"asked {standing.reviews} times before" if standing.reviews > 1 else "asked once before"]
        told += ["due" if standing.due <= now else f"due in {practice.wait_words(standing.due - now)}"]
    else:
        told += ["new"]
    st.caption(" · ".join(told))


def _points(review: Review, typed: str) -> None:
    """List the key points in reading order, marked where something was typed, with the buttons that open them."""
    heading = f"Key points: you cover {review.covered} of {len(review.points)}" if typed.strip() else "Key points"
    if not review.points:
        st.caption("The reference answer stands beside; it has no sentences to compare with.")
        return
    st.markdown(f"###### {heading}", anchors=False)
    with st.container(key="answer"):
        marks = {True: ":green-badge[:material/check: covered] ", False: ":gray-badge[not found] ", None: ""}
        for point in review.points:
            st.markdown(f"{marks[point.covered]}{inline(point.citation.quote)} :blue-badge[{point.citation.n}]")
        with st.container(horizontal=True, gap="xsmall"):
            for point in review.points:
                n, where = point.citation.n, logic.position(point.citation.locator)
                st.button(
                    f"{n} · {where}" if where else str(n),
                    key=f"cite-{n}",
                    type="primary" if n == st.session_state.get("point") else "secondary",
                    on_click=_open,
                    args=(n,),
                )
    if typed.strip():
        st.caption(practice.honesty(coverage.load()))


def _open(number: int) -> None:
    st.session_state["point"] = number


def _grades(card: Card, reviews: Reviews, now: datetime) -> None:
    waits = reviews.waits(card.question, now)
    st.markdown("###### How well did you know it?", anchors=False)
    with st.container(horizontal=True, gap="small", key="grades"):
        for n, grade in enumerate(GRADES, 1):
            label = f"{grade.capitalize()} · {practice.wait_words(waits[grade])}"
            if st.button(label, key=f"grade-{grade}", shortcut=str(n), help=_MEANING[grade]):
                reviews.grade(card.question, grade, now)
                for name in ("card", "shown", "point"):
                    st.session_state.pop(name, None)
                st.rerun()
