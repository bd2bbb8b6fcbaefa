"""What `prep ingest` decides before and after the pipeline runs: its options, its roots, watching."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import typer

from ingest.bundled import bundled_corpus
from ingest.decode import message
from ingest.documents import Columns
from ingest.pipeline import Report
from ingest.watch import follow
from retrieval.errors import IndexCorruptError, IndexMissingError, PrepdeskError, QueryError
from retrieval.library import model_of
from retrieval.manifest import FILE_NAME
from retrieval.store import Home, Store
from ui import console
from ui.options import print_json, tell


def columns_of(text: str | None) -> Columns:
    """Return the columns of `--columns question=Prompt,answer=Solution`. Raises BadParameter for another shape."""
    if text is None:
        return ()
    pairs = [tuple(part.strip() for part in pair.split("=", 1)) for pair in text.split(",")]
    if any(len(pair) != 2 or not all(pair) or not re.fullmatch(r"\w+", pair[0]) for pair in pairs):
        raise typer.BadParameter(
            f"--columns {text!r} is not understood; write: --columns question=Prompt,answer=Solution"
        )
    return tuple((pair[0].lower(), pair[1]) for pair in pairs)


def roots_for(home: Store, paths: Sequence[Path], *, known: bool) -> list[Path]:
    """Return what to ingest: the paths given; else, with `known`, the roots of the library; else the bundled corpus.

    Raises QueryError where the library does not tell its roots any more.
    """
    if paths:
        return list(paths)
    said = _live_manifest(home) if known else None
    if said is None:
        return [bundled_corpus()]
    try:
        return sorted({Path(record["root"]) for record in said["sources"]})
    except (KeyError, TypeError) as error:
        raise QueryError(
            f"the index at {home.place} no longer says which folders it was made from; name them: "
            "prep ingest --rebuild FOLDER"
        ) from error


def model_for(home: Store, model: str | None, *, rebuild: bool) -> str | None:
    """Return the model to embed with: the one given, else that of the library; None where it has none.

    Raises EncoderError where the library's is not there any more.
    """
    if model is not None or not (rebuild or isinstance(home, Home)):  # a server is waited for, later
        return model
    try:
        name = (_live_manifest(home) or {}).get("model")
    except IndexCorruptError:
        if not rebuild:
            raise
        home.current_name()  # a lost pointer is the doctor's: it would be met after all is embedded
        return None
    if name:
        model_of(name, home)
    return name


def _live_manifest(home: Store) -> dict[str, Any] | None:
    """Return what the live manifest says, in whatever schema, empty if it is no JSON; None without an index."""
    try:
        file = home.current() / FILE_NAME
    except IndexMissingError:
        return None
    try:
        return dict(json.loads(file.read_text(encoding="ascii")))
    except (OSError, ValueError, TypeError):
        return {}


def watch(home: Store, roots: Sequence[Path], columns: Columns, *, as_json: bool) -> None:
    """Keep the library in step until Ctrl-C; one line for every commit, on stdout as JSON or on stderr."""
    console.err.print(f"Watching {len(roots)} {'folder' if len(roots) == 1 else 'folders'}; Ctrl-C ends it.")
    for outcome in follow(home, roots, columns=columns):
        if isinstance(outcome, PrepdeskError):
            tell(outcome)
        elif as_json:
            print_json(asdict(outcome), indent=None)
        else:
            console.err.print(f"{time.strftime('%H:%M:%S')}  {message(_line(outcome))}", markup=False)


def _line(report: Report) -> str:
    asked = {*report.new, *report.changed, *report.moved}
    failed = [f"failed {path}: {why}" for path, why in report.failed if path in asked]
    return "; ".join([f"{console.changes(report)}: {console.totals(report)}", *failed])
