"""What a machine keeps of a library on a server: a folder for each version it reads, laid out as a generation is.

The files come from the server, those that an older mirror has from there. Unless the server
matches words itself, the lexical index is built here from the passages, the rows of passages that
the older mirror has taken over.
"""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock

from retrieval import manifest as manifests
from retrieval import topics
from retrieval.errors import IndexCorruptError
from retrieval.lexical import LexicalIndex, saved_ids
from retrieval.server import Connection
from retrieval.server_files import TABLE, ServerFiles, digest_of
from retrieval.server_index import FILE_NAME as RECORDS
from retrieval.server_index import RecordCache, Records, ServerIndex, record_id
from retrieval.server_lexical import FILE_NAME as WORDS
from retrieval.store import storage_errors
from retrieval.types import Passage, embedded_text, in_order

_STEPS = 10  # of a long load that is told of
_QUICK = 1.0  # seconds; what takes no longer is not told of
_NAMES = (manifests.FILE_NAME, topics.FILE_NAME, RECORDS, WORDS)

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


class Mirrors:
    """The mirrors in a folder, which processes of one machine share: one makes a mirror, the others wait for it."""

    def __init__(self, path: Path, connection: Connection, cache: RecordCache, tell: Tell) -> None:
        self._path = path
        self._connection = connection
        self._files = ServerFiles(connection.table(TABLE))
        self._cache = cache
        self._tell = tell

    def has(self, name: str) -> bool:
        return (self._versions / name / manifests.FILE_NAME).is_file()

    def make(self, version: Version) -> Path:
        """Return the folder of a version, made first where it is not there. Raises ServerError, IndexCorruptError."""
        target = self._versions / version.name
        if self.has(version.name):
            return target
        with storage_errors(self._path):
            self._versions.mkdir(parents=True, exist_ok=True)
            with FileLock(self._path / "mirror.lock"):
                if not self.has(version.name):
                    part = self._path / "mirror.part"
                    shutil.rmtree(part, ignore_errors=True)
                    self._fetch(version, part)
                    shutil.rmtree(target, ignore_errors=True)
                    part.replace(target)
        self.prune({version.name})
        return target

    def take(self, folder: Path, version: Version) -> str:
        """Make what this machine just wrote the mirror of its version; return the version's name."""
        self._versions.mkdir(parents=True, exist_ok=True)
        if not self.has(version.name):
            shutil.rmtree(self._versions / version.name, ignore_errors=True)
            folder.replace(self._versions / version.name)
        return version.name

    def prune(self, keep: set[str]) -> None:
        """Remove every mirror but the newest two and those named, and the records that none of them has."""
        mirrors = self._made()
        for path in mirrors[:-2]:
            if path.name not in keep:
                shutil.rmtree(path, ignore_errors=True)
        held = []
        for path in self._made():
            with suppress(IndexCorruptError):  # told by whoever reads it; what it holds comes from the server again
                held.append(Records.read(path))
        self._cache.keep_only({r for one in held for r in one.all()}, {name for one in held for name in one.names})

    @property
    def _versions(self) -> Path:
        return self._path / "versions"

    def _made(self) -> list[Path]:
        return sorted(p for p in self._versions.iterdir() if self.has(p.name))

    def _fetch(self, version: Version, folder: Path) -> None:
        listed: dict[str, str] = json.loads(self._files.get(version.files))
        # Who writes to the server does not write where they like on the machines of its readers.
        if strange := [name for name in listed if name not in _NAMES and not manifests.TEXTS.fullmatch(name)]:
            raise IndexCorruptError(
                f"the library at {self._connection.address.place} names a file outside it ({strange[0][:200]!r}), and "
                "nothing of it is taken; ask whoever keeps the server"
            )
        (folder / "texts").mkdir(parents=True)
        older = next(reversed(self._made()), None)
        wanted: dict[str, list[str]] = {}
        for name, digest in listed.items():
            same = older / name if older and (older / name).is_file() else None
            if same and digest_of(content := same.read_bytes()) == digest:
                (folder / name).write_bytes(content)
            else:
                wanted.setdefault(digest, []).append(name)
        for digest, content in self._files.get_all(list(wanted)):
            for name in wanted[digest]:
                (folder / name).write_bytes(content)
        if WORDS in listed:
            return  # the server matches the words, and passages come when they are asked for
        dense = ServerIndex(self._connection, folder, self._cache)
        place, started, said = self._connection.address.place, time.monotonic(), -1

        def step(done: int, total: int) -> None:
            nonlocal said
            if time.monotonic() - started > _QUICK and (share := _STEPS * done // total) > said:
                said = share
                self._tell(f"Loading {total} passages from {place}, once for this version: {done} read.")

        passages = in_order(dense.all_passages(step))
        if said >= 0:
            self._tell("Indexing their words.")
        _index(passages, folder, older).save(folder / "lexical")


def _index(passages: Sequence[Passage], folder: Path, older: Path | None) -> LexicalIndex:
    """Index the words of a mirror's passages; those of an older mirror are taken over, unless it is damaged."""
    ids = [p.id for p in passages]
    if older:
        with suppress(IndexCorruptError):
            known = _indexed(older) & set(Records.read(folder).all())
            words = {p.id: embedded_text(p) for p in passages if not known or record_id(p) not in known}
            return LexicalIndex.build(ids, words, older / "lexical")
    return LexicalIndex.build(ids, {p.id: embedded_text(p) for p in passages})


def _indexed(mirror: Path) -> set[str]:
    """Return the records whose words a mirror's index has, ready to be taken over."""
    rows = set(saved_ids(mirror / "lexical"))
    return {record for record in Records.read(mirror).all() if record.split("-")[0] in rows}
