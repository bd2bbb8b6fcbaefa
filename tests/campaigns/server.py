"""Kill writers, and the server itself, again and again: `python -m tests.campaigns.server [KILLS]`.

Two people ingest their own folders into one library at the same time, each in a process that is
killed (SIGKILL) at a random moment; after every kill the live version must be whole, and in the
end the library must be what a clean build of both folders is. Then the server is killed while one
process ingests note after note and another asks: every note whose ingest was reported must be there.
"""

from __future__ import annotations

import random
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path

from ingest.pipeline import ingest
from retrieval import Library
from retrieval.errors import IndexMissingError, ServerError
from retrieval.library import quiet
from retrieval.server import Address
from retrieval.server_store import ServerStore
from retrieval.store import Home
from tests.chroma_server import ChromaServer
from tests.invariants import check_generation, check_same_state, state_of

_WAIT = 60.0  # seconds one writer waits for the other


def note(folder: Path, n: int, word: str) -> None:
    text = f"# Note {n} of {folder.name}\n\n## What is fact {n}?\n\nFact {n} about gradient descent is {word}.\n"
    (folder / f"{folder.name}-{n:03}.md").write_text(text, encoding="utf-8")


def start(url: str, home: Path, encoders: Path, notes: Path, *options: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.campaigns.server", "--child", url, str(home), str(encoders), str(notes)]
    return subprocess.Popen([*command, *options], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def kill_writers(folder: Path, encoders: Path, kills: int, seed: int = 1) -> dict[str, int]:
    """Kill one of two writers `kills` times; return how often it was still at work, and how the other fared."""
    chance = random.Random(seed)
    server = ChromaServer(folder)
    server.start()
    roots = [folder / "ann", folder / "ben"]
    tally = {"killed": 0, "ended": 0, "finished": 0}
    try:
        for root in roots:
            root.mkdir()
            for n in range(6):
                note(root, n, "old")
        reader = ServerStore(Address(server.url), folder / "reader", encoders_at=encoders)
        life = 0.0
        for round_ in range(-2, kills):  # the second shows how long they take, once the encoder is there
            for root in roots:
                note(root, round_ % 8, f"changed in round {round_}")
            began = time.monotonic()
            writers = [start(server.url, folder / f"home-{r.name}", encoders, r) for r in roots]
            chance.shuffle(writers)
            if round_ >= 0:
                time.sleep(chance.uniform(0.2, 0.8) * life)
                tally["killed" if writers[0].poll() is None else "ended"] += 1
                writers[0].kill()
            for writer in writers:
                _, errors = writer.communicate(timeout=300)
                assert writer is writers[0] or writer.returncode == 0, errors
                tally["finished"] += writer.returncode == 0
            life = time.monotonic() - began if round_ < 0 else life
            check_generation(reader)
        for root in roots:
            ingest(reader, [root])
        clean = Home(folder / "clean", encoders)
        for root in roots:
            ingest(clean, [root])
        check_generation(reader)
        check_same_state(state_of(reader), state_of(clean))
        reader.close()
    finally:
        server.kill()
    return tally


def kill_server(folder: Path, encoders: Path, kills: int, seed: int = 1) -> dict[str, int]:
    """Kill the server `kills` times while one process ingests and this one asks; return what was counted."""
    chance = random.Random(seed)
    server = ChromaServer(folder)
    server.start()
    notes = folder / "notes"
    notes.mkdir()
    acknowledged: list[str] = []
    tally = {"kills": 0, "acknowledged": 0, "answers": 0, "told that it is gone": 0}
    reader = ServerStore(Address(server.url), folder / "reader", encoders_at=encoders)
    writer = start(server.url, folder / "home", encoders, notes, "--stream")
    try:
        listener = threading.Thread(target=_listen, args=(writer, acknowledged))
        listener.start()
        while not acknowledged:
            assert writer.poll() is None, writer.stderr and writer.stderr.read()
            time.sleep(0.05)
        for _ in range(kills):
            end = time.monotonic() + chance.uniform(0.2, 1.5)
            while time.monotonic() < end:
                _ask(reader, tally)
            server.kill()
            _ask(reader, tally)
            server.start()
            tally["kills"] += 1
        seen = len(acknowledged)
        while len(acknowledged) < seen + 2:  # it goes on after the last kill
            assert writer.poll() is None, writer.stderr and writer.stderr.read()
            time.sleep(0.05)
        writer.kill()
        writer.wait()
        listener.join()
        check_acknowledged(reader, acknowledged)
        tally["acknowledged"] = len(acknowledged)
    finally:
        writer.kill()
        writer.communicate()
        server.kill()
        reader.close()
    return tally


def check_acknowledged(reader: ServerStore, acknowledged: Sequence[str]) -> None:
    """Every note that was reported as ingested is in the library, and its passage is found."""
    check_generation(reader)
    with Library(reader) as library:
        assert set(acknowledged) <= set(library.manifest.by_path())
        held = {p.locator.path for p in library.searcher.dense.all_passages()}
        assert set(acknowledged) <= held


def _listen(writer: subprocess.Popen[str], acknowledged: list[str]) -> None:
    assert writer.stdout
    for line in writer.stdout:
        acknowledged.append(line.strip())


def _ask(reader: ServerStore, tally: dict[str, int]) -> None:
    try:
        with Library(reader) as library:
            assert library.search("which fact about gradient descent is new", 3)
        tally["answers"] += 1
    except IndexMissingError as error:
        raise AssertionError("the library was there and is not") from error
    except ServerError:
        tally["told that it is gone"] += 1


def _child(url: str, home: str, encoders: str, notes: str, *options: str) -> None:
    store = ServerStore(Address(url), Path(home), encoders_at=Path(encoders), lease=5.0)
    folder = Path(notes)
    if "--stream" not in options:
        ingest(store, [folder], wait=_WAIT)
        return
    for n in range(100_000):
        note(folder, n, "new")
        report = ingest(store, [folder], wait=_WAIT)
        for path in report.new:
            print(path, flush=True)


def main() -> None:
    quiet()
    if "--child" in sys.argv:
        _child(*sys.argv[2:])
        return
    kills = int(sys.argv[1]) if len(sys.argv) > 1 else 20
    for run in (kill_writers, kill_server):
        with tempfile.TemporaryDirectory() as folder:
            print(run.__name__, run(Path(folder), Path(folder) / "encoders", kills), flush=True)


if __name__ == "__main__":
    main()
