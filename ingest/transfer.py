"""A whole library as one file, vectors and all: a backup, and the way between a folder and a server.

The file is a ZIP archive: the manifest, the topics and the texts as they stand in a generation,
`passages.jsonl`, `vectors.npy` and `questions.npy` in the order of the passages, and the SHA-256
of each in `checksums.json`. The lexical index is built again from the passages.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
import shutil
import tempfile
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray

from ingest.writer import entries, in_order, seal, verify, write_lexical
from retrieval import manifest as manifests
from retrieval import topics
from retrieval.errors import IndexCorruptError, QueryError, ReadError
from retrieval.index import from_json, to_json
from retrieval.manifest import Manifest
from retrieval.store import Store, storage_errors
from retrieval.types import Passage, passage_id

_FORMAT = 1
_SUMS = "checksums.json"
_PASSAGES, _VECTORS, _QUESTIONS = "passages.jsonl", "vectors.npy", "questions.npy"
_TEXT = re.compile(r"texts/[0-9a-f]{0,40}\.txt(\.lines)?")


def export_library(store: Store, target: Path) -> Manifest:
    """Write the live generation to a file, which is whole or not there; return its manifest.

    Raises QueryError for a target that is no place for a file, IndexCorruptError where passages are missing.
    """
    if target.is_dir() or not target.parent.is_dir():
        raise QueryError(f"{target}: {'a folder' if target.is_dir() else 'its folder is not there'}; name another file")
    folder = store.current()
    manifest = Manifest.read(folder)
    dense = store.dense(folder)
    part = target.with_name(f".{target.name}.part")
    sums: dict[str, str] = {}
    try:
        passages = in_order(dense)
        if len(passages) != manifest.passages:
            raise IndexCorruptError(
                f"the vector index in {folder} holds {len(passages)} of {manifest.passages} passages; "
                "run: prep doctor --fix"
            )
        vectors = dense.vectors([p.id for p in passages])
        asked = [p.id for p in entries(passages)]
        questions = dense.question_vectors(asked)
        with storage_errors(target), zipfile.ZipFile(part, "w", zipfile.ZIP_DEFLATED) as archive:

            def keep(name: str, content: bytes) -> None:
                archive.writestr(name, content)
                sums[name] = hashlib.sha256(content).hexdigest()

            for name in (manifests.FILE_NAME, topics.FILE_NAME):
                keep(name, (folder / name).read_bytes())
            for text in sorted((folder / "texts").iterdir()):
                keep(f"texts/{text.name}", text.read_bytes())
            lines = (json.dumps([p.id, to_json(p)]) for p in passages)
            keep(_PASSAGES, "\n".join(lines).encode("ascii"))
            keep(_VECTORS, _packed([vectors[p.id] for p in passages], manifest.dimensions))
            keep(_QUESTIONS, _packed([questions[i] for i in asked], manifest.dimensions))
            archive.writestr(_SUMS, json.dumps({"format": _FORMAT, "sha256": sums}))
        with storage_errors(target):
            part.replace(target)
    finally:
        dense.close()
        part.unlink(missing_ok=True)
    return manifest


def import_library(store: Store, source: Path, *, wait: float = 0.0) -> Manifest:
    """Make the library in a file the live generation; what was live stays so until all of it is there and agrees.

    Raises ReadError for a file that is no such thing or not as it was written, LockedError
    while another process writes.
    """
    try:
        with zipfile.ZipFile(source) as archive:
            _check(archive, source)
            with store.writing(wait), storage_errors(store.path):
                return _take_in(store, archive, source)
    except FileNotFoundError as error:
        raise ReadError(f"{source}: no such file; name one that prep export wrote") from error
    except (IsADirectoryError, PermissionError) as error:
        raise ReadError(f"{source}: cannot be opened ({error.strerror}); name a file that prep export wrote") from error
    except (zipfile.BadZipFile, EOFError) as error:
        raise ReadError(f"{source}: not a library that prep export wrote, or cut short ({error})") from error


def _check(archive: zipfile.ZipFile, source: Path) -> None:
    """Check every member against its checksum. Raises ReadError."""
    try:
        said = json.loads(archive.read(_SUMS))
        if said["format"] != _FORMAT:
            raise ReadError(f"{source}: written in format {said['format']}, this version reads {_FORMAT}")
        sums = dict(said["sha256"])
    except (KeyError, ValueError, TypeError) as error:
        raise ReadError(f"{source}: not a library that prep export wrote") from error
    wanted = {manifests.FILE_NAME, topics.FILE_NAME, _PASSAGES, _VECTORS, _QUESTIONS}
    strange = sorted(n for n in sums if n not in wanted and not _TEXT.fullmatch(n))
    if strange or not wanted <= sums.keys():
        raise ReadError(
            f"{source}: does not hold what a library holds ({', '.join(strange[:3]) or 'parts are missing'})"
        )
    for name, digest in sums.items():
        try:
            with archive.open(name) as member:
                found = hashlib.file_digest(member, "sha256").hexdigest()  # type: ignore[arg-type]
        except (KeyError, zipfile.BadZipFile) as error:
            raise ReadError(f"{source}: {name} is damaged; take another copy") from error
        if found != digest:
            raise ReadError(f"{source}: {name} is not as it was written; take another copy")


def _take_in(store: Store, archive: zipfile.ZipFile, source: Path) -> Manifest:
    """Write and commit a checked file as the next generation."""

    with tempfile.TemporaryDirectory() as there:
        (Path(there) / manifests.FILE_NAME).write_bytes(archive.read(manifests.FILE_NAME))
        manifest = Manifest.read(Path(there))
    passages = _passages(archive, source)
    asked = [p.id for p in entries(passages)]
    vectors = _vectors(archive.open(_VECTORS), (len(passages), manifest.dimensions), source)
    questions = _vectors(archive.open(_QUESTIONS), (len(asked), manifest.dimensions), source)
    folder = store.begin(copy=False, encoder=manifest.encoder)
    try:
        dense = store.dense(folder)
        try:
            dense.add(passages, vectors)
            dense.add_questions(asked, questions)
        finally:
            dense.close()
        rows = write_lexical(folder, passages)
        for name in archive.namelist():
            if name == topics.FILE_NAME or _TEXT.fullmatch(name):
                (folder / name).write_bytes(archive.read(name))
        manifest.write(folder)
        verify(folder, manifest, rows)
        seal(folder)
        store.commit(folder)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return manifest


def _passages(archive: zipfile.ZipFile, source: Path) -> list[Passage]:
    """Read the passages. Raises ReadError where one is not what its id was made from."""
    found = [from_json(*json.loads(line)) for line in archive.read(_PASSAGES).decode("ascii").splitlines()]
    wrong = [p.id for p in found if p.id != passage_id(p.locator.path, p.locator.span, p.text)]
    if wrong or len({p.id for p in found}) != len(found):
        raise ReadError(f"{source}: {len(wrong)} passages are not what their ids were made from")
    return found


def _packed(vectors: Sequence[NDArray[np.float32]], dimensions: int) -> bytes:
    out = io.BytesIO()
    np.save(out, np.stack(vectors) if vectors else np.empty((0, dimensions), np.float32))
    return out.getvalue()


def _vectors(member: IO[bytes], shape: tuple[int, int], source: Path) -> NDArray[np.float32]:
    with member:
        found: NDArray[np.float32] = np.load(io.BytesIO(member.read()), allow_pickle=False)
    if found.shape != shape or found.dtype != np.float32:
        raise ReadError(f"{source}: holds vectors of shape {found.shape}, and {shape} are needed")
    return found
