"""What the terminal is shown of documents: their words, and none of their controls or markup."""

from __future__ import annotations

import json

import pytest

from retrieval.manifest import Manifest
from retrieval.types import Answer, Citation, Hit, Locator, Passage, Scores, Sentence, Topic
from ui import console
from ui.options import print_json

HOSTILE = "safe \x1b]52;c;aGk=\x07 \x9b31m[/b] words"
CONTROLS = ("\x1b", "\x07", "\x9b")


def test_no_control_of_a_document_reaches_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    """This test ensures that hits, answers, topics and sources cannot write to the clipboard or color the screen."""
    locator = Locator("notes.md", "Notes", (0, len(HOSTILE)), heading=(HOSTILE,))
    hit = Hit(1, 1.0, Scores(1.0, 1.0), Passage("id", HOSTILE, "", locator, "prose"), also=(locator,))
    quoted = Answer("q", True, 1.0, (Sentence(HOSTILE, (1,)),), (Citation(1, HOSTILE, locator, "id"),), (hit,))
    topic = Topic("guide/notes.md", HOSTILE, "guide", None, ("id",))
    console.print_hits([hit], explain=True)
    console.print_answer(quoted)
    console.print_answer(Answer("q", False, 0.1, hits=(hit,), nearest_topics=(HOSTILE,)))
    console.print_written(Sentence(HOSTILE, (1,), "weak", HOSTILE))
    console.print_related(topic, [HOSTILE], [])
    console.print_topics([topic])
    shown = capsys.readouterr().out
    assert shown.count("words") >= 10
    assert not any(control in shown for control in CONTROLS)


def test_code_keeps_its_lines(capsys: pytest.CaptureFixture[str]) -> None:
    """This test ensures that new lines and tabs are shown as they are."""
    assert console.clean("a\n\tb") == "a\n\tb"


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
