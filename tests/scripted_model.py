"""A small server that speaks OpenAI's chat protocol and plays what a test gives it: answers, and every fault."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True)
class Says:
    """Streams a text in pieces; `then` is what the end is like: stop, length, cut (no end), stall, drip or garbage."""

    text: str
    then: str = "stop"


@dataclass(frozen=True)
class Refuses:
    """Answers with a status."""

    status: int
    message: str = "no"
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Page:
    """Answers every chat with a web page, as a wrong address would."""


Turn = Says | Refuses | Page


class ScriptedModel:
    """Plays `turns` in order, the last one again and again; keeps the requests it got."""

    def __init__(self, turns: Sequence[Turn], models: Sequence[dict[str, Any]]) -> None:
        self.turns = list(turns)
        self.models = list(models)
        self.requests: list[dict[str, Any]] = []
        self.keys: list[str] = []
        self.ended = threading.Event()
        self.url = ""

    def next_turn(self) -> Turn:
        return self.turns.pop(0) if len(self.turns) > 1 else self.turns[0]


@contextmanager
def scripted(*turns: Turn, models: Sequence[dict[str, Any]] = ({"id": "small"},)) -> Iterator[ScriptedModel]:
    """Serve on loopback while the block runs."""
    model = ScriptedModel(turns, models)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, format: str, *args: Any) -> None:
            pass

        def do_GET(self) -> None:
            self._whole(200, json.dumps({"object": "list", "data": [{"object": "model", **m} for m in model.models]}))

        def do_POST(self) -> None:
            length = int(self.headers["Content-Length"])
            model.requests.append(json.loads(self.rfile.read(length)))
            model.keys.append(self.headers.get("Authorization", ""))
            turn = model.next_turn()
            if isinstance(turn, Refuses):
                self._whole(turn.status, json.dumps({"error": {"message": turn.message}}), **turn.headers)
            elif isinstance(turn, Page):
                self._whole(200, "<html><body>Welcome to nginx</body></html>", kind="text/html")
            else:
                with suppress(BrokenPipeError, ConnectionResetError):  # the client may leave
                    self._stream(turn)
                self.close_connection = True

        def _whole(self, status: int, body: str, kind: str = "application/json", **headers: str) -> None:
            data = body.encode()
            self.send_response(status)
            for name, value in {"Content-Type": kind, "Content-Length": str(len(data)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(data)

        def _stream(self, turn: Says) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/event-stream")
            self.send_header("Connection", "close")
            self.end_headers()
            for start in range(0, len(turn.text), 7):
                self._event({"delta": {"content": turn.text[start : start + 7]}, "finish_reason": None})
            if turn.then in ("stop", "length"):
                self._event({"delta": {}, "finish_reason": turn.then})
                self._event(None, usage={"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18})
                self._line("data: [DONE]")
            elif turn.then == "garbage":
                self._line("data: {]")
            elif turn.then == "stall":
                model.ended.wait(30)
            elif turn.then == "drip":
                while not model.ended.wait(0.05):
                    self._line(": still here")

        def _event(self, choice: dict[str, Any] | None, **more: Any) -> None:
            choices = [{"index": 0, **choice}] if choice else []
            chunk = {"id": "1", "object": "chat.completion.chunk", "created": 1, "model": "small", "choices": choices}
            self._line("data: " + json.dumps(chunk | more))

        def _line(self, text: str) -> None:
            self.wfile.write(f"{text}\n\n".encode())
            self.wfile.flush()

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    model.url = f"http://127.0.0.1:{server.server_port}/v1"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield model
    finally:
        model.ended.set()
        server.shutdown()
        server.server_close()
        thread.join()
