"""Adapting the encoder to a library: what is kept of opened passages, and when an adapter is kept."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from evals.statistics import compare
from evals.train import adapt as module
from evals.train.adapt import adapt
from evals.train.contrastive import Recipe
from ingest.pipeline import ingest
from retrieval import Library, opened
from retrieval.encoder import open_encoder
from retrieval.errors import GoldError, QueryError
from retrieval.models import BASE_MODEL, find_model
from retrieval.store import Home

BRIEF = Recipe(rank=4, learning_rate=1e-3, epochs=2, batch=8)
COLORS = "amber azure coral ebony green ivory olive peach plum rust sand teal".split()
THINGS = "kettle ladder anvil basket candle drum easel flute".split()


@pytest.fixture
def coded(tmp_path: Path, home: Home) -> Home:
    """A library of entries whose questions name nothing of their answers: only training can tell where they lead."""
    entries = [
        {"question": f"What does code {color} {i} stand for?", "answer": f"The {color} {thing} of shelf {i} in hall B."}
        for color in COLORS
        for i, thing in enumerate(THINGS)
    ]
    folder = tmp_path / "codes"
    folder.mkdir()
    (folder / "codes.yaml").write_text(yaml.safe_dump({"questions": entries}), encoding="utf-8")
    ingest(home, [folder])
    return home


def test_an_adapter_is_kept_only_where_it_is_better(
    coded: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """This test ensures that what is not shown to be better is not written, and that what is loads as a model."""
    monkeypatch.setattr(module, "MIN_QUESTIONS", 50)
    with Library(coded) as library:
        monkeypatch.setattr(module, "_is_better", lambda comparison: False)
        refused = adapt(library, tmp_path / "own.safetensors", recipe=BRIEF, report=lambda _: None)
        assert refused.file is None
        assert not list(tmp_path.glob("own.*"))
        assert refused.learned + refused.held == len(COLORS) * len(THINGS)
        assert refused.held > 20

        monkeypatch.setattr(module, "_is_better", lambda comparison: True)
        kept = adapt(library, tmp_path / "own.safetensors", recipe=BRIEF, report=lambda _: None)
        again = adapt(library, tmp_path / "own.safetensors", recipe=replace(BRIEF, seed=3), report=lambda _: None)
    assert kept.file is not None
    assert again.file is not None
    assert {p.name for p in tmp_path.glob("own*")} == {
        n for p in (kept.file, again.file) for n in (p.name, f"{p.stem}.json")
    }
    assert kept.file != again.file  # a library may be on the first one
    assert len(find_model(str(kept.file)).adapters) == 2
    assert open_encoder(str(kept.file), coded.encoders).dimensions == 384


def test_better_means_a_gain_that_is_no_chance() -> None:
    """This test ensures that neither a loss nor a gain within chance keeps an adapter."""
    won = compare("recall@5", ("a", [0.0] * 20), ("b", [1.0] * 10 + [0.0] * 10))
    lost = compare("recall@5", ("a", [1.0] * 10 + [0.0] * 10), ("b", [0.0] * 20))
    chance = compare("recall@5", ("a", [0.0] * 20), ("b", [1.0] + [0.0] * 19))
    assert [module._is_better(c) for c in (won, lost, chance)] == [True, False, False]


def test_a_library_on_another_model_is_refused(notes: Path, home: Home, tmp_path: Path) -> None:
    """This test ensures that an adapter is never trained over a model that it would not be merged into."""
    ingest(home, [notes], model=BASE_MODEL)
    with Library(home) as library, pytest.raises(QueryError, match=BASE_MODEL):
        adapt(library, tmp_path / "own.safetensors")


def test_too_few_questions_are_said(library: Library, tmp_path: Path) -> None:
    """This test ensures that a small library is told what is wanted."""
    with pytest.raises(GoldError, match="100"):
        adapt(library, tmp_path / "own.safetensors")


def test_what_is_opened_is_kept_only_where_asked(tmp_path: Path) -> None:
    """This test ensures that nothing is noted by default, each pair once, and that stopping forgets all of it."""
    opened.add_opened(tmp_path, "why", "p1")
    assert not list(tmp_path.iterdir())
    opened.keep(tmp_path, True)
    for passage in ("p1", "p1", "p2"):
        opened.add_opened(tmp_path, "why", passage)
    with (tmp_path / "opened.jsonl").open("a", encoding="utf-8") as file:
        file.write(json.dumps({"question": "cut"})[:-4])
    assert list(opened.read_opened(tmp_path)) == [("why", "p1"), ("why", "p2")]
    opened.keep(tmp_path, False)
    assert not list(tmp_path.iterdir())
