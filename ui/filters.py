"""What a search is narrowed to: the filters chosen, and what there is to choose from. No streamlit here."""

from __future__ import annotations

from collections.abc import Sequence

from retrieval import Filters
from retrieval.errors import QueryError
from retrieval.manifest import Manifest
from retrieval.topics import TopicTree
from retrieval.types import PASSAGE_KINDS


def filters_of(kinds: Sequence[str], topics: Sequence[str], sources: Sequence[str]) -> Filters | None:
    """Return the filters chosen, or None where nothing is. Raises QueryError for a kind there is not."""
    if unknown := set(kinds) - set(PASSAGE_KINDS):
        raise QueryError(f"no passage kind {', '.join(sorted(unknown))}; choose from {', '.join(PASSAGE_KINDS)}")
    chosen = tuple(k for k in PASSAGE_KINDS if k in kinds)
    return Filters(chosen, tuple(topics), tuple(sources)) if chosen or topics or sources else None


def filter_topics(tree: TopicTree, manifest: Manifest) -> list[str]:
    """Return the names that a topic filter knows: areas written in the files, categories and tags."""
    areas = {r.area for r in manifest.sources if r.area}
    names = {t.name for t in tree.topics if t.kind in ("category", "tag")}
    return sorted(areas | names, key=str.casefold)


def filter_sources(manifest: Manifest) -> list[str]:
    """Return the folders and sources that can be chosen, folders first."""
    paths = [r.path for r in manifest.sources if r.passages]
    folders = {"/".join(path.split("/")[:n]) + "/" for path in paths for n in range(1, path.count("/") + 1)}
    return sorted(folders) + sorted(paths)
