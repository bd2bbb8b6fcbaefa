"""Which passages a person opened for which questions: kept in the library home, and only where they asked for it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from retrieval.store import storage_errors

_FILE = "opened.jsonl"


def is_kept(home: Path) -> bool:
    return (home / _FILE).is_file()


def keep(home: Path, on: bool) -> None:
    """Begin to keep what is opened, or stop and forget all of it. Raises StorageError where the disk refuses."""
    with storage_errors(home):
        if on:
            home.mkdir(parents=True, exist_ok=True)
            (home / _FILE).touch()
        else:
            (home / _FILE).unlink(missing_ok=True)


def add_opened(home: Path, question: str, passage_id: str) -> None:
    """Note that a passage was opened for a question; nothing where it is not kept. Raises as `keep` does."""
    if is_kept(home):
        line = json.dumps({"question": question, "passage": passage_id})
        with storage_errors(home), (home / _FILE).open("a", encoding="utf-8") as file:
            file.write(line + "\n")


def read_opened(home: Path) -> Iterator[tuple[str, str]]:
    """Yield (question, passage id), each once; a line that a crash cut short is passed over."""
    if not is_kept(home):
        return
    for line in dict.fromkeys((home / _FILE).read_text(encoding="utf-8").splitlines()):
        try:
            row = json.loads(line)
            yield str(row["question"]), str(row["passage"])
        except (ValueError, KeyError, TypeError):
            continue
