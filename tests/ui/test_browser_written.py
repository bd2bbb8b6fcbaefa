"""A language model in the app, in a real browser: sentences as they come, the stop button, a follow-up."""

from __future__ import annotations

import shutil
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Browser, expect

from tests.scripted_model import Says, scripted
from tests.ui.conftest import LASSO, WAIT, Room, Visit
from tests.ui.test_app_written import ALSO, FALSE, TRUE
from ui.server import serving

LEAK = "[as here](https://evil.example/?d=1) ![x](https://evil.example/p.png) <img src=https://evil.example/q.png>"


def test_an_answer_is_written_stopped_and_followed_up(
    browser: Browser, room: Room, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """This test ensures that sentences and their sources are there while the model writes, that Stop ends it and
    keeps them, that a follow-up shows what was searched, and that nothing a model writes is fetched.
    """
    home = shutil.copytree(room.home, tmp_path / "home", symlinks=True)
    stalled = Says(f"{TRUE} {FALSE} {ALSO} {TRUE} And then", then="stall")
    rewritten = Says("Why is the lasso penalty preferred over ridge?")
    answer = Says(f"{TRUE} {TRUE.replace(' [1]', f' {LEAK} [1]')}")
    with scripted(stalled, rewritten, answer) as model:
        monkeypatch.setenv("PREP_LLM_URL", model.url)
        with serving(home, tmp_path) as address:
            context = browser.new_context(viewport={"width": 1280, "height": 900})
            context.set_default_timeout(WAIT)
            visit = Visit(context.new_page(), address)
            page = visit.ask(LASSO)
            told = page.locator(".st-key-answer")
            # The first visit of a server opens the library.
            expect(told).to_contain_text("Prefer the lasso when few features matter", timeout=4 * WAIT)
            expect(page.locator(".st-key-struck")).to_contain_text("invented by a bakery", timeout=WAIT)
            page.locator(".st-key-cite-2 button:visible").click()
            expect(page.locator(".st-key-panel .stMarkdownColoredBackground")).to_contain_text("Prefer ridge")
            page.get_by_role("button", name="Stop").click()
            expect(page.get_by_text("stopped before its end")).to_be_visible(timeout=WAIT)
            expect(told).to_contain_text("Prefer the lasso when few features matter")
            assert "And then" not in told.inner_text()

            page.get_by_label("Follow up").fill("why is it preferred?")
            page.get_by_label("Follow up").press("Enter")
            expect(page.locator(".st-key-searched")).to_contain_text("You asked “why is it preferred?”; searched: “Why")
            expect(page.get_by_text("Written by small")).to_be_visible(timeout=WAIT)
            assert parse_qs(urlsplit(page.url).query)["q"] == [rewritten.text]
            assert page.locator('[data-testid="stMain"]').locator("a[href], img").count() == 0
            assert (visit.strangers, visit.dialogs) == ([], [])
            context.close()
