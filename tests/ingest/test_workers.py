"""Files are read in processes of their own: what hangs, eats memory or crashes there costs one file, never the run."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from ingest import read_worker
from ingest.pipeline import Report, ingest
from ingest.reading import Reading, Task
from ingest.workers import Workers
from retrieval.errors import ReadError
from retrieval.models import DEFAULT_MODEL, find_model
from retrieval.store import Home
from tests.invariants import check_generation

SLOW = "A sentence about gradient descent, with **marks** and `code` in it.\n\n" * 100_000
# Nine times ten aliases: 60 lines that are 10^9 words once they are written out.
LAUGHS = (
    "x0: &x0 [ha, ha, ha, ha, ha, ha, ha, ha, ha, ha]\n"
    + "".join(f"x{n}: &x{n} [{', '.join([f'*x{n - 1}'] * 10)}]\n" for n in range(1, 9))
    + "questions:\n  - question: What is a bomb?\n    answer: A small file.\n    notes: [*x8]\n"
)


def outcomes(files: list[Path]) -> dict[str, Reading | str]:
    """Read files in worker processes, by name."""
    with Workers(find_model(DEFAULT_MODEL), [Task(file, file.name) for file in files]) as workers:
        return {task.path: outcome for batch in workers.batches() for task, outcome in batch}


@pytest.fixture
def good(tmp_path: Path) -> Path:
    file = tmp_path / "good.md"
    file.write_text("# Boosting\n\nBoosting adds weak learners one by one, each to the errors of the last.\n")
    return file


def test_the_process_that_reads_starts_without_the_encoder() -> None:
    """This test ensures that an ingest of one file does not wait for libraries that compute."""
    code = "import ingest.reading, sys; print({'numpy', 'onnxruntime', 'retrieval.library'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == "set()\n"


def test_a_file_that_takes_too_long_is_stopped(tmp_path: Path, good: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """This test ensures that time is limited for each file, and that the next file gets a fresh process."""
    (tmp_path / "slow.md").write_text(SLOW)
    monkeypatch.setattr(read_worker, "seconds_for", lambda size: 0.3 if size > 10_000 else 60.0)
    found = outcomes([tmp_path / "slow.md", good])
    assert found["slow.md"] == "slow.md: reading it took longer than 0 s; split the file"
    assert isinstance(found["good.md"], Reading)


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no limit of memory on this platform")
def test_a_file_that_eats_memory_is_stopped(home: Home, notes: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """This test ensures that aliases which unfold to gigabytes end the worker and are one line of the report."""
    (notes / "bomb.yaml").write_text(LAUGHS)
    monkeypatch.setattr(read_worker, "seconds_for", lambda size: 600.0)  # a busy machine is slow to fill its memory
    report = ingest(home, [notes])
    assert report.failed == (("bomb.yaml", "bomb.yaml: reading it needs more than 2 GB of memory; split the file"),)
    assert report.passages == 4
    check_generation(home)


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no such signal on this platform")
def test_a_reader_that_crashes_costs_its_file_only(tmp_path: Path, good: Path) -> None:
    """This test ensures that a segmentation fault in a library is one sentence."""
    (tmp_path / "slow.md").write_text(SLOW)
    tasks = [Task(tmp_path / "slow.md", "slow.md"), Task(good, "good.md")]
    with Workers(find_model(DEFAULT_MODEL), tasks) as workers:
        (worker,) = workers._workers
        while not worker._ready:
            time.sleep(0.02)
        threading.Timer(0.3, worker._process.send_signal, [signal.SIGSEGV]).start()
        found = {task.path: outcome for batch in workers.batches() for task, outcome in batch}
    assert found["slow.md"] == (
        "slow.md: its reader crashed (signal 11); get a fresh copy of the file, or name it in .prepignore"
    )
    assert isinstance(found["good.md"], Reading)


def test_leaving_early_ends_the_processes(tmp_path: Path) -> None:
    """This test ensures that an interrupted ingest leaves no reader behind and does not wait for one."""
    (tmp_path / "slow.md").write_text(SLOW)
    started = time.monotonic()
    with Workers(find_model(DEFAULT_MODEL), [Task(tmp_path / "slow.md", "slow.md")] * 3) as workers:
        processes = [worker._process for worker in workers._workers]
    assert all(process.poll() is not None for process in processes)
    assert time.monotonic() - started < 10


def test_modules_beside_the_notes_are_not_imported(good: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """This test ensures that a json.py in the folder of notes is material, not part of the program."""
    (good.parent / "json.py").write_text("raise SystemExit(3)\n")
    monkeypatch.chdir(good.parent)
    assert isinstance(outcomes([good])["good.md"], Reading)


def test_a_worker_that_cannot_start_is_no_fault_of_the_files(good: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """This test ensures that a broken installation is told as such and marks no file as bad."""
    monkeypatch.setattr(read_worker, "__name__", "ingest.no_such_module")
    with pytest.raises(ReadError, match="install prepdesk again"):
        outcomes([good])


def test_what_was_read_stays_in_order(home: Home, notes: Path, ingest_notes: Callable[..., Report]) -> None:
    """This test ensures that reading ahead in several processes changes no generation."""
    for n in range(120):
        (notes / f"note-{n:03}.md").write_text(f"# Note {n}\n\nFact {n} about training models.\n")
    report = ingest_notes()
    assert (report.passages, report.failed) == (124, ())
    check_generation(home)
