"""A library on a Chroma server: its faults, each a sentence; its mirror; what is shared and what is kept apart."""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from ingest.discover import sha256
from ingest.doctor import examine
from ingest.pipeline import Report, ingest
from retrieval import Library, sqlite_cache
from retrieval.errors import (
    IndexCorruptError,
    IndexMissingError,
    LockedError,
    PrepdeskError,
    QueryError,
    ServerError,
    StorageError,
)
from retrieval.manifest import Manifest, SourceRecord
from retrieval.server import Address
from retrieval.server_files import ServerFiles, digest_of
from retrieval.server_index import RecordCache, ServerIndex
from retrieval.server_store import ServerStore
from retrieval.store import Home, Store
from tests.chroma_server import ChromaServer
from tests.conftest import make_server_store
from tests.door import Door, opened_door
from tests.invariants import check_generation, check_same_state, state_of

QUESTION = "what does dropout do"


@pytest.fixture
def kept_in(server_store: ServerStore) -> Store:
    return server_store


@pytest.fixture
def door(chroma_server: ChromaServer) -> Iterator[Door]:
    with opened_door(chroma_server.url) as door:
        yield door


def beside(store: ServerStore, folder: Path, **changes: object) -> ServerStore:
    """Return the same library as another machine sees it."""
    return ServerStore(replace(store.address, **changes), folder, encoders_at=store.encoders, timeout=5.0)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("localhost:8000", "no address"),
        ("ftp://host", "no address"),
        ("http://host:port", "no address"),
        ("http://me:secret@host", "PREP_CHROMA_TOKEN"),
    ],
)
def test_an_address_is_checked(url: str, why: str) -> None:
    """This test ensures that a typing error, or a secret where it would be shown, is told at once."""
    with pytest.raises(QueryError, match=why):
        Address(url)


def test_the_token_is_not_shown() -> None:
    """This test ensures that no representation of an address holds its token."""
    assert "s3cret" not in repr(Address("https://host", token="s3cret"))
    assert "s3cret" not in Address("https://host", token="s3cret").place


def test_both_stores_hold_the_same(
    server_store: ServerStore, ingest_notes: Callable[..., Report], notes: Path, tmp_path: Path
) -> None:
    """This test ensures that passages, vectors, words, topics, texts and hits with their order agree."""
    ingest_notes()
    home = Home(tmp_path / "local", server_store.encoders)
    ingest(home, [notes])
    check_same_state(state_of(server_store), state_of(home))
    with Library(home) as local, Library(server_store) as shared:
        for question in (QUESTION, "accuracy on imbalanced data", "loss that jumps around", "weights"):
            pairs = [[(h.passage.id, round(h.score, 4)) for h in lib.search(question, 4)] for lib in (local, shared)]
            assert pairs[0] == pairs[1]
            assert local.ask(question).sentences == shared.ask(question).sentences


def test_another_machine_reads_what_was_written(
    server_store: ServerStore, ingest_notes: Callable[..., Report], tmp_path: Path
) -> None:
    """This test ensures that a mirror made from the server alone holds what the writer's does."""
    ingest_notes()
    other = beside(server_store, tmp_path / "other")
    check_same_state(state_of(other), state_of(server_store))
    other.close()


def test_a_server_that_is_gone_is_a_sentence_until_it_is_back(tmp_path: Path, encoders: Path, notes: Path) -> None:
    """This test ensures that a question to a dead server fails clearly, and that the next one after it is answered."""
    server = ChromaServer(tmp_path)
    server.start()
    try:
        store = ServerStore(Address(server.url), tmp_path / "home", encoders_at=encoders)
        ingest(store, [notes])
        with Library(store) as library:
            before = library.search(QUESTION)
            server.kill()
            with pytest.raises(ServerError, match=r"127\.0\.0\.1:\d+ cannot be reached; start it again"):
                library.search(QUESTION)
            server.start()
            assert library.search(QUESTION) == before
            server.kill()
            back = threading.Timer(0.5, server.start)
            back.start()
            (notes / "new.md").write_text("# Boosting\n\nGradient boosting fits trees to residuals.\n")
            assert ingest(store, [notes]).new == ("new.md",)
            back.join()
            check_generation(store)
        store.close()
    finally:
        server.kill()


def test_a_token_opens_the_door_and_is_written_nowhere(
    server_store: ServerStore, ingest_notes: Callable[..., Report], door: Door, tmp_path: Path
) -> None:
    """This test ensures that the token goes to the server, into no file or message, and that a wrong one is told."""
    ingest_notes()
    door.token = "s3cret"
    mine = beside(server_store, tmp_path / "mine", url=door.url, token="s3cret")
    with Library(mine) as library:
        assert library.search(QUESTION)
    mine.close()
    assert set(door.seen) == {"Bearer s3cret"}
    assert not [p for p in tmp_path.rglob("*") if p.is_file() and b"s3cret" in p.read_bytes()]
    for token, words in (("wr0ng", "refuses the token"), (None, "needs a token")):
        with pytest.raises(ServerError, match=f"{words}.*PREP_CHROMA_TOKEN") as caught:
            Library(beside(server_store, tmp_path / "mine", url=door.url, token=token))
        assert "wr0ng" not in str(caught.value)


def test_a_slow_server_is_not_waited_for_without_end(
    server_store: ServerStore, ingest_notes: Callable[..., Report], door: Door, tmp_path: Path
) -> None:
    """This test ensures that a time limit holds when connecting and in the middle of a question."""
    ingest_notes()
    store = beside(server_store, tmp_path / "mine", url=door.url)
    with Library(store) as library:
        library.search(QUESTION)
        door.delay = 7.0
        with pytest.raises(ServerError, match="gave no answer within 5 seconds"):
            library.search(QUESTION)
    store.close()
    with pytest.raises(ServerError, match="gave no answer within 5 seconds"):
        beside(server_store, tmp_path / "mine", url=door.url).current()


@pytest.mark.parametrize(
    ("status", "body", "why"),
    [
        (410, b'{"error":"Unimplemented","message":"The v2 API is not here"}', "bring both to the same version"),
        (200, b"<html>Welcome to nginx</html>", "bring both to the same version"),
        (502, b"Bad Gateway", "cannot be reached"),
        (500, b'{"error":"InternalError","message":"disk I/O error"}', "failed .*its log says more"),
    ],
)
def test_what_is_no_fitting_server_is_told(
    server_store: ServerStore, door: Door, tmp_path: Path, status: int, body: bytes, why: str
) -> None:
    """This test ensures that other versions, other servers and broken ones are each named."""
    door.page = (status, body)
    with pytest.raises(ServerError, match=why):
        beside(server_store, tmp_path / "mine", url=door.url).current()


def test_a_database_that_is_not_there_is_told(server_store: ServerStore, tmp_path: Path) -> None:
    """This test ensures that a wrong name of a database is no empty library."""
    with pytest.raises(ServerError, match="has no database no-such-database"):
        beside(server_store, tmp_path / "mine", database="no-such-database").current()


@pytest.mark.parametrize("what", ["prepdesk-passages-", "prepdesk-questions-"])
def test_a_collection_deleted_under_a_reader_is_told_and_mended(
    server_store: ServerStore, ingest_notes: Callable[..., Report], what: str
) -> None:
    """This test ensures that a reader says what is gone, that doctor sees it, and that an ingest puts it back."""
    ingest_notes()
    with Library(server_store) as library:
        before = library.search(QUESTION)
        (name,) = [n for n in server_store.connection.names() if n.startswith(what)]
        server_store.connection.drop(name)
        with pytest.raises(ServerError, match=r"lacks what was asked of it .*or ingest again"):
            library.search(QUESTION)
        assert [f.check for f in examine(server_store) if not f.ok] == ["passages"]
        assert ingest_notes().encoded == 0
        check_generation(server_store)
        assert library.search(QUESTION) == before
    assert all(f.ok for f in examine(server_store))


def test_a_dry_run_makes_no_collection(server_store: ServerStore, ingest_notes: Callable[..., Report]) -> None:
    """This test ensures that --dry-run tells what is gone from the server, and puts nothing in its place."""
    ingest_notes()
    for name in server_store.connection.names():
        if name.startswith(("prepdesk-passages-", "prepdesk-questions-")):
            server_store.connection.drop(name)
    assert ingest_notes(dry_run=True).changed == ("bank.yaml", "regularization.md")
    assert server_store.connection.names() == ["prepdesk-manifest"]


def test_a_file_that_cannot_be_opened_lacks_no_passages(
    server_store: ServerStore, notes: Path, ingest_notes: Callable[..., Report], monkeypatch: pytest.MonkeyPatch
) -> None:
    """This test ensures that doctor does not read a folder again and again for the sake of a file it cannot open."""
    ingest_notes()

    def refusing(file: Path, record: SourceRecord | None) -> tuple[str, os.stat_result]:
        if file.name == "bank.yaml":
            raise PermissionError(13, "Permission denied", str(file))
        return sha256(file, record)

    monkeypatch.setattr("ingest.plan.sha256", refusing)
    assert [path for path, _ in ingest_notes().failed] == ["bank.yaml"]
    before = server_store.current_name()
    assert all(f.ok for f in examine(server_store, fix=True))
    assert server_store.current_name() == before


def test_a_library_deleted_under_a_reader_is_missing(
    server_store: ServerStore, ingest_notes: Callable[..., Report]
) -> None:
    """This test ensures that whoever empties the server leaves readers with a sentence."""
    ingest_notes()
    with Library(server_store) as library:
        for name in server_store.connection.names():
            server_store.connection.drop(name)
        with pytest.raises(IndexMissingError, match="prep ingest --chroma"):
            library.search(QUESTION)
    assert ingest_notes().passages == 4


def use(store: ServerStore) -> None:
    with Library(store) as library:
        library.search(QUESTION)
        library.topics()


@pytest.mark.parametrize("file", ["lexical/ids.npy", "records.json", "manifest.json", "topics.json"])
def test_a_damaged_mirror_is_seen_and_taken_anew(
    server_store: ServerStore, ingest_notes: Callable[..., Report], file: str
) -> None:
    """This test ensures that doctor mends what this machine keeps from what the server has, as a question says."""
    ingest_notes()
    (server_store.current() / file).write_bytes(b"no numbers")
    with pytest.raises(IndexCorruptError, match="prep doctor --fix"):
        use(server_store)
    assert [f.check for f in examine(server_store) if not f.ok] == ["mirror"]
    assert [f.check for f in examine(server_store, fix=True) if f.fixed] == ["mirror"]
    check_generation(server_store)


@pytest.mark.parametrize("file", ["lexical/ids.npy", "lexical/words/vocab.index.json", "records.json"])
def test_a_damaged_mirror_does_not_keep_a_newer_one_from_being_made(
    server_store: ServerStore, ingest_notes: Callable[..., Report], notes: Path, tmp_path: Path, file: str
) -> None:
    """This test ensures that a reader whose older mirror is damaged builds the words anew."""
    ingest_notes()
    other = beside(server_store, tmp_path / "other")
    (other.current() / file).write_bytes(b"[")
    (notes / "new.md").write_text("# Boosting\n\nGradient boosting fits trees to residuals.\n", encoding="utf-8")
    ingest_notes()
    check_same_state(state_of(other), state_of(server_store))
    other.close()


@pytest.mark.parametrize(
    "name",
    ["../../../outside.txt", "{0}/outside.txt", "texts/../../outside.txt", "texts/outside.txt", "lexical/ids.npy"],
)
def test_a_server_writes_no_file_where_it_likes(
    server_store: ServerStore, ingest_notes: Callable[..., Report], tmp_path: Path, name: str
) -> None:
    """This test ensures that of a version which lists other files than a library has nothing is taken."""
    ingest_notes()
    table = server_store.connection.table("prepdesk-manifest")
    said = table.get(ids=["current"], include=["metadatas"])["metadatas"][0]["versions"]
    kept = ServerFiles(table)
    listed = json.loads(kept.get(json.loads(said)[0][1])) | {name.format(tmp_path): digest_of(b"evil")}
    files = json.dumps(listed).encode()
    kept.put([b"evil", files])
    versions = json.dumps([[2, digest_of(files), None]])
    table.upsert(ids=["current"], embeddings=[[0.0, 1.0]], metadatas=[{"versions": versions}])
    other = beside(server_store, tmp_path / "other")
    with pytest.raises(IndexCorruptError, match=r"library at http://.* names a file outside it .*outside|ids\.npy"):
        other.current()
    assert not list(tmp_path.rglob("outside.txt"))
    assert [p.name for p in other.path.iterdir() if p.is_dir()] == ["versions"]
    assert not list((other.path / "versions").iterdir())
    other.close()


def test_what_a_killed_writer_left_on_this_machine_goes(
    server_store: ServerStore, ingest_notes: Callable[..., Report]
) -> None:
    """This test ensures that the staging folders of other processes do not stay for ever."""
    left = server_store.path / "staging" / "1" / "000001"
    (left / "texts").mkdir(parents=True)
    ingest_notes()
    assert list((server_store.path / "staging").iterdir()) == []


def test_what_a_replaced_version_had_goes_after_its_time(
    chroma_server: ChromaServer, tmp_path: Path, encoders: Path, notes: Path
) -> None:
    """This test ensures that readers of the last version find its passages for a while, and nothing stays for ever."""
    store = make_server_store(chroma_server, tmp_path, encoders)
    ingest(store, [notes])
    with Library(store) as library:
        old = library.searcher
        (notes / "bank.yaml").unlink()
        ingest(store, [notes])
        assert len(old.dense.vectors(old.dense.ids())) == 4
    hasty = ServerStore(store.address, tmp_path, encoders_at=encoders, grace=0.0)
    (notes / "regularization.md").write_text("# Other\n\nQuite another text.\n", encoding="utf-8")
    ingest(hasty, [notes])
    (name,) = [n for n in hasty.connection.names() if n.startswith("prepdesk-passages-")]
    assert len(hasty.connection.table(name).get(include=[])["ids"]) == 1
    store.close()
    hasty.close()


def test_a_writer_that_was_overtaken_gives_up(server_store: ServerStore) -> None:
    """This test ensures that one whose lease ran out does not put its version over that of another."""
    with server_store.writing():
        folder = server_store.begin(copy=False, encoder="encoder")
        Manifest("encoder", "model", 3, "chunker", "2026-01-01T00:00:00Z").write(folder)
        (folder / "topics.json").write_text("{}")
        hold_lease(server_store, 60.0)
        with pytest.raises(LockedError, match="another writer took over"):
            server_store.commit(folder)
    assert server_store.current_name() is None


def hold_lease(store: ServerStore, seconds: float) -> None:
    """Take the lease as another machine does."""
    facts = {"holder": "other", "host": "elsewhere", "pid": 1, "until": time.time() + seconds}
    table = store.connection.table("prepdesk-manifest")
    table.upsert(ids=["lease"], embeddings=[[1.0, 0.0]], metadatas=[facts])


def test_a_lease_of_a_dead_writer_elsewhere_runs_out(server_store: ServerStore, notes: Path) -> None:
    """This test ensures that a writer waits for another machine's lease, no longer than it lasts."""
    with server_store.writing():
        pass
    hold_lease(server_store, 1.0)
    with pytest.raises(LockedError, match="elsewhere, process 1 is writing"):
        ingest(server_store, [notes])
    assert ingest(server_store, [notes], wait=10.0).passages == 4


def test_a_newer_version_is_fetched_while_the_old_one_serves(
    server_store: ServerStore, ingest_notes: Callable[..., Report], notes: Path, tmp_path: Path, door: Door
) -> None:
    """This test ensures that questions go on while a mirror is made, and that the new version then answers."""
    ingest_notes()
    reader = beside(server_store, tmp_path / "reader", url=door.url)
    with Library(reader) as library:
        first = library.generation
        (notes / "new.md").write_text("# Boosting\n\nGradient boosting fits trees to residuals.\n", encoding="utf-8")
        ingest_notes()
        door.delay = 0.4  # six answers and more are needed for a mirror, and it is waited for a second
        assert library.generation == first
        door.delay = 0.0
        end = time.monotonic() + 30
        while library.generation == first and time.monotonic() < end:
            time.sleep(0.05)
        assert "boosting" in library.search("gradient boosting", k=1)[0].passage.text
    reader.close()


@pytest.mark.parametrize("harm", ["page", "text"])
def test_damage_to_what_is_kept_of_the_server_costs_reading_again(tmp_path: Path, harm: str) -> None:
    """This test ensures that a file is begun anew where it is damaged, whether SQLite meets that soon or late."""
    path = tmp_path / "records.sqlite"
    cache = RecordCache(tmp_path)
    rows = {f"record-{n:04}": "x" * 1000 for n in range(1000)}
    cache.put(rows.items())
    if harm == "page":
        path.write_bytes(path.read_bytes()[:4096] + b"\x5a" * (path.stat().st_size - 4096))
    else:
        path.write_bytes(path.read_bytes().replace(b"xxx", b"x\xffx"))
    assert cache.get(list(rows)) == {}
    cache.put(rows.items())
    assert cache.get(list(rows)) == rows


def test_a_disk_without_room_for_what_is_kept_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """This test ensures that SQLite's words for it are the sentence of any other full disk, or closed one."""

    def small(*arguments: Any, **options: Any) -> sqlite3.Connection:
        db = connect(*arguments, **options)
        db.execute("pragma max_page_count = 8")
        return db

    connect = sqlite3.connect
    with pytest.raises(StorageError, match="permission is denied"):
        RecordCache(tmp_path / "nowhere").get(["record"])
    monkeypatch.setattr(sqlite3, "connect", small)
    with pytest.raises(StorageError, match="disk is full"):
        RecordCache(tmp_path).put((f"record-{n}", "x" * 1000) for n in range(100))


def test_a_file_that_another_process_holds_is_no_broken_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """This test ensures that who comes too late is told to come again, not to check the disk."""
    monkeypatch.setattr(sqlite_cache, "_WAIT", 0.05)
    cache = RecordCache(tmp_path)
    cache.put([("record", "says")])
    with contextlib.closing(sqlite3.connect(tmp_path / "records.sqlite")) as other:
        other.execute("begin immediate")
        assert cache.get(["record"]) == {"record": "says"}
        with pytest.raises(StorageError, match=r"records\.sqlite: another process is using it; run it again"):
            cache.put([("record", "more")])


class FullCache(RecordCache):
    """Keeps nothing, for want of room."""

    def put(self, rows: Iterable[tuple[str, str]]) -> None:
        raise StorageError("the disk is full")

    def put_vectors(self, table: str, records: Sequence[str], vectors: NDArray[np.float32]) -> None:
        raise StorageError("the disk is full")


def test_a_full_disk_keeps_no_passage_from_being_read(
    server_store: ServerStore, ingest_notes: Callable[..., Report], tmp_path: Path
) -> None:
    """This test ensures that what came from the server is used also where it cannot be kept."""
    ingest_notes()
    index = ServerIndex(server_store.connection, server_store.current(), FullCache(tmp_path))
    ids = [passage.id for passage in index.all_passages()]
    assert (len(ids), len(index.vectors(ids)), len(index.question_vectors(ids))) == (4, 4, index.count()[1])


def test_a_filter_may_name_more_than_a_server_takes_at_once(
    server_store: ServerStore, ingest_notes: Callable[..., Report]
) -> None:
    """This test ensures that 40,000 sources are a filter like any other on a server too."""
    ingest_notes()
    index = server_store.dense(server_store.current())
    paths = sorted({passage.locator.path for passage in index.all_passages()})
    many = {"path": {"$in": [paths[0], *(f"{n}.md" for n in range(40_000)), *paths[1:]]}}
    assert index.ids(many) == index.ids()
    vector = next(iter(index.vectors(index.ids()[:1]).values()))
    for k in (2, 9):
        assert list(index.query(vector, k, many)) == list(index.query(vector, k))


def test_vectors_that_were_read_once_are_not_asked_for_again(
    server_store: ServerStore, door: Door, ingest_notes: Callable[..., Report], tmp_path: Path
) -> None:
    """This test ensures that vectors come from this machine when they can, the same ones and each under its id."""
    ingest_notes()
    store = beside(server_store, tmp_path / "other", url=door.url)
    index = store.dense(store.current())
    ids = index.ids()
    first = index.vectors(ids) | {f"?{i}": v for i, v in index.question_vectors(ids).items()}
    asked = len(door.seen)
    again = index.vectors(ids) | {f"?{i}": v for i, v in index.question_vectors(ids).items()}
    assert (len(door.seen), list(again)) == (asked, list(first))
    for id_, vector in again.items():
        np.testing.assert_array_equal(vector, first[id_])


def test_every_message_is_one_line(server_store: ServerStore) -> None:
    """This test ensures that what people read of a server's fault has no line breaks or JSON in it."""
    with pytest.raises(PrepdeskError) as caught:
        server_store.current()
    assert "\n" not in str(caught.value)
    assert not json.dumps(str(caught.value)).count("{")
