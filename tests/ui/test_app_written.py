"""The Ask page with a language model: written, stopped, fallen back, followed up; the model is a scripted server."""

from __future__ import annotations

import re
import time
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from tests.retrieval.test_llm import unused_port
from tests.scripted_model import Refuses, Says, Turn, scripted
from tests.ui.conftest import LASSO, Room
from tests.ui.test_app_ask import labels, run_app, shown
from ui.export import export_markdown

TRUE = "Prefer the lasso when few features matter and a sparse model is wanted [1]."
ALSO = "Prefer ridge regression when many features matter a little or are strongly correlated [1]."
FALSE = "The lasso was invented by a bakery in Lisbon to sell warm bread [1]."
PATIENCE = 60.0  # seconds; a busy machine writes slowly


def captions(at: AppTest) -> str:
    return "\n".join(str(caption.value) for caption in at.caption)


def settle(at: AppTest, sign: str = "") -> AppTest:
    """Run the page until nothing is being written, or until `sign` is on it."""
    end = time.monotonic() + PATIENCE
    while "Stop" in labels(at) and not (sign and sign in shown(at)):
        assert time.monotonic() < end, "the answer does not end"
        time.sleep(0.1)
        at.run()
    assert not at.exception
    return at


def asked(monkeypatch: pytest.MonkeyPatch, home: Path, url: str, question: str = LASSO) -> AppTest:
    monkeypatch.setenv("PREP_LLM_URL", url)
    monkeypatch.setenv("PREP_LLM_MODEL", "small")
    return run_app(monkeypatch, home, q=question)


def test_a_written_answer_stands_apart_from_what_is_struck(monkeypatch: pytest.MonkeyPatch, room: Room) -> None:
    """This test ensures that what is supported is the answer, and what is not is struck below it with the reason."""
    with scripted(Says(f"{TRUE} {ALSO} {FALSE}")) as server:
        at = settle(asked(monkeypatch, room.home, server.url))
        page = shown(at)
        assert "sparse model is wanted. :blue-badge[1] Prefer ridge" in page
        assert "~~The lasso was invented by a bakery" in page
        assert "(the passage it cites does not say this)" in page
        assert "Written by small from your passages" in captions(at)
        assert ":orange-background[Prefer the lasso when few features matter" in page
        at.button(key="cite-2").click().run()
        assert ":orange-background[Prefer ridge regression" in shown(at)
        assert len(server.requests) == 1, "a click on a citation asks the model nothing"
        again = asked(monkeypatch, room.home, server.url)
        assert "Stop" not in labels(again)
        assert len(server.requests) == 1, "the same address opens what was written"


def test_sentences_stand_there_while_the_model_writes_and_stopping_keeps_them(
    monkeypatch: pytest.MonkeyPatch, room: Room
) -> None:
    """This test ensures that a sentence is shown before the last one comes, and that a stop ends the waiting."""
    with scripted(Says(f"{TRUE} {ALSO} {TRUE} And then the", then="stall")) as server:
        at = settle(asked(monkeypatch, room.home, server.url), "wanted. :blue-badge[1]")
        assert "Stop" in labels(at)
        assert at.button(key="cite-1")
        at.button(key="stop").click().run()
        settle(at)
        assert "stopped before its end" in captions(at)
        assert "Prefer the lasso when few features" in shown(at)
        assert "And then the" not in shown(at)
        assert not server.ended.is_set()


@pytest.mark.parametrize(
    ("turn", "why"),
    [
        (Refuses(401), "refuses the key"),
        (Says(FALSE), "only 0 of 1 sentences"),
        (Says("", then="cut"), "broke off its answer"),
    ],
)
def test_a_model_that_fails_is_one_line_above_the_quotes(
    monkeypatch: pytest.MonkeyPatch, room: Room, turn: Turn, why: str
) -> None:
    """This test ensures that the quotes stand in with the reason, and that trying again asks again."""
    with scripted(turn, Says(TRUE)) as server:
        at = settle(asked(monkeypatch, room.home, server.url))
        assert [c for c in captions(at).splitlines() if c.startswith("Quoted, not written: ") and why in c]
        assert "Prefer the lasso when few features matter" in shown(at)
        at.button(key="write-again").click().run()
        settle(at)
        assert "Written by small" in captions(at)


def test_a_stopped_server_and_an_uncovered_question(monkeypatch: pytest.MonkeyPatch, room: Room) -> None:
    """This test ensures that without its server the app quotes, and that a model is not asked what is not covered."""
    at = settle(asked(monkeypatch, room.home, f"http://127.0.0.1:{unused_port()}/v1"))
    assert "Quoted, not written: nothing answers at" in captions(at)
    with scripted(Says(TRUE)) as server:
        at = asked(monkeypatch, room.home, server.url, "Which visa do I need for a layover in Doha?")
        assert at.info[0].value.startswith("**Your library does not cover this.**")
        assert server.requests == []


def test_a_follow_up_shows_what_was_searched(monkeypatch: pytest.MonkeyPatch, room: Room) -> None:
    """This test ensures that a follow-up takes over the topic, says so, and can be searched in its own words."""
    at = run_app(monkeypatch, room.home, q="What is the lasso penalty?")
    at.text_input(key="follow-0").set_value("when do you prefer it?").run()
    assert not at.exception
    assert at.text_input(key="q").value == "when do you prefer it? (about: the lasso penalty)"
    assert "You asked “when do you prefer it?”; searched: “when do you prefer it? (about" in captions(at)
    assert at.query_params["q"] == "when do you prefer it? (about: the lasso penalty)"
    at.button(key="alone").click().run()
    assert at.text_input(key="q").value == "when do you prefer it?"
    assert "You asked" not in captions(at)


def test_a_model_rewrites_a_follow_up(monkeypatch: pytest.MonkeyPatch, room: Room) -> None:
    """This test ensures that the model's question is the one that is searched and answered."""
    with scripted(Says(TRUE), Says("Why is the lasso penalty sparse?"), Says(TRUE)) as server:
        at = settle(asked(monkeypatch, room.home, server.url, "What is the lasso penalty?"))
        at.text_input(key="follow-0").set_value("why is it sparse?").run()
        settle(at)
        assert at.text_input(key="q").value == "Why is the lasso penalty sparse?"
        assert "What is the lasso penalty?" in server.requests[1]["messages"][1]["content"]
        assert server.requests[2]["messages"][1]["content"].endswith("Question: Why is the lasso penalty sparse?")


def test_the_export_keeps_struck_sentences_apart(monkeypatch: pytest.MonkeyPatch, room: Room) -> None:
    """This test ensures that a written answer is saved with its marks and who wrote it."""
    from retrieval import Library
    from retrieval.llm import Backend, LanguageModel
    from retrieval.written import Writer

    with scripted(Says(f"{TRUE} {ALSO} {FALSE}")) as server, Library.open(room.home) as library:
        answer = Writer(library, LanguageModel(Backend(server.url, "small", window=4096))).write(LASSO).finish()
        text = export_markdown(answer, library.text)
    assert text.startswith(f"# {LASSO}\n\nPrefer the lasso when few features matter and a sparse model is wanted. [1]")
    assert re.search(r"- ~~The lasso was invented .* warm bread\.~~ \[\d\] \(the passage", text)
    assert "Written by small from your passages" in text
