"""The ingest behind the app: it runs, tells where it stands, can be cancelled, and fails in a sentence."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from retrieval.manifest import Manifest
from retrieval.store import Home
from tests.ui.conftest import REGULARIZATION, Room
from ui.jobs import Jobs, Progress


def wait(jobs: Jobs, seconds: float = 90.0) -> Progress:
    end = time.monotonic() + seconds
    while jobs.progress.state == "running" and time.monotonic() < end:
        time.sleep(0.05)
    return jobs.progress


@pytest.fixture
def empty(tmp_path: Path, room: Room) -> Home:
    """A home without an index that shares the exported encoder."""
    home = tmp_path / "home"
    home.mkdir()
    (home / "encoders").symlink_to((room.home / "encoders").resolve())
    return Home(home)


def test_an_ingest_runs_and_reports(empty: Home, room: Room) -> None:
    """This test ensures that the job ends with the report of the pipeline and a live index."""
    jobs = Jobs(empty.path)
    assert jobs.start([room.folder], by=None)
    assert not jobs.start([room.folder], by=None), "only one runs at a time"
    done = wait(jobs)
    assert (done.state, done.error) == ("done", "")
    assert len(done.report["new"]) == 6
    assert [path for path, _ in done.report["failed"]] == ["broken.yaml"]
    assert Manifest.read(empty.current()).passages == done.report["passages"]


def test_a_cancelled_ingest_leaves_what_was_there(room: Room, empty: Home, tmp_path: Path) -> None:
    """This test ensures that after a cancel the last generation is live and the next ingest succeeds."""
    jobs = Jobs(empty.path)
    jobs.start([room.folder / "banks"], by=None)
    before = wait(jobs).report["generation"]
    many = tmp_path / "many"
    many.mkdir()
    for n in range(200):
        text = REGULARIZATION.replace("lasso", f"lasso {n}").replace("ridge", f"ridge {n * 7}")
        (many / f"guide-{n}.md").write_text(text, encoding="utf-8")
    jobs.start([many], by=None)
    end = time.monotonic() + 60
    while jobs.progress.stage != "encode" and time.monotonic() < end:
        time.sleep(0.02)
    jobs.cancel(by=None)
    assert jobs.progress.state == "cancelled"
    assert empty.current_name() == before
    for file in list(many.iterdir())[2:]:
        file.unlink()
    jobs.start([many], by=None)
    assert wait(jobs).state == "done"


def test_a_failure_is_a_sentence(empty: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """This test ensures that a folder which is not there is told, and that no module of the folder one is in is run."""
    (tmp_path / "random.py").write_text("raise SystemExit")
    monkeypatch.chdir(tmp_path)
    jobs = Jobs(empty.path)
    jobs.start([tmp_path / "gone"], by=None)
    failed = wait(jobs)
    assert failed.state == "failed"
    assert failed.error.endswith("no such file or folder; check the path")


def test_progress_in_words() -> None:
    """This test ensures that a person reads the stage and how far it is."""
    assert Progress("running", "encode", 1200, 2400).words == "Embedding passages: 1,200 of 2,400"
    assert Progress("running", "write", 0, 1).words == "Writing the index"
    assert Progress("running").share == 0.0
