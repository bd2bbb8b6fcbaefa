"""Text files: notes exported from Anki where the first line says so, plain text otherwise."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping
from pathlib import Path

from ingest.decode import read_text
from ingest.documents import Document
from ingest.readers.anki_notes import Note, deck_path, notes_document
from ingest.readers.lines import rows_of, with_file_lines
from ingest.readers.text import read_plain_text
from retrieval.errors import ReadError

_SIGN = b"#separator:"
_SEPARATORS = {"tab": "\t", "comma": ",", "semicolon": ";", "pipe": "|", "colon": ":", "space": " "}


def read_text_file(path: Path) -> Document:
    """Read a text file, as an Anki export where its first line is one. Raises ReadError where it is not text."""
    with path.open("rb") as file:
        sign = file.read(len(_SIGN) + 3).removeprefix(b"\xef\xbb\xbf").lower()
    return read_anki_text(path) if sign.startswith(_SIGN) else read_plain_text(path)


def read_anki_text(path: Path) -> Document:
    """Read notes exported as text. Raises ReadError where no note has a question and an answer."""
    text = read_text(path)
    head: dict[str, str] = {}
    lines = 0
    stream = io.StringIO(text, newline="")
    position = 0
    while (line := stream.readline()).startswith("#"):
        key, _, value = line[1:].strip("\r\n").partition(":")
        head[key.strip().lower()] = value
        lines, position = lines + 1, stream.tell()
    stream.seek(position)
    name = head.get("separator", "tab").strip()
    separator = _SEPARATORS.get(name.lower(), name)
    if len(separator) != 1:
        raise ReadError(f"{path.name}: unknown #separator:{name[:20]}; export the notes from Anki again")
    try:
        document = notes_document(path, list(_notes(csv.reader(stream, delimiter=separator), head, lines)))
    except csv.Error as error:
        raise ReadError(f"{path.name}: not a readable export ({error}); export the notes from Anki again") from error
    return with_file_lines(document, [row.replace('""', '"') for row in rows_of(text)])


def _notes(rows: Iterator[list[str]], head: Mapping[str, str], lines: int) -> Iterator[Note]:
    deck, tags, guid, kind = (_column(head, name) for name in ("deck", "tags", "guid", "notetype"))
    names = head.get("columns", "").split(_SEPARATORS.get(head["separator"].strip().lower(), "\t"))
    last = 0
    for cells in rows:
        first, last = last + 1, rows.line_num  # type: ignore[attr-defined]
        if not any(cells):
            continue
        yield Note(
            fields=tuple(
                (names[n] if n < len(names) else "", cell)
                for n, cell in enumerate(cells)
                if n not in (deck, tags, guid, kind)
            ),
            deck=deck_path(cells[deck] if 0 <= deck < len(cells) else head.get("deck", "")),
            tags=tuple((head.get("tags", "") + " " + (cells[tags] if 0 <= tags < len(cells) else "")).split()),
            html=head.get("html", "").strip().lower() == "true",
            lines=(lines + first, lines + last),
        )


def _column(head: Mapping[str, str], name: str) -> int:
    """Return the 0-based column that holds a property, -1 where none does."""
    value = head.get(f"{name} column", "").strip()
    return int(value) - 1 if value.isdecimal() and len(value) < 4 else -1
