"""The commands that use a language model, from outside, against a scripted server and with it stopped."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from retrieval.store import Home
from tests.retrieval.test_llm import unused_port
from tests.retrieval.test_written import FALSE, QUESTION, TRUE
from tests.scripted_model import Refuses, Says, scripted
from tests.test_cli import Prep, check_one_line_error, check_wrong_option, environment, output, prep

__all__ = ["prep"]

NEVER_IMPORTED = """
import sys
from ui.cli import app
app(["ask", "What does dropout do?", "--json"], standalone_mode=False)
print([m for m in ("openai", "mcp", "keyring") if m in sys.modules], file=sys.stderr)
"""


def test_asking_with_and_without_a_model(
    prep: Prep, ingested: None, home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    """This test ensures that a named model writes with marks, that --no-llm quotes, and JSON keeps its shape."""
    plain = output(prep("ask", QUESTION, "--json"))
    with scripted(Says(f"{TRUE} {TRUE} {FALSE}")) as server:
        monkeypatch.setenv("PREP_LLM_URL", server.url)
        shown = prep("ask", QUESTION)
        written = output(prep("ask", QUESTION, "--json"))
        quoted = output(prep("ask", QUESTION, "--no-llm", "--json"))
        tried = output(prep("llm", "--json"))
    assert shown.returncode == 0, shown.stderr
    assert "(unsupported: the passage it cites does not say this)" in shown.stdout
    assert "[1] regularization.md" in shown.stdout
    assert set(plain) <= set(written)
    assert [s["mark"] for s in written["answer"]] == ["supported", "supported", "unsupported"]
    assert written["writing"]["model"] == "small"
    assert quoted == plain
    assert (tried["model"], tried["models"], tried["url"]) == ("small", ["small"], server.url)


def test_a_stopped_server_costs_little_and_says_so(prep: Prep, ingested: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """This test ensures that without its server `ask --llm` quotes, with one line on stderr and nothing else there."""
    plain = output(prep("ask", QUESTION, "--json"))
    monkeypatch.setenv("PREP_LLM_URL", f"http://127.0.0.1:{unused_port()}/v1")
    monkeypatch.setenv("PREP_LLM_MODEL", "small")
    done = prep("ask", QUESTION, "--llm", "--json")
    assert {k: v for k, v in output(done).items() if k != "writing"} == plain
    (line,) = done.stderr.splitlines()
    assert line.startswith("prep: nothing answers at http://127.0.0.1:")
    assert line.endswith("this answer is quoted, not written")


def test_what_is_set_wrongly_is_one_line(prep: Prep, ingested: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """This test ensures that a missing address, a wrong number, a wrong key and a missing model say what to do."""
    check_one_line_error(prep("ask", QUESTION, "--llm"), "PREP_LLM_URL", "11434")
    check_one_line_error(prep("llm"), "PREP_LLM_URL")
    monkeypatch.setenv("PREP_LLM_URL", "localhost")
    check_one_line_error(prep("ask", QUESTION), "localhost", "http://")
    monkeypatch.setenv("PREP_LLM_KEY", "sk-secret-77")
    with scripted(Refuses(401, "wrong key sk-secret-77")) as server:
        monkeypatch.setenv("PREP_LLM_URL", server.url)
        done = prep("llm")
        check_one_line_error(done, "refuses the key")
        assert "sk-secret-77" not in done.stderr + done.stdout
        monkeypatch.setenv("PREP_LLM_MODEL", "other")
        check_one_line_error(prep("llm"), "no model 'other'", "small")
        monkeypatch.setenv("PREP_LLM_WINDOW", "many")
        check_one_line_error(prep("llm"), "PREP_LLM_WINDOW", "many")


def test_eval_measures_what_answers_cite(
    prep: Prep, ingested: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """This test ensures that --answers measures quotes without a model, written answers with one, and says which."""
    quote = "Dropout sets each activation to zero with probability p during training, so that units cannot co-adapt."
    span = {"path": "regularization.md", "quote": quote}
    rows = [{"_id": "1", "text": QUESTION, "slice": "s", "spans": [span]}, {"_id": "2", "text": "x", "slice": "far"}]
    gold = tmp_path / "gold.jsonl"
    gold.write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert "citing" not in output(prep("eval", gold, "--json"))
    quoted = output(prep("eval", gold, "--answers", "--json"))["citing"]
    assert (quoted["model"], quoted["recall"]["mean"], quoted["precision"]["mean"]) == (None, 1.0, 1.0)
    with scripted(Says(f"{TRUE} {FALSE}")) as server:
        monkeypatch.setenv("PREP_LLM_URL", server.url)
        written = output(prep("eval", gold, "--answers", "--json"))
        shown = prep("eval", gold, "--answers").stdout
    assert (written["citing"]["model"], written["citing"]["written"]) == ("small", 1)
    assert written["citing"]["recall"]["mean"] == 0.5
    assert written["answers"]["containment"]["mean"] == 1.0
    assert "1 written by small, 0 fell back" in shown
    check_wrong_option(prep("eval", gold, "--llm"), "--answers")
    check_wrong_option(prep("eval", "--own", "--answers"), "--own")


def test_a_conversation_searches_what_it_shows(home: Home, prep: Prep, ingested: None) -> None:
    """This test ensures that `prep chat` answers line by line, carries the topic over, and ends with its input."""
    talk = "What is dropout?\nwhy does it help?\n\n"
    command = [sys.executable, "-m", "ui.cli", "chat"]
    done = subprocess.run(
        command, input=talk, capture_output=True, text=True, env=environment(home), timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "Searched: why does it help? (about: dropout)" in done.stdout
    assert done.stdout.count("Dropout sets each activation to zero") >= 1


def test_without_a_model_nothing_of_it_is_loaded(home: Home, prep: Prep, ingested: None) -> None:
    """This test ensures that a cold question does not pay for clients that it does not use."""
    command = [sys.executable, "-c", NEVER_IMPORTED]
    done = subprocess.run(command, capture_output=True, text=True, env=environment(home), timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stderr.splitlines()[-1] == "[]"
    assert json.loads(done.stdout)["answered"] is True


@pytest.fixture
def ingested(prep: Prep, notes: object) -> None:
    prep("ingest", str(notes))
