"""What lives as long as the process: the open library, the job behind the app. Every st.cache_resource stands here."""

from __future__ import annotations

import os
import threading
from collections.abc import Hashable, Iterator
from contextlib import contextmanager
from pathlib import Path

import streamlit as st

from retrieval.errors import IndexMissingError, PrepdeskError
from retrieval.library import default_home, quiet
from retrieval.llm import LanguageModel
from retrieval.store import Store
from ui.desk import Desk
from ui.drafts import Drafts
from ui.history import History
from ui.jobs import EVALUATE, Jobs
from ui.login import required
from ui.model_choice import configured
from ui.pdf_page import PagePicture, check_version, draw
from ui.people import Pace, Person, folder_of, person_of
from ui.reviews import Reviews
from ui.safe_markdown import literal
from ui.stores import CHROMA, find_store

COUNTED = "counted"  # of the session: the question that stands on the page and was counted


def folder() -> str:
    """Return the folder that the environment names, or the person's own."""
    return os.environ.get("PREP_INDEX") or str(default_home())


def server() -> str | None:
    """Return the address of the server that keeps the library; None where the folder does."""
    return os.environ.get(CHROMA) or None


def store() -> Store:
    """Return the library that this process serves, in the folder or on a server."""
    return _store(folder(), server())


def home() -> Path:
    """Return where this machine keeps what belongs to the library: uploads, what was practised, evaluations."""
    return store().path


def desk() -> Desk:
    """Return the library that all sessions share. Raises what Library raises."""
    return _desk(folder(), server())


def has_index() -> bool:
    """Tell whether anything was ever ingested; where that cannot be told, the page tells why."""
    try:
        return store().current_name() is not None
    except PrepdeskError:
        return True


def jobs() -> Jobs:
    """Return the runner of background ingests that all sessions share."""
    return _jobs(folder())


def evaluations() -> Jobs:
    """Return the runner of background evaluations that all sessions share."""
    return _evaluations(folder())


def model() -> LanguageModel | None:
    """Return the language model that the environment names, None where it names none.

    Raises QueryError or ModelError where it is set wrongly.
    """
    return _model(os.environ.get("PREP_LLM_URL", ""), os.environ.get("PREP_LLM_MODEL", ""))


def drafts() -> Drafts:
    """Return the answers that a model wrote, shared by all sessions."""
    return _drafts(str(home()))


def page_picture(file: Path, sha256: str, page: int, quote: str) -> PagePicture | None:
    """Return a page of a PDF with a quote marked, None where it cannot be drawn; drawn once for each version.

    Raises ReadError where the file is gone, or is another version than that of the hash.
    """
    return _picture(str(file), sha256, page, quote)


def require_login() -> None:
    """Let nothing of the library be seen before a login, where one is set up."""
    from ui.greeting import ask_to_log_in

    with sentences_for_errors():
        login = required()
        if login and not st.user.get("is_logged_in"):
            ask_to_log_in(login)
            st.stop()
        who = person()
        if who and st.session_state.setdefault("owner", who.id) != who.id:
            st.session_state.clear()  # a session that goes on under another login takes nothing along
            st.session_state["owner"] = who.id


def person() -> Person | None:
    """Return who is logged in, by the claims of this session; None where no login is asked for.

    Raises RoleError where the login names nobody.
    """
    login = required()
    return person_of(st.user.to_dict(), login.rules) if login else None


def reviews() -> Reviews:
    """Return what the person practised."""
    return Reviews(folder_of(home(), person()))


def history() -> History | None:
    """Return what the person asked; None without a login, where the session alone remembers."""
    who = person()
    return History(folder_of(home(), who)) if who else None


def count_question(asked: Hashable) -> None:
    """Count a question of who is logged in, once as long as it stands. Raises PaceError past the limit."""
    login, who = required(), person()
    if login and who and st.session_state.get(COUNTED) != (who.id, asked):
        _pace().count(who, login.rules.questions_a_minute)
        st.session_state[COUNTED] = (who.id, asked)


@contextmanager
def sentences_for_errors() -> Iterator[None]:
    """Show an error of ours as one sentence and end the page there; a missing index gets the greeting."""
    from ui.greeting import greet

    try:
        yield
    except IndexMissingError:
        greet()
        st.stop()
    except PrepdeskError as error:
        message = literal(str(error))
        st.warning(message[:1].upper() + message[1:], icon=":material/error:")
        st.stop()


@st.cache_resource(show_spinner=False)
def _store(folder: str, chroma: str | None) -> Store:
    return find_store(Path(folder), chroma)


@st.cache_resource(show_spinner="Opening the library")
def _desk(folder: str, chroma: str | None) -> Desk:
    quiet()
    opened = Desk(_store(folder, chroma))
    threading.Thread(target=_warm, args=(opened,), name="prepdesk-warm", daemon=True).start()
    return opened


def _warm(opened: Desk) -> None:
    """Load what the first question needs while the person still types it; what fails here is told when they ask."""
    try:
        opened.warm()
    except PrepdeskError:
        return


@st.cache_resource(show_spinner=False)
def _jobs(folder: str) -> Jobs:
    return Jobs(Path(folder))


@st.cache_resource(show_spinner=False)
def _pace() -> Pace:
    return Pace()


@st.cache_resource(show_spinner=False)
def _evaluations(folder: str) -> Jobs:
    return Jobs(Path(folder), EVALUATE)


@st.cache_resource(show_spinner=False)
def _model(url: str, name: str) -> LanguageModel | None:  # noqa: ARG001 (another name in the environment, another model)
    return configured()


@st.cache_resource(show_spinner=False)
def _drafts(folder: str) -> Drafts:  # noqa: ARG001 (another library, other answers)
    return Drafts()


@st.cache_resource(show_spinner=False, max_entries=64)
def _picture(file: str, sha256: str, page: int, quote: str) -> PagePicture | None:
    check_version(Path(file), sha256)
    return draw(Path(file), page, quote)
