"""What `--llm` and `prep llm` do: find the model that the environment names, let it write, show what it wrote."""

from __future__ import annotations

import os
import sys
import time
from typing import Any

from retrieval import Filters, Library
from retrieval.errors import ModelError, QueryError
from retrieval.llm import Backend, LanguageModel
from retrieval.types import Answer
from retrieval.written import Draft, Writer
from ui import console

KEYRING = "prepdesk"  # the service under which the keyring may hold the key of an address
_HOW = "set PREP_LLM_URL, for Ollama to http://127.0.0.1:11434/v1"
_PROBE = "Reply with the one word: ready"


def configured(wanted: bool | None = None) -> LanguageModel | None:
    """Return the model that the environment names; None where none is named or wanted is false.

    Raises QueryError where one is wanted and none is named, or where a number is none.
    """
    url = os.environ.get("PREP_LLM_URL", "").strip()
    if wanted is False or (not url and not wanted):
        return None
    if not url:
        raise QueryError(f"no language model is named; {_HOW}")
    backend = Backend(url.rstrip("/"), os.environ.get("PREP_LLM_MODEL", "").strip(), _key(url.rstrip("/")))
    window, timeout = _number("PREP_LLM_WINDOW", backend.window), _number("PREP_LLM_TIMEOUT", backend.timeout)
    return LanguageModel(
        Backend(backend.url, backend.model, backend.key, int(window), timeout, min(backend.stall, timeout))
    )


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
        console.print_answer(found)
        return found
    draft = Writer(library, model).write(question, filters=filters)
    console.out.print()
    return show_draft(draft)


def show_draft(draft: Draft) -> Answer:
    """Print a draft as it is written, and return its answer."""
    for sentence in draft:
        console.print_written(sentence)
    written = draft.answer
    _tell_fallback(written)
    if written.writing and not written.writing.fallback:
        console.print_sources(written)
    else:
        console.print_answer(written)
    return written


def examine() -> dict[str, Any]:
    """Return what answers at the address: its models, the one that writes, and how fast it replied to a word.

    Raises ModelError where nothing does.
    """
    model = configured(wanted=True)
    if model is None:
        raise QueryError(f"no language model is named; {_HOW}")
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
        console.out.print(f"{'*' if name == found['model'] else ' '} {name}", markup=False)
    console.out.print(
        f"{found['model']} at {found['url']} answered in {found['seconds']} s; "
        f"passages are cut to its window of {found['window']} tokens",
        markup=False,
    )


def _tell_fallback(written: Answer) -> None:
    if written.writing and written.writing.fallback:
        print(f"prep: {written.writing.fallback}; this answer is quoted, not written", file=sys.stderr)


def _key(url: str) -> str:
    """Return the key for an address: PREP_LLM_KEY, OpenAI's own only for OpenAI, else the keyring's where it is set up.

    No key at all is right for a local server.
    """
    if key := os.environ.get("PREP_LLM_KEY", "").strip():
        return key
    if Backend(url).host == "api.openai.com" and (key := os.environ.get("OPENAI_API_KEY", "").strip()):
        return key
    try:
        import keyring
    except ImportError:
        return ""
    try:
        return keyring.get_password(KEYRING, url) or ""
    except Exception:  # no keyring service runs here, or it is locked: the same as no entry
        return ""


def _number(name: str, default: float) -> float:
    raw = os.environ.get(name, "").strip()
    try:
        value = float(raw) if raw else float(default)
    except ValueError:
        value = -1.0
    if not 0 <= value < 1e9:
        raise QueryError(f"{name} is {raw!r}; give a number")
    return value
