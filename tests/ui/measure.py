"""How fast the app is in a browser: `python -m tests.ui.measure HOME`. Prints the table of ui/README.md.

Times are taken inside the page with performance.now(), from the key or click to the frame
after which the awaited text stands in the document, in a headless Chromium without a GPU.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

from retrieval import Library
from tests.browser import find_chromium
from ui.screenshots import BROWSER_FLAGS
from ui.server import serving

_ROUNDS = 20

# Resolves with the milliseconds from now until `query` holds `text`, and one frame more.
_UNTIL = """([query, text, act]) => new Promise((resolve) => {
    const started = performance.now();
    const there = () => [...document.querySelectorAll(query)].some((e) => e.textContent.includes(text));
    const observer = new MutationObserver(() => {
        if (!there()) return;
        observer.disconnect();
        requestAnimationFrame(() => resolve(performance.now() - started));
    });
    observer.observe(document.body, { subtree: true, childList: true, characterData: true });
    act.split('|').forEach((q) => q && document.querySelector(q).click());
})"""


def paint(page: Page, address: str) -> tuple[float, float]:
    """Return milliseconds to the first paint and to the example questions, from the start of the navigation."""
    page.goto(address)
    page.wait_for_selector('[class*="st-key-ask-example"]', timeout=60_000)
    whole = page.evaluate("performance.now()")
    return page.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime"), whole


def ask(page: Page, question: str, answer: str) -> float:
    """Return milliseconds from Enter to the answer in the document."""
    field = page.get_by_label("Your question")
    field.fill(question)
    page.evaluate(
        f"window.waiting = ({_UNTIL})(['.st-key-answer, .st-key-abstention', {answer!r}, '']); null",
    )
    field.press("Enter")
    return float(page.evaluate("window.waiting"))


def row(name: str, values: Sequence[float]) -> str:
    ordered = sorted(values)
    high = ordered[min(len(ordered) - 1, round(0.95 * len(ordered)))]
    return f"| {name} | {statistics.median(values):,.0f} ms | {high:,.0f} ms | {len(values)} |"


def main(home: Path) -> None:
    with Library.open(home) as library:
        count = library.manifest.passages
        some = [h.passage.entry.question for h in library.search("why", 100) if h.passage.entry][:_ROUNDS]
        expected = [library.ask(question) for question in some]
    path = find_chromium()
    lines = [f"{count:,} passages", "| | median | 95 % | times |", "|---|---:|---:|---:|"]
    with tempfile.TemporaryDirectory() as elsewhere, sync_playwright() as playwright:
        started = time.perf_counter()
        with serving(home, Path(elsewhere)) as address:
            lines.append(row("Server up, from the command", [1000 * (time.perf_counter() - started)]))
            browser = playwright.chromium.launch(executable_path=path, args=list(BROWSER_FLAGS))
            page = browser.new_context().new_page()
            lines.append(row("First visit after the start: examples shown", [paint(page, address)[1]]))
            visits = [paint(page.context.new_page(), address) for _ in range(10)]
            lines.append(row("First paint, opened again", [v[0] for v in visits]))
            lines.append(row("Examples shown, opened again", [v[1] for v in visits]))
            page.wait_for_timeout(2000)
            times = []
            for question, answer in zip(some, expected, strict=True):
                sign = answer.sentences[0].text.split()[0] if answer.answered else "does not cover"
                times.append(ask(page, question, sign))
                page.wait_for_timeout(1500)  # who reads the answer asks no sooner
            lines.append(row("Enter to answer", times))
            times = []
            for n in range(_ROUNDS):
                page.goto(f"{address}/?q={some[n]}")
                page.wait_for_selector(".st-key-answer, .st-key-abstention")
                page.wait_for_timeout(600)
                if page.locator(".st-key-cite-2").count():
                    act = ".st-key-cite-2 button"
                    text = page.locator(".st-key-cite-2 button p").first.inner_text().split(" · ")[-1]
                    times.append(float(page.evaluate(_UNTIL, [".st-key-panel", text, act])))
            if times:
                lines.append(row("Click on a citation to its source", times))
            browser.close()
    print("\n".join(lines))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
