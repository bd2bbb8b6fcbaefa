"""What `prep ingest` decides before and after the pipeline runs: its options, its roots, watching."""

from __future__ import annotations

import json
import re
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from ingest.bundled import bundled_corpus
from ingest.documents import Columns
from ingest.pipeline import Report
from ingest.watch import follow
from retrieval.errors import IndexMissingError, PrepdeskError, QueryError
from retrieval.manifest import Manifest
from retrieval.store import Store
from ui import console


def columns_of(text: str | None) -> Columns:
    """Return the columns of `--columns question=Prompt,answer=Solution`. Raises QueryError for another shape."""
    if text is None:
        return ()
    pairs = [tuple(part.strip() for part in pair.split("=", 1)) for pair in text.split(",")]
    if any(len(pair) != 2 or not all(pair) or not re.fullmatch(r"\w+", pair[0]) for pair in pairs):
        raise QueryError(f"--columns {text!r} is not understood; write: --columns question=Prompt,answer=Solution")
    return tuple((pair[0].lower(), pair[1]) for pair in pairs)


def roots_for(home: Store, paths: Sequence[Path], *, known: bool) -> list[Path]:
    """Return what to ingest: the paths given; else, with `known`, the roots of the library; else the bundled corpus."""
    if paths:
        return list(paths)
    if known:
        try:
            return sorted({Path(r.root) for r in Manifest.read(home.current()).sources})
        except IndexMissingError:
            pass
    return [bundled_corpus()]


def watch(home: Store, roots: Sequence[Path], columns: Columns, *, as_json: bool) -> None:
    """Keep the library in step until Ctrl-C; one line for every commit, on stdout as JSON or on stderr."""
    console.err.print(f"Watching {len(roots)} {'folder' if len(roots) == 1 else 'folders'}; Ctrl-C ends it.")
    for outcome in follow(home, roots, columns=columns):
        if isinstance(outcome, PrepdeskError):
            print(f"prep: {' '.join(str(outcome).split())}", file=sys.stderr)
        elif as_json:
            sys.stdout.write(json.dumps(asdict(outcome), ensure_ascii=False) + "\n")
            sys.stdout.flush()
        else:
            console.err.print(f"{time.strftime('%H:%M:%S')}  {_line(outcome)}", markup=False)


def _line(report: Report) -> str:
    asked = {*report.new, *report.changed, *report.moved}
    failed = [f"failed {path}: {why}" for path, why in report.failed if path in asked]
    return "; ".join([f"{console.changes(report)}: {console.totals(report)}", *failed])
