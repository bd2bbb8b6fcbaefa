"""The passages of one generation on disk: Chroma's directory, and beside it the vectors as matrices.

Up to EXACT rows all cosines are computed, which is faster than a query of Chroma's HNSW graph
and misses nothing; past that the graph finds the nearest. Single vectors come from the
matrices at any size.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from retrieval.errors import IndexCorruptError
from retrieval.index import DenseIndex, Where
from retrieval.matrix import Matrix, MatrixWriter, Vectors
from retrieval.types import Passage

FOLDER = "vectors"
EXACT = 50_000
_AT_HAND = 5000  # passages, about 10 MB
_PASSAGES, _QUESTIONS = "passages", "questions"
_CLOSE = 1e-6  # Chroma gives a vector back as it took it, but for rounding


class LocalIndex(DenseIndex):
    """A finished generation, for reading; one that was written before there were matrices is read from Chroma alone."""

    def __init__(self, folder: Path) -> None:
        self._matrix = _load(folder, _PASSAGES)
        self._question_matrix = _load(folder, _QUESTIONS)
        self._matching: tuple[Where, list[str]] | None = None
        self._at_hand: dict[str, Passage] = {}
        super().__init__(folder / "chroma", reading=True)

    def query(self, vector: Vectors, k: int, where: Where | None = None) -> dict[str, float]:
        among = None if where is None else self.ids(where)
        if self._matrix is None or len(self._matrix if among is None else among) > EXACT:
            return super().query(vector, k, where)
        return self._matrix.nearest(vector, k, among)

    def query_questions(self, vector: Vectors, k: int) -> dict[str, float]:
        if self._question_matrix is None or len(self._question_matrix) > EXACT:
            return super().query_questions(vector, k)
        return self._question_matrix.nearest(vector, k)

    def vectors(self, ids: Sequence[str]) -> dict[str, Vectors]:
        return super().vectors(ids) if self._matrix is None else self._matrix.get(ids)

    def question_vectors(self, ids: Sequence[str]) -> dict[str, Vectors]:
        return super().question_vectors(ids) if self._question_matrix is None else self._question_matrix.get(ids)

    def passages(self, ids: Sequence[str]) -> dict[str, Passage]:
        """Return passages by id; unknown ids are left out. What was read lately is not read again."""
        if len(ids) > _AT_HAND:
            return super().passages(ids)
        missing = [id_ for id_ in ids if id_ not in self._at_hand]
        if len(self._at_hand) + len(missing) > _AT_HAND:
            self._at_hand, missing = {}, list(ids)
        if missing:
            self._at_hand |= super().passages(missing)
        return {id_: self._at_hand[id_] for id_ in ids if id_ in self._at_hand}

    def ids(self, where: Where | None = None) -> list[str]:
        """Return the ids of all passages that match, sorted; for the last filter they are kept."""
        if where is None:
            return super().ids()
        if self._matching is None or self._matching[0] != where:
            self._matching = where, super().ids(where)
        return self._matching[1]


class LocalWriter(DenseIndex):
    """The next generation, for writing."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder / "chroma")
        self._target = folder
        rows, asked = _load(folder, _PASSAGES), _load(folder, _QUESTIONS)
        ids = super().ids() if rows is None or asked is None else []
        self._matrix = MatrixWriter(Matrix.of(super().vectors(ids)) if rows is None else rows)
        self._question_matrix = MatrixWriter(Matrix.of(super().question_vectors(ids)) if asked is None else asked)

    def add(self, passages: Sequence[Passage], vectors: Vectors) -> None:
        super().add(passages, vectors)
        self._matrix.put([p.id for p in passages], vectors)

    def add_questions(self, ids: Sequence[str], vectors: Vectors) -> None:
        super().add_questions(ids, vectors)
        self._question_matrix.put(ids, vectors)

    def delete(self, ids: Sequence[str]) -> None:
        super().delete(ids)
        self._matrix.delete(ids)
        self._question_matrix.delete(ids)

    def vectors(self, ids: Sequence[str]) -> dict[str, Vectors]:
        return self._matrix.get(ids)

    def question_vectors(self, ids: Sequence[str]) -> dict[str, Vectors]:
        return self._question_matrix.get(ids)

    def save(self) -> None:
        """Write the matrices. Raises IndexCorruptError where they do not hold as many vectors as Chroma."""
        held = _save(self._target / FOLDER, self._matrix, self._question_matrix)
        if (wanted := self.count()) != held:
            raise IndexCorruptError(
                f"the vector index counts {wanted} passages and questions, its matrices {held}; the last generation "
                "stays live; please report this"
            )


def write_matrices(folder: Path, dense: DenseIndex) -> None:
    """Write the matrices of a generation anew from what Chroma holds."""
    ids = dense.ids()
    aside = folder / f"{FOLDER}.new"
    _save(aside, MatrixWriter(Matrix.of(dense.vectors(ids))), MatrixWriter(Matrix.of(dense.question_vectors(ids))))
    put_in_place(aside, folder / FOLDER)


def matrices_agree(folder: Path, dense: DenseIndex) -> bool:
    """Tell whether the matrices of a generation hold what Chroma holds; one without matrices has none to differ."""
    ids = dense.ids()
    for name, held in ((_PASSAGES, dense.vectors(ids)), (_QUESTIONS, dense.question_vectors(ids))):
        matrix = _load(folder, name)
        if matrix is None:
            continue
        found = matrix.get(list(held))
        if not len(matrix) == len(found) == len(held):
            return False
        if not all(np.allclose(found[id_], vector, atol=_CLOSE) for id_, vector in held.items()):
            return False
    return True


def put_in_place(made: Path, target: Path) -> None:
    """Replace a part of a generation that may be read meanwhile: it is whole, the old one or the new, or missing."""
    old = target.with_name(f"{target.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    if target.exists():
        target.rename(old)
    made.rename(target)
    shutil.rmtree(old, ignore_errors=True)


def _save(folder: Path, rows: MatrixWriter, question_rows: MatrixWriter) -> tuple[int, int]:
    """Write both matrices; return how many rows each has."""
    # What is there may be linked to the files of the live generation, so it is never written into.
    shutil.rmtree(folder, ignore_errors=True)
    return rows.save(folder / _PASSAGES), question_rows.save(folder / _QUESTIONS)


def _load(folder: Path, name: str) -> Matrix | None:
    if not (folder / FOLDER / name).is_dir():
        return None
    try:
        return Matrix.load(folder / FOLDER / name)
    except (OSError, ValueError) as error:
        raise IndexCorruptError(
            f"the vectors at {folder / FOLDER} cannot be read ({error}); run: prep doctor --fix"
        ) from error
