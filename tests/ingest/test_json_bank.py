"""JSON and JSONL banks: entries by the names of their fields, lines of the file, and what is none."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.readers.json_bank import read_json_bank, read_json_lines_bank
from retrieval.errors import ReadError
from tests.ingest.test_markdown import asked
from tests.invariants import check_blocks_lie_in_text

ENTRIES = [
    {"question": "What is a?", "answer": "A\none.", "tags": ["x", "y"], "levels": {"L4": "basic"}},
    {"q": "What is b?", "a": "B."},
]


def write(tmp_path: Path, text: str, name: str = "bank.json") -> Path:
    (tmp_path / name).write_text(text, encoding="utf-8")
    return tmp_path / name


@pytest.mark.parametrize(
    ("value", "lines"),
    [(ENTRIES, (2, 12)), ({"title": "T", "version": [], "questions": ENTRIES}, (5, 15)), ({"ml": ENTRIES}, (3, 13))],
)
def test_a_list_at_the_top_or_under_a_key_is_a_bank(tmp_path: Path, value: Any, lines: tuple[int, int]) -> None:
    """This test ensures that entries are found with their lines in the file."""
    document = read_json_bank(write(tmp_path, json.dumps(value, indent=1)))
    check_blocks_lie_in_text(document)
    assert asked(document) == [("What is a?", "A\none."), ("What is b?", "B.")]
    assert document.entries[0].lines == lines
    assert document.entries[0].topics == ("x", "y")
    assert document.title == ("T" if "title" in value else "bank")


def test_json_on_one_line_is_line_one(tmp_path: Path) -> None:
    """This test ensures that minified JSON is read too."""
    assert [e.lines for e in read_json_bank(write(tmp_path, json.dumps(ENTRIES))).entries] == [(1, 1), (1, 1)]


@pytest.mark.parametrize(
    "text", ["{}", "[]", "42", '"x"', '{"name": "x", "scripts": {"a": "b"}}', '[["a", "b"]]', "null"]
)
def test_json_that_is_no_bank_is_refused(tmp_path: Path, text: str) -> None:
    """This test ensures that a package.json is not taken for questions."""
    with pytest.raises(ReadError, match=r"^bank\.json: not a question bank; looked for"):
        read_json_bank(write(tmp_path, text))


@pytest.mark.parametrize("text", ["", "{", '[{"question": "a"', "[" * 100_000, "[" + "9" * 5000 + "]", "[1] 2"])
def test_broken_json_is_one_sentence(tmp_path: Path, text: str) -> None:
    """This test ensures that neither depth nor a huge number gets through."""
    with pytest.raises(ReadError, match=r"^bank\.json: not valid JSON"):
        read_json_bank(write(tmp_path, text))


def test_lone_surrogates_are_replaced(tmp_path: Path) -> None:
    """This test ensures that the text can be written to a file."""
    document = read_json_bank(
        write(tmp_path, r'[{"question": "What \ud800?", "answer": "\ud83d\ude00 b", "x": ["\udfff"]}]')
    )
    assert document.text.encode("utf-8").decode("utf-8").startswith("What ??\n\n\U0001f600 b")


def test_json_lines_are_one_entry_a_line(tmp_path: Path) -> None:
    """This test ensures that empty lines count, and that lines that are no JSON are told."""
    text = (
        '{"question": "What is a?", "answer": "A."}\n\n{"question": \n[1]\r\n{"prompt": "What is b?", "response": "B."}'
    )
    document = read_json_lines_bank(write(tmp_path, text, "bank.jsonl"))
    check_blocks_lie_in_text(document)
    assert asked(document) == [("What is a?", "A."), ("What is b?", "B.")]
    assert [e.lines for e in document.entries] == [(1, 1), (5, 5)]
    assert document.warnings == ("1 lines are not JSON, the first is line 3",)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("not json\n", r"no line of it is a JSON object \(line 1"),
        ('{"a": 1}\n', "not a question bank"),
        ("", "not a qu"),
    ],
)
def test_json_lines_that_are_no_bank_are_refused(tmp_path: Path, text: str, message: str) -> None:
    """This test ensures that logs are not taken for questions."""
    with pytest.raises(ReadError, match=message):
        read_json_lines_bank(write(tmp_path, text, "bank.jsonl"))


_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(), lambda c: st.lists(c) | st.dictionaries(st.text(), c)
)


def answers(value: Any) -> bool:
    """Tell whether a value is a text, or a list of texts with at least one in it."""
    if isinstance(value, list):
        return not any(isinstance(v, dict | list) for v in value) and any(v is not None and answers(v) for v in value)
    return isinstance(value, str | int) and bool(str(value).strip())


@pytest.mark.parametrize("question", ["🌀", "---", "<br>", '<img src="curve.png">'])
def test_a_question_of_marks_alone_is_asked_as_it_stands(tmp_path: Path, question: str) -> None:
    """This test ensures that no question becomes an empty one where it is cleaned of marks."""
    document = read_json_bank(write(tmp_path, json.dumps([{"question": question, "answer": "A spiral."}])))
    assert [entry.question for entry in document.entries] == [question]
    check_blocks_lie_in_text(document)


@given(
    st.lists(st.fixed_dictionaries({"question": st.text(), "answer": _VALUES}), max_size=4), st.sampled_from([None, 2])
)
def test_any_entries_give_spans_inside_the_text(
    tmp_path_factory: pytest.TempPathFactory, entries: list[dict[str, Any]], indent: int | None
) -> None:
    """This test ensures that no values break the spans or raise anything but ReadError."""
    path = write(tmp_path_factory.mktemp("j"), json.dumps({"x": [1], "questions": entries}, indent=indent))
    if not any(e["question"].strip() and answers(e["answer"]) for e in entries):
        with pytest.raises(ReadError, match=r"^bank\.json: not a question bank"):
            read_json_bank(path)
        return
    document = read_json_bank(path)
    check_blocks_lie_in_text(document)
    for entry in document.entries:
        assert entry.lines is not None
        part = "\n".join(path.read_text("utf-8").split("\n")[entry.lines[0] - 1 : entry.lines[1]])
        assert '"question"' in part


@pytest.mark.parametrize("sort_keys", [False, True])
def test_a_quote_has_the_line_of_its_value(tmp_path: Path, sort_keys: bool) -> None:
    """This test ensures that the answer is cited by its own line, escapes and the order of the fields aside."""
    entries = [
        {"question": "What is a?", "answer": 'A is "one".\nOr two \u2013 a.', "tags": ["x"]},
        {"question": "Is it 7 or 8?", "answer": 7, "difficulty": "easy", "levels": {"L4": "says why"}},
    ]
    text = json.dumps(entries, indent=1, sort_keys=sort_keys)
    document = read_json_bank(write(tmp_path, text))
    rows = text.split("\n")
    for entry, question, answer in zip(document.entries, ("What is a", "Is it 7"), ("A is", "7,"), strict=True):
        asked_on = next(n for n, row in enumerate(rows, 1) if f'"question": "{question}' in row)
        said_on = next(
            n for n, row in enumerate(rows, 1) if row.strip().removeprefix('"answer": ').strip('"').startswith(answer)
        )
        assert document.lines((entry.span[0], entry.answer[0] - 2)) == (asked_on, asked_on)
        assert document.lines(entry.answer) == (said_on, said_on)
    why = document.text.index("says why")
    assert document.lines((why, why + 8)) == (next(n for n, row in enumerate(rows, 1) if "says why" in row),) * 2
    low, high = document.lines(document.entries[1].span) or (0, 0)
    assert low < high


def test_a_quote_of_json_lines_has_its_line(tmp_path: Path) -> None:
    """This test ensures that every part of an entry on one line is on that line."""
    text = '{"question": "What is a?", "answer": "A."}\n\n{"q": "What is b?", "a": "B.\\n\\nMore."}\n'
    document = read_json_lines_bank(write(tmp_path, text, "bank.jsonl"))
    assert [document.lines(e.span) for e in document.entries] == [(1, 1), (3, 3)]


def test_lists_under_several_keys_are_read_all(tmp_path: Path) -> None:
    """This test ensures that every list of objects is read, its key being the category, and spans stay right."""
    path = tmp_path / "bank.json"
    path.write_text(
        '{"easy": [{"question": "Why a?", "answer": "b"}],\n"tags": ["x"],\n'
        '"hard": [{"question": "Why c?",\n"answer": "d"}]}'
    )
    document = read_json_bank(path)
    assert [(e.question, e.heading, e.lines) for e in document.entries] == [
        ("Why a?", ("easy",), (1, 1)),
        ("Why c?", ("hard",), (3, 4)),
    ]
