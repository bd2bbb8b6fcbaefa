"""The reranker: a tiny cross-encoder made here, its order, what it moves, and the models it refuses."""

from __future__ import annotations

from pathlib import Path

import pytest

from retrieval import Library
from retrieval.errors import EncoderError
from retrieval.models import DEFAULT_MODEL, find_model
from retrieval.reranker import MOST, open_reranker, rerank
from retrieval.types import Hit, Locator, Passage, Scores, embedded_text
from tests.invariants import check_answer, check_hits


def tiny_cross_encoder(folder: Path, labels: int = 1) -> Path:
    """Save a cross-encoder of one small layer with seeded random weights and the default encoder's vocabulary."""
    import torch
    from transformers import AutoTokenizer, BertConfig, BertForSequenceClassification

    tokenizer = AutoTokenizer.from_pretrained(find_model(DEFAULT_MODEL).folder, local_files_only=True)
    torch.manual_seed(7)
    config = BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
        num_labels=labels,
        initializer_range=1.0,
    )
    BertForSequenceClassification(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_cross_encoder(tmp_path_factory.mktemp("reranker"))


def hit(n: int) -> Hit:
    passage = Passage(
        f"p{n:02d}", f"Sentence number {n} about learning.", "", Locator("a.md", "A", (n, n + 1)), "prose"
    )
    return Hit(n, 1.0 - n / 100, Scores(0.5, 0.5), passage)


def test_the_first_twenty_stand_in_the_order_of_the_model(folder: Path) -> None:
    """This test ensures that sentence-transformers' own scores decide, and what stood past rank 20 stays there."""
    from sentence_transformers import CrossEncoder

    hits = [hit(n) for n in range(1, MOST + 4)]
    model = CrossEncoder(str(folder), device="cpu", local_files_only=True)
    scores = model.predict(
        [("what is learning", embedded_text(h.passage)) for h in hits[:MOST]], show_progress_bar=False
    )
    wanted = sorted(range(1, MOST + 1), key=lambda rank: -scores[rank - 1])
    done = rerank("what is learning", hits, open_reranker(str(folder)))
    check_hits(done)
    assert [h.before for h in done] == [*wanted, None, None, None]
    assert wanted != sorted(wanted)
    assert done[MOST:] == hits[MOST:]


def test_nothing_to_rerank_is_nothing(folder: Path) -> None:
    """This test ensures that a search without hits is no special case."""
    assert rerank("x", [], open_reranker(str(folder))) == []


def test_search_and_ask_use_it_and_say_what_moved(library: Library, folder: Path) -> None:
    """This test ensures that the same passages come in another order, each with the rank it had."""
    plain = library.search("what does dropout do", 4)
    library.reranker = open_reranker(str(folder))
    done = library.search("what does dropout do", 4)
    check_hits(done)
    assert {h.passage.id for h in done} == {h.passage.id for h in plain}
    assert [plain[h.before - 1].passage.id for h in done if h.before] == [h.passage.id for h in done]
    assert library.search("what does dropout do", 2) == done[:2]
    check_answer(library.ask("Why is accuracy misleading on imbalanced data?"), library)


def test_models_that_are_no_reranker_are_refused(tmp_path: Path) -> None:
    """This test ensures that a wrong name, an empty folder and a classifier each say what to give."""
    with pytest.raises(EncoderError, match=r"no/such-model.*--reranker"):
        open_reranker("no/such-model")
    with pytest.raises(EncoderError, match="cannot be loaded"):
        open_reranker(str(tmp_path))
    with pytest.raises(EncoderError, match=r"3 outputs.*--reranker"):
        open_reranker(str(tiny_cross_encoder(tmp_path / "three", labels=3)))
