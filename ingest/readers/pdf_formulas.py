"""Puts formulas on one line: (a)/(b) for what stands over and under a bar, ∑_(i=1)^n for limits."""

from __future__ import annotations

import re
import statistics
from collections.abc import Sequence
from dataclasses import replace

from ingest.readers.pdf_ink import Rule, Word
from ingest.readers.pdf_rows import SCRIPT, rows_of, script, text_of

MAX_BARS = 500
"""A page with more rules is a drawing; to look for fractions in it would take seconds."""

_OPERATORS = re.compile(r"[∑∏⋃⋂∫]|(arg)?(max|min)|lim|sup|inf")


def fold_formulas(words: Sequence[Word], rules: Sequence[Rule]) -> list[Word]:
    """Put fractions and the limits of operators on one line: (a)/(b), ∑_(i=1)^n."""
    folded = list(words)
    em = statistics.median(word.size for word in words) if words else 0.0
    for operator in words:
        if _OPERATORS.fullmatch(operator.text):
            folded = _fold_limits(folded, operator, min(em, operator.size))
    bars = set(rules)
    if len(bars) <= MAX_BARS:
        for rule in sorted(bars, key=lambda r: (r.x1 - r.x0, -r.y, r.x0)):
            folded = _fold_fraction(folded, rule)
    return folded


def _fold_fraction(words: list[Word], rule: Rule) -> list[Word]:
    across = [w for w in words if w.x1 > rule.x0 and w.x0 < rule.x1 and abs(w.y - rule.y) < 2.6 * w.size]
    em = max((w.size for w in across), default=0.0)
    near = [w for w in words if w.x1 > rule.x0 and w.x0 < rule.x1 and abs(w.y - rule.y) < 2.8 * em]
    if not near or any(w.x0 < rule.x0 - 2 or w.x1 > rule.x1 + 2 for w in near if abs(w.y - rule.y) < 1.2 * w.size):
        return words
    # The bar stands on the axis, 0.25 em over the baseline: its neighbour on that baseline is what
    # tells a fraction from a table rule or an underline.
    beside = [
        w
        for w in words
        if abs(rule.y - w.y - 0.25 * w.size) < 0.1 * w.size
        and (-0.2 < (rule.x0 - w.x1) / w.size < 1.2 or -0.2 < (w.x0 - rule.x1) / w.size < 1.2)
    ]
    inside = [w for w in near if w.x0 >= rule.x0 - 2 and w.x1 <= rule.x1 + 2]
    over = _beside_bar([w for w in inside if w.y > rule.y], rule)
    under = _beside_bar([w for w in inside if w.y < rule.y], rule)
    if not over or not under or not (beside or _fits(words, (over, under), rule)):
        return words
    size = max(w.size for w in (*over, *under))
    line = max(beside, key=lambda w: w.size, default=replace(over[0], y=rule.y - 0.25 * size, size=size))
    text = "/".join(_part(text_of(part)) for part in (over, under))
    used = {id(w) for w in (*over, *under)}
    fraction = Word(text, rule.x0, rule.x1, line.y, line.size)
    return [w for w in words if id(w) not in used] + [fraction]


def _fits(words: Sequence[Word], parts: tuple[list[Word], list[Word]], rule: Rule) -> bool:
    """Return whether a bar without neighbors is as long as the wider of its parts, and both stand there alone."""
    widths = []
    for part in parts:
        x0, x1, y, em = part[0].x0, max(w.x1 for w in part), part[0].y, part[0].size
        used = {id(w) for w in part}
        alone = not any(
            abs(w.y - y) < 0.2 * em and w.x1 > x0 - em and w.x0 < x1 + em for w in words if id(w) not in used
        )
        if not alone or abs(x0 + x1 - rule.x0 - rule.x1) > 4:
            return False
        widths.append(x1 - x0)
    return rule.x1 - rule.x0 - max(widths) < 2.5


def _beside_bar(words: Sequence[Word], rule: Rule) -> list[Word]:
    """Return the row of words next to a fraction bar; a sum in it keeps its distance."""
    rows = sorted(rows_of(words), key=lambda row: abs(row.y - rule.y))
    if not rows:
        return []
    reach = 2.6 if any(word.loose for word in rows[0].words) else 1.6
    return rows[0].words if 0.2 < abs(rows[0].y - rule.y) / rows[0].size < reach else []


def _part(text: str) -> str:
    return text if text.isalnum() else f"({text})"


def _fold_limits(words: list[Word], operator: Word, em: float) -> list[Word]:
    limits = [_limit([w for w in words if w.size < SCRIPT * em], operator, side * em) for side in (-1, 1)]
    under, over = limits[0], [] if operator.text.isalpha() else limits[1]
    if not under:
        return words
    text = operator.text + script("_", text_of(under), "")
    if over:
        text += script("^", text_of(over), "")
    used = {id(w) for w in (*under, *over, operator)}
    return [w for w in words if id(w) not in used] + [replace(operator, text=text)]


def _limit(small: Sequence[Word], operator: Word, em: float) -> list[Word]:
    """Return the small words that stand over (em > 0) or under an operator, if they stand in its middle."""
    level = sorted((w for w in small if 0.6 < (w.y - operator.y) / em < 1.9), key=lambda w: w.x0)
    runs: list[list[Word]] = []
    for word in level:
        if runs and word.x0 - runs[-1][-1].x1 < 0.4 * word.size:
            runs[-1].append(word)
        else:
            runs.append([word])
    for run in runs:
        off = run[0].x0 + run[-1].x1 - operator.x0 - operator.x1
        # Under arg max, a limit stands in the middle of both words.
        if abs(off) < 1.2 * abs(em) or (operator.text in ("max", "min") and -4 * abs(em) < off < 0):
            return run
    return []
