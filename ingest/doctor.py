"""Checks of a library on disk, and the mending that needs no embedding."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ingest.pipeline import ingest
from ingest.writer import damaged_files, rebuild_lexical, rebuild_replica, rebuild_topics
from retrieval import local_index
from retrieval.errors import IndexCorruptError, IndexMissingError, PrepdeskError
from retrieval.index import DenseIndex
from retrieval.lexical import LexicalIndex
from retrieval.manifest import FILE_NAME, Manifest
from retrieval.models import DEFAULT_MODEL, find_model, model_fingerprint
from retrieval.store import ANEW, Home, Store, storage_errors
from retrieval.types import passage_id
from retrieval.vectors import kept_vectors

_LOW_SPACE = 500 * 2**20
_NEEDS_READING = ("vectors", "texts")
_FIX = "run: prep doctor --fix"


@dataclass(frozen=True, slots=True)
class Finding:
    """One check: whether it holds, whether it was mended, and what was seen or what to do."""

    check: str
    ok: bool
    detail: str
    fixed: bool = False


def examine(store: Store, *, fix: bool = False) -> list[Finding]:
    """Check a library; with `fix` mend it. Raises IndexMissingError where there is none.

    Nothing is embedded anew for it: what is broken beyond the files that can be made from
    others is read again from its sources, with the vectors that are kept from before.
    """
    if not isinstance(store, Home):
        from ingest.server_doctor import examine_server
        from retrieval.server_store import ServerStore

        assert isinstance(store, ServerStore)
        return examine_server(store, fix=fix)
    return _examine_home(store, fix=fix)


def _examine_home(home: Home, *, fix: bool) -> list[Finding]:
    if not home.generations.is_dir():
        home.current()  # raises: there is no index, or the home is no folder
    if not fix:
        return list(_checks(home, fix=False))
    with home.writing(), storage_errors(home.path):
        findings = list(_checks(home, fix=True))
    broken = [f for f in findings if f.check in _NEEDS_READING and not (f.ok or f.fixed)]
    if not broken:
        return findings
    mended = _read_again(home, broken)
    if mended.fixed:  # what else was wrong of the generation before may be right in the new one
        now = {f.check: f for f in _checks(home, fix=False)}
        findings = [f if f.fixed else now.get(f.check, f) for f in findings]
    return [f for f in findings if f.check not in {b.check for b in broken}] + [mended]


def _checks(home: Home, *, fix: bool) -> Iterator[Finding]:
    pointer = _pointer(home, fix=fix)
    yield pointer
    if not (pointer.ok or pointer.fixed):
        return
    folder = home.current()
    manifest = Manifest.read(folder)
    damaged = damaged_files(folder)
    try:
        dense = DenseIndex(folder / "chroma", reading=True)
    except PrepdeskError as error:
        yield Finding("vectors", False, str(error))
    else:
        try:
            vectors = _vectors(dense, manifest)
            yield vectors
            yield from _derived(folder, dense, manifest, damaged, fix=fix and vectors.ok)
        except IndexCorruptError as error:
            yield Finding("vectors", False, str(error))
        finally:
            dense.close()
    yield _texts(folder, manifest, damaged)
    yield encoder_finding(manifest)
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
            return Finding("live generation", False, f"no complete generation is left; run: {ANEW}")
        if not fix:
            return Finding(
                "live generation", False, f"{error}; generation {complete[-1].name} is complete: run: prep doctor --fix"
            )
        home.point_to(complete[-1])
        return Finding("live generation", False, f"now {complete[-1].name}, the newest complete one", fixed=True)


def _vectors(dense: DenseIndex, manifest: Manifest) -> Finding:
    """Check that passages and vectors are as many as the manifest says, and each passage what its id was made from."""
    count, questions = dense.count()
    detail = f"{count} vectors and {questions} questions, "
    if (count, questions) != (manifest.passages, manifest.questions):
        return Finding(
            "vectors", False, f"{detail}the manifest says {manifest.passages} and {manifest.questions}; {_FIX}"
        )
    passages = list(dense.all_passages())
    altered = [p.id for p in passages if p.id != passage_id(p.locator.path, p.locator.span, p.text)]
    missing = len(passages) - len(dense.vectors([p.id for p in passages]))
    if altered or missing:
        return Finding("vectors", False, f"{len(altered)} passages are altered, {missing} have no vector; {_FIX}")
    return Finding("vectors", True, f"{detail}every passage as it was written")


def _derived(
    folder: Path, dense: DenseIndex, manifest: Manifest, damaged: Sequence[str], *, fix: bool
) -> Iterator[Finding]:
    """Check what is made from the passages: lexical index, replica and topics; mend by making it again."""
    try:
        lexical = LexicalIndex.load(folder / "lexical")
        same = sorted(lexical.id(row) for row in range(len(lexical))) == dense.ids()
        seen = f"{len(lexical)} rows for {manifest.passages} passages" + ("" if same else ", not the same ones")
    except IndexCorruptError as error:
        same, seen = False, str(error)
    if changed := [name for name in damaged if name.startswith("lexical/")]:
        same, seen = False, f"{', '.join(changed)} changed on disk"
    if not same and fix:
        rebuild_lexical(folder, dense)
        yield Finding("lexical index", False, f"built anew from {manifest.passages} passages", fixed=True)
    else:
        yield Finding("lexical index", same, seen if same else f"{seen}; {_FIX}")
    yield _replica(folder, dense, damaged, fix=fix)
    if "topics.json" not in damaged:
        yield Finding("topics", True, "as they were written")
    elif fix:
        rebuild_topics(folder, dense, manifest)
        yield Finding("topics", False, "made anew from the passages", fixed=True)
    else:
        yield Finding("topics", False, f"topics.json is damaged; {_FIX}")


def _replica(folder: Path, dense: DenseIndex, damaged: Sequence[str], *, fix: bool) -> Finding:
    try:
        changed = any(name.startswith(f"{local_index.FOLDER}/") for name in damaged)
        if not changed and local_index.replica_agrees(folder, dense):
            return Finding("replica", True, "what the vector index holds")
    except IndexCorruptError:
        pass  # they cannot even be read
    if not fix:
        return Finding("replica", False, f"{folder / local_index.FOLDER} differs from the vector index; {_FIX}")
    rebuild_replica(folder, dense)
    return Finding("replica", False, "made anew from the vector index", fixed=True)


def _texts(folder: Path, manifest: Manifest, damaged: Sequence[str]) -> Finding:
    wanted = {f"texts/{r.text_name}": r.path for r in manifest.sources if r.passages}
    bad = [
        path
        for name, path in sorted(wanted.items())
        if name in damaged or f"{name}.lines" in damaged or not (folder / name).is_file()
    ]
    if bad:
        return Finding("texts", False, f"{len(bad)} texts are missing or damaged ({', '.join(bad[:3])}); {_FIX}")
    return Finding("texts", True, f"{len(wanted)} texts are as they were written")


def _read_again(home: Home, broken: Sequence[Finding]) -> Finding:
    """Mend by a new generation from the sources, its vectors from the cache; refuse where that would have to embed."""
    check = " and ".join(finding.check for finding in broken)
    manifest = Manifest.read(home.current())
    wanted = manifest.passages + manifest.questions
    if (kept := kept_vectors(home.path / "vectors.sqlite")) * 2 < wanted:  # texts that are equal share one vector
        return Finding(check, False, f"only {kept} of {wanted} vectors are kept; run: prep ingest --rebuild")
    try:
        report = ingest(home, [], rebuild=True)
    except PrepdeskError as error:
        return Finding(check, False, f"the sources cannot be read again: {error}")
    files = len(report.new)
    detail = f"{files} files read again into generation {report.generation}, {report.encoded} texts embedded"
    return Finding(check, False, detail, fixed=True)


def encoder_finding(manifest: Manifest) -> Finding:
    try:
        ours = model_fingerprint(find_model(manifest.model))
    except PrepdeskError as error:
        return Finding("encoder", False, f"{error}; or run: prep ingest --rebuild --model {DEFAULT_MODEL}")
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
