"""The app's server: the settings that keep it safe, and running it for tests, screenshots and measurements.

The settings stand in `.streamlit/config.toml` too; as flags they hold wherever the app is
started from and whatever a person's own Streamlit configuration says.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from ui.login import LOOPBACK
from ui.shelf import MAX_UPLOAD_MB

APP = Path(__file__).with_name("app.py")
ADDRESS = "127.0.0.1"

FLAGS = (
    "--server.enableCORS=true",
    "--server.enableXsrfProtection=true",
    "--server.enableStaticServing=false",
    "--server.enableAgentApi=false",
    f"--server.maxUploadSize={MAX_UPLOAD_MB}",
    "--server.fileWatcherType=none",
    "--server.showEmailPrompt=false",
    "--browser.gatherUsageStats=false",
    "--client.toolbarMode=minimal",
    "--client.showErrorDetails=none",
    "--client.showErrorLinks=false",
)


def command(port: int, *, headless: bool, host: str = ADDRESS, names: Sequence[str] = LOOPBACK) -> list[str]:
    """Return the command that starts the app on a port, by default for this machine only.

    It answers to `names` alone: a name that someone else's page resolves to this machine (DNS
    rebinding) is no way in.
    """
    more = (f"--server.address={host}", f"--server.port={port}", f"--server.headless={str(headless).lower()}")
    allowed = (f"--server.allowedHosts={name}" for name in names)
    # -P: the folder that it is started in may hold a queue.py.
    return [sys.executable, "-P", "-m", "streamlit", "run", str(APP), *FLAGS, *more, *allowed]


def free_port() -> int:
    """Return a port of this machine that nothing listens on."""
    with socket.socket() as listener:
        listener.bind((ADDRESS, 0))
        return int(listener.getsockname()[1])


@contextmanager
def serving(home: Path, folder: Path, port: int | None = None) -> Iterator[str]:
    """Run the app on a port, by default a free one, with `folder` as its working and home folder; yield its address.

    Raises RuntimeError, with the log, where it does not come up within 30 seconds.
    """
    port = port or free_port()
    log = folder / "server.log"
    environment = {**os.environ, "PREP_INDEX": str(home), "HOME": str(folder)}
    with log.open("w") as out:
        process = subprocess.Popen(
            command(port, headless=True), env=environment, cwd=folder, stdout=out, stderr=subprocess.STDOUT
        )
    address = f"http://{ADDRESS}:{port}"
    try:
        end = time.monotonic() + 30
        while not _healthy(address):
            if process.poll() is not None or time.monotonic() > end:
                raise RuntimeError(f"the app did not start:\n{log.read_text()}")
            time.sleep(0.1)
        yield address
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _healthy(address: str) -> bool:
    try:
        with urllib.request.urlopen(f"{address}/_stcore/health", timeout=1):  # noqa: S310 (our own address)
            return True
    except (urllib.error.URLError, OSError):
        return False
