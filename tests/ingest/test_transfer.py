"""A library as one file: whole, checked, and the same on the other side."""

from __future__ import annotations

import hashlib
import json
import shutil
import zipfile
from collections.abc import Sequence
from pathlib import Path

import pytest

from ingest.pipeline import ingest
from ingest.transfer import export_library, import_library
from retrieval import Library
from retrieval.errors import IndexCorruptError, QueryError, ReadError
from retrieval.lines import Lines, LinesWriter
from retrieval.server_store import ServerStore
from retrieval.store import Home
from tests.invariants import check_generation, check_same_state, state_of


@pytest.fixture
def exported(home: Home, notes: Path, tmp_path: Path) -> Path:
    ingest(home, [notes])
    export_library(home, tmp_path / "library.prep")
    return tmp_path / "library.prep"


def test_a_library_goes_to_a_server_and_back(
    exported: Path, home: Home, server_store: ServerStore, tmp_path: Path, notes: Path
) -> None:
    """This test ensures that passages, vectors, words, topics and texts are the same after both ways."""
    import_library(server_store, exported)
    check_generation(server_store)
    check_same_state(state_of(server_store), state_of(home))
    export_library(server_store, tmp_path / "back.prep")
    back = Home(tmp_path / "back", home.encoders)
    import_library(back, tmp_path / "back.prep")
    check_same_state(state_of(back), state_of(home))
    report = ingest(back, [notes])
    assert (report.generation, report.unchanged) == (None, 2)


def test_an_import_takes_the_place_of_what_was_there(exported: Path, home: Home, notes: Path) -> None:
    """This test ensures that the library is the one of the file afterwards, nothing else."""
    before = state_of(home)
    (notes / "bank.yaml").unlink()
    ingest(home, [notes])
    import_library(home, exported)
    check_same_state(state_of(home), before)


@pytest.mark.parametrize("harm", ["cut", "packed", "member", "missing", "strange", "no archive"])
def test_a_damaged_file_changes_nothing(exported: Path, home: Home, harm: str) -> None:
    """This test ensures that every injury is found before the library is touched."""
    damage(exported, harm)
    with pytest.raises(ReadError, match=r"library\.prep"):
        import_library(home, exported)
    check_nothing_changed(home)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("vectors.npy", b"no numbers"),
        ("vectors.npy", b"PK\x03\x04 no archive either"),
        ("questions.npy", b""),
        ("passages.jsonl", b"[1, 2"),
        ("passages.jsonl", b'{"id": 1}'),
        ("passages.jsonl", b'["0", "{}"]'),
        ("passages.jsonl", b"[" * 100_000),
        ("topics.json", b"[]"),
        ("topics.json", b'{"topics": [], "means": "", "center": "", "links": []}'),
        ("manifest.json", b"{}"),
    ],
)
def test_content_that_is_none_of_ours_changes_nothing(exported: Path, home: Home, name: str, content: bytes) -> None:
    """This test ensures that a part is read before anything is committed, however well its checksum fits."""
    with zipfile.ZipFile(exported) as archive:
        parts = {member: archive.read(member) for member in archive.namelist()}
    write_parts(exported, {**parts, name: content}, checked=[name])
    with pytest.raises(ReadError, match=rf"library\.prep: {name} in it is not as this version writes it"):
        import_library(home, exported)
    check_nothing_changed(home)


def test_a_manifest_that_names_other_files_changes_nothing(exported: Path, home: Home) -> None:
    """This test ensures that no text is ever looked for outside the library."""
    with zipfile.ZipFile(exported) as archive:
        parts = {member: archive.read(member) for member in archive.namelist()}
    raw = json.loads(parts["manifest.json"])
    raw["sources"][0]["indexed_sha256"] = "../../../secret"
    write_parts(exported, {**parts, "manifest.json": json.dumps(raw).encode()}, checked=["manifest.json"])
    with pytest.raises(ReadError, match=r"library\.prep: manifest\.json in it"):
        import_library(home, exported)
    check_nothing_changed(home)


def test_only_what_has_a_checksum_is_taken_in(exported: Path, home: Home) -> None:
    """This test ensures that a text slipped into the archive does not come into the library."""
    with zipfile.ZipFile(exported, "a") as archive:
        archive.writestr("texts/0123.txt", "Not of this library.")
    import_library(home, exported)
    assert not (home.current() / "texts" / "0123.txt").exists()
    check_generation(home)


def write_parts(file: Path, parts: dict[str, bytes], *, checked: Sequence[str] = ()) -> None:
    """Write an archive anew, the checksums of the parts named made to fit."""
    said = json.loads(parts["checksums.json"])
    said["sha256"] |= {name: hashlib.sha256(parts[name]).hexdigest() for name in checked}
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in {**parts, "checksums.json": json.dumps(said).encode()}.items():
            archive.writestr(name, content)


def check_nothing_changed(home: Home) -> None:
    assert home.current_name() == "000001"
    assert [p.name for p in home.generations.iterdir()] == ["000001"]
    with Library(home) as library:
        assert library.search("dropout")


def damage(file: Path, harm: str) -> None:
    content = file.read_bytes()
    if harm == "cut":
        file.write_bytes(content[: len(content) // 2])
    elif harm == "no archive":
        file.write_text("# Not a library")
    elif harm == "packed":
        with zipfile.ZipFile(file) as archive:
            at = archive.getinfo("passages.jsonl").header_offset + 100
        file.write_bytes(content[:at] + b"\xff" * 20 + content[at + 20 :])
    else:
        with zipfile.ZipFile(file) as archive:
            parts = {name: archive.read(name) for name in archive.namelist()}
        if harm == "member":
            parts["passages.jsonl"] = parts["passages.jsonl"].replace(b"Dropout", b"Dropin ")
        elif harm == "missing":
            del parts["vectors.npy"]
        else:
            parts["checksums.json"] = parts["checksums.json"].replace(b"topics.json", b"../../etc/passwd")
        write_parts(file, parts)


def test_a_place_that_is_no_file_is_told(exported: Path, home: Home, tmp_path: Path) -> None:
    """This test ensures that folders, there or not, are one sentence in both ways."""
    for target in (tmp_path, tmp_path / "nowhere" / "x.prep"):
        with pytest.raises(QueryError, match="name another file"):
            export_library(home, target)
    with pytest.raises(ReadError, match="cannot be opened"):
        import_library(home, tmp_path)


def test_a_library_that_lost_its_passages_is_not_exported(exported: Path, home: Home) -> None:
    """This test ensures that a backup is never replaced by one with less in it."""
    before = exported.read_bytes()
    lines = home.current() / "replica" / "passages"
    writer = LinesWriter(Lines.load(lines))
    writer.delete(writer.all_ids()[:1])
    shutil.rmtree(lines)
    writer.save(lines)
    with pytest.raises(IndexCorruptError, match="3 of 4 passages"):
        export_library(home, exported)
    assert exported.read_bytes() == before
