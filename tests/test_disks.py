"""Disks that are full or read-only: the library still answers, nothing is lost, and the reason is one sentence."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from ingest.pipeline import ingest
from retrieval import Library
from retrieval.encoder import Encoder
from retrieval.errors import StorageError
from retrieval.index import DenseIndex
from retrieval.store import Home, storage_errors
from retrieval.vectors import VectorCache
from tests.invariants import check_generation


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A small disk of its own, where the machine lets one be mounted."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", str(place)]
    if sys.platform != "linux" or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("no file system can be mounted here")
    yield place
    subprocess.run(["umount", "--lazy", str(place)], check=True)


def fill(disk: Path, leave: int) -> Path:
    """Fill a disk but for so many bytes; return the file that does."""
    filler = disk / "filler"
    filler.write_bytes(bytes(max(0, shutil.disk_usage(disk).free - leave)))
    return filler


def test_a_full_disk_costs_the_new_generation_only(disk: Path, encoders: Path, encoder: Encoder, notes: Path) -> None:
    """This test ensures that wherever the room ends, the error says so, the library answers, and room mends it.

    The home stands on another file system than the notes and the encoder.
    """
    home = Home(disk / "home", encoders)
    ingest(home, [notes])
    for n in range(60):
        (notes / f"more-{n}.md").write_text(f"# Note {n}\n\n" + f"Fact {n} about training models. " * 20)
    for leave in (0, 300_000, 1_200_000):  # no room for a file, for the vectors, for the generation
        filler = fill(disk, leave)
        with pytest.raises(StorageError, match=r"disk is full.*nothing already indexed is lost"):
            ingest(home, [notes])
        with Library(home) as library:
            assert (library.generation, len(library.search("dropout", 3))) == ("000001", 3)
        filler.unlink()
    assert ingest(home, [notes]).passages == 64
    check_generation(home)


def test_a_read_only_disk_is_searched_and_not_written(
    disk: Path, encoders: Path, encoder: Encoder, notes: Path
) -> None:
    """This test ensures that a shared, read-only library answers, and that ingest says why it cannot."""
    home = Home(disk / "home", encoders)
    ingest(home, [notes])
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
    with Library(home) as library:
        assert library.ask("Why is accuracy misleading on imbalanced data?").answered
    with pytest.raises(StorageError, match="read-only; choose another place"):
        ingest(home, [notes])


def test_an_index_that_cannot_be_copied_either_says_what_to_do(
    library: Library, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """This test ensures that no room anywhere is a sentence with both places."""
    folder = library.home.current() / "chroma"
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "not-there"))
    monkeypatch.setattr("retrieval.index._takes_writes", lambda _: False)
    with pytest.raises(StorageError, match=r"full or read-only.*not-there.*free some space"):
        DenseIndex(folder, reading=True)


def test_a_cache_that_cannot_grow_is_a_full_disk(tmp_path: Path, encoder: Encoder) -> None:
    """This test ensures that SQLite's word for it is the system's."""
    with VectorCache(tmp_path / "vectors.sqlite", encoder) as cache:
        cache._db.execute("pragma max_page_count = 8")
        with pytest.raises(StorageError, match="disk is full"), storage_errors(tmp_path):
            cache._save([bytes([n]) * 32 for n in range(100)], np.ones((100, 384), np.float32))


def test_a_damaged_page_of_the_cache_costs_time_only(tmp_path: Path, encoder: Encoder) -> None:
    """This test ensures that damage SQLite meets only when it reads on begins a new file, and every vector is there."""
    path = tmp_path / "vectors.sqlite"
    texts = [f"text {n}" for n in range(100)]
    with VectorCache(path, encoder) as cache:
        cache.put(texts, list(np.ones((100, 384), np.float32)))
    content = bytearray(path.read_bytes())
    content[4096:] = b"\x5a" * (len(content) - 4096)
    path.write_bytes(content)
    with VectorCache(path, encoder) as cache:
        assert not cache.crowded(0)
        np.testing.assert_allclose(cache.encode(texts[:2]), encoder.encode(texts[:2]), atol=1e-5)
        assert (cache.encoded, len(cache.encode(texts[:2])), cache.encoded) == (2, 2, 2)
