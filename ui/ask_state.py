"""Which question is asked and which source stands open. Both are in the address: `q`, and `c` for the source.

`c` is the number of a citation, `p3` the passage at rank 3, `0` a closed panel; without it
the first citation is open.
"""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from retrieval.types import Answer, Locator
from ui import logic

_HISTORY = 30


def ask(question: str) -> None:
    """Put a question into the field, as a callback of a button."""
    st.session_state["q"] = question
    forget_panel()


def choose(name: str, key: str, options: Sequence[str]) -> list[str]:
    """Offer a filter that stands in the address."""
    return st.multiselect(name, options, key=key, bind="query-params", on_change=forget_panel)


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


def remember(question: str) -> None:
    """Put a question at the head of the history of the session."""
    asked: list[str] = st.session_state.setdefault("asked", [])
    if question and question not in asked[:1]:
        st.session_state["asked"] = [question, *(q for q in asked if q != question)][:_HISTORY]


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
