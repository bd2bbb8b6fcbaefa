"""Zip files from strangers: limits that hold before anything is unpacked, entities refused."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from ingest.archive import open_archive, refuse_entities
from retrieval.errors import ReadError

LAUGHS = (
    """<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">]><x>&b;</x>"""
)


def packed(path: Path, members: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return path


def test_a_bomb_is_refused_by_its_declared_size(tmp_path: Path) -> None:
    """This test ensures that 3 MB of zeros in 3 KB are not unpacked where the limit is 2 MB."""
    path = packed(tmp_path / "x.zip", {"a": bytes(3 * 2**20)})
    with pytest.raises(ReadError, match=r"^x\.zip: it unpacks to 3 MB, the limit is 2 MB"), open_archive(path, 2**21):
        pass


def test_a_bomb_that_lies_about_its_size_gives_no_more_than_it_says(tmp_path: Path) -> None:
    """This test ensures that a member declared as 10 bytes yields an error, not its megabytes."""
    path = packed(tmp_path / "x.zip", {"a": bytes(2**20)})
    data = path.read_bytes().replace((2**20).to_bytes(4, "little"), (10).to_bytes(4, "little"))
    path.write_bytes(data)
    with pytest.raises(ReadError, match=r"^x\.zip: not a readable \.zip file"), open_archive(path, 2**21) as archive:
        archive.read("a")


@pytest.mark.parametrize("data", [b"", b"PK\x03\x04 no more", b"\xd0\xcf\x11\xe0 an old or encrypted office file"])
def test_what_is_no_zip_is_refused(tmp_path: Path, data: bytes) -> None:
    """This test ensures that damage is one sentence with the name of the file."""
    (tmp_path / "x.docx").write_bytes(data)
    with pytest.raises(ReadError, match=r"^x\.docx: not a readable \.docx file"), open_archive(tmp_path / "x.docx", 9):
        pass


def test_a_member_before_the_start_of_the_file_is_damage(tmp_path: Path) -> None:
    """This test ensures that a wrong offset, found by fuzzing, is a ReadError and not an OSError of zipfile."""
    data = packed(tmp_path / "x.zip", {"a": b"b" * 50}).read_bytes()
    (tmp_path / "x.zip").write_bytes(data[20:])
    with pytest.raises(ReadError, match=r"^x\.zip: not a readable"), open_archive(tmp_path / "x.zip", 99) as archive:
        archive.read("a")


def test_unusual_packing_is_refused(tmp_path: Path) -> None:
    """This test ensures that LZMA, whose dictionary may ask for gigabytes, is not unpacked."""
    path = packed(tmp_path / "x.zip", {"a": b"b"}, zipfile.ZIP_LZMA)
    with pytest.raises(ReadError, match="packed in an unusual way"), open_archive(path, 99):
        pass


def test_a_password_is_named(tmp_path: Path) -> None:
    """This test ensures that an encrypted archive says so."""
    path = packed(tmp_path / "x.zip", {"a": b"b"})
    data = bytearray(path.read_bytes())
    data[data.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(data)
    with pytest.raises(ReadError, match="password"), open_archive(path, 99):
        pass


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_declared_entities_are_refused_in_any_encoding(tmp_path: Path, encoding: str) -> None:
    """This test ensures that an XML bomb is seen before an XML parser meets it."""
    path = packed(tmp_path / "x.docx", {"word/document.xml": LAUGHS.encode(encoding)})
    with open_archive(path, 2**20) as archive, pytest.raises(ReadError, match=r"^x\.docx: .*declares entities"):
        refuse_entities(archive, path.name, doctype=False)


def test_entities_are_found_over_the_edge_of_a_chunk(tmp_path: Path) -> None:
    """This test ensures that a long comment before the declaration hides nothing."""
    for length in (2**20 - 14, 2**20 - 9, 2**20 - 1):
        text = f"<!--{'x' * (length - 7)}-->" + LAUGHS.split("?>", 1)[1]
        path = packed(tmp_path / "x.docx", {"a.xml": text.encode()})
        with open_archive(path, 2**22) as archive, pytest.raises(ReadError, match="entities"):
            refuse_entities(archive, path.name, doctype=True)
