"""Vectors and passages in Chroma. Owns chromadb and its quirks; above this file nobody knows of distances.

Two collections stand side by side: "passages" (one vector for every passage) and
"questions" (one more for the bare question of each entry, under the id of the entry's
first passage). A passage travels in its metadata, whole, so that ids lead to citations
without a second store.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from retrieval.errors import IndexCorruptError
from retrieval.types import Entry, Locator, Passage

Where = Mapping[str, Any]

_BATCH = 1000
_PAGE = 10_000  # past about 32,000 rows a single get fails with "too many SQL variables"
# Set so that recall@50 against exact search stays over 0.99 at 100,000 passages.
_HNSW: Any = {"space": "cosine", "ef_construction": 200, "max_neighbors": 32, "ef_search": 200}


class DenseIndex:
    """The Chroma directory of one generation."""

    def __init__(self, folder: Path) -> None:
        import chromadb
        from chromadb.config import Settings

        try:
            self._client = chromadb.PersistentClient(str(folder), settings=Settings(anonymized_telemetry=False))
            self._passages = self._collection("passages")
            self._questions = self._collection("questions")
        except Exception as error:  # chromadb raises its own, sqlite's and its Rust core's errors
            raise IndexCorruptError(
                f"the vector index at {folder} cannot be opened ({error}); run: prep doctor --fix"
            ) from error

    def _collection(self, name: str) -> Any:
        return self._client.get_or_create_collection(name, configuration={"hnsw": _HNSW}, embedding_function=None)

    def close(self) -> None:
        """Release files and memory; an unclosed client holds about 12 handles and 24 MB."""
        self._client.close()  # type: ignore[attr-defined]

    def count(self) -> tuple[int, int]:
        """Return how many passage vectors and question vectors there are."""
        return self._passages.count(), self._questions.count()

    def add(self, passages: Sequence[Passage], vectors: NDArray[np.float32]) -> None:
        """Add passages with unit vectors `(n, dimensions)`; a known id is replaced."""
        for start in range(0, len(passages), _BATCH):
            part = passages[start : start + _BATCH]
            self._passages.upsert(
                ids=[p.id for p in part],
                embeddings=vectors[start : start + _BATCH],
                documents=[p.text for p in part],
                metadatas=[_to_metadata(p) for p in part],
            )

    def add_questions(self, ids: Sequence[str], vectors: NDArray[np.float32]) -> None:
        """Add the vectors of bare questions under the ids of their entries' first passages."""
        for start in range(0, len(ids), _BATCH):
            self._questions.upsert(ids=list(ids[start : start + _BATCH]), embeddings=vectors[start : start + _BATCH])

    def delete(self, ids: Sequence[str]) -> None:
        """Remove passages and their question vectors; unknown ids are passed over."""
        for start in range(0, len(ids), _BATCH):
            self._passages.delete(ids=list(ids[start : start + _BATCH]))
            self._questions.delete(ids=list(ids[start : start + _BATCH]))

    def query(self, vector: NDArray[np.float32], k: int, where: Where | None = None) -> dict[str, float]:
        """Return the cosine of the `k` passages nearest to a unit vector, by id."""
        return _nearest(self._passages, vector, k, where)

    def query_questions(self, vector: NDArray[np.float32], k: int) -> dict[str, float]:
        """Return the cosine of the `k` nearest bare questions, by the id of the entry's first passage."""
        return _nearest(self._questions, vector, k, None)

    def vectors(self, ids: Sequence[str]) -> dict[str, NDArray[np.float32]]:
        """Return passage vectors by id; unknown ids are left out."""
        return _vectors(self._passages, ids)

    def question_vectors(self, ids: Sequence[str]) -> dict[str, NDArray[np.float32]]:
        """Return question vectors by id; ids without a question of their own are left out."""
        return _vectors(self._questions, ids)

    def passages(self, ids: Sequence[str]) -> dict[str, Passage]:
        """Return passages by id; unknown ids are left out."""
        found: dict[str, Passage] = {}
        for start in range(0, len(ids), _PAGE):
            rows = self._passages.get(ids=list(ids[start : start + _PAGE]), include=["documents", "metadatas"])
            found.update(
                (i, _from_row(i, d, m))
                for i, d, m in zip(rows["ids"], rows["documents"], rows["metadatas"], strict=True)
            )
        return found

    def find(self, where: Where) -> list[Passage]:
        """Return all passages that match, by id."""
        rows = self._passages.get(where=dict(where), include=["documents", "metadatas"])
        found = [_from_row(i, d, m) for i, d, m in zip(rows["ids"], rows["documents"], rows["metadatas"], strict=True)]
        return sorted(found, key=lambda p: p.id)

    def ids(self, where: Where | None = None) -> list[str]:
        """Return the ids of all passages that match, sorted."""
        return sorted(i for rows in self._pages(where, []) for i in rows["ids"])

    def all_passages(self) -> Iterator[Passage]:
        """Yield every passage, in Chroma's order."""
        for rows in self._pages(None, ["documents", "metadatas"]):
            for row in zip(rows["ids"], rows["documents"], rows["metadatas"], strict=True):
                yield _from_row(*row)

    def _pages(self, where: Where | None, include: list[str]) -> Iterator[Any]:
        offset = 0
        while True:
            rows = self._passages.get(where=dict(where) if where else None, include=include, limit=_PAGE, offset=offset)
            yield rows
            if len(rows["ids"]) < _PAGE:
                return
            offset += _PAGE


def _nearest(collection: Any, vector: NDArray[np.float32], k: int, where: Where | None) -> dict[str, float]:
    count = collection.count()
    if count == 0 or k < 1:
        return {}
    rows = collection.query(
        query_embeddings=[vector], n_results=min(k, count), where=dict(where) if where else None, include=["distances"]
    )
    return {i: 1.0 - float(d) for i, d in zip(rows["ids"][0], rows["distances"][0], strict=True)}


def _vectors(collection: Any, ids: Sequence[str]) -> dict[str, NDArray[np.float32]]:
    found: dict[str, NDArray[np.float32]] = {}
    for start in range(0, len(ids), _PAGE):
        rows = collection.get(ids=list(ids[start : start + _PAGE]), include=["embeddings"])
        found.update(zip(rows["ids"], np.asarray(rows["embeddings"], dtype=np.float32), strict=True))
    return found


def _to_metadata(passage: Passage) -> dict[str, Any]:
    """Flatten a passage: the fields that filters name stand on their own, the rest is one JSON record."""
    record = asdict(replace(passage, text=""))
    del record["id"], record["text"]
    metadata: dict[str, Any] = {"kind": passage.kind, "path": passage.locator.path, "record": json.dumps(record)}
    if passage.topics:
        metadata["topics"] = list(passage.topics)
    if passage.entry:
        metadata["entry"] = passage.entry.id
    return metadata


def _from_row(id_: str, document: str, metadata: Mapping[str, Any]) -> Passage:
    record = json.loads(metadata["record"])
    where, entry = record["locator"], record["entry"]
    locator = Locator(
        path=where["path"],
        title=where["title"],
        span=(where["span"][0], where["span"][1]),
        lines=tuple(where["lines"]) if where["lines"] else None,
        page=where["page"],
        heading=tuple(where["heading"]),
    )
    return Passage(
        id=id_,
        text=document,
        context=record["context"],
        locator=locator,
        kind=record["kind"],
        topics=tuple(record["topics"]),
        entry=Entry(**{**entry, "answer": tuple(entry["answer"])}) if entry else None,
    )
