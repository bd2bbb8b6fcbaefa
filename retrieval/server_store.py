"""A library on a Chroma server: its versions, their mirrors on this machine, the one record that names the live one.

Everything on the server but that record (`current`) is kept under its content and never changed.
So a writer adds, then names the new version in one write, then clears away what no version needs
any more: a kill at any moment leaves the last version whole, and what it left is used or cleared
away by the next ingest. A version that was replaced stays for `GRACE` seconds for its readers.

A reader keeps a mirror of a version in the layout of a generation: manifest, topics, texts, and
unless the server matches words the lexical index, which it builds from the passages; vectors stay on
the server. A newer version is mirrored beside the one that serves.
"""

from __future__ import annotations

import json
import os
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from retrieval import manifest as manifests
from retrieval.errors import GoneError, IndexMissingError, PrepdeskError, ServerError, StorageError
from retrieval.lease import SECONDS, Lease
from retrieval.lexical import Lexical, LexicalIndex
from retrieval.manifest import Manifest
from retrieval.mirror import Mirrors, Tell, Version
from retrieval.server import TIMEOUT, Address, Connection
from retrieval.server_files import TABLE, ServerFiles, all_ids, digest_of
from retrieval.server_index import FILE_NAME as RECORDS
from retrieval.server_index import PREFIXES, RecordCache, Records, ServerIndex, missing_records
from retrieval.server_lexical import FILE_NAME as WORDS
from retrieval.server_lexical import ServerLexical, WordStatistics
from retrieval.sparse import KEY
from retrieval.store import link, storage_errors
from retrieval.topics import FILE_NAME as TOPICS

GRACE = 600.0
LACKS_PASSAGES = "some of its passages are gone from the server; ingest its folder again"  # the error that marks it
_SETTINGS = {"space": "l2"}
_CURRENT = "current"
_PATIENCE = 60.0  # seconds a writer waits for a server that is gone to come back
_HASTE = 1.0  # seconds a question waits for a newer version before it is answered from the one at hand


class ServerStore:
    """The library at an address; `folder` is a local library home, which lends its place and its encoders.

    `tell` is told, in sentences, of what takes time. Every method may raise ServerError.
    """

    def __init__(
        self,
        address: Address,
        folder: Path,
        *,
        encoders_at: Path | None = None,
        tell: Tell | None = None,
        timeout: float = TIMEOUT,
        lease: float = SECONDS,
        grace: float = GRACE,
    ) -> None:
        self.address = address
        self.path = folder / "servers" / address.key
        self.encoders = encoders_at or folder / "encoders"
        self.place = address.place
        self._grace = grace
        self.connection = Connection(address, timeout)
        self._table = self.connection.table(TABLE)
        self._files = ServerFiles(self.connection.table(TABLE, make=_SETTINGS))
        self._lease = Lease(self.connection.table(TABLE, make=_SETTINGS), lease)
        self._cache = RecordCache(self.path)
        self._mirrors = Mirrors(self.path, self.connection, self._cache, tell or (lambda _: None))
        self._serving: str | None = None
        self._refresh: threading.Thread | None = None

    def current_name(self) -> str | None:
        """Return the name of the version to read: the live one, or while that is mirrored the one at hand."""
        live = self._live()
        if live is None:
            return None
        if self._mirrors.has(live.name) or self._serving is None or not self._mirrors.has(self._serving):
            return live.name
        if self._refresh is None or not self._refresh.is_alive():
            self._refresh = threading.Thread(target=self._mirror_quietly, args=(live,), name="prepdesk-mirror")
            self._refresh.daemon = True
            self._refresh.start()
            self._refresh.join(_HASTE)
        return live.name if self._mirrors.has(live.name) else self._serving

    def current(self) -> Path:
        """Return the folder of the live version, mirrored first where it is new. Raises IndexMissingError."""
        folder = self._mirrors.make(self._known_live())
        self._serving = folder.name
        return folder

    def live(self) -> Manifest:
        """Return the manifest of the live version, less what is gone from the server.

        A source that lacks passages there counts as never seen in full, so that the next ingest reads it again;
        its error is LACKS_PASSAGES.
        """
        folder = self._mirrors.make(self._known_live())
        found, records = Manifest.read(folder), Records.read(folder)
        gone = missing_records(self.connection, records)
        left = {path: sum(r not in gone for r in ids) for path, ids in records.by_path.items()}
        sources = [
            replace(
                r,
                sha256="",
                size=0,
                mtime_ns=0,
                passages=left.get(r.path, 0),
                error=LACKS_PASSAGES,
            )
            if not r.same_as and left.get(r.path, 0) < r.passages
            else r
            for r in found.sources
        ]
        return replace(found, sources=tuple(sources))

    def dense(self, folder: Path) -> ServerIndex:
        """Open the passages of a version."""
        return ServerIndex(self.connection, folder, self._cache)

    def lexical(self, folder: Path) -> Lexical:
        """Open the words of a version: matched by the server where it was written so, else here."""
        if (folder / WORDS).exists():
            return ServerLexical(folder, self.dense(folder))
        return LexicalIndex.load(folder / "lexical")

    def writer(self, folder: Path) -> ServerIndex:
        """Open those of the version that is being written."""
        return ServerIndex(self.connection, folder, self._cache, writing=True)

    @contextmanager
    def writing(self, wait: float = 0.0) -> Iterator[None]:
        """Hold the lease of the writer; wait up to `wait` seconds for another one, then raise LockedError."""
        with storage_errors(self.path):
            self.path.mkdir(parents=True, exist_ok=True)
        with self.connection.patient(_PATIENCE), self._lease.held(wait):
            yield

    def begin(self, *, copy: bool, encoder: str) -> Path:
        """Make the folder of the next version, one with the passages of the live one where `copy`.

        Call it under the lease: left-overs of writers that died are removed first.
        """
        version = self._live()
        folder = self._staging / str(os.getpid()) / f"{(version.number if version else 0) + 1:06d}"
        shutil.rmtree(self._staging, ignore_errors=True)
        (folder / "texts").mkdir(parents=True)
        records = Records.of_encoder(encoder)
        if copy and version:
            base = self._mirrors.make(version)
            shutil.copytree(base / "texts", folder / "texts", dirs_exist_ok=True, copy_function=link)
            records = Records.read(base)
            gone = missing_records(self.connection, records)
            records.by_path = {p: [r for r in ids if r not in gone] for p, ids in records.by_path.items()}
        (folder / RECORDS).write_bytes(records.to_bytes())
        return folder

    def commit(self, folder: Path) -> str:
        """Make a finished version the live one; return its name.

        The files go first, then `current`; what no version needs any more is then cleared away.
        Raises LockedError where another writer came between.
        """
        records = Records.read(folder)
        if records.by_path and records.tables(self.connection)[0].has_sparse_index(KEY):
            WordStatistics.of_index(folder / "lexical").write(folder)
        files = _files_of(folder)
        listed = json.dumps({name: digest_of(path.read_bytes()) for name, path in files.items()}).encode("ascii")
        self._files.put(path.read_bytes() for path in files.values())
        self._files.put([listed])
        if gone := missing_records(self.connection, records):
            raise ServerError(
                f"{len(gone)} passages that were written are gone from {self.place}; the last version stays live, "
                "run it again"
            )
        self._lease.check()
        now = self.connection.time()
        before = [v if v.replaced is not None else replace(v, replaced=now) for v in self._known()]
        versions = [Version(int(folder.name), digest_of(listed)), *(v for v in before if self._is_needed(v, now))]
        self._write(versions)
        name = self._mirrors.take(folder, versions[0])
        try:
            self._clear(versions)
        except (ServerError, StorageError):
            return name  # it is committed; the next commit clears away
        finally:
            shutil.rmtree(folder.parent, ignore_errors=True)
        return name

    def discard(self, folder: Path) -> None:
        """Remove what this machine has of a version that came to nothing; the next commit clears the server."""
        shutil.rmtree(folder, ignore_errors=True)

    def close(self) -> None:
        """Let go of the connection; the next use opens it again."""
        self.connection.close()

    # What the record `current` says.

    def _known(self) -> list[Version]:
        """Return the live version and the replaced ones that are kept, newest first; empty where there is none."""
        try:
            rows = self._table.get(ids=[_CURRENT], include=["metadatas"])
        except GoneError as error:
            if TABLE in str(error):
                return []
            raise
        if not rows["ids"]:
            return []
        return [Version(*fields) for fields in json.loads(rows["metadatas"][0]["versions"])]

    def _live(self) -> Version | None:
        return next(iter(self._known()), None)

    def _known_live(self) -> Version:
        version = self._live()
        if version is None:
            raise IndexMissingError(
                f"there is no library at {self.place}; run: prep ingest --chroma {self.address.url}"
            )
        return version

    def _write(self, versions: list[Version]) -> None:
        table = self.connection.table(TABLE, make=_SETTINGS)
        said = json.dumps([[v.number, v.files, v.replaced] for v in versions])
        table.upsert(ids=[_CURRENT], embeddings=[[0.0, 1.0]], metadatas=[{"versions": said}])

    def _is_needed(self, version: Version, now: float) -> bool:
        return version.replaced is not None and now - version.replaced < self._grace

    def _mirror_quietly(self, version: Version) -> None:
        try:
            self._mirrors.make(version)
        except (PrepdeskError, OSError):
            return  # the version at hand goes on serving, and the next question tries again

    @property
    def _staging(self) -> Path:
        return self.path / "staging"

    def _clear(self, versions: list[Version]) -> None:
        """Delete what none of the versions needs: records, collections, files; and of the mirrors all but two."""
        listed = [json.loads(self._files.get(v.files)) for v in versions]
        wanted = [Records.from_bytes(self._files.get(names[RECORDS])) for names in listed]
        kept = {(r.group, record) for r in wanted for record in r.all()}
        groups = {r.group for r in wanted}
        for name in self.connection.names():
            if not name.startswith(PREFIXES):
                continue
            group = name.split("-")[-1]
            if group not in groups:
                self.connection.drop(name)
                continue
            table = self.connection.table(name)
            left = [i for i in all_ids(table) if (group, i) not in kept]
            for at in range(0, len(left), table.page):
                table.delete(left[at : at + table.page])
        self._files.keep_only({v.files for v in versions} | {d for names in listed for d in names.values()})
        self._mirrors.prune({v.name for v in versions[:2]})


def _files_of(folder: Path) -> dict[str, Path]:
    """Return what of a generation's folder is shared, by name; the lexical index is each reader's own."""
    names = [manifests.FILE_NAME, TOPICS, RECORDS, WORDS]
    found = {name: folder / name for name in names if (folder / name).exists()}
    return found | {f"texts/{p.name}": p for p in sorted((folder / "texts").iterdir())}
