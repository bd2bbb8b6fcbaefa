"""How long people wait, beside the starters of LangChain and LlamaIndex: writes evals/bench/RESULTS.md.

    python -m evals.bench.speed [--peers PYTHON] [--sizes N,N,...] [--times N] [--only PART,...]

`--peers` names a Python with the extra `peers`; without one only our own times are taken.
Peers run in turn with our command on the same machine, and ratios are of such pairs. Sizes
past what a corpus gives are made-up passages with vectors drawn from around the corpus's own:
they cost a search what real ones do, and are worth nothing as answers.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from statistics import median
from string import ascii_lowercase

import numpy as np

from evals.bench.processes import Run, pairs, run
from evals.bench.tables import processor, table
from evals.gold import GOLD, load_gold, of_split
from ingest.bundled import bundled_corpus
from ingest.writer import encoded_texts
from retrieval.encoder import open_encoder
from retrieval.index import DenseIndex, PassageIndex
from retrieval.lexical import LexicalIndex
from retrieval.library import Library, quiet
from retrieval.local_index import EXACT, LocalIndex, LocalWriter
from retrieval.models import BASE_MODEL, DEFAULT_MODEL, find_model
from retrieval.search import Searcher
from retrieval.store import Home
from retrieval.types import Locator, Passage, passage_id

RESULTS = Path(__file__).with_name("RESULTS.md")
QUESTION = "When do I prefer L1 over L2?"
_WORDS = 62  # of a made-up passage
_QUERIES = 200


@dataclass(frozen=True, slots=True)
class Setting:
    """Where to work, with which Python the peers run (none: leave them out), how often, and at which sizes."""

    folder: Path
    peers: str | None
    times: int
    sizes: tuple[int, ...]

    @property
    def guides(self) -> Path:
        return bundled_corpus() / "guides"

    def prep(self, *arguments: str, home: str) -> list[str]:
        return [sys.executable, "-m", "ui.cli", *arguments, "--index", str(self.folder / home)]

    def peer(self, *arguments: str) -> list[str]:
        return [self.peers or "", "-m", "evals.bench.peers", *arguments]


def ingest(setting: Setting) -> Iterator[str]:
    """Index the guides of the bundled corpus from nothing, beside the bare encoder and the peers."""
    megabytes = sum(p.stat().st_size for p in setting.guides.rglob("*.md")) / 1e6
    ours = run(setting.prep("ingest", str(setting.guides), home="ours"))
    with Library(Home(setting.folder / "ours")) as library:
        texts = encoded_texts(list(library.searcher.dense.all_passages()))
    bare = _bare_seconds(texts)
    rows = [
        ("prep ingest", str(len(texts)), f"{ours.seconds:.1f}", f"{ours.memory_mb:.0f}", "1"),
        ("SentenceTransformer.encode alone, fp32", str(len(texts)), f"{bare:.1f}", "", f"{bare / ours.seconds:.2f}"),
    ]
    for name in ("langchain", "llamaindex") if setting.peers else ():
        theirs = run(setting.peer(name, "index", str(setting.guides), str(setting.folder / name)))
        count = theirs.output.split()[-1]
        ratio = f"{theirs.seconds / ours.seconds:.2f}"
        rows.append((name, count, f"{theirs.seconds:.1f}", f"{theirs.memory_mb:.0f}", ratio))
    note = (
        f"The guides of the bundled corpus, {megabytes:.2f} MB of Markdown; each once, in a process of its own. "
        "Ours are passages, questions and phrasings; llamaindex cuts at 1,024 tokens, of which the encoder reads 256."
    )
    yield from table("Ingest", ("what", "texts embedded", "seconds", "peak MB", "times ours"), rows, note)


def _bare_seconds(texts: Sequence[str]) -> float:
    """Return the seconds of sentence-transformers for the same texts at its best batch size."""
    from retrieval.encoder import load_model

    model = load_model(find_model(DEFAULT_MODEL))
    sample = list(texts)[:: max(1, len(texts) // 200)]
    speeds = {}
    for batch in (8, 16, 32):
        started = time.monotonic()
        model.encode(sample, batch_size=batch, show_progress_bar=False)
        speeds[batch] = time.monotonic() - started
    started = time.monotonic()
    model.encode(list(texts), batch_size=min(speeds, key=speeds.__getitem__), show_progress_bar=False)
    return time.monotonic() - started


def cold(setting: Setting) -> Iterator[str]:
    """Ask one question in a fresh process, in turn with each peer. Needs the indexes of `ingest`."""
    ask = setting.prep("ask", QUESTION, home="ours")
    rows = []
    for name in ("langchain", "llamaindex") if setting.peers else ():
        ours, theirs, ratio = pairs(ask, setting.peer(name, "ask", str(setting.folder / name), QUESTION), setting.times)
        rows.append(_cold_row(name, theirs, f"{ratio:.2f}", f"{_memory(ours) / _memory(theirs):.2f}"))
    mine = [run(ask) for _ in range(setting.times)]
    head = ("what", "seconds (median)", "peak MB", "ours / theirs, seconds", "ours / theirs, memory")
    note = f"`{QUESTION}`, {setting.times} runs each; ratios are medians over pairs run in turn."
    yield from table("A question from a cold start", head, [_cold_row("prep ask", mine, "", ""), *rows], note)


def _cold_row(name: str, runs: Sequence[Run], ratio: str, memory: str) -> tuple[str, ...]:
    return name, f"{median(r.seconds for r in runs):.2f}", f"{_memory(runs):.0f}", ratio, memory


def _memory(runs: Sequence[Run]) -> float:
    return median(r.memory_mb for r in runs)


def search(setting: Setting) -> Iterator[str]:
    """Search made-up libraries of growing size, encoding included; LangChain's dense search over the same vectors."""
    queries = [q.text for q in of_split(load_gold(GOLD / "bundled.jsonl"), "dev")][:_QUERIES]
    real = _guides_vectors(setting)
    encoder = open_encoder(DEFAULT_MODEL, setting.folder / "ours" / "encoders")
    rows = []
    for size in setting.sizes:
        home = setting.folder / f"made-{size}"
        vectors, seconds = _make(home, size, real)
        searcher = Searcher(encoder, LocalIndex(home), LexicalIndex.load(home / "lexical"))
        taken = _percentiles(searcher, queries)
        searcher.dense.close()
        graph = DenseIndex(home / "chroma", reading=True)
        right = _recall(graph, vectors, encoder.encode(queries[:50]))
        graph.close()
        megabytes = sum(p.stat().st_size for p in home.rglob("*") if p.is_file()) / 1e6
        rows.append(
            (
                f"{size:,}",
                *taken,
                f"{right:.3f}",
                f"{megabytes:.0f}",
                f"{seconds:.0f}",
                _theirs(setting, home, vectors, queries),
            )
        )
        shutil.rmtree(home)
    head = (
        "passages",
        "p50 ms",
        "p95 ms",
        "p99 ms",
        "recall@50 of HNSW",
        "MB on disk",
        "seconds to write",
        "LangChain p50 ms",
    )
    note = (
        f"Warm hybrid search, k = 5, {len(queries)} dev questions of the bundled gold, encoding included. A vector is "
        "that of a passage of the guides, moved by half of the difference of two others. HNSW is what answers past "
        f"{EXACT:,} passages; up to there all cosines are computed."
    )
    yield from table("Search", head, rows, note)


def _guides_vectors(setting: Setting) -> np.ndarray:
    """Return the vectors of the guides' passages `(n, dimensions)`, from the index of `ingest` where it was made."""
    home = setting.folder / "ours"
    if not home.is_dir():
        run(setting.prep("ingest", str(setting.guides), home="ours"))
    with Library(Home(home)) as library:
        dense = library.searcher.dense
        return np.stack(list(dense.vectors(dense.ids()).values()))


def _make(home: Path, size: int, real: np.ndarray) -> tuple[np.ndarray, float]:
    """Write an index of made-up passages; return its vectors `(size, dimensions)` and the seconds it took."""
    random_, generator = random.Random(1), np.random.default_rng(1)
    vocabulary = ["".join(random_.choices(ascii_lowercase, k=random_.randint(3, 10))) for _ in range(30_000)]
    weights = [1 / (n + 3) for n in range(len(vocabulary))]  # Zipf
    started = time.monotonic()
    dense = LocalWriter(home)
    texts: dict[str, str] = {}
    parts = []
    for start in range(0, size, 10_000):
        count = min(10_000, size - start)
        at, one, other = generator.integers(len(real), size=(3, count))
        rows = real[at] + (real[one] - real[other]) / 2
        parts.append(rows / np.linalg.norm(rows, axis=1, keepdims=True))
        passages = []
        for n in range(start, start + count):
            text = " ".join(random_.choices(vocabulary, weights, k=_WORDS))
            path, span = f"made/{n // 20:06}.md", (n % 20 * 1000, n % 20 * 1000 + len(text))
            passages.append(Passage(passage_id(path, span, text), text, "", Locator(path, "made", span), "prose"))
        dense.add(passages, parts[-1])
        texts |= {p.id: p.text for p in passages}
    dense.save()
    dense.close()
    LexicalIndex.build(list(texts), texts).save(home / "lexical")
    return np.concatenate(parts), time.monotonic() - started


def _percentiles(searcher: Searcher, queries: Sequence[str]) -> tuple[str, str, str]:
    searcher.search(queries[0], 5)
    seconds = []
    for query in queries:
        started = time.perf_counter()
        searcher.search(query, 5)
        seconds.append(time.perf_counter() - started)
    p50, p95, p99 = (1000 * np.percentile(seconds, q) for q in (50, 95, 99))
    return f"{p50:.1f}", f"{p95:.1f}", f"{p99:.1f}"


def _recall(dense: PassageIndex, vectors: np.ndarray, asked: np.ndarray) -> float:
    """Return the share of the 50 nearest vectors, by exact search, that the index finds."""
    exact = np.sort(asked @ vectors.T, axis=1)[:, -50]
    found = [dense.query(vector, 50).values() for vector in asked]
    return float(np.mean([sum(c >= e - 1e-6 for c in cosines) / 50 for cosines, e in zip(found, exact, strict=True)]))


def _theirs(setting: Setting, home: Path, vectors: np.ndarray, queries: Sequence[str]) -> str:
    if not setting.peers or len(vectors) > 100_000:
        return ""
    np.save(home / "vectors.npy", vectors)
    (home / "queries.json").write_text(json.dumps(list(queries)), encoding="utf-8")
    files = (str(home / name) for name in ("langchain", "vectors.npy", "queries.json"))
    done = run(setting.peer("langchain", "search", *files))
    return f"{1000 * median(json.loads(done.output.splitlines()[-1])):.1f}"


PARTS: dict[str, Callable[[Setting], Iterator[str]]] = {"ingest": ingest, "cold": cold, "search": search}


def main() -> None:
    """Run the parts and write the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peers", help="a Python with the extra `peers`")
    parser.add_argument("--sizes", default="1000,10000,100000")
    parser.add_argument("--times", type=int, default=5)
    parser.add_argument("--only", default="", help=f"some of {', '.join(PARTS)}; then nothing is written")
    options = parser.parse_args()
    quiet()
    lines: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        setting = Setting(Path(folder), options.peers, options.times, tuple(map(int, options.sizes.split(","))))
        for name in options.only.split(",") if options.only else PARTS:
            lines += PARTS[name](setting)
            print("\n".join(lines[-12:]), flush=True)
    if not options.only:
        RESULTS.write_text("\n".join([*_header(), *lines]), encoding="utf-8")


def _header() -> Iterator[str]:
    libraries = ", ".join(f"{name} {version(name)}" for name in ("chromadb", "bm25s", "onnxruntime", "torch"))
    yield from ("# Speed", "")
    machine = f"Python {platform.python_version()}, {libraries}; {processor()}, {os.cpu_count()} cores"
    yield f"{time.strftime('%Y-%m-%d')}; {machine}."
    yield f"Made by `make bench`; encoders {DEFAULT_MODEL} (ours) and {BASE_MODEL} (peers), of one size and speed."
    yield ""


if __name__ == "__main__":
    main()
