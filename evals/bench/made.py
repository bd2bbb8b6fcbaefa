"""Made-up libraries of any size, written as an ingest writes: words without meaning, vectors that are given.

They cost a search and a commit what real ones do, and are worth nothing as answers.
"""

from __future__ import annotations

import random
from itertools import accumulate
from string import ascii_lowercase

import numpy as np

from ingest.documents import Document
from ingest.writer import Change, Written, encoded_texts, write_generation
from retrieval.arrays import Vectors
from retrieval.encoder import Encoder
from retrieval.manifest import SourceRecord, sort_records
from retrieval.store import Store
from retrieval.types import Locator, Passage, passage_id
from retrieval.vectors import VectorCache

_EACH = 20  # passages of a source
_LENGTH = 62  # words of a passage
_AT_ONCE = 10_000  # vectors made at once


class MadeUp:
    """A library of `count` passages whose words follow Zipf's law, and what changes it."""

    def __init__(self, count: int) -> None:
        self.chance = random.Random(1)
        self.words = [
            "".join(self.chance.choices(ascii_lowercase, k=self.chance.randint(3, 10))) for _ in range(30_000)
        ]
        self._weights = list(accumulate(1 / (n + 3) for n in range(len(self.words))))  # summed once: they are many
        self._count = count // _EACH
        self._sources: dict[str, SourceRecord] = {}

    def write(self, store: Store, encoder: Encoder, vectors: Vectors) -> Written:
        """Write it from nothing, with vectors `(passages, dimensions)` that the encoder need not make."""
        return self._write(store, encoder, range(self._count), vectors, fresh=True)

    def change(self, store: Store, encoder: Encoder, vectors: Vectors) -> Written:
        """Write the generation in which one source, somewhere in the middle, says something else."""
        return self._write(store, encoder, range(self._count // 2, self._count // 2 + 1), vectors[:_EACH], fresh=False)

    def _write(self, store: Store, encoder: Encoder, numbers: range, vectors: Vectors, *, fresh: bool) -> Written:
        passages: list[Passage] = []
        texts: dict[str, Document] = {}
        for number in numbers:
            record, text, parts = self._source(number)
            passages += parts
            self._sources[record.path] = record
            texts[record.text_name] = Document(text, record.title, "notes")
        stale = () if fresh else tuple(dict.fromkeys(p.locator.path for p in passages))
        change = Change(sort_records(self._sources.values()), passages, texts, stale)
        with store.writing():
            with VectorCache(store.path / "vectors.sqlite", encoder) as cache:
                cache.put(encoded_texts(passages), list(vectors))
            return write_generation(store, encoder, change, fresh=fresh, progress=lambda *_: None)

    def _source(self, number: int) -> tuple[SourceRecord, str, list[Passage]]:
        path, title = f"made/{number // 1000:03}/note-{number:06}.md", f"Note {number}"
        parts = [" ".join(self.chance.choices(self.words, cum_weights=self._weights, k=_LENGTH)) for _ in range(_EACH)]
        passages, start = [], 0
        for part in parts:
            span = (start, start + len(part))
            start = span[1] + 1
            passages.append(Passage(passage_id(path, span, part), part, title, Locator(path, title, span), "prose"))
        sha = f"{self.chance.getrandbits(256):064x}"
        return (
            SourceRecord("/made", f"/{path}", path, sha, start, 0, title, "notes", _EACH, sha),
            "\n".join(parts),
            passages,
        )


def around(real: Vectors, count: int) -> Vectors:
    """Return `count` unit vectors drawn from around real ones: each is one, moved by half the difference of two others.

    Such vectors cost an index what real ones do; random ones, all equally far from each other, are its worst case.
    """
    generator = np.random.default_rng(1)
    vectors = np.empty((count, real.shape[1]), np.float32)
    for start in range(0, count, _AT_ONCE):
        part = vectors[start : start + _AT_ONCE]
        at, one, other = generator.integers(len(real), size=(3, len(part)))
        part[:] = real[at] + (real[one] - real[other]) / 2
        part /= np.linalg.norm(part, axis=1, keepdims=True)
    return vectors
