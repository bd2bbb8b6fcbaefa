"""Checks of a library on a Chroma server, and the mending that needs no embedding."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

from ingest.doctor import Finding, encoder_finding
from ingest.pipeline import ingest
from ingest.writer import damaged_files
from retrieval.errors import IndexCorruptError, PrepdeskError
from retrieval.manifest import Manifest
from retrieval.server_index import Records
from retrieval.server_lexical import ServerLexical
from retrieval.server_store import LACKS_PASSAGES, ServerStore
from retrieval.topics import TopicTree

_FIX = "run: prep doctor --fix"


def examine_server(store: ServerStore, *, fix: bool) -> list[Finding]:
    """Check a library on a server and its mirror here; with `fix` mend both. Raises IndexMissingError, ServerError."""
    return list(_checks(store, fix=fix))


def _checks(store: ServerStore, *, fix: bool) -> Iterator[Finding]:
    folder = store.current()
    yield Finding("live version", True, f"{folder.name} at {store.place}")
    mirror = _mirror(store, folder, fix=fix)
    yield mirror
    if mirror.ok or mirror.fixed:
        yield _passages(store, fix=fix)
        yield encoder_finding(Manifest.read(store.current()))


def _passages(store: ServerStore, *, fix: bool) -> Finding:
    """Check that every passage is on the server; mend by reading again the sources that lack some."""
    manifest = store.live()
    lacking = sorted(r.path for r in manifest.sources if r.error == LACKS_PASSAGES)
    if not lacking:
        return Finding("passages", True, f"{manifest.passages} passages and {manifest.questions} questions are there")
    detail = f"{len(lacking)} sources lack passages on the server ({', '.join(lacking[:3])})"
    if not fix:
        return Finding("passages", False, f"{detail}; {_FIX}")
    roots = sorted({Path(r.root) for r in manifest.sources if r.path in lacking})
    try:
        report = ingest(store, roots)
    except PrepdeskError as error:
        return Finding("passages", False, f"{detail}; the sources cannot be read again: {error}")
    return Finding("passages", False, f"{len(lacking)} sources read again into version {report.generation}", fixed=True)


def _mirror(store: ServerStore, folder: Path, *, fix: bool) -> Finding:
    """Check what this machine keeps of the version; mend by taking it from the server again."""
    try:
        Manifest.read(folder)
        TopicTree.read(folder)
        lexical = store.lexical(folder)
        wanted = [record.split("-")[0] for record in Records.read(folder).all()]
        sound = len(lexical) == len(wanted) and all(i in lexical for i in wanted) and not damaged_files(folder)
    except (IndexCorruptError, OSError, ValueError):
        sound = False
    if sound:
        matched = "matched by the server" if isinstance(lexical, ServerLexical) else "indexed here"
        return Finding("mirror", True, f"{folder}; the words of {len(lexical)} passages are {matched}")
    if not fix:
        return Finding("mirror", False, f"{folder} is damaged; {_FIX}")
    shutil.rmtree(folder)
    store.current()
    return Finding("mirror", False, "taken from the server again", fixed=True)
