"""YAML banks: entries by the names of their fields, lines of the file, and the refusal of what is none."""

from __future__ import annotations

from pathlib import Path

import pytest

from ingest.readers.bank import read_yaml_bank
from retrieval.errors import ReadError
from tests.conftest import BANK


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "bank.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_entries_carry_question_answer_topics_and_lines(tmp_path: Path) -> None:
    """This test ensures that an entry is laid out whole and points to its lines in the YAML."""
    document = read_yaml_bank(write(tmp_path, BANK))
    first = document.entries[0]
    assert (document.title, document.kind, len(document.entries)) == ("Small bank", "bank", 2)
    assert first.question == "Why is accuracy misleading on imbalanced data?"
    assert document.text[slice(*first.answer)].startswith("A classifier that always predicts")
    assert first.topics == ("evaluation", "accuracy", "imbalance")
    assert first.lines == (3, 10)
    assert first.difficulty == "easy"
    assert document.lines(first.answer) == (6, 7)
    assert document.lines(document.entries[1].answer) == (14, 14)


def test_further_fields_become_text_under_the_answer(tmp_path: Path) -> None:
    """This test ensures that levels and signals can be found and quoted."""
    text = "- question: Why a?\n  answer: Because b.\n  levels: {L4: basic, L5: better}\n  strong: [says c]\n"
    document = read_yaml_bank(write(tmp_path, text))
    entry = document.entries[0]
    assert document.text[slice(*entry.answer)] == "Because b."
    assert document.text[entry.answer[1] : entry.span[1]] == "\n\nL4: basic\nL5: better\n\nStrong:\n- says c"


@pytest.mark.parametrize("given", ["[why is a, 'how come: a']", '"why is a | how come: a"', '"why is a\\nhow come: a"'])
def test_phrasings_are_read_and_not_cited(tmp_path: Path, given: str) -> None:
    """This test ensures that other ways to ask, in a list, on lines or between bars, are no part of the text."""
    document = read_yaml_bank(write(tmp_path, f"- question: Why a?\n  answer: Because b.\n  phrasings: {given}\n"))
    assert document.entries[0].phrasings == ("why is a", "how come: a")
    assert document.text == "Why a?\n\nBecause b."


@pytest.mark.parametrize("text", ["a: 1\n", "- just\n- words\n", "questions:\n  - question: no answer?\n", "42\n", ""])
def test_what_is_no_bank_is_refused_with_what_was_looked_for(tmp_path: Path, text: str) -> None:
    """This test ensures that a settings file is not taken for questions."""
    with pytest.raises(ReadError, match=r"bank\.yaml: not a question bank; looked for"):
        read_yaml_bank(write(tmp_path, text))


@pytest.mark.parametrize("text", ["a: [1\n", "\tx: 1", "a: &a [*a", "? " * 3000])
def test_broken_yaml_is_one_sentence(tmp_path: Path, text: str) -> None:
    """This test ensures that a syntax error names the file."""
    with pytest.raises(ReadError, match=r"^bank\.yaml: "):
        read_yaml_bank(write(tmp_path, text))


def test_of_a_key_given_twice_the_last_one_counts(tmp_path: Path) -> None:
    """This test ensures that entries and their lines come from one list; found by fuzzing."""
    text = "questions:\n- no entry\n- nor this\nquestions:\n- question: What is recall?\n  answer: What is found.\n"
    (entry,) = read_yaml_bank(write(tmp_path, text)).entries
    assert (entry.question, entry.lines) == ("What is recall?", (5, 6))


def test_scalars_are_the_words_that_stand_there(tmp_path: Path) -> None:
    """This test ensures that a time, an octal, a version, a date and a yes are answers as written, and null is none."""
    words = ["12:30", "010", "yes", "3.10", "2024-01-31", "1_000"]
    text = "".join(f"- question: What is {n}?\n  answer: {word}\n" for n, word in enumerate([*words, "null", "~", ""]))
    document = read_yaml_bank(write(tmp_path, text))
    assert [document.text[slice(*e.answer)] for e in document.entries] == words
    assert document.warnings == ("3 entries without a question or an answer",)


def test_an_entry_in_braces_ends_on_its_own_line(tmp_path: Path) -> None:
    """This test ensures that the lines of a flow mapping reach its closing brace."""
    text = "- {question: What is a?,\n   answer: A.}\n- {question: What is b?, answer: B.}\n"
    assert [e.lines for e in read_yaml_bank(write(tmp_path, text)).entries] == [(1, 2), (3, 3)]


def test_a_lone_carriage_return_is_a_line(tmp_path: Path) -> None:
    """This test ensures that every line of the text has a line of the file, whatever ends it."""
    document = read_yaml_bank(write(tmp_path, '- question: What is a?\n  answer: "One.\\rTwo.\\nThree."\n'))
    (entry,) = document.entries
    assert document.text[slice(*entry.answer)] == "One.\rTwo.\nThree."
    assert [document.lines((at, at + 1)) for at in range(*entry.answer)] == [(2, 2)] * len("One.\rTwo.\nThree.")


def test_only_tags_are_divided_at_commas(tmp_path: Path) -> None:
    """This test ensures that a category is one name, comma and all."""
    text = (
        "- question: Why a?\n  answer: B.\n  category: Bias, variance and overfitting\n  topic: x, y\n  tags: t, null\n"
    )
    (entry,) = read_yaml_bank(write(tmp_path, text)).entries
    assert entry.heading == ("Bias, variance and overfitting",)
    assert entry.topics == ("Bias, variance and overfitting", "x, y", "t", "null")


def test_lists_under_several_keys_are_categories(tmp_path: Path) -> None:
    """This test ensures that no list is passed over, nor a category of an entry's own."""
    text = (
        "title: Mine\nml:\n- {question: Why a?, answer: b, category: own}\n"
        "notes: [only, words]\nstats:\n- question: Why c?\n  answer: d\n"
    )
    document = read_yaml_bank(write(tmp_path, text))
    assert [(e.question, e.heading, e.lines) for e in document.entries] == [
        ("Why a?", ("own",), (3, 3)),
        ("Why c?", ("stats",), (6, 7)),
    ]
    assert document.title == "Mine"


@pytest.mark.parametrize(
    ("fields", "answer"),
    [
        ("a: Ridge\n  b: Lasso\n  correct: B", "Lasso"),
        ("options: [Ridge, Lasso]\n  correct_answer: b", "Lasso"),
        ("choices: [Ridge]\n  answer: (C)", "(C)"),
        ("a: Lasso", "Lasso"),
        ("answer: [Lasso, 'or   elastic net']", "- Lasso\n- or   elastic net"),
    ],
)
def test_answers_are_what_is_meant(tmp_path: Path, fields: str, answer: str) -> None:
    """This test ensures that the first of several choices is not taken for the answer, and that points are a list."""
    document = read_yaml_bank(write(tmp_path, f"- question: Which penalty gives sparsity?\n  {fields}\n"))
    (entry,) = document.entries
    assert document.text[slice(*entry.answer)] == answer


def test_objects_in_lists_are_words(tmp_path: Path) -> None:
    """This test ensures that follow-ups with answers of their own are not quoted as Python."""
    text = "- question: Why a?\n  answer: b\n  follow_ups: [{question: And then?, answer: More.}]\n"
    assert read_yaml_bank(write(tmp_path, text)).text.endswith("Follow ups:\n- question: And then?; answer: More.")
