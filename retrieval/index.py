"""Vectors and passages in Chroma. Owns chromadb and its quirks; above this file nobody knows of distances.

Two collections stand side by side: "passages" (one vector for every passage) and
"questions" (one more for the bare question of each entry, under the id of the entry's
first passage). A passage travels in its metadata, whole, so that ids lead to citations
without a second store; not as Chroma's document, whose full-text index nothing here asks and
which doubles the file and the time to write it.
"""

from __future__ import annotations

import errno
import json
import shutil
import sys
import tempfile
import warnings
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from itertools import product
from math import ceil
from pathlib import Path
from types import ModuleType
from typing import Any, Protocol

import numpy as np
import orjson
from numpy.typing import NDArray

from retrieval.errors import IndexCorruptError, StorageError
from retrieval.types import Entry, Locator, Passage

Where = Mapping[str, Any]

_BATCH = 1000
_SYNC = 100  # rows after which Chroma writes its graph; those since are added to it again at every start of a process
_WRITES = 20  # of the graph while many rows come
_START = 2**18  # bytes written to see whether there is room
_FULL = 8 * 2**20  # bytes free; less than the index asks for at once
_VALUES = 30_000  # of one filter; SQLite takes 32,766 variables in a statement
_PAGE = 10_000  # past about 32,000 rows a single get fails with "too many SQL variables"
# Set so that recall@50 against exact search stays over 0.99 at 100,000 passages.
HNSW: Any = {"space": "cosine", "ef_construction": 200, "max_neighbors": 32, "ef_search": 200}


class PassageIndex(Protocol):
    """The passages and vectors of one generation, wherever they are kept."""

    def close(self) -> None: ...

    def count(self) -> tuple[int, int]:
        """Return how many passage vectors and question vectors there are."""

    def query(self, vector: NDArray[np.float32], k: int, where: Where | None = None) -> dict[str, float]:
        """Return the cosine of the `k` passages nearest to a unit vector, by id."""

    def query_questions(self, vector: NDArray[np.float32], k: int) -> dict[str, float]:
        """Return the cosine of the `k` nearest bare questions, by the id of the entry's first passage."""

    def vectors(self, ids: Sequence[str]) -> dict[str, NDArray[np.float32]]:
        """Return passage vectors by id; unknown ids are left out."""

    def question_vectors(self, ids: Sequence[str]) -> dict[str, NDArray[np.float32]]:
        """Return question vectors by id; ids without a question of their own are left out."""

    def passages(self, ids: Sequence[str]) -> dict[str, Passage]:
        """Return passages by id; unknown ids are left out."""

    def find(self, where: Where) -> list[Passage]:
        """Return all passages that match, by id."""

    def ids(self, where: Where | None = None) -> list[str]:
        """Return the ids of all passages that match, sorted."""

    def all_passages(self) -> Iterator[Passage]: ...


class PassageWriter(Protocol):
    """Those of the next generation, to be changed; `save` comes after the last change."""

    def close(self) -> None: ...
    def count(self) -> tuple[int, int]: ...
    def vectors(self, ids: Sequence[str]) -> dict[str, NDArray[np.float32]]: ...
    def all_passages(self) -> Iterator[Passage]: ...
    def add(self, passages: Sequence[Passage], vectors: NDArray[np.float32]) -> None: ...
    def add_questions(self, ids: Sequence[str], vectors: NDArray[np.float32]) -> None: ...
    def delete_sources(self, paths: Collection[str]) -> None: ...
    def save(self) -> None: ...


class DenseIndex:
    """The Chroma directory of one generation.

    One that is only read can be opened where nothing can be written, too: Chroma writes when it
    opens and fails on a read-only or a full disk, so then a copy elsewhere is opened. Raises
    StorageError where there is no room for that either, IndexCorruptError where it is gone or cannot be opened.
    """

    def __init__(self, folder: Path, *, reading: bool = False) -> None:
        chromadb = load_chromadb()
        if reading and not folder.is_dir():  # Chroma would make an empty one
            raise IndexCorruptError(
                f"there is no vector index at {folder}; where a newer generation took its place asking again helps, "
                "else run: prep doctor --fix"
            )
        self._copy = _copied(folder) if reading and not _takes_writes(folder) else None
        self._folder = folder = Path(self._copy.name) if self._copy else folder
        with _told(folder, "opened"):
            self._client = chromadb.PersistentClient(
                str(folder), settings=chromadb.Settings(anonymized_telemetry=False)
            )
            self._passages = self._table("passages")
            self._questions = self._table("questions")

    def _table(self, name: str) -> _Table:
        settings: Any = {"hnsw": {**HNSW, "sync_threshold": _SYNC}}
        made = self._client.get_or_create_collection(name, configuration=settings, embedding_function=None)
        return _Table(made, self._folder)

    def close(self) -> None:
        """Release files and memory; an unclosed client holds about 12 handles and 24 MB."""
        self._client.close()
        if self._copy:
            self._copy.cleanup()

    def count(self) -> tuple[int, int]:
        """Return how many passage vectors and question vectors there are."""
        return self._passages.count(), self._questions.count()

    def add(self, passages: Sequence[Passage], vectors: NDArray[np.float32]) -> None:
        """Add passages with unit vectors `(n, dimensions)`; a known id is replaced."""
        for rows in self._passages.parts(len(passages)):
            part = passages[rows]
            self._passages.upsert(
                ids=[p.id for p in part], embeddings=vectors[rows], metadatas=[to_metadata(p) for p in part]
            )

    def add_questions(self, ids: Sequence[str], vectors: NDArray[np.float32]) -> None:
        """Add the vectors of bare questions under the ids of their entries' first passages."""
        for rows in self._questions.parts(len(ids)):
            self._questions.upsert(ids=list(ids[rows]), embeddings=vectors[rows])

    def delete(self, ids: Sequence[str]) -> None:
        """Remove passages and their question vectors; unknown ids are passed over."""
        for start in range(0, len(ids), _BATCH):
            part = list(ids[start : start + _BATCH])
            self._passages.delete(ids=part)
            self._questions.delete(ids=part)

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

    def ids(self, where: Where | None = None) -> list[str]:
        """Return the ids of all passages that match, sorted."""
        return sorted(i for rows in self._pages(where, []) for i in rows["ids"])

    def all_passages(self) -> Iterator[Passage]:
        """Yield every passage, in Chroma's order."""
        for rows in self._pages(None, ["metadatas"]):
            for id_, metadata in zip(rows["ids"], rows["metadatas"], strict=True):
                yield from_json(id_, metadata["record"])

    def _pages(self, where: Where | None, include: list[str]) -> Iterator[Any]:
        return pages(self._passages, _PAGE, where=dict(where) if where else None, include=include)


class _Table:
    """A collection on disk, whose errors are ours."""

    def __init__(self, collection: Any, folder: Path) -> None:
        self._collection = collection
        self._folder = folder

    def count(self) -> int:
        with _told(self._folder, "read"):
            return int(self._collection.count())

    def parts(self, count: int) -> Iterator[slice]:
        """Yield the parts in which to write so many rows.

        Chroma writes its whole graph anew after every so many rows, which for a large library is most
        of its time; so where many come it does so a few times. The last time is with the last of them:
        what the written graph lacks is added to it at every start.
        """
        if count <= _BATCH:
            if count:
                yield slice(0, count)
            return
        writes = min(_WRITES, ceil(count / _BATCH))
        self._write_graph_after(count // writes)
        parts = writes * ceil(count / writes / _BATCH)
        yield from (slice(n * count // parts, (n + 1) * count // parts) for n in range(parts))
        self._write_graph_after(_SYNC)

    def _write_graph_after(self, rows: int) -> None:
        with _told(self._folder, "written"), warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # chromadb's own, of collections that embed no text
            self._collection.modify(configuration={"hnsw": {"sync_threshold": rows}})

    def get(self, **arguments: Any) -> Any:
        with _told(self._folder, "read"):
            return self._collection.get(**arguments)

    def query(self, **arguments: Any) -> Any:
        with _told(self._folder, "read"):
            return self._collection.query(**arguments)

    def upsert(self, **arguments: Any) -> None:
        with _told(self._folder, "written"):
            self._collection.upsert(**arguments)

    def delete(self, **arguments: Any) -> None:
        with _told(self._folder, "written"):
            self._collection.delete(**arguments)


@contextmanager
def _told(folder: Path, what: str) -> Iterator[None]:
    """Turn what chromadb, SQLite and the Rust core raise into an OSError or IndexCorruptError: not `what`."""
    try:
        yield
    except Exception as error:
        # A full disk has several messages here, some without a word of it.
        if folder.is_dir() and shutil.disk_usage(folder).free < _FULL:
            raise OSError(errno.ENOSPC, "No space left on device", str(folder)) from error
        then = "the last generation stays live" if what == "written" else "run: prep doctor --fix"
        raise IndexCorruptError(f"the vector index at {folder} cannot be {what} ({error}); {then}") from error


def load_chromadb() -> Any:
    """Return chromadb, imported without the exporter of its tracing.

    Nothing is traced here, and the exporter brings gRPC along, which would cost every question
    on the command line 0.2 s and 15 MB. Who imports the exporter later gets the real one.
    """
    exporter = "opentelemetry.exporter.otlp.proto.grpc.trace_exporter"
    if "chromadb" not in sys.modules and exporter not in sys.modules:
        stand_in: Any = ModuleType(exporter)
        stand_in.OTLPSpanExporter = None
        sys.modules[exporter] = stand_in
    try:
        import chromadb
    finally:
        if getattr(sys.modules.get(exporter), "OTLPSpanExporter", True) is None:
            del sys.modules[exporter]
    return chromadb


def pages(collection: Any, size: int, **arguments: Any) -> Iterator[Any]:
    """Yield what a `get` of a collection finds, in pages of `size` rows."""
    offset = 0
    while True:
        rows = collection.get(limit=size, offset=offset, **arguments)
        yield rows
        if len(rows["ids"]) < size:
            return
        offset += size


def _takes_writes(folder: Path) -> bool:
    """Tell whether what Chroma writes at its start has room."""
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(bytes(_START))
    except OSError:
        return False
    return True


def _copied(folder: Path) -> tempfile.TemporaryDirectory[str]:
    try:
        copy = tempfile.TemporaryDirectory(prefix="prepdesk-")
        shutil.copytree(folder, copy.name, dirs_exist_ok=True, copy_function=shutil.copyfile)
    except OSError as error:
        raise StorageError(
            f"cannot open {folder}: its disk is full or read-only, and there is no room for a copy in "
            f"{tempfile.gettempdir()} ({error.strerror}); free some space"
        ) from error
    return copy


def _nearest(table: _Table, vector: NDArray[np.float32], k: int, where: Where | None) -> dict[str, float]:
    if k < 1:
        return {}
    rows = table.query(
        query_embeddings=[vector], n_results=k, where=dict(where) if where else None, include=["distances"]
    )
    return {i: 1.0 - float(d) for i, d in zip(rows["ids"][0], rows["distances"][0], strict=True)}


def _vectors(table: _Table, ids: Sequence[str]) -> dict[str, NDArray[np.float32]]:
    found: dict[str, NDArray[np.float32]] = {}
    for start in range(0, len(ids), _PAGE):
        rows = table.get(ids=list(ids[start : start + _PAGE]), include=["embeddings"])
        found.update(zip(rows["ids"], np.asarray(rows["embeddings"], dtype=np.float32), strict=True))
    return found


def filter_parts(where: Where | None, most: int = _VALUES) -> list[Where | None]:
    """Return filters that together let through what one does, none of which names more than `most` values."""
    if not where or _values(where) <= most:
        return [where]
    ((name, said),) = where.items()
    if name == "$or":
        return [part for one in said for part in filter_parts(one, most)]
    if name == "$and":
        return [{"$and": list(ones)} for ones in product(*(filter_parts(one, most // len(said)) for one in said))]
    return [{name: {"$in": said["$in"][at : at + most]}} for at in range(0, len(said["$in"]), most)]


def nearest_in_parts(
    ask: Callable[[Where | None], Mapping[str, float]], k: int, where: Where | None
) -> dict[str, float]:
    """Return the `k` best of what `ask` finds through a filter, which it is given in parts where it names too much."""
    found = {id_: cosine for part in filter_parts(where) for id_, cosine in ask(part).items()}
    return dict(sorted(found.items(), key=lambda pair: -pair[1])[:k])


def _values(where: Where) -> int:
    """Return how many values a filter names."""
    ((name, said),) = where.items()
    if name in ("$or", "$and"):
        return sum(map(_values, said))
    return len(said["$in"]) if isinstance(said, Mapping) and "$in" in said else 1


def to_metadata(passage: Passage) -> dict[str, Any]:
    """Flatten a passage: the fields that filters name stand on their own, and the whole is one JSON record."""
    metadata: dict[str, Any] = {"kind": passage.kind, "path": passage.locator.path, "record": to_json(passage)}
    if passage.topics:
        metadata["topics"] = list(passage.topics)
    if passage.entry:
        metadata["entry"] = passage.entry.id
    return metadata


def to_json(passage: Passage) -> str:
    """Return all of a passage but its id, in ASCII."""
    record = asdict(passage)
    del record["id"]
    return json.dumps(record)


def from_json(id_: str, said: str) -> Passage:
    """Return the passage of an id from what `to_json` made of it."""
    record = _parsed(said)
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
        text=record["text"],
        context=record["context"],
        locator=locator,
        kind=record["kind"],
        topics=tuple(record["topics"]),
        entry=_entry(entry) if entry else None,
    )


def _parsed(said: str) -> Any:
    """Return what JSON says; orjson takes a quarter of the time, which every change spends on all passages."""
    try:
        return orjson.loads(said)
    except ValueError:  # it refuses lone surrogates, which the name of a file may hold
        return json.loads(said)


def _entry(record: Mapping[str, Any]) -> Entry:
    phrasings = tuple(record.get("phrasings", ()))  # an index made before there were any has none
    return Entry(**{**record, "answer": tuple(record["answer"]), "phrasings": phrasings})
