"""What an empty library says: two ways to fill it; and the progress of an ingest, wherever it is shown."""

from __future__ import annotations

import streamlit as st

from ui import bootstrap
from ui.jobs import Jobs
from ui.login import Login
from ui.people import may_edit
from ui.safe_markdown import literal


def greet() -> None:
    """Greet a person whose library is empty."""
    st.title("Your library is empty", anchor=False)
    st.markdown("Prepdesk answers from your own material and shows the page each answer comes from.")
    if bootstrap.jobs().progress.state == "running":
        show_progress()
        return
    if not may_edit(bootstrap.person()):
        st.markdown("Its editors can fill it. Reload this page once they have.")
        return
    st.markdown("There are two ways to fill it:")
    own, bundled = st.columns(2, gap="medium")
    with own.container(border=True, height="stretch"):
        st.subheader("Your own material", anchor=False)
        st.markdown("Guides, notes, question banks and PDF books, in any folders. In a terminal:")
        server = bootstrap.server()
        st.code(f"prep ingest ~/notes --chroma {server}" if server else "prep ingest ~/notes", language="bash")
        where = "" if server else " Nothing leaves this machine."
        st.caption(f"Then reload this page, or add files on the Library page.{where}")
    with bundled.container(border=True, height="stretch"):
        st.subheader("The bundled corpus", anchor=False)
        st.markdown("Guides and questions on machine learning, statistics and LLM systems.")
        build = st.button("Build the bundled corpus", type="primary", key="build")
        st.caption("It takes a minute or two, once.")
    if build:
        _build()
        st.rerun()
    show_outcome()


def ask_to_log_in(login: Login) -> None:
    """Ask for a login, with a button for every provider."""
    st.title("Log in to read this library", anchor=False)
    for provider in login.providers:
        name = f"Log in with {literal(provider)}" if provider else "Log in"
        st.button(name, type="primary", key=f"login-{provider}", on_click=st.login, args=(provider,))


def _build() -> None:
    from ingest.bundled import bundled_corpus

    bootstrap.jobs().start([bundled_corpus()], by=bootstrap.person())


@st.fragment(run_every=0.7)
def show_progress(jobs: Jobs | None = None) -> None:
    """Show a running job, by default the ingest, with a way to cancel it; reload the page when it ends."""
    jobs = jobs or bootstrap.jobs()
    progress = jobs.progress
    if progress.state != "running":
        st.rerun()
    with st.container(border=True, key="progress"):
        st.progress(progress.share, text=progress.words)
        with bootstrap.sentences_for_errors():
            who = bootstrap.person()
            if may_edit(who) and st.button("Cancel", icon=":material/close:", key="cancel"):
                jobs.cancel(by=who)
                st.rerun()
        st.caption("What is already in the library stays as it is until this is finished.")


def show_outcome() -> None:
    """Say how the last ingest ended, if there was one."""
    progress = bootstrap.jobs().progress
    if progress.state == "failed":
        st.warning(literal(progress.error), icon=":material/error:")
    elif progress.state == "cancelled":
        st.info("Cancelled. Nothing in the library has changed.", icon=":material/info:")
    elif progress.state == "done":
        report = progress.report
        counts = {"new": "new", "changed": "changed", "removed": "removed", "failed": "not readable"}
        told = ", ".join(f"{len(report[key])} {name}" for key, name in counts.items() if report[key])
        told = told or "nothing had changed"
        st.success(f"Done: {told}; {report['passages']:,} passages in the library.", icon=":material/check:")
