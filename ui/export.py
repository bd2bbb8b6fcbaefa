"""An answer as a Markdown document, safe to open anywhere."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from retrieval.types import Answer
from ui import logic, written_words
from ui.safe_markdown import literal


def export_markdown(answer: Answer, text_of: Callable[[str], str]) -> str:
    """Return an answer with its citations, struck sentences apart; `text_of` gives the text of a source."""
    lines = [f"# {logic.label(answer.question)}", ""]
    if not answer.answered:
        nearest = ", ".join(literal(name) for name in answer.nearest_topics)
        lines += ["Your library does not cover this.", "", f"Nearest topics: {nearest}" if nearest else ""]
        return "\n".join(lines).strip() + "\n"
    for paragraph in _paragraphs(answer, text_of):
        lines += [re.sub(r":blue-badge\[(\d+)\]", r"[\1]", paragraph), ""]
    lines += ["## Sources", ""]
    for c in answer.citations:
        quote = literal(c.quote) if logic.is_plain(c.locator.path) else logic.label(c.quote)
        lines += [f"{c.n}. {logic.place(c.locator)} ({literal(c.locator.path)})", f"   > {quote}", ""]
    lines.append(f"Prepdesk, {logic.confidence_words(answer)}.")
    return "\n".join(lines) + "\n"


def file_name(question: str) -> str:
    """Return a file name for the export of an answer."""
    return ("-".join(re.findall(r"[a-z0-9]+", question.casefold()))[:60].strip("-") or "answer") + ".md"


def _paragraphs(answer: Answer, text_of: Callable[[str], str]) -> Iterator[str]:
    if not answer.written or answer.writing is None:
        yield from (paragraph.markdown for paragraph in logic.paragraphs(answer, text_of))
        return
    yield written_words.text(answer)
    if lost := written_words.struck(answer):
        yield f"{written_words.STRUCK}:"
        yield "\n".join(f"- {written_words.struck_text(sentence)}" for sentence in lost)
    near = written_words.has_near(answer.sentences)
    yield written_words.told(answer.writing, near=near, stopped=False) + "."
