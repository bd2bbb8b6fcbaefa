"""A BEIR folder as a library of its own, through our chunker and our index, and hits back as documents."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from evals.gold import Beir
from ingest.chunk import chunk
from ingest.documents import Block, Document
from ingest.writer import Change, Progress, write_generation
from retrieval.encoder import open_encoder
from retrieval.library import Library
from retrieval.manifest import SourceRecord, sort_records
from retrieval.models import DEFAULT_MODEL
from retrieval.store import Home, Store
from retrieval.types import Hit, Passage


def build_library(
    collection: Beir, home: Home, *, model: str = DEFAULT_MODEL, progress: Progress | None = None
) -> Library:
    """Index the documents of a collection; each document id is a source path. What was encoded before is not again."""
    encoder = open_encoder(model, home.encoders)
    records: list[SourceRecord] = []
    passages: list[Passage] = []
    for id_, (title, text) in collection.documents.items():
        document = Document(text, title, "notes", tuple(Block("prose", span) for span in _paragraphs(text)))
        mine = chunk(document, id_, encoder.count_tokens, encoder.max_tokens)
        passages.extend(mine)
        digest = hashlib.sha256(f"{id_}\0{text}".encode()).hexdigest()
        records.append(
            SourceRecord("", "", id_, digest, len(text), 0, title=title, passages=len(mine), indexed_sha256=digest)
        )
    texts = {r.text_name: Document(collection.documents[r.path][1], r.title, "notes") for r in records}
    with home.writing():
        change = Change(sort_records(records), passages, texts)
        write_generation(home, encoder, change, fresh=True, progress=progress or (lambda *_: None))
    return Library(home, encoder)


def documents_of(hits: Sequence[Hit]) -> list[str]:
    """Return document ids in the order of their best passage; other places of a hit follow it."""
    return list(dict.fromkeys(loc.path for hit in hits for loc in (hit.passage.locator, *hit.also)))


def _paragraphs(text: str) -> list[tuple[int, int]]:
    spans: list[tuple[int, int]] = []
    position = 0
    for part in text.split("\n\n"):
        start = position + len(part) - len(part.lstrip())
        if part.strip():
            spans.append((start, start + len(part.strip())))
        position += len(part) + 2
    return spans


def collection_home(library: Store, collection: Beir) -> Home:
    """Return where the index of a collection is kept between runs: under a library, whose encoder it shares."""
    return Home(library.path / "collections" / collection.name, library.encoders)
