"""Passages: within the limit, verbatim, along the structure."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ingest.bundled import bundled_corpus
from ingest.chunk import chunk
from ingest.readers.markdown import parse_markdown, read_markdown
from retrieval.encoder import Encoder
from retrieval.text import plain
from retrieval.types import Passage
from tests.invariants import check_passages

SENTENCE = "Gradient descent moves the weights against the gradient of the loss. "


def cut(text: str, encoder: Encoder, name: str = "notes") -> list[Passage]:
    document = parse_markdown(text, name)
    passages = chunk(document, f"{name}.md", encoder.count_tokens, encoder.max_tokens)
    check_passages(passages, document.text, encoder)
    return passages


def test_sections_do_not_mix_and_know_their_headings(encoder: Encoder) -> None:
    """This test ensures that two full sections give two passages with their own context."""
    text = f"# Title\n\n## First\n\n{SENTENCE * 8}\n\n## Second\n\n{SENTENCE * 8}\n"
    assert [(p.context, p.locator.heading) for p in cut(text, encoder)] == [
        ("Title > First", ("First",)),
        ("Title > Second", ("Second",)),
    ]


def test_small_sections_are_joined(encoder: Encoder) -> None:
    """This test ensures that three lines of notes are one passage, their headings kept in its text."""
    passages = cut("# T\n\n## A\n\nShort one.\n\n## B\n\nShort two.\n", encoder)
    assert [p.text for p in passages] == ["## A\n\nShort one.\n\n## B\n\nShort two."]


def test_a_long_section_is_cut_into_like_parts(encoder: Encoder) -> None:
    """This test ensures that no short rest is left at the end."""
    passages = cut("# T\n\n" + f"{SENTENCE * 4}\n\n" * 10, encoder)
    sizes = [len(p.text) for p in passages]
    assert len(sizes) >= 2
    assert min(sizes) > 0.6 * max(sizes)


def test_code_that_fits_is_kept_whole(encoder: Encoder) -> None:
    """This test ensures that a fence is not cut in the middle."""
    code = "```python\n" + "\n".join(f"x{i} = {i}" for i in range(15)) + "\n```"
    passages = cut(f"# T\n\n{SENTENCE * 10}\n\n{code}\n\n{SENTENCE * 10}\n", encoder)
    assert any(code in p.text for p in passages)


def test_a_long_table_is_cut_between_rows(encoder: Encoder) -> None:
    """This test ensures that every row stands whole in one passage."""
    rows = [f"| model {i} | accuracy {i} percent | trained on {i} rows |" for i in range(60)]
    passages = cut("# T\n\n| a | b | c |\n|---|---|---|\n" + "\n".join(rows) + "\n", encoder)
    assert len(passages) > 1
    assert all(sum(row in p.text for p in passages) == 1 for row in rows)


def test_an_entry_is_one_passage_and_its_question_is_not_in_its_context(encoder: Encoder) -> None:
    """This test ensures that an entry that fits is not torn apart."""
    (passage,) = cut("# Bank\n\n## What is bias?\n\nAn error of the model.\n", encoder)
    assert passage.entry is not None
    assert (passage.kind, passage.context, passage.entry.question) == ("qa", "Bank", "What is bias?")
    assert passage.text == "## What is bias?\n\nAn error of the model."


def test_the_parts_of_a_long_entry_all_know_their_question(encoder: Encoder) -> None:
    """This test ensures that the end of a long answer is found under its question, and in reading order."""
    passages = cut("# Bank\n\n## What is descent?\n\n" + f"{SENTENCE * 5}\n\n" * 8, encoder)
    entries = [p.entry for p in passages if p.entry]
    assert len(entries) == len(passages) > 1
    assert [e.part for e in entries] == list(range(1, len(entries) + 1))
    assert {(e.id, e.parts) for e in entries} == {(entries[0].id, len(entries))}
    assert all(p.context == "Bank > What is descent?" for p in passages[1:])


@pytest.mark.parametrize("text", ["x" * 6000, "word " * 4000, "# " + "heading " * 400 + "\n\nText.\n"])
def test_text_without_structure_still_fits(text: str, encoder: Encoder) -> None:
    """This test ensures that a word without end, a page without a stop and an endless heading stay within the limit."""
    assert "".join(p.text for p in cut(text, encoder)).replace(" ", "")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.sampled_from(
            [
                "# H",
                "## What is it?",
                "- item " * 30,
                "para " * 120,
                "| a | b |\n|--|--|\n| 1 | 2 |",
                "```\ncode\n```",
                "$$x$$",
            ]
        ),
        max_size=12,
    )
)
def test_any_document_is_cut_within_the_limit(encoder: Encoder, parts: list[str]) -> None:
    """This test ensures that whatever the blocks, passages are verbatim, unique and within the limit."""
    cut("\n\n".join(parts), encoder)


def test_ids_depend_on_content_and_place_only(encoder: Encoder) -> None:
    """This test ensures that ingesting twice changes nothing and that another place is another passage."""
    text = f"# T\n\n{SENTENCE * 3}\n"
    assert [p.id for p in cut(text, encoder)] == [p.id for p in cut(text, encoder)]
    assert {p.id for p in cut(text, encoder)}.isdisjoint(p.id for p in cut(text, encoder, "other"))


FULL, FULLER = (SENTENCE * 8).strip(), (SENTENCE * 18).strip()  # about 100 and 220 word pieces


@pytest.mark.parametrize(
    ("text", "passages"),
    [
        ("## A fact\n\n## B\n\nText.", [("T", "## A fact\n\n## B\n\nText.")]),
        (f"## B\n\n{FULL}\n\n## A fact\n\n## C\n\nText.", [("T > B", FULL), ("T", "## A fact\n\n## C\n\nText.")]),
        (f"## B\n\n{FULL}\n\n## A fact", [("T > B", FULL), ("T", "## A fact")]),
        (f"## A fact\n\n## B\n\n{FULLER}", [("T", "## A fact"), ("T > B", FULLER)]),
        ("## B\n\n### A fact\n\n## C\n\nText.", [("T > B", "### A fact"), ("T > C", "Text.")]),
        (
            "## B\n\n### A fact\n\n### A second\n\n## C\n\n### A third",
            [("T > B", "### A fact\n\n### A second"), ("T > C", "### A third")],
        ),
        ("## Of b\n\n## What is b?\n\nText.", [("T", "## What is b?\n\nText.")]),
        ("## Contents\n\n- [B](#b)\n- [C](#c)\n\n## B\n\nText.", [("T > B", "Text.")]),
        ("# B\n\n## C\n\nText.", [("T > B > C", "Text.")]),
        ("", []),
    ],
)
def test_a_heading_with_nothing_under_it_is_text(text: str, passages: list[tuple[str, str]], encoder: Encoder) -> None:
    """This test ensures that it goes with what follows in its section or stands alone; others are context."""
    assert [(p.context, p.text) for p in cut(f"# T\n\n{text}\n", encoder)] == passages


LISTS = """# Notes

Before the lists.

1. What is bias?
   Bias is the error from wrong assumptions in the learner.
2. Remember to revise the chapter about kernels tonight.
3. What is variance?
   Variance is the error from sensitivity to the sample.
4. Another note that asks nothing and matters all the same.

**Q: What is dropout?**
It zeroes units.

# Later

After the lists.
"""


def test_what_stands_beside_the_questions_of_a_list_is_kept(encoder: Encoder) -> None:
    """This test ensures that items which are no question entries are indexed, and no passage runs over one."""
    passages = cut(LISTS, encoder)
    assert [p.entry.question for p in passages if p.entry] == ["What is bias?", "What is variance?", "What is dropout?"]
    assert [p.text for p in passages if not p.entry] == [
        "Before the lists.",
        "2. Remember to revise the chapter about kernels tonight.",
        "4. Another note that asks nothing and matters all the same.",
        "After the lists.",
    ]


@pytest.mark.parametrize("path", sorted((bundled_corpus() / "guides").rglob("*.md"))[::15], ids=lambda p: p.stem)
def test_every_word_of_a_guide_stands_in_a_passage(path: Path, encoder: Encoder) -> None:
    """This test ensures that nothing but headings, which stand in the context, is left out of the index."""
    document = read_markdown(path)
    held = bytearray(len(document.text))
    for passage in chunk(document, "guide.md", encoder.count_tokens, encoder.max_tokens):
        start, end = passage.locator.span
        held[start:end] = b"x" * (end - start)
    for block in document.blocks:
        if block.kind != "heading":
            start, end = block.span
            said = "".join(document.text[i] for i in range(start, end) if not held[i])
            assert not any(c.isalnum() for c in plain(said)), said
