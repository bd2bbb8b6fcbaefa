"""Question banks in YAML. The extracted text is each question with its answer and notes, as decoded.

A bank is a list of entries, at the top or under one key, or lists under several, which are
their categories then; fields are recognised by name. Line ranges are those of the entry in the YAML file.
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
ANSWER = ("answer", "a", "reference_answer", "reference", "solution", "response", "correct_answer", "correct", "back")
OPTIONS = ("options", "choices")
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
        question, answer = _field(names, QUESTION), _answer(names)
        if not question or not answer:
            unanswered += 1
            continue
        body = f"{question}\n\n{answer}"
        notes = "\n\n".join(_notes(names))
        laid = f"{body}\n\n{notes}" if notes else body
        start = position + len(question) + 2
        found.append(
            QuestionEntry(
                one_line(question) or " ".join(question.split()),  # an emoji or a picture alone is asked as it stands
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
        members = {key.value: below for key, below in node.value}  # of a key that is given twice the last one counts
        found: list[tuple[Mapping[str, Any], Any]] = []
        keys = lists_of({key: value.get(key) for key in members})
        for key in keys:
            entries, nodes = _entry_list(value[key], members[key])
            found += zip(in_category(entries, key) if len(keys) > 1 else entries, nodes, strict=True)
        return [entry for entry, _ in found], [below for _, below in found]
    if not isinstance(value, list):
        return [], []
    pairs = [(v, n) for v, n in zip(value, node.value, strict=True) if isinstance(v, Mapping)]
    return [v for v, _ in pairs], [n for _, n in pairs]


def lists_of(members: Mapping[str, Any]) -> list[str]:
    """Return the keys of an object under which a bank's entries are: one that names them, else all lists of objects."""
    lists = [key for key, value in members.items() if isinstance(value, list)]
    named = next(([key] for key in LISTS if key in lists), [])
    return named or [key for key in lists if any(isinstance(v, Mapping) for v in members[key])]


def in_category(entries: Iterable[Mapping[str, Any]], name: str) -> list[Mapping[str, Any]]:
    """Return the entries of a list with its name for their category, where they have none of their own."""
    return [entry if "category" in entry else {**entry, "category": name} for entry in entries]


def _answer(names: Mapping[str, Any]) -> str:
    """Return the answer of an entry, of several points a list; of a choice that is named by its letter, its words."""
    wanted = _answers(names)
    points = next((names[n] for n in wanted if names.get(n)), None)
    if isinstance(points, list) and not any(isinstance(p, Mapping | list) for p in points):
        return "\n".join(f"- {text}" for text in _texts(points))
    answer = _field(names, wanted)
    letter = answer.strip("().").lower()
    if len(letter) != 1 or not "a" <= letter <= "z":
        return answer
    listed: list[Any] = next((names[n] for n in OPTIONS if isinstance(names.get(n), list)), [])
    at = ord(letter) - ord("a")
    return _field(names, [letter]) or (str(listed[at]).strip() if at < len(listed) else answer)


def _answers(names: Mapping[str, Any]) -> list[str]:
    """Return what the answer may be called in an entry; "a" beside a "b" is the first of its choices."""
    return [name for name in ANSWER if not (name == "a" and "b" in names)]


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
    used = {next((n for n in group if names.get(n)), "") for group in (QUESTION, _answers(names))}
    for name, value in names.items():
        if name in used or name in _LEFT_OUT or name in TOPICS:
            continue
        label = name.replace("_", " ").capitalize()
        if isinstance(value, Mapping):
            yield "\n".join(f"{k}: {one_line(str(v))}" for k, v in value.items())
        elif isinstance(value, list):
            yield f"{label}:\n" + "\n".join(f"- {_said(v)}" for v in value)
        elif isinstance(value, str) and value.strip():
            yield f"{label}: {value.strip()}"


def _said(value: Any) -> str:
    if isinstance(value, Mapping):
        return "; ".join(f"{k}: {one_line(str(v))}" for k, v in value.items())
    return one_line(str(value))


def _phrasings(value: Any) -> tuple[str, ...]:
    return phrasings("\n".join(map(str, value)) if isinstance(value, list) else str(value or ""))


def _topics(names: Mapping[str, Any]) -> Iterator[str]:
    for name in TOPICS:
        value = names.get(name)
        yield from _texts(value.split(",") if name in TAGS and isinstance(value, str) else value)


def _texts(value: Any) -> list[str]:
    values = [value] if isinstance(value, str) else value if isinstance(value, list) else []
    return [text for v in values if v is not None and (text := str(v).strip())]
