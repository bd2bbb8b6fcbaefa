"""What the encoder learns from: questions with the passage that answers each, and passages that answer none of them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from evals.gold import content_id, load_beir
from evals.train.contrastive import Pair
from ingest.discover import find_files
from ingest.readers import READERS
from ingest.reading import Task, read_passages
from retrieval import fusion
from retrieval.errors import GoldError
from retrieval.fusion import Weights
from retrieval.lexical import LexicalIndex
from retrieval.text import plain
from retrieval.types import Passage, embedded_text
from retrieval.word_pieces import WordPieces

QUERIES = Path(__file__).with_name("queries.jsonl")
_SHARES = 100
_EVERY = 5  # passages: titles with their texts cost as much as questions and teach less


@dataclass(frozen=True, slots=True)
class Pairs:
    """Questions with the row of the passage that answers them, and all passages; `held` is never trained on.

    `corpora` numbers the collection that each passage is of.
    """

    passages: list[str]
    train: list[Pair]
    held: list[Pair]
    corpora: list[int]

    def __add__(self, other: Pairs) -> Pairs:
        def moved(pairs: Sequence[Pair]) -> list[Pair]:
            return [(question, row + len(self.passages)) for question, row in pairs]

        further = max(self.corpora, default=-1) + 1
        return Pairs(
            self.passages + other.passages,
            self.train + moved(other.train),
            self.held + moved(other.held),
            self.corpora + [further + number for number in other.corpora],
        )


def corpus_passages(folder: Path, pieces: WordPieces) -> list[Passage]:
    """Return the passages that an index of a folder would hold; no index is made."""
    found = [item for item in find_files(folder) if item.file.suffix.lower() in READERS]
    return [p for item in found for p in read_passages(Task(item.file, item.relative), pieces).passages]


def own_pairs(passages: Sequence[Passage], held_percent: int) -> tuple[Pairs, int]:
    """Return the project's questions over its own corpus, and how many no longer have their passage.

    They are those of queries.jsonl and the phrasings of the corpus's question entries.
    """
    texts: dict[str, str] = {content_id(p): embedded_text(p) for p in passages}
    rows = {id_: row for row, id_ in enumerate(texts)}
    asked = [(r["text"], r["passage"]) for r in map(json.loads, QUERIES.read_text(encoding="utf-8").splitlines())]
    asked += [(text, content_id(p)) for p in passages if p.entry and p.entry.part == 1 for text in p.entry.phrasings]
    found = [(question, rows[id_]) for question, id_ in asked if id_ in rows]
    return _split(list(texts.values()), found, held_percent), len(asked) - len(found)


def general_pairs(passages: Iterable[Passage]) -> Pairs:
    """Return question and answer of each question entry, and title and text of every fifth other passage.

    They are pairs as encoders are first taught with, mixed in so that this is not forgotten.
    """
    texts: list[str] = []
    pairs: list[Pair] = []
    for number, passage in enumerate(passages):
        entry, place = passage.entry, passage.locator
        if entry is not None and entry.part == 1:
            start, end = (max(0, at - place.span[0]) for at in entry.answer)
            pairs.append((entry.question, len(texts)))
            texts.append(plain(passage.text[start:end]))
        elif entry is None and place.heading and number % _EVERY == 0:
            pairs.append((f"{place.title}: {place.heading[-1]}", len(texts)))
            texts.append(plain(passage.text))
    return Pairs(texts, pairs, [], [0] * len(texts))


def beir_pairs(folder: Path, held_percent: int) -> Pairs:
    """Return the train part of a BEIR folder. Raises GoldError where it has none."""
    collection = load_beir(folder, "train")
    rows = {id_: row for row, id_ in enumerate(collection.documents)}
    found = [
        (collection.queries[query], rows[document])
        for query, judged in collection.qrels.items()
        for document, grade in judged.items()
        if grade > 0 and query in collection.queries and document in rows
    ]
    if not found:
        raise GoldError(f"{folder}: no judged documents in qrels/train.tsv")
    return _split([f"{title}\n{text}".strip() for title, text in collection.documents.values()], found, held_percent)


def lexical_scores(pairs: Pairs) -> NDArray[np.float16]:
    """Return what lexical search adds to the cosine of each training question with each passage `(train, passages)`."""
    ids = [f"{row:032d}" for row in range(len(pairs.passages))]
    index = LexicalIndex.build(ids, dict(zip(ids, pairs.passages, strict=True)))
    weights = Weights()
    scores = np.empty((len(pairs.train), len(ids)), dtype=np.float16)
    for row, (question, _) in enumerate(pairs.train):
        scores[row] = weights.lexical * fusion.lexical(*index.scores(question), weights)
    return scores


def _split(passages: list[str], pairs: Sequence[Pair], held_percent: int) -> Pairs:
    """Hold out whole passages, chosen by their content, so that no held question has a passage that was trained on."""
    train: list[Pair] = []
    held: list[Pair] = []
    for question, row in pairs:
        digest = hashlib.sha256(passages[row].encode("utf-8", "surrogatepass")).digest()
        (held if int.from_bytes(digest[:4], "big") % _SHARES < held_percent else train).append((question, row))
    return Pairs(passages, train, held, [0] * len(passages))


def without(pairs: Pairs, texts: Iterable[str]) -> Pairs:
    """Leave out the questions that are also asked elsewhere (gold), letter case aside."""
    known = {text.casefold().strip() for text in texts}
    train, held = ([p for p in part if p[0].casefold().strip() not in known] for part in (pairs.train, pairs.held))
    return replace(pairs, train=train, held=held)
