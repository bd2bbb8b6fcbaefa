"""What `--llm` and `prep llm` do: let the model write, show what it wrote, try what answers at its address."""

from __future__ import annotations

import sys
import time
from typing import Any

from ingest.decode import message
from retrieval import Filters, Library
from retrieval.errors import ModelError
from retrieval.llm import LanguageModel
from retrieval.types import Answer
from retrieval.written import Draft, Writer
from ui import console, model_choice

_PROBE = "Reply with the one word: ready"


def answer(library: Library, model: LanguageModel | None, question: str, filters: Filters | None = None) -> Answer:
    """Return the answer to a question, written where there is a model; a fallback is told on stderr."""
    if model is None:
        return library.ask(question, filters=filters)
    written = Writer(library, model).write(question, filters=filters).finish()
    _tell_fallback(written)
    return written


def show(library: Library, model: LanguageModel | None, question: str, filters: Filters | None = None) -> Answer:
    """Print the answer to a question, sentence by sentence as a model writes it, and return it."""
    if model is None:
        found = library.ask(question, filters=filters)
        console.print_answer(found, library.text)
        return found
    draft = Writer(library, model).write(question, filters=filters)
    console.out.print()
    return show_draft(draft, library)


def show_draft(draft: Draft, library: Library) -> Answer:
    """Print a draft as it is written, and return its answer; it is one of the library."""
    for sentence in draft:
        console.print_written(sentence)
    written = draft.answer
    _tell_fallback(written)
    if written.written:
        console.print_sources(written)
    else:
        console.print_answer(written, library.text)
    return written


def examine() -> dict[str, Any]:
    """Return what answers at the address: its models, the one that writes, and how fast it replied to a word.

    Raises ModelError where nothing does.
    """
    model = model_choice.named()
    served = model.served()
    chosen = model.chosen()
    if served and chosen.name not in [s.name for s in served]:
        raise ModelError(
            f"{model.backend.url} has no model {chosen.name!r}; it has {', '.join(s.name for s in served[:10])}"
        )
    started = time.monotonic()
    text = "".join(model.write([{"role": "user", "content": _PROBE}], 20))
    return {
        "url": model.backend.url,
        "models": [s.name for s in served],
        "model": chosen.name,
        "window": chosen.window,
        "reply": " ".join(text.split())[:80],
        "seconds": round(time.monotonic() - started, 2),
    }


def print_examined(found: dict[str, Any]) -> None:
    for name in found["models"]:
        console.out.print(console.shown(f"{'*' if name == found['model'] else ' '} {name}"))
    console.out.print(
        console.shown(
            f"{found['model']} at {found['url']} answered in {found['seconds']} s; "
            f"passages are cut to its window of {found['window']} tokens"
        )
    )


def _tell_fallback(written: Answer) -> None:
    if written.writing and written.writing.fallback:
        print(f"prep: {message(written.writing.fallback)}; this answer is quoted, not written", file=sys.stderr)
