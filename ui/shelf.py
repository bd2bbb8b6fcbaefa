"""The files of a library on disk: uploads under safe names, and taking sources out. No streamlit here."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Sequence
from pathlib import Path

from ingest.discover import find_files
from ingest.pipeline import Report, remove
from ingest.readers import READERS
from ingest.writer import Progress
from retrieval.errors import QueryError, ReadError
from retrieval.manifest import Manifest
from retrieval.store import Store, storage_errors
from ui.people import Person, check_editor

UPLOADS = "uploads"
MAX_UPLOAD_MB = 200
_LONGEST = 100  # characters of a name before its suffix
_RESERVED = re.compile(r"(?:con|prn|aux|nul|com\d|lpt\d)$", re.I)  # names that Windows keeps for devices


def uploads(home: Path) -> Path:
    """Return the folder that uploaded files are kept in."""
    return home / UPLOADS


def accepted() -> list[str]:
    """Return the suffixes that a reader stands behind, without dots."""
    return sorted(suffix.lstrip(".") for suffix in READERS)


def safe_name(name: str) -> str:
    """Return a name that stays in its folder and means the same on every system. Raises ReadError for other formats.

    What a browser sends as the name is up to whoever made the file: paths, controls, device
    names and leading dots (which ingest would pass over) are taken off.
    """
    name = unicodedata.normalize("NFC", name.replace("\\", "/").rsplit("/", 1)[-1])
    stem, dot, suffix = name.rpartition(".")
    if not dot or f".{suffix.lower()}" not in READERS:
        raise ReadError(f"{name or 'this file'}: no reader for its format; choose one of {', '.join(accepted())}")
    stem = re.sub(r"\s+", " ", re.sub(r"[^\w .()+-]", "_", stem)).strip(" .~_")[:_LONGEST].strip()
    if not stem or _RESERVED.match(stem):
        stem = f"file {stem}".strip()
    return f"{stem}.{suffix.lower()}"


def keep(home: Path, name: str, content: bytes, *, by: Person | None) -> Path:
    """Write an uploaded file into the uploads folder and return where; the same content is kept once.

    A file of that name with other content is not replaced: the new one gets a number. Raises
    RoleError for who may not change the library, ReadError for a file that is empty, too large
    or of no format we read.
    """
    check_editor(by)
    if not content:
        raise ReadError(f"{name}: the file is empty; nothing was added")
    if len(content) > MAX_UPLOAD_MB * 2**20:
        raise ReadError(f"{name}: {len(content) / 2**20:.0f} MB, the limit is {MAX_UPLOAD_MB} MB; split the file")
    folder = uploads(home)
    wanted = safe_name(name)
    stem, _, suffix = wanted.rpartition(".")
    with storage_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        for number in range(1, 10_000):
            target = folder / (wanted if number == 1 else f"{stem} ({number}).{suffix}")
            if not target.exists():
                break
            if _digest(target.read_bytes()) == _digest(content):
                return target
        part = folder / f".{target.name}.part"  # ingest passes over names with a dot
        part.write_bytes(content)
        part.replace(target)
    return target


def roots(home: Path, manifest: Manifest) -> list[Path]:
    """Return the folders of the library that are still there, that of uploads that were never read among them."""
    found = {root for root in map(Path, {r.root for r in manifest.sources}) if root.is_dir()}
    mine = uploads(home).resolve()
    if mine.is_dir() and find_files(mine):
        found.add(mine)
    return sorted(found)


def take_out(home: Store, paths: Sequence[str], progress: Progress) -> Report:
    """Take sources out of the library; uploaded files are deleted too, files of other folders are left alone.

    Raises QueryError for a path the library does not have.
    """
    records = Manifest.read(home.current()).by_path()
    if unknown := [p for p in paths if p not in records]:
        raise QueryError(f"no source {unknown[0]!r} in the library; reload the page")
    report = remove(home, paths, wait=5.0, progress=progress)
    mine = uploads(home.path).resolve()
    for path in paths:
        root, file = Path(records[path].root), Path(records[path].file)
        # The manifest of a library that was imported is a stranger's word.
        if root == mine and file.resolve().is_relative_to(mine):
            file.unlink(missing_ok=True)
    return report


def _digest(content: bytes) -> bytes:
    return hashlib.sha256(content).digest()
