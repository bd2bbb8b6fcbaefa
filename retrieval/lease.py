"""The one writer of a library on a server: a record that is held for a while, and renewed while the work goes on.

It keeps two people from doing the same work twice. It is no lock that nothing could break: what
keeps a library whole is that records never change and that the version comes last (`server_store.py`).
Times are those of the server's clock.
"""

from __future__ import annotations

import os
import socket
import sys
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from retrieval.errors import LockedError, ServerError
from retrieval.server import Table

SECONDS = 60.0
_RECORD = "lease"
_SETTLE = 0.1  # seconds after which, of two who took it at once, the one who came first sees the other
_LOOK = 0.5  # seconds between two looks at a lease that another holds


class Lease:
    """The lease on one library; `seconds` is how long it outlives a writer that dies."""

    def __init__(self, table: Table, seconds: float = SECONDS) -> None:
        self._table = table
        self._seconds = seconds
        self._mine = uuid.uuid4().hex

    @contextmanager
    def held(self, wait: float) -> Iterator[None]:
        """Hold the lease; wait up to `wait` seconds for another writer, then raise LockedError."""
        self._take(time.monotonic() + wait)
        done = threading.Event()
        renewing = threading.Thread(target=self._renew, args=(done,), name="prepdesk-lease", daemon=True)
        renewing.start()
        try:
            yield
        finally:
            done.set()
            renewing.join()
            self._release()

    def check(self) -> None:
        """Raise LockedError where another writer has taken over meanwhile."""
        row = self._read()
        if row is None or row["holder"] != self._mine:
            raise LockedError(
                f"another writer took over {self._table.connection.address.place} while this one was held up; "
                "nothing is lost, run it again"
            )

    def _take(self, end: float) -> None:
        while True:
            row = self._read()
            if row is None or row["until"] < self._table.connection.time() or _is_dead(row):
                self._write()
                time.sleep(_SETTLE)
                row = self._read()
                if row is not None and row["holder"] == self._mine:
                    return
            if time.monotonic() >= end:
                who = f"{row['host']}, process {row['pid']}" if row else "another writer"
                raise LockedError.by(who, self._table.connection.address.place)
            time.sleep(min(_LOOK, max(0.0, end - time.monotonic())))

    def _renew(self, done: threading.Event) -> None:
        while not done.wait(self._seconds / 4):
            try:
                row = self._read()
                if row is None or row["holder"] != self._mine:
                    return  # lost; `check` tells
                self._write()
            except ServerError:
                continue  # the work itself meets the same fault, and tells of it

    def _release(self) -> None:
        try:
            row = self._read()
            if row is not None and row["holder"] == self._mine:
                self._table.delete([_RECORD])
        except ServerError:
            return  # it runs out by itself

    def _read(self) -> dict[str, Any] | None:
        rows = self._table.get(ids=[_RECORD], include=["metadatas"])
        return dict(rows["metadatas"][0]) if rows["ids"] else None

    def _write(self) -> None:
        until = self._table.connection.time() + self._seconds
        facts = {"holder": self._mine, "host": socket.gethostname(), "pid": os.getpid(), "until": until}
        self._table.upsert(ids=[_RECORD], embeddings=[[1.0, 0.0]], metadatas=[facts])


def _is_dead(row: dict[str, Any]) -> bool:
    """Tell whether the holder was a process of this machine that has ended; elsewhere only time tells."""
    if row["host"] != socket.gethostname() or sys.platform == "win32":
        return False
    try:
        os.kill(int(row["pid"]), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return False
