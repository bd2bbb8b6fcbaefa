"""Files to a new generation: find, diff, read, chunk, encode what is new, write, verify, swap."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, nullcontext, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from ingest.areas import area_titles
from ingest.chunk import fingerprint as chunker_fingerprint
from ingest.discover import Found, find_files, is_there, resolved
from ingest.documents import Columns, Document
from ingest.plan import Plan, fold_read, make_plan, removal_plan
from ingest.reading import Reading, Task
from ingest.workers import Workers
from ingest.writer import Change, Progress, encoded_texts, warm_up, write_generation
from retrieval.encoder import Encoder, open_encoder
from retrieval.errors import FingerprintError, IndexCorruptError, IndexMissingError, ReadError
from retrieval.manifest import Manifest, SourceRecord, sort_records
from retrieval.models import DEFAULT_MODEL, find_model, model_fingerprint
from retrieval.store import Store, storage_errors
from retrieval.vectors import VectorCache

_ENCODE_AT_ONCE = 1024  # texts; enough of like length for full batches without much padding


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


def ingest(
    home: Store,
    roots: Sequence[Path],
    *,
    model: str | None = None,
    rebuild: bool = False,
    dry_run: bool = False,
    columns: Columns = (),
    wait: float = 0.0,
    progress: Progress | None = None,
) -> Report:
    """Bring the library in step with the roots; files of other roots stay as they are.

    With `rebuild` everything is read and embedded anew, all known roots included, and of folders
    that cannot be listed the passages stay; with `dry_run` the library is left as it is and its
    lock is not taken, no folder is made for it, and of one on a server this machine makes the
    mirror that every reader does. `columns` are those of question banks, named by hand. Raises
    ReadError for a root that is not there, FingerprintError where the encoder or chunker is not the
    one the index was built with, LockedError while another process writes.
    """
    started = time.monotonic()
    with nullcontext() if dry_run else home.writing(wait):
        live = _live_manifest(home, rebuild)
        name = model or (live.model if live else DEFAULT_MODEL)
        if live and not rebuild:
            check_fingerprints(live, name, home)
        given = [resolved(root) for root in roots]
        if rebuild and live:
            given = list(dict.fromkeys([*given, *(Path(r.root) for r in live.sources)]))
        found = [f for root in given for f in _files_of(root, live)]
        own = home.path.resolve()
        # A library may live in the folder it indexes; uploads, a root inside the library, are material all the same.
        found = [f for f in found if f.root.is_relative_to(own) or not f.file.is_relative_to(own)]
        plan = make_plan(found, given, live, anew=rebuild, columns=columns)
        if dry_run or (live and not rebuild and plan.changes_nothing):
            return _report(plan, live.sources if live else (), None, live.passages if live else 0, 0, started)
        return _carry_out(home, plan, name, live is None or rebuild, progress, started)


def remove(home: Store, names: Sequence[str], *, wait: float = 0.0, progress: Progress | None = None) -> Report:
    """Take sources out of the library, named by their path in it (or a folder of it) or by their path on disk.

    The files stay where they are; those under a root that is ingested again come back. Raises
    QueryError for a name that means no source, LockedError while another process writes.
    """
    started = time.monotonic()
    with home.writing(wait):
        live = home.live()
        check_fingerprints(live, live.model, home)
        return _carry_out(home, removal_plan(live, names), live.model, False, progress, started)


def check_fingerprints(manifest: Manifest, model: str, home: Store) -> None:
    """Raise FingerprintError where an index was built with another encoder or chunker than those in use."""
    files = find_model(model)
    for what, built, ours in (
        ("encoder", manifest.encoder, model_fingerprint(files)),
        ("chunker", manifest.chunker, chunker_fingerprint(files.max_tokens)),
    ):
        if built != ours:
            raise FingerprintError(
                f"the index at {home.place} was built with {what} {built}, this is {ours}; run: prep ingest --rebuild"
            )


def _live_manifest(home: Store, rebuild: bool) -> Manifest | None:
    try:
        return home.live()
    except IndexMissingError:
        return None
    except IndexCorruptError:
        if rebuild:
            return None
        raise


def _files_of(root: Path, live: Manifest | None) -> list[Found]:
    """Find the files of a root. Raises ReadError for one that is gone, may not be seen or was empty from the start."""
    known = [r for r in live.sources if Path(r.file).is_relative_to(root)] if live else []
    if known and not is_there(root):
        raise ReadError(
            f"{root}: it is gone, and {len(known)} indexed files came from it; put it back and ingest again"
        )
    found = find_files(root)
    if not found and not known:
        raise ReadError(f"{root}: no files in it; give a folder with notes (see: prep ingest --help)")
    return found


def _carry_out(home: Store, plan: Plan, model: str, fresh: bool, progress: Progress | None, started: float) -> Report:
    """Read, encode and commit what the plan says; `fresh` starts from nothing."""
    told = progress or (lambda *_: None)
    with storage_errors(home.path):
        outcomes, encoder, encoded = _read_all(home, plan, model, told)
        readings = {path: reading for path, reading in outcomes.items() if isinstance(reading, Reading)}
        fold_read(plan, {path for path, reading in readings.items() if reading.passages})
        records = [*plan.keep, *(_noted(record, outcomes[record.path]) for record in plan.read)]
        if fresh:
            stays = _indexed(home, [r for r in records if r.passages and r.path not in readings])
            records = [replace(r, passages=len(stays[r.path].passages)) if r.path in stays else r for r in records]
            readings |= stays
        sources = sort_records(records)
        given = [(r, readings[r.path]) for r in sources if r.path in readings and not r.same_as]
        change = Change(
            sources=sources,
            passages=[p for _, reading in given for p in reading.passages],
            texts={r.text_name: reading.document for r, reading in given if r.passages},
            stale=() if fresh else (*plan.drop, *readings),
            areas=area_titles(sorted({Path(r.root) for r in sources})),
        )
        written = write_generation(home, encoder, change, fresh=fresh, progress=told)
    return _report(plan, sources, written.name, written.passages, encoded + written.encoded, started)


def _read_all(home: Store, plan: Plan, model: str, progress: Progress) -> tuple[dict[str, Reading | str], Encoder, int]:
    """Return what each file gave by its path, the encoder, and how many texts it had to encode.

    Workers read ahead while this process encodes what they have read into the cache of vectors.
    """
    tasks = [Task(Path(r.file), r.path, r.columns) for r in plan.read]
    outcomes: dict[str, Reading | str] = {}
    if not tasks:
        return outcomes, open_encoder(model, home.encoders), 0
    with Workers(find_model(model), tasks) as workers, ThreadPoolExecutor(1) as beside:
        beside.submit(warm_up)
        encoder = open_encoder(model, home.encoders)
        with VectorCache(home.path / "vectors.sqlite", encoder) as cache:
            waiting: list[str] = []
            found = done = 0

            def count(n: int) -> None:
                nonlocal done
                done += n
                progress("encode", done, found)

            for batch in workers.batches():
                outcomes.update((task.path, outcome) for task, outcome in batch)
                progress("read", len(outcomes), len(tasks))
                texts = [
                    t for _, outcome in batch if isinstance(outcome, Reading) for t in encoded_texts(outcome.passages)
                ]
                waiting.extend(texts)
                found += len(texts)
                # As many at a time whatever was read meanwhile: in half precision a vector depends on its company.
                while len(waiting) >= _ENCODE_AT_ONCE or (waiting and len(outcomes) == len(tasks)):
                    cache.fill(waiting[:_ENCODE_AT_ONCE], count)
                    del waiting[:_ENCODE_AT_ONCE]
            return outcomes, encoder, cache.encoded


def _noted(record: SourceRecord, outcome: Reading | str) -> SourceRecord:
    """Return the record of a file after reading; of one that failed, what was indexed before stays."""
    if isinstance(outcome, str):
        return replace(record, error=outcome)
    if not outcome.passages:
        return replace(record, passages=0, indexed_sha256="", error=None, skipped="no text in it")
    document = outcome.document
    return replace(
        record,
        title=document.title,
        kind=document.kind,
        passages=len(outcome.passages),
        indexed_sha256=record.sha256,
        area=document.area,
        related=document.related,
        warnings=document.warnings,
        error=None,
        skipped=None,
        same_as=None,
        language=outcome.language,
    )


def _indexed(home: Store, records: Sequence[SourceRecord]) -> dict[str, Reading]:
    """Return what the live generation holds of files that were not read, by path; nothing where that is damaged."""
    found = {r.path: Reading(Document("", r.title, r.kind), (), r.language) for r in records}
    if not records:
        return found
    texts = home.current() / "texts"
    with suppress(IndexCorruptError), closing(home.dense(texts.parent)) as dense:
        for r in records:
            with suppress(OSError, ValueError):
                text = (texts / r.text_name).read_bytes().decode("utf-8", "surrogatepass")
                lines = texts / f"{r.text_name}.lines"
                numbers = tuple(json.loads(lines.read_text(encoding="ascii"))) if lines.is_file() else None
                passages = dense.passages(dense.ids({"path": r.path})).values()
                found[r.path] = Reading(
                    Document(text, r.title, r.kind, file_lines=numbers), tuple(passages), r.language
                )
    return found


def _report(
    plan: Plan, sources: Iterable[SourceRecord], generation: str | None, passages: int, encoded: int, started: float
) -> Report:
    records = list(sources)
    no_material = {r.path for r in records if r.skipped}
    told = {*plan.new, *plan.changed, *plan.moved}  # a copy of another file is kept unread, and may be new all the same
    return Report(
        generation=generation,
        new=tuple(path for path in plan.new if path not in no_material),
        changed=tuple(plan.changed),
        moved=tuple(plan.moved),
        removed=tuple(plan.removed),
        unchanged=sum(not r.skipped and r.path not in told for r in plan.keep),
        failed=tuple((r.path, r.error) for r in records if r.error),
        skipped=tuple((r.path, r.skipped) for r in records if r.skipped),
        warnings=tuple((r.path, w) for r in records for w in r.warnings),
        passages=passages,
        encoded=encoded,
        seconds=time.monotonic() - started,
    )
