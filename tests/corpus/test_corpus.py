"""The bundled corpus: complete, well formed, its code running, its questions each asked once."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import yaml

from retrieval.encoder import Encoder
from tests.corpus.checks import (
    CORPUS,
    SENIOR_CATEGORIES,
    bank_breaches,
    guide_breaches,
    split_front_matter,
    topic_paths,
)

BANKS = {
    "theory-core": 60,
    "senior-canon": 50,
    "sql-python": 40,
    "behavioural": 30,
    "llm": 40,
    "basics-machine-learning": 50,
    "basics-deep-learning": 50,
    "basics-statistics": 50,
    "basics-llm-and-systems": 50,
    "basics-coding-and-career": 20,
    "misconceptions": 45,
}


def bank(name: str) -> list[dict[str, object]]:
    questions: list[dict[str, object]] = yaml.safe_load((CORPUS / "banks" / f"{name}.yaml").read_text())["questions"]
    return questions


def guide_questions() -> list[str]:
    lines = (line for path in topic_paths() for line in (CORPUS / path).read_text(encoding="utf-8").split("\n"))
    return [line[4:] for line in lines if line.startswith("### ") and line.endswith("?")]


def test_every_topic_has_its_guide_and_every_guide_its_topic() -> None:
    """This test ensures that the list of topics and the folder agree."""
    there = {p.relative_to(CORPUS).as_posix() for p in CORPUS.glob("guides/*/*.md")}
    assert there == set(topic_paths())


@pytest.mark.parametrize("path", topic_paths())
def test_a_guide_is_well_formed_and_its_code_runs(path: str) -> None:
    """This test ensures that front matter, length, sections, questions and code of a guide hold."""
    assert list(guide_breaches(CORPUS / path)) == []


@pytest.mark.parametrize("name", sorted(BANKS))
def test_a_bank_is_well_formed_and_large_enough(name: str) -> None:
    """This test ensures that each entry has all its fields and each bank its size."""
    assert list(bank_breaches(CORPUS / "banks" / f"{name}.yaml")) == []
    assert len(bank(name)) >= BANKS[name]


def test_every_bank_is_checked() -> None:
    """This test ensures that no bank lies in the folder unchecked."""
    assert {p.stem for p in CORPUS.glob("banks/*.yaml")} == set(BANKS)


def test_the_senior_canon_has_its_fifty_in_eight_categories() -> None:
    """This test ensures that the canon keeps its stated make-up."""
    assert Counter(entry["category"] for entry in bank("senior-canon")) == SENIOR_CATEGORIES


def test_related_links_hold_both_ways() -> None:
    """This test ensures that a reader who follows a link finds the way back."""
    links = {
        path: split_front_matter((CORPUS / path).read_text(encoding="utf-8"))[0]["related"] for path in topic_paths()
    }
    assert [(a, b) for a, others in links.items() for b in others if a not in links[b]] == []


def test_no_question_is_asked_twice(encoder: Encoder) -> None:
    """This test ensures that no two questions of the corpus have a cosine over 0.95."""
    questions = [*guide_questions(), *(str(entry["question"]) for name in BANKS for entry in bank(name))]
    vectors = encoder.encode(questions)
    cosines = np.triu(vectors @ vectors.T, k=1)
    pairs = [(questions[i], questions[j]) for i, j in np.argwhere(cosines > 0.95)]
    assert pairs == []


def test_a_guide_quotes_no_path_outside_the_corpus() -> None:
    """This test ensures that the corpus is data only: no code beside the papers' sources."""
    kinds = {
        p.suffix for p in CORPUS.rglob("*") if p.is_file() and "papers" not in p.parts and "__pycache__" not in p.parts
    }
    assert kinds <= {".md", ".yaml", ""}
    assert Path(CORPUS, "topics.yaml").is_file()
