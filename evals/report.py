"""One HTML page of an evaluation, readable with no network: recall curves, slices, every miss with its cause."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Any

from evals.baseline import writing
from evals.evaluate import Evaluation
from evals.failures import Failure, find_failures, misses
from evals.gold import Question
from evals.metrics import chief_recall
from retrieval.library import Library

_MOST = 200  # misses explained on a page; each costs three searches
CUTOFFS = (1, 2, 3, 5, 10, 15, 20)
_COLORS = ("#3b82c4", "#c05621", "#2f855a", "#8b5cf6")
_WIDTH, _HEIGHT, _LEFT, _RIGHT, _TOP, _BOTTOM = 560, 240, 40, 90, 10, 30
_STYLE = """
:root { color-scheme: light dark }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem }
table { border-collapse: collapse; margin: 1rem 0 }
th, td { padding: .3rem .7rem; border-bottom: 1px solid #8884; text-align: right }
th:first-child, td:first-child { text-align: left }
.ci { opacity: .65; font-size: .85em }
td { white-space: nowrap }
.miss { border-left: 3px solid #c05621; padding-left: 1rem; margin: 1.5rem 0 }
.miss p { margin: .2rem 0 }
q { display: block; opacity: .75; font-size: .9em; overflow-wrap: anywhere }
.bar { fill: #3b82c4 }
svg text { fill: currentColor; font-size: 12px }
"""


def write_report(
    done: Sequence[Evaluation], verdicts: Sequence[str], library: Library, questions: Sequence[Question], path: Path
) -> None:
    """Write the page: all runs side by side, and the misses of the first one.

    Raises StorageError where it cannot be written.
    """
    summaries = [evaluation.summary() for evaluation in done]
    first, title = summaries[0], escape(done[0].dataset)
    head = f"<head><meta charset='utf-8'><title>{title}</title><style>{_STYLE}</style></head>"
    parts = [
        f"<!doctype html><html lang='en'>{head}<body><h1>{title}</h1>",
        f"<p>{first['queries']} queries; {escape(library.manifest.encoder)}; means with 95 % bootstrap intervals</p>",
        _measures_table(summaries),
        *(f"<p>{escape(line)}</p>" for line in verdicts),
        "<h2>Recall at k</h2>",
        _curves(done),
    ]
    if len(first["by_slice"]) > 1:
        measure = chief_recall(list(first["metrics"]))
        parts += [f"<h2>{escape(measure)} by slice, {escape(first['mode'])}</h2>", _bars(first, measure)]
    parts += [*_answers(first), *_misses(done[0], library, questions)]
    with writing(path):
        path.write_text("\n".join([*parts, "</body></html>"]), encoding="utf-8")


def _measures_table(summaries: Sequence[dict[str, Any]]) -> str:
    rows = [
        [name, *(f"{v['mean']:.3f} {_ci(v)}" for v in (summary["metrics"][name] for summary in summaries))]
        for name in summaries[0]["metrics"]
    ]
    for name in summaries[0]["latency_ms"]:
        rows.append([f"{name}, ms", *(f"{s['latency_ms'][name]:.0f}" if s["latency_ms"] else "" for s in summaries)])
    return _table(["", *(escape(s["mode"]) for s in summaries)], rows)


def _answers(summary: dict[str, Any]) -> list[str]:
    """Say what answers and abstentions are worth, where they were measured."""
    parts = []
    if "answers" in summary:
        a = summary["answers"]
        rows = [[n.replace("_", " "), f"{a[n]['mean']:.3f} {_ci(a[n])}"] for n in ("containment", "citation_precision")]
        parts += ["<h2>Answers</h2>", _table([f"{a['answered']} of {a['questions']} answered", ""], rows)]
    if "declining" in summary:
        d = summary["declining"]
        rows = [[f"{r['confidence']:.2f}", f"{r['answerable']:.2f}", str(r["questions"])] for r in d["reliability"]]
        found = (
            f"AUROC {d['auroc']:.3f}; precision {d['precision']:.1%}, recall {d['recall']:.1%} of {d['unanswerable']} "
            f"unanswerable questions; {d['answered']:.1%} of {d['answerable']} answerable ones answered"
        )
        table = _table(["mean confidence", "share answerable", "questions"], rows)
        parts += ["<h2>Declining</h2>", f"<p>{found}</p>", table]
    return parts


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    cells = "".join(f"<th>{cell}</th>" for cell in head)
    body = "".join(f"<tr>{''.join(f'<td>{cell}</td>' for cell in row)}</tr>" for row in rows)
    return f"<table><tr>{cells}</tr>{body}</table>"


def _ci(value: dict[str, Any]) -> str:
    return f"<span class='ci'>{value['ci95'][0]:.3f} to {value['ci95'][1]:.3f}</span>"


def _curves(done: Sequence[Evaluation]) -> str:
    """Draw the share of judged units found in the first k, a line for each run."""
    marks = []
    for value in (0.0, 0.25, 0.5, 0.75, 1.0):
        y = _y(value)
        marks.append(f"<line x1='{_LEFT}' x2='{_WIDTH - _RIGHT}' y1='{y}' y2='{y}' stroke='#8884'/>")
        marks.append(f"<text x='4' y='{y + 4}'>{value:.2f}</text>")
    marks += [f"<text x='{_x(k) - 4:.1f}' y='{_HEIGHT - 8}'>{k}</text>" for k in CUTOFFS]
    lines = [(evaluation, [recall_at(evaluation, k) for k in CUTOFFS]) for evaluation in done]
    free = 0.0
    for n, (evaluation, shares) in enumerate(sorted(lines, key=lambda line: -line[1][-1])):
        color = _COLORS[n % len(_COLORS)]
        points = " ".join(f"{_x(k):.1f},{_y(share):.1f}" for k, share in zip(CUTOFFS, shares, strict=True))
        marks.append(f"<polyline fill='none' stroke='{color}' stroke-width='2' points='{points}'/>")
        x, y = _x(CUTOFFS[-1]) + 6, max(free, _y(shares[-1]) + 4)
        marks.append(f"<text x='{x:.1f}' y='{y:.1f}' style='fill:{color}'>{escape(evaluation.mode)}</text>")
        free = y + 14
    return _svg(_WIDTH, _HEIGHT, "recall at k", marks)


def _x(k: int) -> float:
    return _LEFT + (k - 1) / (CUTOFFS[-1] - 1) * (_WIDTH - _LEFT - _RIGHT)


def _y(share: float) -> float:
    return _TOP + (1 - share) * (_HEIGHT - _TOP - _BOTTOM)


def recall_at(evaluation: Evaluation, k: int) -> float:
    """Return the share of judged units found in the first `k` hits, averaged over queries."""
    shares = []
    for query in evaluation.queries:
        wanted = {d for d, grade in evaluation.qrels[query.id].items() if grade > 0}
        shares.append(len(wanted & set(query.ranking[:k])) / len(wanted) if wanted else 0.0)
    return sum(shares) / len(shares) if shares else 0.0


def _bars(summary: dict[str, Any], measure: str) -> str:
    """Draw one bar a slice, its interval as a line across the end."""
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


def _misses(evaluation: Evaluation, library: Library, questions: Sequence[Question]) -> list[str]:
    count = len(misses(evaluation))
    if not count:
        return []
    found = find_failures(evaluation, library, questions, _MOST)
    causes = ", ".join(f"{n} {cause}" for cause, n in Counter(f.cause for f in found).most_common())
    shown = f"the first {_MOST} of {count}" if count > _MOST else str(count)
    head = f"<h2>Misses of {escape(evaluation.mode)}</h2><p>Not in the first five: {shown} ({escape(causes)}).</p>"
    return [head, *(_failure(failure) for failure in found)]


def _failure(failure: Failure) -> str:
    ranks = ", ".join(f"{mode} {rank or 'not in its first 100'}" for mode, rank in failure.ranks.items())
    lines = [
        f"<b>{escape(failure.question)}</b>",
        f"wanted: {escape(failure.wanted)}<q>{escape(failure.wanted_text)}</q>",
        f"came instead: {escape(failure.instead)}<q>{escape(failure.instead_text)}</q>",
        f"rank of what was wanted: {escape(ranks)}",
        f"likely cause: {escape(failure.cause)}, {escape(failure.detail)}",
    ]
    return f"<div class='miss'>{''.join(f'<p>{line}</p>' for line in lines)}</div>"
