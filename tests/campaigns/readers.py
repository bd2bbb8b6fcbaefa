"""Readers in other processes while a writer commits generations: `python -m tests.campaigns.readers [GENERATIONS]`.

Each reader asks one question after the other. None may fail, and none may be answered from a
generation older than the one that was live when it asked.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from ingest.pipeline import ingest
from retrieval import Library
from retrieval.library import quiet
from retrieval.store import Home
from tests.invariants import check_generation

_NOTE = "# Note\n\n## What is fact {n}?\n\nFact {n} about gradient descent is the newest of all.\n"


def commit_while_read(folder: Path, encoders: Path, *, readers: int, generations: int) -> list[dict[str, Any]]:
    """Commit generations under running readers; return what each counted: queries, stale answers, generations."""
    notes = folder / "notes"
    notes.mkdir(parents=True)
    for n in range(20):
        (notes / f"note-{n}.md").write_text(_NOTE.format(n=n), encoding="utf-8")
    home = Home(folder / "home", encoders)
    ingest(home, [notes])
    command = [sys.executable, "-m", "tests.campaigns.readers", "--child", str(home.path), str(encoders)]
    processes = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(readers)
    ]
    try:
        for process in processes:
            assert process.stdout
            assert process.stdout.readline() == "reading\n"
        for n in range(generations):
            (notes / f"note-{n % 20}.md").write_text(_NOTE.format(n=1000 + n), encoding="utf-8")
            assert ingest(home, [notes]).generation is not None
            check_generation(home)
        counted = []
        for process in processes:
            result, errors = process.communicate("end\n", timeout=120)
            assert process.returncode == 0, errors
            counted.append(json.loads(result))
    finally:
        for process in processes:
            process.kill()
            process.communicate()
    return counted


def _child(home: Home) -> None:
    """Ask until something comes on stdin, then say what was seen."""
    import threading

    end = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.readline(), end.set()), daemon=True).start()
    queries = stale = 0
    seen: set[str] = set()
    with Library(home) as library:
        library.search("gradient descent", 3)
        print("reading", flush=True)
        while True:
            last = end.is_set()
            live = home.current_name() or ""
            hits = library.search("which fact about gradient descent is the newest", 3)
            answer = library.ask("What is fact 7?")
            stale += library.generation < live or not hits or not answer.hits
            queries += 1
            seen.add(library.generation)
            if last:
                break
    print(json.dumps({"queries": queries, "stale": stale, "generations": sorted(seen)}))


def main() -> None:
    quiet()
    if "--child" in sys.argv:
        home, encoders = sys.argv[2:]
        _child(Home(Path(home), Path(encoders)))
        return
    generations = int(sys.argv[1]) if len(sys.argv) > 1 else 10
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        for counted in commit_while_read(place, place / "encoders", readers=3, generations=generations):
            print(counted)


if __name__ == "__main__":
    main()
