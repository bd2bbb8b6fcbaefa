"""A whole library as one file, vectors and all: a backup, and the way between a folder and a server.

The file is a ZIP archive: the manifest, the topics and the texts as they stand in a generation,
`passages.jsonl`, `vectors.npy` and `questions.npy` in the order of the passages, and the SHA-256
of each in `checksums.json`. The lexical index is built again from the passages.
"""

from __future__ import annotations

import hashlib
import io
import json
import struct
import tempfile
import tokenize
import zipfile
import zlib
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ingest.writer import entries, seal, verify, write_lexical
from retrieval import manifest as manifests
from retrieval import topics
from retrieval.errors import IndexCorruptError, QueryError, ReadError
from retrieval.index import from_json, to_json
from retrieval.manifest import Manifest
from retrieval.store import Store, storage_errors
from retrieval.topics import TopicTree
from retrieval.types import Passage, in_order, passage_id

_FORMAT = 1
_SUMS = "checksums.json"
_PASSAGES, _VECTORS, _QUESTIONS = "passages.jsonl", "vectors.npy", "questions.npy"
_DAMAGE = (OSError, LookupError, ValueError, RuntimeError, EOFError, struct.error, zlib.error, zipfile.BadZipFile)
_MALFORMED = (
    IndexCorruptError,
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    RecursionError,
    MemoryError,
    SyntaxError,  # this and the next of the header of an array
    tokenize.TokenError,
)


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
        passages = in_order(dense.all_passages())
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
            names = _check(archive, source)
            with store.writing(wait), storage_errors(store.path):
                return _take_in(store, archive, names, source)
    except FileNotFoundError as error:
        raise ReadError(f"{source}: no such file; name one that prep export wrote") from error
    except (IsADirectoryError, PermissionError) as error:
        raise ReadError(f"{source}: cannot be opened ({error.strerror}); name a file that prep export wrote") from error
    except (zipfile.BadZipFile, EOFError, NotImplementedError) as error:  # the last for a zip of a later version
        raise ReadError(f"{source}: not a library that prep export wrote, or cut short ({error})") from error


def _check(archive: zipfile.ZipFile, source: Path) -> Collection[str]:
    """Check every member that has a checksum; return their names, for others are not taken in. Raises ReadError."""
    try:
        said = json.loads(archive.read(_SUMS))
        if said["format"] != _FORMAT:
            raise ReadError(f"{source}: written in format {said['format']}, this version reads {_FORMAT}")
        sums = dict(said["sha256"])
    except (*_DAMAGE, TypeError) as error:
        raise ReadError(f"{source}: not a library that prep export wrote") from error
    wanted = {manifests.FILE_NAME, topics.FILE_NAME, _PASSAGES, _VECTORS, _QUESTIONS}
    strange = sorted(n for n in sums if n not in wanted and not manifests.TEXTS.fullmatch(n))
    if strange or not wanted <= sums.keys():
        raise ReadError(
            f"{source}: does not hold what a library holds ({', '.join(strange[:3]) or 'parts are missing'})"
        )
    for name, digest in sums.items():
        try:
            with archive.open(name) as member:
                found = hashlib.file_digest(member, "sha256").hexdigest()  # type: ignore[arg-type]
        except _DAMAGE as error:
            raise ReadError(f"{source}: {name} is damaged; take another copy") from error
        if found != digest:
            raise ReadError(f"{source}: {name} is not as it was written; take another copy")
    return sums.keys()


@contextmanager
def _reading(source: Path, name: str) -> Iterator[None]:
    """Turn what a part of another shape than an export's leads to into one ReadError."""
    try:
        yield
    except _MALFORMED as error:
        raise ReadError(
            f"{source}: {name} in it is not as this version writes it; take another copy, or export it again"
        ) from error


def _take_in(store: Store, archive: zipfile.ZipFile, names: Collection[str], source: Path) -> Manifest:
    """Write and commit a checked file as the next generation; `names` are the members that were checked."""
    manifest = _manifest(archive, source)
    passages = _passages(archive, source)
    if len(passages) != manifest.passages:
        raise ReadError(
            f"{source}: holds {len(passages)} passages, and its manifest says {manifest.passages}; take another copy"
        )
    asked = [p.id for p in entries(passages)]
    vectors = _vectors(archive, _VECTORS, (len(passages), manifest.dimensions), source)
    questions = _vectors(archive, _QUESTIONS, (len(asked), manifest.dimensions), source)
    folder = store.begin(copy=False, encoder=manifest.encoder)
    try:
        dense = store.writer(folder)
        try:
            dense.add(passages, vectors)
            dense.add_questions(asked, questions)
            dense.save()
        finally:
            dense.close()
        rows = write_lexical(folder, passages)
        for name in names:
            if name == topics.FILE_NAME or manifests.TEXTS.fullmatch(name):
                (folder / name).write_bytes(archive.read(name))
        manifest.write(folder)
        verify(folder, manifest, rows)
        seal(folder)
        store.commit(folder)
    except BaseException:
        store.discard(folder)
        raise
    return manifest


def _manifest(archive: zipfile.ZipFile, source: Path) -> Manifest:
    """Read the manifest, and the topics to see that they can be. Raises ReadError."""
    with tempfile.TemporaryDirectory() as there:
        folder = Path(there)
        for name in (manifests.FILE_NAME, topics.FILE_NAME):
            (folder / name).write_bytes(archive.read(name))
        with _reading(source, manifests.FILE_NAME):
            manifest = Manifest.read(folder)
            counted = sum(r.passages for r in manifest.sources if not r.same_as)
            if counted != manifest.passages or not all(
                manifests.TEXTS.fullmatch(f"texts/{r.text_name}") for r in manifest.sources
            ):
                raise ValueError("it does not agree with itself")
        with _reading(source, topics.FILE_NAME):
            TopicTree.read(folder)
    return manifest


def _passages(archive: zipfile.ZipFile, source: Path) -> list[Passage]:
    """Read the passages. Raises ReadError where one is malformed, or not what its id was made from."""
    with _reading(source, _PASSAGES):
        found = [from_json(*json.loads(line)) for line in archive.read(_PASSAGES).decode("ascii").splitlines()]
        wrong = [p.id for p in found if p.id != passage_id(p.locator.path, p.locator.span, p.text)]
        if not all(isinstance(said, str) for p in found for said in (p.text, p.context, p.locator.path)):
            raise TypeError("a passage is made of text")
    if wrong or len({p.id for p in found}) != len(found):
        raise ReadError(f"{source}: {len(wrong)} passages are not what their ids were made from")
    return found


def _packed(vectors: Sequence[NDArray[np.float32]], dimensions: int) -> bytes:
    out = io.BytesIO()
    np.save(out, np.stack(vectors) if vectors else np.empty((0, dimensions), np.float32))
    return out.getvalue()


def _vectors(archive: zipfile.ZipFile, name: str, shape: tuple[int, int], source: Path) -> NDArray[np.float32]:
    with _reading(source, name):  # not `np.load`, which opens archives and pickles, too
        found: NDArray[np.float32] = np.lib.format.read_array(io.BytesIO(archive.read(name)), allow_pickle=False)
    if found.shape != shape or found.dtype != np.float32:
        raise ReadError(f"{source}: holds vectors of shape {found.shape}, and {shape} are needed")
    return found
