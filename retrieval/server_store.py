"""A library on a Chroma server: its versions, their mirrors on this machine, the one record that names the live one.

Everything on the server but that record (`current`) is kept under its content and never changed.
So a writer adds, then names the new version in one write, then clears away what no version needs
any more: a kill at any moment leaves the last version whole, and what it left is used or cleared
away by the next ingest. A version that was replaced stays for `GRACE` seconds for its readers.

A reader keeps a mirror of a version in the layout of a generation (manifest, topics, texts, and
the lexical index, which it builds from the passages); vectors stay on the server. A newer
version is mirrored beside the one that serves.
"""

from __future__ import annotations

import json
import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from filelock import FileLock

from retrieval import manifest as manifests
from retrieval.errors import GoneError, IndexMissingError, PrepdeskError, ServerError
from retrieval.lease import SECONDS, Lease
from retrieval.lexical import LexicalIndex, saved_ids
from retrieval.manifest import Manifest
from retrieval.server import TIMEOUT, Address, Connection
from retrieval.server_files import ServerFiles, all_ids, digest_of
from retrieval.server_index import FILE_NAME as RECORDS
from retrieval.server_index import PREFIXES, RecordCache, Records, ServerIndex, missing_records, record_id
from retrieval.store import link, storage_errors
from retrieval.topics import FILE_NAME as TOPICS
from retrieval.types import embedded_text

GRACE = 600.0
_TABLE = "prepdesk-manifest"
_SETTINGS = {"space": "l2"}
_CURRENT = "current"
_PATIENCE = 60.0  # seconds a writer waits for a server that is gone to come back
_HASTE = 1.0  # seconds a question waits for a newer version before it is answered from the one at hand
_DELETE = 1000
_STEPS = 10  # of a mirror that is told of

Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Version:
    """What `current` says of a version: its number, the digest of its list of files, when another replaced it."""

    number: int
    files: str
    replaced: float | None = None

    @property
    def name(self) -> str:
        return f"{self.number:06d}-{self.files[:8]}"


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
        self._tell = tell or (lambda _: None)
        self._grace = grace
        self.connection = Connection(address, timeout)
        self._table = self.connection.table(_TABLE)
        self._files = ServerFiles(self.connection.table(_TABLE, make=_SETTINGS))
        self._lease = Lease(self.connection.table(_TABLE, make=_SETTINGS), lease)
        self._cache = RecordCache(self.path / "records.sqlite")
        self._serving: str | None = None
        self._refresh: threading.Thread | None = None

    @property
    def versions(self) -> Path:
        """Where the mirrors stand."""
        return self.path / "versions"

    def current_name(self) -> str | None:
        """Return the name of the version to read: the live one, or while that is mirrored the one at hand."""
        live = self._live()
        if live is None:
            return None
        if self._is_mirrored(live.name) or self._serving is None or not self._is_mirrored(self._serving):
            return live.name
        if self._refresh is None or not self._refresh.is_alive():
            self._refresh = threading.Thread(target=self._mirror_quietly, args=(live,), name="prepdesk-mirror")
            self._refresh.daemon = True
            self._refresh.start()
            self._refresh.join(_HASTE)
        return live.name if self._is_mirrored(live.name) else self._serving

    def current(self) -> Path:
        """Return the folder of the live version, mirrored first where it is new. Raises IndexMissingError."""
        folder = self._mirror(self._known_live())
        self._serving = folder.name
        return folder

    def live(self) -> Manifest:
        """Return the manifest of the live version, less what is gone from the server.

        A source that lacks passages there counts as never seen in full, so that the next ingest reads it again.
        """
        folder = self._mirror(self._known_live())
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
                error="some of its passages are gone from the server; ingest its folder again",
            )
            if not r.same_as and left.get(r.path, 0) < r.passages
            else r
            for r in found.sources
        ]
        return replace(found, sources=tuple(sources))

    def dense(self, folder: Path) -> ServerIndex:
        """Open the passages of a version, or of the one that is being written."""
        writing = folder.parent.parent == self._staging
        return ServerIndex(self.connection, folder, self._cache, writing=writing)

    @contextmanager
    def writing(self, wait: float = 0.0) -> Iterator[None]:
        """Hold the lease of the writer; wait up to `wait` seconds for another one, then raise LockedError."""
        with storage_errors(self.path):
            self.path.mkdir(parents=True, exist_ok=True)
        with self.connection.patient(_PATIENCE), self._lease.held(wait):
            yield

    def begin(self, *, copy: bool, encoder: str) -> Path:
        """Make the folder of the next version, one with the passages of the live one where `copy`."""
        version = self._live()
        folder = self._staging / str(os.getpid()) / f"{(version.number if version else 0) + 1:06d}"
        shutil.rmtree(folder.parent, ignore_errors=True)
        (folder / "texts").mkdir(parents=True)
        records = Records.of_encoder(encoder)
        if copy and version:
            base = self._mirror(version)
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
        files = _files_of(folder)
        listed = json.dumps({name: digest_of(path.read_bytes()) for name, path in files.items()}).encode("ascii")
        self._files.put(path.read_bytes() for path in files.values())
        self._files.put([listed])
        if gone := missing_records(self.connection, Records.read(folder)):
            raise ServerError(
                f"{len(gone)} passages that were written are gone from {self.place}; the last version stays live, "
                "run it again"
            )
        self._lease.check()
        now = self.connection.time()
        before = [v if v.replaced is not None else replace(v, replaced=now) for v in self._known()]
        versions = [Version(int(folder.name), digest_of(listed)), *(v for v in before if self._is_needed(v, now))]
        self._write(versions)
        name = self._keep(folder, versions[0])
        try:
            self._clear(versions)
        except ServerError:
            return name  # it is committed; the next commit clears away
        finally:
            shutil.rmtree(folder.parent, ignore_errors=True)
        return name

    def close(self) -> None:
        """Let go of the connection; the next use opens it again."""
        self.connection.close()

    # What the record `current` says.

    def _known(self) -> list[Version]:
        """Return the live version and the replaced ones that are kept, newest first; empty where there is none."""
        try:
            rows = self._table.get(ids=[_CURRENT], include=["metadatas"])
        except GoneError as error:
            if _TABLE in str(error):
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
        table = self.connection.table(_TABLE, make=_SETTINGS)
        said = json.dumps([[v.number, v.files, v.replaced] for v in versions])
        table.upsert(ids=[_CURRENT], embeddings=[[0.0, 1.0]], metadatas=[{"versions": said}])

    def _is_needed(self, version: Version, now: float) -> bool:
        return version.replaced is not None and now - version.replaced < self._grace

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
            for at in range(0, len(left), _DELETE):
                table.delete(left[at : at + _DELETE])
        self._files.keep_only({v.files for v in versions} | {d for names in listed for d in names.values()})
        self._prune({v.name for v in versions[:2]})

    # The mirrors.

    @property
    def _staging(self) -> Path:
        return self.path / "staging"

    def _is_mirrored(self, name: str) -> bool:
        return (self.versions / name / manifests.FILE_NAME).is_file()

    def _mirror_quietly(self, version: Version) -> None:
        try:
            self._mirror(version)
        except (PrepdeskError, OSError):
            return  # the version at hand goes on serving, and the next question tries again

    def _mirror(self, version: Version) -> Path:
        """Return the folder of a version, made first where it is not there; one process makes it, others wait."""
        target = self.versions / version.name
        if self._is_mirrored(version.name):
            return target
        with storage_errors(self.path):
            self.versions.mkdir(parents=True, exist_ok=True)
            with FileLock(self.path / "mirror.lock"):
                if not self._is_mirrored(version.name):
                    part = self.path / "mirror.part"
                    shutil.rmtree(part, ignore_errors=True)
                    self._fetch(version, part)
                    part.replace(target)
        self._prune({version.name, self._serving or version.name})
        mirrored = [p for p in self.versions.iterdir() if self._is_mirrored(p.name)]
        self._cache.keep_only(record for folder in mirrored for record in Records.read(folder).all())
        return target

    def _fetch(self, version: Version, folder: Path) -> None:
        """Download a version's files, of which those that an older mirror has are taken from there; index its words."""
        listed: dict[str, str] = json.loads(self._files.get(version.files))
        (folder / "texts").mkdir(parents=True)
        older = max((p for p in self.versions.iterdir() if self._is_mirrored(p.name)), default=None)
        for name, digest in listed.items():
            same = older / name if older and (older / name).is_file() else None
            content = same.read_bytes() if same else b""
            (folder / name).write_bytes(content if digest_of(content) == digest else self._files.get(digest))
        dense = ServerIndex(self.connection, folder, self._cache)
        started, said = time.monotonic(), -1

        def step(done: int, total: int) -> None:
            nonlocal said
            if time.monotonic() - started > 1.0 and (share := _STEPS * done // total) > said:
                said = share
                self._tell(f"Loading {total} passages from {self.place}, once for this version: {done} read.")

        passages = sorted(dense.all_passages(step), key=lambda p: (p.locator.path, p.locator.span, p.id))
        if said >= 0:
            self._tell("Indexing their words.")
        known = _indexed(older) & set(Records.read(folder).all()) if older else set()
        words = {p.id: embedded_text(p) for p in passages if record_id(p) not in known}
        index = LexicalIndex.build([p.id for p in passages], words, older / "lexical" if older else None)
        index.save(folder / "lexical")

    def _keep(self, folder: Path, version: Version) -> str:
        """Make what was just written the mirror of its version."""
        self.versions.mkdir(parents=True, exist_ok=True)
        target = self.versions / version.name
        if not self._is_mirrored(version.name):
            shutil.rmtree(target, ignore_errors=True)
            folder.replace(target)
        return version.name

    def _prune(self, keep: set[str]) -> None:
        newest = sorted(p.name for p in self.versions.iterdir())[-2:]
        for path in self.versions.iterdir():
            if path.name not in keep and path.name not in newest:
                shutil.rmtree(path, ignore_errors=True)


def _indexed(mirror: Path) -> set[str]:
    """Return the records whose words a mirror's index has, ready to be taken over."""
    rows = set(saved_ids(mirror / "lexical"))
    return {record for record in Records.read(mirror).all() if record.split("-")[0] in rows}


def _files_of(folder: Path) -> dict[str, Path]:
    """Return what of a generation's folder is shared, by name; the lexical index is each reader's own."""
    names = [manifests.FILE_NAME, TOPICS, RECORDS]
    found = {name: folder / name for name in names}
    return found | {f"texts/{p.name}": p for p in sorted((folder / "texts").iterdir())}
