"""Retrieval, answers and declining on the test collections, in one run.

    python -m evals.bench.quality DATA [--home DIR]

DATA holds `sets/` (BEIR folders, some with references.jsonl), `library/` (the files the
references point into) and `abstain/`. Writes evals/bench/QUALITY.md. The bundled gold is
not part of it: `prep eval` measures that.
"""

from __future__ import annotations

import argparse
import json
import platform
import time
from collections.abc import Iterator, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from evals.collections import build_library, collection_home
from evals.evaluate import evaluate_beir
from evals.gold import Placed, covers, load_beir
from evals.metrics import auroc, mean_and_interval
from evals.spans import span_scores
from ingest.pipeline import ingest
from retrieval.library import Library, quiet
from retrieval.store import Home
from retrieval.types import MODES

QA_SETS = ("qa_grigorev_theory", "qa_ajitsingh98", "qa_rasbt_faq", "qa_llm_kalyanks", "qa_iamtodor")
BEIR_SETS = ("natural", *QA_SETS, "xquad_en", "anthropic_docs")
MEASURES = ("recall@1", "recall@5", "recall@10", "nDCG@10")
RESULTS = Path(__file__).with_name("QUALITY.md")
_K = 5


def main() -> None:
    """Run every part and write the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--home", type=Path, default=Path(".prep-bench"), help="where indexes are kept between runs")
    options = parser.parse_args()
    quiet()
    home = Home(options.home)
    lines = [*_header(), *_collections(options.data, home), *_chunking(options.data, home)]
    ingest(home, [options.data / "library"])
    with Library(home) as library:
        lines += _original_files(options.data, library)
        lines += _declining(options.data, library)
    RESULTS.write_text("\n".join(lines) + "\n", encoding="utf-8")
    print("\n".join(lines))


def _header() -> Iterator[str]:
    libraries = ", ".join(
        f"{name} {version(name)}" for name in ("chromadb", "bm25s", "onnxruntime", "sentence-transformers")
    )
    yield "# Quality on the test collections"
    yield ""
    yield f"{time.strftime('%Y-%m-%d')}; Python {platform.python_version()}, {libraries}; {platform.machine()}."
    yield "Made by `make bench-quality DATA=...`. Numbers are means over queries with 95 % bootstrap intervals."
    yield ""


def _collections(data: Path, home: Home) -> Iterator[str]:
    """Rank the documents of every BEIR folder in every mode."""
    yield "## Collections (documents ranked by their best passage)"
    yield ""
    yield "| set | queries | mode | " + " | ".join(MEASURES) + " |"
    yield "|---|---|---|" + "---|" * len(MEASURES)
    for name in BEIR_SETS:
        collection = load_beir(data / "sets" / name)
        with build_library(collection, collection_home(home, collection)) as library:
            for mode in MODES:
                done = evaluate_beir(library, collection, mode=mode, measures=MEASURES)
                cells = " | ".join(_cell(done.values(m)) for m in MEASURES)
                yield f"| {name} | {len(done.queries)} | {mode} | {cells} |"
    yield ""


def _chunking(data: Path, home: Home) -> Iterator[str]:
    """Score the text of the first hits against exact reference spans."""
    folder = data / "sets" / "chunking_evaluation"
    own = Home(home.path / "collections" / "chunking_evaluation", home.encoders)
    ingest(own, [folder / "corpora"])
    queries = {row["_id"]: row["text"] for row in _rows(folder / "queries.jsonl")}
    references: dict[str, list[tuple[str, int, int]]] = {}
    for row in _rows(folder / "references.jsonl"):
        references.setdefault(row["query_id"], []).append((f"{row['doc_id']}.md", row["start"], row["end"]))
    yield f"## Spans: chunking_evaluation, first {_K} hits"
    yield ""
    yield "| mode | recall | precision | IoU |"
    yield "|---|---|---|---|"
    with Library(own) as library:
        for mode in MODES:
            scores = []
            for id_, wanted in references.items():
                hits = library.search(queries[id_], _K, mode=mode)
                places = [(h.passage.locator.path, *h.passage.locator.span) for h in hits]
                scores.append(span_scores(places, wanted))
            cells = (_cell([getattr(s, name) for s in scores]) for name in ("recall", "precision", "iou"))
            yield f"| {mode} | {' | '.join(cells)} |"
    yield ""


def _original_files(data: Path, library: Library) -> Iterator[str]:
    """Ask the questions of the banks of the library they stand in; a hit must overlap the answer by half."""
    yield "## Original files: the span of the answer in the whole library"
    yield ""
    yield "| set | questions | recall@1 | recall@5 | sentences of the answer in the span |"
    yield "|---|---|---|---|---|"
    for name in QA_SETS:
        queries = {row["_id"]: row["text"] for row in _rows(data / "sets" / name / "queries.jsonl")}
        wanted: dict[str, list[Placed]] = {}
        for row in _rows(data / "sets" / name / "references.jsonl"):
            wanted.setdefault(row["query_id"], []).append(Placed(row["file"], (row["start"], row["end"]), 1))
        first, five, inside = [], [], []
        for id_, places in wanted.items():
            hits = library.search(queries[id_], _K)
            found = [any(covers(hit, place) for place in places) for hit in hits]
            first.append(float(any(found[:1])))
            five.append(float(any(found)))
            inside += [
                float(any(p.path == c.locator.path and p.span[0] <= c.locator.span[0] < p.span[1] for p in places))
                for c in library.ask(queries[id_]).citations
            ]
        yield f"| {name} | {len(wanted)} | {_cell(first)} | {_cell(five)} | {np.mean(inside):.3f} |"
    yield ""


def _declining(data: Path, library: Library) -> Iterator[str]:
    """Compare the confidence of the banks' questions with that of questions the library does not answer."""
    asked = [row["text"] for name in QA_SETS for row in _rows(data / "sets" / name / "queries.jsonl")]
    yes = [library.ask(text) for text in asked]
    yield "## Declining, with the whole library indexed"
    yield ""
    yield "| unanswerable | questions | AUROC | declined | answerable answered |"
    yield "|---|---|---|---|---|"
    answered = np.mean([a.answered for a in yes])
    for file in sorted((data / "abstain").glob("*.jsonl")):
        no = [library.ask(row["text"]) for row in _rows(file)]
        area = auroc([a.confidence for a in yes], [a.confidence for a in no])
        declined = np.mean([not a.answered for a in no])
        yield f"| {file.stem} | {len(no)} | {area:.3f} | {declined:.1%} | {answered:.1%} of {len(yes)} |"
    yield ""


def _cell(values: Sequence[float]) -> str:
    mean, low, high = mean_and_interval(values)
    return f"{mean:.3f} ({low:.3f} to {high:.3f})"


def _rows(path: Path) -> Iterator[dict[str, Any]]:
    with path.open(encoding="utf-8") as file:
        yield from (json.loads(line) for line in file if line.strip())


if __name__ == "__main__":
    main()
