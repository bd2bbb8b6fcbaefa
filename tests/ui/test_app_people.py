"""The app with several people, run by Streamlit's own test harness: what a reader cannot do, and what is kept apart."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from retrieval import opened
from retrieval.store import Home
from tests.ui.conftest import LASSO, Room
from tests.ui.test_app_ask import labels, shown
from tests.ui.test_app_practice import P_VALUE, press
from tests.ui.test_jobs import wait
from tests.ui.test_login import AUTH, write_secrets
from ui import bootstrap
from ui.people import FOLDER, Rules, person_of
from ui.server import APP

RULES = "\n[prepdesk]\nquestions_a_minute = 3\n"
CHANGES = {"Add to the library", "Read this folder", "Read all folders again", "Read again", "Remove it", "Run"}
Open = Callable[..., AppTest]


def claims(subject: str, *roles: str) -> dict[str, Any]:
    return {"is_logged_in": True, "iss": "https://id.example", "sub": subject, "roles": list(roles)}


@pytest.fixture
def own(room: Room, tmp_path: Path) -> Path:
    """A copy of the small library in a folder with a login set up."""
    write_secrets(tmp_path, AUTH.format(app="https://prep.example", provider="https://id.example") + RULES)
    return Path(shutil.copytree(room.home, tmp_path / "home", symlinks=True))


@pytest.fixture
def open_as(monkeypatch: pytest.MonkeyPatch, own: Path) -> Open:
    """A way to open a page of the library as somebody with a subject and roles."""
    monkeypatch.chdir(own.parent)
    monkeypatch.setenv("PREP_INDEX", str(own))

    def opened_as(subject: str, *roles: str, page: str = "ask", **address: str) -> AppTest:
        at = AppTest.from_file(str(APP), default_timeout=60)
        at.user = claims(f"{own}-{subject}", *roles)
        for key, value in address.items():
            at.query_params[key] = value
        if page != "ask":
            at.run()
            at.switch_page(f"app_pages/{page}.py")
        at.run()
        assert not at.exception
        return at

    return opened_as


def state(home: Path) -> tuple[str | None, list[str], int]:
    """Return what a change of the library would change: the live generation, the uploads, the evaluations."""
    uploads = sorted(p.name for p in (home / "uploads").glob("*"))
    return Home(home).current_name(), uploads, len(list((home / "evaluations").glob("*")))


def test_a_reader_is_offered_nothing_that_changes_the_library(open_as: Open) -> None:
    """This test ensures that the pages show a reader no such control, and an editor all of them."""
    for page in ("library", "evaluate"):
        assert not CHANGES & set(labels(open_as("ann", page=page)))
    assert any("its editors add to it" in str(c.value) for c in open_as("ann", page="library").caption)
    assert {"Add to the library", "Read this folder"} <= set(labels(open_as("eve", "editor", page="library")))
    assert "Run" in labels(open_as("eve", "editor", page="evaluate"))


def forge(at: AppTest, press: str) -> None:
    """Fill in the forms of an editor's page and press a button, without sending it."""
    if press == "Add to the library":
        at.file_uploader(key="files").set_value(("evil.md", b"# Evil\n\nThe lasso is a rope.\n", "text/markdown"))
    elif press == "Read this folder":
        at.text_input(key="path").set_value(str(Path(__file__).parent))
    next(b for b in at.button if b.label == press).click()


def send(drawn: AppTest, sender: AppTest) -> AppTest:
    """Send what was filled in on one page, with the ids of all its widgets and its files, from another session."""
    sender._tree = drawn._tree
    return sender._run(drawn._tree.get_widget_states())


@pytest.mark.parametrize(
    ("page", "button"),
    [
        ("library", "Add to the library"),
        ("library", "Read this folder"),
        ("library", "Read all folders again"),
        ("evaluate", "Run"),
    ],
)
@pytest.mark.parametrize("whose", ["a session of their own", "the session of an editor"])
def test_a_forged_message_of_a_reader_changes_nothing(
    open_as: Open, own: Path, page: str, button: str, whose: str
) -> None:
    """This test ensures that what an editor's page would send, sent by a reader, upload included, does nothing."""
    before = state(own)
    editors = open_as("eve", "editor", page=page)
    forge(editors, button)
    if whose == "a session of their own":
        readers = send(editors, open_as("ann", page=page))
    else:
        readers = editors
        readers.user = claims("ann")
        readers.run()
    assert not readers.exception
    assert bootstrap.jobs().progress.state == bootstrap.evaluations().progress.state == "idle"
    assert state(own) == before


def test_the_same_message_of_an_editor_is_heeded(open_as: Open, own: Path) -> None:
    """This test ensures that the forgeries of the test above are ones that would work."""
    editors = open_as("eve", "editor", page="library")
    forge(editors, "Add to the library")
    send(editors, open_as("max", "editor", page="library"))
    assert wait(bootstrap.jobs()).state == "done"
    assert state(own)[1] == ["evil.md"]


def test_nobody_sees_what_another_asked_or_practised(open_as: Open, own: Path) -> None:
    """This test ensures that history and progress follow a person into a new session, and nobody else."""
    open_as("ann", q=LASSO)
    at = open_as("ann", page="practice", level="easy")
    press(at, "Show the answer")
    press(at, "Good")
    again = open_as("ann")
    assert history(again) == [LASSO]
    assert "0 new" in told(open_as("ann", page="practice", level="easy"))
    for other in (open_as("bob"), open_as("eve", "editor")):
        assert history(other) == []
    at = open_as("bob", page="practice", level="easy")
    assert "1 new" in told(at)
    assert [s.value for s in at.subheader] == [P_VALUE]
    folders = {p.name for p in (own / FOLDER).iterdir()}
    assert person_of(claims(f"{own}-ann"), Rules()).id in folders
    assert not (own / "practice.sqlite").exists()


def test_a_session_that_changes_hands_takes_nothing_along(open_as: Open) -> None:
    """This test ensures that what a session held is gone once somebody else is logged in."""
    at = open_as("ann", q=LASSO)
    assert history(at) == [LASSO]
    at.user = claims("bob")
    at.query_params.clear()
    at.run()
    assert history(at) == []


def test_what_a_reader_opens_is_not_noted(open_as: Open, own: Path) -> None:
    """This test ensures that notes for the library's own encoder are made of what editors open alone."""
    opened.keep(own, True)
    open_as("ann", q=LASSO, c="1")
    assert list(opened.read_opened(own)) == []
    open_as("eve", "editor", q=LASSO, c="1")
    assert [question for question, _ in opened.read_opened(own)] == [LASSO]


def test_questions_past_the_limit_wait(open_as: Open) -> None:
    """This test ensures that the fourth question of a minute gets a sentence, and others may go on asking."""
    at = open_as("ann", q="What is a p-value?")
    for question in (LASSO, "What does the bootstrap estimate?"):
        at.text_input(key="q").set_value(question).run()
        at.run()  # what stands on the page is counted once
        assert not at.warning
    at.text_input(key="q").set_value("Why standardize features before a penalty?").run()
    assert at.warning[0].value.startswith("You may ask 3 questions a minute; ask again in ")
    assert "weights depend on the units" not in shown(at)
    assert "Why standardize features before a penalty?" not in history(open_as("ann"))
    assert not open_as("ann", q="What is dropout?").exception
    assert "data at least as extreme" in shown(open_as("bob", q="What is a p-value?"))


def history(at: AppTest) -> list[str]:
    return [b.label for b in at.button if str(b.key).startswith("ask-history")]


def told(at: AppTest) -> str:
    return " ".join(str(c.value) for c in at.caption)
