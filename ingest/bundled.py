"""Where the bundled corpus stands."""

from __future__ import annotations

from pathlib import Path


def bundled_corpus() -> Path:
    """Return the folder of the corpus that comes with the project."""
    return Path(__file__).resolve().parents[1] / "corpus"
