"""Question banks kept as tables: CSV, TSV and Excel.

A row with a head becomes a mapping from column to cell and takes the way of a YAML bank;
columns are recognised by the names that bank.py owns. `lines` are those of the file, of
an Excel sheet the row.
"""

from __future__ import annotations

import csv
import io
import re
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ingest.archive import open_archive, refuse_entities
from ingest.decode import read_text
from ingest.documents import Columns, Document
from ingest.readers.bank import ANSWER, QUESTION, TAGS, bank_document
from ingest.readers.lines import rows_of, with_file_lines
from retrieval.errors import ReadError
from retrieval.text import one_line

MAX_UNPACKED_BYTES = 128 * 2**20
MAX_ROWS = 100_000
MAX_SHEETS = 50
_EXCEL_ROWS = 2**20  # what a sheet can have; a damaged file may number its rows higher
_MAX_COLUMNS = 64
_HEAD_ROWS = 20  # titles and notes may stand above the head of a table
_DELIMITERS = (",", ";", "\t", "|")

Lines = tuple[int, int]
Row = tuple[Lines, list[str]]
Entry = tuple[Lines, Mapping[str, Any]]


def read_delimited(path: Path, columns: Columns = ()) -> Document:
    """Read a bank in CSV or TSV, whatever its delimiter. Raises ReadError where no head is found."""
    text = read_text(path)
    shown: list[str] = []
    for delimiter in sorted(_DELIMITERS, key=lambda d: d != "\t" if path.suffix.lower() == ".tsv" else 0):
        head = _head(_first_rows(text, delimiter), columns)
        if head is not None:
            rows, notes = _all_rows(path.name, text, delimiter)
            found, more = _entries(rows[head:], columns)
            quoted = [row.replace('""', '"') for row in rows_of(text)]
            return with_file_lines(_document(path, found, (*notes, *more)), quoted)
        shown = max(shown, next((cells for _, cells in _first_rows(text, delimiter)), []), key=len)
    raise _refusal(path.name, shown)


def read_excel(path: Path, columns: Columns = ()) -> Document:
    """Read the banks in the sheets of an Excel file. Raises ReadError where no sheet has a head."""
    with open_archive(path, MAX_UNPACKED_BYTES) as archive:
        refuse_entities(archive, path.name, doctype=True)
    sheets = _sheets(path)
    several = sum(bool(rows) for _, rows in sheets) > 1
    found: list[Entry] = []
    notes: list[str] = []
    for name, rows in sheets:
        head = _head(rows[:_HEAD_ROWS], columns)
        if head is None:
            notes.extend([f"sheet {name!r} is no bank and was passed over"] if rows else [])
            continue
        entries, more = _entries(rows[head:], columns)
        found.extend((lines, {"category": name, **entry} if several else entry) for lines, entry in entries)
        notes.extend(more)
    if not found:
        raise _refusal(path.name, max((cells for _, rows in sheets for _, cells in rows[:1]), key=len, default=[]))
    return with_file_lines(_document(path, found, notes))


def _sheets(path: Path) -> list[tuple[str, list[Row]]]:
    import openpyxl  # type: ignore[import-untyped]

    with path.open("rb") as stream, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of styles and validations that it leaves out
        try:
            book = openpyxl.load_workbook(stream, read_only=True, data_only=True, keep_links=False)
            if len(book.worksheets) > MAX_SHEETS:
                raise ReadError(
                    f"{path.name}: {len(book.worksheets)} sheets, the limit is {MAX_SHEETS}; split the file"
                )
            return [(sheet.title, list(_sheet_rows(path.name, sheet))) for sheet in book.worksheets]
        except ReadError:
            raise
        except Exception as error:  # openpyxl raises whatever a damaged part makes it meet
            raise ReadError(
                f"{path.name}: not a readable Excel file ({_reason(error)}); open it in Excel and save it again"
            ) from error


def _document(path: Path, found: Sequence[Entry], notes: Iterable[str]) -> Document:
    document = bank_document(path, [entry for _, entry in found], [lines for lines, _ in found])
    return replace(document, warnings=(*notes, *document.warnings))


def _refusal(name: str, columns: Sequence[str]) -> ReadError:
    found = ", ".join(one_line(c)[:30] for c in columns[:8] if c.strip()) or "none"
    return ReadError(
        f"{name}: not a question bank; looked for a column with questions ({', '.join(QUESTION)}) and one with "
        f"answers ({', '.join(ANSWER)}), found {found}; name the columns in the first row, "
        "or with: --columns question=NAME,answer=NAME"
    )


def _head(rows: Iterable[Row], columns: Columns) -> int | None:
    """Return which of the first rows is the head: it names a question and an answer."""
    for n, (_, cells) in enumerate(rows):
        names = _names(cells, columns)
        if any(q in names for q in QUESTION) and any(a in names for a in ANSWER):
            return n
    return None


def _names(cells: Sequence[str], columns: Columns) -> list[str]:
    """Return the columns by the names that bank.py knows: "Questions" and "Model answer" are told too."""
    plain = list(map(_plain_name, cells))
    meanings = {name: meaning for meaning, given in columns if (name := _plain_name(given)) in plain}
    taken = set(meanings.values())
    names = [meanings.get(name, f"{name}_" if name in taken else name) for name in plain]
    for known in ("question", "answer"):
        if known not in names:
            like = [n for n, name in enumerate(names) if re.search(rf"(?:^|_){known}s?$", name)]
            names = [known if like[:1] == [n] else name for n, name in enumerate(names)]
    return [name if names.index(name) == n else f"{name}_{n + 1}" for n, name in enumerate(names)]


def _plain_name(cell: str) -> str:
    return re.sub(r"[\s_-]+", "_", one_line(cell).lower().strip(" :*#?_-"))


def _entries(rows: Sequence[Row], columns: Columns) -> tuple[list[Entry], tuple[str, ...]]:
    """Return the rows under a head as mappings, and a warning where rows are longer than the head."""
    names = _names(rows[0][1], columns)
    found: list[Entry] = []
    longer: list[int] = []
    for lines, cells in rows[1:]:
        if not any(cell.strip() for cell in cells):
            continue
        if any(cell.strip() for cell in cells[len(names) :]):
            longer.append(lines[0])
        entry = {name: cell for name, cell in zip(names, cells, strict=False) if name and cell.strip()}
        found.append((lines, {n: v.replace(";", ",") if n in TAGS else v for n, v in entry.items()}))
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
    filled = 0
    rows = sheet.iter_rows(max_row=_EXCEL_ROWS, max_col=_MAX_COLUMNS, values_only=True)
    for number, values in enumerate(rows, start=1):
        if not any(value is not None for value in values):
            continue
        if (filled := filled + 1) > MAX_ROWS:
            raise ReadError(f"{name}: sheet {sheet.title!r} has more than {MAX_ROWS:,} rows; split it")
        yield (number, number), [_cell(value) for value in values]


def _cell(value: Any) -> str:
    return "" if value is None else str(int(value) if isinstance(value, float) and value.is_integer() else value)


def _reason(error: BaseException) -> str:
    return " ".join(str(error).split())[:120] or type(error).__name__
