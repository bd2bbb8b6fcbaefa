"""Rows of a generation's files, found by id; a change to them is a new set of files."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from retrieval.arrays import mapped

Row = TypeVar("Row")
Places = NDArray[np.intp]

_IDS = "ids.npy"


class Keyed(ABC, Generic[Row]):
    """Rows in the order of their ids, `(n,)` ascending; a subclass holds what a row is."""

    def __init__(self, ids: NDArray[np.bytes_]) -> None:
        self.ids = ids

    @abstractmethod
    def row(self, place: int) -> Row: ...

    def __len__(self) -> int:
        return len(self.ids)

    def places(self, ids: Sequence[str]) -> Places:
        """Return the place of each id, -1 for one that is not here."""
        wanted = np.array([id_ if id_.isascii() else "" for id_ in ids], dtype="S")  # no row has the empty id
        places = np.searchsorted(self.ids, wanted)
        known = places < len(self.ids)
        known[known] = self.ids[places[known]] == wanted[known]
        return np.where(known, places, -1)

    def get(self, ids: Sequence[str]) -> dict[str, Row]:
        """Return rows by id; ids that are not here are left out."""
        return {id_: self.row(at) for id_, at in zip(ids, self.places(ids).tolist(), strict=True) if at >= 0}

    def all_ids(self) -> list[str]:
        """Return every id, in order."""
        return [id_.decode("ascii") for id_ in self.ids.tolist()]


class KeyedWriter(ABC, Generic[Row]):
    """Changes to rows, kept until `save` writes them all anew; what does not change is never held in memory."""

    def __init__(self, old: Keyed[Row]) -> None:
        self._old = old
        self._gone: set[str] = set()
        self._new: dict[str, Row] = {}

    def put(self, ids: Sequence[str], rows: Iterable[Row]) -> None:
        """Take rows; one whose id is known is replaced."""
        self._new.update(zip(ids, rows, strict=True))

    def delete(self, ids: Iterable[str]) -> None:
        """Remove rows; unknown ids are passed over."""
        for id_ in ids:
            self._new.pop(id_, None)
            self._gone.add(id_)

    def get(self, ids: Sequence[str]) -> dict[str, Row]:
        """Return rows by id; ids that are not here are left out."""
        kept = [id_ for id_ in ids if id_ not in self._new and id_ not in self._gone]
        return self._old.get(kept) | {id_: self._new[id_] for id_ in ids if id_ in self._new}

    def all_ids(self) -> list[str]:
        """Return every id as it is now, in order."""
        return sorted((set(self._old.all_ids()) - self._gone) | self._new.keys())

    def save(self, folder: Path) -> int:
        """Write the rows as they are now to a new folder; return how many there are."""
        ids = self.all_ids()
        folder.mkdir(parents=True)
        np.save(folder / _IDS, np.array(ids, dtype="S"))
        self._save_rows(folder, ids)
        return len(ids)

    @abstractmethod
    def _save_rows(self, folder: Path, ids: Sequence[str]) -> None: ...


def mapped_ids(folder: Path) -> NDArray[Any]:
    """Map the ids that a writer saved. Raises OSError or ValueError where they are not there or damaged."""
    ids = mapped(folder / _IDS)
    if ids.ndim != 1:
        raise ValueError(f"ids of shape {ids.shape}")
    return ids
