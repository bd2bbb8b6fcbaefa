"""What documents may and may not do to the page: a Markdown parser that allows HTML is the oracle."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token

from ui.safe_markdown import NOWHERE, Part, inline, literal, parts, plain_parts

PARSER = MarkdownIt("commonmark", {"html": True}).enable("table")
FORBIDDEN = {"html_block", "html_inline", "image", "link_open"}

FRAGMENTS = st.sampled_from(
    [
        *"abc[]()<>!`*_~$\\|:#-+=&\"'.\n \t",
        "<script>alert(1)</script>",
        "<img src=http://a.b/c>",
        "![x](http://a.b/c)",
        "[x](javascript:alert(1))",
        "[x]: http://a.b\n",
        "<http://a.b>",
        "http://a.b/c",
        "www.a.b",
        "me@a.bc",
        "```\n",
        "```py\n",
        "$$",
        "\\[",
        "\\(",
        "\\)",
        "\\]",
        "``",
        "~~~\n",
        "    ",
        "| a | b |\n|---|---|\n",
        "&lt;",
        "<!--",
        "-->",
        "</div>",
        "\r\n",
        "\u202e",
        ":red[",
        "1. ",
    ]
)
TEXTS = st.lists(FRAGMENTS, max_size=40).map("".join)


def tokens(markdown: str) -> list[Token]:
    found: list[Token] = []
    for token in PARSER.parse(markdown):
        found.extend([token, *(token.children or [])])
    return found


def assert_harmless(markdown: str) -> None:
    """Fail where Markdown holds HTML, an image or a link for a parser that would let them through."""
    acting = {token.type for token in tokens(markdown)} & FORBIDDEN
    assert not acting, (acting, markdown)


def joined(found: list[Part]) -> str:
    return "".join(part.markdown for part in found)


@settings(max_examples=max(400, settings().max_examples))
@given(TEXTS, st.integers(0, 60), st.integers(0, 60))
def test_no_text_comes_out_as_html_image_or_link(text: str, start: int, length: int) -> None:
    """This test ensures that whatever a document holds and wherever it is marked, nothing in it acts."""
    quote = (start, start + length)
    for part in [*parts(text, quote), *plain_parts(text, quote)]:
        assert_harmless(part.markdown)
    assert_harmless(inline(text))
    assert_harmless(literal(text))


@pytest.mark.parametrize(
    ("document", "safe"),
    [
        ("<script>alert(1)</script>", "&lt;script>alert(1)&lt;/script>"),
        ("![alt](http://a.b/c.png)", "alt"),
        ("[words](javascript:alert(1))", "words"),
        ("[words](https://a.b)", "words"),
        ("[[note|Wiki name]]", "Wiki name"),
        ("see https://a.b/c.", "see `https://a.b/c`."),
        ("write to me@a.bc", "write to `me@a.bc`"),
        ("a <br> b <b>bold</b>", "a   b bold"),
        ("x<sup>2</sup>", "x^2"),
        (":red[no] and :material/home:", "\\:red\\[no\\] and \\:material/home:"),
        ("costs $5 and $10", "costs \\$5 and \\$10"),
        ("the loss $a_i$ and \\(b\\)", "the loss $a_i$ and $b$"),
        ("a[i] and `a[i]`", "a\\[i\\] and `a[i]`"),
        ("~5 and ~6", "\\~5 and \\~6"),
        ("**bold** and *thin*", "**bold** and *thin*"),
        ("a < b", "a &lt; b"),
    ],
)
def test_what_acts_becomes_words_and_what_reads_well_stays(document: str, safe: str) -> None:
    """This test ensures that escapes are as small as they can be."""
    assert joined(parts(document)) == safe


def mark(text: str, quote: str) -> str:
    at = text.index(quote)
    return joined(parts(text, (at, at + len(quote))))


def test_a_quote_in_a_paragraph_is_marked() -> None:
    """This test ensures that the mark stands around the quote and nothing else."""
    assert mark("One here. Two here. Three.", "Two here.") == "One here. :orange-background[Two here.] Three."


def test_a_quote_across_soft_line_breaks_is_one_mark() -> None:
    """This test ensures that a quote that runs over lines of one paragraph is not cut."""
    assert mark("One two\nthree four.\nFive.", "two\nthree four.") == "One :orange-background[two three four.]\nFive."


def test_a_mark_keeps_out_of_structure() -> None:
    """This test ensures that bullets and pipes stay outside the mark."""
    assert mark("- one\n- two", "one\n- two") == "- :orange-background[one]\n- :orange-background[two]"
    table = "| a | b |\n|---|---|\n| one | two |"
    assert mark(table, "| one | two |").endswith("| :orange-background[one] | :orange-background[two] |")


def test_a_half_open_interval_does_not_end_the_mark() -> None:
    """This test ensures that brackets of formulas, which need not pair, cannot close the label."""
    assert mark("It lies in $[0, 1)$ always.", "in $[0, 1)$ always.") == (
        "It lies :orange-background[in $\\lbrack 0, 1)$ always.]"
    )


def test_what_follows_a_mark_does_not_become_part_of_it() -> None:
    """This test ensures that brackets after a quote are no target and no attributes, and a colon before it no name."""
    assert mark("A b(c)", "A b") == ":orange-background[A b]\\(c)"
    assert mark("A b{.c}", "A b") == ":orange-background[A b]\\{.c}"
    assert mark("Note:A b", "A b") == "Note\\::orange-background[A b]"


def test_emphasis_that_a_mark_cuts_is_taken_off() -> None:
    """This test ensures that no star is left open inside a mark."""
    assert mark("**Note. Two** here.", "Two** here.") == "**Note. :orange-background[Two here.]"


def test_code_is_marked_by_whole_lines() -> None:
    """This test ensures that a fence is cut at lines, and only the quoted ones stand on the color of the mark."""
    text = "Before\n\n```python\na = 1\nb = 2\n```\n"
    found = parts(text, (text.index("b = 2"), text.index("b = 2") + 5))
    assert [(p.markdown.strip(), p.quoted) for p in found] == [
        ("Before\n\n\n\n```python\na = 1\n```", False),
        ("```python\nb = 2\n```", True),
    ]


def test_a_fence_inside_code_cannot_close_it() -> None:
    """This test ensures that code which holds backticks gets a longer fence."""
    assert joined(parts("~~~\n```\n<b>\n~~~\n")).strip() == "````\n```\n<b>\n````"


def test_a_display_formula_that_is_quoted_is_a_part_of_its_own() -> None:
    """This test ensures that formulas on their own lines are kept for KaTeX."""
    text = "So\n\n$$\nx = 1\n$$\n\nthen"
    found = parts(text, (text.index("$$"), text.index("$$") + 12))
    assert [(p.markdown.strip(), p.quoted) for p in found] == [("So", False), ("$$\nx = 1\n$$", True), ("then", False)]


def test_a_display_formula_in_a_line_is_shown_within_it() -> None:
    """This test ensures that a key point or a sentence with a formula on the same line shows no dollar signs."""
    assert inline("the objective: $$E\\big[y\\big]=1.$$ Then") == "the objective: $E\\big[y\\big]=1.$ Then"
    assert joined(parts("so $$x$$ and $y$ cost $$ 5")) == "so $x$ and $y$ cost \\$\\$ 5"


def test_headings_are_made_small() -> None:
    """This test ensures that a document's headings do not outgrow the page's own."""
    assert joined(parts("# Title\n\ntext")) == "##### Title\n\ntext"


def test_plain_text_shows_every_sign() -> None:
    """This test ensures that signs of Markdown in a PDF stand for themselves, and line ends are kept."""
    text = "x_1 * x_2 # 3\n<b> [a](b) $5"
    assert joined(plain_parts(text, (0, 3))) == (":orange-background[x\\_1] \\* x\\_2 \\# 3  \n&lt;b> \\[a\\](b) \\$5")


def test_a_label_is_one_line() -> None:
    """This test ensures that labels and names cannot break out of their line, nor load an icon from a server."""
    assert inline("a\n\n# b ![icon](http://a.b/c)") == "a # b icon"
    assert literal("guides/a_b.md\n<x>") == "guides/a\\_b.md &lt;x>"


@pytest.mark.parametrize("sign", ["[", "![", "`", "$", "<a ", "[[", "*", "\\(", "~", "| ", "<!--", "a@a."])
def test_pathological_repetition_takes_no_time(sign: str) -> None:
    """This test ensures that no pattern goes out of hand on thousands of one sign."""
    text = (sign * 6000)[:6000]
    started = time.perf_counter()
    parts(text, (10, 500))
    inline(text[:2000])
    assert time.perf_counter() - started < 2.0


def test_an_empty_text_has_no_parts() -> None:
    """This test ensures that nothing comes of nothing."""
    assert parts("", NOWHERE) == []
    assert inline("") == ""
