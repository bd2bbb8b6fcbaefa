"""What one generation holds: sources with their hashes, fingerprints, counts and failures."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from retrieval.errors import IndexCorruptError
from retrieval.types import EMBEDDED_TEXT_VERSION, SourceKind

SCHEMA_VERSION = 2
FILE_NAME = "manifest.json"
TEXTS = re.compile(r"texts/[0-9a-f]{0,40}\.txt(\.lines)?")  # names of texts in a generation, with those of their lines


@dataclass(frozen=True, slots=True)
class SourceRecord:
    """One file as it was last seen.

    `file` is its path on disk, `path` its name in the library. `error` says why the present
    version could not be read; `passages` then counts those of the last version that could
    (its hash is `indexed_sha256`), which stay in the index. `skipped` says why a file is no
    material at all; `same_as` names the path under which the same content is indexed.
    `columns` are those of a bank that were named by hand, as (meaning, name); `language` is an
    ISO 639-1 code, None where there is too little text to tell.
    """

    root: str
    file: str
    path: str
    sha256: str
    size: int
    mtime_ns: int
    title: str = ""
    kind: SourceKind = "notes"
    passages: int = 0
    indexed_sha256: str = ""
    area: str | None = None
    related: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    error: str | None = None
    skipped: str | None = None
    same_as: str | None = None
    language: str | None = None
    columns: tuple[tuple[str, str], ...] = ()

    @property
    def text_name(self) -> str:
        """The file under texts/ that holds the extracted text that is indexed."""
        return f"{self.indexed_sha256[:40]}.txt"


@dataclass(frozen=True, slots=True)
class Manifest:
    """The table of contents of a generation; `sources` are sorted by path."""

    encoder: str
    model: str
    dimensions: int
    chunker: str
    created: str
    passages: int = 0
    questions: int = 0
    sources: tuple[SourceRecord, ...] = field(default=())
    schema: int = SCHEMA_VERSION
    embedded_text: int = EMBEDDED_TEXT_VERSION

    def by_path(self) -> dict[str, SourceRecord]:
        return {record.path: record for record in self.sources}

    def holders(self) -> dict[str, str]:
        """Return for each path the one under which its content is indexed: its own, or for a copy the original's."""
        holders = {record.path: record.same_as or record.path for record in self.sources}
        # A copy may point to a file that was found to be a copy itself once it was read.
        return {path: holders.get(holder, holder) for path, holder in holders.items()}

    def failures(self) -> list[SourceRecord]:
        return [record for record in self.sources if record.error]

    def write(self, folder: Path) -> None:
        # Not `asdict`, which copies every value of every source.
        said = _values(self) | {"sources": [_values(record) for record in self.sources]}
        (folder / FILE_NAME).write_text(json.dumps(said, indent=1, ensure_ascii=True), encoding="ascii")

    @classmethod
    def read(cls, folder: Path) -> Manifest:
        """Read the manifest of a generation; raise IndexCorruptError if it is missing or malformed."""
        path = folder / FILE_NAME
        try:
            raw: dict[str, Any] = json.loads(path.read_text(encoding="ascii"))
            if raw["schema"] != SCHEMA_VERSION:
                raise IndexCorruptError(
                    f"{folder} was written with index schema {raw['schema']}, this version reads {SCHEMA_VERSION}; "
                    "run: prep ingest --rebuild"
                )
            return cls(**raw | {"sources": tuple(_record(r) for r in raw["sources"])})
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise IndexCorruptError(f"{path} cannot be read ({error}); run: prep doctor --fix") from error


def _values(one: Manifest | SourceRecord) -> dict[str, Any]:
    return {part.name: getattr(one, part.name) for part in fields(one)}


def _record(raw: dict[str, Any]) -> SourceRecord:
    lists = {"warnings": tuple(raw["warnings"]), "related": tuple(raw["related"])}
    columns = tuple((str(meaning), str(name)) for meaning, name in raw.get("columns", ()))
    return SourceRecord(**{**raw, **lists, "columns": columns})


def sort_records(records: Iterable[SourceRecord]) -> tuple[SourceRecord, ...]:
    """Return the records in the one order manifests keep: by path."""
    return tuple(sorted(records, key=lambda record: record.path))
