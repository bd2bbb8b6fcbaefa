"""Keys and values in an SQLite file, of what can be made or fetched again: losing the file costs time, never content.

So one that is damaged, which may show only when a page of it is read, is begun anew; what the
system refuses to SQLite is the OSError that it would be anywhere else.
"""

from __future__ import annotations

import contextlib
import errno
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Literal, TypeVar

T = TypeVar("T")

_PAGE = 500  # keys a question, below the 999 variables of an old SQLite
_WAIT = 30.0  # seconds for another process that writes
_SYSTEM = {
    sqlite3.SQLITE_FULL: errno.ENOSPC,
    sqlite3.SQLITE_READONLY: errno.EROFS,
    sqlite3.SQLITE_CANTOPEN: errno.EACCES,
    sqlite3.SQLITE_BUSY: errno.EBUSY,
    sqlite3.SQLITE_LOCKED: errno.EBUSY,
}
_DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


class SqliteCache:
    """The one table of a file, which is opened when first used; `columns` name its keys and its values.

    Every method may raise OSError.
    """

    def __init__(self, path: Path, table: str, columns: tuple[str, str], kind: Literal["blob", "text"]) -> None:
        self._path = path
        self._table = table
        self._columns = columns
        self._kind = kind
        self._db: sqlite3.Connection | None = None

    def close(self) -> None:
        if self._db is not None:
            self._db.close()
            self._db = None

    def get(self, keys: Sequence[Any]) -> dict[Any, Any]:
        """Return the values of keys; unknown ones are left out."""
        key, value = self._columns
        found: dict[Any, Any] = {}
        for start in range(0, len(keys), _PAGE):
            part = keys[start : start + _PAGE]
            marks = ",".join("?" * len(part))
            found.update(self.execute(f"select {key}, {value} from {self._table} where {key} in ({marks})", part))  # noqa: S608 (names and marks only)
        return found

    def put(self, rows: Iterable[tuple[Any, Any]]) -> None:
        """Keep values under their keys, all of them or none."""
        rows = list(rows)

        def insert(db: sqlite3.Connection) -> None:
            with db:
                db.executemany(f"insert or replace into {self._table} values (?, ?)", rows)  # noqa: S608 (a name only)

        self._in_use(insert)

    def count(self) -> int:
        ((rows,),) = self.execute(f"select count(*) from {self._table}")  # noqa: S608 (a name only)
        return int(rows)

    def keep_only(self, keys: Iterable[Any]) -> None:
        """Forget every other key."""
        used = [(key,) for key in keys]
        key = self._columns[0]

        def forget(db: sqlite3.Connection) -> None:
            with db:
                db.execute(f"create temp table used (key {self._kind} primary key) without rowid")
                db.executemany("insert or ignore into used values (?)", used)
                db.execute(f"delete from {self._table} where {key} not in (select key from used)")  # noqa: S608 (names only)
                db.execute("drop table used")

        self._in_use(forget)

    def execute(self, question: str, values: Sequence[Any] = ()) -> list[Any]:
        """Return the rows that answer a question to the file."""
        return self._in_use(lambda db: db.execute(question, values).fetchall())

    def _in_use(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Do what uses the file; where that turns out to be damaged, do it on a new one."""
        with _system_errors(self._path):
            try:
                return work(self._opened())
            except sqlite3.DatabaseError as error:
                if not _is_damage(error):
                    raise
            self.close()
            for suffix in ("", "-wal", "-shm"):  # of what was written before, nothing may come into the new one
                self._path.with_name(self._path.name + suffix).unlink(missing_ok=True)
            return work(self._opened())

    def _opened(self) -> sqlite3.Connection:
        if self._db is None:
            db = sqlite3.connect(self._path, timeout=_WAIT)
            key, value = (f"{column} {self._kind}" for column in self._columns)
            try:
                db.execute("pragma journal_mode = wal")
                db.execute("pragma synchronous = normal")
                db.execute(
                    f"create table if not exists {self._table} ({key} primary key, {value} not null) without rowid"
                )
            except sqlite3.Error:
                db.close()
                raise
            self._db = db
        return self._db


def _is_damage(error: sqlite3.DatabaseError) -> bool:
    """Tell damage from what the system refuses; a text that is no UTF-8 has no code."""
    code: int | None = getattr(error, "sqlite_errorcode", None)
    return isinstance(error, sqlite3.OperationalError) if code is None else code & 0xFF in _DAMAGED


@contextlib.contextmanager
def _system_errors(path: Path) -> Iterator[None]:
    """Raise what SQLite met as the error of the system that it is."""
    try:
        yield
    except sqlite3.OperationalError as error:
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        raise OSError(_SYSTEM.get(code, errno.EIO), str(error), str(path)) from error
