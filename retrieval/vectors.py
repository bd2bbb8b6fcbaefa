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
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from retrieval.encoder import Encoder, Progress, Vectors

T = TypeVar("T")

_SLICE = 64  # texts encoded between two saves: what an interruption can cost
_PAGE = 500
_SYSTEM = {
    sqlite3.SQLITE_FULL: errno.ENOSPC,
    sqlite3.SQLITE_READONLY: errno.EROFS,
    sqlite3.SQLITE_CANTOPEN: errno.EACCES,
}
_DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


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
            self._db = self._opened_anew()
        self.encoded = 0

    @staticmethod
    def _open(path: Path) -> sqlite3.Connection:
        db = sqlite3.connect(path)
        db.execute("pragma journal_mode = wal")
        db.execute("pragma synchronous = normal")
        db.execute("create table if not exists vectors (key blob primary key, vector blob not null) without rowid")
        return db

    def _opened_anew(self) -> sqlite3.Connection:
        """Drop a damaged file, which holds nothing that cannot be encoded again, and begin another."""
        for suffix in ("", "-wal", "-shm"):
            self._path.with_name(self._path.name + suffix).unlink(missing_ok=True)
        return self._open(self._path)

    def _in_use(self, work: Callable[[], T]) -> T:
        """Do what uses the file; where a page of it turns out to be damaged, do it on a new file."""
        try:
            return work()
        except sqlite3.OperationalError as error:
            raise _system_error(error, self._path) from error
        except sqlite3.DatabaseError as error:
            if getattr(error, "sqlite_errorcode", 0) & 0xFF not in _DAMAGED:
                raise
        self._db.close()
        self._db = self._opened_anew()
        return work()

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
        if len(known) < len(set(keys)):  # the file was damaged and begun anew after they were found in it
            self.fill(texts)
            known = self._known(keys)
        return np.stack([known[key] for key in keys]) if keys else np.empty((0, self.encoder.dimensions), np.float32)

    def put(self, texts: Sequence[str], vectors: Sequence[NDArray[np.float32]]) -> None:
        """Take over vectors that this encoder made of these texts before."""
        self._save([self._key(text) for text in texts], vectors)

    def crowded(self, used: int) -> bool:
        """Tell whether more than half of the rows are not used by a library of so many texts."""
        (rows,) = self._in_use(lambda: self._db.execute("select count(*) from vectors").fetchone())
        return bool(rows > 2 * used + 1000)

    def keep_only(self, texts: Sequence[str]) -> None:
        """Forget what a finished library does not use."""
        used = [(self._key(text),) for text in texts]

        def forget() -> None:
            with self._db:
                self._db.execute("create temp table used (key blob primary key) without rowid")
                self._db.executemany("insert or ignore into used values (?)", used)
                self._db.execute("delete from vectors where key not in (select key from used)")
                self._db.execute("drop table used")

        self._in_use(forget)

    def _save(self, keys: Sequence[bytes], vectors: Iterable[NDArray[np.float32]]) -> None:
        rows = [(key, vector.tobytes()) for key, vector in zip(keys, vectors, strict=True)]

        def insert() -> None:
            with self._db:
                self._db.executemany("insert or replace into vectors values (?, ?)", rows)

        self._in_use(insert)

    def _known(self, keys: Sequence[bytes]) -> dict[bytes, NDArray[np.float32]]:
        found: dict[bytes, NDArray[np.float32]] = {}
        for start in range(0, len(keys), _PAGE):
            part = keys[start : start + _PAGE]
            marks = ",".join("?" * len(part))
            question = f"select key, vector from vectors where key in ({marks})"  # noqa: S608 (marks only)
            rows = self._in_use(partial(self._rows, question, part))
            found.update((key, np.frombuffer(blob, dtype=np.float32)) for key, blob in rows)
        return found

    def _rows(self, question: str, keys: Sequence[bytes]) -> list[tuple[bytes, bytes]]:
        return self._db.execute(question, keys).fetchall()

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
