"""A library indexed once more with its passages changed, to measure what a part of them is worth."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace

from ingest.documents import Document
from ingest.writer import Change, Progress, write_generation
from retrieval.library import Library
from retrieval.store import Home
from retrieval.types import Passage, embedded_text
from retrieval.vectors import VectorCache


def rebuild(
    library: Library,
    folder: str,
    change: Callable[[Passage], Passage | None],
    progress: Progress | None = None,
) -> Library:
    """Index a library's passages as `change` returns them, those it returns None for left out; the caller closes it.

    The copy is kept in a folder of the library's home. Vectors of texts that stay as they are
    come from the library, and a second run encodes nothing that the first one did.
    """
    searcher = library.searcher
    passages = list(searcher.dense.all_passages())
    changed = [made for p in passages if (made := change(p))]
    home = Home(library.home.path / folder, library.home.encoders)
    counts = Counter(p.locator.path for p in changed)
    records = tuple(replace(r, passages=counts[r.path]) for r in library.manifest.sources)
    texts = {r.text_name: Document(library.text(r.path), r.title, r.kind) for r in records if counts[r.path]}
    vectors = searcher.dense.vectors([p.id for p in passages])
    with home.writing():
        with VectorCache(home.path / "vectors.sqlite", searcher.encoder) as cache:
            cache.put([embedded_text(p) for p in passages], [vectors[p.id] for p in passages])
        content = Change(records, changed, texts)
        write_generation(home, searcher.encoder, content, fresh=True, progress=progress or (lambda *_: None))
    return Library(home, searcher.encoder)
