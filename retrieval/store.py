"""The library home on disk: immutable generations, the CURRENT pointer, the one writer lock.

A writer copies the live generation, changes the copy and swaps the pointer; a kill at any
moment leaves the last good generation live. Readers open finished generations only.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import re
import shutil
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from filelock import FileLock, Timeout

from retrieval import local_index, manifest
from retrieval.errors import IndexCorruptError, IndexMissingError, LockedError, StorageError
from retrieval.index import PassageIndex, PassageWriter
from retrieval.lexical import Lexical, LexicalIndex
from retrieval.local_index import LocalIndex, LocalWriter
from retrieval.manifest import Manifest

CURRENT = "CURRENT"
ANEW = "prep ingest --rebuild FOLDER, with your own folders"
SEAL = "checksums.json"  # of a generation; written when it is whole and agrees with itself
_DISK_ADVICE = {
    errno.EIO: "the disk reports an error; check it, or choose another place with --index DIR",
    errno.ENOSPC: "the disk is full; free some space and run it again",
    errno.EROFS: "the disk is read-only; choose another place with --index DIR",
    errno.EACCES: "permission is denied; choose another place with --index DIR",
    errno.EPERM: "permission is denied; choose another place with --index DIR",
    errno.EEXIST: "a file stands where a folder is needed; choose another place with --index DIR",
    errno.ENOTDIR: "a file stands where a folder is needed; choose another place with --index DIR",
    errno.EBUSY: "another process is using it; run it again when that is done",
}


@contextlib.contextmanager
def storage_errors(place: Path) -> Iterator[None]:
    """Turn the operating system's refusals into one StorageError that says what to do."""
    try:
        yield
    except BrokenPipeError:
        raise  # of who reads what we print, no disk's
    except OSError as error:
        number, where = _number(error), error.filename or place
        if advice := _DISK_ADVICE.get(number):
            said = f"cannot write to {where}: {advice}"
        else:
            why = os.strerror(number) if number else " ".join(str(error).split())
            said = f"cannot read or write {where}: {why}; mend that, or choose another place with --index DIR"
        raise StorageError(f"{said}; nothing already indexed is lost") from error


class Store(Protocol):
    """Where a library is kept: a folder (`Home`) or a Chroma server (`server_store.ServerStore`).

    `path` is the folder on this machine for what is kept beside the library, `place` what a
    message calls the library. What is read is a folder of manifest, topics and texts, whose
    passages and vectors `dense` opens, and whose words `lexical`.
    """

    @property
    def path(self) -> Path: ...
    @property
    def encoders(self) -> Path: ...
    @property
    def place(self) -> str: ...

    def current_name(self) -> str | None:
        """Return the name of the generation to read, or None where nothing was ever committed."""

    def current(self) -> Path:
        """Return the folder of the live generation; raise IndexMissingError where there is none."""
        ...

    def live(self) -> Manifest:
        """Return the manifest of the live generation, as an ingest is to start from it."""
        ...

    def dense(self, folder: Path) -> PassageIndex:
        """Open the passages and vectors of a finished generation."""
        ...

    def lexical(self, folder: Path) -> Lexical:
        """Open the words of a finished generation."""
        ...

    def writer(self, folder: Path) -> PassageWriter:
        """Open those of the next generation, to change them."""
        ...

    def writing(self, wait: float = 0.0) -> AbstractContextManager[None]:
        """Be the one writer; wait up to `wait` seconds for another, then raise LockedError."""
        ...

    def begin(self, *, copy: bool, encoder: str) -> Path:
        """Make the folder of the next generation, by a fingerprint; with what the live one holds where `copy`."""
        ...

    def commit(self, folder: Path) -> str:
        """Make a finished generation the live one; return its name."""
        ...

    def discard(self, folder: Path) -> None:
        """Remove a generation that came to nothing; one that is live by now stays, whatever stopped its writer."""
        ...


@dataclass(frozen=True)
class Home:
    """The folder of one library; exported encoders may be shared with another one."""

    path: Path
    encoders_at: Path | None = None

    @property
    def generations(self) -> Path:
        return self.path / "generations"

    @property
    def encoders(self) -> Path:
        return self.encoders_at or self.path / "encoders"

    @property
    def place(self) -> str:
        return str(self.path)

    def current_name(self) -> str | None:
        """Return the name of the live generation, or None where nothing was ever committed.

        Where the pointer is lost, or was not yet written when the first writer was killed, that is
        the newest generation that is sealed. Raises IndexCorruptError where it is damaged.
        """
        pointer = self.path / CURRENT
        try:
            name = pointer.read_bytes().decode("ascii", "replace").strip()
        except FileNotFoundError:
            name = ""
        except NotADirectoryError as error:
            raise StorageError(f"{self.path} is a file and no folder; choose a folder with --index DIR") from error
        except OSError as error:
            raise StorageError(
                f"cannot read {pointer}: {error.strerror}; choose another place with --index DIR"
            ) from error
        if name and not re.fullmatch(r"\d+", name):
            raise IndexCorruptError(f"{pointer} is damaged; run: prep doctor --fix")
        return name or next((n for n in reversed(self._names()) if (self.generations / n / SEAL).is_file()), None)

    def current(self) -> Path:
        """Return the folder of the live generation.

        Raises IndexMissingError where there is none, IndexCorruptError where the pointer dangles.
        """
        name = self.current_name()
        if name is None:
            raise IndexMissingError(f"there is no index at {self.path}; run: prep ingest")
        folder = self.generations / name
        if not (folder / manifest.FILE_NAME).is_file():
            how = "prep doctor --fix" if self._complete() else ANEW
            raise IndexCorruptError(f"{self.path / CURRENT} names generation {name}, which is not complete; run: {how}")
        return folder

    def live(self) -> Manifest:
        """Return the manifest of the live generation."""
        return Manifest.read(self.current())

    def dense(self, folder: Path) -> LocalIndex:
        """Open the passages and vectors of a finished generation."""
        return LocalIndex(folder)

    def lexical(self, folder: Path) -> Lexical:
        """Open the words of a generation."""
        return LexicalIndex.load(folder / "lexical")

    def writer(self, folder: Path) -> LocalWriter:
        """Open those of the next generation, to change them."""
        return LocalWriter(folder)

    @contextlib.contextmanager
    def writing(self, wait: float = 0.0) -> Iterator[None]:
        """Hold the writer lock; wait up to `wait` seconds for another writer, then raise LockedError.

        The lock is the operating system's, so that of a dead process is free at once.
        """
        with storage_errors(self.path):
            self.path.mkdir(parents=True, exist_ok=True)
            lock = FileLock(self.path / "write.lock")
            holder = self.path / "write.holder.json"
            try:
                lock.acquire(timeout=wait)
            except Timeout as error:
                raise LockedError.by(_describe(holder), self.place) from error
        try:
            with storage_errors(self.path):
                holder.write_text(
                    json.dumps({"pid": os.getpid(), "since": time.strftime("%H:%M:%S")}), encoding="ascii"
                )
            yield
        finally:
            with contextlib.suppress(OSError):
                holder.unlink(missing_ok=True)
            lock.release()

    def begin(self, *, copy: bool, encoder: str = "") -> Path:  # noqa: ARG002 (each generation has files of its own)
        """Make the folder of the next generation, a copy of the live one where `copy`; call it under the lock.

        Left-overs of writers that died are removed first.
        """
        live = self.current_name()
        self._prune()
        number = max(int(name) for name in (live or "0", *self._complete()))
        folder = self.generations / f"{number + 1:06d}"
        folder.mkdir(parents=True)
        try:
            if copy and live:
                shutil.copytree(self.generations / live / "chroma", folder / "chroma")
                for part in ("texts", local_index.FOLDER):  # files that are replaced, never written into
                    if (self.generations / live / part).is_dir():
                        shutil.copytree(self.generations / live / part, folder / part, copy_function=link)
            else:
                (folder / "chroma").mkdir()
                (folder / "texts").mkdir()
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        return folder

    def commit(self, folder: Path) -> str:
        """Make a finished generation the live one: files first, then the pointer, each flushed to disk."""
        flush_tree(folder)
        _flush(self.generations)
        self.point_to(folder)
        self._prune()
        return folder.name

    def discard(self, folder: Path) -> None:
        """Remove a generation that came to nothing; one that is live by now stays, whatever stopped its writer."""
        with contextlib.suppress(IndexCorruptError, StorageError):
            if self.current_name() != folder.name:
                shutil.rmtree(folder, ignore_errors=True)

    def point_to(self, folder: Path) -> None:
        """Replace the pointer, atomically; call it under the lock."""
        pointer = self.path / f"{CURRENT}.new"
        with pointer.open("w", encoding="ascii") as file:
            file.write(folder.name + "\n")
            file.flush()
            os.fsync(file.fileno())
        pointer.replace(self.path / CURRENT)
        _flush(self.path)

    def _prune(self) -> None:
        """Remove every generation but the live one and, for readers that still hold it, the one before."""
        live, complete = self.current_name(), self._complete()
        # Where the live one is damaged, any that is complete may be what is left of the library.
        older = [name for name in complete if live and name < live][-1:] if live in complete else complete
        for name in self._names():
            if name not in (live, *older):
                shutil.rmtree(self.generations / name, ignore_errors=True)

    def _complete(self) -> list[str]:
        """Return the generations whose manifest, which is written when all else is, is there; the newest last."""
        return [n for n in self._names() if n.isdecimal() and (self.generations / n / manifest.FILE_NAME).is_file()]

    def _names(self) -> list[str]:
        if not self.generations.is_dir():
            return []
        return sorted(p.name for p in self.generations.iterdir() if p.is_dir())


def _number(error: OSError) -> int:
    """Return the number of a system error; the copy of a tree has it only in its words."""
    words = re.search(r"\[Errno (\d+)\]", str(error)) if isinstance(error, shutil.Error) else None
    return int(words[1]) if words else error.errno or 0


def _describe(holder: Path) -> str:
    try:
        facts = json.loads(holder.read_text(encoding="ascii"))
        return f"another process (pid {facts['pid']}, since {facts['since']})"
    except (OSError, ValueError, KeyError):
        return "another process"


def link(source: str, target: str) -> str:
    """Give a file a second name, or where the disk cannot, copy it."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)
    return target


def flush_tree(folder: Path) -> None:
    """Flush every file and folder to the disk, this one last; but what is linked was flushed under its first name."""
    for path in folder.rglob("*"):
        if path.is_dir() or path.stat().st_nlink == 1:
            _flush(path)
    _flush(folder)


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
