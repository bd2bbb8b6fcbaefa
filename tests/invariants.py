"""What must hold of every document, chunking and index: named once, used by many tests."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ingest.documents import Document
from retrieval import Library, local_index
from retrieval.encoder import Encoder
from retrieval.index import DenseIndex
from retrieval.lexical import LexicalIndex
from retrieval.manifest import Manifest
from retrieval.store import Home, Store
from retrieval.topics import TopicTree
from retrieval.types import Answer, Hit, Passage, embedded_text


def check_blocks_lie_in_text(document: Document) -> None:
    position = 0
    for block in document.blocks:
        start, end = block.span
        assert position <= start < end <= len(document.text), block
        position = end
        assert all(start <= a < b <= end for a, b in block.units), block
    for entry in document.entries:
        assert entry.span[0] <= entry.answer[0] < entry.answer[1] <= entry.span[1] <= len(document.text), entry
        assert entry.question.strip()


def check_passages(passages: Sequence[Passage], text: str, encoder: Encoder) -> None:
    assert len({p.id for p in passages}) == len(passages)
    for passage in passages:
        start, end = passage.locator.span
        assert passage.text == text[start:end]
        assert passage.text.strip()
    counts = encoder.count_tokens([embedded_text(p) for p in passages])
    assert max(counts, default=0) + 2 <= encoder.max_tokens


def check_generation(store: Store) -> None:
    """Vectors = passages = lexical rows = what the manifest says; ids are the same everywhere, the replica Chroma's."""
    folder = store.current()
    manifest = Manifest.read(folder)
    dense = store.dense(folder)
    try:
        ids = dense.ids()
        assert dense.count() == (manifest.passages, manifest.questions)
        lexical = LexicalIndex.load(folder / "lexical")
        assert sorted(lexical.id(row) for row in range(len(lexical))) == ids
        assert len(ids) == manifest.passages == sum(r.passages for r in manifest.sources if not r.same_as)
        assert len(dense.vectors(ids)) == len(ids)
        assert len(dense.question_vectors(ids)) == manifest.questions
    finally:
        dense.close()
    if isinstance(store, Home):
        chroma = DenseIndex(folder / "chroma", reading=True)
        try:
            assert chroma.ids() == ids
            assert local_index.replica_agrees(folder, chroma)
        finally:
            chroma.close()


def check_hits(hits: Sequence[Hit]) -> None:
    assert [hit.rank for hit in hits] == list(range(1, len(hits) + 1))
    assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)
    assert len({hit.passage.id for hit in hits}) == len(hits)


def check_answer(answer: Answer, library: Library) -> None:
    """Every quote is verbatim at its span, every sentence carries a citation that is there."""
    numbers = [c.n for c in answer.citations]
    assert numbers == list(range(1, len(numbers) + 1))
    for citation in answer.citations:
        start, end = citation.locator.span
        assert library.text(citation.locator.path)[start:end] == citation.quote
    for sentence in answer.sentences:
        assert sentence.citations
        assert all(n in numbers for n in sentence.citations)
        assert any(sentence.text in c.quote for c in answer.citations if c.n in sentence.citations)
    assert answer.answered == bool(answer.sentences)


def state_of(store: Store) -> dict[str, Any]:
    """Return what the live generation holds but its time; of the lexical index its rows, and scores for its words."""
    folder = store.current()
    manifest = Manifest.read(folder)
    dense = store.dense(folder)
    try:
        ids = dense.ids()
        lexical = LexicalIndex.load(folder / "lexical")
        passages = dense.passages(ids)
        return {
            "manifest": replace(manifest, created=""),
            "passages": passages,
            "vectors": dense.vectors(ids),
            "questions": dense.question_vectors(ids),
            "rows": [lexical.id(row) for row in range(len(lexical))],
            # bm25s numbers its words by hashes that change from process to process; its scores do not change.
            "scores": {i: np.stack(lexical.scores(p.text)) for i, p in list(passages.items())[:50]},
            "texts": {p.name: p.read_bytes() for p in (folder / "texts").iterdir()},
            "topics": [(t.id, t.name, t.passages) for t in TopicTree.read(folder).topics],
        }
    finally:
        dense.close()


def check_same_state(found: dict[str, Any], wanted: dict[str, Any]) -> None:
    """Two generations hold the same; vectors to six digits, because a batch of other texts pads other widths."""
    for part in ("manifest", "passages", "rows", "texts", "topics"):
        assert found[part] == wanted[part], part
    for part in ("vectors", "questions", "scores"):
        assert found[part].keys() == wanted[part].keys(), part
        for id_, vector in found[part].items():
            np.testing.assert_allclose(vector, wanted[part][id_], atol=1e-5)
