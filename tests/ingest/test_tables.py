"""CSV, TSV and Excel banks: columns by name, delimiters and encodings found, and the refusal of what is none."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import Any

import openpyxl  # type: ignore[import-untyped]
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.readers import tables
from ingest.readers.tables import read_delimited, read_excel
from retrieval.errors import ReadError
from tests.ingest.test_archive import LAUGHS
from tests.ingest.test_markdown import asked
from tests.invariants import check_blocks_lie_in_text


def table(tmp_path: Path, text: str, name: str = "bank.csv", encoding: str = "utf-8") -> Path:
    path = tmp_path / name
    path.write_bytes(text.encode(encoding))
    return path


def workbook(tmp_path: Path, sheets: dict[str, list[list[Any]]]) -> Path:
    book = openpyxl.Workbook()
    book.remove(book.worksheets[0])
    for name, rows in sheets.items():
        sheet = book.create_sheet(name)
        for row in rows:
            sheet.append(row)
    book.save(tmp_path / "bank.xlsx")
    return tmp_path / "bank.xlsx"


def replaced(path: Path, name: str, data: bytes) -> Path:
    """Put other bytes in place of one member of a zip file."""
    with zipfile.ZipFile(path) as archive:
        members = {member: archive.read(member) for member in archive.namelist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for member, content in (members | {name: data}).items():
            archive.writestr(member, content)
    return path


def test_columns_are_known_by_name_and_lines_are_those_of_the_file(tmp_path: Path) -> None:
    """This test ensures that a quoted answer over three lines is cited by its lines."""
    text = 'id,Question,Answer,Category,Tags,Hint\n1,What is a?,"A\none.\nTwo.",ml,"x, y",Think\n\n2,What is b?,B.,,,\n'
    document = read_delimited(table(tmp_path, text))
    check_blocks_lie_in_text(document)
    first, second = document.entries
    assert asked(document) == [("What is a?", "A\none.\nTwo."), ("What is b?", "B.")]
    assert (first.lines, second.lines) == ((2, 4), (6, 6))
    assert (first.topics, first.heading) == (("ml", "x", "y"), ("ml",))
    assert document.text[first.answer[1] : first.span[1]] == "\n\nHint: Think"
    assert (document.title, document.kind) == ("bank", "bank")


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("question;answer\nWhat is a?;A, one.\n", "bank.csv"),
        ("question\tanswer\nWhat is a?\tA, one.\n", "bank.tsv"),
        ("question\tanswer\nWhat is a?\tA, one.\n", "bank.csv"),
        ("Question|Answer\r\nWhat is a?|A, one.\r\n", "bank.csv"),
        ("sep=;\nquestion;answer\nWhat is a?;A, one.\n", "bank.csv"),
        ("My bank,,\n\nNo.,Interview question,Model answer\n1,What is a?,'A, one.'\n".replace("'", '"'), "bank.csv"),
        ("Front,Back\nWhat is a?,'A, one.'\n".replace("'", '"'), "bank.csv"),
    ],
)
def test_delimiters_and_heads_are_found(tmp_path: Path, text: str, name: str) -> None:
    """This test ensures that the delimiter is the one under which the head names a question and an answer."""
    assert asked(read_delimited(table(tmp_path, text, name))) == [("What is a?", "A, one.")]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "cp1252"])
def test_encodings_of_spreadsheets_are_found(tmp_path: Path, encoding: str) -> None:
    """This test ensures that what Excel writes is read, byte order mark and all."""
    text = "question\tanswer\nQu'est-ce que la régularisation du modèle ?\tElle pénalise les coefficients élevés.\n"
    document = read_delimited(table(tmp_path, text, encoding=encoding))
    assert asked(document) == [
        ("Qu'est-ce que la régularisation du modèle ?", "Elle pénalise les coefficients élevés.")
    ]


def test_rows_that_do_not_fit_are_told(tmp_path: Path) -> None:
    """This test ensures that a comma outside quotes and a row without an answer are warnings."""
    document = read_delimited(table(tmp_path, "question,answer\nWhat is a?,A, one.\nWhat is b?,\n"))
    assert document.warnings == (
        "1 rows have more cells than the head, first row 2; a quote may be missing",
        "1 entries without a question or an answer",
    )


def test_odd_quotes_are_read_and_told(tmp_path: Path) -> None:
    """This test ensures that a quote that is not closed loses no row before it."""
    document = read_delimited(table(tmp_path, 'question,answer\nWhat is a?,A.\nWhat is b?,"B.\n'))
    assert asked(document) == [("What is a?", "A."), ("What is b?", "B.")]
    assert "odd quotes" in document.warnings[0]


def test_a_cell_without_an_end_is_refused(tmp_path: Path) -> None:
    """This test ensures that the limit of the csv module is one sentence."""
    with pytest.raises(ReadError, match=r"^bank\.csv: not a readable table"):
        read_delimited(table(tmp_path, 'question,answer\nWhat is a?,"' + "x" * 200_000))


@pytest.mark.parametrize("text", ["name,age\nAnn,3\n", "", "just words\n", "question,weight\na,1\n", "\n,,,\n"])
def test_a_table_that_is_no_bank_is_refused_with_what_was_looked_for(tmp_path: Path, text: str) -> None:
    """This test ensures that the columns looked for and found are both named."""
    with pytest.raises(ReadError, match=r"^bank\.csv: not a question bank; looked for .*question, q.*answer, a.*found"):
        read_delimited(table(tmp_path, text))


def test_a_quote_has_the_line_of_its_cell(tmp_path: Path) -> None:
    """This test ensures that a sentence on the third line of a quoted cell is cited by that line."""
    text = 'question,answer\nWhat is a?,"A ""one"".\n\nTwo, or three."\nWhat is b?,B.\n'
    document = read_delimited(table(tmp_path, text))
    first, second = document.entries
    two = document.text.index("Two")
    assert (document.lines((first.answer[0], two)), document.lines((two, first.answer[1]))) == ((2, 2), (4, 4))
    assert (document.lines(first.span), document.lines(second.answer)) == ((2, 4), (5, 5))


def test_columns_named_by_hand_leave_other_files_as_they_are(tmp_path: Path) -> None:
    """This test ensures that one bank with names of its own does not break its neighbors."""
    columns = (("question", "Prompt"), ("answer", "Solution"))
    for head in ("Prompt,Solution", "question,answer", "Prompt,Answer"):
        document = read_delimited(table(tmp_path, f"{head}\nWhat is a?,A.\n"), columns)
        assert asked(document) == [("What is a?", "A.")]


@given(st.text(alphabet=st.sampled_from('ab,;\t|"\n\r?'), max_size=120))
def test_any_rows_give_spans_inside_the_text(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    """This test ensures that no table, however odd, breaks the spans or raises anything but ReadError."""
    path = table(tmp_path_factory.mktemp("t"), "question,answer\n" + text)
    try:
        check_blocks_lie_in_text(read_delimited(path))
    except ReadError as error:
        message = str(error)
    else:
        message = "bank.csv: read"
    assert message.startswith("bank.csv: ")


def test_sheets_are_categories_and_rows_are_lines(tmp_path: Path) -> None:
    """This test ensures that every sheet that is a bank is read, numbers as people write them, and others are told."""
    path = workbook(
        tmp_path,
        {
            "ML": [
                ["My bank"],
                [],
                ["Question", "Answer", "Level"],
                ["What is a?", "A.", 3.0],
                [None],
                ["What is b?", 7],
            ],
            "SQL": [["question", "answer", "category"], ["What is c?", "C.", "joins"]],
            "Plan": [["day", "task"], [1, "read"]],
        },
    )
    document = read_excel(path)
    check_blocks_lie_in_text(document)
    assert asked(document) == [("What is a?", "A."), ("What is b?", "7"), ("What is c?", "C.")]
    assert [e.lines for e in document.entries] == [(4, 4), (6, 6), (2, 2)]
    assert [document.lines(e.answer) for e in document.entries] == [(4, 4), (6, 6), (2, 2)]
    assert [e.heading for e in document.entries] == [("ML",), ("ML",), ("joins",)]
    assert document.warnings == ("sheet 'Plan' is no bank and was passed over",)


def test_a_workbook_that_is_no_bank_is_refused(tmp_path: Path) -> None:
    """This test ensures that the message names the columns found."""
    with pytest.raises(ReadError, match=r"^bank\.xlsx: not a question bank; .*found day, task;"):
        read_excel(workbook(tmp_path, {"Plan": [["day", "task"], [1, "read"]]}))


@pytest.mark.parametrize("data", [b"", b"question,answer\na,b\n", b"PK\x05\x06" + bytes(18)])
def test_what_is_no_workbook_is_refused(tmp_path: Path, data: bytes) -> None:
    """This test ensures that damage is one sentence."""
    (tmp_path / "bank.xlsx").write_bytes(data)
    with pytest.raises(ReadError, match=r"^bank\.xlsx: not a readable"):
        read_excel(tmp_path / "bank.xlsx")


def test_every_cut_of_a_workbook_is_refused_in_one_sentence(tmp_path: Path) -> None:
    """This test ensures that a download that broke off raises nothing but ReadError."""
    data = workbook(tmp_path, {"ML": [["question", "answer"], ["What is a?", "A."]]}).read_bytes()
    for at in range(0, len(data), 211):
        (tmp_path / "cut.xlsx").write_bytes(data[:at])
        with pytest.raises(ReadError, match=r"^cut\.xlsx: "):
            read_excel(tmp_path / "cut.xlsx")


def test_broken_xml_in_a_workbook_is_refused(tmp_path: Path) -> None:
    """This test ensures that what openpyxl raises does not come through."""
    path = workbook(tmp_path, {"ML": [["question", "answer"], ["What is a?", "A."]]})
    with pytest.raises(ReadError, match=r"^bank\.xlsx: not a readable Excel file"):
        read_excel(replaced(path, "xl/worksheets/sheet1.xml", b"<worksheet><sheetData><row r='x'>"))


def test_an_xml_bomb_is_refused(tmp_path: Path) -> None:
    """This test ensures that entities are not expanded."""
    path = workbook(tmp_path, {"ML": [["question", "answer"], ["What is a?", "A."]]})
    with pytest.raises(ReadError, match=r"^bank\.xlsx: XML in it declares entities"):
        read_excel(replaced(path, "xl/sharedStrings.xml", LAUGHS.encode()))


def test_a_zip_bomb_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """This test ensures that the limit holds before openpyxl opens the file."""
    monkeypatch.setattr(tables, "MAX_UNPACKED_BYTES", 2**20)
    path = workbook(tmp_path, {"ML": [["question", "answer"], ["What is a?", "A."]]})
    with pytest.raises(ReadError, match=r"^bank\.xlsx: it unpacks to 2 MB, the limit is 1 MB"):
        read_excel(replaced(path, "xl/media/image1.png", bytes(2**21)))


def test_a_row_numbered_beyond_any_sheet_ends_it(tmp_path: Path) -> None:
    """This test ensures that row 9,999,999,999 does not make ten thousand million empty rows."""
    path = workbook(tmp_path, {"ML": [["question", "answer"], ["What is a?", "A."]]})
    with zipfile.ZipFile(path) as archive:
        sheet = archive.read("xl/worksheets/sheet1.xml")
    row = b'<row r="9999999999"><c r="A9999999999" t="inlineStr"><is><t>x</t></is></c></row></sheetData>'
    document = read_excel(replaced(path, "xl/worksheets/sheet1.xml", sheet.replace(b"</sheetData>", row)))
    assert asked(document) == [("What is a?", "A.")]


def test_too_many_rows_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """This test ensures that a sheet has a limit."""
    monkeypatch.setattr(tables, "MAX_ROWS", 2)
    with pytest.raises(ReadError, match="more than 2 rows"):
        read_excel(workbook(tmp_path, {"ML": [["question", "answer"], ["a", "b"], ["c", "d"]]}))


def test_the_stream_is_closed(tmp_path: Path) -> None:
    """This test ensures that a file can be read twice and removed, as on Windows it must."""
    path = workbook(tmp_path, {"ML": [["question", "answer"], ["What is a?", "A."]]})
    assert read_excel(path) == read_excel(path)
    assert io.BytesIO(path.read_bytes()).read(2) == b"PK"
