"""Train the adapter that the default encoder carries, and write it with its record.

    python -m evals.train.encoder [--data DIR] [--to FILE]

The questions of queries.jsonl are asked of the passages of the bundled corpus. DIR adds the
train part of `sets/natural`, and further sets to see what is forgotten. When to stop, and the
point between base and trained weights, are chosen on questions whose passages were held out;
gold questions are never trained on.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from evals.gold import GOLD, load_beir, load_gold
from evals.train.contrastive import Recipe, Trainee, train
from evals.train.pairs import (
    Pairs,
    beir_pairs,
    corpus_passages,
    general_pairs,
    lexical_scores,
    own_pairs,
    without,
)
from ingest.bundled import bundled_corpus
from retrieval import adapter
from retrieval.arrays import Vectors
from retrieval.library import quiet
from retrieval.models import BASE_MODEL, ModelFiles, find_model
from retrieval.word_pieces import WordPieces

SHARES = (0.0, 0.5, 0.75, 1.0)
MAY_FORGET = 0.005  # recall@5, on the mean of the sets that are not trained on
EQUAL = 0.005  # of recall on what was held out: shares are no further apart than these questions can tell
KEPT = ("xquad_en", "qa_grigorev_theory", "qa_rasbt_faq", "qa_llm_kalyanks")
RECORDED = (
    "What is overfitting?",
    "When do I prefer L1 over L2?",
    "i keep blanking when they ask why my validation score collapses",
    "our metric fell overnight and nobody deployed anything, where do i start",
    "gradient of softmax with cross-entropy",
    "ROW_NUMBER() OVER (PARTITION BY user_id ORDER BY ts DESC)",
    "how do you shrink a model's cofficients toward zero",
    "Precision is TP / (TP + FP) and recall is TP / (TP + FN).",
    "tell me about a time you disagreed with your manager",
    "A confidence interval covers the true value in 95 % of repetitions; it is not a probability about this one.",
)
_HELD_PERCENT = 8
_HELD_EVERY = 3  # of the other passages: a third of the time, and still a thousand that may come before the right one


def main() -> None:
    """Train, choose, write, and print what each point between base and trained weights is worth."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="a folder of test collections")
    parser.add_argument("--to", type=Path, default=adapter.SHIPPED)
    options = parser.parse_args()
    quiet()
    base = find_model(BASE_MODEL)
    pairs = gather(base, options.data)
    print(f"{len(pairs.train)} questions to train on, {len(pairs.held)} held out, {len(pairs.passages)} passages")
    trainee = Trainee(base, Recipe(late=True))
    train(
        trainee,
        pairs.train,
        pairs.passages,
        corpora=pairs.corpora,
        lexical=lexical_scores(pairs),
        held=lambda: sum(held_out(trainee, pairs)) / 2,
    )
    trainee.share = choose(trainee, pairs, options.data)
    adapter.save(options.to, trainee.changes())
    adapter.write_record(options.to, RECORDED, trainee.encode(RECORDED, exact=True))
    print(f"wrote {options.to}: share {trainee.share}, {options.to.stat().st_size / 1e6:.1f} MB")


def gather(model: ModelFiles, data: Path | None) -> Pairs:
    """Return all pairs there are, none of them a gold question."""
    passages = corpus_passages(bundled_corpus(), WordPieces(model.tokenizer, model.max_tokens))
    pairs, lost = own_pairs(passages, _HELD_PERCENT)
    if lost:
        print(f"{lost} questions no longer have their passage in the corpus and are left out")
    pairs += general_pairs(passages)
    if data:
        pairs += beir_pairs(data / "sets" / "natural", _HELD_PERCENT)
    return without(pairs, {q.text for name in ("bundled", "plain") for q in load_gold(GOLD / f"{name}.jsonl")})


def choose(trainee: Trainee, pairs: Pairs, data: Path | None) -> float:
    """Return the share with the best recall on held-out questions of those that forget little; of equals the most."""
    rows = []
    for share in SHARES:
        trainee.share = share
        held = held_out(trainee, pairs)
        kept = float(np.mean(list(_kept(trainee, data)))) if data else 1.0
        print(f"share {share}: held out recall@1 {held[0]:.3f}, recall@5 {held[1]:.3f}; other sets {kept:.3f}")
        rows.append((round(sum(held) / 2 / EQUAL), share, kept))
    plain = rows[0][2]
    return max(row for row in rows if row[2] >= plain - MAY_FORGET)[1]


def held_out(trainee: Trainee, pairs: Pairs) -> tuple[float, float]:
    """Return recall@1 and recall@5 of the held-out questions, over their passages and a part of their neighbors."""
    asked = {pairs.corpora[row] for _, row in pairs.held}
    others = (row for row in range(0, len(pairs.passages), _HELD_EVERY) if pairs.corpora[row] in asked)
    rows = sorted({row for _, row in pairs.held}.union(others))
    at = {row: n for n, row in enumerate(rows)}
    queries = trainee.encode([q for q, _ in pairs.held])
    return recall(queries, trainee.encode([pairs.passages[row] for row in rows]), [{at[row]} for _, row in pairs.held])


def recall(queries: Vectors, documents: Vectors, relevant: list[set[int]]) -> tuple[float, float]:
    """Return the share of queries with a relevant document at rank 1, and in the first five."""
    top = np.argsort(-(queries @ documents.T), axis=1, kind="stable")[:, :5]
    found = [(row[0] in right, bool(right & set(row.tolist()))) for row, right in zip(top, relevant, strict=True)]
    return tuple(np.mean(found, axis=0).tolist())


def _kept(trainee: Trainee, data: Path) -> Iterator[float]:
    """Yield recall@5 on each set that is not trained on."""
    for name in KEPT:
        collection = load_beir(data / "sets" / name)
        rows = {id_: row for row, id_ in enumerate(collection.documents)}
        documents = trainee.encode([f"{title}\n{text}".strip() for title, text in collection.documents.values()])
        relevant = [{rows[d] for d, grade in collection.qrels[q].items() if grade > 0} for q in collection.queries]
        yield recall(trainee.encode(list(collection.queries.values())), documents, relevant)[1]


if __name__ == "__main__":
    main()
