"""Who is asking, and what they may do: an editor changes the library, a reader reads it. No streamlit here.

Without a login nobody can be told from anybody: the person is None, and everything is allowed,
as on a machine of one's own. All of this is said by claims of the login, never by the page.
"""

from __future__ import annotations

import hashlib
import math
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal

from retrieval.errors import PrepdeskError, QueryError
from retrieval.store import storage_errors

Role = Literal["reader", "editor"]
FOLDER = "people"
_MINUTE = 60.0  # seconds


class RoleError(PrepdeskError):
    """The person may not do this."""


class PaceError(PrepdeskError):
    """The person asks more in a minute than they may."""


@dataclass(frozen=True, slots=True)
class Rules:
    """The `[prepdesk]` table beside the login: who is an editor, and how fast each person may ask.

    `editors` are addresses, which count where the provider says that it verified them.
    """

    role_claim: str = "roles"
    editor_role: str = "editor"
    editors: tuple[str, ...] = ()
    questions_a_minute: int = 20


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody logged in: `id` is the same at every login, fit for the name of a folder, and tells no address."""

    id: str
    role: Role


def rules_of(table: Any) -> Rules:
    """Read the rules. Raises QueryError for what is none, so that a typing error gives nobody a right."""
    if not isinstance(table, Mapping):
        raise QueryError("[prepdesk] is no table")
    known = {field.name for field in fields(Rules)}
    if unknown := sorted(set(table) - known):
        raise QueryError(f"[prepdesk] has no {unknown[0]}; it knows {', '.join(sorted(known))}")
    for name in ("role_claim", "editor_role"):
        if not isinstance(value := table.get(name, "x"), str) or not value:
            raise QueryError(f"[prepdesk] {name} is {value!r}; write a name in quotes")
    editors = table.get("editors", [])
    if not isinstance(editors, list) or not all(isinstance(e, str) for e in editors):
        raise QueryError('[prepdesk] editors is no list of addresses; write editors = ["ann@example.org"]')
    pace = table.get("questions_a_minute", 1)
    if not isinstance(pace, int) or isinstance(pace, bool) or pace < 1:
        raise QueryError(f"[prepdesk] questions_a_minute is {pace!r}; write a whole number from 1")
    return Rules(**{**table, "editors": tuple(editors)})


def person_of(claims: Mapping[str, Any], rules: Rules) -> Person:
    """Return who the claims of a login name. Raises RoleError where they name nobody."""
    issuer, subject = claims.get("iss"), claims.get("sub")
    if claims.get("is_logged_in") is not True or not issuer or not subject:
        raise RoleError("the login does not say who you are (no issuer and subject); log out, and in again")
    named = hashlib.sha256(f"{issuer}\0{subject}".encode("utf-8", "replace")).hexdigest()[:32]
    return Person(named, _role(claims, rules))


def may_edit(by: Person | None) -> bool:
    """Tell whether a person may change the library."""
    return by is None or by.role == "editor"


def check_editor(by: Person | None) -> None:
    """Let only those pass who may change the library; every act that does begins with this. Raises RoleError."""
    if not may_edit(by):
        raise RoleError("you may read this library, and only its editors may change it; ask whoever runs it")


def folder_of(home: Path, by: Person | None) -> Path:
    """Return where what belongs to a person is kept: a folder of their own, made here; the home itself for None."""
    if by is None:
        return home
    folder = home / FOLDER / by.id
    with storage_errors(folder):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder


class Pace:
    """How many questions each person asked within the last minute; safe to use from many sessions."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._asked: dict[str, deque[float]] = {}

    def count(self, by: Person, most: int) -> None:
        """Count a question. Raises PaceError, counting nothing, where `most` were asked within the last minute."""
        with self._lock:
            now = self._clock()
            times = self._asked.setdefault(by.id, deque())
            while times and now - times[0] >= _MINUTE:
                times.popleft()
            if len(times) >= most:
                wait = math.ceil(_MINUTE - (now - times[0]))
                raise PaceError(f"you may ask {most} questions a minute; ask again in {wait} seconds")
            times.append(now)


def _role(claims: Mapping[str, Any], rules: Rules) -> Role:
    held = _claim(claims, rules.role_claim)
    roles = [held] if isinstance(held, str) else held
    if isinstance(roles, list) and rules.editor_role in roles:
        return "editor"
    address = claims.get("email")
    # Apple's provider and Amazon's write the truth as a word. An address that nobody verified is whatever was typed.
    verified = claims.get("email_verified") in (True, "true")
    if verified and isinstance(address, str) and address.casefold() in {e.casefold() for e in rules.editors}:
        return "editor"
    return "reader"


def _claim(claims: Mapping[str, Any], name: str) -> Any:
    """Return a claim by its name, or by a path as in `realm_access.roles` (Keycloak); names may have dots in them."""
    if name in claims:
        return claims[name]
    held: Any = claims
    for part in name.split("."):
        held = held.get(part) if isinstance(held, Mapping) else None
    return held
