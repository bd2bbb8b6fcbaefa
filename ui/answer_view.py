"""The parts of the Ask page: answer, abstention, what to ask next, and the other passages."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from retrieval.types import Answer, Citation, Hit
from ui import logic
from ui.ask_state import ask, choice, follow, follow_field, open_citation, open_passage
from ui.desk import Desk, Reading
from ui.export import export_markdown, file_name
from ui.panel import show_parts
from ui.safe_markdown import literal

_ARROW = ":material/arrow_forward:"
_BESIDE = ":material/right_panel_open:"
_NOT_COVERED = "**Your library does not cover this.** Rather than guess, here is what lies nearest."


def show_answer(desk: Desk, answer: Answer) -> None:
    """Show an answer in quotes, under each paragraph the buttons that open its sources."""
    with st.container(key="answer"):
        for paragraph in logic.paragraphs(answer, desk.text):
            st.markdown(paragraph.markdown, anchors=False)
            show_sources(paragraph.citations, logic.section(paragraph.citations[0].locator))
    show_foot(desk, answer)


def show_sources(citations: Sequence[Citation], section: str) -> None:
    """Show the buttons that open citations of one section, and its name."""
    current = choice() or "1"
    with st.container(horizontal=True, vertical_alignment="center", gap="xsmall"):
        for citation in citations:
            where = logic.position(citation.locator)
            st.button(
                f"{citation.n} · {where}" if where else str(citation.n),
                key=f"cite-{citation.n}",
                type="primary" if str(citation.n) == current else "secondary",
                help=f"Open source {citation.n}: {logic.place(citation.locator)}",
                on_click=open_citation,
                args=(citation.n,),
            )
        st.caption(section, width="content")


def show_foot(desk: Desk, answer: Answer) -> None:
    """Show how sure an answer is, and the button that saves it."""
    with st.container(horizontal=True, vertical_alignment="center"):
        st.caption(logic.confidence_words(answer), width="content")
        st.download_button(
            "Export",
            export_markdown(answer, desk.text),
            file_name=file_name(answer.question),
            mime="text/markdown",
            key="export",
            icon=":material/download:",
            type="tertiary",
            on_click="ignore",
            help="Save the answer with its citations as Markdown",
        )


def show_abstention(reading: Reading) -> None:
    """Say calmly that the library does not cover a question, and offer the nearest topics."""
    with st.container(key="abstention"):
        st.info(_NOT_COVERED, icon=":material/menu_book:")
        if reading.nearest:
            st.markdown("###### Nearest topics", anchors=False)
            show_topics([(t.id, literal(t.name), "") for t in reading.nearest])


def show_topics(topics: list[tuple[str, str, str]]) -> None:
    """Show topics (id, safe name, reason) as buttons that lead to their page."""
    with st.container(horizontal=True, gap="xsmall"):
        for id_, name, why in topics:
            if st.button(name, key=f"topic-{id_}", help=literal(why) or None):
                st.switch_page("app_pages/topics.py", query_params={"t": id_})


def ask_buttons(name: str, questions: Sequence[str]) -> None:
    """Show questions as a list of buttons that ask them."""
    with st.container(gap="xxsmall"):
        for n, question in enumerate(questions):
            st.button(
                logic.label(question),
                key=f"ask-{name}-{n}",
                icon=_ARROW,
                type="tertiary",
                wrap=True,
                on_click=ask,
                args=(question,),
            )


def ask_elsewhere(questions: Sequence[str]) -> None:
    """Show questions as buttons that ask them on the Ask page, from any other page."""
    with st.container(gap="xxsmall"):
        for n, question in enumerate(questions):
            if st.button(logic.label(question), key=f"ask-there-{n}", icon=_ARROW, type="tertiary", wrap=True):
                st.switch_page("app_pages/ask.py", query_params={"q": question})


def show_next(desk: Desk, reading: Reading) -> None:
    """Offer questions nearby, and topics related to the one the answer came from."""
    around = desk.around(reading)
    if around.follow_ups:
        heading = "Ask next" if reading.answer.answered else "Questions your library answers"
        st.markdown(f"###### {heading}", anchors=False)
        ask_buttons("next", around.follow_ups)
    if around.related:
        st.markdown("###### Related topics", anchors=False)
        topics = desk.topics.topics
        show_topics([(r.topic.id, logic.topic_name(r.topic, topics), "; ".join(r.reasons)) for r in around.related])


def show_follow_up() -> None:
    """Offer a field for a follow-up; what it leaves out is taken from the question it follows."""
    key = follow_field()
    st.text_input(
        "Follow up",
        key=key,
        placeholder="Follow up, like: why does it help?",
        max_chars=logic.MAX_QUESTION,
        label_visibility="collapsed",
        on_change=follow,
        args=(key,),
    )


def show_passages(desk: Desk, answer: Answer) -> None:
    """List the passages that were found but not cited, each with why it was."""
    cited = {c.passage_id for c in answer.citations}
    others = [hit for hit in answer.hits if hit.passage.id not in cited]
    if not others:
        return
    st.markdown("###### Other passages" if answer.answered else "###### Closest passages", anchors=False)
    with st.container(key="passages", gap="xsmall"):
        for hit in others:
            locator = hit.passage.locator
            with st.expander(logic.place(locator)):
                show_parts(logic.excerpt(desk.text(locator.path), locator.span, context=0, path=locator.path))
                with st.container(horizontal=True):
                    st.button(
                        "Open beside", key=f"open-{hit.rank}", icon=_BESIDE, on_click=open_passage, args=(hit.rank,)
                    )
                    with st.popover("Why this?", key=f"why-{hit.rank}"):
                        _why(answer.question, hit)


def _why(question: str, hit: Hit) -> None:
    reason = logic.reason(question, hit)
    st.markdown(f"Rank {hit.rank}, score **{hit.score:.3f}**")
    st.markdown(
        "| Score | |\n|---|---:|\n"
        f"| Dense: nearness in meaning (cosine, of its question where that is nearer) | {hit.scores.dense:.3f} |\n"
        f"| Lexical: words and letters (BM25 from 0 to 1, held to the best passage and to a full match) "
        f"| {hit.scores.lexical:.3f} |\n"
        f"| Names what is asked; a list of references, many of one source | {hit.scores.settled:+.3f} |\n"
        f"| Fused: what the rank goes by | {hit.score:.3f} |"
    )
    if reason.terms:
        st.markdown("Your words in it: " + ", ".join(f"**{literal(t)}**" for t in reason.terms))
    if reason.near:
        st.markdown("Words spelled like yours: " + ", ".join(literal(t) for t in reason.near))
    if not (reason.terms or reason.near):
        st.markdown("None of your words stand in it; it was found by its meaning.")
    if hit.also:
        st.markdown("The same, or almost, also stands in: " + "; ".join(logic.place(a) for a in hit.also))
