"""Questions with the places that answer them: our gold files, which survive re-chunking, and BEIR folders."""

from __future__ import annotations

import csv
import hashlib
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from retrieval.errors import GoldError, QueryError
from retrieval.library import Library
from retrieval.types import Hit, Locator, Passage, embedded_text

GOLD = Path(__file__).parent / "gold"


@dataclass(frozen=True, slots=True)
class GoldSpan:
    """A verbatim quote of a source. Spans of one `part` are alternatives; a question may need several parts.

    The quote is looked for from character `start` of the extracted text on. No quote means the
    whole source, no path any source.
    """

    path: str
    quote: str
    part: int = 1
    start: int = 0


@dataclass(frozen=True, slots=True)
class Question:
    """One gold question. No spans: the library does not answer it."""

    id: str
    text: str
    slice: str = "all"
    split: str = "test"
    spans: tuple[GoldSpan, ...] = ()


@dataclass(frozen=True, slots=True)
class Placed:
    """Where a gold span stands in the extracted text of its source."""

    path: str
    span: tuple[int, int]
    part: int


def content_id(passage: Passage) -> str:
    """Return 16 hex digits of what is embedded of a passage, the same wherever it stands."""
    return hashlib.sha256(embedded_text(passage).encode("utf-8", "surrogatepass")).hexdigest()[:16]


def load_gold(path: Path) -> list[Question]:
    """Read a gold file (JSONL: `_id`, `text`, `slice`, `split`, `spans`). Raises GoldError naming a wrong line."""
    return [_question(path, number, row) for number, row in _rows(path)]


def place(question: Question, library: Library) -> list[Placed]:
    """Find every gold span in the library. Raises GoldError where a source or a quote is not there."""
    found: list[Placed] = []
    for gold in question.spans:
        try:
            found.append(_place(gold, library))
        except (GoldError, QueryError) as error:
            raise GoldError(f"question {question.id}: {error}") from error
    return found


def _place(gold: GoldSpan, library: Library) -> Placed:
    paths = [_known_path(gold.path, library)] if gold.path else [r.path for r in library.manifest.sources if r.passages]
    for path in paths:
        text = library.text(path)
        if not gold.quote:
            return Placed(path, (0, len(text)), gold.part)
        start = text.find(gold.quote, gold.start)
        if start != -1:
            return Placed(path, (start, start + len(gold.quote)), gold.part)
    raise GoldError(f"its quote {gold.quote[:50]!r} is not in {gold.path or 'any source'}; mend the gold file")


def _known_path(path: str, library: Library) -> str:
    """Return the one source that a path, or the end of one, names."""
    known = library.manifest.by_path()
    ends = [p for p in known if p.endswith(f"/{path}") and known[p].passages]
    return ends[0] if path not in known and len(ends) == 1 else path


def covers(hit: Hit, gold: Placed) -> bool:
    """Tell whether a hit, or another place of its text, overlaps a gold span by half of the shorter of the two."""
    return any(overlaps(locator, gold) for locator in (hit.passage.locator, *hit.also))


def overlaps(locator: Locator, gold: Placed) -> bool:
    """Tell whether a place overlaps a gold span by half of the shorter of the two."""
    if locator.path != gold.path:
        return False
    a, b = locator.span, gold.span
    return 2 * (min(a[1], b[1]) - max(a[0], b[0])) >= min(a[1] - a[0], b[1] - b[0])


@dataclass(frozen=True, slots=True)
class Beir:
    """A BEIR folder: documents, queries, and the graded relevance of documents by query."""

    name: str
    documents: dict[str, tuple[str, str]]
    queries: dict[str, str]
    qrels: dict[str, dict[str, int]]


def is_beir(path: Path) -> bool:
    return path.is_dir() and (path / "corpus.jsonl").is_file() and (path / "queries.jsonl").is_file()


def load_beir(path: Path, split: str = "test") -> Beir:
    """Read corpus.jsonl, queries.jsonl and qrels/<split>.tsv. Raises GoldError naming what is missing or wrong."""
    qrels: dict[str, dict[str, int]] = {}
    file = path / "qrels" / f"{split}.tsv"
    with open_text(file) as stream:
        for row in csv.reader(stream, delimiter="\t"):
            if len(row) >= 3 and row[2].strip().lstrip("-").isdigit():
                qrels.setdefault(row[0], {})[row[1]] = int(row[2])
    documents = {str(r["_id"]): (str(r.get("title") or ""), str(r["text"])) for _, r in _rows(path / "corpus.jsonl")}
    queries = {str(r["_id"]): str(r["text"]) for _, r in _rows(path / "queries.jsonl")}
    if not qrels or not queries:
        raise GoldError(f"{path}: no judged queries; look at {file.name} and queries.jsonl")
    name = path.resolve().name or "collection"  # a folder of the library is called so: never "" or ".."
    return Beir(name, documents, {q: queries[q] for q in qrels if q in queries}, qrels)


def read_queries(path: Path) -> list[tuple[str, str]]:
    """Read `{"_id", "text"}` lines. Raises GoldError naming the line that is wrong."""
    return [(str(row["_id"]), str(row["text"])) for _, row in _rows(path)]


@contextmanager
def open_text(path: Path) -> Iterator[TextIO]:
    """Open a file of questions or judgements, line ends as they are; what cannot be read is a GoldError naming it."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            yield stream
    except OSError as error:
        raise GoldError(f"{path}: cannot be opened ({error.strerror}); check the path") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise GoldError(f"{path}: not a text file in UTF-8 ({error}); save it as UTF-8") from error


def _rows(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    with open_text(path) as stream:
        for number, line in enumerate(stream, 1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
            except ValueError as error:
                raise GoldError(f"{path.name}, line {number}: not JSON ({error})") from error
            if not isinstance(row, dict) or "_id" not in row or "text" not in row:
                raise GoldError(f"{path.name}, line {number}: wants an object with _id and text")
            yield number, row


def _question(path: Path, number: int, row: dict[str, Any]) -> Question:
    try:
        spans = tuple(GoldSpan(s["path"], s["quote"], int(s.get("part", 1))) for s in row.get("spans", ()))
    except (KeyError, TypeError, ValueError) as error:
        raise GoldError(f"{path.name}, line {number}: each span wants path and quote ({error})") from error
    return Question(
        str(row["_id"]), str(row["text"]), str(row.get("slice", "all")), str(row.get("split", "test")), spans
    )


def of_split(questions: Sequence[Question], split: str | None) -> list[Question]:
    """Return the questions of a split, all of them for None."""
    return [q for q in questions if split is None or q.split == split]
