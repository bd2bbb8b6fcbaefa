"""Anki packages: a zip with a SQLite collection in one of three wrappings.

`collection.anki21b` is zstd over the schema of Anki 2.1.50 and later, `collection.anki21`
and `collection.anki2` hold the old one; where there are several the newest counts, the
others then hold a note that asks to update Anki. Media are never unpacked.
"""

from __future__ import annotations

import json
import sqlite3
import tempfile
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import IO, Any

from ingest.archive import open_archive
from ingest.documents import Document
from ingest.readers.anki_notes import Note, deck_path, notes_document
from retrieval.errors import ReadError

MAX_UNPACKED_BYTES = 256 * 2**20
MAX_STEPS = 2_000  # of 100,000 SQLite instructions each; a collection of 100,000 notes takes about 50
_COLLECTIONS = ("collection.anki21b", "collection.anki21", "collection.anki2")
_CHUNK = 2**20

Names = Mapping[int, tuple[str, ...]]


def read_anki_package(path: Path) -> Document:
    """Read the notes of a package. Raises ReadError where there are none, or too much, or damage."""
    with open_archive(path, MAX_UNPACKED_BYTES, counted=_COLLECTIONS) as archive:
        member = next((name for name in _COLLECTIONS if name in archive.namelist()), None)
        if member is None:
            raise ReadError(f"{path.name}: no Anki collection in it; export the deck from Anki again")
        with tempfile.TemporaryDirectory(prefix="prep-anki-") as folder:
            copy = Path(folder) / "collection.sqlite"
            with copy.open("wb") as target:
                _unpack(path.name, archive, member, target)
            try:
                with closing(_open(copy)) as database:
                    return notes_document(path, _notes(database))
            except sqlite3.Error as error:
                raise ReadError(
                    f"{path.name}: its collection is damaged ({error}); export the deck from Anki again"
                ) from error


def _unpack(name: str, archive: zipfile.ZipFile, member: str, target: IO[bytes]) -> None:
    """Write the collection to a file of our own, under the limit also where zstd hides how long it is."""
    import zstandard

    with archive.open(member) as packed:
        stream: Any = packed
        if member.endswith("b"):
            stream = zstandard.ZstdDecompressor(max_window_size=2**27).stream_reader(packed)
        try:
            written = 0
            while data := stream.read(_CHUNK):
                written += target.write(data)
                if written > MAX_UNPACKED_BYTES:
                    raise ReadError(
                        f"{name}: its collection unpacks to more than {MAX_UNPACKED_BYTES / 2**20:,.0f} MB; "
                        "export fewer decks at a time"
                    )
        except zstandard.ZstdError as error:
            raise ReadError(f"{name}: its collection is damaged ({error}); export the deck from Anki again") from error


def _open(file: Path) -> sqlite3.Connection:
    """Open a collection that a stranger made: unchangeable, no functions from its schema, an end to long queries."""
    database = sqlite3.connect(f"{file.as_uri()}?mode=ro&immutable=1", uri=True)
    database.text_factory = lambda data: data.decode("utf-8", "replace")
    database.create_collation("unicase", lambda a, b: (a.lower() > b.lower()) - (a.lower() < b.lower()))
    steps = iter(range(MAX_STEPS))
    database.set_progress_handler(lambda: next(steps, None) is None, 100_000)
    database.execute("PRAGMA trusted_schema=OFF")
    database.execute("PRAGMA cell_size_check=ON")
    return database


def _notes(database: sqlite3.Connection) -> Iterator[Note]:
    tables = {str(row[0]) for row in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    new = {"notetypes", "fields", "decks"} <= tables
    fields, decks = _new_names(database) if new else _old_names(database)
    where: dict[int, int] = {}
    for note, deck in database.execute(
        "SELECT nid, CASE odid WHEN 0 THEN did ELSE odid END FROM cards ORDER BY nid, ord"
    ):
        where.setdefault(note, deck)
    for note, kind, tags, values in database.execute("SELECT id, mid, tags, flds FROM notes ORDER BY id"):
        texts = str(values).split("\x1f")
        names = fields.get(kind, ())
        named = tuple((names[n] if n < len(names) else "", text) for n, text in enumerate(texts))
        yield Note(named, decks.get(where.get(note, 0), ()), tuple(str(tags).split()))


def _new_names(database: sqlite3.Connection) -> tuple[Names, Names]:
    """Return the field names of each note type and the path of each deck."""
    fields: dict[int, tuple[str, ...]] = {}
    for kind, name in database.execute("SELECT ntid, name FROM fields ORDER BY ntid, ord"):
        fields[kind] = (*fields.get(kind, ()), str(name))
    decks = {deck: deck_path(str(name)) for deck, name in database.execute("SELECT id, name FROM decks")}
    return fields, decks


def _old_names(database: sqlite3.Connection) -> tuple[Names, Names]:
    """Return the same from the JSON of the old schema; a name that cannot be read is left out."""
    row = database.execute("SELECT models, decks FROM col").fetchone() or ("{}", "{}")
    models, decks = (_object(text) for text in row)
    fields = {
        int(kind): tuple(str(field.get("name", "")) for field in model.get("flds", ()) if isinstance(field, dict))
        for kind, model in models.items()
        if _is_id(kind) and isinstance(model, dict) and isinstance(model.get("flds"), list)
    }
    return fields, {
        int(deck): deck_path(str(value.get("name", "")))
        for deck, value in decks.items()
        if _is_id(deck) and isinstance(value, dict)
    }


def _object(text: object) -> dict[str, Any]:
    try:
        value = json.loads(str(text))
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def _is_id(key: str) -> bool:
    return key.isdecimal() and len(key) < 20
