"""Cells and slides in runs long enough to stand in one passage, so that a citation can say where they are."""

from __future__ import annotations

from collections.abc import Sequence

_ENOUGH = 500  # characters; about twice the tokens under which the chunker joins a section with the next


def runs(sizes: Sequence[int], opens: Sequence[bool]) -> list[tuple[int, int]]:
    """Return for each item the first and last of its run; one that opens a section starts a run."""
    found: list[tuple[int, int]] = []
    start = size = 0
    for n, length in enumerate(sizes):
        size += length
        end = n + 1 == len(sizes) or opens[n + 1]
        if end or (size >= _ENOUGH and not _short_rest(sizes, opens, n + 1)):
            found.extend([(start, n)] * (n + 1 - start))
            start, size = n + 1, 0
    return found


def _short_rest(sizes: Sequence[int], opens: Sequence[bool], start: int) -> bool:
    """Tell whether too little is left of the section to stand as a run of its own."""
    size = 0
    for n in range(start, len(sizes)):
        if size >= _ENOUGH or (n > start and opens[n]):
            break
        size += sizes[n]
    return size < _ENOUGH


def run_name(word: str, first: int, last: int) -> str:
    """Return "Cell 3" or "Cells 3-5"."""
    return f"{word} {first}" if first == last else f"{word}s {first}-{last}"
