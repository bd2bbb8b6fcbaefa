"""The questions that a person who logs in asked last, in history.sqlite of a folder of their own."""

from __future__ import annotations

from pathlib import Path

from ui.kept import open_file

FILE_NAME = "history.sqlite"  # a format that no reader takes: what somebody asked never becomes material
MOST = 30
_WHAT = "what you asked"
_SCHEMA = "create table if not exists asked (question text primary key, n integer not null) without rowid"


class History:
    """The last questions of one person."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / FILE_NAME

    def questions(self) -> list[str]:
        """Return the questions, the last one first. Raises StorageError for a damaged file."""
        if not self.path.exists():
            return []
        with open_file(self.path, _SCHEMA, _WHAT) as db:
            return [question for (question,) in db.execute("select question from asked order by n desc")]

    def add(self, question: str) -> None:
        """Put a question first and let go of the oldest past the most that are kept. Raises StorageError."""
        with open_file(self.path, _SCHEMA, _WHAT) as db:
            db.execute("begin immediate")
            (last,) = db.execute("select coalesce(max(n), 0) from asked").fetchone()
            db.execute("insert or replace into asked values (?, ?)", (question, last + 1))
            db.execute(
                "delete from asked where question not in (select question from asked order by n desc limit ?)", (MOST,)
            )
