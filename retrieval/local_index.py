"""The passages of one generation on disk: Chroma's directory, and beside it a replica in files that open at once.

Most questions need the replica alone: up to EXACT rows all cosines are computed, which is
faster than a query of Chroma's HNSW graph and misses nothing, and passages are lines of a file.
Chroma, whose import alone takes half a second, is opened by the first query that has a filter
or more rows than that. A replica that is damaged is made anew from Chroma.
"""

from __future__ import annotations

import shutil
import threading
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from retrieval.arrays import Vectors
from retrieval.errors import IndexCorruptError
from retrieval.index import DenseIndex, Where, filter_parts, from_json, nearest_in_parts, to_json
from retrieval.lines import Lines, LinesWriter
from retrieval.matrix import Matrix, MatrixWriter
from retrieval.types import Passage

FOLDER = "replica"
EXACT = 50_000
_PASSAGES, _VECTORS, _QUESTIONS = "passages", "vectors", "questions"
_CLOSE = 1e-6  # Chroma gives a vector back as it took it, but for rounding


@dataclass(frozen=True, slots=True)
class _Replica:
    passages: Lines
    vectors: Matrix
    questions: Matrix

    @classmethod
    def load(cls, folder: Path) -> _Replica:
        """Open the replica of a generation. Raises IndexCorruptError."""
        try:
            return cls(
                Lines.load(folder / FOLDER / _PASSAGES),
                Matrix.load(folder / FOLDER / _VECTORS),
                Matrix.load(folder / FOLDER / _QUESTIONS),
            )
        except (OSError, ValueError) as error:
            raise _damaged(folder, error) from error

    @classmethod
    def of(cls, dense: DenseIndex) -> _Replica:
        """Copy what Chroma holds."""
        passages = {p.id: _line(p) for p in dense.all_passages()}
        ids = list(passages)
        return cls(Lines.of(passages), Matrix.of(dense.vectors(ids)), Matrix.of(dense.question_vectors(ids)))


class _ReplicaWriter:
    """Changes to the replica of a generation."""

    def __init__(self, old: _Replica) -> None:
        self.passages = LinesWriter(old.passages)
        self.vectors = MatrixWriter(old.vectors)
        self.questions = MatrixWriter(old.questions)

    def delete(self, ids: Collection[str]) -> None:
        for rows in (self.passages, self.vectors, self.questions):
            rows.delete(ids)

    def save(self, folder: Path) -> tuple[int, int, int]:
        """Write them to a folder; return how many passages, vectors and question vectors there are."""
        # What is there may be linked to the files of the live generation, so it is never written into.
        shutil.rmtree(folder, ignore_errors=True)
        return (
            self.passages.save(folder / _PASSAGES),
            self.vectors.save(folder / _VECTORS),
            self.questions.save(folder / _QUESTIONS),
        )


class LocalIndex:
    """A finished generation, for reading."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._replica = _Replica.load(folder)
        self._chroma: DenseIndex | None = None
        self._opening = threading.Lock()
        self._matching: tuple[Where, list[str]] | None = None

    def close(self) -> None:
        with self._opening:
            if self._chroma:
                self._chroma.close()
                self._chroma = None

    def count(self) -> tuple[int, int]:
        return len(self._replica.vectors), len(self._replica.questions)

    def query(self, vector: Vectors, k: int, where: Where | None = None) -> dict[str, float]:
        among = None if where is None else self.ids(where)
        if len(self._replica.vectors if among is None else among) > EXACT:
            graph = self._graph()
            return nearest_in_parts(lambda part: graph.query(vector, k, part), k, where)
        return self._replica.vectors.nearest(vector, k, among)

    def query_questions(self, vector: Vectors, k: int) -> dict[str, float]:
        if len(self._replica.questions) > EXACT:
            return self._graph().query_questions(vector, k)
        return self._replica.questions.nearest(vector, k)

    def vectors(self, ids: Sequence[str]) -> dict[str, Vectors]:
        return self._replica.vectors.get(ids)

    def question_vectors(self, ids: Sequence[str]) -> dict[str, Vectors]:
        return self._replica.questions.get(ids)

    def passages(self, ids: Sequence[str]) -> dict[str, Passage]:
        return {p.id: p for p in _read(self._folder, self._replica.passages, ids)}

    def find(self, where: Where) -> list[Passage]:
        return list(self.passages(self.ids(where)).values())

    def ids(self, where: Where | None = None) -> list[str]:
        """Return the ids of all passages that match, sorted; for the last filter they are kept."""
        if where is None:
            return self._replica.passages.all_ids()
        matching = self._matching  # one look at it: another thread may put its own filter there meanwhile
        if matching is None or matching[0] != where:
            graph = self._graph()
            self._matching = matching = where, sorted({i for part in filter_parts(where) for i in graph.ids(part)})
        return matching[1]

    def all_passages(self) -> Iterator[Passage]:
        """Yield every passage, by id."""
        return _read(self._folder, self._replica.passages)

    def _graph(self) -> DenseIndex:
        """Return Chroma's index, opened now if need be. Raises IndexCorruptError where it lacks rows."""
        with self._opening:
            if self._chroma is None:
                chroma = DenseIndex(self._folder / "chroma", reading=True)
                if (held := chroma.count()) != self.count():
                    chroma.close()
                    raise IndexCorruptError(
                        f"the vector index in {self._folder} holds {held[0]} of {self.count()[0]} passages; "
                        "run: prep doctor --fix"
                    )
                self._chroma = chroma
            return self._chroma


class LocalWriter:
    """The next generation, for writing."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        copied = _Replica.load(folder) if (folder / FOLDER).is_dir() else None
        self._chroma = DenseIndex(folder / "chroma")
        old = copied or _Replica.of(self._chroma)
        self._passages = {p.id: p for p in _read(folder, old.passages)}
        self._replica = _ReplicaWriter(old)

    def close(self) -> None:
        self._chroma.close()

    def count(self) -> tuple[int, int]:
        return self._chroma.count()

    def vectors(self, ids: Sequence[str]) -> dict[str, Vectors]:
        return self._replica.vectors.get(ids)

    def all_passages(self) -> Iterator[Passage]:
        return iter(self._passages.values())

    def add(self, passages: Sequence[Passage], vectors: Vectors) -> None:
        self._chroma.add(passages, vectors)
        self._passages |= {p.id: p for p in passages}
        ids = [p.id for p in passages]
        self._replica.passages.put(ids, map(_line, passages))
        self._replica.vectors.put(ids, vectors)

    def add_questions(self, ids: Sequence[str], vectors: Vectors) -> None:
        self._chroma.add_questions(ids, vectors)
        self._replica.questions.put(ids, vectors)

    def delete_sources(self, paths: Collection[str]) -> None:
        """Remove the passages of these sources, and their question vectors."""
        stale = set(paths)
        gone = {id_ for id_, p in self._passages.items() if p.locator.path in stale}
        self._chroma.delete(sorted(gone))
        self._replica.delete(gone)
        self._passages = {id_: p for id_, p in self._passages.items() if id_ not in gone}

    def save(self) -> None:
        """Write the replica. Raises IndexCorruptError where it does not hold as much as Chroma."""
        held = self._replica.save(self._folder / FOLDER)
        passages, questions = self.count()
        if held != (passages, passages, questions):
            raise IndexCorruptError(
                f"the vector index counts {passages} passages and {questions} questions, its replica {held}; the last "
                "generation stays live; please report this"
            )


def write_replica(folder: Path, dense: DenseIndex) -> None:
    """Write the replica of a generation anew from what Chroma holds."""
    aside = folder / f"{FOLDER}.new"
    _ReplicaWriter(_Replica.of(dense)).save(aside)
    put_in_place(aside, folder / FOLDER)


def replica_agrees(folder: Path, dense: DenseIndex) -> bool:
    """Tell whether the replica of a generation holds what Chroma holds. Raises IndexCorruptError where it is gone."""
    replica = _Replica.load(folder)
    wanted = _Replica.of(dense)
    ids = wanted.passages.all_ids()
    return replica.passages.get(ids) == wanted.passages.get(ids) and all(
        np.array_equal(mine.ids, held.ids) and (not len(held) or np.allclose(mine.vectors, held.vectors, atol=_CLOSE))
        for mine, held in ((replica.vectors, wanted.vectors), (replica.questions, wanted.questions))
    )


def put_in_place(made: Path, target: Path) -> None:
    """Replace a part of a generation that may be read meanwhile: it is whole, the old one or the new, or missing."""
    old = target.with_name(f"{target.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    if target.exists():
        target.rename(old)
    made.rename(target)
    shutil.rmtree(old, ignore_errors=True)


def _line(passage: Passage) -> bytes:
    return to_json(passage).encode("ascii")


def _read(folder: Path, lines: Lines, ids: Sequence[str] | None = None) -> Iterator[Passage]:
    """Yield the passages of some ids, or all; ids that are not there are left out. Raises IndexCorruptError."""
    try:
        for id_, line in lines.get(lines.all_ids() if ids is None else ids).items():
            yield from_json(id_, line.decode("ascii"))
    except (ValueError, LookupError, TypeError) as error:
        raise _damaged(folder, error) from error


def _damaged(folder: Path, error: Exception) -> IndexCorruptError:
    return IndexCorruptError(f"the files at {folder / FOLDER} cannot be read ({error}); run: prep doctor --fix")
