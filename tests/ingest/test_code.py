"""Source files: definitions and statements with their lines, and what does not parse."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.documents import Document
from ingest.readers import code
from ingest.readers.code import read_python, read_sql
from retrieval.errors import ReadError
from tests.invariants import check_blocks_lie_in_text

PYTHON = '''"""A heap."""
import heapq

LIMIT = 3

# Comments go
# with the definition.
@cache
def push(heap, item):

    heapq.heappush(heap, item)


async def pop(heap): return heapq.heappop(heap)
class Empty(Exception):
    """Nothing in it."""

if __name__ == "__main__":
    push([], 1)
# the end
'''


def shown(document: Document) -> list[tuple[tuple[str, ...], tuple[int, int] | None, str]]:
    check_blocks_lie_in_text(document)
    assert all(b.kind == "code" for b in document.blocks)
    return [(b.heading, document.lines(b.span), document.text[slice(*b.span)].split("\n")[0]) for b in document.blocks]


def python(tmp_path: Path, text: str) -> Document:
    (tmp_path / "heap.py").write_bytes(text.encode())
    return read_python(tmp_path / "heap.py")


def sql(tmp_path: Path, text: str) -> Document:
    (tmp_path / "joins.sql").write_bytes(text.encode())
    return read_sql(tmp_path / "joins.sql")


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_python_is_cut_at_definitions(tmp_path: Path, newline: str) -> None:
    """This test ensures that every line belongs to a definition or to between two, comments to what follows."""
    document = python(tmp_path, PYTHON.replace("\n", newline))
    assert [(heading, lines) for heading, lines, _ in shown(document)] == [
        ((), (1, 4)),
        (("push",), (6, 11)),
        (("pop",), (14, 14)),
        (("Empty",), (15, 16)),
        ((), (18, 20)),
    ]
    assert document.title == "heap.py"
    covered = "".join(document.text[slice(*b.span)] for b in document.blocks)
    assert "".join(covered.split()) == "".join(PYTHON.split())


def test_a_long_class_is_cut_at_its_methods(tmp_path: Path) -> None:
    """This test ensures that a method is found under the name of its class."""
    methods = "".join(f"    def m{n}(self):\n        return '{'x' * 400}'\n\n" for n in range(4))
    document = python(tmp_path, f'class Trie:\n    """Doc."""\n\n    size = 0\n\n{methods}')
    assert [(heading, lines) for heading, lines, _ in shown(document)] == [
        (("Trie",), (1, 4)),
        *((("Trie", f"m{n}"), (6 + 3 * n, 7 + 3 * n)) for n in range(4)),
    ]


def test_python_that_does_not_parse_is_cut_at_empty_lines(tmp_path: Path) -> None:
    """This test ensures that Python 2 and drafts are still found."""
    document = python(tmp_path, "print 'a'\nprint 'b'\n\n\ndef f(:\n    pass\n")
    assert [lines for _, lines, _ in shown(document)] == [(1, 2), (5, 6)]
    assert document.warnings == ("it could not be parsed and was cut at empty lines",)


@pytest.mark.parametrize("text", ["(" * 100_000, "x = " + "-" * 100_000 + "1", "a" + ".b" * 50_000, "\\", "'\\d'\n"])
def test_hostile_python_is_read(tmp_path: Path, text: str) -> None:
    """This test ensures that depth neither crashes the parser nor warns."""
    assert len(shown(python(tmp_path, text))) == 1


@pytest.mark.parametrize(("text", "count"), [("", 0), ("\n \n", 0), ("# only\n# comments\n", 1), ("\ufeffx = 1\n", 1)])
def test_small_files(tmp_path: Path, text: str, count: int) -> None:
    """This test ensures that files with next to nothing in them are read, without a byte order mark."""
    assert len(shown(python(tmp_path, text))) == count
    assert len(shown(sql(tmp_path, text))) == count


def test_statements_on_one_line_stay_together(tmp_path: Path) -> None:
    """This test ensures that no line is cut or cited twice."""
    assert [lines for _, lines, _ in shown(python(tmp_path, "class A: pass\nx = 1; y = 2\ndef f(): pass\n"))] == [
        (1, 1),
        (2, 2),
        (3, 3),
    ]
    assert [lines for _, lines, _ in shown(sql(tmp_path, "SELECT 1; SELECT 2;\nSELECT 3;\n"))] == [(1, 1), (2, 2)]


def test_sql_is_cut_at_statements(tmp_path: Path) -> None:
    """This test ensures that a statement is called by what it defines or by the comment above it."""
    document = sql(
        tmp_path,
        "CREATE TABLE IF NOT EXISTS app.users (\n  id INT, -- a; b\n  name TEXT\n);\n\n"
        "-- Second highest salary\n-- without LIMIT\nSELECT max(s) FROM t\nWHERE s < (SELECT max(s) FROM t);\n"
        "/* Names with ; in them */\nSELECT 'a;b';\n\nSELECT 2;\n"
        "-- a helper\ncreate or replace function f() returns int as $$\nbegin\n  x := 1;\n  return x;\nend;\n$$;\n",
    )
    assert [(heading, lines) for heading, lines, _ in shown(document)] == [
        (("app.users",), (1, 4)),
        (("Second highest salary",), (6, 9)),
        (("Names with ; in them",), (10, 11)),
        ((), (13, 13)),
        (("f",), (14, 20)),
    ]


def test_a_dump_is_not_parsed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """This test ensures that a limit holds before a parser starts."""
    monkeypatch.setattr(code, "MAX_PARSED", 10)
    assert sql(tmp_path, "SELECT 1;\nSELECT 2;\n\nSELECT 3;").warnings
    assert python(tmp_path, "x = 1\n\ny = 22\n").warnings


def test_binary_files_are_refused(tmp_path: Path) -> None:
    """This test ensures that compiled Python with the wrong name is one sentence."""
    (tmp_path / "x.py").write_bytes(bytes(range(256)) * 40)
    with pytest.raises(ReadError, match=r"^x\.py: .*binary"):
        read_python(tmp_path / "x.py")


_LINES = st.sampled_from(
    ["def f():", "    pass", "class A:", "x = 1", "# c", "", "@d", "SELECT 1;", "BEGIN", "END;", "'''", "/*"]
)


@given(st.lists(_LINES, max_size=12), st.sampled_from(["\n", "\r\n", "\r"]))
def test_no_line_is_lost(tmp_path_factory: pytest.TempPathFactory, lines: list[str], newline: str) -> None:
    """This test ensures that every word of a file stands in exactly one block."""
    folder = tmp_path_factory.mktemp("c")
    text = newline.join(lines)
    for document in (python(folder, text), sql(folder, text)):
        shown(document)
        covered = "".join(document.text[slice(*b.span)] for b in document.blocks)
        assert "".join(covered.split()) == "".join(text.split())
