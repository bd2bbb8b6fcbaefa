"""Question banks in YAML. The extracted text is each question with its answer and notes, as decoded.

A bank is a list of entries, at the top or under one key, whose fields are recognised by
name. Line ranges are those of the entry in the YAML file.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from ingest.decode import read_text
from ingest.documents import Columns, Document, QuestionEntry
from ingest.entries import phrasings
from ingest.readers.lines import rows_of, with_file_lines
from retrieval.errors import ReadError
from retrieval.text import one_line

QUESTION = ("question", "q", "prompt", "title", "front")
ANSWER = ("answer", "a", "reference_answer", "reference", "solution", "response", "back")
TAGS = ("tags", "topics", "keywords")
TOPICS = ("category", "topic", "section", "subject", "deck", *TAGS)
DIFFICULTY = ("difficulty", "level")
PHRASINGS = "phrasings"
LISTS = ("questions", "entries", "items", "bank", "cards", "data")
_LEFT_OUT = {"id", "guide", *DIFFICULTY, PHRASINGS, "source", "url", "link", "related"}
_RESOLVED = ("tag:yaml.org,2002:null", "tag:yaml.org,2002:merge")


class _AsWritten(yaml.CSafeLoader):
    """Loads a scalar as the words that stand there: to YAML 12:30 is 750, 010 is 8 and yes is true."""

    yaml_implicit_resolvers = {  # noqa: RUF012 (so declared by the base class)
        first: [(tag, pattern) for tag, pattern in known if tag in _RESOLVED]
        for first, known in yaml.CSafeLoader.yaml_implicit_resolvers.items()
    }


def read_yaml_bank(path: Path, columns: Columns = ()) -> Document:
    """Read a YAML bank. Raises ReadError, saying what was looked for, where it is not one."""
    text = read_text(path)
    try:
        node = yaml.compose(text, Loader=_AsWritten)
        value = yaml.load(text, Loader=_AsWritten)  # noqa: S506 (a safe loader that resolves less)
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise ReadError(
            f"{path.name}: not valid YAML ({' '.join(str(error).split())[:160]}); mend it and ingest again"
        ) from error
    entries, nodes = _entry_list(value, node)
    title = value.get("title") if isinstance(value, Mapping) else None
    document = bank_document(path, renamed(entries, columns), list(map(_lines, nodes)), str(title) if title else None)
    return with_file_lines(document, rows_of(text))


def _lines(node: Any) -> tuple[int, int]:
    """Return the first and last line of an entry: one in braces ends where they do, another before the next begins."""
    first = node.start_mark.line + 1
    return first, max(first, node.end_mark.line + bool(node.flow_style))


def renamed(entries: Iterable[Mapping[str, Any]], columns: Columns) -> list[Mapping[str, Any]]:
    """Return entries with the fields that were named by hand under the names that are known here."""
    if not columns:
        return list(entries)
    meanings = {name.strip().lower(): meaning for meaning, name in columns}
    found: list[Mapping[str, Any]] = []
    for entry in entries:
        given = {meanings[key]: value for k, value in entry.items() if (key := str(k).strip().lower()) in meanings}
        rest = {k: v for k, v in entry.items() if str(k).strip().lower() not in (*meanings, *given)}
        found.append({**given, **rest})
    return found


def bank_document(
    path: Path, entries: Sequence[Mapping[str, Any]], lines: Sequence[tuple[int, int]], title: str | None = None
) -> Document:
    """Lay entries out as one text. Raises ReadError where no entry has a question and an answer."""
    parts: list[str] = []
    found: list[QuestionEntry] = []
    position = unanswered = 0
    for fields, where in zip(entries, lines, strict=True):
        names = {str(k).strip().lower(): v for k, v in fields.items()}
        question, answer = _field(names, QUESTION), _field(names, ANSWER)
        if not question or not answer:
            unanswered += 1
            continue
        body = f"{question}\n\n{answer}"
        notes = "\n\n".join(_notes(names))
        laid = f"{body}\n\n{notes}" if notes else body
        start = position + len(question) + 2
        found.append(
            QuestionEntry(
                one_line(question),
                (position, position + len(laid)),
                (start, start + len(answer)),
                heading=tuple(_texts(names.get("category")))[:1],
                topics=tuple(dict.fromkeys(_topics(names))),
                lines=where,
                difficulty=one_line(_field(names, DIFFICULTY)).casefold(),
                phrasings=_phrasings(names.get(PHRASINGS)),
            )
        )
        parts.append(laid)
        position += len(laid) + 2
    if not found:
        raise ReadError(
            f"{path.name}: not a question bank; looked for a list of entries with a question "
            f"({', '.join(QUESTION[:3])}) and an answer ({', '.join(ANSWER[:3])}); "
            "name others with: --columns question=NAME,answer=NAME"
        )
    warnings = (f"{unanswered} entries without a question or an answer",) if unanswered else ()
    name = title or path.stem.replace("-", " ").replace("_", " ")
    return Document("\n\n".join(parts), name, "bank", entries=tuple(found), warnings=warnings)


def _entry_list(value: Any, node: Any) -> tuple[list[Mapping[str, Any]], list[Any]]:
    """Return the entries of a bank and their YAML nodes; both empty where there is no list of mappings."""
    if isinstance(value, Mapping):
        keys = [k.value for k, _ in node.value]
        key = next((k for k in (*LISTS, *keys) if isinstance(value.get(k), list)), None)
        if key is None or key not in keys:
            return [], []
        last = len(keys) - 1 - keys[::-1].index(key)  # of a key that is given twice the last one counts
        return _entry_list(value[key], node.value[last][1])
    if not isinstance(value, list):
        return [], []
    pairs = [(v, n) for v, n in zip(value, node.value, strict=True) if isinstance(v, Mapping)]
    return [v for v, _ in pairs], [n for _, n in pairs]


def _field(names: Mapping[str, Any], wanted: Sequence[str]) -> str:
    return next(
        (
            str(names[n]).strip()
            for n in wanted
            if isinstance(names.get(n), str | int | float) and str(names[n]).strip()
        ),
        "",
    )


def _notes(names: Mapping[str, Any]) -> Iterator[str]:
    """Yield the further fields of an entry (levels, signals, follow-ups ...) as text a person can read."""
    used = {next((n for n in group if names.get(n)), "") for group in (QUESTION, ANSWER)}
    for name, value in names.items():
        if name in used or name in _LEFT_OUT or name in TOPICS:
            continue
        label = name.replace("_", " ").capitalize()
        if isinstance(value, Mapping):
            yield "\n".join(f"{k}: {one_line(str(v))}" for k, v in value.items())
        elif isinstance(value, list):
            yield f"{label}:\n" + "\n".join(f"- {one_line(str(v))}" for v in value)
        elif isinstance(value, str) and value.strip():
            yield f"{label}: {value.strip()}"


def _phrasings(value: Any) -> tuple[str, ...]:
    return phrasings("\n".join(map(str, value)) if isinstance(value, list) else str(value or ""))


def _topics(names: Mapping[str, Any]) -> Iterator[str]:
    for name in TOPICS:
        value = names.get(name)
        yield from _texts(value.split(",") if name in TAGS and isinstance(value, str) else value)


def _texts(value: Any) -> list[str]:
    values = [value] if isinstance(value, str) else value if isinstance(value, list) else []
    return [text for v in values if v is not None and (text := str(v).strip())]
