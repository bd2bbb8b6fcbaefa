"""The difference between the files that are there and what the live generation holds, told by content."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from ingest.decode import message
from ingest.discover import Found, assign_paths, sha256
from ingest.documents import Columns
from ingest.readers import BANK_READERS, READERS
from retrieval.errors import QueryError
from retrieval.manifest import Manifest, SourceRecord


@dataclass(slots=True)
class Plan:
    """What an ingest will do: records that stay, files to read, paths whose passages go; then the same in words."""

    keep: list[SourceRecord] = field(default_factory=list)
    read: list[SourceRecord] = field(default_factory=list)
    drop: list[str] = field(default_factory=list)
    new: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    moved: list[str] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)
    touched: bool = False

    @property
    def changes_nothing(self) -> bool:
        return not (self.read or self.drop or self.touched)


def make_plan(
    found: Sequence[Found], roots: Sequence[Path], live: Manifest | None, *, anew: bool = False, columns: Columns = ()
) -> Plan:
    """Tell new, changed, moved, removed and unchanged files apart, by content; files outside the roots stay.

    With `anew` every file that is found is read, under the path it has. `columns` are those named by hand
    for the banks of this run; a root without any keeps those it was given before. A file that
    is known under a root goes on belonging to it where it is found by a narrower one.
    """
    records = live.sources if live else ()
    known = {r.file: r for r in records}
    found = [_under_its_root(item, known.get(str(item.file))) for item in found]
    names = {(r.root, r.file): r.path for r in records}
    there = {str(item.file) for item in found}
    old = {file: r for file, r in known.items() if not anew or file not in there}
    gone = {file for file, r in old.items() if file not in there and _is_gone(r, roots)}
    paths = assign_paths(found, names, {r.path: file for file, r in old.items() if file not in gone})
    remembered = {r.root: r.columns for r in records if r.columns}
    plan = Plan()
    seen: set[str] = set()
    for item in found:
        if str(item.file) not in seen:
            seen.add(str(item.file))
            bank = item.file.suffix.lower() in BANK_READERS
            named = (columns or remembered.get(str(item.root), ())) if bank else ()
            _place(
                plan,
                SourceRecord(str(item.root), str(item.file), paths[item], "", 0, 0, columns=named),
                old.get(str(item.file)),
            )
    if anew:
        plan.read = [_with_what_is_indexed(record, known.get(record.file)) for record in plan.read]
        plan.keep = [_with_what_is_indexed(record, known.get(record.file)) for record in plan.keep]
    for file, record in old.items():
        if file in gone:
            plan.drop.append(record.path)
            plan.removed.append(record.path)
        elif file not in seen:
            # Without its hash it is read anew once its folder can be listed again.
            plan.keep.append(replace(record, sha256="", size=0, mtime_ns=0) if anew else record)
    _match_moves(plan, old)
    _fold_copies(plan)
    return plan


def removal_plan(live: Manifest, names: Sequence[str]) -> Plan:
    """Plan to take sources out: each name is a source or a folder of the library, or a file or folder on disk.

    Raises QueryError for a name that means no source.
    """
    plan = Plan()
    gone: set[str] = set()
    for name in filter(str.strip, names):
        inner = name.replace("\\", "/").strip("/") + "/"
        meant = {r.path for r in live.sources if f"{r.path}/".startswith(inner)}
        # Only a name that the library does not know is one of the disk.
        disk = Path(name).resolve()
        meant = meant or {r.path for r in live.sources if Path(r.file).is_relative_to(disk)}
        if not meant:
            raise QueryError(f"no source {name!r} in the library; see: prep status --sources")
        gone |= meant
    plan.keep = [r for r in live.sources if r.path not in gone]
    plan.drop = sorted(gone)
    plan.removed = sorted(gone)
    _fold_copies(plan)  # a copy of what goes may stand elsewhere, and is read now
    return plan


def fold_read(plan: Plan, gave: Collection[str]) -> None:
    """Index one content once also where several files of it had to be read; `gave` are the paths that gave passages."""
    holders: dict[str, str] = {}
    for record in sorted(plan.read, key=lambda record: record.path):
        if record.path in gave and (first := holders.setdefault(record.sha256, record.path)) != record.path:
            _fold(plan, record, first)


def _under_its_root(item: Found, before: SourceRecord | None) -> Found:
    return replace(item, root=Path(before.root)) if before and item.root.is_relative_to(before.root) else item


def _is_gone(record: SourceRecord, roots: Sequence[Path]) -> bool:
    """Tell whether a file that was not found is to leave the library.

    One of another root than those given leaves it where it lies under one of them and is deleted;
    one that is there all the same is only passed over, by rules that are not those of its root.
    One in a folder that cannot be listed stays: nobody knows.
    """
    file, own = Path(record.file), Path(record.root)
    above = next((root for root in (own, *roots) if root in roots and file.is_relative_to(root)), None)
    if above is None or _is_shut(file.parent, above):
        return False
    return above == own or not file.is_file()


def _is_shut(folder: Path, root: Path) -> bool:
    """Tell whether a folder, or one above it up to the root, is there and may not be listed."""
    inside = [folder, *folder.parents]
    upto = inside[: inside.index(root) + 1] if root in inside else inside[:1]
    try:
        return any(path.is_dir() and not os.access(path, os.R_OK | os.X_OK) for path in upto)
    except OSError:
        return True


def _with_what_is_indexed(record: SourceRecord, before: SourceRecord | None) -> SourceRecord:
    """Return a record that knows its passages in the live generation, which stay if the file does not read."""
    if before is None or before.path != record.path or not before.passages or record.skipped:
        return record
    return replace(
        before,
        root=record.root,
        sha256=record.sha256,
        size=record.size,
        mtime_ns=record.mtime_ns,
        columns=record.columns,
        error=record.error,
    )


def _place(plan: Plan, record: SourceRecord, before: SourceRecord | None) -> None:
    file, path = Path(record.file), record.path
    try:
        digest, stat = sha256(file, before)
    except OSError as error:
        reason = message(f"{file.name}: cannot be opened ({error.strerror}); check its permissions")
        plan.touched |= before is None or before.error != reason
        # Without its hash it counts as changed once it opens again.
        plan.keep.append(replace(before or record, sha256="", size=0, mtime_ns=0, error=reason))
        return
    record = replace(record, sha256=digest, size=stat.st_size, mtime_ns=stat.st_mtime_ns)
    if file.suffix.lower() not in READERS:
        kept = replace(record, skipped=f"no reader for {message(file.suffix.lower()) or 'no suffix'} files")
        plan.touched |= before is None or replace(before, mtime_ns=kept.mtime_ns) != kept
        plan.keep.append(kept)
    elif before and _is_unchanged(before, record):
        plan.touched |= before.mtime_ns != record.mtime_ns
        plan.keep.append(replace(before, root=record.root, size=record.size, mtime_ns=record.mtime_ns))
    else:
        (plan.changed if before else plan.new).append(path)
        if before and before.path != path:
            plan.drop.append(before.path)
            before = None
        if before:
            size, mtime = record.size, record.mtime_ns
            record = replace(before, sha256=digest, size=size, mtime_ns=mtime, columns=record.columns, same_as=None)
        plan.read.append(record)


def _is_unchanged(before: SourceRecord, now: SourceRecord) -> bool:
    same = (before.sha256, before.path, before.columns) == (now.sha256, now.path, now.columns)
    # What was passed over for want of a reader is read once there is one.
    return same and not (before.skipped and before.skipped.startswith("no reader"))


def _match_moves(plan: Plan, old: Mapping[str, SourceRecord]) -> None:
    """Call a new file moved where a removed one had the same content; its vectors are in the cache."""
    gone = {r.sha256: r.path for r in old.values() if r.path in plan.removed and r.sha256}
    for record in plan.read:
        if record.path in plan.new and (before := gone.pop(record.sha256, None)):
            plan.new.remove(record.path)
            plan.removed.remove(before)
            plan.moved.append(record.path)


def _fold_copies(plan: Plan) -> None:
    """Index one content once: of files with equal hashes the first by path is read, the others point to it.

    A file is read all the same where that may be in vain: it has passages, which are to stay if
    the content does not read, or another reader than the first.
    """
    there = {(r.path, r.sha256) for r in (*plan.keep, *plan.read) if not r.same_as}
    # Of one without its hash nobody knows what it is a copy of now.
    orphans = [r for r in plan.keep if r.same_as and r.sha256 and (r.same_as, r.sha256) not in there]
    for record in orphans:  # the copy that was read is gone: read this one
        plan.keep.remove(record)
        plan.read.append(replace(record, same_as=None))
    indexed = {r.sha256: r.path for r in plan.keep if r.passages and r.sha256 == r.indexed_sha256}
    firsts: dict[tuple[object, ...], str] = {}
    for record in sorted(plan.read, key=lambda record: record.path):
        way = (record.sha256, READERS[Path(record.file).suffix.lower()], record.columns)
        first = firsts.setdefault(way, record.path)
        if holder := indexed.get(record.sha256, "" if record.passages or first == record.path else first):
            _fold(plan, record, holder)


def _fold(plan: Plan, record: SourceRecord, holder: str) -> None:
    plan.read.remove(record)
    plan.drop.append(record.path)
    plan.keep.append(replace(record, same_as=holder, passages=0, error=None))
