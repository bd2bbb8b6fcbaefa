"""How searching, writing and committing grow with a library, beside LangChain: made-up ones of any size."""

from __future__ import annotations

import json
import shutil
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import altair
import numpy as np

from evals.bench.made import MadeUp, around
from evals.bench.processes import Run, Setting, run
from evals.bench.tables import table
from evals.gold import GOLD, load_gold, of_split
from retrieval.encoder import open_encoder
from retrieval.index import DenseIndex
from retrieval.library import Library
from retrieval.local_index import EXACT
from retrieval.models import DEFAULT_MODEL
from retrieval.store import Home

PLOT = Path(__file__).with_name("RESULTS.svg")
_ADVICE = (
    "What stops being pleasant first is the change: each one writes the words and the replica of all passages anew, so "
    "that a saved file is searchable after about a second at 10,000 passages, after ten at 100,000 and after three "
    "minutes at 1,000,000. Past 100,000 keep a library for each subject (`--index`), or change it once a day rather "
    "than with `--watch`. Searching stays within a blink throughout; at 1,000,000 it takes some 6 GB of memory, and "
    "HNSW misses a tenth of the nearest."
)
_QUERIES = 200
_PEERS_UP_TO = 100_000  # passages; to fill theirs with more would take hours


@dataclass(frozen=True, slots=True)
class Measured:
    """One size: milliseconds of a search, HNSW's recall@50, MB, and seconds to write all and to commit one file."""

    size: int
    p50: float
    p95: float
    p99: float
    theirs: float | None
    recall: float
    memory_mb: float
    written: float
    changed: float
    disk_mb: float

    def row(self) -> tuple[str, ...]:
        theirs = ("", "") if self.theirs is None else (f"{self.theirs:.1f}", f"{self.p50 / self.theirs:.2f}")
        return (
            *(f"{self.size:,}", f"{self.p50:.1f}", f"{self.p95:.1f}", f"{self.p99:.1f}", *theirs),
            *(f"{self.recall:.3f}", f"{self.memory_mb:.0f}", f"{self.written:.0f}", f"{self.changed:.1f}"),
            f"{self.disk_mb:.0f}",
        )


def grow(setting: Setting) -> Iterator[str]:
    """Search made-up libraries of growing size, encoding included; LangChain's dense search over the same vectors.

    Each searches in a fresh process, for what else a process holds slows it.
    """
    queries = setting.folder / "queries.json"
    asked = [q.text for q in of_split(load_gold(GOLD / "bundled.jsonl"), "dev")][:_QUERIES]
    queries.write_text(json.dumps(asked), encoding="utf-8")
    real = _guides_vectors(setting)
    measured = []
    for size in setting.sizes:
        measured.append(_measure(setting, size, around(real, size), queries))
        print(measured[-1], flush=True)
    head = (
        *("passages", "p50 ms", "p95 ms", "p99 ms", "LangChain p50 ms", "ratio", "recall@50 of HNSW", "peak MB"),
        *("seconds to write", "seconds to commit a changed file", "MB on disk"),
    )
    note = (
        f"Warm hybrid search, k = 5, {len(asked)} dev questions of the bundled gold, encoding included; each in a "
        "process of its own. A vector is that of a passage of the guides, moved by half of the difference of two "
        f"others. HNSW is what answers past {EXACT:,} passages; up to there all cosines are computed. Writing and "
        "committing are without reading and encoding."
    )
    yield from table("Search and commit", head, [m.row() for m in measured], note)
    draw(measured, PLOT)
    yield from (_ADVICE, "", f"![How times grow]({PLOT.name})", "")


def _measure(setting: Setting, size: int, vectors: np.ndarray, queries: Path) -> Measured:
    encoders = setting.folder / "ours" / "encoders"
    encoder = open_encoder(DEFAULT_MODEL, encoders)
    home = Home(setting.folder / f"made-{size}", encoders)
    made = MadeUp(size)
    started = time.monotonic()
    made.write(home, encoder, vectors)
    written = time.monotonic() - started
    warm = run([sys.executable, "-m", "evals.bench.warm", str(home.current()), str(encoders), str(queries)])
    theirs = _theirs(setting, vectors, queries)
    graph = DenseIndex(home.current() / "chroma", reading=True)
    right = _recall(graph, vectors, encoder.encode(json.loads(queries.read_text())[:50]))
    graph.close()
    megabytes = sum(p.stat().st_size for p in home.current().rglob("*") if p.is_file()) / 1e6
    started = time.monotonic()
    made.change(home, encoder, vectors)
    changed = time.monotonic() - started
    shutil.rmtree(home.path)
    p50, p95, p99 = (1000 * float(np.percentile(_seconds(warm), q)) for q in (50, 95, 99))
    return Measured(size, p50, p95, p99, theirs, right, warm.memory_mb, written, changed, megabytes)


def _guides_vectors(setting: Setting) -> np.ndarray:
    """Return the vectors of the guides' passages `(n, dimensions)`, from the index of `ingest` where it was made."""
    home = setting.folder / "ours"
    if not home.is_dir():
        run(setting.prep("ingest", str(setting.guides), home="ours"))
    with Library(Home(home)) as library:
        dense = library.searcher.dense
        return np.stack(list(dense.vectors(dense.ids()).values()))


def _recall(dense: DenseIndex, vectors: np.ndarray, asked: np.ndarray) -> float:
    """Return the share of the 50 nearest vectors, by exact search, that the index finds."""
    exact = np.sort(asked @ vectors.T, axis=1)[:, -50]
    found = [dense.query(vector, 50).values() for vector in asked]
    return float(np.mean([sum(c >= e - 1e-6 for c in cosines) / 50 for cosines, e in zip(found, exact, strict=True)]))


def _theirs(setting: Setting, vectors: np.ndarray, queries: Path) -> float | None:
    """Return the median of LangChain's milliseconds; None where there are no peers or it would take hours to fill."""
    if not setting.peers or len(vectors) > _PEERS_UP_TO:
        return None
    store, file = setting.folder / "theirs", setting.folder / "vectors.npy"
    np.save(file, vectors)
    done = run(setting.peer("langchain", "search", str(store), str(file), str(queries)))
    shutil.rmtree(store)
    return 1000 * median(_seconds(done))


def _seconds(done: Run) -> list[float]:
    return list(json.loads(done.output.splitlines()[-1]))


def draw(measured: Sequence[Measured], target: Path) -> None:
    """Draw the times over the size, both axes logarithmic."""
    names = {"search, p50 ms": "p50", "write all, seconds": "written", "commit a changed file, seconds": "changed"}
    rows = [
        {"passages": m.size, "time": getattr(m, field), "what": what} for m in measured for what, field in names.items()
    ]
    rows += [{"passages": m.size, "time": m.theirs, "what": "LangChain's search, p50 ms"} for m in measured if m.theirs]
    logarithmic = altair.Scale(type="log")
    chart = altair.Chart({"values": rows}, width=560, height=320).mark_line(point=True)
    chart.encode(
        x=altair.X("passages:Q", scale=logarithmic),
        y=altair.Y("time:Q", scale=logarithmic, title=None),
        color=altair.Color("what:N", title=None, legend=altair.Legend(orient="bottom", columns=2, labelLimit=0)),
    ).save(target)
