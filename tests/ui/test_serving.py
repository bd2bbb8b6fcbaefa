"""`prep ui`: what it hands on to the app's process, and a server that has nothing in it yet; what goes around both."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
import typer
import yaml

from ingest.pipeline import ingest
from retrieval.server_store import ServerStore
from retrieval.store import Home
from tests.test_cli import Prep, check_one_line_error, here
from tests.ui.test_app_ask import run_app, shown
from tests.ui.test_app_pages import open_page
from tests.ui.test_jobs import wait
from tests.ui.test_login import AUTH, write_secrets
from ui import bootstrap
from ui.cli import app
from ui.login import LOGIN, NO_AUTH

__all__ = ["here"]

ROOT = Path(__file__).parents[2]


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, str]]:
    """The environment of every process that took the place of this one, which would end the tests."""
    environments: list[dict[str, str]] = []
    monkeypatch.setattr(os, "execve", lambda path, command, environment: environments.append(environment))
    return environments


def test_the_app_is_told_of_the_login_it_is_started_with(
    here: Prep,
    home: Home,
    notes: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    started: list[dict[str, str]],
) -> None:
    """This test ensures that the app's process can tell a login that was lost from one that was never set up."""
    ingest(home, [notes])
    monkeypatch.setenv(LOGIN, "left by an earlier one")
    assert here("ui", "--no-browser").returncode == 0
    file = write_secrets(tmp_path, AUTH.format(app="https://prep.example", provider="https://id.example"))
    monkeypatch.chdir(tmp_path)
    assert here("ui", "--host", "0.0.0.0", "--no-browser").returncode == 0
    assert here("ui", "--host", "0.0.0.0", "--no-browser", "--no-auth").returncode == 0
    assert [(e[LOGIN], e[NO_AUTH]) for e in started] == [("", "0"), (str(file), "0"), ("", "1")]


def test_an_empty_server_is_filled_from_the_app(
    server_store: ServerStore,
    here: Prep,
    notes: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    started: list[dict[str, str]],
) -> None:
    """This test ensures that `prep ui` starts on it, says how to fill it, and answers once that is done."""
    url = server_store.address.url
    monkeypatch.setenv("PREP_CHROMA_DATABASE", server_store.address.database)
    check_one_line_error(here("ask", "x", "--chroma", url), "there is no library at")
    assert here("ui", "--no-browser", "--chroma", url).returncode == 0
    assert [e["PREP_CHROMA"] for e in started] == [url]
    monkeypatch.setenv("PREP_CHROMA", url)
    (tmp_path / "app").mkdir()
    (tmp_path / "app" / "encoders").symlink_to(server_store.encoders)
    at = open_page(monkeypatch, tmp_path / "app", "library")
    assert [t.value for t in at.title] == ["Your library is empty"]
    assert at.code[0].value == f"prep ingest ~/notes --chroma {url}"
    at.text_input(key="path").set_value(str(notes))
    next(b for b in at.button if b.label == "Read this folder").click().run()
    assert not at.exception
    assert wait(bootstrap.jobs()).state == "done"
    at = run_app(monkeypatch, tmp_path / "app", q="Why is accuracy misleading on imbalanced data?")
    assert "always predicts the majority class" in shown(at)
    served = bootstrap.store()
    assert isinstance(served, ServerStore)
    served.close()


def test_the_proxy_asks_for_the_token_first() -> None:
    """This test ensures that the refusal stands in a block of its own; bare, Caddy sorts it before what it guards."""
    composed = yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))
    site = composed["configs"]["caddyfile"]["content"].partition(":8000 {")[2]
    said = " ".join(re.sub(r"#.*", "", site).split())
    assert said == (
        '@known header Authorization "Bearer {$$PREP_CHROMA_TOKEN}" '
        "handle @known { reverse_proxy chroma:8000 } handle { respond 401 } }"
    )


def test_every_command_but_one_takes_the_library() -> None:
    """This test ensures that README.md and docs/team.md say rightly which command does not."""
    commands = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    options = {name: {o for p in command.params for o in p.opts} for name, command in commands.items()}
    assert [name for name, has in options.items() if not {"--index", "--chroma"} <= has] == ["llm"]
    assert "Every command but `prep llm` takes `--index DIR`" in (ROOT / "README.md").read_text(encoding="utf-8")
    assert "goes with every command but `prep llm`" in (ROOT / "docs" / "team.md").read_text(encoding="utf-8")
