"""The measure of the support check: twins, and what is told of them."""

from __future__ import annotations

import json
from pathlib import Path

from evals.gold import GOLD, content_id
from evals.support import SUPPORTED, load_twins, report_twins
from retrieval import Library
from retrieval.support import Checker

FAULTS = {"negation", "swapped roles", "over-generalisation", "wrong cause", "not said"}


def test_every_twin_differs_and_stands_once() -> None:
    """This test ensures that the file holds two sentences a line, none of them twice, all of a known fault."""
    lines = [json.loads(line) for line in (GOLD / "twins.jsonl").read_text(encoding="utf-8").splitlines()]
    pairs = {(line["supported"], line["unsupported"]) for line in lines}
    assert len(pairs) == len(lines) >= 6000
    assert all(right != wrong for right, wrong in pairs)
    assert {line["fault"] for line in lines} == FAULTS
    assert all(len(line["passage"]) == 16 for line in lines)


def test_twins_are_told_apart_by_what_their_passage_says(read_library: Library, tmp_path: Path) -> None:
    """This test ensures that twins are judged beside their passage, and that one whose passage is gone is left out."""
    passage = next(p for p in read_library.searcher.dense.all_passages() if "Dropout sets" in p.text)
    twin = {
        "passage": content_id(passage),
        "fault": "not said",
        "supported": "Dropout sets each activation to zero with probability p during training.",
        "unsupported": "Gradient boosting fits every tree to residuals of its predecessors.",
    }
    file = tmp_path / "twins.jsonl"
    file.write_text("".join(json.dumps(t) + "\n" for t in (twin, twin | {"passage": "0" * 16})), encoding="utf-8")
    ((right, wrong),) = load_twins(read_library, 10, file)
    assert (right.kind, wrong.kind, right.passage) == (SUPPORTED, "not said", passage)
    told = report_twins([(right, wrong)], Checker(read_library.searcher.encoder))
    assert told[1].startswith("  not said (1): told apart 1.000; right: supported 1.00, weak 0.00, unsupported 0.00; ")
    assert told[1].endswith("wrong: supported 0.00, weak 0.00, unsupported 1.00")
    turned = report_twins([(wrong, right)], Checker(read_library.searcher.encoder))
    assert turned[0].startswith("  all (1): told apart 0.000; right: supported 0.00")
