"""Uploads under safe names, and taking sources out."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.pipeline import ingest
from retrieval import Library
from retrieval.errors import QueryError, ReadError
from retrieval.manifest import Manifest
from retrieval.store import Home
from tests.ui.conftest import BANK, REGULARIZATION
from ui import shelf


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("notes.md", "notes.md"),
        ("../../etc/notes.md", "notes.md"),
        ("..\\..\\notes.MD", "notes.md"),
        ("C:\\temp\\my notes (2).pdf", "my notes (2).pdf"),
        (".hidden.md", "hidden.md"),
        ("CON.txt", "file CON.txt"),
        ("a\x00b\u202ec.md", "a_b_c.md"),
        ("...md", "file.md"),
        ("Übung – eins.md", "Übung _ eins.md"),
        ("a" * 300 + ".md", "a" * 100 + ".md"),
        ("<script>.md", "script.md"),
    ],
)
def test_a_name_is_made_safe(name: str, safe: str) -> None:
    """This test ensures that no name leaves its folder, hides, or means a device."""
    assert shelf.safe_name(name) == safe


@pytest.mark.parametrize("name", ["run.exe", "notes", "", "archive.tar.gz", "md"])
def test_other_formats_are_refused_with_those_that_are_taken(name: str) -> None:
    """This test ensures that the message says what to choose."""
    with pytest.raises(ReadError, match="no reader for its format; choose one of"):
        shelf.safe_name(name)


@given(st.text(max_size=40))
def test_no_name_leaves_the_folder(name: str) -> None:
    """This test ensures that whatever the browser sends, the file is a visible child of the folder."""
    safe = shelf.safe_name(name + ".md")
    assert Path("/uploads").joinpath(safe).parent == Path("/uploads")
    assert not safe.startswith((".", "~"))
    assert len(safe.encode()) < 255 or len(safe) <= 110


def test_the_same_content_is_kept_once_and_other_content_beside_it(tmp_path: Path) -> None:
    """This test ensures that an upload never replaces a file."""
    first = shelf.keep(tmp_path, "notes.md", b"one", by=None)
    assert shelf.keep(tmp_path, "notes.md", b"one", by=None) == first
    second = shelf.keep(tmp_path, "notes.md", b"two", by=None)
    assert (first.name, second.name) == ("notes.md", "notes (2).md")
    assert sorted(p.name for p in shelf.uploads(tmp_path).iterdir()) == ["notes (2).md", "notes.md"]
    with pytest.raises(ReadError, match="empty"):
        shelf.keep(tmp_path, "empty.md", b"", by=None)


def test_taking_out_an_upload_deletes_it_and_leaves_the_rest(home: Home) -> None:
    """This test ensures that passages and file go, other sources stay, and the next ingest does not bring it back."""
    shelf.keep(home.path, "guide.md", REGULARIZATION.encode(), by=None)
    shelf.keep(home.path, "bank.yaml", BANK.encode(), by=None)
    ingest(home, [shelf.uploads(home.path)])
    shelf.take_out(home, ["guide.md"], lambda *_: None)
    assert [p.name for p in shelf.uploads(home.path).iterdir()] == ["bank.yaml"]
    ingest(home, [shelf.uploads(home.path)])
    with Library(home) as library:
        assert [r.path for r in library.manifest.sources] == ["bank.yaml"]
        assert {h.passage.locator.path for h in library.search("lasso", 20)} == {"bank.yaml"}


def test_taking_out_a_file_of_a_folder_leaves_the_file(home: Home, tmp_path: Path) -> None:
    """This test ensures that a person's own files are never deleted, and a copy of the content steps in."""
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "a.md").write_text(REGULARIZATION, encoding="utf-8")
    (folder / "b.md").write_text(REGULARIZATION, encoding="utf-8")
    ingest(home, [folder])
    shelf.take_out(home, ["a.md"], lambda *_: None)
    assert (folder / "a.md").exists()
    with Library(home) as library:
        assert {h.passage.locator.path for h in library.search("lasso", 5)} == {"b.md"}


def test_taking_out_the_last_source_leaves_an_empty_library(home: Home) -> None:
    """This test ensures that a library can be emptied and filled again."""
    shelf.keep(home.path, "bank.yaml", BANK.encode(), by=None)
    ingest(home, [shelf.uploads(home.path)])
    shelf.take_out(home, ["bank.yaml"], lambda *_: None)
    with Library(home) as library:
        assert library.manifest.passages == 0
    shelf.keep(home.path, "bank.yaml", BANK.encode(), by=None)
    assert ingest(home, [shelf.uploads(home.path)]).passages == 2


def test_uploads_that_were_never_read_are_read_with_all_folders(home: Home, tmp_path: Path) -> None:
    """This test ensures that files kept before a start that was cancelled or refused are not left for good."""
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "a.md").write_text(REGULARIZATION, encoding="utf-8")
    ingest(home, [folder])
    manifest = Manifest.read(home.current())
    shelf.uploads(home.path).mkdir()
    assert shelf.roots(home.path, manifest) == [folder]
    shelf.keep(home.path, "bank.yaml", BANK.encode(), by=None)
    roots = shelf.roots(home.path, manifest)
    assert roots == [shelf.uploads(home.path), folder]
    assert ingest(home, roots).new == ("bank.yaml",)
    assert shelf.roots(home.path, Manifest.read(home.current())) == roots


def test_an_unknown_source_is_refused(home: Home) -> None:
    """This test ensures that a stale page gets a sentence."""
    shelf.keep(home.path, "bank.yaml", BANK.encode(), by=None)
    ingest(home, [shelf.uploads(home.path)])
    with pytest.raises(QueryError, match=r"no source 'gone\.md'"):
        shelf.take_out(home, ["gone.md"], lambda *_: None)


def test_a_file_outside_the_uploads_is_never_deleted(home: Home, tmp_path: Path) -> None:
    """This test ensures that an imported manifest which calls a stranger's file an upload does not cost that file."""
    shelf.keep(home.path, "bank.yaml", BANK.encode(), by=None)
    ingest(home, [shelf.uploads(home.path)])
    (tmp_path / "mine.txt").write_text("mine")
    manifest = Manifest.read(home.current())
    outside = str(shelf.uploads(home.path) / ".." / ".." / "mine.txt")
    replace(manifest, sources=(replace(manifest.sources[0], file=outside),)).write(home.current())
    shelf.take_out(home, ["bank.yaml"], lambda *_: None)
    assert (tmp_path / "mine.txt").exists()
