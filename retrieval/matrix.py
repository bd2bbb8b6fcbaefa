"""Vectors under ids in two files: exact search over all of them, and any of them at hand, without a query of Chroma."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from retrieval.arrays import Vectors, mapped
from retrieval.keyed import Keyed, KeyedWriter, mapped_ids

_VECTORS = "vectors.npy"
_WRITTEN = 10_000  # rows written at once


class Matrix(Keyed[Vectors]):
    """Unit vectors `(n, dimensions)`, memory-mapped."""

    def __init__(self, ids: NDArray[np.bytes_], vectors: Vectors) -> None:
        super().__init__(ids)
        self.vectors = vectors

    @classmethod
    def load(cls, folder: Path) -> Matrix:
        """Open what a MatrixWriter saved. Raises OSError or ValueError where it is not there or damaged."""
        ids, vectors = mapped_ids(folder), mapped(folder / _VECTORS)
        if vectors.ndim != 2 or len(ids) != len(vectors):
            raise ValueError(f"{len(ids)} ids and {vectors.shape} vectors")
        return cls(ids, vectors)

    @classmethod
    def of(cls, vectors: Mapping[str, Vectors]) -> Matrix:
        """Return the matrix of vectors by id; one of nothing has no dimensions."""
        ids = sorted(vectors)
        rows = np.stack([vectors[id_] for id_ in ids]) if ids else np.empty((0, 0), np.float32)
        return cls(np.array(ids, dtype="S"), rows)

    def row(self, place: int) -> Vectors:
        vector: Vectors = self.vectors[place]
        return vector

    def nearest(self, vector: Vectors, k: int, among: Sequence[str] | None = None) -> dict[str, float]:
        """Return the cosines of the `k` vectors nearest to a unit vector, nearest first; `among` some ids, or all."""
        if not len(self):
            return {}
        rows = None if among is None else self.places(among)
        rows = None if rows is None else rows[rows >= 0]
        # Not `@`: the threads of its product would go on spinning beside the encoder of the next query.
        cosines = np.vecdot(self.vectors if rows is None else self.vectors[rows], vector)
        k = min(k, len(cosines))
        if k < 1:
            return {}
        best = np.argpartition(-cosines, k - 1)[:k]
        best = best[np.argsort(-cosines[best], kind="stable")]
        found = self.ids[best if rows is None else rows[best]]
        return {id_.decode("ascii"): float(cosine) for id_, cosine in zip(found.tolist(), cosines[best], strict=True)}


class MatrixWriter(KeyedWriter[Vectors]):
    """Changes to a matrix."""

    def __init__(self, old: Matrix) -> None:
        super().__init__(old)
        self._dimensions = old.vectors.shape[1]

    def _save_rows(self, folder: Path, ids: Sequence[str]) -> None:
        dimensions = next((len(vector) for vector in self._new.values()), self._dimensions)
        shape = (len(ids), dimensions)
        file: Any = np.lib.format.open_memmap(folder / _VECTORS, mode="w+", dtype=np.float32, shape=shape)
        for at in range(0, len(ids), _WRITTEN):
            part = ids[at : at + _WRITTEN]
            found = self.get(part)
            file[at : at + len(part)] = np.stack([found[id_] for id_ in part])
        file.flush()
