"""Sentences as spans, and the plain reading of Markdown."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retrieval.text import one_line, plain, sentences


def found(text: str) -> list[str]:
    return [text[a:b] for a, b in sentences(text)]


def test_sentences_end_at_marks_and_not_at_abbreviations_or_decimals() -> None:
    """This test ensures that a sentence is not cut at e.g., Fig. or a decimal point."""
    text = "Use it, e.g. here. The drop is 2.5 points (see Fig. 3). Is it real? Yes."
    assert found(text) == ["Use it, e.g. here.", "The drop is 2.5 points (see Fig. 3).", "Is it real?", "Yes."]


def test_a_sentence_may_run_over_lines() -> None:
    """This test ensures that a soft line break does not end a sentence."""
    assert found("One sentence\nover two lines. Next.") == ["One sentence\nover two lines.", "Next."]


def test_items_rows_code_and_formulas_stand_alone() -> None:
    """This test ensures that structure ends a sentence, and that code, formulas and short tables are kept whole."""
    code, table = "```python\nx = 1.\ny = 2\n```", "| a | b |\n|---|---|\n| 1 | 2 |"
    text = f"Intro:\n\n- first item\n- second item\n\n{code}\n\n$$\na = b\n$$\n\n{table}\n"
    assert found(text) == [
        "Intro:",
        "first item",
        "second item",
        "```python\nx = 1.\ny = 2\n```",
        "$$\na = b\n$$",
        table,
    ]
    long = table + "\n" + "\n".join(f"| {n} | {'x' * 80} |" for n in range(10))
    assert found(long)[:2] == ["| a | b |", "| 1 | 2 |"]


def test_headings_rules_images_and_tags_are_no_sentences() -> None:
    """This test ensures that nothing is quoted that says nothing."""
    assert found("# Heading\n\n---\n\n![x](y.png)\n\n</details>\n\nReal text here.") == ["Real text here."]


@given(st.text(alphabet=st.sampled_from("ab .!?\n-#`$|*1。"), max_size=200))
def test_sentences_are_ordered_and_disjoint(text: str) -> None:
    """This test ensures that whatever the text, spans are ascending, apart, trimmed and not empty."""
    position = 0
    for start, end in sentences(text):
        assert position <= start < end <= len(text)
        assert text[start:end] == text[start:end].strip()
        position = end


@pytest.mark.parametrize(
    ("marked", "read"),
    [
        ("**Bold** and *it*", "Bold and it"),
        ("a [link](http://x.y/z_a) here", "a link here"),
        ("![alt text](img.png)", "alt text"),
        ("a [set](https://x.org/Set_(mathematics)) ![s](s_(1).png)", "a set s"),
        (
            "dp[i](j), f(x)[k](a,b), see [1](a) and read[this](http://x.y/z)",
            "dp[i](j), f(x)[k](a,b), see 1 and readthis",
        ),
        ("<details><summary>Q</summary>", "Q"),
        ("x_i and y_j stay", "x_i and y_j stay"),
        ("$a < b$ and c > d", "$a < b$ and c > d"),
        ("x <b and c> y, List<Integer>", "x <b and c> y, List<Integer>"),
        ("```sql select 1 from t```", "select 1 from t"),
        ("What is it? 👶", "What is it?"),
        ("[[Page|shown]] and [[Page]]", "shown and Page"),
        ("`__init__` of **the `a**b` class**", "`__init__` of the `a**b` class"),
        ("COUNT(*) over COUNT(*)", "COUNT(*) over COUNT(*)"),
        ("x = 5 ** 0.5 and y = z ** 2", "x = 5 ** 0.5 and y = z ** 2"),
        ("the optimum $t^*$ and $s^*$", "the optimum $t^*$ and $s^*$"),
    ],
)
def test_plain_drops_marks_and_keeps_words(marked: str, read: str) -> None:
    """This test ensures that what is embedded is what a person reads."""
    assert one_line(marked) == read


@pytest.mark.parametrize(
    "text",
    [
        "-" * 20_000 + " x",  # was cubic
        "<abc>" * 40 + " x",  # was exponential
        "|" * 20_000 + "x",
        "A. " * 20_000,
        "." * 40_000 + "x",
        "*a _b **c " * 6_000,
        "<!--" * 20_000,
        "[" * 20_000,
        "x[a](" * 20_000,  # was quadratic, as the next ones
        "![a](" * 20_000,
        '[a](b "' * 20_000,
        " " * 40_000 + "x",
    ],
    ids=lambda text: text[:8],
)
def test_repetition_takes_no_time(text: str) -> None:
    """This test ensures that no pattern goes out of hand on thousands of one sign."""
    started = time.perf_counter()
    plain(text)
    sentences(text)
    assert time.perf_counter() - started < 5.0


def test_emphasis_ends_at_its_own_mark() -> None:
    """This test ensures that a mark is paired with the next one like it, and one that never closes stays."""
    assert plain("***a*** **b *c** d* and _e*f_ *g") == "a b *c d* and e*f *g"


def test_a_forged_mark_of_code_is_dropped_or_left() -> None:
    """This test ensures that a document cannot break the reading with the signs that hold code."""
    assert plain("`x` \ue00099\ue001y") == "`x` y"
    assert plain(f"\ue000{'1' * 5000}\ue001y").endswith("y")


def test_plain_keeps_code_and_drops_its_fences() -> None:
    """This test ensures that code stays searchable."""
    assert plain("```python\nx = 1\n```\nafter") == "x = 1\nafter"


def test_plain_changes_nothing_inside_code() -> None:
    """This test ensures that stars, brackets and underscores of code are not read as Markdown."""
    code = "norm = sum(x**2 for x in v) ** 0.5  # comment\ndef __init__(self): return a[[0]][1]"
    assert plain(f"**before**\n```python\n{code}\n```") == f"before\n{code}".replace("  ", " ")
