"""A real Chroma server (`chroma run`) on loopback, started and stopped by the tests."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path

# What `chroma` does; the command itself may not be on the path of the environment that runs the tests.
_RUN = "import sys; from chromadb.cli.cli import app; sys.argv[0] = 'chroma'; app()"


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@dataclass
class ChromaServer:
    """A server with its data in a folder; it keeps its port over a stop and a start."""

    folder: Path
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def _listening(self) -> list[str]:
        return ["--host", "127.0.0.1", "--port", str(self.port)]

    def start(self) -> None:
        """Start, and wait until it answers."""
        with (self.folder / "server.log").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-c", _RUN, "run", "--path", str(self.folder / "data"), *self._listening],
                stdout=log,
                stderr=log,
            )
        end = time.monotonic() + 60
        while not self._answers():
            assert self.process.poll() is None, (self.folder / "server.log").read_text()
            assert time.monotonic() < end, "the Chroma server did not start within a minute"
            time.sleep(0.05)

    def kill(self) -> None:
        """End it at once, as a crash does."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/api/v2/heartbeat", timeout=2):
                return True
        except (urllib.error.URLError, OSError):
            return False

    def make_database(self, name: str) -> None:
        """Make a database of its own, so that libraries do not meet."""
        request = urllib.request.Request(
            f"{self.url}/api/v2/tenants/default_tenant/databases",
            data=b'{"name": "' + name.encode("ascii") + b'"}',
            headers={"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=10):
            pass
