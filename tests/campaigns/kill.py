"""Kill an ingest at many points of its life and check what is left: `python -m tests.campaigns.kill [POINTS]`.

A third of the points is spread over the time an ingest takes, a third over everything it does to
the library's files, and a third over what it does to them while it commits: the child counts its
own file events (Python's audit hooks) and kills itself at the one it is told. Each time the library
must open and answer from the old or the new state whole; ingesting again must end where a clean
build ends: ids, texts, vectors, lexical rows, topics, manifest.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from ingest.doctor import examine
from ingest.pipeline import ingest
from retrieval import Library
from retrieval.library import quiet
from retrieval.store import Home
from tests.invariants import check_generation, check_same_state, state_of

QUESTION = "which note speaks of fact seven about gradient descent"


@dataclass(frozen=True)
class Stage:
    """A library in generation 1 and a folder that has changed since: the ingest between the two is what is killed."""

    folder: Path
    encoders: Path

    @property
    def notes(self) -> Path:
        return self.folder / "notes"

    @property
    def home(self) -> Home:
        return Home(self.folder / "home", self.encoders)

    @cached_property
    def before(self) -> dict[str, Any]:
        return state_of(self.base)

    @cached_property
    def after(self) -> dict[str, Any]:
        """What a build from nothing ends in."""
        clean = Home(self.folder / "clean", self.encoders)
        ingest(clean, [self.notes])
        return state_of(clean)

    @property
    def base(self) -> Home:
        return Home(self.folder / "base", self.encoders)

    def prepare(self, files: int) -> None:
        """Write the notes, ingest them, then change, add, move and remove some."""
        self.notes.mkdir(parents=True)
        for n in range(files):
            self._note(n, f"Fact {n} about gradient descent. " * 12)
        ingest(self.base, [self.notes])
        for n in range(0, files, 4):
            self._note(n, f"Fact {n} about gradient descent, as it was changed. " * 9)
        for n in range(files, files + files // 2):
            self._note(n, f"Fact {n} about gradient descent. " * 12)
        (self.notes / "note-001.md").rename(self.notes / "moved.md")
        (self.notes / "note-002.md").unlink()
        assert self.before != self.after

    def reset(self) -> None:
        shutil.rmtree(self.home.path, ignore_errors=True)
        shutil.copytree(self.base.path, self.home.path)

    def _note(self, n: int, text: str) -> None:
        (self.notes / f"note-{n:03}.md").write_text(f"# Note {n}\n\n## What is fact {n}?\n\n{text}\n", encoding="utf-8")

    def start(self, kill_at: int) -> subprocess.Popen[str]:
        """Start the ingest in a process that kills itself at a file event; 0: never."""
        command = [sys.executable, "-m", "tests.campaigns.kill", "--child"]
        return subprocess.Popen(
            [*command, str(self.home.path), str(self.encoders), str(self.notes), str(kill_at)],
            stdout=subprocess.PIPE,
            text=True,
        )


@dataclass(frozen=True)
class Life:
    """How long an undisturbed ingest takes, and its file events: how many, and which of them the commit makes."""

    seconds: float
    events: int
    commit: tuple[int, int]


def measure(stage: Stage) -> Life:
    stage.reset()
    started = time.monotonic()
    with stage.start(0) as process:
        facts = json.loads(process.communicate(timeout=300)[0])
    assert process.returncode == 0
    return Life(time.monotonic() - started, facts["events"], (facts["commit"][0], facts["commit"][1]))


def points(life: Life, count: int) -> Iterator[tuple[str, float]]:
    """Yield where to kill: at seconds, at events of the whole life, at events of the commit; a third each."""
    third = count // 3
    first, last = life.commit
    for n in range(count - 2 * third):
        yield "time", life.seconds * (n + 0.5) / (count - 2 * third)
    for n in range(third):
        yield "event", 1 + round((life.events - 1) * n / max(1, third - 1))
    for n in range(third):
        yield "commit", first + round((last - first) * n / max(1, third - 1))


def kill(stage: Stage, kind: str, at: float) -> bool:
    """Run the ingest and kill it there; return whether it was still alive by then."""
    stage.reset()
    with stage.start(0 if kind == "time" else int(at)) as process:
        if kind == "time":
            time.sleep(at)
            process.kill()
        process.communicate(timeout=300)
    return process.returncode == -signal.SIGKILL


def check_what_is_left(stage: Stage) -> str:
    """Check the library after a kill, ingest again, check the end; return which state was live after the kill."""
    check_generation(stage.home)
    with Library(stage.home) as library:
        assert library.search(QUESTION, 5)
        found = state_of(stage.home)
    live = "old" if found["manifest"] == stage.before["manifest"] else "new"
    check_same_state(found, stage.before if live == "old" else stage.after)
    report = ingest(stage.home, [stage.notes])
    assert (report.generation is None) == (live == "new")
    assert not report.failed
    check_generation(stage.home)
    check_same_state(state_of(stage.home), stage.after)
    assert all(finding.ok for finding in examine(stage.home))
    return live


def campaign(folder: Path, count: int, files: int = 40) -> dict[str, dict[str, int]]:
    """Kill at `count` points; return for each kind how often the ingest was hit, and which state was then live."""
    stage = Stage(folder, folder / "encoders")
    stage.prepare(files)
    life = measure(stage)
    print(
        f"an ingest takes {life.seconds:.1f} s and {life.events} file events, {life.commit} in the commit", flush=True
    )
    tally: dict[str, dict[str, int]] = {}
    for kind, at in points(life, count):
        hit = kill(stage, kind, at)
        live = check_what_is_left(stage)
        row = tally.setdefault(kind, {"points": 0, "killed": 0, "old": 0, "new": 0})
        row["points"] += 1
        row["killed"] += hit
        row[live] += 1
    return tally


def _child(home: Home, notes: Path, kill_at: int) -> None:
    """Ingest, counting what is done to the library's files; kill this process at event `kill_at`."""
    inside = str(home.path)
    events = 0
    commit: list[int] = []

    def hook(name: str, arguments: tuple[object, ...]) -> None:
        nonlocal events
        if name != "open" and not name.startswith(("os.", "shutil.", "sqlite3.")):
            return
        if not any(isinstance(a, str | os.PathLike) and os.fspath(a).startswith(inside) for a in arguments[:2]):
            return
        events += 1
        if events == kill_at:
            os.kill(os.getpid(), signal.SIGKILL)

    class Watched(Home):
        def commit(self, folder: Path) -> None:
            commit.append(events + 1)
            super().commit(folder)
            commit.append(events)

    sys.addaudithook(hook)
    ingest(Watched(home.path, home.encoders_at), [notes])
    print(json.dumps({"events": events, "commit": commit}))


def main() -> None:
    quiet()
    if "--child" in sys.argv:
        home, encoders, notes, kill_at = sys.argv[2:]
        _child(Home(Path(home), Path(encoders)), Path(notes), int(kill_at))
        return
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 60
    with tempfile.TemporaryDirectory() as folder:
        for kind, row in campaign(Path(folder), count).items():
            print(f"{kind:7s} {row}")
    print(f"{count} kills: every library opened, answered, and ended where a clean build ends")


if __name__ == "__main__":
    main()
