"""Files to a new generation: find, diff, read, chunk, encode what is new, write, verify, swap."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from ingest.areas import area_titles
from ingest.chunk import chunk
from ingest.chunk import fingerprint as chunker_fingerprint
from ingest.discover import Found, assign_paths, find_files, sha256
from ingest.documents import Document
from ingest.readers import READERS
from ingest.writer import Change, Progress, write_generation
from retrieval.encoder import DEFAULT_MODEL, Encoder, find_model, model_fingerprint, open_encoder
from retrieval.errors import FingerprintError, IndexCorruptError, IndexMissingError, ReadError
from retrieval.manifest import Manifest, SourceRecord, sort_records
from retrieval.store import Home, storage_errors
from retrieval.types import Passage

MAX_FILE_BYTES = 512 * 2**20


@dataclass(frozen=True, slots=True)
class Report:
    """What an ingest did, or with a dry run would do; all lists hold paths of the library."""

    generation: str | None
    new: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    moved: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    unchanged: int = 0
    failed: tuple[tuple[str, str], ...] = ()
    skipped: tuple[tuple[str, str], ...] = ()
    warnings: tuple[tuple[str, str], ...] = ()
    passages: int = 0
    encoded: int = 0
    seconds: float = 0.0

    @property
    def nothing_indexed(self) -> bool:
        """Whether no file of this run could be read, or the library is left with nothing in it."""
        asked = {*self.new, *self.changed, *self.moved}
        return self.passages == 0 or (bool(asked) and asked <= {path for path, _ in self.failed})


@dataclass(slots=True)
class _Plan:
    """The difference between the folder and the live generation."""

    keep: list[SourceRecord] = field(default_factory=list)
    read: list[tuple[Found, SourceRecord]] = field(default_factory=list)
    drop: list[str] = field(default_factory=list)
    new: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    moved: list[str] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)
    touched: bool = False


def ingest(
    home: Home,
    roots: Sequence[Path],
    *,
    model: str | None = None,
    rebuild: bool = False,
    dry_run: bool = False,
    wait: float = 0.0,
    progress: Progress | None = None,
) -> Report:
    """Bring the library in step with the roots; files of other roots stay as they are.

    With `rebuild` everything is read and embedded anew, all known roots included. Raises
    ReadError for a root that is not there, FingerprintError where the encoder or chunker is
    not the one the index was built with, LockedError while another process writes.
    """
    started = time.monotonic()
    with home.writing(wait):
        live = _live_manifest(home, rebuild)
        name = model or (live.model if live else DEFAULT_MODEL)
        if live and not rebuild:
            check_fingerprints(live, name, home)
        given = [root.resolve() for root in roots]
        if rebuild and live:
            given = list(dict.fromkeys([*given, *(Path(r.root) for r in live.sources)]))
        found = [f for root in given for f in _files_of(root, live)]
        own = home.path.resolve()
        # A library may live in the folder it indexes; uploads, a root inside the library, are material all the same.
        found = [f for f in found if f.root.is_relative_to(own) or not f.file.is_relative_to(own)]
        plan = make_plan(found, {str(root) for root in given}, None if rebuild else live, live)
        if dry_run or (live and not rebuild and not (plan.read or plan.drop or plan.touched)):
            return _report(plan, live.sources if live else (), None, live.passages if live else 0, 0, started)
        with storage_errors(home.path):
            encoder = open_encoder(name, home.encoders)
            return _write(home, live, plan, encoder, rebuild, progress or (lambda *_: None), started)


def check_fingerprints(manifest: Manifest, model: str, home: Home) -> None:
    """Raise FingerprintError where an index was built with another encoder or chunker than those in use."""
    files = find_model(model)
    for what, built, ours in (
        ("encoder", manifest.encoder, model_fingerprint(files)),
        ("chunker", manifest.chunker, chunker_fingerprint(files.max_tokens)),
    ):
        if built != ours:
            raise FingerprintError(
                f"the index at {home.path} was built with {what} {built}, this is {ours}; run: prep ingest --rebuild"
            )


def _live_manifest(home: Home, rebuild: bool) -> Manifest | None:
    try:
        return Manifest.read(home.current())
    except IndexMissingError:
        return None
    except IndexCorruptError:
        if rebuild:
            return None
        raise


def _files_of(root: Path, live: Manifest | None) -> list[Found]:
    """Find the files of a root. Raises ReadError for a root that is gone or was empty from the start."""
    known = [r for r in live.sources if r.root == str(root)] if live else []
    if known and not root.exists():
        raise ReadError(
            f"{root}: it is gone, and {len(known)} indexed files came from it; put it back and ingest again"
        )
    found = find_files(root)
    if not found and not known:
        raise ReadError(f"{root}: no files in it; give a folder with notes (see: prep ingest --help)")
    return found


def make_plan(found: Sequence[Found], scope: set[str], live: Manifest | None, known: Manifest | None) -> _Plan:
    """Tell new, changed, moved, removed and unchanged files apart, by content; files of roots out of scope stay."""
    old = {r.file: r for r in (live.sources if live else ())}
    names = {(r.root, r.file): r.path for r in (known.sources if known else ())}
    others = {r.path: r.root for r in old.values() if r.root not in scope}
    paths = assign_paths(found, names, others)
    plan = _Plan()
    seen: set[str] = set()
    for item in found:
        if str(item.file) not in seen:
            seen.add(str(item.file))
            _place(plan, item, paths[item], old.get(str(item.file)))
    for file, record in old.items():
        if file in seen:
            continue
        if record.root in scope:
            plan.drop.append(record.path)
            plan.removed.append(record.path)
        else:
            plan.keep.append(record)
    _match_moves(plan, old)
    _fold_copies(plan)
    return plan


def _place(plan: _Plan, item: Found, path: str, before: SourceRecord | None) -> None:
    try:
        digest, stat = sha256(item.file, before)
    except OSError as error:
        digest, stat = "", None
        reason = f"{item.file.name}: cannot be opened ({error.strerror}); check its permissions"
    size, mtime = (stat.st_size, stat.st_mtime_ns) if stat else (0, 0)
    record = SourceRecord(str(item.root), str(item.file), path, digest, size, mtime)
    if stat is None:
        kept = replace(before, error=reason) if before else replace(record, error=reason)
        plan.touched |= before is None or before.error != reason
        plan.keep.append(kept)
    elif item.file.suffix.lower() not in READERS:
        kind = item.file.suffix.lower() or "no suffix"
        kept = replace(record, skipped=f"no reader for {kind} files")
        plan.touched |= before is None or replace(before, mtime_ns=mtime) != replace(kept, mtime_ns=mtime)
        plan.keep.append(kept)
    elif before and before.sha256 == digest and before.path == path and not _reader_is_new(before):
        plan.touched |= before.mtime_ns != mtime
        plan.keep.append(replace(before, root=str(item.root), size=size, mtime_ns=mtime))
    else:
        (plan.changed if before else plan.new).append(path)
        if before and before.path != path:
            plan.drop.append(before.path)
            before = None
        plan.read.append((item, replace(before, sha256=digest, size=size, mtime_ns=mtime) if before else record))


def _reader_is_new(record: SourceRecord) -> bool:
    """Tell whether a file was passed over for want of a reader; it is read once there is one."""
    return record.skipped is not None and record.skipped.startswith("no reader")


def _match_moves(plan: _Plan, old: Mapping[str, SourceRecord]) -> None:
    """Call a new file moved where a removed one had the same content; its vectors are in the cache."""
    gone = {r.sha256: r.path for r in old.values() if r.path in plan.removed and r.sha256}
    for _, record in plan.read:
        if record.path in plan.new and (before := gone.pop(record.sha256, None)):
            plan.new.remove(record.path)
            plan.removed.remove(before)
            plan.moved.append(record.path)


def _fold_copies(plan: _Plan) -> None:
    """Index one content once: of files with equal hashes the first by path is read, the others point to it."""
    holders = {r.sha256: r.path for r in plan.keep if not r.same_as and not r.skipped}
    orphans = [r for r in plan.keep if r.same_as and holders.get(r.sha256) != r.same_as]
    for record in orphans:  # the copy that was read is gone: read this one
        plan.keep.remove(record)
        plan.read.append((Found(Path(record.root), Path(record.file), record.path), replace(record, same_as=None)))
    for pair in sorted(plan.read, key=lambda pair: pair[1].path):
        record = pair[1]
        first = holders.setdefault(record.sha256, record.path)
        if first != record.path:
            plan.read.remove(pair)
            plan.drop.append(record.path)
            plan.keep.append(replace(record, same_as=first, passages=0, error=None))


def _write(
    home: Home, live: Manifest | None, plan: _Plan, encoder: Encoder, rebuild: bool, progress: Progress, started: float
) -> Report:
    records, documents, passages = _read_all(plan, encoder, progress)
    fresh = live is None or rebuild
    change = Change(
        sources=sort_records([*plan.keep, *records]),
        passages=passages,
        texts={r.text_name: documents[r.path] for r in records if r.passages and r.path in documents},
        stale=() if fresh else (*plan.drop, *documents),
        areas=area_titles(sorted({Path(r.root) for r in (*plan.keep, *records)})),
    )
    written = write_generation(home, encoder, change, fresh=fresh, progress=progress)
    return _report(plan, change.sources, written.name, written.passages, written.encoded, started)


def _read_all(
    plan: _Plan, encoder: Encoder, progress: Progress
) -> tuple[list[SourceRecord], dict[str, Document], list[Passage]]:
    """Read and chunk what is new; a file that fails is recorded with its reason and what was indexed of it stays."""
    records: list[SourceRecord] = []
    documents: dict[str, Document] = {}
    passages: list[Passage] = []
    for done, (item, record) in enumerate(plan.read):
        progress("read", done, len(plan.read))
        try:
            document = _read(item.file)
            mine = chunk(document, record.path, encoder.count_tokens, encoder.max_tokens)
        except ReadError as error:
            records.append(replace(record, error=str(error)))
            continue
        documents[record.path] = document
        if not mine:
            records.append(replace(record, passages=0, indexed_sha256="", error=None, skipped="no text in it"))
            continue
        passages.extend(mine)
        records.append(
            replace(
                record,
                title=document.title,
                kind=document.kind,
                passages=len(mine),
                indexed_sha256=record.sha256,
                area=document.area,
                related=document.related,
                warnings=document.warnings,
                error=None,
                skipped=None,
                same_as=None,
            )
        )
    progress("read", len(plan.read), len(plan.read))
    return records, documents, passages


def _read(file: Path) -> Document:
    try:
        if (size := file.stat().st_size) > MAX_FILE_BYTES:
            raise ReadError(
                f"{file.name}: {size / 2**20:.0f} MB, the limit is {MAX_FILE_BYTES // 2**20} MB; split the file"
            )
        return READERS[file.suffix.lower()](file)
    except OSError as error:
        raise ReadError(f"{file.name}: cannot be read ({error.strerror or error}); check its permissions") from error
    except (RecursionError, MemoryError, ValueError, LookupError, TypeError, AttributeError, ArithmeticError) as error:
        # Readers meet whatever people keep; what no reader foresaw must not end the run.
        raise ReadError(
            f"{file.name}: cannot be read ({type(error).__name__}: {error}); please report this file's shape"
        ) from error


def _report(
    plan: _Plan, sources: Iterable[SourceRecord], generation: str | None, passages: int, encoded: int, started: float
) -> Report:
    records = list(sources)
    return Report(
        generation=generation,
        new=tuple(plan.new),
        changed=tuple(plan.changed),
        moved=tuple(plan.moved),
        removed=tuple(plan.removed),
        unchanged=sum(not r.skipped for r in plan.keep),
        failed=tuple((r.path, r.error) for r in records if r.error),
        skipped=tuple((r.path, r.skipped) for r in records if r.skipped),
        warnings=tuple((r.path, w) for r in records for w in r.warnings),
        passages=passages,
        encoded=encoded,
        seconds=time.monotonic() - started,
    )
