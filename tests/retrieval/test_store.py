"""Generations, the pointer and the lock."""

from __future__ import annotations

import errno
import json
import multiprocessing
import shutil
import time
from pathlib import Path

import pytest

from retrieval import opened
from retrieval.errors import IndexCorruptError, IndexMissingError, LockedError, StorageError
from retrieval.manifest import Manifest
from retrieval.store import SEAL, Home, storage_errors


def empty_manifest() -> Manifest:
    return Manifest("encoder", "model", 3, "chunker", "2026-01-01T00:00:00Z")


def commit_one(home: Home) -> str:
    with home.writing():
        folder = home.begin(copy=True)
        empty_manifest().write(folder)
        home.commit(folder)
    return folder.name


def hold_lock(path: Path, seconds: float) -> None:
    with Home(path).writing():
        (path / "held").touch()
        time.sleep(seconds)


def test_no_index_says_how_to_make_one(tmp_path: Path) -> None:
    """This test ensures that a home without an index is told from a damaged one."""
    with pytest.raises(IndexMissingError, match="prep ingest"):
        Home(tmp_path).current()


def test_generations_follow_each_other_and_one_old_one_stays(tmp_path: Path) -> None:
    """This test ensures that readers of the last generation still find it, and that older ones go."""
    home = Home(tmp_path)
    assert [commit_one(home) for _ in range(4)] == ["000001", "000002", "000003", "000004"]
    assert home.current_name() == "000004"
    assert sorted(p.name for p in home.generations.iterdir()) == ["000003", "000004"]


def test_an_unfinished_generation_is_cleared_away(tmp_path: Path) -> None:
    """This test ensures that what a dead writer left is neither read nor kept."""
    home = Home(tmp_path)
    commit_one(home)
    (home.generations / "000002" / "chroma").mkdir(parents=True)
    assert home.current().name == "000001"
    assert commit_one(home) == "000002"


def test_a_pointer_to_nothing_is_corrupt(tmp_path: Path) -> None:
    """This test ensures that a dangling pointer is reported with what to do."""
    home = Home(tmp_path)
    commit_one(home)
    (tmp_path / "CURRENT").write_text("000042\n")
    with pytest.raises(IndexCorruptError, match="prep doctor --fix"):
        home.current()


def test_a_second_writer_is_told_who_holds_the_lock(tmp_path: Path) -> None:
    """This test ensures that two writers never work at once, and that the message names the first."""
    process = multiprocessing.get_context("spawn").Process(target=hold_lock, args=(tmp_path, 20.0))
    process.start()
    try:
        while not (tmp_path / "held").exists():
            time.sleep(0.02)
        with pytest.raises(LockedError, match=f"pid {process.pid}"), Home(tmp_path).writing():
            pass
    finally:
        process.kill()
        process.join()
    with Home(tmp_path).writing(wait=5.0):  # the lock of a dead process is free at once
        pass


def test_a_manifest_survives_the_disk(tmp_path: Path) -> None:
    """This test ensures that a manifest reads back as it was written."""
    empty_manifest().write(tmp_path)
    assert Manifest.read(tmp_path) == empty_manifest()


def test_a_manifest_of_another_schema_asks_for_a_rebuild(tmp_path: Path) -> None:
    """This test ensures that both versions are named."""
    empty_manifest().write(tmp_path)
    raw = json.loads((tmp_path / "manifest.json").read_text())
    (tmp_path / "manifest.json").write_text(json.dumps({**raw, "schema": 99}))
    with pytest.raises(IndexCorruptError, match=r"99.*--rebuild"):
        Manifest.read(tmp_path)


def test_a_full_disk_is_one_sentence(tmp_path: Path) -> None:
    """This test ensures that the system's refusal becomes advice."""
    with pytest.raises(StorageError, match="disk is full"), storage_errors(tmp_path):
        raise OSError(28, "No space left on device", str(tmp_path / "x"))


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (OSError(errno.EDQUOT, "Disk quota exceeded"), "place: Disk quota exceeded; mend that"),
        (OSError(errno.EMFILE, "Too many open files", "there"), "there: Too many open files; mend that"),
        (shutil.Error([("a", "b", "[Errno 36] File name too long: 'b'")]), "place: File name too long; mend that"),
        (OSError("100 requested\nand 12 written"), "place: 100 requested and 12 written; mend that"),
    ],
)
def test_a_refusal_without_advice_of_its_own_is_one_sentence_too(error: OSError, words: str) -> None:
    """This test ensures that what the system says of any other fault is told with its place, on one line."""
    told = f"^cannot read or write {words}.*nothing already indexed is lost$"
    with pytest.raises(StorageError, match=told), storage_errors(Path("place")):
        raise error


def test_a_reader_that_hung_up_is_no_fault_of_a_disk(tmp_path: Path) -> None:
    """This test ensures that `prep ingest` piped into a command that ends early is left to who prints."""
    with pytest.raises(BrokenPipeError), storage_errors(tmp_path):
        raise BrokenPipeError(errno.EPIPE, "Broken pipe")


def test_what_was_opened_on_a_disk_that_refuses_is_one_sentence(tmp_path: Path) -> None:
    """This test ensures that a note which cannot be written is told as everything else that cannot."""
    resource = pytest.importorskip("resource")
    opened.keep(tmp_path, True)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, before[1]))
    try:
        with pytest.raises(StorageError, match="File too large"):
            opened.add_opened(tmp_path, "why", "p1")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("pointer", ["abc\n", "../000001\n"])
def test_a_damaged_pointer_is_no_new_library(tmp_path: Path, pointer: str) -> None:
    """This test ensures that a home whose pointer makes no sense is neither taken for a new one nor cleared."""
    home = Home(tmp_path)
    commit_one(home)
    (tmp_path / "CURRENT").write_text(pointer)
    for act in (home.current, lambda: commit_one(home)):
        with pytest.raises(IndexCorruptError, match=r"CURRENT is damaged; run: prep doctor --fix"):
            act()
    assert [p.name for p in home.generations.iterdir()] == ["000001"]


@pytest.mark.parametrize("empty", [True, False])
def test_a_lost_pointer_loses_nothing(tmp_path: Path, empty: bool) -> None:
    """This test ensures that the newest sealed generation is live without a pointer, and one half written never is."""
    home = Home(tmp_path)
    for _ in range(2):
        commit_one(home)
        (home.current() / SEAL).touch()
    with home.writing():
        empty_manifest().write(home.begin(copy=False))
        (tmp_path / "CURRENT").write_text("") if empty else (tmp_path / "CURRENT").unlink()
    assert home.current_name() == "000002"
    commit_one(home)
    assert home.current_name() == "000003"


def test_a_new_beginning_keeps_what_may_be_left_of_the_library(tmp_path: Path) -> None:
    """This test ensures that beside a dangling pointer no complete generation goes before another one is live."""
    home = Home(tmp_path)
    commit_one(home)
    commit_one(home)
    (tmp_path / "CURRENT").write_text("000042\n")
    with home.writing():
        home.begin(copy=False)
    assert sorted(p.name for p in home.generations.iterdir()) == ["000001", "000002", "000043"]


def test_a_home_that_is_a_file_is_one_sentence(tmp_path: Path) -> None:
    """This test ensures that --index with a file is told, reading and writing."""
    (tmp_path / "file").touch()
    with pytest.raises(StorageError, match="a file and no folder"):
        Home(tmp_path / "file").current()
    for path in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(StorageError, match="a file stands where a folder is needed"), Home(path).writing():
            pass
