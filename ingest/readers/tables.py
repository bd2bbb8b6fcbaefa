"""Question banks kept as tables: CSV, TSV, JSON, JSONL and Excel.

A row with a head becomes a mapping from column to cell and takes the way of a YAML bank;
columns are recognised by the names that bank.py owns. `lines` are those of the file, of
an Excel sheet the row.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ingest.archive import open_archive, refuse_entities
from ingest.decode import read_text
from ingest.documents import Document, line_starts
from ingest.readers.bank import ANSWER, LISTS, QUESTION, TOPICS, bank_document
from retrieval.errors import ReadError
from retrieval.text import one_line

MAX_UNPACKED_BYTES = 128 * 2**20
MAX_ROWS = 100_000
_MAX_COLUMNS = 64
_HEAD_ROWS = 20  # titles and notes may stand above the head of a table
_DELIMITERS = (",", ";", "\t", "|")
_SPACE = re.compile(r"[ \t\r\n]*")

Lines = tuple[int, int]
Row = tuple[Lines, list[str]]
Entry = tuple[Lines, Mapping[str, Any]]


def read_delimited(path: Path) -> Document:
    """Read a bank in CSV or TSV, whatever its delimiter. Raises ReadError where no head is found."""
    text = read_text(path).removeprefix("\ufeff")
    shown: list[str] = []
    for delimiter in sorted(_DELIMITERS, key=lambda d: d != "\t" if path.suffix.lower() == ".tsv" else 0):
        head = _head(_first_rows(text, delimiter))
        if head is not None:
            rows, warnings = _all_rows(path.name, text, delimiter)
            found, more = _entries(rows[head:])
            return _document(path, found, (*warnings, *more))
        shown = max(shown, next((cells for _, cells in _first_rows(text, delimiter)), []), key=len)
    raise _refusal(path.name, shown)


def read_json(path: Path) -> Document:
    """Read a bank in JSON: a list of entries, at the top or under one key. Raises ReadError where it is none."""
    text = read_text(path).removeprefix("\ufeff")
    starts = Document(text, "", "bank", line_starts=line_starts(text))
    try:
        json.loads(text)
        title, found = _json_entries(text)
    except (ValueError, RecursionError) as error:
        raise ReadError(f"{path.name}: not valid JSON ({_reason(error)}); mend it and ingest again") from error
    return _document(path, [(starts.lines(span) or (1, 1), entry) for span, entry in found], title=title)


def read_json_lines(path: Path) -> Document:
    """Read a bank with one JSON object a line. Raises ReadError where no line is one."""
    found: list[Entry] = []
    broken: list[int] = []
    for number, line in enumerate(io.StringIO(read_text(path).removeprefix("\ufeff"), newline=""), start=1):
        try:
            value = json.loads(line) if line.strip() else None
        except (ValueError, RecursionError):
            broken.append(number)
            continue
        if isinstance(value, Mapping):
            found.append(((number, number), _clean(value)))
    if broken and not found:
        raise ReadError(f"{path.name}: no line of it is a JSON object (line {broken[0]} is not JSON); mend it")
    return _document(path, found, (f"{len(broken)} lines are not JSON, first line {broken[0]}",) if broken else ())


def read_excel(path: Path) -> Document:
    """Read the banks in the sheets of an Excel file. Raises ReadError where no sheet has a head."""
    import openpyxl  # type: ignore[import-untyped]

    with open_archive(path, MAX_UNPACKED_BYTES) as archive:
        refuse_entities(archive, path.name, doctype=True)
    try:
        book = openpyxl.load_workbook(path, read_only=True, data_only=True, keep_links=False)
        sheets = [(sheet.title, list(_sheet_rows(path.name, sheet))) for sheet in book.worksheets]
        book.close()
    except ReadError:
        raise
    except Exception as error:  # openpyxl raises whatever a damaged part makes it meet
        raise ReadError(
            f"{path.name}: not a readable Excel file ({_reason(error)}); open it in Excel and save it again"
        ) from error
    found: list[Entry] = []
    warnings: list[str] = []
    for name, rows in sheets:
        head = _head(rows[:_HEAD_ROWS])
        if head is None:
            warnings.extend([f"sheet {name!r} is no bank and was passed over"] if rows else [])
            continue
        entries, more = _entries(rows[head:])
        several = sum(bool(rows) for _, rows in sheets) > 1
        found.extend((lines, {"category": name, **entry} if several else entry) for lines, entry in entries)
        warnings.extend(more)
    if not found:
        raise _refusal(path.name, max((cells for _, rows in sheets for _, cells in rows[:1]), key=len, default=[]))
    return _document(path, found, warnings)


def _document(path: Path, found: Sequence[Entry], warnings: Iterable[str] = (), title: str | None = None) -> Document:
    document = bank_document(path, [entry for _, entry in found], [lines for lines, _ in found], title)
    return replace(document, warnings=(*warnings, *document.warnings))


def _refusal(name: str, columns: Sequence[str]) -> ReadError:
    found = ", ".join(one_line(c)[:30] for c in columns[:8] if c.strip()) or "none"
    return ReadError(
        f"{name}: not a question bank; looked for a column with questions ({', '.join(QUESTION)}) and one with "
        f"answers ({', '.join(ANSWER)}), found {found}; name the columns in the first row"
    )


def _head(rows: Iterable[Row]) -> int | None:
    """Return which of the first rows is the head: it names a question and an answer."""
    for n, (_, cells) in enumerate(rows):
        names = _names(cells)
        if any(q in names for q in QUESTION) and any(a in names for a in ANSWER):
            return n
    return None


def _names(cells: Sequence[str]) -> list[str]:
    """Return the columns by the names that bank.py knows: "Questions" and "Model answer" are told too."""
    names = [re.sub(r"[\s_-]+", "_", one_line(cell).lower().strip(" :*#?_-")) for cell in cells]
    for known in ("question", "answer"):
        if known not in names:
            like = [n for n, name in enumerate(names) if re.search(rf"(?:^|_){known}s?$", name)]
            names = [known if like[:1] == [n] else name for n, name in enumerate(names)]
    return [name if names.index(name) == n else f"{name}_{n + 1}" for n, name in enumerate(names)]


def _entries(rows: Sequence[Row]) -> tuple[list[Entry], tuple[str, ...]]:
    """Return the rows under a head as mappings, and a warning where rows are longer than the head."""
    names = _names(rows[0][1])
    found: list[Entry] = []
    longer: list[int] = []
    for lines, cells in rows[1:]:
        if not any(cell.strip() for cell in cells):
            continue
        if any(cell.strip() for cell in cells[len(names) :]):
            longer.append(lines[0])
        entry = {name: cell for name, cell in zip(names, cells, strict=False) if name and cell.strip()}
        found.append((lines, {n: v.replace(";", ",") if n in TOPICS else v for n, v in entry.items()}))
    if longer:
        return found, (
            f"{len(longer)} rows have more cells than the head, first row {longer[0]}; a quote may be missing",
        )
    return found, ()


def _first_rows(text: str, delimiter: str) -> list[Row]:
    rows: list[Row] = []
    try:
        for row in _rows(text, delimiter, strict=False):
            rows.append(row)
            if len(rows) == _HEAD_ROWS:
                break
    except csv.Error:
        pass  # reported when the whole is read; the rows before it may hold the head
    return rows


def _all_rows(name: str, text: str, delimiter: str) -> tuple[list[Row], tuple[str, ...]]:
    try:
        return list(_rows(text, delimiter, strict=True)), ()
    except csv.Error as odd:
        try:
            return list(_rows(text, delimiter, strict=False)), (f"odd quotes ({odd}); cells may run together",)
        except csv.Error as error:
            raise ReadError(f"{name}: not a readable table ({error}); look for a quote that is not closed") from error


def _rows(text: str, delimiter: str, *, strict: bool) -> Iterator[Row]:
    """Yield the rows that are not empty with their lines in the file. Raises csv.Error."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=strict)
    last = 0
    for cells in reader:
        if any(cell.strip() for cell in cells):
            yield (last + 1, reader.line_num), cells
        last = reader.line_num


def _sheet_rows(name: str, sheet: Any) -> Iterator[Row]:
    sheet.reset_dimensions()  # what a file says of its size is often wrong
    for number, values in enumerate(sheet.iter_rows(max_col=_MAX_COLUMNS, values_only=True), start=1):
        if number > MAX_ROWS:
            raise ReadError(f"{name}: sheet {sheet.title!r} has more than {MAX_ROWS:,} rows; split it")
        cells = ["" if v is None else str(int(v) if isinstance(v, float) and v.is_integer() else v) for v in values]
        if any(cell.strip() for cell in cells):
            yield (number, number), cells


def _json_entries(text: str) -> tuple[str | None, list[tuple[tuple[int, int], Mapping[str, Any]]]]:
    """Return the title and the entries of a bank with their spans; the parser is led along so as to know where it is."""
    at = _skip(text, 0)
    title = None
    if text[at] == "{":
        members = {key: (span, value) for key, span, value in _members(text, at)}
        title = next((str(value) for key, (_, value) in members.items() if key == "title"), None)
        key = next((k for k in (*LISTS, *members) if k in members and isinstance(members[k][1], list)), None)
        if key is None:
            return title, []
        at = members[key][0][0]
    if text[at] != "[":
        return title, []
    return title, [(span, _clean(value)) for span, value in _items(text, at) if isinstance(value, Mapping)]


def _items(text: str, at: int) -> Iterator[tuple[tuple[int, int], Any]]:
    decode = json.JSONDecoder().raw_decode
    at = _skip(text, at + 1)
    while text[at] != "]":
        value, end = decode(text, at)
        yield (at, end), value
        at = _skip(text, end)
        at = _skip(text, at + 1) if text[at] == "," else at


def _members(text: str, at: int) -> Iterator[tuple[str, tuple[int, int], Any]]:
    decode = json.JSONDecoder().raw_decode
    at = _skip(text, at + 1)
    while text[at] != "}":
        key, end = decode(text, at)
        at = _skip(text, _skip(text, end) + 1)
        value, end = decode(text, at)
        yield key, (at, end), value
        at = _skip(text, end)
        at = _skip(text, at + 1) if text[at] == "," else at


def _skip(text: str, at: int) -> int:
    match = _SPACE.match(text, at)
    return match.end() if match else at


def _clean(value: Any) -> Any:
    """Return JSON without lone surrogates, which no text file can hold."""
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode("utf-8")
    if isinstance(value, Mapping):
        return {_clean(k): _clean(v) for k, v in value.items()}
    return [_clean(v) for v in value] if isinstance(value, list) else value


def _reason(error: BaseException) -> str:
    return " ".join(str(error).split())[:120] or type(error).__name__
