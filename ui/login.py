"""Who may use the app where others can reach it: whoever logs in by OIDC, or, said outright, anyone.

The login is Streamlit's own (`st.login`), set up in the `[auth]` table of a secrets.toml. It
is found here, and not by Streamlit, so that the command can refuse before anything listens.
"""

from __future__ import annotations

import ipaddress
import os
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from retrieval.errors import QueryError
from ui.people import Rules, rules_of

NO_AUTH = "PREP_NO_AUTH"  # in the environment of the server: "1" where --no-auth was given
LOGIN = "PREP_LOGIN"  # there as well: the file of the login that was found at the start, if one was
LOOPBACK = ("127.0.0.1", "localhost")
_SHARED = ("redirect_uri", "cookie_secret")
_PROVIDER = ("client_id", "client_secret", "server_metadata_url")


@dataclass(frozen=True, slots=True)
class Login:
    """A complete OIDC configuration: its file, its providers (None: the one without a name), the app's host name.

    `rules` say what those who log in may do: the `[prepdesk]` table of the same file.
    """

    file: Path
    providers: tuple[str | None, ...]
    host: str
    rules: Rules = field(default_factory=Rules)


def find_login(folders: Sequence[Path] | None = None) -> Login | None:
    """Return the OIDC configuration, that of the working folder before the person's own; None where there is none.

    Raises QueryError where one is there and is not complete, so that a typing error opens nothing.
    """
    for folder in folders or (Path.cwd(), Path.home()):
        file = folder / ".streamlit" / "secrets.toml"
        try:
            secrets = tomllib.loads(file.read_text(encoding="utf-8"))
        except FileNotFoundError:
            continue
        except (OSError, ValueError) as error:
            raise QueryError(f"{file}: cannot be read ({error}); mend it, or start with --no-auth") from error
        if "auth" in secrets:
            return _login(file, secrets)
    return None


def required() -> Login | None:
    """Return the login that the app asks for; None where there is none, or where `--no-auth` waived it.

    Raises QueryError where the one that the app was started with is gone: a file that is renamed,
    or on a disk that is lost, lets nobody in.
    """
    if os.environ.get(NO_AUTH) == "1":
        return None
    login = find_login()
    if login is None and (file := os.environ.get(LOGIN)):
        raise QueryError(f"{file}: the login that the app was started with is gone; put the file and its [auth] back")
    return login


def names_of(host: str, login: Login | None, *, no_auth: bool) -> tuple[str, ...]:
    """Return the names the app answers to at an address. Raises QueryError where strangers could read the library."""
    if is_loopback(host):
        return LOOPBACK if login is None or no_auth else (*LOOPBACK, login.host)
    if no_auth:
        return ("*",)
    if login is None:
        raise QueryError(
            f"--host {host} lets others on the network read and change your library, and no login is set up: write "
            "the [auth] table for Streamlit's st.login (OIDC) into .streamlit/secrets.toml, or say --no-auth"
        )
    return (*LOOPBACK, login.host)


def is_loopback(host: str) -> bool:
    """Tell whether an address can be reached from this machine only."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


def _login(file: Path, secrets: Mapping[str, Any]) -> Login:
    auth = secrets["auth"]
    table: Mapping[str, Any] = auth if isinstance(auth, Mapping) else {}
    missing = [key for key in _SHARED if not table.get(key)]
    named = tuple(k for k, v in table.items() if isinstance(v, Mapping) and all(v.get(key) for key in _PROVIDER))
    providers = (None,) if all(table.get(key) for key in _PROVIDER) else named
    if not providers:
        missing.extend(key for key in _PROVIDER if not table.get(key))
    host = urlsplit(str(table.get("redirect_uri", ""))).hostname
    if missing or not host:
        what = ", ".join(missing) or "a redirect_uri with a host name"
        raise QueryError(f"{file}: its [auth] lacks {what}; complete it, or start with --no-auth")
    if find_spec("authlib") is None:
        raise QueryError(f"{file} asks for a login, which needs Authlib; run: pip install 'prepdesk[auth]'")
    try:
        rules = rules_of(secrets.get("prepdesk", {}))
    except QueryError as error:
        raise QueryError(f"{file}: {error}") from error
    return Login(file, providers, host, rules)
