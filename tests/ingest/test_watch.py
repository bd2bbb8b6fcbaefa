"""Watching a folder: a burst of saves is one commit, what ingest writes is no change, errors end nothing."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ingest.pipeline import Report, ingest
from ingest.watch import follow
from retrieval.errors import PrepdeskError
from retrieval.store import Home
from tests.invariants import check_generation

Outcomes = queue.Queue[Report | PrepdeskError]


@pytest.fixture
def watched(home: Home, notes: Path, ingest_notes: Callable[..., Report]) -> Iterator[Outcomes]:
    """What follows from changes of the notes, while they are watched."""
    ingest_notes()
    with watching(home, notes) as found:
        yield found


@contextmanager
def watching(home: Home, root: Path) -> Iterator[Outcomes]:
    """Yield what follows from changes of a folder while it is watched."""
    found: Outcomes = queue.Queue()
    stop = threading.Event()

    def run() -> None:
        for outcome in follow(home, [root], stop=stop):
            found.put(outcome)

    thread = threading.Thread(target=run)
    thread.start()
    time.sleep(1.5)  # until the watch stands
    try:
        yield found
    finally:
        stop.set()
        thread.join(30)
    assert not thread.is_alive()


def test_a_burst_of_saves_is_one_commit(home: Home, notes: Path, watched: Outcomes) -> None:
    """This test ensures that saves are batched, deletions too, and that the ingest does not wake itself."""
    for n in range(20):
        (notes / f"note-{n}.md").write_text(f"# Note {n}\n\nFact {n} about training models.\n")
    (notes / "bank.yaml").unlink()
    report = watched.get(timeout=60)
    assert isinstance(report, Report)
    assert (len(report.new), report.removed, report.generation) == (20, ("bank.yaml",), "000002")
    with pytest.raises(queue.Empty):
        watched.get(timeout=3)
    check_generation(home)


def test_a_folder_named_like_the_library_is_watched(home: Home, notes: Path) -> None:
    """This test ensures that only what lies in the library's own folder is no change."""
    root = notes.rename(home.path.with_name(f"{home.path.name}-notes"))
    ingest(home, [root])
    with watching(home, root) as found:
        (root / "new.md").write_text("# New\n\nBoosting adds weak learners one by one.\n")
        report = found.get(timeout=20)
    assert isinstance(report, Report)
    assert report.new == ("new.md",)


def test_a_folder_that_goes_away_is_told_and_loses_nothing(home: Home, notes: Path, watched: Outcomes) -> None:
    """This test ensures that an emptied folder of a synchronized disk ends no watch."""
    before = home.current_name()
    notes.rename(notes.with_name("away"))
    outcome = watched.get(timeout=60)
    assert isinstance(outcome, PrepdeskError)
    assert "put it back" in str(outcome)
    assert home.current_name() == before


def test_what_was_saved_before_the_watch_stood_is_not_missed(
    home: Home, notes: Path, ingest_notes: Callable[..., Report]
) -> None:
    """This test ensures that a file saved while the first ingest ran is taken in without another change."""
    ingest_notes()
    (notes / "saved.md").write_text("# Saved\n\nBoosting adds weak learners one by one.\n")
    stop = threading.Event()
    threading.Timer(20, stop.set).start()  # where nothing comes, the watch ends
    outcome = next(follow(home, [notes], stop=stop), None)
    stop.set()
    assert isinstance(outcome, Report)
    assert outcome.new == ("saved.md",)
