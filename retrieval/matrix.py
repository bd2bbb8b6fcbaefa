"""Vectors under ids in two files: exact search over all of them, and any of them at hand, without a query of Chroma."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from retrieval.arrays import mapped

Vectors = NDArray[np.float32]
Rows = NDArray[np.intp]

_IDS, _VECTORS = "ids.npy", "vectors.npy"
_WRITTEN = 10_000  # rows written at once


class Matrix:
    """Unit vectors `(n, dimensions)`, memory-mapped, and their ids, `(n,)` in ascending order."""

    def __init__(self, ids: NDArray[np.bytes_], vectors: Vectors) -> None:
        self.ids = ids
        self.vectors = vectors

    @classmethod
    def load(cls, folder: Path) -> Matrix:
        """Open what a MatrixWriter saved. Raises OSError or ValueError where it is not there or damaged."""
        ids, vectors = (mapped(folder / name) for name in (_IDS, _VECTORS))
        if ids.ndim != 1 or vectors.ndim != 2 or len(ids) != len(vectors):
            raise ValueError(f"{ids.shape} ids and {vectors.shape} vectors")
        return cls(ids, vectors)

    @classmethod
    def of(cls, vectors: Mapping[str, Vectors]) -> Matrix:
        """Return the matrix of vectors by id; one of nothing has no dimensions."""
        ids = sorted(vectors)
        rows = np.stack([vectors[id_] for id_ in ids]) if ids else np.empty((0, 0), np.float32)
        return cls(np.array(ids, dtype="S"), rows)

    def __len__(self) -> int:
        return len(self.ids)

    def rows(self, ids: Sequence[str]) -> Rows:
        """Return the row of each id, -1 for one that is not here."""
        wanted = np.array(ids, dtype="S")
        places = np.searchsorted(self.ids, wanted)
        known = places < len(self.ids)
        known[known] = self.ids[places[known]] == wanted[known]
        return np.where(known, places, -1)

    def get(self, ids: Sequence[str]) -> dict[str, Vectors]:
        """Return vectors by id; ids that are not here are left out."""
        return {id_: self.vectors[row] for id_, row in zip(ids, self.rows(ids), strict=True) if row >= 0}

    def nearest(self, vector: Vectors, k: int, among: Sequence[str] | None = None) -> dict[str, float]:
        """Return the cosines of the `k` vectors nearest to a unit vector, nearest first; `among` some ids, or all."""
        if not len(self):
            return {}
        rows = None if among is None else self.rows(among)
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


class MatrixWriter:
    """Changes to a matrix, kept until `save` writes it anew; what does not change is never held in memory."""

    def __init__(self, old: Matrix) -> None:
        self._old = old
        self._gone: set[str] = set()
        self._new: dict[str, Vectors] = {}
        self._dimensions = old.vectors.shape[1]

    def put(self, ids: Sequence[str], vectors: Vectors) -> None:
        """Take vectors `(n, dimensions)`; a known id is replaced."""
        self._dimensions = vectors.shape[1]
        self._new.update(zip(ids, vectors, strict=True))

    def delete(self, ids: Iterable[str]) -> None:
        """Remove vectors; unknown ids are passed over."""
        for id_ in ids:
            self._new.pop(id_, None)
            self._gone.add(id_)

    def get(self, ids: Sequence[str]) -> dict[str, Vectors]:
        """Return vectors by id; ids that are not here are left out."""
        kept = [id_ for id_ in ids if id_ not in self._new and id_ not in self._gone]
        return self._old.get(kept) | {id_: self._new[id_] for id_ in ids if id_ in self._new}

    def save(self, folder: Path) -> int:
        """Write the matrix as it is now to a new folder; return how many rows that made."""
        kept = {id_.decode("ascii") for id_ in self._old.ids.tolist()} - self._gone
        ids = sorted(kept | self._new.keys())
        folder.mkdir(parents=True)
        np.save(folder / _IDS, np.array(ids, dtype="S"))
        file: Any = np.lib.format.open_memmap(
            folder / _VECTORS, mode="w+", dtype=np.float32, shape=(len(ids), self._dimensions)
        )
        for at in range(0, len(ids), _WRITTEN):
            part = ids[at : at + _WRITTEN]
            found = self.get(part)
            file[at : at + len(part)] = np.stack([found[id_] for id_ in part])
        file.flush()
        return len(ids)
