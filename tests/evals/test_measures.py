"""Measures, intervals and tests, against values worked out by hand and other implementations."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from evals import baseline
from evals.evaluate import Evaluation, Scored
from evals.metrics import auroc, mean_and_interval, score
from evals.statistics import compare, holm
from retrieval.errors import GoldError


def test_measures_of_a_worked_ranking() -> None:
    """This test ensures that recall, MRR and nDCG are those of the textbook."""
    qrels = {"q": {"a": 1, "b": 1}, "none": {"c": 1}}
    found = score(qrels, {"q": ["x", "a", "y", "b"], "none": []})
    assert found["q"]["recall@1"] == 0.0
    assert found["q"]["recall@3"] == 0.5
    assert found["q"]["recall@5"] == 1.0
    assert found["q"]["precision@5"] == 2 / 5
    assert found["q"]["MAP"] == pytest.approx((1 / 2 + 2 / 4) / 2)
    assert found["q"]["MRR@10"] == 0.5
    ideal = 1 / math.log2(2) + 1 / math.log2(3)
    assert found["q"]["nDCG@10"] == pytest.approx((1 / math.log2(3) + 1 / math.log2(5)) / ideal)
    assert set(found["none"].values()) == {0.0}


def test_the_interval_covers_the_mean_and_repeats() -> None:
    """This test ensures that intervals are seeded and sane: for 50 of 100 about 0.40 to 0.60."""
    values = [1.0] * 50 + [0.0] * 50
    mean, low, high = mean_and_interval(values)
    assert (mean, low, high) == mean_and_interval(values)
    assert mean == 0.5
    assert low == pytest.approx(0.40, abs=0.015)
    assert high == pytest.approx(0.60, abs=0.015)


def test_auroc_equals_that_of_scikit_learn() -> None:
    """This test ensures that ties count half, as another implementation has it."""
    from sklearn.metrics import roc_auc_score

    positive, negative = [0.9, 0.8, 0.5, 0.5], [0.5, 0.4, 0.8]
    labels = [1] * len(positive) + [0] * len(negative)
    assert auroc(positive, negative) == pytest.approx(roc_auc_score(labels, positive + negative))


def test_a_paired_test_of_few_queries_equals_its_enumeration() -> None:
    """This test ensures that p is the share of sign flips at least as extreme: 2 of 2^4 when all four agree."""
    found = compare("recall@5", ("a", [0, 0, 0, 0, 1]), ("b", [1, 1, 1, 1, 1]))
    assert found.p == pytest.approx(2 / 16, abs=0.01)
    assert (found.wins, found.losses, found.ties) == (4, 0, 1)
    assert "cannot tell" in found.sentence()


def test_a_clear_difference_is_said_plainly() -> None:
    """This test ensures that the sentence names the better run and the size of the difference."""
    sentence = compare("nDCG@10", ("dense", [0.0] * 40), ("hybrid", [0.5] * 40)).sentence()
    assert sentence == (
        "hybrid is better than dense on nDCG@10 by 0.500 (p < 0.001; hybrid wins 40, dense wins 0, 0 ties)."
    )


def test_the_better_run_may_be_the_first() -> None:
    """This test ensures that wins are those of the run that is named, whatever the order."""
    sentence = compare("MAP", ("dense", [1.0] * 40), ("hybrid", [0.0] * 40)).sentence()
    assert sentence == "dense is better than hybrid on MAP by 1.000 (p < 0.001; hybrid wins 0, dense wins 40, 0 ties)."


def test_the_queries_that_would_tell_are_counted() -> None:
    """This test ensures that needed = ((1.96 + 0.84) x deviation / difference)^2, rounded up."""
    spread = [1.0 + 0.1, -1.0 + 0.1] * 50
    found = compare("MAP", ("a", [0.0] * 100), ("b", spread))
    deviation = math.sqrt(100 / 99)
    assert found.needed == math.ceil(((1.959964 + 0.841621) * deviation / 0.1) ** 2) == 793
    assert found.sentence().endswith("about 793 queries would.")


def test_equal_runs_cannot_be_told_apart() -> None:
    """This test ensures that no difference is p = 1 and needs no number of queries."""
    found = compare("MAP", ("a", [0.3, 0.7]), ("b", [0.3, 0.7]))
    assert (found.p, found.needed) == (1.0, None)


def test_holm_is_that_of_the_paper() -> None:
    """This test ensures that the smallest of three p-values is tripled and order is kept."""
    assert holm([0.04, 0.01, 0.03]) == pytest.approx([0.06, 0.03, 0.06])


def run(values: list[float]) -> Evaluation:
    queries = tuple(Scored(f"q{i}", "t", "all", {"recall@5": v}, (), 0.01) for i, v in enumerate(values))
    return Evaluation("set", "hybrid", queries)


def test_the_gate_fails_on_a_real_fall_only(tmp_path: Path) -> None:
    """This test ensures that a fall past the tolerance fails when the test agrees, and noise does not."""
    baseline.save(run([1.0] * 60), tmp_path / "b.json")
    kept = baseline.load(tmp_path / "b.json")
    assert [v.failed for v in baseline.gate(run([1.0] * 60), kept)] == [False]
    assert [v.failed for v in baseline.gate(run([1.0] * 58 + [0.0] * 2), kept)] == [False]
    assert [v.failed for v in baseline.gate(run([1.0] * 45 + [0.0] * 15), kept)] == [True]


def test_a_run_ties_with_itself_as_it_was_kept(tmp_path: Path) -> None:
    """This test ensures that the digits a baseline does not keep are no wins and no losses."""
    same = run([1 / 3, 2 / 3, 0.63093])
    baseline.save(same, tmp_path / "b.json")
    (verdict,) = baseline.gate(same, baseline.load(tmp_path / "b.json"))
    assert (verdict.comparison.wins, verdict.comparison.losses, verdict.comparison.ties) == (0, 0, 3)


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"queries": {"a": 3}}'])
def test_a_file_that_is_no_baseline_says_so(tmp_path: Path, content: str) -> None:
    """This test ensures that a wrong file is named, with how to make the right one."""
    (tmp_path / "b.json").write_text(content)
    with pytest.raises(GoldError, match=r"b\.json.*--save"):
        baseline.load(tmp_path / "b.json")


def test_a_trec_run_has_six_columns(tmp_path: Path) -> None:
    """This test ensures that other tools can read our runs."""
    evaluation = Evaluation("s", "dense", (Scored("q1", "t", "all", {}, ("d1", "d2"), 0.0),))
    baseline.write_trec(evaluation, tmp_path / "r.trec")
    assert (tmp_path / "r.trec").read_text().splitlines() == [
        "q1 Q0 d1 1 2 prepdesk-dense",
        "q1 Q0 d2 2 1 prepdesk-dense",
    ]
