"""`prep --chroma` and the app on a library that a Chroma server keeps."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from pathlib import Path

import pytest

from ingest.pipeline import Report
from retrieval.server_store import ServerStore
from retrieval.store import Home, Store
from tests.chroma_server import ChromaServer, free_port
from tests.test_cli import Prep, check_one_line_error, output, prep
from tests.ui.test_app_ask import run_app, shown
from ui import bootstrap

__all__ = ["prep"]


def test_the_commands_work_on_a_server(
    prep: Prep, notes: Path, chroma_server: ChromaServer, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    """This test ensures that the first minutes of a team work, and that the local library is left alone."""
    database = f"test-{uuid.uuid4().hex[:12]}"
    chroma_server.make_database(database)
    monkeypatch.setenv("PREP_CHROMA_DATABASE", database)
    server = ("--chroma", chroma_server.url)
    check_one_line_error(prep("ask", "x", *server), "there is no library at", "prep ingest --chroma")
    assert output(prep("ingest", notes, "--json", *server))["passages"] == 4
    answer = output(prep("ask", "Why is accuracy misleading on imbalanced data?", "--json", *server))
    assert answer["citations"][0]["source"]["path"] == "bank.yaml"
    assert output(prep("status", "--json", *server))["home"] == f"{chroma_server.url}, database {database}"
    assert prep("doctor", *server).returncode == 0
    assert home.current_name() is None


def test_a_server_that_is_not_there_is_one_line(prep: Prep) -> None:
    """This test ensures that a wrong address is told at once, without a traceback."""
    check_one_line_error(prep("ask", "x", "--chroma", f"http://127.0.0.1:{free_port()}"), "cannot be reached")
    check_one_line_error(prep("ask", "x", "--chroma", "localhost"), "no address of a Chroma server")


@pytest.fixture
def kept_in(server_store: ServerStore) -> Store:
    return server_store


def test_the_app_answers_from_a_server(
    server_store: ServerStore, ingest_notes: Callable[..., Report], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """This test ensures that the page shows an answer with its source, and that a server gone is a sentence."""
    ingest_notes()
    monkeypatch.setenv("PREP_CHROMA", server_store.address.url)
    monkeypatch.setenv("PREP_CHROMA_DATABASE", server_store.address.database)
    (tmp_path / "app").mkdir()
    (tmp_path / "app" / "encoders").symlink_to(server_store.encoders)
    at = run_app(monkeypatch, tmp_path / "app", q="Why is accuracy misleading on imbalanced data?")
    assert "always predicts the majority class" in shown(at)
    served = bootstrap.store()
    assert isinstance(served, ServerStore)
    served.close()
    monkeypatch.setenv("PREP_CHROMA", f"http://127.0.0.1:{free_port()}")
    at = run_app(monkeypatch, tmp_path / "app", q="Why is accuracy misleading on imbalanced data?")
    assert ["cannot be reached" in str(warning.value) for warning in at.warning] == [True]
