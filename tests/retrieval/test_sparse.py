"""A server that searches sparse vectors is told from one that does not, and gives the hits of the local index."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest

from ingest.bundled import bundled_corpus
from ingest.doctor import examine
from ingest.pipeline import ingest
from ingest.transfer import export_library, import_library
from retrieval import Library
from retrieval.arrays import Sparse
from retrieval.errors import IndexCorruptError, ServerError
from retrieval.fusion import Weights
from retrieval.lexical import LexicalIndex, grams, words
from retrieval.library import Filters
from retrieval.server import Address, Connection, Table
from retrieval.server_lexical import FILE_NAME, ServerLexical, WordStatistics
from retrieval.server_store import ServerStore
from retrieval.sparse import counted, passage_vector, query_vector
from retrieval.store import Home
from retrieval.types import MODES, Hit, embedded_text
from tests.chroma_server import ChromaServer
from tests.conftest import BANK, NOTES, make_server_store
from tests.sparse_server import SparseServer, sparse_server

GUIDES = ("hypothesis-testing.md", "non-parametric-tests.md", "bootstrap-and-resampling.md", "power-and-sample-size.md")
QUESTIONS = (
    "when do I prefer L1 over L2?",
    "why is accuracy misleading",
    "acuracy on imbalenced data",  # 4-grams alone
    "i keep blanking on what happens to the loss with a huge learning rate, does it explode or what",
    "dropout p",
    "zzyzx qqfrob",  # words that nothing holds
    "the of and",  # stop words
)


@pytest.fixture(scope="module")
def server(chroma_server: ChromaServer) -> Iterator[SparseServer]:
    with sparse_server(chroma_server.url) as server:
        yield server


@pytest.fixture
def sparse_store(
    server: SparseServer, chroma_server: ChromaServer, tmp_path: Path, encoders: Path
) -> Iterator[ServerStore]:
    """A library of its own on the server that searches sparse vectors."""
    plain = make_server_store(chroma_server, tmp_path / "unused", encoders)
    store = ServerStore(Address(server.url, database=plain.address.database), tmp_path / "writer", encoders_at=encoders)
    yield store
    store.close()


def on_another_machine(store: ServerStore, folder: Path) -> ServerStore:
    return ServerStore(store.address, folder, encoders_at=store.encoders)


def assert_same(mine: Sequence[Hit], theirs: Sequence[Hit], what: str) -> None:
    assert [h.passage.id for h in mine] == [h.passage.id for h in theirs], what
    for ours, other in zip(mine, theirs, strict=True):
        assert ours.score == pytest.approx(other.score, abs=1e-5), what
        assert ours.scores.lexical == pytest.approx(other.scores.lexical, abs=1e-5), what


def test_a_server_that_searches_gives_the_same_hits(
    sparse_store: ServerStore, server: SparseServer, home: Home, tmp_path: Path
) -> None:
    """This test ensures that ids, order and scores of all modes and filters are those of a folder, answers too."""
    ingest(home, [bundled_corpus() / "guides" / "statistics" / name for name in GUIDES])
    export_library(home, tmp_path / "library.prep")
    import_library(sparse_store, tmp_path / "library.prep")
    reader = on_another_machine(sparse_store, tmp_path / "reader")
    asked = (*QUESTIONS, "what is a p-value", "p-valu of a premutation test")
    with Library(home) as local, Library(reader) as shared:
        paths = sorted({p.locator.path for p in local.searcher.dense.all_passages()})
        before = server.searches
        for question in asked:
            for mode in MODES:
                for filters in (Filters(), Filters(sources=(paths[0],), kinds=("prose",))):
                    mine, theirs = (lib.search(question, 10, mode=mode, filters=filters) for lib in (local, shared))
                    assert_same(mine, theirs, f"{mode}: {question}")
            said, also = local.ask(question), shared.ask(question)
            assert (said.answered, said.sentences) == (also.answered, also.sentences)
            assert said.confidence == pytest.approx(also.confidence, abs=1e-4)
        assert server.searches > before
        assert not (reader.current() / "lexical").exists()
    reader.close()


def test_the_single_node_server_is_told_from_it(
    server_store: ServerStore, sparse_store: ServerStore, notes: Path
) -> None:
    """This test ensures that what a real server refuses is not asked of it, and that its readers index words."""
    for store, matches in ((server_store, False), (sparse_store, True)):
        ingest(store, [notes])
        folder = store.current()
        assert (folder / FILE_NAME).exists() is matches
        assert isinstance(store.lexical(folder), ServerLexical if matches else LexicalIndex)


def test_a_newer_version_is_matched_by_its_own_words(
    sparse_store: ServerStore, home: Home, notes: Path, tmp_path: Path
) -> None:
    """This test ensures that records of a replaced version, still on the server, are not named for the new one."""
    ingest(sparse_store, [notes])
    reader = on_another_machine(sparse_store, tmp_path / "reader")
    with Library(reader) as shared:
        assert shared.search("dropout", mode="lexical")
        (notes / "regularization.md").write_text(NOTES.replace("Dropout", "Stochastic depth"), encoding="utf-8")
        (notes / "bank.yaml").write_text(BANK.replace("accuracy", "hit rate"), encoding="utf-8")
        for store in (sparse_store, home):
            ingest(store, [notes])
        with Library(home) as local:
            for question in (*QUESTIONS, "stochastic depth", "hit rate"):
                assert_same(local.search(question), shared.search(question), question)
    reader.close()


def test_damaged_statistics_are_a_sentence_and_mended(sparse_store: ServerStore, notes: Path, tmp_path: Path) -> None:
    """This test ensures that a mirror whose counts of words cannot be read says so, and is taken anew."""
    ingest(sparse_store, [notes])
    assert all(f.ok for f in examine(sparse_store, fix=False))
    reader = on_another_machine(sparse_store, tmp_path / "reader")
    (reader.current() / FILE_NAME).write_text("[]", encoding="ascii")
    with Library(reader) as shared, pytest.raises(IndexCorruptError, match="prep doctor --fix"):
        shared.search("dropout")
    assert not all(f.ok for f in examine(reader, fix=False))
    assert all(f.ok or f.fixed for f in examine(reader, fix=True))
    with Library(reader) as shared:
        assert shared.search("dropout")
    reader.close()


def test_a_library_without_sparse_vectors_stays_as_it_is(
    server: SparseServer, server_store: ServerStore, notes: Path, tmp_path: Path
) -> None:
    """This test ensures that collections made before the server could search are used as they were made."""
    ingest(server_store, [notes])
    address = Address(server.url, database=server_store.address.database)
    upgraded = ServerStore(address, tmp_path / "upgraded", encoders_at=server_store.encoders)
    (notes / "more.md").write_text("# Dropout\n\nDropout was named by its inventors.\n", encoding="utf-8")
    ingest(upgraded, [notes])
    assert not (upgraded.current() / FILE_NAME).exists()
    with Library(upgraded) as shared:
        assert "inventors" in " ".join(h.passage.text for h in shared.search("who named dropout"))
    upgraded.close()


def test_the_inner_product_is_bm25(read_library: Library, tmp_path: Path) -> None:
    """This test ensures that sparse vectors rank the passages of each field as the local index does."""
    passages = list(read_library.searcher.dense.all_passages())
    shutil.copytree(read_library.home.current() / "lexical", tmp_path / "lexical")
    index = LexicalIndex.load(tmp_path / "lexical")
    statistics = WordStatistics.of_index(tmp_path / "lexical")
    assert statistics.size == len(passages)
    question = "which classifier reaches high accuracy by the majority class"
    for n, (tokens, shares) in enumerate(zip((words, grams), index.scores(question), strict=True)):
        holding, mean = statistics.fields[n]
        assert mean == pytest.approx(np.mean([counted(embedded_text(p))[n].total() for p in passages]))
        for token, held in holding.items():
            assert held == sum(token in counted(embedded_text(p))[n] for p in passages)
        vector = query_vector(n, {t: 1 / holding[t] for t in tokens(question) if t in holding})
        products = {p.id: inner(passage_vector(embedded_text(p)), vector) for p in passages}
        for p in passages:
            assert (products[p.id] > 0) == (shares[index.rows[p.id]] > 0)
        assert max(products, key=products.__getitem__) == index.id(int(shares.argmax()))


def inner(a: Sparse, b: Sparse) -> float:
    first, second = (dict(zip(v.indices, v.values, strict=True)) for v in (a, b))
    return sum(value * second.get(n, 0.0) for n, value in first.items())


def test_hosted_chroma_is_asked_for_no_more_records_than_it_gives(
    sparse_store: ServerStore, server: SparseServer, notes: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """This test ensures that pages, writes and searches stay within a quota, here of two records."""
    assert Connection(Address("https://api.trychroma.com")).table("any").page == 300
    assert Connection(Address("https://trychroma.com.example.org")).table("any").page == 1000
    monkeypatch.setattr(Address, "is_hosted", True)
    monkeypatch.setattr("retrieval.server._HOSTED", 2)
    asked: list[int] = []
    search = Table.search
    monkeypatch.setattr(Table, "search", lambda self, *said: asked.append(said[2]) or search(self, *said))
    ingest(sparse_store, [notes])
    with Library(sparse_store) as shared:
        assert shared.search("dropout")
    assert set(asked) == {2}


def test_a_server_that_fails_the_first_search_is_no_old_server(
    sparse_store: ServerStore, server: SparseServer, notes: Path
) -> None:
    """This test ensures that a fault makes no library without sparse vectors, and stops none that is made."""
    server.refusal = 500
    with pytest.raises(ServerError, match="failed"):
        ingest(sparse_store, [notes])
    server.refusal = 0
    ingest(sparse_store, [notes])
    assert (sparse_store.current() / FILE_NAME).exists()
    server.refusal = 500
    (notes / "more.md").write_text("# Dropout\n\nDropout was named by its inventors.\n", encoding="utf-8")
    ingest(sparse_store, [notes])
    server.refusal = 0


def test_a_long_passage_keeps_its_weightiest_tokens() -> None:
    """This test ensures that no sparse vector is over what hosted Chroma takes as a metadata value."""
    vector = passage_vector(" ".join(f"word{n} token{n}" for n in range(2000)))
    assert len(vector.indices) == 500
    assert vector.indices == sorted(set(vector.indices))


def test_weights_of_words_alone_need_no_grams(sparse_store: ServerStore, server: SparseServer, notes: Path) -> None:
    """This test ensures that a field that nothing matches gives no score, and no request of nothing."""
    ingest(sparse_store, [notes])
    lexical = sparse_store.lexical(sparse_store.current())
    before = server.searches
    assert lexical.match("qqzzqq", Weights()).best(5) == set()
    assert server.searches == before
    match = lexical.match("acuracy", Weights(words=1.0))
    assert match.best(5) == set()
    assert lexical.match("acuracy", Weights(words=0.0)).best(5)
