"""Questions and rankings as other tools keep them: CSV files, TREC qrels, queries and runs."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

from evals.gold import Beir, GoldSpan, Question, open_text, read_queries
from retrieval.errors import GoldError

_COLUMNS = ("id", "question", "file", "quote", "slice", "split")


def load_csv(path: Path) -> list[Question]:
    """Read questions with the file or the quote (or both) that answers each.

    The first line names the columns: `question`, `file`, `quote` and, if wanted, `id`, `slice`
    and `split`. A file is a source path or the end of one. Rows with one id are alternatives
    of one question; without ids, rows with one text are. A row with neither file nor quote is
    a question that the library does not answer. Raises GoldError naming a wrong line.
    """
    questions: dict[str, Question] = {}
    with open_text(path) as stream:
        reader = csv.DictReader(stream)
        names = {(name or "").strip().lower(): name for name in reader.fieldnames or ()}
        if "question" not in names or not names.keys() & {"file", "quote"}:
            raise GoldError(f"{path.name}, line 1: wants columns question and file or quote, has {', '.join(names)}")
        for row in reader:
            cells = {c: (row.get(names[c]) or "").strip() for c in _COLUMNS if c in names}
            if not cells["question"]:
                raise GoldError(f"{path.name}, line {reader.line_num}: no question")
            file, quote = cells.get("file", ""), cells.get("quote", "")
            spans = (GoldSpan(file.replace("\\", "/"), quote),) if file or quote else ()
            id_ = cells.get("id") or cells["question"]
            before = questions[id_].spans if id_ in questions else ()
            questions[id_] = Question(
                id_, cells["question"], cells.get("slice") or "all", cells.get("split") or "test", (*before, *spans)
            )
    return list(questions.values())


def load_trec(qrels: Path, queries: Path) -> Beir:
    """Read TREC qrels (`query 0 document grade`) whose documents are sources of the library, and their queries.

    Queries are JSONL (`_id`, `text`) or lines of id, tab, text. Raises GoldError naming a wrong line.
    """
    judged: dict[str, dict[str, int]] = {}
    for number, line in _lines(qrels):
        fields = line.split(maxsplit=2)
        tail = fields[2].rsplit(maxsplit=1) if len(fields) == 3 else []
        if len(tail) != 2 or not tail[1].lstrip("-").isdigit():
            raise GoldError(f"{qrels.name}, line {number}: wants query, 0, document and grade, has {line.strip()!r}")
        judged.setdefault(fields[0], {})[tail[0]] = int(tail[1])
    texts = dict(read_queries(queries)) if queries.suffix == ".jsonl" else dict(_tabbed(queries))
    asked = {q: texts[q] for q in judged if q in texts}
    if not asked:
        raise GoldError(f"{qrels.name}: none of its queries stands in {queries.name}")
    return Beir(qrels.stem, {}, asked, judged)


def load_run(path: Path) -> dict[str, list[str]]:
    """Read a TREC run (`query Q0 document rank score tag`): documents by query, best score first, ties by document."""
    rows: dict[str, list[tuple[float, str]]] = {}
    for number, line in _lines(path):
        fields = line.split(maxsplit=2)
        tail = fields[2].rsplit(maxsplit=3) if len(fields) == 3 else []
        try:
            document, _, score, _ = tail
            rows.setdefault(fields[0], []).append((-float(score), document))
        except ValueError as error:
            raise GoldError(
                f"{path.name}, line {number}: wants query, Q0, document, rank, score and tag, has {line.strip()!r}"
            ) from error
    if not rows:
        raise GoldError(f"{path}: the run is empty")
    return {query: list(dict.fromkeys(document for _, document in sorted(ranked))) for query, ranked in rows.items()}


def _tabbed(path: Path) -> Iterator[tuple[str, str]]:
    for number, line in _lines(path):
        id_, tab, text = line.strip().partition("\t")
        if not tab:
            raise GoldError(f"{path.name}, line {number}: wants an id, a tab and the question, has {line.strip()!r}")
        yield id_, text


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    with open_text(path) as stream:
        yield from ((number, line) for number, line in enumerate(stream, 1) if line.strip())
