"""Search and cited answers over a person's own interview material."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from retrieval.errors import PrepdeskError
from retrieval.types import Answer, Citation, Hit, Locator, Passage, Related, Topic

if TYPE_CHECKING:
    from retrieval.library import Library
    from retrieval.search import Filters

__all__ = ["Answer", "Citation", "Filters", "Hit", "Library", "Locator", "Passage", "PrepdeskError", "Related", "Topic"]

# Loaded when asked for: with them come numpy and the encoder, which the process that reads files does without.
_LATER = {"Filters": "retrieval.search", "Library": "retrieval.library"}


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_LATER[name]), name)
