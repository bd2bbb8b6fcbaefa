"""Anki packages as Anki writes them, small: the schema of version 11 as it is, that of version 18 under zstd."""

from __future__ import annotations

import json
import sqlite3
import zipfile
from collections.abc import Sequence
from pathlib import Path

import zstandard

Row = tuple[int, str, str, str]  # note type 1 Basic or 2 Cloze, deck, tags, fields divided by \x1f

FIELDS = {1: ("Front", "Back"), 2: ("Text", "Back Extra"), 3: ("Number", "Question", "Answer", "Source")}

OLD = """CREATE TABLE col (id integer primary key, ver integer, models text, decks text);
CREATE TABLE notes (id integer primary key, guid text, mid integer, tags text, flds text);
CREATE TABLE cards (id integer primary key, nid integer, did integer, ord integer, odid integer);"""
NEW = """CREATE TABLE notetypes (id integer primary key, name text COLLATE unicase);
CREATE TABLE fields (ntid integer, ord integer, name text COLLATE unicase, primary key (ntid, ord)) without rowid;
CREATE TABLE decks (id integer primary key, name text COLLATE unicase);
CREATE UNIQUE INDEX idx_decks_name ON decks (name);"""


def collection(folder: Path, rows: Sequence[Row], *, new: bool = False) -> bytes:
    """Return the bytes of a collection; decks come as "A::B"."""
    file = folder / "made.sqlite"
    file.unlink(missing_ok=True)
    database = sqlite3.connect(file)
    database.create_collation("unicase", lambda a, b: (a.lower() > b.lower()) - (a.lower() < b.lower()))
    database.executescript(OLD + (NEW if new else ""))
    decks = {name: n for n, name in enumerate(dict.fromkeys(row[1] for row in rows), start=1)}
    models = {str(k): {"name": "x", "flds": [{"name": f} for f in names]} for k, names in FIELDS.items()}
    if new:
        database.execute("INSERT INTO col VALUES (1, 18, '', '')")
        pairs = [(k, n, name) for k, names in FIELDS.items() for n, name in enumerate(names)]
        database.executemany("INSERT INTO fields VALUES (?, ?, ?)", pairs)
        database.executemany(
            "INSERT INTO decks VALUES (?, ?)", [(n, d.replace("::", "\x1f")) for d, n in decks.items()]
        )
    else:
        named = {str(n): {"name": name} for name, n in decks.items()}
        database.execute("INSERT INTO col VALUES (1, 11, ?, ?)", (json.dumps(models), json.dumps(named)))
    for n, (kind, deck, tags, fields) in enumerate(rows, start=1):
        database.execute("INSERT INTO notes VALUES (?, ?, ?, ?, ?)", (n, f"g{n}", kind, tags, fields))
        database.execute("INSERT INTO cards VALUES (?, ?, ?, 0, 0)", (n, n, decks[deck]))
    database.commit()
    database.close()
    return file.read_bytes()


def package(path: Path, members: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return path


def newest(data: bytes) -> bytes:
    """Return a collection as `collection.anki21b` holds it."""
    return zstandard.ZstdCompressor().compress(data)
