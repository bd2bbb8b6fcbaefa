"""Anki packages and text exports: every wrapping of a collection, cloze, decks and tags, damage and limits."""

from __future__ import annotations

import sqlite3
import zipfile
from pathlib import Path

import pytest
import zstandard

from ingest.readers import anki
from ingest.readers.anki import read_anki_package
from ingest.readers.anki_text import read_text_file
from retrieval.errors import ReadError
from tests.ingest.make_apkg import Row, collection, newest, package
from tests.ingest.test_markdown import asked
from tests.invariants import check_blocks_lie_in_text

ROWS: list[Row] = [
    (
        1,
        "ML::Basics",
        " bias leech ",
        "<h2>What is <b>bias</b>?</h2>\x1f<div>An error.</div><ul><li>one</li><li>two</li></ul>",
    ),
    (2, "ML", "", "Bias is {{c1::an <i>error</i>::what?}} and {{c2::{{c3::variance}} too}}.\x1fSee the book."),
    (3, "Default", "", "12\x1fWhat is b?\x1fB &lt; c.<br>[sound:x.mp3]\x1f<img src='x.png' alt='a plot'>"),
    (1, "ML", "", "<img src='only.png'>\x1fPicture."),
]
STUB: list[Row] = [(1, "Default", "", "Please update Anki.\x1fThis file needs a newer version.")]


@pytest.mark.parametrize("wrapping", ["collection.anki2", "collection.anki21", "collection.anki21b"])
def test_every_wrapping_gives_the_same_notes(tmp_path: Path, wrapping: str) -> None:
    """This test ensures that the newest collection of a package counts, in the old and the new schema."""
    data = collection(tmp_path, ROWS, new=wrapping.endswith("b"))
    members = {"collection.anki2": collection(tmp_path, STUB), "media": b"{}", "meta": b"\x08\x03"}
    members[wrapping] = newest(data) if wrapping.endswith("b") else data
    document = read_anki_package(package(tmp_path / "my_deck.apkg", members))
    check_blocks_lie_in_text(document)
    assert asked(document) == [
        ("What is bias?", "An error.\n\n- one\n- two"),
        ("Bias is [what?] and [...].", "Bias is an *error* and variance too.\n\nSee the book."),
        ("What is b?", "12\n\nB < c.\n\na plot"),
    ]
    assert [e.heading for e in document.entries] == [("ML", "Basics"), ("ML",), ()]
    assert document.entries[0].topics == ("ML", "Basics", "bias", "leech")
    assert (document.title, document.kind) == ("my deck", "bank")
    assert document.warnings == ("1 notes without a question or an answer in words",)


def test_a_question_is_laid_out_before_its_answer(tmp_path: Path) -> None:
    """This test ensures that the span of an entry holds the question as well."""
    document = read_anki_package(package(tmp_path / "x.apkg", {"collection.anki2": collection(tmp_path, ROWS)}))
    first = document.entries[0]
    assert document.text[slice(*first.span)] == "What is **bias**?\n\nAn error.\n\n- one\n- two"


def test_code_and_formulas_of_cards_stay(tmp_path: Path) -> None:
    """This test ensures that a fenced block keeps its lines and TeX its marks."""
    back = "<pre><code class='language-python'>def f(a_b):\n    return a_b * 2</code></pre>\\(x_1 * y\\) [$]z[/$]"
    rows: list[Row] = [(1, "D", "", f"What is f?\x1f{back}")]
    document = read_anki_package(package(tmp_path / "x.apkg", {"collection.anki21": collection(tmp_path, rows)}))
    assert asked(document)[0][1] == "```python\ndef f(a_b):\n    return a_b * 2\n```\n\n\\(x_1 * y\\) $z$"


def test_a_card_in_a_filtered_deck_belongs_to_its_home(tmp_path: Path) -> None:
    """This test ensures that cramming decks do not become headings."""
    data = collection(tmp_path, [ROWS[0], ROWS[1]])
    database = sqlite3.connect(tmp_path / "made.sqlite")
    database.execute("UPDATE cards SET odid = 2 WHERE nid = 1")
    database.commit()
    database.close()
    data = (tmp_path / "made.sqlite").read_bytes()
    document = read_anki_package(package(tmp_path / "x.apkg", {"collection.anki2": data}))
    assert document.entries[0].heading == ("ML",)


def test_deep_html_is_read_as_bare_text(tmp_path: Path) -> None:
    """This test ensures that 5,000 nested lists do not exhaust the stack."""
    rows: list[Row] = [(1, "D", "", "What is deep?\x1f" + "<ul><li>" * 5000 + "this")]
    document = read_anki_package(package(tmp_path / "x.apkg", {"collection.anki2": collection(tmp_path, rows)}))
    assert asked(document) == [("What is deep?", "this")]


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ({"x.txt": b"x"}, "no Anki collection in it"),
        ({"collection.anki2": b"no database at all" * 99}, "its collection is damaged"),
        ({"collection.anki2": b""}, "its collection is damaged"),
        ({"collection.anki21b": b"no zstd"}, "its collection is damaged"),
        ({"collection.anki21b": newest(b"no database" * 99)}, "its collection is damaged"),
    ],
)
def test_broken_packages_are_one_sentence(tmp_path: Path, members: dict[str, bytes], message: str) -> None:
    """This test ensures that damage in any layer is a ReadError with the file's name."""
    with pytest.raises(ReadError, match=rf"^x\.apkg: {message}"):
        read_anki_package(package(tmp_path / "x.apkg", members))


def test_damage_inside_the_database_never_gets_through(tmp_path: Path) -> None:
    """This test ensures that 60 collections with overwritten bytes are read or refused."""
    data = collection(tmp_path, ROWS * 20)
    for n in range(60):
        at = 20 + n * len(data) // 61
        broken = data[:at] + bytes([n * 37 % 256]) * 40 + data[at + 40 :]
        path = package(tmp_path / "x.apkg", {"collection.anki2": broken})
        try:
            check_blocks_lie_in_text(read_anki_package(path))
        except ReadError as error:
            message = str(error)
        else:
            message = "x.apkg: read"
        assert message.startswith("x.apkg: ")


def test_a_deck_of_pictures_is_refused(tmp_path: Path) -> None:
    """This test ensures that a deck with no words says so."""
    data = collection(tmp_path, [ROWS[3]])
    with pytest.raises(ReadError, match=r"^x\.apkg: none of its 1 notes asks and answers in words"):
        read_anki_package(package(tmp_path / "x.apkg", {"collection.anki2": data}))


def test_a_zip_bomb_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """This test ensures that the declared size of the collection counts, and that media, never read, do not."""
    monkeypatch.setattr(anki, "MAX_UNPACKED_BYTES", 2**20)
    with pytest.raises(ReadError, match=r"^x\.apkg: it unpacks to 2 MB, the limit is 1 MB"):
        read_anki_package(package(tmp_path / "x.apkg", {"collection.anki2": bytes(2**21)}))
    members = {"collection.anki2": collection(tmp_path, ROWS), "0": bytes(2**21)}
    assert len(read_anki_package(package(tmp_path / "x.apkg", members)).entries) == 3


@pytest.mark.parametrize("sized", [True, False])
def test_a_zstd_bomb_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sized: bool) -> None:
    """This test ensures that the limit holds for what zstd unpacks, whether it says its size or not."""
    monkeypatch.setattr(anki, "MAX_UNPACKED_BYTES", 2**20)
    data = zstandard.ZstdCompressor(write_content_size=sized).compress(bytes(2**24))
    with pytest.raises(ReadError, match=r"^x\.apkg: its collection unpacks to more than 1 MB"):
        read_anki_package(package(tmp_path / "x.apkg", {"collection.anki21b": data}))


def test_a_query_without_an_end_is_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """This test ensures that a view in place of a table cannot count for ever."""
    monkeypatch.setattr(anki, "MAX_STEPS", 10)
    collection(tmp_path, ROWS)
    database = sqlite3.connect(tmp_path / "made.sqlite")
    database.execute("DROP TABLE cards")
    endless = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i AS nid, 1 AS did FROM n"
    database.execute(f"CREATE VIEW cards AS SELECT nid, did, 0 AS ord, 0 AS odid FROM ({endless})")
    database.commit()
    database.close()
    data = (tmp_path / "made.sqlite").read_bytes()
    with pytest.raises(ReadError, match=r"^x\.apkg: its collection is damaged \(interrupted\)"):
        read_anki_package(package(tmp_path / "x.apkg", {"collection.anki2": data}))


def test_nothing_is_written_outside_the_temporary_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """This test ensures that names that climb out of an archive are never followed, and that nothing stays behind."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "tmp"))
    (tmp_path / "tmp").mkdir()
    path = tmp_path / "x.apkg"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("../../escaped", b"x")
        archive.writestr("/escaped", b"x")
        archive.writestr("collection.anki2", collection(tmp_path, ROWS))
    assert len(read_anki_package(path).entries) == 3
    assert list((tmp_path / "tmp").iterdir()) == []
    assert sorted(p.name for p in tmp_path.iterdir()) == ["made.sqlite", "tmp", "x.apkg"]


def test_a_text_export_is_notes_with_lines(tmp_path: Path) -> None:
    """This test ensures that the head of an export says what its columns are."""
    (tmp_path / "notes.txt").write_text(
        "#separator:tab\n#html:true\n#guid column:1\n#deck column:2\n#tags column:5\n"
        'g1\tML::Basics\tWhat is a?\t"A<br>\n""one""."\tx y\n\ng2\tML\tIt is {{c1::b}}.\t\t\n',
        encoding="utf-8",
    )
    document = read_text_file(tmp_path / "notes.txt")
    check_blocks_lie_in_text(document)
    assert asked(document) == [("What is a?", 'A  \n"one".'), ("It is [...].", "It is b.")]
    assert [e.lines for e in document.entries] == [(6, 7), (9, 9)]
    assert [document.lines(e.answer) for e in document.entries] == [(6, 7), (9, 9)]
    assert document.entries[0].topics == ("ML", "Basics", "x", "y")


def test_a_text_export_with_named_columns(tmp_path: Path) -> None:
    """This test ensures that plain text stays plain and that names of columns count."""
    text = "\ufeff#separator:Semicolon\n#html:false\n#columns:No;Question;Answer\n#deck:SQL\n1;What is a<b?;A <b>.\n"
    (tmp_path / "notes.txt").write_text(text, encoding="utf-8")
    document = read_text_file(tmp_path / "notes.txt")
    assert [(e.heading, document.text[slice(*e.answer)]) for e in document.entries] == [(("SQL",), "1\n\nA <b>.")]


@pytest.mark.parametrize("text", ["#separator:nothing known\na\tb\n", "#separator:tab\n", "#separator:tab\nonly one\n"])
def test_text_exports_without_notes_are_refused(tmp_path: Path, text: str) -> None:
    """This test ensures that an odd export is one sentence."""
    (tmp_path / "notes.txt").write_text(text, encoding="utf-8")
    with pytest.raises(ReadError, match=r"^notes\.txt: "):
        read_text_file(tmp_path / "notes.txt")


def test_other_text_is_still_text(tmp_path: Path) -> None:
    """This test ensures that the way of an ordinary text file is as before."""
    (tmp_path / "notes.txt").write_text("# separator: none\n\nSecond.\n", encoding="utf-8")
    assert len(read_text_file(tmp_path / "notes.txt").blocks) == 2
