"""A small SQLite file of one person, opened and closed by every call, so that sessions and replicas may share it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from retrieval.errors import StorageError


@contextmanager
def open_file(path: Path, schema: str, what: str) -> Iterator[sqlite3.Connection]:
    """Open a file that keeps `what`; what is begun is committed at the end, or rolled back. Raises StorageError."""
    try:
        db = sqlite3.connect(path, timeout=5.0, isolation_level=None)
        try:
            db.executescript(schema)
            yield db
            if db.in_transaction:
                db.execute("commit")
        finally:
            db.close()  # what was not committed is rolled back
    except sqlite3.OperationalError as error:
        raise StorageError(f"{path}: {what} cannot be kept ({error}); look at the disk and its permissions") from error
    except sqlite3.DatabaseError as error:
        raise StorageError(f"{path}: damaged ({error}); put a copy back, or move it away to start afresh") from error
