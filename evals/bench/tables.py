"""What all parts of the benchmark share: its options, reading rows, Markdown tables."""

from __future__ import annotations

import json
import platform
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from evals.metrics import mean_and_interval
from retrieval.store import Home

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Setting:
    """Where the data is, where indexes are kept between runs, the encoder, and at most how many queries a set gives."""

    data: Path
    home: Home
    model: str
    most: int

    def sample(self, items: Sequence[T]) -> list[T]:
        """Return at most `most` items, evenly spaced."""
        if len(items) <= self.most:
            return list(items)
        return [items[n * len(items) // self.most] for n in range(self.most)]


def rows(path: Path) -> Iterator[dict[str, Any]]:
    with path.open(encoding="utf-8") as file:
        yield from (json.loads(line) for line in file if line.strip())


def cell(values: Sequence[float]) -> str:
    """Return "mean (low to high)"."""
    mean, low, high = mean_and_interval(values)
    return f"{mean:.3f} ({low:.3f} to {high:.3f})"


def table(title: str, head: Sequence[str], body: Iterable[Sequence[str]], note: str = "") -> Iterator[str]:
    """Yield the lines of a section with one table."""
    yield from (f"## {title}", "")
    if note:
        yield from (note, "")
    yield f"| {' | '.join(head)} |"
    yield "|" + "---|" * len(head)
    for row in body:
        yield f"| {' | '.join(row)} |"
    yield ""


def processor() -> str:
    """Return the name of the processor where the system tells it."""
    facts = Path("/proc/cpuinfo")
    lines = facts.read_text(encoding="utf-8").splitlines() if facts.is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()
