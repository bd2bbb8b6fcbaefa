"""Which question is asked and which source stands open. Both are in the address: `q`, and `c` for the source.

`c` is the number of a citation, `p3` the passage at rank 3, `0` a closed panel; without it
the first citation is open.
"""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from retrieval.errors import StorageError
from retrieval.followups import standalone
from retrieval.llm import LanguageModel
from retrieval.types import Answer, Locator
from ui import bootstrap, logic
from ui.history import MOST, History
from ui.people import PaceError
from ui.safe_markdown import literal


def ask(question: str) -> None:
    """Put a question into the field, as a callback of a button."""
    st.session_state["q"] = question
    forget_panel()


def choose(name: str, key: str, options: Sequence[str]) -> list[str]:
    """Offer a filter that stands in the address."""
    return st.multiselect(name, options, key=key, bind="query-params", on_change=forget_panel)


def follow_field() -> str:
    """Return the key of the field of follow-ups; a new one, and so an empty field, after each that was asked."""
    return f"follow-{st.session_state.get('follows', 0)}"


def follow(key: str) -> None:
    """Keep what was typed into the field of follow-ups, as its callback; `followed` makes it a question.

    A field that is gone can call once more: the browser sends its text along until it learns that it is.
    """
    if key == follow_field():
        st.session_state["follows"] = st.session_state.get("follows", 0) + 1
        st.session_state["following"] = str(st.session_state[key] or "").strip()


def followed(model: LanguageModel | None) -> None:
    """Put a follow-up into the field as a question that stands alone; called before the field is drawn."""
    if not (typed := st.session_state.pop("following", "")):
        return
    try:
        if model:
            bootstrap.count_question(("follow", typed))
    except PaceError:
        model = None  # the page says so where it counts the question itself
    with st.spinner("Reading it together with the question before"):
        searched = standalone(typed, st.session_state.get("talk", []), model)
    st.session_state["followed"] = (typed, searched)
    ask(searched)


def talk(question: str) -> None:
    """Add a question to the conversation, as it is searched; one that is no follow-up begins a new one."""
    said: list[str] = st.session_state.get("talk", [])
    if question in said:
        said = said[: said.index(question) + 1]
    elif st.session_state.get("followed", ("", ""))[1] == question:
        said = [*said, question]
    else:
        said = [question]
    st.session_state["talk"] = said


def typed_instead(question: str) -> str:
    """Return what was typed where a question was searched in other words, or nothing."""
    typed, searched = st.session_state.get("followed", ("", ""))
    return typed if searched == question != typed else ""


def open_citation(number: int) -> None:
    st.query_params["c"] = str(number)


def open_passage(rank: int) -> None:
    st.query_params["c"] = f"p{rank}"


def close_panel() -> None:
    st.query_params["c"] = "0"


def forget_panel() -> None:
    """Let the next answer open its first citation."""
    st.query_params.pop("c", None)


def choice() -> str:
    """Return what the address says is open."""
    return str(st.query_params.get("c", ""))


def remember(question: str, history: History | None) -> None:
    """Put a question at the head of the history: that of the person, where there is one, or of the session.

    A history that cannot be kept is told, and keeps no question from its answer.
    """
    try:
        if "asked" not in st.session_state:
            st.session_state["asked"] = history.questions() if history else []
        asked: list[str] = st.session_state["asked"]
        if question and question not in asked[:1]:
            st.session_state["asked"] = [question, *(q for q in asked if q != question)][:MOST]
            if history:
                history.add(question)
    except StorageError as error:
        st.session_state.setdefault("asked", [])
        st.toast(literal(str(error)), icon=":material/error:")


def opened(answer: Answer) -> tuple[Locator | None, Locator | None]:
    """Return the passage that is open and the quote to mark in it; both None where the panel is closed."""
    wanted = choice()
    if wanted == "0" or (not answer.answered and not wanted.startswith("p")):
        return None, None
    hits = {hit.passage.id: hit.passage.locator for hit in answer.hits}
    if wanted.startswith("p"):  # the whole passage is marked: it must be told from what stands around it
        passage = next((h.passage.locator for h in answer.hits if f"p{h.rank}" == wanted), None)
        return passage, passage
    citation = logic.cited(answer, int(wanted) if wanted.isdecimal() else 1) or logic.cited(answer, 1)
    if citation is None:
        return None, None
    return hits.get(citation.passage_id, citation.locator), citation.locator
