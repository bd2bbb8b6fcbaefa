"""How an answer that a model wrote is put: what stands, what is struck, where it comes from. No streamlit here."""

from __future__ import annotations

from collections.abc import Sequence

from retrieval.types import Answer, Citation, Sentence, Writing
from ui import logic
from ui.safe_markdown import inline, literal

NEAR = "≈"  # behind a sentence that its source is only near
LEGEND = f"{NEAR} only near what it cites"
STRUCK = "Struck, because your passages do not say this"


def standing(answer: Answer) -> tuple[Sentence, ...]:
    """Return the sentences that are supported or nearly so."""
    return tuple(s for s in answer.sentences if s.mark != "unsupported")


def struck(answer: Answer) -> tuple[Sentence, ...]:
    """Return the sentences that nothing supports."""
    return tuple(s for s in answer.sentences if s.mark == "unsupported")


def text(answer: Answer) -> str:
    """Return what stands as one paragraph of safe Markdown with its numbers."""
    return " ".join(_with_marks(s) for s in standing(answer))


def struck_text(sentence: Sentence) -> str:
    """Return a struck sentence with the reason, as safe Markdown."""
    return f"~~{inline(sentence.text)}~~{_numbers(sentence)} ({literal(sentence.why)})"


def citations_by_section(answer: Answer, *, of_struck: bool = False) -> list[tuple[str, tuple[Citation, ...]]]:
    """Return the citations of what stands, or those of struck sentences alone, one section together, in order."""
    used = {n for s in standing(answer) for n in s.citations}
    groups: dict[str, list[Citation]] = {}
    for citation in answer.citations:
        if (citation.n in used) is not of_struck:
            groups.setdefault(logic.section(citation.locator), []).append(citation)
    return [(section, tuple(group)) for section, group in groups.items()]


def told(writing: Writing, *, near: bool, stopped: bool) -> str:
    """Return in a line who wrote an answer, in safe Markdown."""
    parts = [
        f"Written by {literal(writing.model)} from your passages in {writing.seconds:.1f} s, every sentence checked",
        LEGEND if near else "",
        "stopped before its end" if stopped else "",
    ]
    return " · ".join(filter(None, parts))


def has_near(sentences: Sequence[Sentence]) -> bool:
    return any(s.mark == "weak" for s in sentences)


def _with_marks(sentence: Sentence) -> str:
    return inline(sentence.text) + (f" {NEAR}" if sentence.mark == "weak" else "") + _numbers(sentence)


def _numbers(sentence: Sentence) -> str:
    return "".join(f" :blue-badge[{n}]" for n in sentence.citations)
