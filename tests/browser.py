"""A Chromium for the browser tests: the system's, else Playwright's own, else (as root on Debian) by apt.

`python -m tests.browser` makes sure that there is one and prints its path; the tests call
`find_chromium` and fail without one.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path


def find_chromium() -> str | None:
    """Return the path of a Chromium that can be started, None where there is none."""
    named = os.environ.get("CHROMIUM")
    system = (shutil.which(name) for name in ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable"))
    return next((path for path in (named, *system, _playwrights()) if path and Path(path).exists()), None)


def _playwrights() -> str | None:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        return playwright.chromium.executable_path


def _by_playwright() -> None:
    subprocess.run([sys.executable, "-m", "playwright", "install", "chromium"], check=False, timeout=600)


def _by_apt() -> None:
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        return
    subprocess.run(["apt-get", "update", "-qq"], check=False, timeout=600)
    subprocess.run(["apt-get", "install", "-y", "-qq", "chromium"], check=False, timeout=1200)


def main() -> int:
    """Find a Chromium, else install one; return 1 where none can be had."""
    ways: tuple[Callable[[], None], ...] = (lambda: None, _by_playwright, _by_apt)
    for way in ways:
        way()
        if path := find_chromium():
            print(f"browser: {path}")
            return 0
    print("no Chromium for the browser tests: install one, or set CHROMIUM to its path", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
