"""Whom a page keeps out, in a real browser: contrast, axe-core, a narrow window, on every page in light and dark."""

from __future__ import annotations

import json
from typing import Literal
from urllib.parse import quote

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from tests.ui.conftest import LASSO, WAIT, WIDTH
from tests.ui.test_browser_work import reveal

PAGES = {  # what stands on every page once it is drawn
    f"/?q={quote(LASSO)}": ".st-key-panel .stMarkdownColoredBackground",
    f"/?q={quote('Which visa do I need for a layover in Doha?')}": ".st-key-abstention",
    "/topics?t=Regularization": '[data-testid="stVegaLiteChart"] svg',
    "/practice": "textarea",
    "/evaluate": '[data-testid="stVegaLiteChart"] svg',
    "/library": '[data-testid="stDataFrame"]',
}


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_page_keeps_anybody_out(browser: Browser, address: str, scheme: Literal["light", "dark"]) -> None:
    """This test ensures that every visible text has a contrast of 4.5 to 1, that axe-core finds nothing serious, and
    that a window of 380 pixels needs no sideways scrolling.
    """
    context = browser.new_context(color_scheme=scheme)
    page = context.new_page()
    for path, sign in PAGES.items():
        page.set_viewport_size({"width": 1280, "height": 900})
        page.goto(address + path)
        expect(page.locator(sign).first).to_be_visible(timeout=WAIT)
        background = page.evaluate("getComputedStyle(document.querySelector('.stApp')).backgroundColor")
        assert background == ("rgb(251, 249, 245)" if scheme == "light" else "rgb(25, 24, 23)")
        _check_readable(page, path)
        if path == "/practice":
            reveal(page, "weights")
            _check_readable(page, "the answer of a question to practise")
        if scheme == "light":
            page.set_viewport_size({"width": 380, "height": 780})
            page.wait_for_function(f"{WIDTH} <= 380", timeout=5000)
    context.close()


def _check_readable(page: Page, where: str) -> None:
    expect(page.locator('[data-stale="true"], [data-testid="stSpinner"]')).to_have_count(0, timeout=WAIT)
    for _ in range(10):  # elements fade in
        if not (faint := page.evaluate(CONTRAST)):
            break
        page.wait_for_timeout(300)
    assert faint == [], where
    assert _serious(page) == [], where


def _serious(page: Page) -> list[str]:
    found = Axe().run(page).response["violations"]
    return [
        f"{v['id']}: {json.dumps([n['html'][:200] for n in v['nodes'][:3]])}"
        for v in found
        if v["impact"] in ("serious", "critical")
    ]


CONTRAST = """() => {
    const parse = (color) => {
        const canvas = document.createElement('canvas'); canvas.width = canvas.height = 1;
        const pen = canvas.getContext('2d'); pen.fillStyle = color; pen.fillRect(0, 0, 1, 1);
        const [r, g, b, a] = pen.getImageData(0, 0, 1, 1).data; return [r, g, b, a / 255];
    };
    const over = (top, below) => [0, 1, 2].map((i) => top[i] * top[3] + below[i] * (1 - top[3])).concat(1);
    const light = (color) => {
        const [r, g, b] = color.map((v) => { v /= 255; return v <= .03928 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4; });
        return .2126 * r + .7152 * g + .0722 * b;
    };
    const found = [];
    const walker = document.createTreeWalker(document.querySelector('[data-testid="stApp"]'), NodeFilter.SHOW_TEXT);
    for (let node; (node = walker.nextNode());) {
        const box = node.parentElement;
        const words = node.textContent.trim();
        if (!words || !box.checkVisibility({ opacityProperty: true, visibilityProperty: true })) continue;
        if (box.closest('script, style, .katex-mathml, [data-testid="stIconMaterial"]')) continue;
        if (!box.getClientRects().length) continue;
        const chain = []; for (let e = box; e; e = e.parentElement) chain.unshift(e);
        let below = [255, 255, 255, 1], opacity = 1;
        for (const e of chain) {
            const style = getComputedStyle(e);
            opacity *= Number(style.opacity);
            below = over(parse(style.backgroundColor), below);
        }
        const ink = parse(getComputedStyle(box).color); ink[3] *= opacity;
        const [a, b] = [light(over(ink, below)), light(below)].sort((x, y) => y - x);
        const contrast = (a + .05) / (b + .05);
        if (contrast < 4.5) found.push([words.slice(0, 40), contrast.toFixed(2)]);
    }
    return found;
}"""
