"""EPUB: chapters in reading order with their names, both tables of contents, damage, protection, bombs and entities."""

from __future__ import annotations

from pathlib import Path

import pytest

from ingest.readers import epub
from ingest.readers.epub import read_epub
from retrieval.errors import ReadError
from tests.ingest.test_archive import packed
from tests.ingest.test_markdown import asked
from tests.ingest.test_tables import replaced
from tests.invariants import check_blocks_lie_in_text

_CONTAINER = """<?xml version="1.0"?><container xmlns="urn:oasis:names:tc:opendocument:xmlns:container"><rootfiles>
<rootfile full-path="OEBPS/content.opf" media-type="application/oebps-package+xml"/></rootfiles></container>"""
_PACKAGE = """<?xml version="1.0"?><package xmlns="http://www.idpf.org/2007/opf" version="3.0">
<metadata xmlns:dc="http://purl.org/dc/elements/1.1/"><dc:title>Deep &amp; wide</dc:title></metadata>
<manifest><item id="nav" href="nav.xhtml" media-type="application/xhtml+xml" properties="nav"/>
<item id="ncx" href="toc.ncx" media-type="application/x-dtbncx+xml"/>
<item id="c2" href="text/two%20b.xhtml" media-type="application/xhtml+xml"/>
<item id="c1" href="text/one.xhtml" media-type="application/xhtml+xml"/>
<item id="out" href="../../../etc/passwd" media-type="application/xhtml+xml"/>
<item id="pic" href="p.png" media-type="image/png"/></manifest>
<spine><itemref idref="c1"/><itemref idref="c2"/><itemref idref="pic"/><itemref idref="out"/>
<itemref idref="none"/><itemref idref="nav"/></spine>
</package>"""
_NAV = """<html xmlns="http://www.w3.org/1999/xhtml"><body><nav><ol><li><a href="text/one.xhtml">One</a></li>
<li><a href="text/two%20b.xhtml">Two <i>b</i></a></li></ol></nav></body></html>"""
_NCX = """<?xml version="1.0"?><!DOCTYPE ncx PUBLIC "-//NISO//DTD ncx 2005-1//EN" "http://www.daisy.org/z3986/2005/ncx-2005-1.dtd">
<ncx xmlns="http://www.daisy.org/z3986/2005/ncx/"><navMap><navPoint><navLabel><text>Two b</text></navLabel>
<content src="text/two%20b.xhtml#start"/></navPoint></navMap></ncx>"""
_ONE = """<?xml version="1.0" encoding="utf-8"?><!DOCTYPE html>
<html xmlns="http://www.w3.org/1999/xhtml"><head><title/><script src="x.js"/></head><body>
<h2>One</h2><a id="p1"/><p>First text.</p><h3>What is depth?</h3><p>Many layers.</p>
<img src="p.png" alt=""/></body></html>"""
_TWO = """<html xmlns="http://www.w3.org/1999/xhtml"><body><p>Second text.</p><pre>a

b</pre></body></html>"""


def book(tmp_path: Path, **changed: str) -> Path:
    members = {
        "mimetype": "application/epub+zip",
        "META-INF/container.xml": _CONTAINER,
        "OEBPS/content.opf": _PACKAGE,
        "OEBPS/nav.xhtml": _NAV,
        "OEBPS/toc.ncx": _NCX,
        "OEBPS/text/one.xhtml": _ONE,
        "OEBPS/text/two b.xhtml": _TWO,
    }
    return packed(tmp_path / "my_book.epub", {name: text.encode() for name, text in (members | changed).items()})


@pytest.mark.parametrize("contents", ["nav.xhtml", "toc.ncx"])
def test_chapters_are_headings_in_reading_order(tmp_path: Path, contents: str) -> None:
    """This test ensures that a chapter without a heading has the name it has in either table of contents."""
    other = "toc.ncx" if contents == "nav.xhtml" else "nav.xhtml"
    document = read_epub(book(tmp_path, **{f"OEBPS/{other}": "<html/>"}))
    check_blocks_lie_in_text(document)
    shown = [(b.kind, b.heading, document.text[slice(*b.span)]) for b in document.blocks]
    assert (document.title, document.line_starts) == ("Deep & wide", None)
    assert shown == [
        ("heading", (), "# Deep & wide"),
        ("heading", (), "# One"),
        ("prose", ("One",), "First text."),
        ("heading", ("One",), "## What is depth?"),
        ("prose", ("One", "What is depth?"), "Many layers."),
        ("heading", (), "# Two b"),
        ("prose", ("Two b",), "Second text."),
        ("code", ("Two b",), "```\na\n\nb\n```"),
    ]
    assert asked(document) == [("What is depth?", "Many layers.")]


def test_a_book_without_names_is_called_after_its_file(tmp_path: Path) -> None:
    """This test ensures that a bare package is read."""
    package = _PACKAGE.replace("<dc:title>Deep &amp; wide</dc:title>", "").replace('properties="nav"', "")
    document = read_epub(book(tmp_path, **{"OEBPS/content.opf": package, "OEBPS/toc.ncx": "<ncx/>"}))
    assert document.title == "my book"
    assert [b.heading for b in document.blocks if b.kind == "code"] == [("One", "What is depth?")]


def test_a_book_without_text_is_empty(tmp_path: Path) -> None:
    """This test ensures that a book of pictures is an empty document."""
    empty = "<html><body><img src='p.png'/></body></html>"
    assert read_epub(book(tmp_path, **{"OEBPS/text/one.xhtml": empty, "OEBPS/text/two b.xhtml": empty})).blocks == ()


def test_a_path_out_of_the_book_is_not_followed(tmp_path: Path) -> None:
    """This test ensures that "../../../etc/passwd" in the package names no file of this machine."""
    assert "root:" not in read_epub(book(tmp_path)).text
    package = _CONTAINER.replace("OEBPS/content.opf", "/etc/passwd")
    with pytest.raises(ReadError, match=r"^my_book\.epub: not a readable EPUB"):
        read_epub(book(tmp_path, **{"META-INF/container.xml": package}))


@pytest.mark.parametrize(
    "changed",
    [
        {"META-INF/container.xml": ""},
        {"META-INF/container.xml": "<container/>"},
        {"META-INF/container.xml": "no xml"},
        {"OEBPS/content.opf": ""},
        {"OEBPS/content.opf": "\x01"},
    ],
)
def test_broken_packages_are_refused(tmp_path: Path, changed: dict[str, str]) -> None:
    """This test ensures that damage is one sentence."""
    with pytest.raises(ReadError, match=r"^my_book\.epub: not a readable EPUB"):
        read_epub(book(tmp_path, **changed))


def test_every_cut_is_refused_in_one_sentence(tmp_path: Path) -> None:
    """This test ensures that a download that broke off raises nothing but ReadError."""
    data = book(tmp_path).read_bytes()
    for at in range(0, len(data), 97):
        (tmp_path / "cut.epub").write_bytes(data[:at])
        with pytest.raises(ReadError, match=r"^cut\.epub: "):
            read_epub(tmp_path / "cut.epub")


def test_binary_chapters_are_refused(tmp_path: Path) -> None:
    """This test ensures that the chapter is named."""
    path = replaced(book(tmp_path), "OEBPS/text/one.xhtml", bytes(range(256)) * 40)
    with pytest.raises(ReadError, match=r"^my_book\.epub \(OEBPS/text/one\.xhtml\): this is a binary file"):
        read_epub(path)


def test_protected_books_are_named(tmp_path: Path) -> None:
    """This test ensures that an encrypted chapter says so and an encrypted font does no harm."""
    encryption = '<encryption><CipherReference URI="{}"/></encryption>'
    assert read_epub(book(tmp_path, **{"META-INF/encryption.xml": encryption.format("OEBPS/font.otf")})).blocks
    with pytest.raises(ReadError, match=r"^my_book\.epub: the book is protected"):
        read_epub(book(tmp_path, **{"META-INF/encryption.xml": encryption.format("OEBPS/text/two%20b.xhtml")}))


@pytest.mark.parametrize(
    "member", ["OEBPS/content.opf", "OEBPS/text/one.xhtml", "META-INF/container.xml", "OEBPS/toc.ncx"]
)
def test_an_xml_bomb_is_refused(tmp_path: Path, member: str) -> None:
    """This test ensures that entities are not expanded in any part."""
    bomb = "<?xml version='1.0'?><!DOCTYPE x [<!ENTITY a 'ha'><!ENTITY b '&a;&a;'>]><x>&b;</x>"
    with pytest.raises(ReadError, match=r"^my_book\.epub: XML in it declares entities"):
        read_epub(book(tmp_path, **{member: bomb}))


def test_bombs_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """This test ensures that the book and each chapter have a limit."""
    path = book(tmp_path, **{"OEBPS/text/one.xhtml": " " * 2**21})
    monkeypatch.setattr(epub, "MAX_CHAPTER_BYTES", 2**20)
    with pytest.raises(ReadError, match=r"^my_book\.epub: OEBPS/text/one\.xhtml is over 1 MB of text"):
        read_epub(path)
    monkeypatch.setattr(epub, "MAX_UNPACKED_BYTES", 2**20)
    with pytest.raises(ReadError, match=r"^my_book\.epub: it unpacks to 2 MB, the limit is 1 MB"):
        read_epub(path)
