"""Gold questions on the small library, and a run of them."""

from __future__ import annotations

import json
from pathlib import Path

from ui import evaluation_worker

QUESTIONS = (
    ("lasso", "which penalty gives sparse weights", "The lasso penalty sets weak weights to exactly zero"),
    ("ridge", "penalty for correlated features", "Ridge regression shrinks all weights"),
    ("bakery", "how long does sourdough rest", "Its objective is"),
)


def write_gold(path: Path) -> Path:
    """Write three questions on the small library, where nothing leads from the last to its place, and one on none."""
    rows = [
        {"_id": i, "text": t, "slice": i, "spans": [{"path": "guides/regularization.md", "quote": q}]}
        for i, t, q in QUESTIONS
    ]
    rows.append({"_id": "visa", "text": "Which visa do I need for a layover in Doha?", "slice": "far"})
    path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    return path


def evaluate(home: Path, gold: Path, *modes: str) -> int:
    return evaluation_worker.main([*(f"--mode={mode}" for mode in modes), f"--gold={gold}", "--", str(home)])
