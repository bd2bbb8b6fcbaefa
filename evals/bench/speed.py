"""How long people wait, beside the starters of LangChain, LlamaIndex and txtai: writes evals/bench/RESULTS.md.

    python -m evals.bench.speed [--peers PYTHON] [--sizes N,N,...] [--times N] [--only PART,...]

`--peers` names a Python with the extra `peers`; without one only our own times are taken.
Peers run in turn with our command on the same machine, and ratios are of such pairs.
"""

from __future__ import annotations

import argparse
import os
import platform
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from importlib.metadata import version
from pathlib import Path
from statistics import median

from evals.bench.growth import grow
from evals.bench.peers import PEERS
from evals.bench.processes import Run, Setting, pairs, run
from evals.bench.tables import processor, table
from ingest.writer import encoded_texts
from retrieval.library import Library, quiet
from retrieval.models import BASE_MODEL, DEFAULT_MODEL, find_model
from retrieval.store import Home

RESULTS = Path(__file__).with_name("RESULTS.md")
QUESTION = "When do I prefer L1 over L2?"


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
    for name in PEERS if setting.peers else ():
        theirs = run(setting.peer(name, "index", str(setting.guides), str(setting.folder / name)))
        count = theirs.output.split()[-1]
        ratio = f"{theirs.seconds / ours.seconds:.2f}"
        rows.append((name, count, f"{theirs.seconds:.1f}", f"{theirs.memory_mb:.0f}", ratio))
    note = (
        f"The guides of the bundled corpus, {megabytes:.2f} MB of Markdown; each once, in a process of its own. "
        "Ours are passages, questions and phrasings; llamaindex cuts at 1,024 tokens, of which "
        "the encoder reads 256, txtai at paragraphs."
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
    for name in PEERS if setting.peers else ():
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


PARTS: dict[str, Callable[[Setting], Iterator[str]]] = {"ingest": ingest, "cold": cold, "growth": grow}


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
