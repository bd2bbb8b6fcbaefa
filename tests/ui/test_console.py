"""What the terminal is shown of documents: their words, and none of their controls or markup."""

from __future__ import annotations

import json

import pytest

from retrieval.manifest import Manifest
from retrieval.types import Answer, Citation, Hit, Locator, Mode, Passage, Scores, Sentence, Topic
from ui import console
from ui.options import print_json

HOSTILE = "safe \x1b]52;c;aGk=\x07 \x9b31m[/b] words"
CONTROLS = ("\x1b", "\x07", "\x9b")


def text_of(path: str) -> str:
    """The sources of these answers are empty: no quote lies in a fence."""
    return ""


def hit(text: str, path: str = "notes.md", score: float = 1.0, scores: Scores | None = None) -> Hit:
    locator = Locator(path, "Notes", (0, len(text)))
    return Hit(1, score, scores or Scores(1.0, 1.0), Passage("id", text, "", locator, "prose"))


def answer(text: str, path: str, span: tuple[int, int] | None = None) -> Answer:
    locator = Locator(path, "Notes", span or (0, len(text)))
    return Answer("q", True, 1.0, (Sentence(text, (1,)),), (Citation(1, text, locator, "id"),))


def test_no_control_of_a_document_reaches_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    """This test ensures that hits, answers, topics and sources cannot write to the clipboard or color the screen."""
    locator = Locator("notes.md", "Notes", (0, len(HOSTILE)), heading=(HOSTILE,))
    found = Hit(1, 1.0, Scores(1.0, 1.0), Passage("id", HOSTILE, "", locator, "prose"), also=(locator,))
    quoted = Answer("q", True, 1.0, (Sentence(HOSTILE, (1,)),), (Citation(1, HOSTILE, locator, "id"),), (found,))
    topic = Topic("guide/notes.md", HOSTILE, "guide", None, ("id",))
    console.print_hits([found], explain="hybrid")
    console.print_answer(quoted, text_of)
    console.print_answer(Answer("q", False, 0.1, hits=(found,), nearest_topics=(HOSTILE,)), text_of)
    console.print_written(Sentence(HOSTILE, (1,), "weak", HOSTILE))
    console.print_related(topic, [HOSTILE], [])
    console.print_topics([topic])
    shown = capsys.readouterr().out
    assert shown.count("words") >= 10
    assert not any(control in shown for control in CONTROLS)


def test_code_keeps_its_lines(capsys: pytest.CaptureFixture[str]) -> None:
    """This test ensures that new lines and tabs are shown as they are."""
    assert console.clean("a\n\tb") == "a\n\tb"


CODE = "def __init__(self, value):\n    x = a[i](k)"


def test_code_in_an_answer_is_shown_as_it_stands(capsys: pytest.CaptureFixture[str]) -> None:
    """This test ensures that no sign of a source file is taken for Markdown, nor one of a line inside a fence."""
    console.print_answer(answer(CODE, "src/model.py"), text_of)
    assert f"\n{CODE} [1]\n" in capsys.readouterr().out
    console.print_answer(answer("x = a[i](k)", "notes.md", (4, 15)), lambda _: "```\nx = a[i](k)\n```\n")
    assert "\nx = a[i](k) [1]\n" in capsys.readouterr().out


@pytest.mark.parametrize("path", ["paper.pdf", "notes.txt"])
def test_plain_text_keeps_its_signs_on_one_line(path: str, capsys: pytest.CaptureFixture[str]) -> None:
    """This test ensures that the stars and brackets of what is no Markdown stay, in answers and in hits."""
    text = "$$ is a sign,\n  and *x* is [i](k)"
    console.print_answer(answer(text, path), text_of)
    console.print_hits([hit(text, path)])
    assert capsys.readouterr().out.count("$$ is a sign, and *x* is [i](k)") == 2


def test_marks_of_markdown_are_not_shown(capsys: pytest.CaptureFixture[str]) -> None:
    """This test ensures that prose reads without its marks, on one line."""
    text = "See *the*\n[page](http://a.b)."
    console.print_answer(answer(text, "notes.md"), text_of)
    console.print_hits([hit(text)])
    assert capsys.readouterr().out.count("See the page.") == 2


def test_the_code_of_a_hit_keeps_its_lines(capsys: pytest.CaptureFixture[str]) -> None:
    """This test ensures that a passage of a source file is shown line by line."""
    console.print_hits([hit(CODE, "model.py")])
    assert capsys.readouterr().out.endswith("\n   def __init__(self, value):\n       x = a[i](k)\n")


@pytest.mark.parametrize(
    ("mode", "scores", "score", "said"),
    [
        (
            "hybrid",
            Scores(0.6, 0.4, 0.05),
            0.77,
            "cosine 0.600 + 0.120 for lexical 0.400 +0.050 for names and places; prose",
        ),
        ("lexical", Scores(0.6, 0.4), 0.4, "   lexical 0.400; prose"),
        ("lexical", Scores(0.6, 0.4, -0.1), 0.3, "   lexical 0.400 -0.100 for its place; prose"),
        ("dense", Scores(0.6, 0.4), 0.6, "   cosine 0.600; prose"),
    ],
)
def test_a_score_is_explained_by_what_was_summed(
    mode: Mode, scores: Scores, score: float, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """This test ensures that the parts of a score add up to it, in every mode."""
    console.print_hits([hit("Text.", score=score, scores=scores)], explain=mode)
    assert said in capsys.readouterr().out


def test_a_folder_named_like_markup_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    """This test ensures that the name of a root is text."""
    console.print_status(Manifest("encoder", "model", 3, "chunker", "now"), {"roots": ["/b[/b]"]}, sources=False)
    assert "/b[/b]" in capsys.readouterr().out


def test_json_keeps_controls_escaped(capsys: pytest.CaptureFixture[str]) -> None:
    """This test ensures that programs get every character and a terminal none of the controls."""
    print_json({"text": HOSTILE})
    written = capsys.readouterr().out
    assert not any(control in written for control in CONTROLS)
    assert json.loads(written) == {"text": HOSTILE}
