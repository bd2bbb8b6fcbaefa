"""The replica of a generation: exact search, single rows, lines, and changes."""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.doctor import examine
from ingest.pipeline import ingest
from retrieval import local_index
from retrieval.arrays import Vectors
from retrieval.errors import IndexCorruptError
from retrieval.index import DenseIndex
from retrieval.library import Library
from retrieval.lines import Lines, LinesWriter
from retrieval.matrix import Matrix, MatrixWriter
from retrieval.store import Home
from retrieval.types import Locator, Passage
from tests.invariants import check_generation, check_same_state, state_of


def unit(*values: float) -> Vectors:
    vector = np.array(values, dtype=np.float32)
    return vector / np.float32(np.linalg.norm(vector))


@pytest.fixture
def matrix(tmp_path: Path) -> Matrix:
    writer = MatrixWriter(Matrix.of({}))
    writer.put(["c", "a", "b"], np.stack([unit(1, 0), unit(0, 1), unit(1, 1)]))
    writer.save(tmp_path / "first")
    return Matrix.load(tmp_path / "first")


def test_rows_are_found_by_id(matrix: Matrix) -> None:
    """This test ensures that a vector is that of its id, and that unknown ids, before or after all, are left out."""
    found = matrix.get(["c", "B", "zz", "a", "", "\u00fc", "a\u0301", "\ud800"])
    assert list(found) == ["c", "a"]
    np.testing.assert_array_equal(found["c"], unit(1, 0))


def test_the_nearest_are_all_and_in_order(matrix: Matrix) -> None:
    """This test ensures exact cosines, nearest first, among all or some, however many are asked for."""
    assert list(matrix.nearest(unit(1, 0.1), 9)) == ["c", "b", "a"]
    assert matrix.nearest(unit(1, 0), 1) == {"c": pytest.approx(1.0)}
    assert matrix.nearest(unit(1, 0), 2, ["a", "b", "unknown"]) == {"b": pytest.approx(0.5**0.5), "a": 0.0}
    assert matrix.nearest(unit(1, 0), 0) == matrix.nearest(unit(1, 0), 5, []) == {}


def test_changes_make_another_matrix(matrix: Matrix, tmp_path: Path) -> None:
    """This test ensures that new, replaced and deleted rows are as the last change says, and the old file stays."""
    writer = MatrixWriter(matrix)
    writer.put(["a", "d", "e"], np.stack([unit(1, 2), unit(3, 1), unit(1, 1)]))
    writer.delete(["b", "e", "unknown"])
    assert list(writer.get(["b", "d", "c"])) == ["c", "d"]
    writer.save(tmp_path / "second")
    second = Matrix.load(tmp_path / "second")
    assert second.ids.tolist() == [b"a", b"c", b"d"]
    np.testing.assert_array_equal(second.vectors, [unit(1, 2), unit(1, 0), unit(3, 1)])
    assert matrix.ids.tolist() == [b"a", b"b", b"c"]


def test_nothing_is_a_matrix_too(tmp_path: Path) -> None:
    """This test ensures that a library without question entries opens."""
    writer = MatrixWriter(Matrix.of({}))
    writer.put([], np.empty((0, 2), np.float32))
    writer.save(tmp_path / "empty")
    empty = Matrix.load(tmp_path / "empty")
    assert (len(empty), empty.get(["a"]), empty.nearest(unit(1, 0), 3)) == (0, {}, {})


@given(
    st.dictionaries(st.text("abc", min_size=1), st.binary().map(lambda b: b.replace(b"\n", b" "))),
    st.dictionaries(st.text("abc", min_size=1), st.binary(max_size=5).map(lambda b: b.replace(b"\n", b" "))),
    st.sets(st.text("abc", min_size=1)),
)
def test_lines_are_what_the_last_change_says(
    tmp_path_factory: pytest.TempPathFactory, old: dict[str, bytes], new: dict[str, bytes], gone: set[str]
) -> None:
    """This test ensures that lines of any content and length come back under their ids, from memory and from disk."""
    folder = tmp_path_factory.mktemp("lines")
    writer = LinesWriter(Lines.of(old))
    writer.delete(gone)
    writer.put(list(new), new.values())
    wanted = {id_: line for id_, line in old.items() if id_ not in gone} | new
    assert writer.get(writer.all_ids()) == wanted
    assert writer.save(folder / "lines") == len(wanted)
    lines = Lines.load(folder / "lines")
    assert lines.get([*old, *new, ""]) == {id_: wanted[id_] for id_ in [*old, *new] if id_ in wanted}
    assert (folder / "lines" / "lines.jsonl").read_bytes() == b"".join(wanted[i] + b"\n" for i in sorted(wanted))


def test_exact_search_and_the_graph_agree(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    """This test ensures that the same passages are found by both, with a filter and without."""
    vector = library.searcher.encoder.encode_query("why is accuracy misleading on imbalanced data")
    dense = library.searcher.dense
    ways = []
    for most in (0, 1000):
        monkeypatch.setattr(local_index, "EXACT", most)
        ways.append(
            (dense.query(vector, 3), dense.query(vector, 3, {"kind": "prose"}), dense.query_questions(vector, 2))
        )
    for graph, exact in zip(*ways, strict=True):
        assert list(graph) == list(exact)
        assert graph == pytest.approx(exact, abs=1e-5)


def test_a_filter_may_name_more_than_sqlite_takes(library: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    """This test ensures that 40,000 sources are a filter like any other, alone and within others."""
    dense = library.searcher.dense
    first, last = (record.path for record in library.manifest.sources)
    many: dict[str, Any] = {"path": {"$in": [first, *(f"{n}.md" for n in range(40_000)), last]}}
    prose = {"kind": {"$in": ["prose"]}}
    assert dense.ids(many) == dense.ids()
    assert dense.ids({"$and": [prose, many]}) == dense.ids({"$and": [many, prose, many]}) == dense.ids(prose)
    assert dense.ids({"$or": [prose, many]}) == dense.ids()
    vector = library.searcher.encoder.encode_query("why is accuracy misleading on imbalanced data")
    for most in (0, 1000):  # of which the first asks the graph
        monkeypatch.setattr(local_index, "EXACT", most)
        for k in (2, 9):
            assert list(dense.query(vector, k, many)) == list(dense.query(vector, k))
            assert list(dense.query(vector, k, {"$and": [prose, many]})) == list(dense.query(vector, k, prose))


def test_a_filter_is_answered_whatever_is_asked_meanwhile(library: Library) -> None:
    """This test ensures that the last filter, which is kept, is not given to who asked another one before."""
    dense = library.searcher.dense

    class Interrupted(dict[str, Any]):
        """A filter beside which, just when it was found to be the last one, another thread asks with its own."""

        def __ne__(self, other: object) -> bool:
            if same := dict.__eq__(self, other):
                dense.ids({"kind": "prose"})
            return not same

    wanted = dense.ids({"kind": "qa"})
    assert wanted != dense.ids({"kind": "prose"})
    assert dense.ids(Interrupted(kind="qa")) == wanted
    assert dense.ids(Interrupted(kind="qa")) == wanted


def test_a_start_has_nothing_to_make_up_for(tmp_path: Path) -> None:
    """This test ensures that Chroma's graphs on disk hold all rows after many were written, the last ones too."""
    place = Locator("a.md", "Title", (0, 4))
    passages = [Passage(f"{n:032d}", "text", "Title", place, "prose") for n in range(2300)]
    vectors = np.random.default_rng(5).normal(size=(2300, 8)).astype(np.float32)
    index = DenseIndex(tmp_path)
    index.add(passages, vectors)
    index.add_questions([p.id for p in passages[:1400]], vectors[:1400])
    index.close()
    with contextlib.closing(sqlite3.connect(tmp_path / "chroma.sqlite3")) as db:
        in_graph = db.execute(
            "select seq_id from max_seq_id join segments on id = segment_id where scope = 'VECTOR' order by seq_id"
        )
        assert [row[0] for row in in_graph] == [2300, 3700]


@pytest.mark.parametrize("emptied", ["", "passages/ends.npy", "vectors/vectors.npy"])
def test_a_lost_replica_is_told_and_mended(home: Home, notes: Path, emptied: str) -> None:
    """This test ensures that the doctor makes it anew from Chroma, and that an ingest goes on from there."""
    ingest(home, [notes])
    before = state_of(home)
    replica = home.current() / local_index.FOLDER
    if emptied:
        (replica / emptied).unlink()  # `before` maps it
        (replica / emptied).touch()
    else:
        shutil.rmtree(replica)
    with Library(home) as library, pytest.raises(IndexCorruptError, match="prep doctor --fix"):
        library.search("dropout")
    assert [f.check for f in examine(home, fix=True) if f.fixed] == ["replica"]
    check_same_state(state_of(home), before)
    (notes / "more.md").write_text("# More\n\nDropout zeroes units at random during training.\n")
    ingest(home, [notes])
    check_generation(home)


def test_the_doctor_leaves_notes_without_questions_searchable(home: Home, tmp_path: Path) -> None:
    """This test ensures that a replica made anew is of use where there is no question entry to have a vector."""
    (tmp_path / "plain.md").write_text("# Dropout\n\nDropout zeroes units at random during training.\n")
    ingest(home, [tmp_path / "plain.md"])
    shutil.rmtree(home.current() / local_index.FOLDER)
    assert any(finding.fixed for finding in examine(home, fix=True))
    with Library(home) as library:
        assert [hit.rank for hit in library.search("dropout")] == [1]


def test_a_generation_that_was_cleared_away_is_no_empty_one(home: Home, notes: Path) -> None:
    """This test ensures that a filter over a folder that is gone is a sentence, and makes no folder."""
    ingest(home, [notes])
    with Library(home) as library:
        dense = library.searcher.dense
        shutil.rmtree(library.folder)
        assert len(dense.ids()) == 4
        with pytest.raises(IndexCorruptError, match="asking again helps"):
            dense.ids({"kind": "qa"})
        assert not library.folder.exists()
