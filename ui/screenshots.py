"""Screenshots of every page, light and dark: `python -m ui.screenshots [HOME [FOLDER]]`, by default into docs/.

Needs the `dev` extra (playwright) and a Chromium: CHROMIUM, the system's, or Playwright's own.
Where no evaluation is kept in the library, one is run first.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal
from urllib.parse import quote

from retrieval.library import default_home
from retrieval.types import MODES
from ui import evaluation_worker
from ui.evaluations import load_all
from ui.server import serving

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

BROWSER_FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
)
_SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")


@dataclass(frozen=True, slots=True)
class Shot:
    """A page to picture once `sign` stands on it, and `act`, where there is one, was done."""

    name: str
    path: str
    sign: str
    act: Callable[[Page], None] | None = None


def _answer(page: Page) -> None:
    page.get_by_label("Your answer").fill(
        "It tells the model which changes must not alter the answer. It hurts where a change alters the label."
    )
    page.get_by_role("button", name="Show the answer").click()
    page.wait_for_selector(".st-key-grades")


SHOTS = (
    Shot("ask", f"/?q={quote('Why does batch normalization help training?')}", ".st-key-passages"),
    Shot("start", "/", '[class*="st-key-ask-example"]'),
    Shot("abstention", f"/?q={quote('How do I bake sourdough bread?')}", ".st-key-abstention"),
    Shot("topics", "/topics", '[data-testid="stVegaLiteChart"] svg'),
    Shot("topic", "/topics?t=Dropout", '[data-testid="stVegaLiteChart"] svg'),
    Shot("practice", "/practice?on=regularization", '[class*="st-key-mine-"] textarea'),
    Shot("review", "/practice?on=regularization", '[class*="st-key-mine-"] textarea', _answer),
    Shot("evaluate", "/evaluate", '[data-testid="stVegaLiteChart"] svg'),
    Shot("library", "/library", '[data-testid="stDataFrame"]'),
)


def take(home: Path, folder: Path) -> list[Path]:
    """Picture every page of the library at `home` into a folder; return the files."""
    from playwright.sync_api import sync_playwright

    folder.mkdir(parents=True, exist_ok=True)
    found = (os.environ.get("CHROMIUM"), shutil.which("chromium"), shutil.which("google-chrome"))
    path = next((p for p in found if p), None)
    if not load_all(home)[0]:
        evaluation_worker.main([*(f"--mode={mode}" for mode in MODES), "--", str(home)])
    with (
        tempfile.TemporaryDirectory() as elsewhere,
        serving(home, Path(elsewhere)) as address,
        sync_playwright() as playwright,
    ):
        browser = playwright.chromium.launch(executable_path=path, args=list(BROWSER_FLAGS))
        taken = [_take(browser, address, shot, scheme, folder) for scheme in _SCHEMES for shot in SHOTS]
        browser.close()
    return taken


def _take(browser: Browser, address: str, shot: Shot, scheme: Literal["light", "dark"], folder: Path) -> Path:
    context = browser.new_context(viewport={"width": 1280, "height": 860}, color_scheme=scheme)
    page = context.new_page()
    page.goto(address + shot.path)
    page.wait_for_selector(shot.sign, timeout=60_000)
    if shot.act:
        shot.act(page)
    page.wait_for_function('!document.querySelector(\'[data-stale="true"], [data-testid="stSpinner"]\')')
    page.wait_for_timeout(800)  # fonts and the chart's own drawing
    file = folder / f"{shot.name}-{scheme}.png"
    page.screenshot(path=file)
    context.close()
    return file


def main(arguments: Sequence[str]) -> int:
    """Take the screenshots of a library, by default one's own, into a folder, by default docs/."""
    home = Path(arguments[0]) if arguments else Path(os.environ.get("PREP_INDEX") or default_home())
    folder = Path(arguments[1]) if len(arguments) > 1 else Path(__file__).resolve().parents[1] / "docs"
    for file in take(home, folder):
        print(file)
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
