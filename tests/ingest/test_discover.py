"""Which files of a root are material."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from ingest.areas import area_titles
from ingest.discover import find_files
from ingest.pipeline import ingest
from retrieval.errors import ReadError
from retrieval.store import Home


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


def test_what_the_readme_says_is_always_passed_over_is(tmp_path: Path) -> None:
    """This test ensures that nobody looks in vain for why a folder of theirs is missing."""
    readme = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
    told = readme.partition("Always\npassed over")[2].partition("Kill it")[0]
    back, *names = re.findall(r"`([^`]+)`", told)
    assert (back, len(names)) == ("!build/", 11)
    for name in (name.replace("*", "x") for name in names):
        file = tmp_path / name / "a.md" if name.endswith("/") else tmp_path / name
        file.parent.mkdir(exist_ok=True)
        file.write_text("text")
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / ".prepignore").write_text("*.md\n")
    (tmp_path / "sub" / "b.md").write_text("text")
    assert [f.relative for f in find_files(tmp_path)] == ["sub/b.md"]
    (tmp_path / ".prepignore").write_text(f"{back}\nsub/\n")
    assert [f.relative for f in find_files(tmp_path)] == ["build/a.md"]


# What the system refuses with a name past 255 bytes, to root as well, it refuses without a permission alike.
LONG = "a" * 300


def test_a_root_that_the_system_does_not_show_is_one_sentence(tmp_path: Path) -> None:
    """This test ensures that neither a name too long nor a folder that may not be entered ends in a traceback."""
    with pytest.raises(ReadError, match=rf"{LONG}: cannot be opened \(File name too long\); check the path"):
        find_files(tmp_path / LONG)


def test_rules_that_cannot_be_read_are_one_sentence(tmp_path: Path) -> None:
    """This test ensures that nothing is taken in for want of the rules that leave it out."""
    (tmp_path / "a.md").write_text("# A\n\nText.\n")
    (tmp_path / ".prepignore").symlink_to(LONG)
    with pytest.raises(ReadError, match=r"\.prepignore: cannot be read \(File name too long\); check the permissions"):
        find_files(tmp_path)


def test_a_file_that_the_system_does_not_show_is_told(home: Home, tmp_path: Path) -> None:
    """This test ensures that it ends no run, and gets its reason as any other that cannot be opened."""
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "a.md").write_text("# A\n\nText.\n")
    (folder / "b.md").symlink_to(LONG)
    report = ingest(home, [folder])
    assert (report.passages, report.failed) == (
        1,
        (("b.md", "b.md: cannot be opened (File name too long); check its permissions"),),
    )


def test_a_link_to_itself_is_one_sentence(home: Home, tmp_path: Path) -> None:
    """This test ensures that a root that leads nowhere is told as what it is."""
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(ReadError, match=r"loop: (a link that leads to itself|no such file)"):
        ingest(home, [tmp_path / "loop"])
