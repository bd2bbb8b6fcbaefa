"""Search and cited answers over a person's own interview material."""

from retrieval.errors import PrepdeskError
from retrieval.library import Library
from retrieval.search import Filters
from retrieval.types import Answer, Citation, Hit, Locator, Passage, Related, Topic

__all__ = ["Answer", "Citation", "Filters", "Hit", "Library", "Locator", "Passage", "PrepdeskError", "Related", "Topic"]
