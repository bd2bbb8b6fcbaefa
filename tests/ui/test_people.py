"""Who may change the library, by the claims of a login: the rules, and the functions that change it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from retrieval.errors import QueryError, ReadError
from tests.ui.conftest import BANK
from ui import shelf
from ui.history import MOST, History
from ui.jobs import EVALUATE, Jobs
from ui.people import Pace, PaceError, Person, RoleError, Rules, folder_of, person_of, rules_of

CLAIMS = {"is_logged_in": True, "iss": "https://id.example", "sub": "1", "email": "ann@example.org"}
READER = Person("0" * 32, "reader")
EDITOR = Person("1" * 32, "editor")


@pytest.mark.parametrize(
    ("claims", "rules", "role"),
    [
        ({}, {}, "reader"),
        ({"roles": ["reader", "editor"]}, {}, "editor"),
        ({"roles": "editor"}, {}, "editor"),
        ({"roles": "no editor"}, {}, "reader"),
        ({"roles": ["Editor", None, 3]}, {}, "reader"),
        ({"roles": {"editor": True}}, {}, "reader"),
        ({"groups": ["prep"]}, {"role_claim": "groups", "editor_role": "prep"}, "editor"),
        ({"realm_access": {"roles": ["editor"]}}, {"role_claim": "realm_access.roles"}, "editor"),
        ({"https://a.example/roles": ["editor"]}, {"role_claim": "https://a.example/roles"}, "editor"),
        ({"realm_access": "editor"}, {"role_claim": "realm_access.roles"}, "reader"),
        ({"email_verified": True}, {"editors": ["Ann@Example.org"]}, "editor"),
        ({"email_verified": "true"}, {"editors": ["ann@example.org"]}, "editor"),
        ({"email_verified": False}, {"editors": ["ann@example.org"]}, "reader"),
        ({}, {"editors": ["ann@example.org"]}, "reader"),
        ({"email": "", "email_verified": True}, {"editors": ["ann@example.org"]}, "reader"),
    ],
)
def test_the_role_is_what_the_claims_say(claims: dict[str, Any], rules: dict[str, Any], role: str) -> None:
    """This test ensures that whoever is not named an editor is a reader, an address that nobody verified among them."""
    assert person_of({**CLAIMS, **claims}, rules_of(rules)).role == role


def test_a_person_is_known_by_issuer_and_subject() -> None:
    """This test ensures that two providers cannot be confused, and that the name of a folder tells no address."""
    first = person_of(CLAIMS, Rules())
    assert person_of({**CLAIMS, "email": "other@example.org", "roles": ["editor"]}, Rules()).id == first.id
    assert person_of({**CLAIMS, "iss": "https://other.example"}, Rules()).id != first.id
    assert person_of({**CLAIMS, "sub": "../2"}, Rules()).id.isalnum()
    assert len(first.id) == 32


@pytest.mark.parametrize("lacking", ["is_logged_in", "iss", "sub"])
def test_a_login_that_names_nobody_is_nobody(lacking: str) -> None:
    """This test ensures that people without a subject do not share one folder."""
    with pytest.raises(RoleError, match="does not say who you are"):
        person_of({**CLAIMS, lacking: None}, Rules())


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ({"editor": ["ann@example.org"]}, "has no editor; it knows editor_role, editors"),
        ({"editors": "ann@example.org"}, "no list of addresses"),
        ({"role_claim": 3}, "role_claim is 3"),
        ({"questions_a_minute": 0}, "a whole number from 1"),
        ({"questions_a_minute": True}, "a whole number from 1"),
        (3, "no table"),
    ],
)
def test_a_typing_error_in_the_rules_is_told(table: Any, said: str) -> None:
    """This test ensures that a slip gives nobody a right in silence, nor takes one."""
    with pytest.raises(QueryError, match=said):
        rules_of(table)


@pytest.mark.parametrize(
    "act",
    [
        lambda home, by: shelf.keep(home, "notes.md", b"text", by=by),
        lambda home, by: Jobs(home).start([home], by=by),
        lambda home, by: Jobs(home).start(by=by, options=["--remove=notes.md"]),
        lambda home, by: Jobs(home).cancel(by=by),
        lambda home, by: Jobs(home, EVALUATE).start(by=by, options=["--own"]),
    ],
    ids=["upload", "ingest", "remove", "cancel", "evaluate"],
)
def test_no_act_of_a_reader_changes_the_library(tmp_path: Path, act: Callable[[Path, Person], object]) -> None:
    """This test ensures that the functions that act refuse by themselves, whatever a page shows, and write nothing."""
    with pytest.raises(RoleError, match="only its editors may change it"):
        act(tmp_path, READER)
    assert list(tmp_path.iterdir()) == []


def test_an_editor_may_upload_within_the_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """This test ensures that our own limit holds whatever the server let through, for editors as well."""
    assert shelf.keep(tmp_path, "bank.yaml", BANK.encode(), by=EDITOR).read_bytes() == BANK.encode()
    monkeypatch.setattr(shelf, "MAX_UPLOAD_MB", 1)
    with pytest.raises(ReadError, match="1 MB, the limit is 1 MB"):
        shelf.keep(tmp_path, "large.md", b"x" * (2**20 + 1), by=EDITOR)
    assert [p.name for p in shelf.uploads(tmp_path).iterdir()] == ["bank.yaml"]


def test_everybody_has_a_folder_of_their_own(tmp_path: Path) -> None:
    """This test ensures that a person's history and practice are theirs, and that a machine of one's own has none."""
    History(folder_of(tmp_path, READER)).add("What is a p-value?")
    assert History(folder_of(tmp_path, READER)).questions() == ["What is a p-value?"]
    assert History(folder_of(tmp_path, EDITOR)).questions() == []
    assert folder_of(tmp_path, None) == tmp_path
    assert folder_of(tmp_path, READER).stat().st_mode & 0o077 == 0


def test_the_last_questions_are_kept_the_last_first(tmp_path: Path) -> None:
    """This test ensures that a question asked again moves up, and that a history does not grow without end."""
    history = History(tmp_path)
    for n in range(MOST + 5):
        history.add(f"question {n}")
    history.add("question 10")
    kept = history.questions()
    assert len(kept) == MOST
    assert kept[:2] == ["question 10", f"question {MOST + 4}"]
    assert len(set(kept)) == MOST


def test_the_pace_is_counted_for_each_person() -> None:
    """This test ensures that one person's questions neither run without end nor stop another's."""
    now = 1000.0
    pace = Pace(lambda: now)
    for _ in range(3):
        pace.count(READER, 3)
        now += 10
    with pytest.raises(PaceError, match="you may ask 3 questions a minute; ask again in 30 seconds"):
        pace.count(READER, 3)
    pace.count(EDITOR, 3)
    now += 30
    pace.count(READER, 3)
    with pytest.raises(PaceError, match="in 10 seconds"):
        pace.count(READER, 3)
