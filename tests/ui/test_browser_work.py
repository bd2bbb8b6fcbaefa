"""Practice and evaluation in a real browser."""

from __future__ import annotations

import re
from pathlib import Path

from playwright.sync_api import Page, expect

from tests.ui.conftest import WAIT, Visit
from tests.ui.runs import write_gold


def reveal(page: Page, typed: str = "") -> None:
    field = page.get_by_label("Your answer")
    expect(field).to_be_focused(timeout=WAIT)
    page.keyboard.type(typed)
    page.keyboard.press("Control+Enter")
    expect(page.locator(".st-key-grades")).to_be_visible(timeout=WAIT)


def test_a_question_is_practised_by_keyboard_alone(own_visit: Visit) -> None:
    """This test ensures that one types, sees marks and the source, grades, and the question stays away."""
    page = own_visit.open("/practice?level=easy")
    expect(page.get_by_role("heading", name="What is a p-value?")).to_be_visible(timeout=WAIT)
    assert "null hypothesis" not in page.locator('[data-testid="stMain"]').inner_text()
    reveal(page, "how often one sees data at least as extreme as the observed")
    answer = page.locator(".st-key-answer")
    expect(answer).to_contain_text("covered A p-value is the probability of data")
    expect(answer).to_contain_text("not found It is not the probability")
    answer.locator(".stMarkdownBadge", has_text="2").click()
    expect(page.locator(".st-key-panel .stMarkdownColoredBackground")).to_have_text(
        "It is not the probability that the null hypothesis is true.", timeout=WAIT
    )
    page.locator(".st-key-panel").focus()
    page.keyboard.press("4")
    expect(page.get_by_text("Nothing is due now.")).to_be_visible(timeout=WAIT)
    assert own_visit.strangers == []


def test_the_questions_chosen_go_to_anki(own_visit: Visit) -> None:
    """This test ensures that the file that is saved is one Anki imports."""
    page = own_visit.open("/practice?on=statistics")
    with page.expect_download(timeout=WAIT) as download:
        page.get_by_role("button", name="Export to Anki").click(timeout=WAIT)
    lines = download.value.path().read_text(encoding="utf-8").splitlines()
    assert lines[0] == "#separator:tab"
    assert "#deck:Prepdesk" in lines
    assert sum("What is a p-value?" in line or "What does the bootstrap" in line for line in lines) == 2


def test_a_hostile_question_does_nothing_in_practice(visit: Visit) -> None:
    """This test ensures that the questions and answers of a hostile document are only text here too."""
    page = visit.open("/practice?on=Quokka%20husbandry")
    reveal(page)
    main = page.locator('[data-testid="stMain"]')
    expect(page.locator(".st-key-panel")).to_contain_text("Quokkas drink rain water", timeout=WAIT)
    assert main.locator("script:not(.st-key-script script), iframe, img, a[href], [onmouseover]").count() == 0
    assert visit.dialogs == []
    assert visit.strangers == []


def test_an_evaluation_is_run_and_read(own_visit: Visit, tmp_path: Path) -> None:
    """This test ensures that a run started on the page shows progress, then its measures, curves and misses."""
    page = own_visit.open("/evaluate")
    page.get_by_text("A gold file", exact=True).click(timeout=WAIT)
    page.get_by_label("Gold file on this machine").fill(str(write_gold(tmp_path / "gold.jsonl")))
    page.get_by_role("button", name="Run", exact=True).click()
    expect(page.get_by_role("button", name="Cancel")).to_be_visible(timeout=WAIT)
    expect(page.get_by_text(re.compile(r"^3 questions · \d+ passages"))).to_be_visible(timeout=4 * WAIT)
    expect(page.locator('[data-testid="stVegaLiteChart"] svg')).to_have_count(2, timeout=WAIT)
    expect(page.get_by_role("cell", name="hybrid")).to_be_visible()
    expect(page.get_by_text("Which way to search is better")).to_be_visible()
    assert own_visit.strangers == []
