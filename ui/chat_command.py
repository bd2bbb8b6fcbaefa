"""`prep chat`: question after question. A follow-up is searched as a question that stands alone, and that is shown."""

from __future__ import annotations

import sys

from retrieval import Library
from retrieval.errors import PrepdeskError
from retrieval.followups import standalone
from retrieval.llm import LanguageModel
from ui import console, llm_command
from ui.options import tell


def converse(library: Library, model: LanguageModel | None) -> None:
    """Answer questions from the keyboard, or one a line from a pipe, until an empty line or the end of the input.

    What cannot be answered is told in a line, and the conversation goes on.
    """
    if sys.stdin.isatty():
        console.err.print("[dim]Ask; follow up; an empty line ends.[/]")
    asked: list[str] = []
    while question := _next():
        try:
            searched = standalone(question, asked, model)
            if searched != question:
                console.out.print(console.shown(f"Searched: {searched}", "dim"))
            llm_command.show(library, model, searched)
        except PrepdeskError as error:
            tell(error)
        else:
            asked.append(searched)


def _next() -> str:
    try:
        return input("\n> " if sys.stdin.isatty() else "").strip()
    except EOFError:
        return ""
