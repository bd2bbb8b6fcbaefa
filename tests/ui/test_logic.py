"""What the pages decide: places, paragraphs, excerpts, reasons, exports."""

from __future__ import annotations

from pathlib import Path

import pytest

from retrieval.types import Answer, Citation, Entry, Hit, Locator, Passage, Scores, Sentence
from ui import logic
from ui.export import export_markdown, file_name

TEXT = "---\ntitle: T\n---\n# Head\n\nFirst paragraph.\n\nSecond one. It goes on.\n\n```\ncode\n\nmore\n```\n\nLast.\n"


def text_of(path: str) -> str:
    """The sources of these answers are empty: no quote lies in code."""
    return ""


def locator(path: str = "guides/a.md", heading: tuple[str, ...] = ("Idea",), **more: object) -> Locator:
    facts: dict[str, object] = {"title": "Guide", "span": (0, 10), "lines": (3, 5), **more}
    return Locator(path=path, heading=heading, **facts)  # type: ignore[arg-type]


def hit(question: str, text: str, dense: float = 0.8, rank: int = 1) -> Hit:
    entry = Entry(f"e{rank}", question, (0, len(text)))
    passage = Passage(f"p{rank}", text, "", locator(), "qa", entry=entry)
    return Hit(rank, dense, Scores(dense, 0.5), passage)


def answer(*sentences: tuple[str, Locator]) -> Answer:
    cited = tuple(Citation(n, text, where, f"c{n}") for n, (text, where) in enumerate(sentences, 1))
    return Answer("What is it?", True, 0.9, tuple(Sentence(c.quote, (c.n,)) for c in cited), cited)


@pytest.mark.parametrize(
    ("where", "words"),
    [
        (locator(), "Guide › Idea · lines 3–5"),
        (locator(lines=(3, 3)), "Guide › Idea · line 3"),
        (locator(lines=None, page=4), "Guide › Idea · page 4"),
        (locator(lines=None, heading=()), "Guide"),
        (locator(heading=("Guide", "[x](javascript:y)"), lines=None), "Guide › x"),
    ],
)
def test_a_place_is_title_heading_and_lines_or_page(where: Locator, words: str) -> None:
    """This test ensures that a place is told in the fewest words and is safe as Markdown."""
    assert logic.place(where) == words


def test_sentences_of_one_section_make_one_paragraph() -> None:
    """This test ensures that numbers follow their sentences and a change of section starts a paragraph."""
    made = answer(("One.", locator()), ("Two.", locator()), ("Three.", locator(heading=("Other",))))
    assert [p.markdown for p in logic.paragraphs(made, text_of)] == [
        "One. :blue-badge[1] Two. :blue-badge[2]",
        "Three. :blue-badge[3]",
    ]
    assert [[c.n for c in p.citations] for p in logic.paragraphs(made, text_of)] == [[1, 2], [3]]


def test_code_and_table_rows_in_an_answer_are_shown_well() -> None:
    """This test ensures that code stands as a block and a row of a table reads as a line."""
    made = answer(("Use it:", locator()), ("```python\na = 1\n```", locator()), ("| lasso | sparse |", locator()))
    assert logic.paragraphs(made, text_of)[0].markdown == (
        "Use it: :blue-badge[1]\n\n```python\na = 1\n```\n\n:blue-badge[2] lasso · sparse :blue-badge[3]"
    )


@pytest.mark.parametrize("end", ["\n", "\r\n", "\n    "])
def test_a_whole_table_in_an_answer_is_shown_as_a_table(end: str) -> None:
    """This test ensures that head, rule and rows that are one sentence stand as a block, and rows alone as a line."""
    table = end.join(("| Penalty | Effect |", "|---|:-:|", "| lasso | <b>sparse</b> |", "| ridge | small |"))
    made = answer(("Compare:", locator()), (table, locator()), ("| lasso | sparse |\n| ridge | small |", locator()))
    assert logic.paragraphs(made, text_of)[0].markdown == (
        "Compare: :blue-badge[1]\n\n"
        "| Penalty | Effect |\n|---|:-:|\n| lasso | sparse |\n| ridge | small |\n\n"
        ":blue-badge[2] lasso · sparse · ridge · small :blue-badge[3]"
    )


def test_lines_from_inside_a_fence_are_shown_as_code() -> None:
    """This test ensures that a passage cut in the middle of code does not turn it into prose."""
    at = TEXT.index("more")
    made = answer(("more", locator(span=(at, at + 4))))
    assert logic.paragraphs(made, lambda _: TEXT)[0].markdown == "```\nmore\n```\n\n:blue-badge[1]"


def test_a_sentence_of_a_pdf_stands_for_itself() -> None:
    """This test ensures that signs in a PDF's text are not read as Markdown."""
    made = answer(("x_1 * x_2", locator(path="b.pdf")))
    assert logic.paragraphs(made, text_of)[0].markdown == "x\\_1 \\* x\\_2 :blue-badge[1]"


def test_an_excerpt_is_whole_paragraphs_without_front_matter() -> None:
    """This test ensures that a passage is shown with the paragraphs around it and the quote marked in it."""
    start = TEXT.index("Second")
    parts = logic.excerpt(TEXT, (start, start + 23), (start + 12, start + 23), path="a.md")
    assert parts[0].markdown.startswith("##### Head\n\nFirst paragraph.\n\nSecond one. :orange-background[It goes on.]")
    assert "title" not in parts[0].markdown
    assert parts[-1].markdown.rstrip().endswith("Last.")


def test_an_excerpt_without_context_is_the_passage() -> None:
    """This test ensures that the list of passages shows each one alone."""
    start = TEXT.index("Second")
    parts = logic.excerpt(TEXT, (start, start + 23), path="a.md", context=0)
    assert [p.markdown.strip() for p in parts] == ["Second one. It goes on."]


def test_an_excerpt_does_not_cut_code() -> None:
    """This test ensures that a passage in the middle of a fence is shown with the whole fence."""
    start = TEXT.index("more")
    parts = logic.excerpt(TEXT, (start, start + 4), path="a.md", context=0)
    assert parts[0].markdown.strip() == "```\ncode\n\nmore\n```"


def test_a_source_file_is_shown_as_code_with_the_quoted_lines_apart() -> None:
    """This test ensures that Python and SQL files are not read as Markdown."""
    text = "# not a heading\na = 1\nb = 2\n"
    at = text.index("b = 2")
    found = logic.excerpt(text, (0, len(text)), (at, at + 5), path="a.py")
    assert [(p.markdown.strip(), p.quoted) for p in found] == [
        ("```python\n# not a heading\na = 1\n```", False),
        ("```python\nb = 2\n```", True),
    ]


def test_a_huge_paragraph_is_cut_around_the_quote() -> None:
    """This test ensures that a text of a million characters without an empty line costs no more than a page."""
    text = "word " * 200_000 + "needle " + "word " * 1000
    at = text.index("needle")
    (part,) = logic.excerpt(text, (0, len(text)), (at, at + 6), path="a.md")
    assert ":orange-background[needle]" in part.markdown
    assert len(part.markdown) < logic.LONGEST + 100


def test_windows_line_ends_do_not_shift_the_mark() -> None:
    """This test ensures that the mark stands right in a file with CR LF line ends."""
    text = "---\r\ntitle: T\r\n---\r\nOne here.\r\n\r\nTwo here. Three.\r\n"
    at = text.index("Two here.")
    (part,) = logic.excerpt(text, (at, at + 9), (at, at + 9), path="a.md")
    assert "One here." in part.markdown
    assert "title" not in part.markdown
    assert ":orange-background[Two here.] Three." in part.markdown


def test_a_reason_names_the_words_held_and_those_spelled_alike() -> None:
    """This test ensures that terms are shown as they were typed, stop words left out."""
    reason = logic.reason(
        "Why do the penalties shrink regularisaton?", hit("", "A penalty shrinks weights: regularization.")
    )
    assert reason.terms == ("penalties", "shrink")
    assert reason.near == ("regularisaton",)


def test_follow_ups_are_near_new_and_never_the_question_itself() -> None:
    """This test ensures that the question asked, one twice, and far ones are left out."""
    made = Answer("What is dropout?", True, 0.9)
    nearby = [
        hit("What is Dropout", "a", rank=1),
        hit("Why does it work?", "b", rank=2),
        hit("Why does it work?", "c", rank=3),
        hit("What is a p-value?", "d", dense=0.1, rank=4),
    ]
    assert logic.follow_ups(made, nearby) == ["Why does it work?"]


def test_the_export_of_an_answer_names_every_source() -> None:
    """This test ensures that the export reads well outside the app and holds no link of a document."""
    text = export_markdown(answer(("See [this](http://a.b).", locator())), text_of)
    assert text == (
        "# What is it?\n\nSee this. [1]\n\n## Sources\n\n"
        "1. Guide › Idea · lines 3–5 (guides/a.md)\n   > See this.\n\nPrepdesk, high confidence, 90%.\n"
    )


def test_the_export_of_an_abstention_says_so() -> None:
    """This test ensures that nothing is made up where the library does not answer."""
    text = export_markdown(Answer("Why?", False, 0.1, nearest_topics=("Dropout",)), text_of)
    assert text == "# Why?\n\nYour library does not cover this.\n\nNearest topics: Dropout\n"


def test_file_names_hold_letters_digits_and_hyphens_only() -> None:
    """This test ensures that a question cannot name a path."""
    assert file_name("../../What's L1/L2?") == "what-s-l1-l2.md"
    assert file_name("なぜ") == "answer.md"


def test_a_path_in_a_persons_own_folder_is_short() -> None:
    """This test ensures that the library's place is readable, and that another place or an address is left whole."""
    assert logic.short_path(str(Path.home() / "notes" / "library")) == "~/notes/library"
    assert logic.short_path("/elsewhere/library") == "/elsewhere/library"
    assert logic.short_path("http://127.0.0.1:8000") == "http://127.0.0.1:8000"
