"""Files of a library on a Chroma server: content under its digest, packed and in pieces, in the metadata of records.

Metadata and not documents, because Chroma indexes documents for full-text search: 10 MB took
42 s to write as documents and 2 s as metadata.
"""

from __future__ import annotations

import base64
import hashlib
import math
import zlib
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

from retrieval.errors import IndexCorruptError
from retrieval.index import pages
from retrieval.server import Table

TABLE = "prepdesk-manifest"
_PIECE = 4000  # characters; hosted Chroma takes no longer metadata
_BATCH = 200  # pieces a call, below 1 MB
_FILES = 100  # read at once


def digest_of(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:40]


class ServerFiles:
    """Contents by digest; what is there is never changed, so that any number of versions share it."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def put(self, contents: Iterable[bytes]) -> None:
        """Keep contents; those that are there cost a look."""
        pieces: dict[str, tuple[str, int]] = {}
        for content in contents:
            packed = base64.b64encode(zlib.compress(content)).decode("ascii")
            parts = [packed[at : at + _PIECE] for at in range(0, len(packed), _PIECE)]
            pieces.update({_piece(digest_of(content), n): (part, len(parts)) for n, part in enumerate(parts)})
            if len(pieces) >= _BATCH:
                self._put(pieces)
                pieces = {}
        self._put(pieces)

    def get(self, digest: str) -> bytes:
        """Return a content. Raises IndexCorruptError where it is not there, whole and as it was."""
        return next(self.get_all([digest]))[1]

    def get_all(self, digests: Sequence[str]) -> Iterator[tuple[str, bytes]]:
        """Yield each digest with its content, some of them in a call. Raises what `get` raises."""
        for at in range(0, len(digests), _FILES):
            some = digests[at : at + _FILES]
            rows = self._rows([_piece(digest, 0) for digest in some])
            names = {d: [_piece(d, n) for n in range(int(rows.get(_piece(d, 0), {}).get("of", 0)))] for d in some}
            rows |= self._rows([name for pieces in names.values() for name in pieces[1:]])
            yield from ((digest, self._content(digest, [rows.get(name) for name in names[digest]])) for digest in some)

    def _content(self, digest: str, pieces: Sequence[Mapping[str, Any] | None]) -> bytes:
        try:
            content = zlib.decompress(base64.b64decode("".join(str(piece["data"]) for piece in pieces if piece)))
        except (KeyError, ValueError, zlib.error):
            content = b""
        if digest_of(content) != digest:
            raise IndexCorruptError(
                f"a file of the library is damaged or gone from {self._table.connection.address.place}; "
                "run: prep ingest --rebuild"
            )
        return content

    def keep_only(self, digests: Collection[str]) -> None:
        """Delete every other content."""
        left = [i for i in all_ids(self._table) if "-" in i and i.split("-")[0] not in digests]
        for at in range(0, len(left), self._table.page):
            self._table.delete(left[at : at + self._table.page])

    def _put(self, pieces: dict[str, tuple[str, int]]) -> None:
        missing = sorted(pieces.keys() - present_ids(self._table, sorted(pieces)))
        for at in range(0, len(missing), _BATCH):
            part = missing[at : at + _BATCH]
            self._table.upsert(
                ids=part,
                embeddings=[_somewhere(name) for name in part],
                metadatas=[{"data": pieces[name][0], "of": pieces[name][1]} for name in part],
            )

    def _rows(self, names: Sequence[str]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for at in range(0, len(names), self._table.page):
            rows = self._table.get(ids=list(names[at : at + self._table.page]), include=["metadatas"])
            found.update(zip(rows["ids"], rows["metadatas"], strict=True))
        return found


def _piece(digest: str, number: int) -> str:
    return f"{digest}-{number:06d}"


def present_ids(table: Table, ids: Sequence[str]) -> set[str]:
    """Return those of the ids that are really there."""
    found: set[str] = set()
    for at in range(0, len(ids), table.page):
        found.update(table.get(ids=list(ids[at : at + table.page]), include=[])["ids"])
    return found


def all_ids(table: Table) -> list[str]:
    """Return the ids of everything in a collection."""
    return [i for rows in pages(table, table.page, include=[]) for i in rows["ids"]]


def _somewhere(name: str) -> list[float]:
    """Return a place for a record that nothing searches for; records of one place would make a bad graph."""
    turn = int(hashlib.sha256(name.encode()).hexdigest()[:8], 16) / 2**32 * 2 * math.pi
    return [math.cos(turn), math.sin(turn)]
