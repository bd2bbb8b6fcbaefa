"""The text of the first hits against exact reference spans: the chunking_evaluation set."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from evals.bench.tables import Setting, cell, rows, table
from evals.spans import Place, SpanScores, span_scores
from ingest.pipeline import ingest
from retrieval.library import Library
from retrieval.store import Home
from retrieval.types import MODES, Mode

SET = "chunking_evaluation"
_K = 5


def spans(setting: Setting) -> Iterator[str]:
    """Score every mode."""
    with corpora(setting) as library:
        by_mode = {mode: scores(setting, library, mode) for mode in MODES}
    body = [
        (mode, str(len(found)), *(cell([getattr(s, name) for s in found]) for name in ("recall", "precision", "iou")))
        for mode, found in by_mode.items()
    ]
    yield from table(f"Spans: {SET}, first {_K} hits", ("mode", "queries", "recall", "precision", "IoU"), body)


@contextmanager
def corpora(setting: Setting) -> Iterator[Library]:
    """Index the corpora through our own reader and chunker."""
    home = Home(setting.home.path / "collections" / SET, setting.home.encoders)
    ingest(home, [setting.data / "sets" / SET / "corpora"], model=setting.model)
    with Library(home) as library:
        yield library


def scores(setting: Setting, library: Library, mode: Mode) -> list[SpanScores]:
    """Return the scores of each query's first hits, in the order of the references."""
    folder = setting.data / "sets" / SET
    queries = {row["_id"]: row["text"] for row in rows(folder / "queries.jsonl")}
    references: dict[str, list[Place]] = {}
    for row in rows(folder / "references.jsonl"):
        references.setdefault(row["query_id"], []).append((f"{row['doc_id']}.md", row["start"], row["end"]))
    found = []
    for id_, wanted in setting.sample(list(references.items())):
        hits = library.search(queries[id_], _K, mode=mode)
        found.append(span_scores([(h.passage.locator.path, *h.passage.locator.span) for h in hits], wanted))
    return found
