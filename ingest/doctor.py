"""Checks of a library on disk, and the mending that needs no embedding."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ingest.writer import rebuild_lexical
from retrieval.encoder import find_model, model_fingerprint
from retrieval.errors import IndexCorruptError, IndexMissingError, PrepdeskError
from retrieval.index import DenseIndex
from retrieval.lexical import LexicalIndex
from retrieval.manifest import FILE_NAME, Manifest
from retrieval.store import Home

_LOW_SPACE = 500 * 2**20


@dataclass(frozen=True, slots=True)
class Finding:
    """One check: whether it holds, whether it was mended, and what was seen or what to do."""

    check: str
    ok: bool
    detail: str
    fixed: bool = False


def examine(home: Home, *, fix: bool = False) -> list[Finding]:
    """Check a library; with `fix` mend it under the writer lock. Raises IndexMissingError where there is none."""
    if not home.generations.is_dir():
        raise IndexMissingError(f"there is no index at {home.path}; run: prep ingest")
    if not fix:
        return list(_checks(home, fix=False))
    with home.writing():
        return list(_checks(home, fix=True))


def _checks(home: Home, *, fix: bool) -> Iterator[Finding]:
    pointer = _pointer(home, fix=fix)
    yield pointer
    if not (pointer.ok or pointer.fixed):
        return
    folder = home.current()
    manifest = Manifest.read(folder)
    yield from _counts(folder, manifest, fix=fix)
    missing = sorted(
        {r.path for r in manifest.sources if r.passages and not (folder / "texts" / r.text_name).is_file()}
    )
    advice = f"{len(missing)} texts are missing ({', '.join(missing[:3])}); run: prep ingest --rebuild"
    yield Finding(
        "texts",
        not missing,
        advice if missing else f"{sum(bool(r.passages) for r in manifest.sources)} texts are there",
    )
    yield _encoder(manifest)
    yield _orphans(home, folder.name, fix=fix)
    free = shutil.disk_usage(home.path).free
    yield Finding(
        "free space",
        free > _LOW_SPACE,
        f"{free / 2**30:.1f} GB" + ("" if free > _LOW_SPACE else "; free some before the next ingest"),
    )


def _pointer(home: Home, *, fix: bool) -> Finding:
    """Check that CURRENT names a complete generation; mend it with the newest complete one."""
    try:
        Manifest.read(home.current())
        return Finding("live generation", True, home.current().name)
    except (IndexCorruptError, IndexMissingError) as error:
        complete = [p for p in _generations(home) if _reads(p)]
        if not complete:
            return Finding("live generation", False, "no complete generation is left; run: prep ingest --rebuild")
        if not fix:
            return Finding(
                "live generation", False, f"{error}; generation {complete[-1].name} is complete: run: prep doctor --fix"
            )
        home.point_to(complete[-1])
        return Finding("live generation", False, f"now {complete[-1].name}, the newest complete one", fixed=True)


def _counts(folder: Path, manifest: Manifest, *, fix: bool) -> Iterator[Finding]:
    dense = DenseIndex.for_reading(folder / "chroma")
    try:
        vectors, questions = dense.count()
        ok = vectors == manifest.passages and questions == manifest.questions
        wanted = f"the manifest says {manifest.passages} and {manifest.questions}"
        detail = f"{vectors} vectors and {questions} questions, {wanted}"
        yield Finding(
            "vectors",
            ok,
            detail + ("" if ok else "; run: prep ingest --rebuild"),
        )
        try:
            rows: int | None = len(LexicalIndex.load(folder / "lexical"))
            seen = f"{rows} rows for {manifest.passages} passages"
        except IndexCorruptError as error:
            rows, seen = None, str(error)
        if rows == manifest.passages:
            yield Finding("lexical index", True, seen)
        elif fix and ok:
            rebuild_lexical(folder, dense)
            yield Finding("lexical index", False, f"built anew from {vectors} passages", fixed=True)
        else:
            yield Finding("lexical index", False, f"{seen}; run: prep doctor --fix")
    finally:
        dense.close()


def _encoder(manifest: Manifest) -> Finding:
    try:
        ours = model_fingerprint(find_model(manifest.model))
    except PrepdeskError as error:
        return Finding("encoder", False, str(error))
    same = ours == manifest.encoder
    return Finding(
        "encoder",
        same,
        ours if same else f"built with {manifest.encoder}, installed is {ours}; run: prep ingest --rebuild",
    )


def _orphans(home: Home, live: str, *, fix: bool) -> Finding:
    """Look for generations that a dead writer left; the one before the live one is kept on purpose."""
    left = [p for p in _generations(home) if p.name > live or not _reads(p)]
    if not left:
        return Finding("left-overs", True, "none")
    if fix:
        for path in left:
            shutil.rmtree(path, ignore_errors=True)
    detail = f"{len(left)} unfinished generations ({', '.join(p.name for p in left)})"
    return Finding("left-overs", False, detail + (" removed" if fix else "; the next ingest removes them"), fixed=fix)


def _generations(home: Home) -> list[Path]:
    return sorted(p for p in home.generations.iterdir() if p.is_dir())


def _reads(folder: Path) -> bool:
    if not (folder / FILE_NAME).is_file():
        return False
    try:
        Manifest.read(folder)
    except IndexCorruptError:
        return False
    return True
