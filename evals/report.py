"""One HTML page of an evaluation, readable with no network: recall curves, slices, every miss with its cause."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Any

from evals.evaluate import Evaluation
from evals.failures import Failure, find_failures
from evals.gold import Question
from retrieval.library import Library

_CUTOFFS = (1, 2, 3, 5, 10, 15, 20)
_COLORS = ("#2b6cb0", "#c05621", "#2f855a")
_WIDTH, _HEIGHT, _LEFT, _RIGHT, _TOP, _BOTTOM = 560, 240, 40, 90, 10, 30
_STYLE = """
:root { color-scheme: light dark }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem }
table { border-collapse: collapse; margin: 1rem 0 }
th, td { padding: .3rem .7rem; border-bottom: 1px solid #8884; text-align: right }
th:first-child, td:first-child { text-align: left }
.ci { opacity: .65; font-size: .85em }
.miss { border-left: 3px solid #c05621; padding-left: 1rem; margin: 1rem 0 }
.bar { fill: #2b6cb0 }
svg text { fill: currentColor; font-size: 12px }
"""


def write_report(
    done: Sequence[Evaluation], verdicts: Sequence[str], library: Library, questions: Sequence[Question], path: Path
) -> None:
    """Write the page. Misses are listed for gold questions, where it is known which passage was wanted."""
    summaries = [evaluation.summary() for evaluation in done]
    failures = find_failures(done[0], library, questions) if questions else []
    title = escape(done[0].dataset)
    head = f"<head><meta charset='utf-8'><title>{title}</title><style>{_STYLE}</style></head>"
    parts = [
        f"<!doctype html><html lang='en'>{head}<body><h1>{title}</h1>",
        f"<p>{summaries[0]['queries']} queries; {escape(library.manifest.encoder)}</p>",
        *(_measures_table(summary) for summary in summaries),
        *(f"<p>{escape(line)}</p>" for line in verdicts),
        "<h2>Recall at k</h2>",
        _curves(done),
    ]
    if len(summaries[0]["by_slice"]) > 1:
        parts += ["<h2>Slices</h2>", _bars(summaries[0])]
    if failures:
        parts += ["<h2>Misses</h2>", *(_failure(failure) for failure in failures)]
    path.write_text("\n".join([*parts, "</body></html>"]), encoding="utf-8")


def _measures_table(summary: dict[str, Any]) -> str:
    head = "".join(f"<th>{escape(name)}</th>" for name in summary["metrics"])
    cells = "".join(
        f"<td>{v['mean']:.3f}<br><span class='ci'>{v['ci95'][0]:.3f} to {v['ci95'][1]:.3f}</span></td>"
        for v in summary["metrics"].values()
    )
    return f"<table><tr><th></th>{head}</tr><tr><td>{escape(summary['mode'])}</td>{cells}</tr></table>"


def _curves(done: Sequence[Evaluation]) -> str:
    """Draw the share of judged units found in the first k, a line for each run."""
    marks = []
    for value in (0.0, 0.25, 0.5, 0.75, 1.0):
        y = _y(value)
        marks.append(f"<line x1='{_LEFT}' x2='{_WIDTH - _RIGHT}' y1='{y}' y2='{y}' stroke='#8884'/>")
        marks.append(f"<text x='4' y='{y + 4}'>{value:.2f}</text>")
    marks += [f"<text x='{_x(k) - 4:.1f}' y='{_HEIGHT - 8}'>{k}</text>" for k in _CUTOFFS]
    for n, evaluation in enumerate(done):
        color = _COLORS[n % len(_COLORS)]
        shares = [_recall(evaluation, k) for k in _CUTOFFS]
        points = " ".join(f"{_x(k):.1f},{_y(share):.1f}" for k, share in zip(_CUTOFFS, shares, strict=True))
        marks.append(f"<polyline fill='none' stroke='{color}' stroke-width='2' points='{points}'/>")
        x, y = _x(_CUTOFFS[-1]) + 6, _y(shares[-1]) + 4 + 14 * n
        marks.append(f"<text x='{x:.1f}' y='{y:.1f}' style='fill:{color}'>{escape(evaluation.mode)}</text>")
    return _svg(_WIDTH, _HEIGHT, "recall at k", marks)


def _x(k: int) -> float:
    return _LEFT + (k - 1) / (_CUTOFFS[-1] - 1) * (_WIDTH - _LEFT - _RIGHT)


def _y(share: float) -> float:
    return _TOP + (1 - share) * (_HEIGHT - _TOP - _BOTTOM)


def _recall(evaluation: Evaluation, k: int) -> float:
    shares = []
    for query in evaluation.queries:
        wanted = {d for d, grade in evaluation.qrels[query.id].items() if grade > 0}
        shares.append(len(wanted & set(query.ranking[:k])) / len(wanted) if wanted else 0.0)
    return sum(shares) / len(shares) if shares else 0.0


def _bars(summary: dict[str, Any]) -> str:
    """Draw one recall bar a slice, its interval as a line across the end."""
    measure = next((m for m in summary["metrics"] if m == "recall@5"), next(iter(summary["metrics"])))
    marks = []
    for n, (name, row) in enumerate(summary["by_slice"].items()):
        y, mean, (low, high) = 8 + 26 * n, row[measure]["mean"], row[measure]["ci95"]
        marks.append(f"<text x='0' y='{y + 13}'>{escape(name)} ({row['queries']})</text>")
        marks.append(f"<rect class='bar' x='170' y='{y}' width='{300 * mean:.1f}' height='16'/>")
        ends = f"x1='{170 + 300 * low:.1f}' x2='{170 + 300 * high:.1f}'"
        marks.append(f"<line {ends} y1='{y + 8}' y2='{y + 8}' stroke='currentColor'/>")
        marks.append(f"<text x='480' y='{y + 13}'>{mean:.3f}</text>")
    return _svg(540, 26 * len(summary["by_slice"]) + 12, f"{measure} by slice", marks)


def _svg(width: int, height: int, label: str, marks: Sequence[str]) -> str:
    shape = f"viewBox='0 0 {width} {height}' width='{width}' role='img' aria-label='{escape(label)}'"
    return f"<svg {shape}>{''.join(marks)}</svg>"


def _failure(failure: Failure) -> str:
    ranks = ", ".join(f"{mode} {rank or 'not in its list'}" for mode, rank in failure.ranks.items())
    lines = [
        f"<b>{escape(failure.question)}</b>",
        f"wanted: {escape(failure.wanted)}",
        f"came instead: {escape(failure.instead)}",
        f"rank: {escape(ranks)}",
        f"likely cause: {escape(failure.cause)}",
    ]
    return f"<div class='miss'>{'<br>'.join(lines)}</div>"
