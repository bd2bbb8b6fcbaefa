"""Retrieval, answers and declining on the test collections, in one run.

    python -m evals.bench.quality DATA [--home DIR] [--model MODEL] [--most N] [--only PART,...]

DATA holds `sets/` (BEIR folders, some with references.jsonl), `library/` (the files the
references point into) and `abstain/`. Writes evals/bench/QUALITY.md, a run of some parts or
of fewer queries only prints. Vectors are kept under --home, so that a run that was stopped
goes on where it was and a second one encodes nothing.
"""

from __future__ import annotations

import argparse
import os
import platform
import time
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path

from evals.bench import chunks, files, ranking
from evals.bench.tables import Setting, processor
from retrieval.library import quiet
from retrieval.models import DEFAULT_MODEL
from retrieval.store import Home

RESULTS = Path(__file__).with_name("QUALITY.md")
_MOST = 1200  # queries of a set; only squad_v2_dev has more

PARTS: dict[str, Callable[[Setting], Iterator[str]]] = {
    "collections": ranking.collections,
    "parts": ranking.parts,
    "spans": chunks.spans,
    "files": files.retrieval,
    "answers": files.answers,
}


def main() -> None:
    """Run the parts and write the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--home", type=Path, default=Path(".prep-bench"), help="where indexes are kept between runs")
    parser.add_argument("--model", default=DEFAULT_MODEL, help="the encoder")
    parser.add_argument("--most", type=int, default=_MOST, help="queries of a set")
    parser.add_argument("--only", default="", help=f"some of {', '.join(PARTS)}")
    options = parser.parse_args()
    chosen = options.only.split(",") if options.only else list(PARTS)
    if unknown := set(chosen) - set(PARTS):
        parser.error(f"no part {', '.join(sorted(unknown))}; choose from {', '.join(PARTS)}")
    quiet()
    setting = Setting(options.data, Home(options.home), options.model, options.most)
    started = time.monotonic()
    lines: list[str] = []
    for name in chosen:
        began = time.monotonic()
        lines += PARTS[name](setting)
        print(f"{name}: {time.monotonic() - began:.0f} s", flush=True)
    text = "\n".join([*_header(options.model, time.monotonic() - started), *lines])
    print(text)
    if chosen == list(PARTS) and options.most >= _MOST:
        RESULTS.write_text(text, encoding="utf-8")


def _header(model: str, seconds: float) -> Iterator[str]:
    names = ("chromadb", "bm25s", "onnxruntime", "sentence-transformers")
    libraries = ", ".join(f"{name} {version(name)}" for name in names)
    yield "# Quality on the test collections"
    yield ""
    yield (
        f"{time.strftime('%Y-%m-%d')}; encoder {Path(model).name}; Python {platform.python_version()}, {libraries}; "
        f"{processor()}, {os.cpu_count()} cores; {seconds / 60:.0f} minutes."
    )
    yield "Made by `make bench-quality DATA=...`. Numbers are means over queries with 95 % bootstrap intervals."
    yield ""


if __name__ == "__main__":
    main()
