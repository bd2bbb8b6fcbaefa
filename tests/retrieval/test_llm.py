"""The client of language models against a scripted server: the wire, retries, and every fault in one sentence."""

from __future__ import annotations

import socket
import sys
import time
from dataclasses import replace
from typing import Any

import pytest

from retrieval.errors import ModelError
from retrieval.llm import DEFAULT_WINDOW, Backend, LanguageModel
from tests.scripted_model import Page, Refuses, Says, Turn, scripted

ASKED = [{"role": "user", "content": "hello"}]
SECRET = "sk-secret-1234567890"


def unused_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def told(*turns: Turn, timeout: float = 5.0, stall: float = 0.3) -> str:
    """Return what is said of a reply that must fail, and check that it fails in time and keeps the key."""
    with scripted(*turns) as server:
        model = LanguageModel(Backend(server.url, "small", SECRET, 4096, timeout, stall))
        started = time.monotonic()
        with pytest.raises(ModelError) as failed:
            "".join(model.write(ASKED, 50))
        assert time.monotonic() - started < timeout + 1
    assert SECRET not in str(failed.value)
    assert "\n" not in str(failed.value)
    return str(failed.value)


def test_a_reply_comes_in_pieces_with_its_tokens() -> None:
    """This test ensures that text streams, that the key and the limits are sent, and no tool is."""
    with scripted(Says("Dropout helps. [1]")) as server:
        model = LanguageModel(Backend(server.url, "small", SECRET, 4096))
        reply = model.write(ASKED, 50)
        pieces = list(reply)
    assert ("".join(pieces), len(pieces) > 1) == ("Dropout helps. [1]", True)
    assert (reply.finish, reply.tokens) == ("stop", (11, 7))
    assert server.keys == [f"Bearer {SECRET}"]
    (request,) = server.requests
    assert (request["model"], request["max_tokens"], request["temperature"]) == ("small", 50, 0.0)
    assert "tools" not in request
    assert "functions" not in request


def test_a_key_is_not_shown_by_its_backend() -> None:
    """This test ensures that printing a backend, as a traceback or a log may, prints no key."""
    assert SECRET not in repr(Backend("http://127.0.0.1:1/v1", "small", SECRET))


@pytest.mark.parametrize(
    ("listed", "window"),
    [
        ({"id": "a", "max_model_len": 8192}, 8192),
        ({"id": "a", "meta": {"n_ctx": 2048}}, 2048),
        ({"id": "a"}, DEFAULT_WINDOW),
    ],
)
def test_name_and_window_are_asked_of_the_server(listed: dict[str, object], window: int) -> None:
    """This test ensures that what the person leaves open comes from the server's list, under each name it goes by."""
    with scripted(Says("x"), models=[listed]) as server:
        chosen = LanguageModel(Backend(server.url)).chosen()
    assert (chosen.name, chosen.window) == ("a", window)


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_busy_server_is_asked_again(status: int) -> None:
    """This test ensures that 429 and 5xx are tried again after a while, longer each time."""
    started = time.monotonic()
    with scripted(Refuses(status), Refuses(status), Says("ready.")) as server:
        assert "".join(LanguageModel(Backend(server.url, "small", window=4096)).write(ASKED, 9)) == "ready."
    assert len(server.requests) == 3
    assert time.monotonic() - started >= 0.5 + 1.0


def test_a_wait_that_the_server_asks_for_is_kept_but_not_past_the_time_out() -> None:
    """This test ensures that Retry-After is heeded, and that an hour of it is not waited for."""
    with scripted(Refuses(429, headers={"Retry-After": "0.1"}), Says("ready.")) as server:
        started = time.monotonic()
        assert "".join(LanguageModel(Backend(server.url, "small", window=4096)).write(ASKED, 9)) == "ready."
        assert 0.1 <= time.monotonic() - started < 0.5
    assert "429" in told(Refuses(429, headers={"Retry-After": "3600"}), timeout=1.0)


@pytest.mark.parametrize(
    ("turn", "words"),
    [
        (Refuses(401, f"Incorrect API key provided: {SECRET}"), "refuses the key"),
        (Refuses(403), "refuses the key"),
        (Refuses(404, "model 'small' not found"), "no model 'small'"),
        (Refuses(400, "This model's maximum context length is 4096 tokens"), "PREP_LLM_WINDOW"),
        (Refuses(400, f"bad {SECRET}"), "status 400"),
        (Refuses(302, headers={"Location": "http://127.0.0.1:1/"}), "status 302"),
        (Says("Half a sen", then="cut"), "broke off"),
        (Says("Half a sen", then="garbage"), "no chat stream"),
        (Says("Half a sen", then="stall"), "gave up waiting"),
        (Says("", then="cut"), "broke off"),
        (Page(), "broke off"),
    ],
)
def test_a_fault_is_one_sentence(turn: Turn, words: str) -> None:
    """This test ensures that each fault of a server is told for what it is, in time, and never with the key."""
    assert words in told(turn)


def test_a_server_that_drips_is_given_up_at_the_time_out() -> None:
    """This test ensures that bytes which are no answer do not keep a reply alive, neither before it nor within."""
    assert "gave up waiting" in told(Says("Half", then="drip"), timeout=2.0, stall=0.5)
    assert "gave up waiting" in told(Says("", then="drip"), timeout=1.0, stall=0.5)


def test_a_stopped_server_and_a_wrong_address_are_told() -> None:
    """This test ensures that nothing at an address, and an address that is none, say what to do."""
    stopped = LanguageModel(Backend(f"http://127.0.0.1:{unused_port()}/v1", "small", window=4096))
    with pytest.raises(ModelError, match=r"nothing answers at .*start the server"):
        "".join(stopped.write(ASKED, 9))
    with pytest.raises(ModelError, match="nothing answers"):
        stopped.served()
    for wrong in ("localhost:11434", "http://127.0.0.1:99999/v1"):
        with pytest.raises(ModelError, match="is no address"):
            LanguageModel(Backend(wrong))


@pytest.mark.parametrize("backend", [Backend("", "small", window=4096), Backend("", "small"), Backend("")])
def test_a_stopped_server_is_tried_a_time_or_two_without_its_client(
    monkeypatch: pytest.MonkeyPatch, backend: Backend
) -> None:
    """This test ensures that refused connections are neither repeated nor waited for, and import no client."""
    port, tried = unused_port(), []
    connect = socket.socket.connect

    def counted(self: socket.socket, address: Any) -> None:
        tried.append((address[1], self.gettimeout()))
        connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", counted)
    monkeypatch.setitem(sys.modules, "openai", None)  # importing it fails
    stopped = LanguageModel(replace(backend, url=f"http://127.0.0.1:{port}/v1"))
    with pytest.raises(ModelError, match="nothing answers"):
        stopped.write(ASKED, 9)
    assert 1 <= len(tried) <= 2
    assert all(tried_port == port and wait is not None and wait <= 5 for tried_port, wait in tried)


def test_a_server_without_models_says_how_to_get_one() -> None:
    """This test ensures that an empty Ollama is told from a stopped one."""
    with scripted(Says("x"), models=[]) as server, pytest.raises(ModelError, match="ollama pull"):
        LanguageModel(Backend(server.url)).chosen()


def test_a_proxy_of_the_environment_is_not_used_for_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """This test ensures that passages meant for a local model do not leave through a proxy."""
    monkeypatch.setenv("HTTP_PROXY", f"http://127.0.0.1:{unused_port()}")
    monkeypatch.delenv("NO_PROXY", raising=False)
    with scripted(Says("here.")) as server:
        assert "".join(LanguageModel(Backend(server.url, "small", window=4096)).write(ASKED, 9)) == "here."


def test_a_reply_without_end_is_cut() -> None:
    """This test ensures that a model that repeats itself is stopped, and that leaving a reply ends its request."""
    with scripted(Says("la " * 20_000)) as server:
        reply = LanguageModel(Backend(server.url, "small", window=4096)).write(ASKED, 9)
        assert len("".join(reply)) < 21_000
        assert reply.finish == "length"
