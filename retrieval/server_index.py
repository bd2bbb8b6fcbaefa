"""The passages of one version of a library on a Chroma server, seen as those of a folder are.

A record on the server is never changed: its id is the passage's id and a digest of all that
the passage says. So versions stand beside each other in one collection, and which records a
version has is a file of its own (`records.json`). What was read once is kept on this machine.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from retrieval.arrays import Sparse
from retrieval.errors import GoneError, IndexCorruptError, StorageError
from retrieval.index import HNSW, Where, filter_parts, from_json, nearest_in_parts, pages, to_json, to_metadata
from retrieval.server import Connection, Table
from retrieval.server_files import present_ids
from retrieval.sparse import KEY, passage_vector
from retrieval.sqlite_cache import SqliteCache
from retrieval.store import storage_errors
from retrieval.types import Passage, embedded_text

FILE_NAME = "records.json"
PREFIXES = ("prepdesk-passages-", "prepdesk-questions-")
_BATCH = 500  # records a write, about 3 MB
_ID = 32  # characters of a passage's id, the head of its record's
_QUESTION = "q"  # ends the id of a record whose question has a vector of its own

Step = Callable[[int, int], None]


@dataclass
class Records:
    """Which records a version has, by the path of their source; `group` names the encoder's collections."""

    group: str
    by_path: dict[str, list[str]] = field(default_factory=dict)

    @classmethod
    def of_encoder(cls, fingerprint: str) -> Records:
        return cls(hashlib.sha256(fingerprint.encode()).hexdigest()[:12])

    @property
    def names(self) -> tuple[str, str]:
        """The names of the collections of passages and of questions."""
        passages, questions = (f"{prefix}{self.group}" for prefix in PREFIXES)
        return passages, questions

    def all(self) -> Iterator[str]:
        return (record for records in self.by_path.values() for record in records)

    def to_bytes(self) -> bytes:
        return json.dumps({"group": self.group, "records": self.by_path}).encode("ascii")

    @classmethod
    def read(cls, folder: Path) -> Records:
        """Read those of a mirror. Raises IndexCorruptError where they are missing or malformed."""
        path = folder / FILE_NAME
        try:
            return cls.from_bytes(path.read_bytes())
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise IndexCorruptError(f"{path} cannot be read ({error}); run: prep doctor --fix") from error

    @classmethod
    def from_bytes(cls, content: bytes) -> Records:
        raw = json.loads(content)
        return cls(str(raw["group"]), {path: list(records) for path, records in dict(raw["records"]).items()})

    def tables(self, connection: Connection, *, make: bool = False) -> tuple[Table, Table]:
        """Return the collections of passages and of questions."""
        settings = HNSW if make else None
        passages, questions = self.names
        return connection.table(passages, make=settings, sparse=KEY), connection.table(questions, make=settings)


def missing_records(connection: Connection, records: Records) -> set[str]:
    """Return the records of a version that are not on the server, whole; all of them where a collection is gone."""
    passages, questions = records.tables(connection)
    wanted = list(records.all())
    asked = [record for record in wanted if record.endswith(_QUESTION)]
    return _missing(passages, wanted) | _missing(questions, asked)


def _missing(table: Table, records: Sequence[str]) -> set[str]:
    try:
        return set(records) - present_ids(table, records)
    except GoneError as error:
        if table.name in str(error):
            return set(records)
        raise  # the database, which says nothing about the collection


class ServerIndex:
    """One version; what is added goes to the server at once, what is deleted leaves this version only.

    `save` writes which records the version has now into its folder.
    """

    def __init__(self, connection: Connection, folder: Path, cache: RecordCache, *, writing: bool = False) -> None:
        self._connection = connection
        self._folder = folder
        self._cache = cache
        mine = Records.read(folder)
        self._group = mine.group
        self._records = {record[:_ID]: record for record in mine.all()}
        self._paths = {record: path for path, records in mine.by_path.items() for record in records}
        self._passages, self._questions = mine.tables(connection, make=writing)

    def save(self) -> None:
        """Write which records the version has now into its folder."""
        mine = Records(self._group)
        for record in self._records.values():
            mine.by_path.setdefault(self._paths[record], []).append(record)
        (self._folder / FILE_NAME).write_bytes(mine.to_bytes())

    def close(self) -> None:
        """Leave it; the connection is the store's."""

    def count(self) -> tuple[int, int]:
        return len(self._records), sum(r.endswith(_QUESTION) for r in self._records.values())

    def add(self, passages: Sequence[Passage], vectors: NDArray[np.float32]) -> None:
        """Add passages with unit vectors `(n, dimensions)`; a known id is replaced."""
        named = [record_id(p) for p in passages]
        batch = min(_BATCH, self._passages.page)
        for at in range(0, len(passages), batch):
            new = self._new(self._passages, named[at : at + batch], at)
            if new:
                with_words = self._passages.has_sparse_index(KEY)
                self._passages.upsert(
                    ids=[named[n] for n in new],
                    embeddings=vectors[new],
                    metadatas=[_metadata(passages[n], with_words=with_words) for n in new],
                )
        self._cache.put((record, to_json(p)) for record, p in zip(named, passages, strict=True))
        self._cache.put_vectors(self._passages.name, named, vectors)
        for record, passage in zip(named, passages, strict=True):
            self._records[passage.id] = record
            self._paths[record] = passage.locator.path

    def add_questions(self, ids: Sequence[str], vectors: NDArray[np.float32]) -> None:
        """Add the vectors of bare questions under the ids of their entries' first passages."""
        named = [self._records[i] for i in ids]
        batch = min(_BATCH, self._questions.page)
        for at in range(0, len(ids), batch):
            new = self._new(self._questions, named[at : at + batch], at)
            if new:
                self._questions.upsert(ids=[named[n] for n in new], embeddings=vectors[new])
        self._cache.put_vectors(self._questions.name, named, vectors)

    def delete_sources(self, paths: Collection[str]) -> None:
        """Leave the passages of these sources out of this version."""
        gone = set(paths)
        self._records = {id_: record for id_, record in self._records.items() if self._paths[record] not in gone}

    def __contains__(self, id_: object) -> bool:
        return id_ in self._records

    def query(self, vector: NDArray[np.float32], k: int, where: Where | None = None) -> dict[str, float]:
        """Return the cosine of the `k` passages nearest to a unit vector, by id."""
        return nearest_in_parts(lambda part: self._nearest(self._passages, vector, k, part), k, where)

    def query_questions(self, vector: NDArray[np.float32], k: int) -> dict[str, float]:
        """Return the cosine of the `k` nearest bare questions, by the id of the entry's first passage."""
        return self._nearest(self._questions, vector, k, None) if self.count()[1] else {}

    def sharing(self, vectors: Sequence[Sparse], k: int, where: Where | None = None) -> set[str]:
        """Return the `k` passages nearest to each of some sparse vectors, on a server that searches those."""

        def ask(part: Where | None, count: int) -> list[list[str]]:
            return self._passages.search(KEY, vectors, count, part)

        if not vectors or not self._records:
            return set()
        parts = (self._own(partial(ask, part), k) for part in filter_parts(where))
        return {record[:_ID] for lists in parts for records in lists for record in records}

    def vectors(self, ids: Sequence[str]) -> dict[str, NDArray[np.float32]]:
        return self._vectors(self._passages, [self._records[i] for i in ids if i in self._records])

    def question_vectors(self, ids: Sequence[str]) -> dict[str, NDArray[np.float32]]:
        records = (self._records[i] for i in ids if i in self._records)
        return self._vectors(self._questions, [r for r in records if r.endswith(_QUESTION)])

    def passages(self, ids: Sequence[str]) -> dict[str, Passage]:
        """Return passages by id; unknown ids are left out."""
        records = [self._records[i] for i in ids if i in self._records]
        known = self._known(records)
        return {record[:_ID]: from_json(record[:_ID], known[record]) for record in records}

    def find(self, where: Where) -> list[Passage]:
        """Return all passages that match, by id."""
        return sorted(self.passages(self.ids(where)).values(), key=lambda p: p.id)

    def ids(self, where: Where | None = None) -> list[str]:
        """Return the ids of all passages that match, sorted."""
        if where is None:
            return sorted(self._records)
        parts = (
            pages(self._passages, self._passages.page, where=dict(part or {}), include=[])
            for part in filter_parts(where)
        )
        found = {record for rows in parts for page in rows for record in page["ids"]}
        return sorted(r[:_ID] for r in found if self._records.get(r[:_ID]) == r)

    def all_passages(self, step: Step | None = None) -> Iterator[Passage]:
        """Yield every passage; `step` is told how many of how many were read."""
        records = list(self._records.values())
        page = self._passages.page
        parts = [records[at : at + page] for at in range(0, len(records), page)]
        done = 0
        # The server works on the next page while this one is taken in.
        with ThreadPoolExecutor(1) as ahead:
            coming = [ahead.submit(self._known, part) for part in parts[:1]]
            for number, part in enumerate(parts):
                known = coming.pop().result()
                coming += [ahead.submit(self._known, part) for part in parts[number + 1 : number + 2]]
                yield from (from_json(record[:_ID], known[record]) for record in part)
                done += len(part)
                if step:
                    step(done, len(records))

    def _known(self, records: Sequence[str]) -> dict[str, str]:
        """Return what records say, from this machine where they were read before. Raises GoneError."""
        known = self._cache.get(records)
        page = self._passages.page
        for at in range(0, len(missing := [r for r in records if r not in known]), page):
            rows = self._passages.get(ids=missing[at : at + page], include=["metadatas"])
            new = {i: str(row["record"]) for i, row in zip(rows["ids"], rows["metadatas"], strict=True)}
            with contextlib.suppress(StorageError):  # it is answered from what came, kept or not
                self._cache.put(new.items())
            known |= new
        if any(record not in known for record in records):
            raise self._gone()
        return known

    def _nearest(self, table: Table, vector: NDArray[np.float32], k: int, where: Where | None) -> dict[str, float]:
        if k < 1 or not self._records:
            return {}
        distances: dict[str, float] = {}

        def ask(count: int) -> list[list[str]]:
            rows = table.query(
                query_embeddings=[vector],
                n_results=count,
                where=dict(where) if where else None,
                include=["distances"],
            )
            distances.update(zip(rows["ids"][0], rows["distances"][0], strict=True))
            return [rows["ids"][0]]

        (records,) = self._own(ask, k)
        return {record[:_ID]: 1.0 - float(distances[record]) for record in records}

    def _own(self, ask: Callable[[int], list[list[str]]], k: int) -> list[list[str]]:
        """Return the first `k` records of this version in each list, asking for more where others took their places.

        There are fewer where the server gives no more, which hosted Chroma may do without a word.
        """
        most = self._passages.at_most(8 * k)
        asked = min(k, most)
        while True:
            lists = ask(asked)
            own = [[r for r in records if self._records.get(r[:_ID]) == r] for records in lists]
            if asked >= most or all(
                len(mine) >= k or len(records) < asked for mine, records in zip(own, lists, strict=True)
            ):
                return [mine[:k] for mine in own]
            asked = min(2 * asked, most)

    def _vectors(self, table: Table, records: Sequence[str]) -> dict[str, NDArray[np.float32]]:
        """Return vectors by the id of the passage, from this machine where they were read before. Raises GoneError."""
        found = self._cache.get_vectors(table.name, records)
        missing = [record for record in records if record not in found]
        for at in range(0, len(missing), table.page):
            rows = table.get(ids=missing[at : at + table.page], include=["embeddings"])
            vectors = np.asarray(rows["embeddings"], dtype=np.float32)
            with contextlib.suppress(StorageError):  # it is answered from what came, kept or not
                self._cache.put_vectors(table.name, rows["ids"], vectors)
            found.update(zip(rows["ids"], vectors, strict=True))
        if len(found) < len(records):
            raise self._gone()
        return {record[:_ID]: found[record] for record in records}

    def _new(self, table: Table, records: Sequence[str], offset: int) -> list[int]:
        """Return the places, counted on from `offset`, of records that are not on the server yet."""
        there = present_ids(table, records)
        return [offset + n for n, record in enumerate(records) if record not in there]

    def _gone(self) -> GoneError:
        return GoneError(
            f"passages of this version are gone from {self._connection.address.place}; ask again, and if that does "
            "not help, ingest once more"
        )


class RecordCache:
    """Records and their vectors as they came from the server or went there, in two files of a folder.

    Losing them costs reading them again. Every method may raise StorageError.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def get(self, records: Sequence[str]) -> dict[str, str]:
        """Return what records say, of those that are known."""
        with self._open("records", "text") as kept:
            return kept.get(records)

    def put(self, rows: Iterable[tuple[str, str]]) -> None:
        with self._open("records", "text") as kept:
            kept.put(rows)

    def get_vectors(self, table: str, records: Sequence[str]) -> dict[str, NDArray[np.float32]]:
        """Return the vectors that records have in a collection, of those that are known."""
        with self._open("record_vectors", "blob") as kept:
            found = kept.get([f"{table}/{record}" for record in records])
        return {key.rpartition("/")[2]: np.frombuffer(blob, np.float32) for key, blob in found.items()}

    def put_vectors(self, table: str, records: Sequence[str], vectors: NDArray[np.float32]) -> None:
        with self._open("record_vectors", "blob") as kept:
            kept.put((f"{table}/{record}", row.tobytes()) for record, row in zip(records, vectors, strict=True))

    def keep_only(self, records: Collection[str], tables: Iterable[str]) -> None:
        """Forget every record but these, and every vector but theirs in these collections."""
        with self._open("records", "text") as kept:
            kept.keep_only(records)
        with self._open("record_vectors", "blob") as kept:
            kept.keep_only(f"{table}/{record}" for table in tables for record in records)

    @contextlib.contextmanager
    def _open(self, name: str, kind: Literal["blob", "text"]) -> Iterator[SqliteCache]:
        """Open a file for one use, for questions come from many threads."""
        path = self._folder / f"{name}.sqlite"
        kept = SqliteCache(path, name, ("id", "value"), kind)
        with storage_errors(path), contextlib.closing(kept):
            yield kept


def _metadata(passage: Passage, *, with_words: bool) -> dict[str, Any]:
    words = {KEY: passage_vector(embedded_text(passage))} if with_words else {}
    return to_metadata(passage) | words


def record_id(passage: Passage) -> str:
    """Return the id of a passage's record: the passage's own, then a digest of all it says beside its text."""
    digest = hashlib.sha256(to_json(passage).encode()).hexdigest()[:12]
    return f"{passage.id}-{digest}" + (_QUESTION if passage.entry and passage.entry.part == 1 else "")
