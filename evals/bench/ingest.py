"""How long ingest takes and how much memory: `python -m evals.bench.ingest [FOLDER]`.

Makes a library of 1,000 Markdown files with 10,000 passages and times the command as a person
runs it: from nothing, unchanged, with one changed file. Then ingests the bundled corpus from
nothing and sets the time beside that of the encoder alone on the same passages, measured right
after it in the same minute, so that a busy machine slows both. Memory is the sum of the peaks of
the command and its workers, as Linux counts them.
"""

from __future__ import annotations

import os
import random
import sys
import tempfile
import time
from pathlib import Path

from evals.bench.processes import Run, run
from ingest.bundled import bundled_corpus
from ingest.writer import encoded_texts
from retrieval import Library
from retrieval.encoder import open_encoder
from retrieval.library import quiet
from retrieval.models import DEFAULT_MODEL
from retrieval.store import Home

_FILES, _SECTIONS = 1000, 10
_WORDS = (
    "gradient descent loss model training validation feature weight batch layer tree forest split node margin kernel "
    "prior posterior likelihood sample variance bias recall precision threshold score rank query passage index cache "
    "shard queue latency token attention head mask embedding cosine cluster centroid window join key group"
).split()


def make_notes(folder: Path) -> None:
    """Write the files; every section is one passage of about 70 word pieces."""
    random_ = random.Random(1)
    for n in range(_FILES):
        sections = [
            f"## Part {n}-{part}\n\n" + " ".join(random_.choices(_WORDS, k=62)) + "." for part in range(_SECTIONS)
        ]
        (folder / f"note-{n:04}.md").write_text(f"# Note {n}\n\n" + "\n\n".join(sections) + "\n", encoding="utf-8")


def prep_ingest(home: Path, root: Path) -> Run:
    """Run `prep ingest` in a process of its own. Raises CalledProcessError where it fails."""
    done = run([sys.executable, "-m", "ui.cli", "ingest", str(root), "--index", str(home)])
    print("   ", done.errors.strip().replace("\n", "; "), flush=True)
    return done


def encoder_seconds(home: Home) -> float:
    """Return how long the encoder alone takes for all texts of a library."""
    with Library(home) as library:
        texts = encoded_texts(list(library.searcher.dense.all_passages()))
    encoder = open_encoder(DEFAULT_MODEL, home.encoders)
    started = time.monotonic()
    encoder.encode(texts)
    return time.monotonic() - started


def main() -> None:
    quiet()
    with tempfile.TemporaryDirectory(dir=sys.argv[1] if len(sys.argv) > 1 else None) as folder:
        notes, home = Path(folder, "notes"), Path(folder, "home")
        notes.mkdir()
        make_notes(notes)
        print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}", flush=True)
        first = prep_ingest(home, notes)
        print(f"1,000 files from nothing: {first.seconds:.1f} s, peak {first.memory_mb:.0f} MB", flush=True)
        print(f"unchanged: {prep_ingest(home, notes).seconds:.1f} s", flush=True)
        changed = notes / "note-0500.md"
        changed.write_text(changed.read_text(encoding="utf-8") + "\nA last word.\n", encoding="utf-8")
        print(f"one file changed: {prep_ingest(home, notes).seconds:.1f} s", flush=True)
        corpus = Path(folder, "corpus-home")
        whole = prep_ingest(corpus, bundled_corpus()).seconds
        alone = encoder_seconds(Home(corpus))
        print(
            f"bundled corpus: {whole:.1f} s, its texts through the encoder alone {alone:.1f} s: x {whole / alone:.2f}"
        )


if __name__ == "__main__":
    main()
