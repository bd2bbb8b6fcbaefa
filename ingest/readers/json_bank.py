"""Question banks in JSON and JSONL, with the lines of each entry in the file.

The parser tells where each value ends, so it is led from entry to entry; the shape of a
bank and the names of its fields are those of bank.py.
"""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from ingest.decode import read_text, storable
from ingest.documents import Columns, Document, Span, line_starts
from ingest.readers.bank import bank_document, in_category, lists_of, renamed
from ingest.readers.lines import rows_of, with_file_lines
from retrieval.errors import ReadError

_SPACE = re.compile(r"[ \t\r\n]*")
_SCALAR = re.compile(r'("(?:[^"\\]|\\.)*"|-?\d[\d.eE+-]*)(\s*:)?')


def read_json_bank(path: Path, columns: Columns = ()) -> Document:
    """Read a bank in JSON: a list of entries, at the top or under one key. Raises ReadError where it is none."""
    text = read_text(path)
    source = Document(text, "", "bank", line_starts=line_starts(text))
    try:
        json.loads(text)
        title, found = _bank(text)
    except (ValueError, RecursionError) as error:
        reason = " ".join(str(error).split())[:120]
        raise ReadError(f"{path.name}: not valid JSON ({reason}); mend it and ingest again") from error
    lines = [source.lines(span) or (1, 1) for span, _ in found]
    document = bank_document(path, renamed((entry for _, entry in found), columns), lines, title)
    return with_file_lines(document, [_values(row) for row in rows_of(text)])


def read_json_lines_bank(path: Path, columns: Columns = ()) -> Document:
    """Read a bank with one JSON object a line. Raises ReadError where no line is one."""
    entries: list[Mapping[str, Any]] = []
    lines: list[tuple[int, int]] = []
    broken: list[int] = []
    for number, line in enumerate(io.StringIO(read_text(path), newline=""), start=1):
        try:
            value = json.loads(line) if line.strip() else None
        except (ValueError, RecursionError):
            broken.append(number)
            continue
        if isinstance(value, Mapping):
            entries.append(_clean(value))
            lines.append((number, number))
    if broken and not entries:
        raise ReadError(f"{path.name}: no line of it is a JSON object (line {broken[0]} is not JSON); mend it")
    document = with_file_lines(bank_document(path, renamed(entries, columns), lines))
    notes = (f"{len(broken)} lines are not JSON, the first is line {broken[0]}",) if broken else ()
    return replace(document, warnings=(*notes, *document.warnings))


def _bank(text: str) -> tuple[str | None, list[tuple[Span, Mapping[str, Any]]]]:
    """Return the title of a bank and its entries with their spans; no entries where there is no list of objects."""
    at = _skip(text, 0)
    title = None
    if text[at] == "{":
        members = {key: (span, value) for key, span, value in _members(text, at)}
        given = members.get("title", (None, None))[1]
        title = _clean(given) if isinstance(given, str) else None
        found: list[tuple[Span, Mapping[str, Any]]] = []
        keys = lists_of({key: value for key, (_, value) in members.items()})
        for key in keys:
            listed = _objects(text, members[key][0][0])
            entries = [entry for _, entry in listed]
            entries = in_category(entries, _clean(key)) if len(keys) > 1 else entries
            found += zip((span for span, _ in listed), entries, strict=True)
        return title, found
    return title, _objects(text, at) if text[at] == "[" else []


def _objects(text: str, at: int) -> list[tuple[Span, Mapping[str, Any]]]:
    """Return the objects of the list that starts at `at`, with their spans."""
    return [(span, _clean(value)) for span, value in _items(text, at) if isinstance(value, Mapping)]


def _items(text: str, at: int) -> Iterator[tuple[Span, Any]]:
    """Yield the items of the list that starts at `at`, in text that is known to be valid."""
    decode = json.JSONDecoder().raw_decode
    at = _skip(text, at + 1)
    while text[at] != "]":
        value, end = decode(text, at)
        yield (at, end), value
        at = _next(text, end)


def _members(text: str, at: int) -> Iterator[tuple[str, Span, Any]]:
    """Yield key, span and value of the members of the object that starts at `at`."""
    decode = json.JSONDecoder().raw_decode
    at = _skip(text, at + 1)
    while text[at] != "}":
        key, end = decode(text, at)
        at = _skip(text, _skip(text, end) + 1)
        value, end = decode(text, at)
        yield key, (at, end), value
        at = _next(text, end)


def _next(text: str, at: int) -> int:
    at = _skip(text, at)
    return _skip(text, at + 1) if text[at] == "," else at


def _skip(text: str, at: int) -> int:
    match = _SPACE.match(text, at)
    return match.end() if match else at


def _values(row: str) -> str:
    """Return the strings and numbers that stand on a line of valid JSON, the names of fields left out."""
    found = (scalar for scalar, named in _SCALAR.findall(row) if not named)
    return storable("\n".join(json.loads(s) if s.startswith('"') else s for s in found))


def _clean(value: Any) -> Any:
    if isinstance(value, str):
        return storable(value)
    if isinstance(value, Mapping):
        return {_clean(k): _clean(v) for k, v in value.items()}
    return [_clean(v) for v in value] if isinstance(value, list) else value
