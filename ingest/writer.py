"""A change to a new generation: vectors, lexical rows, topics and texts written together, verified, swapped in."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Mapping, Sequence, Set
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

import numpy as np

from ingest.areas import area_titles
from ingest.chunk import fingerprint as chunker_fingerprint
from ingest.documents import Document
from retrieval import local_index, topics
from retrieval.arrays import Vectors, unit
from retrieval.encoder import Encoder
from retrieval.errors import IndexCorruptError
from retrieval.index import DenseIndex, PassageWriter, load_chromadb
from retrieval.lexical import LexicalIndex, load_bm25s, saved_ids
from retrieval.manifest import Manifest, SourceRecord
from retrieval.models import file_sha256
from retrieval.store import SEAL, Store, flush_tree
from retrieval.types import Passage, embedded_text, in_order
from retrieval.vectors import VectorCache

_UNREADABLE = (OSError, ValueError, TypeError)

Progress = Callable[[str, int, int], None]
"""Told of every step: its stage ("read", "encode", "write"), how much is done, of how much."""


@dataclass(frozen=True, slots=True)
class Change:
    """What the next generation gains and loses; `stale` are paths whose present passages go.

    `areas` gives the titles of areas by id, in the order of the topic tree.
    """

    sources: tuple[SourceRecord, ...]
    passages: Sequence[Passage]
    texts: Mapping[str, Document] = field(default_factory=dict)
    stale: Sequence[str] = ()
    areas: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Written:
    """A committed generation: its name, its passages, and how many texts had to be encoded."""

    name: str
    passages: int
    encoded: int


def warm_up() -> None:
    """Import what writing needs, most of a second's work, so that it can be done beside reading."""
    load_chromadb()
    load_bm25s()


def write_generation(home: Store, encoder: Encoder, change: Change, *, fresh: bool, progress: Progress) -> Written:
    """Write, verify and commit the next generation, from nothing where `fresh`, else from a copy of the live one.

    Call it under the writer lock. Raises IndexCorruptError, leaving the live generation as it
    is, where the new one does not agree with itself.
    """
    live = None if fresh else home.current()
    folder = home.begin(copy=not fresh, encoder=encoder.fingerprint)
    try:
        with VectorCache(home.path / "vectors.sqlite", encoder) as cache:
            passages, questions = _write_dense(home.writer(folder), folder, cache, change, progress)
        progress("write", 0, 1)
        rows = write_lexical(folder, passages, live, {p.id for p in change.passages})
        _write_texts(folder / "texts", change)
        manifest = Manifest(
            encoder=encoder.fingerprint,
            model=encoder.name,
            dimensions=encoder.dimensions,
            chunker=chunker_fingerprint(encoder.max_tokens),
            created=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            passages=len(passages),
            questions=questions,
            sources=change.sources,
        )
        manifest.write(folder)
        verify(folder, manifest, rows)
        with ThreadPoolExecutor(1) as beside:
            beside.submit(flush_tree, folder)  # the disk takes in what is summed; the commit has the rest flushed
            seal(folder, live=live)
        name = home.commit(folder)
    except BaseException:
        home.discard(folder)
        raise
    progress("write", 1, 1)
    return Written(name, len(passages), cache.encoded)


def _write_dense(
    dense: PassageWriter, folder: Path, cache: VectorCache, change: Change, progress: Progress
) -> tuple[list[Passage], int]:
    """Bring the vectors in step and write the topics; return all passages in order and the count of questions."""
    try:
        dense.delete_sources(change.stale)
        _add(dense, cache, change.passages, progress)
        passages = in_order(dense.all_passages())
        count, questions = dense.count()
        if count != len(passages):
            raise IndexCorruptError(
                f"the vector index counts {count} passages, holds {len(passages)}; the last generation stays live"
            )
        if cache.crowded(count + questions):
            cache.keep_only(encoded_texts(passages))
        records = {r.path: r for r in change.sources}
        topics.build(passages, _stacked(dense, passages), records, change.areas).write(folder)
        dense.save()
        return passages, questions
    finally:
        dense.close()


def encoded_texts(passages: Sequence[Passage]) -> list[str]:
    """Return what is encoded for passages: the text of each, the question of each entry, then all phrasings."""
    asked = [p.entry for p in entries(passages) if p.entry]
    return [
        *(embedded_text(p) for p in passages),
        *(entry.question for entry in asked),
        *(phrasing for entry in asked for phrasing in entry.phrasings),
    ]


def entries(passages: Sequence[Passage]) -> list[Passage]:
    """Return the first part of every question entry, the one its question is found by."""
    return [p for p in passages if p.entry and p.entry.part == 1]


def _add(dense: PassageWriter, cache: VectorCache, passages: Sequence[Passage], progress: Progress) -> None:
    texts = encoded_texts(passages)
    done = 0

    def count(n: int) -> None:
        nonlocal done
        done += n
        progress("encode", done, len(texts))

    vectors = cache.encode(texts, count)
    dense.add(passages, vectors[: len(passages)])
    asked = entries(passages)
    sizes = [len(p.entry.phrasings) if p.entry else 0 for p in asked]
    first = len(passages) + len(asked)
    dense.add_questions([p.id for p in asked], question_vectors(vectors[len(passages) : first], vectors[first:], sizes))


def question_vectors(questions: Vectors, phrasings: Vectors, sizes: Sequence[int]) -> Vectors:
    """Return a unit vector for each question, halfway to the middle of its phrasings where there are any.

    `questions` is `(n, dimensions)`; `phrasings` are those of all questions in order, `sizes` how
    many are of each.
    """
    out = questions.copy()
    end = 0
    for row, size in enumerate(sizes):
        start, end = end, end + size
        if size:
            out[row] = unit(questions[row] + unit(phrasings[start:end].mean(axis=0)))
    return out


def write_lexical(
    folder: Path, passages: Sequence[Passage], live: Path | None = None, new: Set[str] = frozenset()
) -> int:
    """Index the words of all passages; return how many rows that made.

    Rows of passages that are not `new` are taken from the live generation's index, where it has them.
    """
    known = set(saved_ids(live / "lexical")) - new if live else set()
    texts = {p.id: embedded_text(p) for p in passages if p.id not in known}
    lexical = LexicalIndex.build([p.id for p in passages], texts, live / "lexical" if live else None)
    lexical.save(folder / "lexical")
    return len(lexical)


def rebuild_lexical(folder: Path, dense: DenseIndex) -> None:
    """Replace the lexical index of a generation by one made from its passages."""
    aside = folder / "lexical.new"
    shutil.rmtree(aside, ignore_errors=True)
    write_lexical(aside, in_order(dense.all_passages()))
    local_index.put_in_place(aside / "lexical", folder / "lexical")
    aside.rmdir()
    seal(folder, "lexical/")


def rebuild_replica(folder: Path, dense: DenseIndex) -> None:
    """Replace the replica of a generation by one made from what Chroma holds."""
    local_index.write_replica(folder, dense)
    seal(folder, f"{local_index.FOLDER}/")


def rebuild_topics(folder: Path, dense: DenseIndex, manifest: Manifest) -> None:
    """Replace the topics of a generation by those made from its passages."""
    passages = in_order(dense.all_passages())
    areas = area_titles(sorted({Path(r.root) for r in manifest.sources}))
    topics.build(passages, _stacked(dense, passages), manifest.by_path(), areas).write(folder)
    seal(folder, topics.FILE_NAME)


def _stacked(dense: DenseIndex | PassageWriter, passages: Sequence[Passage]) -> Vectors:
    """Return the vectors of passages `(n, dimensions)`."""
    vectors = dense.vectors([p.id for p in passages])
    return np.stack([vectors[p.id] for p in passages]) if passages else np.empty((0, 1), np.float32)


def damaged_files(folder: Path) -> list[str]:
    """Return the files of a generation, Chroma's own left out, that are not what they were at its commit; sorted.

    Chroma writes to its files whenever they are opened. A generation older than checksums has none to fail.
    """
    if not (folder / SEAL).is_file():
        return []
    try:
        wanted = _noted(folder)
    except _UNREADABLE:
        return sorted(_checksums(folder))
    found = _checksums(folder)
    return sorted(name for name, digest in wanted.items() if found.get(name) != digest)


def seal(folder: Path, part: str = "", live: Path | None = None) -> None:
    """Note the checksums of a generation's files, or of the part of it that was made anew.

    What is one file with the live generation's keeps the checksum noted there, so that damage
    done since is not sealed as right.
    """
    old = _noted(folder) if part else {}
    kept = {name: digest for name, digest in old.items() if not name.startswith(part)}
    shared: dict[str, str] = {}
    if live:
        with suppress(*_UNREADABLE):  # then all of them are computed, as for a generation from nothing
            shared = {name: digest for name, digest in _noted(live).items() if _is_one(folder / name, live / name)}
    new = _checksums(folder, part, shared)
    (folder / SEAL).write_text(json.dumps(kept | new, indent=0), encoding="ascii")


def _noted(folder: Path) -> dict[str, str]:
    """Return the checksums noted of a generation, none for one without. Raises what `_UNREADABLE` names."""
    sums = folder / SEAL
    return dict(json.loads(sums.read_text(encoding="ascii"))) if sums.is_file() else {}


def _is_one(file: Path, other: Path) -> bool:
    try:
        return file.samefile(other)
    except OSError:
        return False


def _checksums(folder: Path, part: str = "", known: Mapping[str, str] = MappingProxyType({})) -> dict[str, str]:
    """Return the checksums of a generation's files, or of a part, by name; those that are known are not computed."""
    files = [
        folder / topics.FILE_NAME,
        *(p for sub in ("lexical", "texts", local_index.FOLDER) for p in sorted((folder / sub).rglob("*"))),
    ]
    names = {path.relative_to(folder).as_posix(): path for path in files if path.is_file()}
    return {name: known.get(name) or file_sha256(path) for name, path in names.items() if name.startswith(part)}


def _write_texts(folder: Path, change: Change) -> None:
    """Keep the extracted text of every indexed source, so that quotes can be shown in their context."""
    for name, document in change.texts.items():
        _replace(folder / name, document.text.encode("utf-8", "surrogatepass"))
        if document.file_lines:
            _replace(folder / f"{name}.lines", json.dumps(document.file_lines).encode("ascii"))
    wanted = {name for r in change.sources for name in (r.text_name, f"{r.text_name}.lines")}
    for file in folder.iterdir():
        if file.name not in wanted:
            file.unlink()


def _replace(target: Path, content: bytes) -> None:
    target.unlink(missing_ok=True)  # it may be linked to the file of the live generation
    target.write_bytes(content)


def verify(folder: Path, manifest: Manifest, lexical_rows: int) -> None:
    counted = sum(r.passages for r in manifest.sources if not r.same_as)
    if not manifest.passages == lexical_rows == counted:
        raise IndexCorruptError(
            f"the new generation {folder.name} does not agree with itself ({manifest.passages} vectors, "
            f"{lexical_rows} lexical rows, {counted} passages); the last one stays live; please report this"
        )
