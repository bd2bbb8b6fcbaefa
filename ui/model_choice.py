"""Which language model writes: the one that the environment names, with its key from there or from the keyring."""

from __future__ import annotations

import os
from dataclasses import replace

from retrieval.errors import QueryError
from retrieval.llm import Backend, LanguageModel

KEYRING = "prepdesk"  # the service under which the keyring may hold the key of an address
_HOW = "set PREP_LLM_URL, for Ollama to http://127.0.0.1:11434/v1"


def configured(wanted: bool | None = None) -> LanguageModel | None:
    """Return the model that the environment names; None where it names none and none is wanted, or wanted is false.

    Raises what `named` raises.
    """
    return named() if wanted or (wanted is None and _url()) else None


def named() -> LanguageModel:
    """Return the model that the environment names.

    Raises QueryError where it names none or a number is none, ModelError where the address is none.
    """
    url = _url()
    if not url:
        raise QueryError(f"no language model is named; {_HOW}")
    plain = Backend(url, os.environ.get("PREP_LLM_MODEL", "").strip(), _key(url))
    window, timeout = _number("PREP_LLM_WINDOW", plain.window), _number("PREP_LLM_TIMEOUT", plain.timeout)
    return LanguageModel(replace(plain, window=int(window), timeout=timeout, stall=min(plain.stall, timeout)))


def _url() -> str:
    return os.environ.get("PREP_LLM_URL", "").strip().rstrip("/")


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
