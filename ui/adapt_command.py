"""What `prep adapt` does: train, measure, say what came of it, keep notes of opened passages where asked."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any

from retrieval import opened
from retrieval.errors import QueryError
from retrieval.library import Library

ADAPTER = "own.safetensors"


def keep_opened(home: Path, on: bool) -> str:
    """Begin or stop to keep which passages are opened, and say so."""
    opened.keep(home, on)
    if on:
        return f"From now on the app notes in {home} which passages you open for which questions; nothing leaves it."
    return f"What was noted of opened passages in {home} is deleted; nothing is noted from now on."


def run(library: Library) -> dict[str, Any]:
    """Train and measure an adapter for a library. Raises QueryError where the libraries for training are missing."""
    if importlib.util.find_spec("peft") is None:
        raise QueryError("training needs the extra packages; run: pip install -c constraints.txt -e '.[train]'")
    from evals.train.adapt import adapt

    target = library.home.encoders / ADAPTER
    done = adapt(library, target, report=lambda line: print(line, file=sys.stderr))
    return {
        "learned": done.learned,
        "opened": done.opened,
        "held": done.held,
        "recall@5": {"before": round(done.before, 4), "after": round(done.after, 4)},
        "p": round(done.comparison.p, 4),
        "verdict": done.comparison.sentence(),
        "adapter": str(done.file) if done.file else None,
    }


def sentences(result: dict[str, Any]) -> list[str]:
    """Say what was learned from, what it changed on questions held out, and what to do now."""
    moved = result["recall@5"]
    lines = [
        f"Learned from {result['learned']} questions of your library and {result['opened']} passages you opened.",
        f"On {result['held']} questions held out, recall@5 went from {moved['before']:.3f} to {moved['after']:.3f}.",
        result["verdict"],
    ]
    if result["adapter"]:
        lines.append(f"Kept. To use it: prep ingest --rebuild --model {result['adapter']}")
    else:
        lines.append("Not kept: your library stays as it is.")
    return lines
