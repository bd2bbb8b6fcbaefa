"""Vectors kept by text and encoder: what was encoded once is never encoded again.

The one mechanism behind moved files, unchanged passages of changed files, rebuilds and
interrupted runs. Rows are float32 blobs in an SQLite file of the library home; losing the
file costs time, never content.
"""

from __future__ import annotations

import contextlib
import hashlib
import sqlite3
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from retrieval.arrays import Vectors
from retrieval.encoder import MANY, Encoder, Progress
from retrieval.sqlite_cache import SqliteCache

_SLICE = 64  # texts encoded between two saves: what an interruption can cost


class VectorCache:
    """Vectors on disk under (encoder fingerprint, text). Use it as a context manager."""

    def __init__(self, path: Path, encoder: Encoder) -> None:
        self.encoder = encoder
        self._db = SqliteCache(path, "vectors", ("key", "vector"), "blob")
        self.encoded = 0
        self._many = False  # whether this is long work; by the texts alone, so that the same ones get the same vectors

    def __enter__(self) -> VectorCache:
        return self

    def __exit__(self, *_: object) -> None:
        self._db.close()

    def fill(self, texts: Sequence[str], progress: Progress | None = None) -> None:
        """Encode and keep what is new among the texts; `progress` counts all of them, known ones at once."""
        keys = [self._key(text) for text in texts]
        known = self._known(keys)
        first = {key: text for key, text in zip(keys, texts, strict=True) if key not in known}
        if progress:
            progress(len(texts) - len(first))
        # Longest first, so that a slice holds texts of like length and little is spent on padding.
        missing = sorted(first, key=lambda key: len(first[key]), reverse=True)
        self._many |= len(missing) >= MANY
        for start in range(0, len(missing), _SLICE):
            part = missing[start : start + _SLICE]
            self._save(part, self.encoder.encode([first[key] for key in part], progress, many=self._many))
        self.encoded += len(missing)

    def encode(self, texts: Sequence[str], progress: Progress | None = None) -> Vectors:
        """Return unit vectors `(n, dimensions)` for the texts, encoding only what is new."""
        self.fill(texts, progress)
        keys = [self._key(text) for text in texts]
        known = self._known(keys)
        if len(known) < len(set(keys)):  # the file was damaged and begun anew after they were found in it
            self.fill(texts)
            known = self._known(keys)
        return np.stack([known[key] for key in keys]) if keys else np.empty((0, self.encoder.dimensions), np.float32)

    def put(self, texts: Sequence[str], vectors: Sequence[NDArray[np.float32]]) -> None:
        """Take over vectors that this encoder made of these texts before."""
        self._save([self._key(text) for text in texts], vectors)

    def crowded(self, used: int) -> bool:
        """Tell whether more than half of the rows are not used by a library of so many texts."""
        return self._db.count() > 2 * used + 1000

    def keep_only(self, texts: Sequence[str]) -> None:
        """Forget what a finished library does not use."""
        self._db.keep_only(self._key(text) for text in texts)

    def _save(self, keys: Sequence[bytes], vectors: Iterable[NDArray[np.float32]]) -> None:
        self._db.put((key, vector.tobytes()) for key, vector in zip(keys, vectors, strict=True))

    def _known(self, keys: Sequence[bytes]) -> dict[bytes, NDArray[np.float32]]:
        return {key: np.frombuffer(blob, dtype=np.float32) for key, blob in self._db.get(keys).items()}

    def _key(self, text: str) -> bytes:
        return hashlib.sha256(f"{self.encoder.fingerprint}\0{text}".encode("utf-8", "surrogatepass")).digest()


def kept_vectors(path: Path) -> int:
    """Return how many vectors a cache holds; 0 where there is none or it is damaged."""
    if not path.is_file():
        return 0
    try:
        with contextlib.closing(sqlite3.connect(path)) as db:
            (count,) = db.execute("select count(*) from vectors").fetchone()
    except sqlite3.DatabaseError:
        return 0
    return int(count)
