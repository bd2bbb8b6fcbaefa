"""The app in a real browser, on the real server: what a person does, and what a hostile document must not do."""

from __future__ import annotations

from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import parse_qs, quote, urlsplit

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.ui.conftest import LASSO, WAIT, WIDTH, Visit


def marked(page: Page) -> str:
    """Return the text of the marks in the source panel."""
    expect(page.locator(".st-key-panel .stMarkdownColoredBackground").first).to_be_visible(timeout=WAIT)
    return " ".join(page.locator(".st-key-panel .stMarkdownColoredBackground").all_inner_texts())


def test_asking_and_opening_a_citation_shows_the_marked_span(visit: Visit) -> None:
    """This test ensures that one types, presses Enter, and a click on a number in the text marks its source."""
    page = visit.open()
    field = page.get_by_label("Your question")
    expect(field).to_be_focused(timeout=WAIT)
    page.keyboard.type(LASSO)
    page.keyboard.press("Enter")
    expect(page.locator(".st-key-answer")).to_contain_text("Prefer the lasso when few features matter", timeout=WAIT)
    assert marked(page) == "Prefer the lasso when few features matter and a sparse model is wanted."
    page.locator(".st-key-answer .stMarkdownBadge", has_text="2").click()
    mark = page.locator(".st-key-panel .stMarkdownColoredBackground")
    expect(mark).to_contain_text("Prefer ridge regression when many features matter a little", timeout=WAIT)
    panel, answer = page.locator(".st-key-panel").bounding_box(), page.locator(".st-key-answer").bounding_box()
    assert panel
    assert answer
    assert panel["x"] >= answer["x"] + answer["width"], "the source stands beside the answer"
    assert visit.strangers == []


def test_the_address_of_a_question_opens_the_same_answer(visit: Visit, browser: Browser) -> None:
    """This test ensures that a question has an address, and the address, opened anew, the same answer and source."""
    page = visit.open()
    page.get_by_label("Your question").fill(LASSO)
    page.keyboard.press("Enter")
    expect(page.locator(".st-key-answer")).to_contain_text("Prefer the lasso", timeout=WAIT)
    page.locator(".st-key-cite-2 button:visible").click()
    expect(page.locator(".st-key-panel")).to_contain_text("Prefer ridge", timeout=WAIT)
    page.wait_for_url("**c=2**")
    assert parse_qs(urlsplit(page.url).query)["q"] == [LASSO]
    told = page.locator(".st-key-answer").inner_text()
    again = browser.new_page()
    again.goto(page.url)
    expect(again.locator(".st-key-answer")).to_have_text(
        page.locator(".st-key-answer").text_content() or "", timeout=WAIT
    )
    assert again.locator(".st-key-answer").inner_text() == told
    assert marked(again) == marked(page)
    again.close()


def test_keys_lead_from_the_field_to_the_sources(visit: Visit) -> None:
    """This test ensures that arrows walk the citations, Enter opens one, and / comes back to the field."""
    page = visit.ask(LASSO)
    expect(page.locator(".st-key-cite-2 button:visible")).to_be_visible(timeout=WAIT)
    expect(page.get_by_label("Your question")).to_be_focused()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowRight")
    expect(page.locator(".st-key-cite-2 button:visible")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator(".st-key-panel .stMarkdownColoredBackground")).to_contain_text("Prefer ridge", timeout=WAIT)
    page.keyboard.press("/")
    expect(page.get_by_label("Your question")).to_be_focused()


def test_a_pdf_citation_shows_the_right_page_with_the_quote_marked(visit: Visit) -> None:
    """This test ensures that page 2 is drawn, and drawn with yellow on it."""
    page = visit.ask("What is the Kalman gain?")
    picture = page.locator('.st-key-panel img[alt="Page 2 of Estimation handbook, the quote marked"]')
    expect(picture).to_be_visible(timeout=WAIT)
    expect(page.locator(".st-key-panel")).to_contain_text("Page 2 of 6")
    yellow = picture.evaluate(
        """async (image) => {
            await image.decode();
            const canvas = document.createElement('canvas');
            canvas.width = image.naturalWidth; canvas.height = image.naturalHeight;
            const pen = canvas.getContext('2d');
            pen.drawImage(image, 0, 0);
            const { data } = pen.getImageData(0, 0, canvas.width, canvas.height);
            let count = 0;
            for (let i = 0; i < data.length; i += 4) count += data[i] > 240 && data[i + 1] > 190 && data[i + 2] < 120;
            return count / (data.length / 4);
        }"""
    )
    assert 0.001 < yellow < 0.2


def test_a_passage_opened_from_the_list_is_marked_in_its_page(visit: Visit) -> None:
    """This test ensures that any passage found, cited or not, is one click from its page, and marked there."""
    page = visit.open(
        f"/?q={quote('What ratio is the Kalman gain, and when does the filter trust the measurement?')}&c=p1"
    )
    picture = page.locator('.st-key-panel img[alt="Page 2 of Estimation handbook, the quote marked"]')
    expect(picture).to_be_visible(timeout=WAIT)
    expect(page.locator(".st-key-panel")).to_contain_text("Page 2 of 6")


def test_a_hostile_document_does_nothing(visit: Visit) -> None:
    """This test ensures that scripts, links, images and formulas of a document run nothing and fetch nothing."""
    questions = (
        "When do quokkas eat leaves?",
        "What do quokkas drink daily?",
        "Where do quokkas sleep at noon?",
    )
    for question in questions:
        page = visit.open(f"/?q={quote(question)}&c=p1")
        expect(page.locator(".st-key-panel")).to_contain_text("Quokka", timeout=WAIT)
        main = page.locator('[data-testid="stMain"]')
        assert main.locator("script:not(.st-key-script script)").count() == 0
        assert main.locator("iframe, object, embed, svg[onload], [onerror], [onmouseover]").count() == 0
        assert main.locator("a[href]").count() == 0
        assert main.locator("img").count() == 0
        page.locator(".st-key-passages summary").first.click()
    page.wait_for_timeout(500)
    assert "<script>alert('inline')</script>" in page.locator(".st-key-panel").inner_text()
    assert "alert('math')" not in page.locator('[data-testid="stMain"] .katex a').all_inner_texts()
    assert visit.dialogs == []
    assert visit.strangers == []


def test_a_hostile_question_in_the_address_is_only_text(visit: Visit) -> None:
    """This test ensures that markup in `?q=` is shown in the field and nowhere run."""
    page = visit.ask("<img src=http://evil.invalid/x onerror=alert(1)> ![a](http://evil.invalid/y) lasso")
    expect(page.locator('[data-testid="stMain"]')).to_contain_text("passages", timeout=WAIT)
    page.locator(".st-key-history button").click()
    expect(page.locator('[class*="st-key-ask-history"]').first).to_be_visible()
    assert page.locator('[data-testid="stApp"] img').count() == 0
    assert visit.dialogs == []
    assert visit.strangers == []


@pytest.mark.parametrize(("host", "status"), [("", 101), ("evil.invalid", 403)])
def test_the_app_answers_to_its_own_name_only(address: str, host: str, status: int) -> None:
    """This test ensures that a page which resolves its own name to this machine cannot read the library."""
    here = urlsplit(address)
    assert here.port
    connection = HTTPConnection("127.0.0.1", here.port, timeout=10)
    headers = {
        "Host": host or here.netloc,
        "Origin": address,
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Protocol": "streamlit",
    }
    connection.request("GET", "/_stcore/stream", headers=headers)
    assert connection.getresponse().status == status
    connection.close()


def test_an_answer_can_be_taken_along_as_markdown(visit: Visit) -> None:
    """This test ensures that the export holds the answer and its sources."""
    page = visit.ask(LASSO)
    with page.expect_download() as download:
        page.get_by_role("button", name="Export").click()
    text = download.value.path().read_text(encoding="utf-8")
    assert download.value.suggested_filename == "when-do-you-prefer-the-lasso-over-ridge-regression.md"
    assert text.startswith(f"# {LASSO}\n\nPrefer the lasso when few features matter and a sparse model is wanted. [1]")
    assert "(guides/regularization.md)" in text


def test_a_narrow_window_needs_no_sideways_scrolling(browser: Browser, address: str) -> None:
    """This test ensures that on 380 pixels an answer can be read and its source opened; the other pages are in
    test_browser_access.
    """
    context = browser.new_context(viewport={"width": 380, "height": 780})
    page = context.new_page()
    page.goto(f"{address}/?q={quote(LASSO)}")
    expect(page.locator(".st-key-answer")).to_contain_text("Prefer the lasso", timeout=WAIT)
    page.locator(".st-key-cite-2 button:visible").click()
    expect(page.locator(".st-key-panel")).to_be_in_viewport(timeout=WAIT)
    assert page.evaluate(WIDTH) <= 380
    context.close()


def test_an_uploaded_file_can_be_asked(browser: Browser, own_address: str) -> None:
    """This test ensures that a file is read while one watches, and answers; its name cannot leave the uploads."""
    page = browser.new_page()
    page.goto(f"{own_address}/library")
    page.get_by_text("Add to the library").first.click()
    note = "# Zeppelins\n\n## What does the galley boil?\n\nIt boils dumplings with steam from the engine at noon.\n"
    files = [{"name": "zeppelin.md", "mimeType": "text/markdown", "buffer": note.encode()}]
    page.locator('[data-testid="stFileUploaderDropzoneInput"]').set_input_files(files)  # type: ignore[arg-type]
    expect(page.get_by_text("zeppelin.md")).to_be_visible(timeout=WAIT)
    page.get_by_role("button", name="Add to the library").click()
    expect(page.get_by_text("Done: 1 new")).to_be_visible(timeout=WAIT)
    page.goto(f"{own_address}/?q={quote('What does the galley boil?')}")
    expect(page.locator(".st-key-panel")).to_contain_text("zeppelin.md", timeout=WAIT)
    assert "boils dumplings" in marked(page)
    page.close()


def test_a_running_ingest_can_be_cancelled(browser: Browser, own_address: str, tmp_path: Path) -> None:
    """This test ensures that after a cancel nothing has changed and the app answers as before."""
    for n in range(300):
        text = f"# Note {n}\n\n" + " ".join(f"Zebra {n} crosses river {n * k} at hour {k}." for k in range(60))
        (tmp_path / f"note-{n}.md").write_text(text, encoding="utf-8")
    page = browser.new_page()
    page.goto(f"{own_address}/library")
    page.get_by_text("Add to the library").first.click()
    page.get_by_role("tab", name="Add a folder").click()
    page.get_by_label("Folder on this machine").fill(str(tmp_path))
    page.get_by_role("button", name="Read this folder").click()
    expect(page.get_by_text("Embedding passages")).to_be_visible(timeout=WAIT)
    page.get_by_role("button", name="Cancel").click()
    expect(page.get_by_text("Cancelled. Nothing in the library has changed.")).to_be_visible(timeout=WAIT)
    page.goto(f"{own_address}/?q={quote(LASSO)}")
    expect(page.locator(".st-key-answer")).to_contain_text("Prefer the lasso", timeout=WAIT)
    page.close()


def test_a_click_on_the_map_opens_the_topic(visit: Visit) -> None:
    """This test ensures that a dot leads to its topic, with related ones and questions to practise."""
    page = visit.open("/topics")
    dots = page.locator('[data-testid="stVegaLiteChart"] .mark-symbol path[aria-label*="Regularization"]')
    expect(dots).to_be_visible(timeout=WAIT)
    dots.click()
    expect(page.get_by_role("heading", name="Regularization")).to_be_visible(timeout=WAIT)
    expect(page.get_by_role("button", name=LASSO)).to_be_visible()
    page.get_by_role("button", name=LASSO).click()
    expect(page.locator(".st-key-answer")).to_contain_text("Prefer the lasso", timeout=WAIT)
    assert visit.strangers == []
