"""The papers are what their sources give, read back whole, and what they state was computed."""

from __future__ import annotations

import re
import sqlite3
from collections import Counter
from pathlib import Path

import pytest

from corpus.papers.src.build import NAMES, PAPERS, SOURCES, build, main
from ingest.discover import find_files
from ingest.documents import Document
from ingest.readers.pdf import read_pdf
from tests.corpus.checks import CORPUS, code_breaches

FENCE = re.compile(r"^```([^\n]*)\n(.*?)^```$", re.M | re.S)
HEADING = re.compile(r"^(#+) (.+)$", re.M)
ITEM = re.compile(r"^- \[ \] \*\*(.+), (\d+) min\.\*\*", re.M)


def source(name: str) -> str:
    return (SOURCES / f"{name}.md").read_text(encoding="utf-8")


def printed(name: str) -> str:
    """Return the source without the checks that are not printed."""
    return FENCE.sub(lambda fence: "" if "hidden" in fence[1] else fence[0], source(name))


@pytest.fixture(scope="module", params=NAMES)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def document(name: str) -> Document:
    return read_pdf(PAPERS / f"{name}.pdf")


def test_a_paper_is_what_its_source_gives(name: str, tmp_path: Path) -> None:
    """This test ensures that a source is not changed without `python -m corpus.papers.src.build`."""
    fresh = tmp_path / f"{name}.pdf"
    fresh.write_bytes(build(SOURCES / f"{name}.md"))
    assert fresh.read_bytes() == (PAPERS / f"{name}.pdf").read_bytes()


def test_the_check_tells_a_stale_paper(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """This test ensures that --check passes on fresh papers, and fails and writes nothing on a stale one."""
    monkeypatch.setattr("corpus.papers.src.build.PAPERS", tmp_path)
    assert main([]) == 0
    assert main(["--check"]) == 0
    stale = tmp_path / "formula-sheet.pdf"
    stale.write_bytes(stale.read_bytes() + b"\n")
    before = stale.read_bytes()
    capsys.readouterr()
    assert main(["--check"]) == 1
    assert stale.read_bytes() == before
    assert capsys.readouterr().out.count("not what") == 1


def test_a_character_without_a_glyph_is_refused(tmp_path: Path) -> None:
    """This test ensures that a sign which no standard font draws does not become a black square."""
    path = tmp_path / "odd.md"
    path.write_text("# Odd\n\nThe prediction \u0177 has no glyph.\n", encoding="utf-8")
    with pytest.raises(ValueError, match=r"odd\.md, line 3: no glyph for '\u0177'"):
        build(path)


def test_a_code_line_too_long_for_the_page_is_refused(tmp_path: Path) -> None:
    """This test ensures that code does not run off the page."""
    path = tmp_path / "long.md"
    path.write_text(f"# Long\n\n```python\nx = '{'a' * 100}'\n```\n", encoding="utf-8")
    with pytest.raises(ValueError, match=r"long\.md, line 4: code of 106 characters, 100 fit"):
        build(path)


def test_a_paper_reads_back_with_title_pages_and_headings(name: str, document: Document) -> None:
    """This test ensures that the project's own reader finds the title, each heading in its place, and 3 to 6 pages."""
    wanted = [(len(level), title) for level, title in HEADING.findall(FENCE.sub("", source(name)))]
    found = [document.text[slice(*block.span)] for block in document.blocks if block.kind == "heading"]
    assert document.title == wanted[0][1]
    assert found == [title for _, title in wanted]
    assert 3 <= max(block.page or 0 for block in document.blocks) <= 6
    assert document.warnings == ()


def test_a_paper_has_an_outline(name: str) -> None:
    """This test ensures that every heading is a bookmark of its level, and that the metadata names the paper."""
    from pypdf import PdfReader

    reader = PdfReader(PAPERS / f"{name}.pdf")

    def entries(items: list, level: int = 1) -> list[tuple[int, str]]:
        nested = [entries(i, level + 1) if isinstance(i, list) else [(level, str(i.title))] for i in items]
        return [entry for group in nested for entry in group]

    wanted = [(len(level), title) for level, title in HEADING.findall(FENCE.sub("", source(name)))]
    assert entries(reader.outline) == wanted
    assert reader.metadata is not None
    assert reader.metadata.title == wanted[0][1]


def test_every_line_of_a_source_reads_back(name: str, document: Document) -> None:
    """This test ensures that no formula, sign or line of code is lost or changed on its way through the PDF."""
    text = " ".join(document.text.split())
    lines = set(document.text.split("\n"))
    missing = []
    for language, body in re.findall(r"(?:^```(\w*)\n)?(.+?)(?=^```|\Z)", printed(name), re.M | re.S):
        for line in body.split("\n"):
            plain = re.sub(r"^(#+|-) |^\[ \] |\*\*|`|\\$", "", re.sub(r"^- \[ \] ", "", line))
            if line.startswith("|"):
                plain = " ".join(cell.strip() for cell in line.strip("|").split("|"))
            if set(plain) <= set(" -"):
                continue
            if (line not in lines) if language else (" ".join(plain.split()) not in text):
                missing.append(line)
    assert missing == []


def test_no_glyph_is_unknown(document: Document) -> None:
    """This test ensures that no replacement character and no black square stands in a paper."""
    assert not {"\ufffd", "\u25a0"} & set(document.text)


def test_the_running_header_is_no_text(document: Document) -> None:
    """This test ensures that header and page number do not end up in citations."""
    assert "Prepdesk:" not in document.text
    assert not re.search(r"^Page \d+$", document.text, re.M)


def test_the_code_of_a_paper_runs(name: str) -> None:
    """This test ensures that printed code runs and that the numbers of the sheets are right (their hidden checks)."""
    assert list(code_breaches(source(name))) == []


def test_the_sql_returns_the_rows_that_are_printed() -> None:
    """This test ensures that each query returns the rows in the `-- >` lines under it."""
    database = sqlite3.connect(":memory:")
    shown = 0
    for language, block in FENCE.findall(source("sql-python-patterns")):
        if language != "sql":
            continue
        *before, last = [s for s in re.sub(r"^--.*$", "", block, flags=re.M).split(";") if s.strip()]
        database.executescript(";".join(before))
        rows = [" | ".join("NULL" if v is None else str(v) for v in row) for row in database.execute(last)]
        assert rows == [row for line in re.findall(r"^-- > (.+)$", block, re.M) for row in line.split(" ; ")]
        shown += bool(rows)
    database.close()
    assert shown == 16


def test_the_plan_keeps_its_budget() -> None:
    """This test ensures that the minutes of the days add up to their hours, and to the table by kind and week."""
    text = source("thirty-day-plan")
    minutes: Counter[tuple[str, int]] = Counter()
    days = re.split(r"^### Day ", text, flags=re.M)[1:]
    for number, day in enumerate(days, 1):
        assert int(day.split(",")[0]) == number
        weekday = "Monday Tuesday Wednesday Thursday Friday Saturday Sunday".split()[(number - 1) % 7]
        hours = {"Saturday": "4 hours", "Sunday": "2 hours"}.get(weekday, "1.5 hours") if number < 30 else "free"
        assert day.startswith(f"{number}, {weekday}, {hours}")
        items = [(kind, int(length)) for kind, length in ITEM.findall(day)]
        assert sum(length for _, length in items) == (60 * float(hours.split()[0]) if number < 30 else 0)
        for kind, length in items:
            minutes[kind, min(4, (number - 1) // 7)] += length
    assert len(days) == 30
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in re.findall(r"^\|.+\|$", text, re.M)]
    table = {row[0]: [60 * float(cell) for cell in row[1:]] for row in rows[2:]}
    total = table.pop("Sum")
    for kind, row in table.items():
        assert row == [*(minutes[kind, week] for week in range(5)), sum(row[:-1])], kind
    assert {kind for kind, _ in minutes} == set(table)
    assert total == [sum(column) for column in zip(*table.values(), strict=True)]


def test_each_set_of_questions_is_seen_three_times() -> None:
    """This test ensures that passes come in order, two to four and then six to nine days apart, as the plan says."""
    passes: dict[str, list[int]] = {}
    for number, day in enumerate(re.split(r"^### Day ", source("thirty-day-plan"), flags=re.M)[1:], 1):
        for letter, nth in re.findall(r"Set ([A-F]), (first|second|third) pass", day):
            passes.setdefault(letter, []).append(number)
            assert nth == ("first", "second", "third")[len(passes[letter]) - 1]
    assert sorted(passes) == list("ABCDEF")
    assert all(2 <= b - a <= 4 and 6 <= c - b <= 9 for a, b, c in passes.values())


def test_ingest_of_the_corpus_leaves_out_what_is_not_for_candidates() -> None:
    """This test ensures that the README, the topic list and the sources of the papers are not indexed."""
    found = {file.relative for file in find_files(CORPUS)}
    assert {f"papers/{name}.pdf" for name in NAMES} <= found
    assert not [path for path in found if path in ("README.md", "topics.yaml") or path.startswith("papers/src/")]
    assert all(path.split("/")[0] in ("guides", "banks", "papers") for path in found)
