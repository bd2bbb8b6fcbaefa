"""What a gold question must be. `python -m tests.evals.gold_checks FILE...` prints breaches and word overlap."""

from __future__ import annotations

import json
import re
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ingest.bundled import bundled_corpus
from ingest.readers import READERS
from retrieval.lexical import words
from tests.corpus.checks import COMMENT

SLICES = {"paraphrase", "keywords", "misspelled", "chatty", "situation", "comparison", "how-to", "two-part"}
UNANSWERABLE_SLICES = {"near", "far", "nonsense", "injection"}
LOW_OVERLAP = 0.2


def rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]


def extracted(path: str, cache: dict[str, str]) -> str:
    """Return the extracted text of a file of the bundled corpus, as its reader gives it."""
    if path not in cache:
        file = bundled_corpus() / path
        cache[path] = READERS[file.suffix](file).text
    return cache[path]


def section(text: str, start: int) -> str:
    """Return the stretch between headings (in a bank: the entry) around a position: about what a passage is."""
    edges = [m.start() for m in re.finditer(r"^#{1,6} .*$|\n\n\n?(?=[^\n]+\?\n\n)", text, re.M)]
    before = max((e for e in edges if e <= start), default=0)
    after = min((e for e in edges if e > start), default=len(text))
    return COMMENT.sub("", text[before:after])  # phrasings are no part of a passage


def overlap(question: str, passage: str) -> float:
    """Return the share of a question's content words that stand in a passage, stemmed."""
    asked = set(words(question))
    return len(asked & set(words(passage))) / len(asked) if asked else 0.0


def breaches(path: Path, cache: dict[str, str]) -> Iterator[str]:
    for row in rows(path):
        name = row.get("_id", "?")
        unanswerable = not row.get("spans")
        if set(row) - {"split"} != {"_id", "text", "slice"} | (set() if unanswerable else {"spans"}):
            yield f"{name}: fields {sorted(row)}"
            continue
        if row["slice"] not in (UNANSWERABLE_SLICES if unanswerable else SLICES):
            yield f"{name}: slice {row['slice']!r}"
        for span in row.get("spans", []):
            if not (bundled_corpus() / span["path"]).is_file():
                yield f"{name}: no file {span['path']}"
            elif (count := extracted(span["path"], cache).count(span["quote"])) != 1:
                yield f"{name}: quote stands {count} times in {span['path']}: {span['quote'][:60]!r}"
            elif len(span["quote"]) < 40:
                yield f"{name}: a quote of {len(span['quote'])} characters says too little"
        if row["slice"] == "two-part" and len({s.get("part", 1) for s in row["spans"]}) != 2:
            yield f"{name}: a two-part question wants spans of part 1 and part 2"


def lowest_overlap(row: dict[str, Any], cache: dict[str, str]) -> float:
    """Return the overlap with the passage of the span that shares most words: the easiest way to the answer."""
    shares = []
    for span in row["spans"]:
        text = extracted(span["path"], cache)
        shares.append(overlap(row["text"], section(text, text.find(span["quote"]))))
    return max(shares)


def main(names: list[str]) -> int:
    cache: dict[str, str] = {}
    count = 0
    for name in names:
        path = Path(name)
        for breach in breaches(path, cache):
            count += 1
            print(f"{name}: {breach}")
        if count == 0:
            gold = [row for row in rows(path) if row.get("spans")]
            shares = {row["_id"]: lowest_overlap(row, cache) for row in gold}
            low = sum(share < LOW_OVERLAP for share in shares.values())
            print(f"{name}: {len(rows(path))} questions, {low} of {len(gold)} under {LOW_OVERLAP:.0%} overlap")
            print("  slices:", dict(Counter(row["slice"] for row in rows(path))))
            print("  overlap by id:", {i: round(s, 2) for i, s in shares.items() if s >= LOW_OVERLAP})
    return 1 if count else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
