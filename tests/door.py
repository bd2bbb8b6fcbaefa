"""A door before a Chroma server: what a reverse proxy does that asks for a token, is slow, or leads somewhere else.

Chroma's single-node server has no login of its own, so that this is how teams give it one.
"""

from __future__ import annotations

import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TypeVar

Server = TypeVar("Server", bound=ThreadingHTTPServer)


class Door(ThreadingHTTPServer):
    """Passes requests on to `target` unless `token`, `delay` (seconds) or `page` (status, body) is in the way."""

    daemon_threads = True

    def __init__(self, target: str) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.target = target
        self.token: str | None = None
        self.delay = 0.0
        self.page: tuple[int, bytes] | None = None
        self.seen: list[str | None] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    server: Door

    def _pass_on(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0)) or None
        self.server.seen.append(self.headers.get("Authorization"))
        time.sleep(self.server.delay)
        if self.server.page is not None:
            self._answer(*self.server.page)
        elif self.server.token is not None and self.headers.get("Authorization") != f"Bearer {self.server.token}":
            self._answer(401, b"who are you?")
        else:
            request = urllib.request.Request(self.server.target + self.path, body, method=self.command)
            request.add_header("Content-Type", "application/json")
            try:
                with urllib.request.urlopen(request, timeout=30) as response:
                    self._answer(response.status, response.read())
            except urllib.error.HTTPError as error:
                with error:
                    self._answer(error.code, error.read())

    do_GET = do_POST = do_PUT = do_DELETE = _pass_on  # noqa: N815 (http.server's names)

    def _answer(self, status: int, body: bytes) -> None:
        try:
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
        except OSError:
            return  # the client did not wait

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def opened_door(target: str) -> Iterator[Door]:
    with serving(Door(target)) as door:
        yield door


@contextmanager
def serving(server: Server) -> Iterator[Server]:
    """Serve in a thread of this process, and stop at the end."""
    with server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
