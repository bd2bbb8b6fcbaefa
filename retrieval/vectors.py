"""Vectors kept by text and encoder: what was encoded once is never encoded again.

The one mechanism behind moved files, unchanged passages of changed files, rebuilds and
interrupted runs. Rows are float32 blobs in an SQLite file of the library home; losing the
file costs time, never content.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import sqlite3
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from retrieval.encoder import Encoder, Progress, Vectors

_SLICE = 64  # texts encoded between two saves: what an interruption can cost
_PAGE = 500
_SYSTEM = {
    sqlite3.SQLITE_FULL: errno.ENOSPC,
    sqlite3.SQLITE_READONLY: errno.EROFS,
    sqlite3.SQLITE_CANTOPEN: errno.EACCES,
}


class VectorCache:
    """Vectors on disk under (encoder fingerprint, text). Use it as a context manager."""

    def __init__(self, path: Path, encoder: Encoder) -> None:
        self.encoder = encoder
        self._path = path
        try:
            self._db = self._open(path)
        except sqlite3.OperationalError as error:
            raise _system_error(error, path) from error
        except sqlite3.DatabaseError:
            path.unlink()  # a damaged cache holds nothing that cannot be encoded again
            self._db = self._open(path)
        self.encoded = 0

    @staticmethod
    def _open(path: Path) -> sqlite3.Connection:
        db = sqlite3.connect(path)
        db.execute("pragma journal_mode = wal")
        db.execute("pragma synchronous = normal")
        db.execute("create table if not exists vectors (key blob primary key, vector blob not null) without rowid")
        return db

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
        for start in range(0, len(missing), _SLICE):
            part = missing[start : start + _SLICE]
            self._save(part, self.encoder.encode([first[key] for key in part], progress, many=True))
        self.encoded += len(missing)

    def encode(self, texts: Sequence[str], progress: Progress | None = None) -> Vectors:
        """Return unit vectors `(n, dimensions)` for the texts, encoding only what is new."""
        self.fill(texts, progress)
        keys = [self._key(text) for text in texts]
        known = self._known(keys)
        return np.stack([known[key] for key in keys]) if keys else np.empty((0, self.encoder.dimensions), np.float32)

    def put(self, texts: Sequence[str], vectors: Sequence[NDArray[np.float32]]) -> None:
        """Take over vectors that this encoder made of these texts before."""
        self._save([self._key(text) for text in texts], vectors)

    def crowded(self, used: int) -> bool:
        """Tell whether more than half of the rows are not used by a library of so many texts."""
        (rows,) = self._db.execute("select count(*) from vectors").fetchone()
        return bool(rows > 2 * used + 1000)

    def keep_only(self, texts: Sequence[str]) -> None:
        """Forget what a finished library does not use."""
        with self._db:
            self._db.execute("create temp table used (key blob primary key) without rowid")
            self._db.executemany("insert or ignore into used values (?)", [(self._key(text),) for text in texts])
            self._db.execute("delete from vectors where key not in (select key from used)")
            self._db.execute("drop table used")

    def _save(self, keys: Sequence[bytes], vectors: Iterable[NDArray[np.float32]]) -> None:
        rows = [(key, vector.tobytes()) for key, vector in zip(keys, vectors, strict=True)]
        try:
            with self._db:
                self._db.executemany("insert or replace into vectors values (?, ?)", rows)
        except sqlite3.OperationalError as error:
            raise _system_error(error, self._path) from error

    def _known(self, keys: Sequence[bytes]) -> dict[bytes, NDArray[np.float32]]:
        found: dict[bytes, NDArray[np.float32]] = {}
        for start in range(0, len(keys), _PAGE):
            part = keys[start : start + _PAGE]
            marks = ",".join("?" * len(part))
            rows = self._db.execute(f"select key, vector from vectors where key in ({marks})", part)  # noqa: S608 (marks only)
            found.update((key, np.frombuffer(blob, dtype=np.float32)) for key, blob in rows)
        return found

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


def _system_error(error: sqlite3.OperationalError, path: Path) -> OSError:
    """Return what SQLite met as the error of the system that it is."""
    return OSError(_SYSTEM.get(error.sqlite_errorcode & 0xFF, errno.EIO), str(error), str(path))
