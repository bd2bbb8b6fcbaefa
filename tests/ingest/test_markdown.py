"""Markdown to blocks and question entries: spans, lines, headings, and the shapes people write questions in."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.chunk import chunk
from ingest.documents import Document
from ingest.readers.markdown import parse_markdown, read_markdown
from ingest.readers.text import read_plain_text
from retrieval.errors import ReadError
from tests.invariants import check_blocks_lie_in_text


def asked(document: Document) -> list[tuple[str, str]]:
    return [(e.question, document.text[slice(*e.answer)]) for e in document.entries]


def test_blocks_know_their_kind_heading_and_lines() -> None:
    """This test ensures that structure becomes blocks that point back into the file."""
    document = parse_markdown(
        "# Title\n\nIntro.\n\n## Part\n\n- a\n- b\n\n```python\nx\n```\n\n| h |\n|---|\n| 1 |\n", "x"
    )
    kinds = [(b.kind, b.heading, document.lines(b.span)) for b in document.blocks if b.kind != "heading"]
    assert document.title == "Title"
    assert kinds == [
        ("prose", (), (3, 3)),
        ("list", ("Part",), (7, 8)),
        ("code", ("Part",), (10, 12)),
        ("table", ("Part",), (14, 16)),
    ]


def test_front_matter_is_read_and_not_indexed() -> None:
    """This test ensures that title, tags, area and links come from front matter."""
    text = "---\ntitle: T\narea: ml\ntags: [a, b]\nrelated: [guides/x.md]\n---\n# T\n\nBody text.\n"
    document = parse_markdown(text, "x")
    assert (document.title, document.area, document.topics, document.related) == (
        "T",
        "ml",
        ("a", "b"),
        ("guides/x.md",),
    )
    assert [document.text[slice(*b.span)] for b in document.blocks] == ["# T", "Body text."]


def test_broken_front_matter_is_a_warning() -> None:
    """This test ensures that a colon in the wrong place does not lose the file."""
    document = parse_markdown("---\ntitle: a: b: c\n---\nBody.\n", "notes")
    assert document.title == "notes"
    assert "front matter" in document.warnings[0]


def test_a_date_that_there_is_not_does_not_lose_the_file() -> None:
    """This test ensures that what YAML's own conversions refuse is a warning too."""
    document = parse_markdown("---\ndate: 2024-02-30\n---\nBody.\n", "notes")
    assert [document.text[slice(*b.span)] for b in document.blocks] == ["Body."]
    assert "day is out of range" in document.warnings[0]


@pytest.mark.parametrize(
    ("between", "kinds"),
    [
        ("Overfitting is fitting noise.", ["heading", "prose"]),  # a line over dashes is a heading
        ("## Part 1\nIntroduction to the matter.\n", ["heading", "prose", "prose"]),
        ("**What is L1?**\n\nA penalty.\n", ["prose", "prose", "prose"]),
        ("- a list\n- of two\n", ["list", "prose"]),
    ],
)
def test_text_between_rules_is_no_front_matter(between: str, kinds: list[str]) -> None:
    """This test ensures that notes that begin with a rule lose nothing."""
    text = f"---\n{between}\n---\n\nThe rest.\n"
    document = parse_markdown(text, "notes")
    assert [b.kind for b in document.blocks] == kinds
    said = " ".join(document.text[slice(*b.span)] for b in document.blocks)
    assert all(word in said for word in between.split())
    assert document.warnings == ()


def test_windows_newlines_keep_spans_and_lines() -> None:
    """This test ensures that the file's own characters are cited, carriage returns and all."""
    document = parse_markdown("# T\r\n\r\nOne.\r\n\r\nTwo\r\nlines.\r\n", "x")
    last = document.blocks[-1]
    assert document.text[slice(*last.span)] == "Two\r\nlines."
    assert document.lines(last.span) == (5, 6)


@pytest.mark.parametrize(
    ("text", "question", "answer"),
    [
        ("## What is bias?\n\nIt is an error.\n", "What is bias?", "It is an error."),
        ("**What is bias? 👶**\n\nIt is an error.\n\n<br/>\n", "What is bias?", "It is an error."),
        ("### Q: Define bias.\n\nIt is an error.\n", "Define bias.", "It is an error."),
        ("### Q12: Define bias.\n\n### ✅ Answer\n\nIt is an error.\n", "Define bias.", "It is an error."),
        (
            "### Q: What is bias?\n\n<details>\n<summary><b>💡 Answer</b></summary>\n\nIt is an error.\n\n</details>\n",
            "What is bias?",
            "It is an error.",
        ),
        (
            "<details>\n<summary>What is bias?</summary>\n\nIt is an error.\n\n</details>\n\nOther text.\n",
            "What is bias?",
            "It is an error.",
        ),
        (
            "1. What is bias?\n   It is an error.\n2. What is variance?\n   Another one.\n",
            "What is bias?",
            "It is an error.",
        ),
        ("**Q: What is bias?** It is an error.\n", "What is bias?", "It is an error."),
    ],
)
def test_question_shapes(text: str, question: str, answer: str) -> None:
    """This test ensures that each shape found in real banks gives the bare question and the bare answer."""
    assert asked(parse_markdown(text, "bank"))[0] == (question, answer)


def test_numbered_headings_are_questions_among_questions() -> None:
    """This test ensures that "3. Expected value" counts where its siblings ask."""
    text = "## 1. What is a?\n\nA one.\n\n## 2. Explain b\n\nB two.\n\n## 3. Expected value\n\nC three.\n"
    assert [q for q, _ in asked(parse_markdown(text, "x"))] == ["What is a?", "Explain b", "Expected value"]


@pytest.mark.parametrize("heading", ["Q-learning", "Q-Q plots", "Q3 results", "Question-answering systems"])
def test_a_word_that_starts_like_a_mark_is_no_question(heading: str) -> None:
    """This test ensures that only a mark that is divided from what it marks makes a question."""
    assert asked(parse_markdown(f"## {heading}\n\nSome text.\n", "x")) == []


@pytest.mark.parametrize(
    ("heading", "question"),
    [
        ("Q-learning vs SARSA?", "Q-learning vs SARSA?"),
        ("Q - Define bias", "Define bias"),
        ("Q3- Define bias", "Define bias"),
        ("Question 3 – Define bias", "Define bias"),
        ("Q3 What is bias? (easy)", "What is bias?"),
        ("Q#3. Define bias", "Define bias"),
    ],
)
def test_only_a_mark_is_taken_off_a_question(heading: str, question: str) -> None:
    """This test ensures that a question keeps its first word."""
    assert asked(parse_markdown(f"## {heading}\n\nSome text.\n", "x")) == [(question, "Some text.")]


def test_letters_that_grow_in_lower_case_move_no_answer() -> None:
    """This test ensures that the end of an answer is told in the text as it is."""
    text = "İİİİİİ\n\n<details>\n<summary>What is a?</summary>\nA one.\n</DETAILS>\n"
    assert asked(parse_markdown(text, "x")) == [("What is a?", "A one.")]


def test_thousands_of_questions_are_found_in_seconds() -> None:
    """This test ensures that the time grows with the length of a file, not with its square (89 s before)."""
    text = "# T\n\n" + "".join(f"## What is {i}?\n\nNumber {i}.\n\n" for i in range(16_000))
    started = time.monotonic()
    document = parse_markdown(text, "x")
    passages = chunk(document, "x.md", lambda texts: [len(t.split()) for t in texts], 256)
    assert len(document.entries) == len(passages) == 16_000
    assert time.monotonic() - started < 30


def test_numbered_sections_of_a_guide_are_no_questions() -> None:
    """This test ensures that an ordinary numbered outline stays prose."""
    text = "## 1. Setup\n\nA one.\n\n## 2. Training\n\nB two.\n\n## 3. Results\n\nC three.\n"
    assert asked(parse_markdown(text, "x")) == []


def test_a_table_of_contents_is_neither_entries_nor_text() -> None:
    """This test ensures that a list of links that repeats every question is left out."""
    text = (
        "- [What is a?](#what-is-a)\n- [What is b?](#what-is-b)\n\n## What is a?\n\nA one.\n\n## What is b?\n\nB two.\n"
    )
    document = parse_markdown(text, "x")
    assert [a for _, a in asked(document)] == ["A one.", "B two."]
    assert all("](#" not in document.text[slice(*b.span)] for b in document.blocks)


def test_questions_without_an_answer_are_counted_not_indexed() -> None:
    """This test ensures that "Answer here" is no answer."""
    document = parse_markdown("**What is a?**\n\nAnswer here\n\n**What is b?**\n\nB is two.\n", "x")
    assert asked(document) == [("What is b?", "B is two.")]
    assert document.warnings == ("1 questions without an answer",)


def test_an_answer_ends_with_its_section() -> None:
    """This test ensures that the next heading of the same rank is not swallowed."""
    document = parse_markdown("## What is a?\n\nA one.\n\n### Detail\n\nMore.\n\n## Credits\n\nThanks.\n", "x")
    assert asked(document) == [("What is a?", "A one.\n\n### Detail\n\nMore.")]


@pytest.mark.parametrize(
    ("inside", "answer"),
    [
        ("\nAn error.\n</details>", "An error."),
        (" An error.</details>", "An error."),
        ("\n\nAn error. </details>", "An error."),
        ("\n\n<p>An error.</p></details>", "<p>An error.</p>"),
        ("\n\nAn error.\n\n```html\n</details>\n```\n\n`</details>` ends.\n\n</details>", None),
        ("\n\nAn error.\n\n<details><summary>Why</summary>\n\nSo.\n\n</details>\n\nMore.\n\n</details>", None),
    ],
)
def test_an_answer_ends_where_its_details_close(inside: str, answer: str | None) -> None:
    """This test ensures that what stands behind is not swallowed, and what is nested or quoted closes nothing."""
    text = f"<details><summary>What is bias?</summary>{inside}\n\nUnrelated text.\n\n## What is b?\n\nB is two.\n"
    whole = inside.removesuffix("</details>").strip()
    document = parse_markdown(text, "x")
    assert asked(document) == [("What is bias?", answer or whole), ("What is b?", "B is two.")]
    assert document.entries[0].span[1] == document.entries[0].answer[1]


def test_details_without_an_answer_take_none_from_behind_them() -> None:
    """This test ensures that the next paragraph is not the answer to a question that has none."""
    document = parse_markdown("<details><summary>What is bias?</summary></details>\n\nUnrelated text.\n", "x")
    assert (document.entries, document.warnings) == ((), ("1 questions without an answer",))


def test_text_behind_details_in_one_block_is_indexed() -> None:
    """This test ensures that what follows without an empty line is no answer, and not lost either."""
    text = "<details><summary>What is a?</summary>A one.</details>\nB two.\n\nC three.\n\n<!-- phrasings: tell a -->\n"
    document = parse_markdown(text, "x")
    assert asked(document) == [("What is a?", "A one.")]
    assert document.entries[0].phrasings == ("tell a",)
    passages = chunk(document, "x.md", lambda texts: [len(t.split()) for t in texts], 256)
    assert [p.text.endswith(end) for p, end in zip(passages, ("B two.", "C three."), strict=True)] == [True, True]


def test_phrasings_stand_in_a_comment_after_the_answer() -> None:
    """This test ensures that other ways to ask are read for their own question, and are no text."""
    text = (
        "## What is a?\n\nOne.\n\nTwo.\n\n<!-- phrasings:\n- tell me about *a*\n- a, what is it\n-->\n\n"
        "## What is b?\n\nThree.\n\n<!-- a note -->\n\n## What is c?\n\nFour.\n\n<!-- phrasings: c | c, please -->\n"
    )
    document = parse_markdown(text, "notes")
    assert [entry.phrasings for entry in document.entries] == [
        ("tell me about a", "a, what is it"),
        (),
        ("c", "c, please"),
    ]
    assert asked(document) == [("What is a?", "One.\n\nTwo."), ("What is b?", "Three."), ("What is c?", "Four.")]
    assert not any("phrasings" in text[slice(*block.span)] for block in document.blocks)


@given(st.text(alphabet=st.sampled_from("ab #*-|`$?\n\r>1.<é[]()"), max_size=300))
def test_any_text_gives_spans_inside_it(text: str) -> None:
    """This test ensures that no Markdown, however odd, breaks the spans."""
    check_blocks_lie_in_text(parse_markdown(text, "x"))


def test_binary_content_is_refused_by_name(tmp_path: Path) -> None:
    """This test ensures that a picture named .md is told from text."""
    (tmp_path / "x.md").write_bytes(bytes(range(256)) * 40)
    with pytest.raises(ReadError, match=r"^x\.md: .*binary"):
        read_markdown(tmp_path / "x.md")


def test_other_encodings_are_detected(tmp_path: Path) -> None:
    """This test ensures that notes from an old editor are read."""
    text = "# Résumé\n\nLa régularisation pénalise les coefficients élevés et réduit le surapprentissage du modèle.\n"
    (tmp_path / "x.md").write_bytes(text.encode("cp1252"))
    assert "régularisation pénalise" in read_markdown(tmp_path / "x.md").text


def test_plain_text_has_paragraphs_and_q_and_a(tmp_path: Path) -> None:
    """This test ensures that a text file is cut at empty lines and that Q: and A: make an entry."""
    (tmp_path / "my_notes.txt").write_text(
        "First paragraph\ngoes on.\n\nQ: What is bias?\nAn error.\n", encoding="utf-8"
    )
    document = read_plain_text(tmp_path / "my_notes.txt")
    assert document.title == "my notes"
    assert document.text[slice(*document.blocks[0].span)] == "First paragraph\ngoes on."
    assert asked(document) == [("What is bias?", "An error.")]
