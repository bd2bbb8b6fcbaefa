"""Training of the adapter with a tiny model made here, and the questions it learns from."""

from __future__ import annotations

import json
import random
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from evals.gold import GOLD, load_gold
from evals.train.contrastive import Recipe, Trainee, _batches, _parts, train
from evals.train.encoder import recall
from evals.train.late import LateInteraction
from evals.train.pairs import QUERIES, Pairs, beir_pairs, general_pairs, without
from retrieval import adapter
from retrieval.models import ModelFiles
from retrieval.types import Entry, Locator, Passage

STYLES = {"paraphrase", "chatty", "situation", "keywords", "typos", "comparison", "how-to", "follow-up"}
PASSAGES = ["alpha beta", "gamma delta", "epsilon zeta", "eta theta", "iota kappa", "lam mu", "nu xi", "omicron pi"]
QUESTIONS = ["one", "two", "three", "four", "five", "six", "seven", "eight"]


@pytest.fixture
def tiny(tmp_path: Path) -> ModelFiles:
    """A random two-layer BERT over the words of these tests."""
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

    torch.manual_seed(0)
    words = sorted({word for text in (*PASSAGES, *QUESTIONS) for word in text.split()})
    vocabulary = {word: i for i, word in enumerate(["[PAD]", "[UNK]", "[CLS]", "[SEP]", *words])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing("[CLS] $A [SEP]", None, [("[CLS]", 2), ("[SEP]", 3)])
    folder = tmp_path / "tiny"
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token="[PAD]").save_pretrained(folder)
    config = BertConfig(
        vocab_size=len(vocabulary),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=32,
    )
    BertModel(config).save_pretrained(folder)
    return ModelFiles("tiny", folder)


@pytest.mark.parametrize("late", [False, True])
def test_training_brings_questions_to_their_passages(tiny: ModelFiles, tmp_path: Path, late: bool) -> None:
    """This test ensures that training learns, and that the saved adapter holds all of what was learned."""
    # Nothing is a twin here: the vectors of a random model are all alike at first. With this rank and rate ten random
    # models out of ten learn at least seven of the eight, so that it does not hang on the arithmetic of a processor.
    trainee = Trainee(tiny, Recipe(rank=16, learning_rate=5e-3, epochs=80, batch=8, twin=2.0, late=late))
    pairs = [(question, row) for row, question in enumerate(QUESTIONS)]
    right = [{row} for row in range(len(QUESTIONS))]
    before = recall(trainee.encode(QUESTIONS), trainee.encode(PASSAGES), right)
    losses: list[str] = []
    train(trainee, pairs, PASSAGES, losses.append)
    after = recall(trainee.encode(QUESTIONS), trainee.encode(PASSAGES), right)
    assert before[0] < 0.5 < 0.7 < after[0]
    assert len(losses) == 80

    adapter.save(tmp_path / "a.safetensors", trainee.changes())
    again = Trainee(ModelFiles("tiny", tiny.folder, (tmp_path / "a.safetensors",)), Recipe(rank=8))
    assert (again.encode(QUESTIONS) * trainee.encode(QUESTIONS)).sum(axis=1).min() > 0.999


def test_late_interaction_is_the_mean_of_the_best_cosines() -> None:
    """This test ensures the definition, worked by hand: no padding is matched, the gate begins with equal weights."""
    import torch

    east, north, west = torch.tensor([1.0, 0.0]), torch.tensor([0.0, 2.0]), torch.tensor([-3.0, 0.0])
    passages = [torch.stack([east, north]), torch.stack([west]), torch.stack([north, west, west])]
    questions = [torch.stack([east, north]), torch.stack([east])]
    scores = LateInteraction(2, "cpu").scores(questions, passages).detach().numpy()
    assert np.allclose(scores, [[1.0, -0.5, 0.5], [1.0, -1.0, 0.0]], atol=1e-6)


def test_the_states_of_a_text_are_those_of_its_word_pieces(tiny: ModelFiles) -> None:
    """This test ensures that states come in the order of the texts, without the marks of beginning and end."""
    trainee = Trainee(tiny, Recipe(rank=8))
    trainee.network.eval()
    rows = trainee.ids(["alpha beta", "one", "gamma delta"], 16)
    vectors, states = trainee.read(rows, exact=True, states=True)
    assert [tuple(s.shape) for s in states] == [(2, 32), (1, 32), (2, 32)]
    alone = trainee.read(rows[2:], exact=True, states=True)
    assert np.allclose(vectors[2].detach(), alone[0][0].detach(), atol=1e-5)
    assert np.allclose(states[2].detach(), alone[1][0].detach(), atol=1e-5)


def test_training_stops_where_held_out_questions_gain_no_more(tiny: ModelFiles) -> None:
    """This test ensures that the best epoch is kept, and that two without a gain end the training."""
    trainee = Trainee(tiny, Recipe(rank=8, learning_rate=1e-2, epochs=9, batch=4, twin=2.0))
    found = iter([0.2, 0.7, 0.6, 0.7])
    seen: list[NDArray[np.float32]] = []

    def held() -> float:
        seen.append(trainee.encode(PASSAGES, exact=True))
        return next(found)

    train(trainee, [(q, i) for i, q in enumerate(QUESTIONS)], PASSAGES, lambda _: None, held=held)
    assert len(seen) == 4
    assert np.allclose(trainee.encode(PASSAGES, exact=True), seen[1], atol=1e-5)
    assert not np.allclose(seen[3], seen[1], atol=1e-3)


def test_general_pairs_are_questions_with_answers_and_titles_with_texts() -> None:
    """This test ensures that the text to be found holds neither the question nor the title."""
    place = Locator("a.md", "Forests", (10, 60), heading=("Forests", "Bagging"))
    asked = Passage(
        "q", "What is it? Trees that vote.", "Forests", place, "qa", entry=Entry("e", "What is it?", (22, 38))
    )
    told = [Passage(str(n), f"Text {n}.", "Forests > Bagging", place, "prose") for n in range(10)]
    pairs = general_pairs([asked, *told])
    assert [(q, pairs.passages[row]) for q, row in pairs.train] == [
        ("What is it?", "Trees that vote."),
        ("Forests: Bagging", "Text 4."),
        ("Forests: Bagging", "Text 9."),
    ]


def test_texts_are_read_in_parts_of_a_size() -> None:
    """This test ensures that every text is read once, at most so many word pieces at a time, padding among them."""
    rows = [[1] * length for length in (3, 900, 40, 40, 5000, 7, 1000, 2000)]
    order = sorted(range(len(rows)), key=lambda i: len(rows[i]))
    parts = list(_parts(order, rows))
    assert [row for part in parts for row in part] == order
    assert all(len(part) == 1 or len(part) * len(rows[part[-1]]) <= 2048 for part in parts)
    assert len(parts) < len(rows)


def test_what_words_give_need_not_be_learned(tiny: ModelFiles) -> None:
    """This test ensures that lexical scores take part: where they tell the passages apart, nothing is left to learn."""
    pairs = [(question, row) for row, question in enumerate(QUESTIONS)]
    lost = {}
    for weight in (0.0, 100.0):
        losses: list[str] = []
        recipe = Recipe(rank=8, learning_rate=1e-4, epochs=8, batch=8, twin=2.0)
        train(
            Trainee(tiny, recipe),
            pairs,
            PASSAGES,
            losses.append,
            lexical=(weight * np.eye(len(PASSAGES))).astype(np.float16),
        )
        lost[weight] = [float(line.split("loss ")[1].split(",")[0]) for line in losses]
    assert min(lost[0.0]) > 1.0
    assert {loss < 0.01 for loss in lost[100.0]} == {True, False}  # every other batch, on average


def test_a_batch_holds_passages_of_one_corpus() -> None:
    """This test ensures that negatives are of like material and that every full batch is used."""
    corpora = [0] * 10 + [1] * 7
    cut = _batches(list(range(17)), corpora, 3, random.Random(1))
    assert sorted(len(rows) for rows in cut) == [3] * 5
    assert all(len({corpora[row] for row in rows}) == 1 for rows in cut)


def test_no_share_of_the_adapter_is_the_base(tiny: ModelFiles) -> None:
    """This test ensures that the interpolation starts at the base weights."""
    trainee = Trainee(tiny, Recipe(rank=8, learning_rate=1e-2, epochs=2, batch=4))
    base = trainee.encode(PASSAGES)
    train(trainee, [(q, i) for i, q in enumerate(QUESTIONS)], PASSAGES, lambda _: None)
    trained = trainee.encode(PASSAGES)
    trainee.share = 0.0
    assert np.allclose(trainee.encode(PASSAGES), base, atol=1e-5)
    assert not np.allclose(trained, base, atol=1e-3)


def test_held_out_questions_share_no_passage_with_those_trained_on(tmp_path: Path) -> None:
    """This test ensures that what is chosen on was not learned."""
    rows = range(200)
    documents = [{"_id": f"d{i}", "title": "", "text": f"text {i}"} for i in rows]
    queries = [{"_id": f"q{i}-{j}", "text": f"question {j} of {i}"} for i in rows for j in range(2)]
    (tmp_path / "corpus.jsonl").write_text("\n".join(map(json.dumps, documents)), encoding="utf-8")
    (tmp_path / "queries.jsonl").write_text("\n".join(map(json.dumps, queries)), encoding="utf-8")
    (tmp_path / "qrels").mkdir()
    judged = "\n".join(f"q{i}-{j}\td{i}\t1" for i in rows for j in range(2))
    (tmp_path / "qrels" / "train.tsv").write_text("query-id\tcorpus-id\tscore\n" + judged, encoding="utf-8")
    pairs = beir_pairs(tmp_path, 20)
    assert len(pairs.train) + len(pairs.held) == 400
    assert 0 < len(pairs.held) < 200
    assert not {row for _, row in pairs.train} & {row for _, row in pairs.held}
    assert all(pairs.passages[row].endswith(question.split()[-1]) for question, row in pairs.train + pairs.held)


def test_gold_questions_are_left_out() -> None:
    """This test ensures that a question that is also gold is never trained on, letter case aside."""
    pairs = Pairs(["p"], [("What is X?", 0), ("other", 0)], [("what is x?", 0)], [0])
    left = without(pairs, {"what is x? "})
    assert (left.train, left.held) == ([("other", 0)], [])


def test_two_collections_are_joined_with_their_rows_moved() -> None:
    """This test ensures that questions keep their passages when sets are added."""
    joined = Pairs(["a"], [("qa", 0)], [], [0]) + Pairs(["b", "c"], [("qc", 1)], [("qb", 0)], [0, 0])
    assert joined.corpora == [0, 1, 1]
    assert [joined.passages[row] for _, row in joined.train] == ["a", "c"]
    assert [joined.passages[row] for _, row in joined.held] == ["b"]


def test_the_questions_of_the_project_are_what_they_should_be() -> None:
    """This test ensures number, form, styles, and that none is a gold question."""
    rows = [json.loads(line) for line in QUERIES.read_text(encoding="utf-8").splitlines()]
    gold = {q.text.casefold().strip() for name in ("bundled", "plain") for q in load_gold(GOLD / f"{name}.jsonl")}
    assert len(rows) >= 5_000
    assert all(set(row) == {"passage", "style", "text"} and row["text"].strip() == row["text"] for row in rows)
    assert {row["style"] for row in rows} == STYLES
    assert len({row["text"].casefold() for row in rows}) == len(rows)
    assert not {row["text"].casefold() for row in rows} & gold
    assert Counter(row["passage"] for row in rows).most_common(1)[0][1] >= 2
