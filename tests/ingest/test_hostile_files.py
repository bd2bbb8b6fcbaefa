"""What a folder may hold to hurt: each is refused or read within limits, named, and the run goes on."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from ingest.pipeline import Report, ingest
from retrieval import Library
from retrieval.manifest import Manifest
from retrieval.store import Home
from tests.invariants import check_generation

Ingest = Callable[..., Report]

posix = pytest.mark.skipif(sys.platform == "win32", reason="no such files there")


def pdf(objects: list[bytes]) -> bytes:
    """Return a PDF of the given objects, numbered from 1, the first of them its catalog."""
    out = bytearray(b"%PDF-1.7\n")
    places = []
    for n, body in enumerate(objects, 1):
        places.append(len(out))
        out += b"%d 0 obj\n%b\nendobj\n" % (n, body)
    start = len(out)
    out += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    out += b"".join(b"%010d 00000 n \n" % place for place in places)
    out += b"trailer\n<</Size %d/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF\n" % (len(objects) + 1, start)
    return bytes(out)


def page_with(content: bytes, more: list[bytes] | None = None) -> bytes:
    kinds = [b"<</Type/Catalog/Pages 2 0 R>>", b"<</Type/Pages/Kids[3 0 R]/Count 1>>"]
    page = b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 612 792]/Contents 4 0 R/Resources<<>>>>"
    return pdf([*kinds, page, content, *(more or [])])


def bomb(levels: int) -> bytes:
    """Return a stream of zeros, 256 MB long, deflated over and over."""
    import zlib

    data = zlib.compress(bytes(2**28), 9)
    for _ in range(levels - 1):
        data = zlib.compress(data, 9)
    return b"<</Length %d/Filter[%b]>>stream\n%b\nendstream" % (len(data), b"/FlateDecode" * levels, data)


def check_rest(report: Report, home: Home) -> None:
    """The two good files are indexed whatever lay beside them."""
    assert {"bank.yaml", "regularization.md"} <= set(report.new)
    assert report.passages == 4
    check_generation(home)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("objects.pdf", page_with(b"<</Length 0>>stream\n\nendstream", [b"[" + b"0 " * 5 + b"]"] * 200_000)),
        ("stream.pdf", page_with(bomb(2))),
        ("loop.pdf", pdf([b"<</Type/Catalog/Pages 2 0 R>>", b"<</Type/Pages/Kids[2 0 R 2 0 R]/Count 9999999>>"])),
        ("deep.json", b"[" * 200_000),
        ("deep.html", b"<div>" * 100_000 + b"text"),
        ("deep.md", b">" * 20_000 + b" text"),
        ("empty.docx", b""),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_hostile_file_is_told_and_costs_no_other(
    name: str, content: bytes, home: Home, notes: Path, ingest_notes: Ingest
) -> None:
    """This test ensures that the run ends, and that the file is told of, never passed over in silence."""
    (notes / name).write_bytes(content)
    report = ingest_notes()
    told = {path for path, _ in (*report.failed, *report.skipped)}
    assert name in told or Manifest.read(home.current()).by_path()[name].passages
    assert {"bank.yaml", "regularization.md"} <= set(report.new)
    check_generation(home)


@posix
def test_two_gigabytes_of_text_are_refused_unread(home: Home, notes: Path, ingest_notes: Ingest) -> None:
    """This test ensures that a huge file is refused by its size."""
    with (notes / "huge.txt").open("wb") as file:
        file.truncate(2 * 2**30)  # sparse: it takes no room on the disk
    report = ingest_notes()
    assert report.failed == (("huge.txt", "huge.txt: 2048 MB, the limit is 512 MB; split the file"),)
    check_rest(report, home)


@posix
def test_pipes_sockets_and_loops_of_links_are_no_files(home: Home, notes: Path, ingest_notes: Ingest) -> None:
    """This test ensures that nothing waits for a pipe to speak and no link is followed in circles."""
    os.mkfifo(notes / "pipe.md")
    (notes / "a.md").symlink_to(notes / "b.md")
    (notes / "b.md").symlink_to(notes / "a.md")
    (notes / "sub").mkdir()
    (notes / "sub" / "up").symlink_to(notes, target_is_directory=True)
    report = ingest_notes()
    assert len(report.new) == 2
    check_rest(report, home)


@posix
def test_names_with_newlines_and_bytes_that_are_no_text(home: Home, notes: Path, ingest_notes: Ingest) -> None:
    """This test ensures that odd names are read, told apart, and shown on one line."""
    names = [b"new\nline.md", b"esc\x1b[31m.md", b"bad-\xff.md", b"bad-\xfe.md", b"bad-\xfd.pdf"]
    try:
        for n, name in enumerate(names):
            Path(os.fsdecode(bytes(notes) + b"/" + name)).write_text(f"# Note {n}\n\nFact {n} about training models.\n")
    except OSError:
        pytest.skip("this file system takes no such names")
    report = ingest_notes()
    assert len(report.new) == 7
    assert len(set(report.new)) == 7
    ((failed, why),) = report.failed
    assert (failed, why.isprintable()) == ("bad-?.pdf", True)
    assert report.passages == 8
    check_generation(home)
    with Library(home) as library:
        assert len({hit.passage.locator.path for hit in library.search("fact about training models", 4)}) == 4
    assert ingest_notes().generation is None


@posix
@pytest.mark.skipif(os.name == "posix" and os.geteuid() == 0, reason="root may read everything")
def test_a_file_without_permission_is_read_once_it_opens(home: Home, notes: Path, ingest_notes: Ingest) -> None:
    """This test ensures that the reason is told, what was indexed stays, and the file is read when it can be."""
    ingest_notes()
    (notes / "bank.yaml").chmod(0)
    (notes / "bank.yaml").touch()
    report = ingest_notes()
    assert [path for path, _ in report.failed] == ["bank.yaml"]
    assert report.passages == 4
    (notes / "bank.yaml").chmod(0o600)
    assert ingest_notes().failed == ()


def test_a_clock_that_was_moved_back_hides_no_change(home: Home, notes: Path, ingest_notes: Ingest) -> None:
    """This test ensures that a change is told by content where times lie in the past or in the future."""
    os.utime(notes / "bank.yaml", (4_000_000_000, 4_000_000_000))
    ingest_notes()
    text = (notes / "bank.yaml").read_text().replace("misleading", "treacherous")
    (notes / "bank.yaml").write_text(text)
    os.utime(notes / "bank.yaml", (1_000_000_000, 1_000_000_000))
    assert ingest_notes().changed == ("bank.yaml",)
    assert home.current_name() == "000002"
    check_generation(home)


def test_two_folders_with_the_same_names_and_texts_are_rebuilt(home: Home, notes: Path, tmp_path: Path) -> None:
    """This test ensures that a rebuild keeps the paths of two copies of one folder apart."""
    copy = tmp_path / "copy"
    copy.mkdir()
    for file in notes.iterdir():
        (copy / file.name).write_bytes(file.read_bytes())
    ingest(home, [notes])
    ingest(home, [copy])
    report = ingest(home, [copy], rebuild=True)
    assert report.passages == 4
    assert len(Manifest.read(home.current()).sources) == 4
    check_generation(home)
