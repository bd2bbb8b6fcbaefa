"""Notebooks: cells in order as Markdown, cell numbers in heading paths, short outputs, both formats, broken files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.readers.notebook import read_notebook
from retrieval.errors import ReadError
from tests.ingest.test_markdown import asked
from tests.invariants import check_blocks_lie_in_text

LONG = "A sentence about gradients that is long enough. " * 12


def markdown(source: str | list[str]) -> dict[str, Any]:
    return {"cell_type": "markdown", "metadata": {}, "source": source}


def code(source: str | list[str], *outputs: Any) -> dict[str, Any]:
    return {"cell_type": "code", "metadata": {}, "execution_count": 7, "source": source, "outputs": list(outputs)}


def notebook(tmp_path: Path, *cells: Any, **more: Any) -> Path:
    path = tmp_path / "my_notes.ipynb"
    path.write_text(json.dumps({"cells": cells, "nbformat": 4, "metadata": {}} | more), encoding="utf-8")
    return path


def laid(path: Path) -> list[tuple[str, tuple[str, ...], str]]:
    document = read_notebook(path)
    check_blocks_lie_in_text(document)
    return [(b.kind, b.heading, document.text[slice(*b.span)]) for b in document.blocks]


def test_cells_are_blocks_with_their_numbers(tmp_path: Path) -> None:
    """This test ensures that headings reach over cells and that the number of the cell ends the path."""
    path = notebook(
        tmp_path,
        markdown("# Title\n"),
        markdown(["## Part\n", LONG]),
        code("x = 1\nprint(x)"),
        code(""),
        code("#" * 600),
    )
    assert laid(path) == [
        ("heading", (), "# Title"),
        ("heading", (), "## Part"),
        ("prose", ("Part", "Cell 2"), LONG.strip()),
        ("code", ("Part", "Cells 3-5"), "```python\nx = 1\nprint(x)\n```"),
        ("code", ("Part", "Cells 3-5"), f"```python\n{'#' * 600}\n```"),
    ]
    assert read_notebook(path).title == "Title"
    assert read_notebook(path).line_starts is None


def test_short_cells_of_a_section_share_their_numbers(tmp_path: Path) -> None:
    """This test ensures that runs end at headings and that a short rest goes with the run before it."""
    path = notebook(
        tmp_path, markdown("# T\n## A\na"), code("b"), markdown(LONG), code("c"), markdown("## D\nd"), code("e")
    )
    assert [h for kind, h, _ in laid(path) if kind != "heading"] == [
        *[("A", "Cells 1-4")] * 4,
        *[("D", "Cells 5-6")] * 2,
    ]


def test_outputs_are_kept_where_they_are_short_text(tmp_path: Path) -> None:
    """This test ensures that errors, logs, pictures, reprs of objects and long prints are left out."""
    outputs: list[Any] = [
        {"output_type": "stream", "name": "stdout", "text": ["\x1b[31m0.93\x1b[0m\n"]},
        {"output_type": "stream", "name": "stderr", "text": "warning"},
        {"output_type": "stream", "name": "stdout", "text": "n\n" * 50},
        {"output_type": "execute_result", "data": {"text/plain": ["   a\n", "0  1"], "text/html": "<table>"}},
        {"output_type": "display_data", "data": {"text/plain": "<Figure size 1x1>", "image/png": "iVBOR"}},
        {"output_type": "error", "ename": "E", "traceback": ["long"]},
    ]
    assert [text for _, _, text in laid(notebook(tmp_path, code("x", *outputs)))] == [
        "```python\nx\n```",
        "```text\n0.93\n```",
        "```text\n   a\n0  1\n```",
    ]


def test_a_question_cell_and_its_answer_cell_make_an_entry(tmp_path: Path) -> None:
    """This test ensures that exercises of a notebook become entries that name both cells."""
    path = notebook(
        tmp_path, markdown("# Ex"), markdown("### How to reverse a list?"), code("x[::-1]"), markdown("## B\nb")
    )
    document = read_notebook(path)
    assert asked(document) == [("How to reverse a list?", "```python\nx[::-1]\n```")]
    assert document.entries[0].heading == ("Cells 2-3",)


def test_cells_do_not_leak_into_each_other(tmp_path: Path) -> None:
    """This test ensures that an open fence ends with its cell, and that backticks in code do not end its fence."""
    path = notebook(tmp_path, markdown("```\nopen"), markdown("Text."), code("s = '''\n```\n'''"), markdown("More."))
    assert [(kind, text) for kind, _, text in laid(path)] == [
        ("code", "```\nopen\n```"),
        ("prose", "Text."),
        ("code", "````python\ns = '''\n```\n'''\n````"),
        ("prose", "More."),
    ]


def test_pictures_in_the_text_are_left_out(tmp_path: Path) -> None:
    """This test ensures that a pasted picture does not become a megabyte of text."""
    path = notebook(tmp_path, markdown("See ![plot](data:image/png;base64,iVBORw0KGgo=) here."))
    assert laid(path)[0][2] == "See ![plot]() here."


def test_format_three_and_other_languages(tmp_path: Path) -> None:
    """This test ensures that old notebooks are read, and that the fence names the kernel's language."""
    cells = [
        {"cell_type": "heading", "level": 2, "source": ["Part"]},
        {"cell_type": "code", "input": "x <- 1", "language": "r", "outputs": [{"output_type": "pyout", "text": "1"}]},
    ]
    path = tmp_path / "old.ipynb"
    path.write_text(json.dumps({"nbformat": 3, "worksheets": [{"cells": cells}]}), encoding="utf-8")
    assert [t for _, _, t in laid(path)] == ["## Part", "```r\nx <- 1\n```", "```text\n1\n```"]
    sql = notebook(tmp_path, code("SELECT 1"), metadata={"language_info": {"name": "sql"}})
    assert laid(sql)[0][2] == "```sql\nSELECT 1\n```"


def test_an_empty_notebook_is_an_empty_document(tmp_path: Path) -> None:
    """This test ensures that a notebook without text is no error."""
    document = read_notebook(notebook(tmp_path))
    assert (document.text, document.blocks, document.title) == ("", (), "my notes")


@pytest.mark.parametrize("text", ["", "{", "[]", "42", '{"a": 1}', '{"cells": ' + "[" * 100_000])
def test_what_is_no_notebook_is_refused(tmp_path: Path, text: str) -> None:
    """This test ensures that a merge conflict or another JSON file is one sentence."""
    (tmp_path / "x.ipynb").write_text(text, encoding="utf-8")
    with pytest.raises(ReadError, match=r"^x\.ipynb: not a notebook"):
        read_notebook(tmp_path / "x.ipynb")


def test_odd_cells_are_passed_over(tmp_path: Path) -> None:
    """This test ensures that cells of wrong types do not lose the others, and that the text can be stored."""
    odd = [
        None,
        3,
        {},
        {"cell_type": "code"},
        {"cell_type": "markdown", "source": {"a": 1}},
        code("x", 5, {"data": []}),
    ]
    assert laid(notebook(tmp_path, *odd, markdown("a\ud800b\0c")))[-1] == ("prose", ("Cells 6-7",), "a?bc")


_CELLS = st.builds(
    lambda kind, text: kind(text), st.sampled_from([markdown, code]), st.text("# ab`~?\n-|<>$\r", max_size=40)
)


@given(st.lists(_CELLS, max_size=8))
def test_any_cells_give_spans_inside_the_text(tmp_path_factory: pytest.TempPathFactory, cells: list[Any]) -> None:
    """This test ensures that no cells break the spans, and that every block says its cell."""
    document = read_notebook(notebook(tmp_path_factory.mktemp("n"), *cells))
    check_blocks_lie_in_text(document)
    assert all(b.heading[-1].startswith("Cell") for b in document.blocks if b.kind != "heading")
