"""Lines of text under ids, in a file that a person can read, and beside it where each ends."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from retrieval.arrays import mapped, mapped_bytes
from retrieval.keyed import Keyed, KeyedWriter, mapped_ids

_LINES, _ENDS = "lines.jsonl", "ends.npy"
_WRITTEN = 10_000  # lines written at once


class Lines(Keyed[bytes]):
    """Lines without their breaks, memory-mapped; `ends` is the place of the break after each, `(n,)`."""

    def __init__(self, ids: NDArray[np.bytes_], ends: NDArray[np.int64], content: NDArray[np.uint8]) -> None:
        super().__init__(ids)
        self._ends = ends
        self._content = content

    @classmethod
    def load(cls, folder: Path) -> Lines:
        """Open what a LinesWriter saved. Raises OSError or ValueError where it is not there or damaged."""
        ids, ends, content = mapped_ids(folder), mapped(folder / _ENDS), mapped_bytes(folder / _LINES)
        if ends.shape != ids.shape or (len(ends) and ends[-1] + 1 != len(content)):
            raise ValueError(f"{len(ids)} ids, {ends.shape} ends and {len(content)} bytes")
        return cls(ids, ends, content)

    @classmethod
    def of(cls, lines: Mapping[str, bytes]) -> Lines:
        """Return lines by id as what a file would hold."""
        ids = sorted(lines)
        ends = np.cumsum([len(lines[id_]) + 1 for id_ in ids], dtype=np.int64) - 1
        return cls(np.array(ids, dtype="S"), ends, np.frombuffer(b"".join(lines[id_] + b"\n" for id_ in ids), np.uint8))

    def row(self, place: int) -> bytes:
        start = self._ends[place - 1] + 1 if place else 0
        return self._content[start : self._ends[place]].tobytes()


class LinesWriter(KeyedWriter[bytes]):
    """Changes to lines."""

    def _save_rows(self, folder: Path, ids: Sequence[str]) -> None:
        sizes: list[int] = []
        with (folder / _LINES).open("wb") as file:
            for at in range(0, len(ids), _WRITTEN):
                part = ids[at : at + _WRITTEN]
                found = self.get(part)
                lines = [found[id_] for id_ in part]
                sizes += map(len, lines)
                file.writelines(line + b"\n" for line in lines)
        np.save(folder / _ENDS, np.cumsum(np.array(sizes, np.int64) + 1) - 1)
