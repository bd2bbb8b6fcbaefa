"""The parts of the Library page: what is in it, adding to it, its sources, and one source opened."""

from __future__ import annotations

import calendar
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import streamlit as st

from retrieval.errors import PrepdeskError
from retrieval.manifest import Manifest, SourceRecord
from retrieval.types import Locator
from ui import bootstrap, logic, shelf
from ui.desk import Desk
from ui.panel import show_page, show_parts
from ui.people import RoleError, may_edit
from ui.safe_markdown import literal

_AGES = ((86_400, "day"), (3_600, "hour"), (60, "minute"))


def show_facts(facts: dict[str, Any], manifest: Manifest) -> None:
    """Show what the library holds, how old it is, and which model made it."""
    made = calendar.timegm(time.strptime(manifest.created, "%Y-%m-%dT%H:%M:%SZ"))
    st.markdown(
        f"##### {facts['files']:,} sources · {facts['passages']:,} passages · {facts['questions']:,} questions",
        anchors=False,
    )
    st.caption(
        f"Updated {age(made)} · generation {literal(str(facts['generation']))} · {facts['index_mb']:,} MB on disk · "
        f"model {literal(str(facts['model']))} · {literal(logic.short_path(str(facts['home'])))}"
    )


def offer_logout() -> None:
    """Offer to log out to whoever is logged in."""
    if st.user.get("is_logged_in"):
        name = st.user.get("email") or st.user.get("name") or ""
        st.button(f"Log out {literal(str(name))}".strip(), key="logout", type="tertiary", on_click=st.logout)


def show_adding(home: Path) -> None:
    """Offer the ways to add: files from this computer's browser, a folder of the machine the app runs on."""
    upload, folder = st.tabs(["Upload files", "Add a folder"])
    with upload, st.form("upload", border=False, clear_on_submit=True):
        files = st.file_uploader(
            "Files to add",
            type=shelf.accepted(),
            accept_multiple_files=True,
            max_upload_size=shelf.MAX_UPLOAD_MB,
            key="files",
        )
        if st.form_submit_button("Add to the library", type="primary", icon=":material/upload:") and files:
            _keep(home, [(file.name, file.getvalue()) for file in files])
    with folder, st.form("folder", border=False):
        path = st.text_input("Folder on this machine", placeholder="/home/me/notes", key="path")
        st.caption("It stays where it is; only an index of it is made.")
        if st.form_submit_button("Read this folder", type="primary", icon=":material/folder_open:"):
            _add_folder(path or "")


def _keep(home: Path, files: Sequence[tuple[str, bytes]]) -> None:
    refused = []
    kept = 0
    who = bootstrap.person()
    for name, content in files:
        try:
            shelf.keep(home, name, content, by=who)
            kept += 1
        except PrepdeskError as error:
            refused.append(str(error))
    st.session_state["refused"] = list(dict.fromkeys(refused))
    if kept:
        start([shelf.uploads(home)])
    st.rerun()


def _add_folder(path: str) -> None:
    try:
        folder = Path(path.strip()).expanduser()
        there = folder.is_absolute() and folder.exists()
    except (OSError, RuntimeError):  # a name too long, the home of nobody
        there = False
    if not there:
        shown = literal(path.strip()) or "nothing"
        st.warning(f"There is no folder {shown} on this machine; type its whole path.", icon=":material/error:")
        return
    start([folder])
    st.rerun()


def start(roots: Sequence[Path], remove: Sequence[str] = ()) -> None:
    """Start the job, or say that one is running, or that the person may not."""
    try:
        started = bootstrap.jobs().start(roots, by=bootstrap.person(), options=[f"--remove={path}" for path in remove])
    except RoleError as error:
        st.session_state["refused"] = [str(error)]
    else:
        if not started:
            st.session_state["refused"] = ["Another ingest is running; wait for it or cancel it."]


def show_refused() -> None:
    """Say once which files were not taken, and why."""
    for message in st.session_state.pop("refused", []):
        st.warning(literal(message), icon=":material/error:")


def show_failures(manifest: Manifest) -> None:
    """List the files that could not be read, each with its reason."""
    failures = manifest.failures()
    if not failures:
        return
    word = "file" if len(failures) == 1 else "files"
    with st.expander(f"{len(failures)} {word} could not be read", icon=":material/error:", key="failures"):
        for record in failures:
            st.markdown(f"**{literal(record.path)}**  \n{literal(record.error or '')}", anchors=False)


def show_sources(manifest: Manifest) -> SourceRecord | None:
    """Show the sources as a table; return the one that is chosen."""
    wanted = st.text_input("Find a source", placeholder="Find a source", label_visibility="collapsed", key="sought")
    records = [
        r for r in manifest.sources if not r.skipped and (wanted or "").casefold() in f"{r.path} {r.title}".casefold()
    ]
    rows = [
        {
            "Title": record.title or record.path,
            "Kind": record.kind,
            "Passages": record.passages,
            "State": state(record),
            "Changed": age(record.mtime_ns / 1e9),
            "Source": record.path,
        }
        for record in records
    ]
    if not rows:
        st.caption("No source of that name.")
        return None
    event = st.dataframe(
        rows,
        hide_index=True,
        height=min(38 * len(rows) + 40, 430),
        on_select="rerun",
        selection_mode="single-row",
        key="sources",
        alt="The sources of the library",
        column_config={
            "Title": st.column_config.TextColumn(width=210),
            "Kind": st.column_config.TextColumn(width=60),
            "Passages": st.column_config.NumberColumn(width=80),
            "State": st.column_config.TextColumn(width=90),
            "Changed": st.column_config.TextColumn(width=110),
        },
    )
    chosen = event["selection"]["rows"]
    return records[chosen[0]] if chosen and chosen[0] < len(records) else None


def show_source(desk: Desk, record: SourceRecord, home: Path) -> None:
    """Show one source: what was read of it, and taking it out."""
    with st.container(border=True, key="panel"):
        st.markdown(f"**{logic.label(record.title or record.path)}**", anchors=False)
        st.caption(f"{literal(record.file)} · {record.size / 1024:,.0f} KB")
        if may_edit(bootstrap.person()):
            _offer_changes(record, home)
        for note in (record.error, *record.warnings):
            if note:
                st.warning(literal(note), icon=":material/error:")
        if record.same_as:
            st.caption(f"Its content is that of {literal(record.same_as)}, which is indexed.")
        if not record.passages:
            return
        text = desk.text(record.path)
        if record.file.lower().endswith(".pdf"):
            page = st.number_input("Page", min_value=1, value=1, step=1, key=f"page-{record.path}")
            if show_page(desk, Locator(record.path, record.title, (0, 0), page=int(page)), ""):
                return
        pages = logic.text_pages(text)
        part = st.number_input("Part", 1, len(pages), 1, key=f"part-{record.path}") if len(pages) > 1 else 1
        show_parts(logic.excerpt(text, pages[int(part) - 1], path=record.path, context=0))


def _offer_changes(record: SourceRecord, home: Path) -> None:
    with st.container(horizontal=True):
        if st.button("Read again", icon=":material/refresh:", key="again"):
            start([Path(record.root)] if Path(record.root).is_dir() else [Path(record.file)])
            st.rerun()
        _offer_removal(record, home)


def _offer_removal(record: SourceRecord, home: Path) -> None:
    own = Path(record.root) == shelf.uploads(home).resolve()
    with st.popover("Remove", icon=":material/delete:", key="removal"):
        if own:
            st.markdown("The uploaded file is deleted, and its passages leave the library.")
        else:
            st.markdown("Its passages leave the library. The file stays, and comes back when its folder is read again.")
            if record.root != record.file:
                st.caption(
                    "To leave it out for good, name it in a .prepignore file at the top of the folder you ingested: "
                    + literal(logic.short_path(record.root))
                )
        if st.button("Remove it", type="primary", key="remove"):
            start([], remove=[record.path])
            st.rerun()


def age(seconds: float) -> str:
    """Return how long ago a moment was, in the largest unit that fits."""
    past = max(0.0, time.time() - seconds)
    for length, name in _AGES:
        if past >= length:
            count = int(past // length)
            return f"{count:,} {name}{'s' if count > 1 else ''} ago"
    return "just now"


def state(record: SourceRecord) -> str:
    """Return in a word or two how a source stands."""
    if record.error:
        return "old version kept" if record.passages else "not readable"
    if record.same_as:
        return f"same as {record.same_as}"
    return f"{len(record.warnings)} notes" if record.warnings else "read"
