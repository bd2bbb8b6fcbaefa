"""A library kept in step with its folders while they change: bursts of saves become one ingest each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from threading import Event

from ingest.documents import Columns
from ingest.pipeline import Report, ingest
from retrieval.errors import PrepdeskError
from retrieval.store import Store

_QUIET_MS = 400  # without a change before an ingest starts
_LONGEST_MS = 5000  # a folder that never rests is ingested this often all the same
_START_MS = 1000  # without a change, until the watch counts as standing
_WAIT = 60.0  # seconds for another writer to finish


def follow(
    home: Store, roots: Sequence[Path], *, columns: Columns = (), stop: Event | None = None
) -> Iterator[Report | PrepdeskError]:
    """Yield the report of every ingest that committed something, and each error that kept one from it.

    One ingest comes as soon as the watch stands, for what was saved during the caller's own. Goes
    on until `stop` is set or KeyboardInterrupt. An error (a root that is unplugged, a disk that is
    full) ends nothing: the next change tries again.
    """
    from watchfiles import DefaultFilter, watch

    # An editor replaces a file when it saves it, so that a file is watched through its folder.
    folders = {root if root.is_dir() else root.parent for root in (root.resolve() for root in roots)}
    own, usual = home.path.resolve(), DefaultFilter()
    changes = watch(
        *sorted(folders),
        # What an ingest writes is no change. The filter's own `ignore_paths` takes "prep-notes" for a part of "prep".
        watch_filter=lambda change, path: usual(change, path) and not Path(path).is_relative_to(own),
        step=_QUIET_MS,
        debounce=_LONGEST_MS,
        stop_event=stop,
        rust_timeout=_START_MS,
        yield_on_timeout=True,
    )
    standing = False
    for found in changes:
        if standing and not found:
            continue
        standing = True
        try:
            report = ingest(home, roots, columns=columns, wait=_WAIT)
        except PrepdeskError as error:
            yield error
            continue
        if report.generation is not None:
            yield report
