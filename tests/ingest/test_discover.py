"""Which files of a root are material."""

from __future__ import annotations

from pathlib import Path

import pytest

from ingest.areas import area_titles
from ingest.discover import find_files
from retrieval.errors import ReadError


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("areas:\n  - id: ml\n    title: Machine learning\n", ["sub/topics.yaml"]),
        ("- question: What is a topic?\n  answer: A region.\n", ["sub/topics.yaml", "topics.yaml"]),
    ],
)
def test_the_file_that_names_the_areas_is_no_material(tmp_path: Path, text: str, found: list[str]) -> None:
    """This test ensures that topics.yaml is left out at the top of a root, where it is no bank of that name."""
    (tmp_path / "sub").mkdir()
    for folder in (tmp_path, tmp_path / "sub"):
        (folder / "topics.yaml").write_text(text)
    assert [f.relative for f in find_files(tmp_path)] == found


@pytest.mark.parametrize("text", ["[" * 20_000, "- " * 20_000, "areas: [1]", "areas: {", "\x00"])
def test_areas_that_cannot_be_read_are_none(tmp_path: Path, text: str) -> None:
    """This test ensures that neither depth nor damage of topics.yaml ends a run."""
    (tmp_path / "topics.yaml").write_text(text)
    assert area_titles([tmp_path]) == {}


@pytest.mark.parametrize("line", ["!", "\\"])
def test_a_line_that_is_no_pattern_is_one_sentence(tmp_path: Path, line: str) -> None:
    """This test ensures that a slip in .prepignore names the file and the line."""
    (tmp_path / ".prepignore").write_text(f"drafts/\n{line}\n")
    with pytest.raises(ReadError, match=r"\.prepignore: .*; mend or remove that line$"):
        find_files(tmp_path)
