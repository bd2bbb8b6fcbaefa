"""Source files: Python by top-level definition, SQL by statement, with the lines of the file.

Comments go with what follows them. Code that does not parse, or too much of it, is cut at
empty lines.
"""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import groupby
from pathlib import Path

from ingest.decode import read_text
from ingest.documents import Block, Document, line_starts

MAX_PARSED = 2**20  # characters; over it are data and dumps, which cost minutes and gigabytes to parse
_LONG_CLASS = 1200  # characters, about a passage; a longer class is cut at its methods
_DEFINITION = re.compile(
    r"\bCREATE\s+(?:OR\s+\w+\s+)?(?:(?:TEMP|TEMPORARY|UNIQUE|MATERIALIZED|RECURSIVE|EXTERNAL|GLOBAL|LOCAL)\s+)*"
    r"(?:TABLE|VIEW|FUNCTION|PROCEDURE|TRIGGER|INDEX|TYPE|SEQUENCE|SCHEMA|DATABASE)\s+(?:IF\s+NOT\s+EXISTS\s+)?"
    r"([\w.\"`\[\]$]+)",
    re.I,
)
_COMMENT = re.compile(r"\s*(?:--+|#+|/\*+)[ \t]*([^\r\n]*?\w[^\r\n]*?)[ \t*/-]*(?:\r|\n|$)")
_MAX_NAME = 120

Part = tuple[int, int, tuple[str, ...]]
"""First and last line, 1-based, and the heading path."""


def read_python(path: Path) -> Document:
    """Read a Python file. Raises ReadError where it is not text."""
    return _read(path, _python_parts)


def read_sql(path: Path) -> Document:
    """Read an SQL file. Raises ReadError where it is not text."""
    return _read(path, _sql_parts)


def _read(path: Path, split: Callable[[str], Sequence[Part] | None]) -> Document:
    text = read_text(path)
    starts = line_starts(text)
    parts = split(text) if len(text) <= MAX_PARSED else None
    notes: tuple[str, ...] = ()
    if parts is None:
        parts = list(_paragraphs(text, starts))
        notes = ("it could not be parsed and was cut at empty lines",)
    blocks = tuple(block for part in parts if (block := _block(text, starts, part)))
    return Document(text, path.name, "notes", blocks, line_starts=starts, warnings=notes)


def _block(text: str, starts: Sequence[int], part: Part) -> Block | None:
    """Return the code of some lines without empty lines around it; it may be split at lines."""
    first, last, heading = part
    lines = [span for n in range(first, last + 1) if (span := _line(text, starts, n))[0] < span[1]]
    return Block("code", (lines[0][0], lines[-1][1]), heading, units=tuple(lines)) if lines else None


def _line(text: str, starts: Sequence[int], number: int) -> tuple[int, int]:
    """Return the span of a line without white space at its end; empty where there is nothing else."""
    start = starts[number - 1]
    end = starts[number] if number < len(starts) else len(text)
    return start, start + len(text[start:end].rstrip())


def _paragraphs(text: str, starts: Sequence[int]) -> Iterator[Part]:
    filled = [(span := _line(text, starts, n))[0] < span[1] for n in range(1, len(starts) + 1)]
    for full, run in groupby(range(1, len(starts) + 1), key=lambda n: filled[n - 1]):
        numbers = list(run)
        if full:
            yield numbers[0], numbers[-1], ()


def _python_parts(text: str) -> list[Part] | None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of escapes in strings that are not ours
            tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    last = len(line_starts(text))
    return _joined(_definitions(tree.body, (), 1, last, line_starts(text)), alike=True)


def _definitions(
    body: Sequence[ast.stmt], path: tuple[str, ...], first: int, last: int, starts: Sequence[int]
) -> Iterator[Part]:
    """Yield the definitions among statements, and what stands between them, from line `first` to `last`."""
    for n, statement in enumerate(body):
        end = last if n == len(body) - 1 else statement.end_lineno or statement.lineno
        if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            name = (*path, statement.name)
            long = starts[end - 1] - starts[first - 1] > _LONG_CLASS
            if isinstance(statement, ast.ClassDef) and not path and long:
                yield first, statement.lineno, name
                yield from _definitions(statement.body, name, statement.lineno + 1, end, starts)
            else:
                yield first, end, name
        else:
            yield first, end, path
        first = end + 1
    if not body and first <= last:
        yield first, last, path  # nothing but comments


def _joined(parts: Iterable[Part], *, alike: bool) -> list[Part]:
    """Return parts in order, of two on one line made one, and where `alike` those of one heading joined."""
    joined: list[Part] = []
    for first, last, heading in parts:
        if joined and ((alike and joined[-1][2] == heading) or last <= joined[-1][1]):
            joined[-1] = (joined[-1][0], max(last, joined[-1][1]), joined[-1][2])
        elif first <= last:
            joined.append((max(first, joined[-1][1] + 1) if joined else first, last, heading))
    return joined


def _sql_parts(text: str) -> list[Part] | None:
    from sqlparse.engine import FilterStack

    starts = line_starts(text)
    source = Document(text, "", "notes", line_starts=starts)
    parts: list[Part] = []
    position = 0
    try:
        statements = [str(statement).strip() for statement in FilterStack().run(text)]  # type: ignore[no-untyped-call]
    except (ValueError, RecursionError):
        return None
    for statement in filter(None, statements):
        at = text.find(statement, position)
        if at == -1:
            return None  # the parser wrote it otherwise than it stands
        position = at + len(statement)
        first, last = source.lines((at, position)) or (1, len(starts))
        parts.append((first, last, _sql_name(statement)))
    return _joined(parts, alike=False)


def _sql_name(statement: str) -> tuple[str, ...]:
    """Return what a statement defines, or else what the comment above it says."""
    bare = re.sub(r"--[^\r\n]*|/\*.*?\*/", " ", statement, flags=re.S)
    if (match := _DEFINITION.match(bare.lstrip())) is not None:
        return (match[1].strip('"`[]'),)
    if (match := _COMMENT.match(statement)) is not None:
        return (match[1].strip()[:_MAX_NAME],)
    return ()
