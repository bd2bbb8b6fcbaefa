"""Who may read the library: this machine alone, whoever logs in, or, said outright, anyone."""

from __future__ import annotations

import re
import shutil
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg

from retrieval.errors import QueryError
from retrieval.store import Home
from tests.test_cli import Prep, prep
from tests.ui.conftest import WAIT, Room
from tests.ui.oidc import provider
from tests.ui.test_app_ask import labels, run_app, shown
from ui import bootstrap
from ui.login import LOGIN, NO_AUTH, find_login, is_loopback, names_of
from ui.server import free_port, serving
from ui.shelf import MAX_UPLOAD_MB

__all__ = ["prep"]

AUTH = """[auth]
redirect_uri = "{app}/oauth2callback"
cookie_secret = "a secret of a test, long enough to sign"
client_id = "prep"
client_secret = "none"
server_metadata_url = "{provider}/.well-known/openid-configuration"
"""


def write_secrets(folder: Path, text: str) -> Path:
    (folder / ".streamlit").mkdir()
    file = folder / ".streamlit" / "secrets.toml"
    file.write_text(text, encoding="utf-8")
    return file


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.20", "laptop.local"])
def test_an_address_that_others_reach_needs_a_login(host: str) -> None:
    """This test ensures that a library is not opened to a network by one option."""
    with pytest.raises(QueryError, match=r"lets others on the network .* no login is set up: .* or say --no-auth"):
        names_of(host, None, no_auth=False)
    assert names_of(host, None, no_auth=True) == ("*",)


def test_the_app_answers_to_the_name_that_the_login_comes_back_to(tmp_path: Path) -> None:
    """This test ensures that no other name (DNS rebinding) is answered where a login is set up."""
    write_secrets(tmp_path, AUTH.format(app="https://prep.example:8443", provider="https://id.example"))
    login = find_login([tmp_path])
    assert login
    assert login.providers == (None,)
    assert names_of("0.0.0.0", login, no_auth=False) == ("127.0.0.1", "localhost", "prep.example")
    assert names_of("127.0.0.1", None, no_auth=False) == ("127.0.0.1", "localhost")


def test_named_providers_are_offered_by_name(tmp_path: Path) -> None:
    """This test ensures that both shapes Streamlit knows are understood."""
    shared = '[auth]\nredirect_uri = "https://a.example/oauth2callback"\ncookie_secret = "c"\n'
    one = '[auth.okta]\nclient_id = "i"\nclient_secret = "s"\nserver_metadata_url = "https://okta.example"\n'
    write_secrets(tmp_path, shared + one + '[auth.half]\nclient_id = "i"\n')
    login = find_login([tmp_path])
    assert login
    assert login.providers == ("okta",)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[auth]\nredirect_uri = "https://a.example"\n', "lacks cookie_secret, client_id"),
        ("auth = 3\n", "lacks redirect_uri"),
        ("[auth\n", "cannot be read"),
        (
            AUTH.replace("{app}", "https://a.example") + "[prepdesk]\neditor = 3\n",
            r"secrets\.toml: \[prepdesk\] has no editor",
        ),
    ],
)
def test_a_login_that_is_not_complete_opens_nothing(tmp_path: Path, text: str, said: str) -> None:
    """This test ensures that a typing error is told and not taken for "no login wanted"."""
    write_secrets(tmp_path, text)
    with pytest.raises(QueryError, match=said):
        find_login([tmp_path])


def test_secrets_without_a_login_are_none(tmp_path: Path) -> None:
    """This test ensures that other secrets ask for nothing."""
    assert find_login([tmp_path]) is None
    write_secrets(tmp_path, 'token = "x"\n')
    assert find_login([tmp_path]) is None


@pytest.mark.parametrize(
    ("host", "own"), [("127.0.0.1", True), ("127.8.8.8", True), ("::1", True), ("localhost", True), ("10.0.0.1", False)]
)
def test_loopback_is_told_from_the_rest(host: str, own: bool) -> None:
    """This test ensures that only addresses of this machine alone go without a login."""
    assert is_loopback(host) is own


def test_the_command_refuses_before_anything_listens(prep: Prep) -> None:
    """This test ensures that `prep ui --host 0.0.0.0` ends with one line that says why and what to do."""
    done = prep("ui", "--host", "0.0.0.0")
    assert done.returncode == 1
    assert done.stderr.startswith("prep: --host 0.0.0.0 lets others on the network read")
    assert done.stderr.count("\n") == 1


def test_nothing_is_shown_before_the_login(monkeypatch: pytest.MonkeyPatch, room: Room, tmp_path: Path) -> None:
    """This test ensures that an address with a question tells a stranger nothing, and that --no-auth is heeded."""
    write_secrets(tmp_path, AUTH.format(app="https://prep.example", provider="https://id.example"))
    monkeypatch.chdir(tmp_path)
    at = run_app(monkeypatch, room.home, q="What is a p-value?")
    assert [t.value for t in at.title] == ["Log in to read this library"]
    assert [b.label for b in at.button] == ["Log in"]
    assert "data at least as extreme" not in shown(at)
    monkeypatch.setenv(NO_AUTH, "1")
    at = run_app(monkeypatch, room.home, q="What is a p-value?")
    assert "data at least as extreme" in shown(at)


@pytest.mark.parametrize("left", [None, 'token = "x"\n'])
def test_a_login_that_is_lost_lets_nobody_in(
    monkeypatch: pytest.MonkeyPatch, room: Room, tmp_path: Path, left: str | None
) -> None:
    """This test ensures that a file that is renamed, or loses its [auth], makes nobody an editor without a name."""
    file = write_secrets(tmp_path, AUTH.format(app="https://prep.example", provider="https://id.example"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(LOGIN, str(file))
    assert labels(run_app(monkeypatch, room.home)) == ["Log in"]
    file.rename(file.with_name("aside.toml"))
    if left:
        file.write_text(left, encoding="utf-8")
    at = run_app(monkeypatch, room.home, q="What is a p-value?")
    assert ["the login that the app was started with is gone" in str(w.value) for w in at.warning] == [True]
    assert (labels(at), shown(at)) == ([], "")
    with pytest.raises(QueryError, match=r"secrets\.toml: .* is gone; put the file and its \[auth\] back"):
        bootstrap.person()


def test_a_person_logs_in_and_out(browser: Browser, room: Room, tmp_path: Path) -> None:
    """This test ensures that the whole way works with a real provider: to it, back, and out again."""
    port = free_port()
    with provider("ada@prep.example") as there:
        write_secrets(tmp_path, AUTH.format(app=f"http://127.0.0.1:{port}", provider=there))
        with serving(room.home, tmp_path, port) as address:
            page = browser.new_context().new_page()
            page.goto(f"{address}/library")
            page.get_by_role("button", name="Log in").click(timeout=WAIT)
            expect(page.get_by_label("Your question")).to_be_visible(timeout=WAIT)
            page.goto(f"{address}/library")
            button = page.locator(".st-key-logout button")
            # An invisible joiner keeps the address from becoming a link.
            expect(button).to_have_text(re.compile("Log out ada.*@prep.example"), timeout=WAIT)
            button.click()
            expect(page.get_by_text("Log in to read this library")).to_be_visible(timeout=WAIT)
            page.context.close()


def test_a_crafted_upload_of_a_reader_goes_nowhere(browser: Browser, room: Room, tmp_path: Path) -> None:
    """This test ensures that a file sent straight to Streamlit's upload address, by a person whose login names no role,
    is never in the library, and that one past the limit is not even taken.
    """
    home = shutil.copytree(room.home, tmp_path / "home", symlinks=True)
    port = free_port()
    sessions: list[str] = []

    def note(frame: bytes | str) -> None:
        message = ForwardMsg()
        message.ParseFromString(frame if isinstance(frame, bytes) else frame.encode())
        if message.new_session.initialize.session_id:
            sessions.append(message.new_session.initialize.session_id)

    with provider("ada@prep.example") as there:
        write_secrets(tmp_path, AUTH.format(app=f"http://127.0.0.1:{port}", provider=there))
        with serving(home, tmp_path, port) as address:
            page = browser.new_context().new_page()
            page.on("websocket", lambda socket: socket.on("framereceived", note))
            page.goto(address)
            page.get_by_role("button", name="Log in").click(timeout=WAIT)
            page.get_by_role("link", name="Library").click(timeout=WAIT)
            expect(page.get_by_text("You may read this library")).to_be_visible(timeout=WAIT)
            expect(page.locator('[data-testid="stFileUploader"]')).to_have_count(0)
            cookies = {str(c["name"]): str(c["value"]) for c in page.context.cookies()}
            body = b'--x\r\nContent-Disposition: form-data; name="f"; filename="evil.md"\r\n\r\n# Evil\r\n--x--\r\n'
            assert _put(port, sessions[-1], cookies, body, len(body)) == 204
            assert _put(port, sessions[-1], cookies, b"", (MAX_UPLOAD_MB + 1) * 2**20) == 413
            page.get_by_role("link", name="Ask").click()
            page.get_by_role("link", name="Library").click()
            expect(page.get_by_text("You may read this library")).to_be_visible(timeout=WAIT)
            page.context.close()
    assert not (home / "uploads").exists()
    assert Home(home).current_name() == Home(room.home).current_name()


def _put(port: int, session: str, cookies: dict[str, str], body: bytes, length: int) -> int:
    """Send what claims to be a file of `length` bytes to Streamlit's upload address; return the status."""
    connection = HTTPConnection("127.0.0.1", port, timeout=20)
    headers = {
        "Cookie": "; ".join(f"{name}={value}" for name, value in cookies.items()),
        "X-Xsrftoken": cookies.get("_streamlit_xsrf", ""),
        "Content-Type": "multipart/form-data; boundary=x",
        "Content-Length": str(length),
    }
    connection.request("PUT", f"/_stcore/upload_file/{session}/forged", body, headers)
    with closing(connection):
        return connection.getresponse().status
