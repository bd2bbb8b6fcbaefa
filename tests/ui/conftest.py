"""A small library of every format the app shows, one hostile document among it, built once a session."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, urlsplit

import pytest
from playwright.sync_api import Browser, Dialog, Page, Request, sync_playwright

from ingest.pipeline import ingest
from retrieval.encoder import Encoder
from retrieval.store import Home
from tests.browser import find_chromium
from tests.ui.runs import evaluate, write_gold
from ui.screenshots import BROWSER_FLAGS
from ui.server import serving

REGULARIZATION = r"""---
title: Regularization
area: machine-learning
tags: [lasso, ridge]
---
# Regularization

## Penalties

Regularization trades a little bias for a larger drop in variance.
The lasso penalty sets weak weights to exactly zero, so it selects features.
Ridge regression shrinks all weights and keeps correlated features together.
Its objective is $\|y - Xw\|^2 + \lambda \|w\|^2$.

| Penalty | Effect |
|---|---|
| lasso | sparse weights |
| ridge | small weights |

## Interview questions

### When do you prefer the lasso over ridge regression?

Prefer the lasso when few features matter and a sparse model is wanted.
Prefer ridge regression when many features matter a little or are strongly correlated.

### Why standardize features before a penalty?

The penalty compares weights, and weights depend on the units of their features.
Without standardization a feature in small units is punished for its units alone.
"""

TRAINING = """---
title: Training networks
area: deep-learning
tags: [dropout, optimizer]
---
# Training networks

## Dropout

Dropout sets each activation to zero with a fixed probability during training.
No unit can then rely on the presence of any other unit, which works against overfitting.

```python
layer = torch.nn.Dropout(p=0.5)
hidden = layer(hidden)
```

## Learning rate warmup

Warmup raises the learning rate slowly over the first steps.
The reason is that the early gradients of a transformer are large and noisy.
"""

BANK = """questions:
  - question: What does the bootstrap estimate?
    answer: >-
      The bootstrap estimates the sampling distribution of a statistic by drawing many samples with replacement
      from the data at hand and computing the statistic on each of them.
    category: statistics
    difficulty: hard
  - question: What is a p-value?
    answer: >-
      A p-value is the probability of data at least as extreme as those observed if the null hypothesis were true.
      It is not the probability that the null hypothesis is true.
    category: statistics
    difficulty: easy
"""

HOSTILE = """# Quokka husbandry

The quokka handbook says that quokkas eat leaves at dusk. <script>alert('inline')</script> Quokkas sleep in the shade
at noon <img src=x onerror="alert('image')"> and visit [the burrow](javascript:alert('link')) by night.

![track](http://tracker.invalid/pixel.png) ![data](data:image/svg+xml;base64,PHN2Zy8+)

<iframe src="http://frame.invalid/"></iframe>
<svg onload="alert('svg')"></svg>

Quokkas :red[bleed] ink, $\\href{javascript:alert('math')}{x}$ and $\\includegraphics{http://math.invalid/a.png}$,
see http://bare.invalid/page and <http://auto.invalid/page> or write to me@mail.invalid please.

### What do quokkas ![icon](http://label.invalid/icon.png) drink <b onmouseover=alert(1)>daily</b>?

Quokkas drink rain water that gathers in the hollows of rocks. <script>alert('answer')</script>
"""

# A chapter on one subject, since what is answered must stand in a library that covers it.
PDF_PAGES = (
    "The Kalman gain of a Kalman filter is introduced on this page with the notation for the rest of the book.",
    (
        "What is the Kalman gain? The Kalman gain is the ratio of the uncertainty of the state to the total "
        "uncertainty of state and measurement. A large Kalman gain means that the Kalman filter trusts the "
        "measurement, a small Kalman gain means that it trusts its own prediction."
    ),
    "The extended Kalman filter computes its Kalman gain from a model that is made linear around the estimate.",
    "The Kalman gain of a steady Kalman filter converges, and then it can be computed before any measurement comes.",
    "In tuning a Kalman filter, a Kalman gain that stays near zero is a sign of too small a process noise.",
    "Robust Kalman filters limit the Kalman gain where a measurement is far from what was predicted.",
)


WAIT = 30_000  # milliseconds
WIDTH = "document.querySelector('[data-testid=\"stMain\"]').scrollWidth"
LASSO = "When do you prefer the lasso over ridge regression?"


class Visit:
    """A page with a record of what it asked for beyond this machine, and of what popped up."""

    def __init__(self, page: Page, address: str) -> None:
        self.page = page
        self.address = address
        self.strangers: list[str] = []
        self.dialogs: list[str] = []
        page.on("request", self._note)
        page.on("dialog", self._dismiss)

    def _note(self, request: Request) -> None:
        parts = urlsplit(request.url)
        if parts.scheme not in ("data", "blob") and parts.hostname not in ("127.0.0.1", "localhost"):
            self.strangers.append(request.url)

    def _dismiss(self, dialog: Dialog) -> None:
        self.dialogs.append(dialog.message)
        dialog.dismiss()

    def open(self, path: str = "/") -> Page:
        self.page.goto(self.address + path)
        return self.page

    def ask(self, question: str) -> Page:
        return self.open(f"/?q={quote(question)}")


@dataclass(frozen=True)
class Room:
    """A library home with the folder it was ingested from."""

    home: Path
    folder: Path


def write_pdf(path: Path, pages: tuple[str, ...]) -> None:
    """Write a PDF with one paragraph a page, in lines of a book's width."""
    import textwrap

    from reportlab.lib.pagesizes import A5
    from reportlab.pdfgen.canvas import Canvas

    canvas = Canvas(str(path), pagesize=A5)
    canvas.setTitle("Estimation handbook")
    for number, text in enumerate(pages, 1):
        canvas.setFont("Helvetica-Bold", 16)
        canvas.drawString(40, 520, f"Chapter {number}")
        canvas.setFont("Helvetica", 11)
        for n, line in enumerate(textwrap.wrap(text, 62)):
            canvas.drawString(40, 480 - 16 * n, line)
        canvas.showPage()
    canvas.save()


def write_material(folder: Path) -> None:
    """Write the files of the small library."""
    (folder / "guides").mkdir(parents=True)
    (folder / "banks").mkdir()
    (folder / "guides" / "regularization.md").write_text(REGULARIZATION, encoding="utf-8")
    (folder / "guides" / "training.md").write_text(TRAINING, encoding="utf-8")
    (folder / "guides" / "quokka.md").write_text(HOSTILE, encoding="utf-8")
    (folder / "banks" / "statistics.yaml").write_text(BANK, encoding="utf-8")
    (folder / "broken.yaml").write_text("nothing: here\n", encoding="utf-8")
    write_pdf(folder / "estimation.pdf", PDF_PAGES)


@pytest.fixture(scope="session")
def room(tmp_path_factory: pytest.TempPathFactory, encoder: Encoder, encoders: Path) -> Room:
    """The small library, ingested."""
    base = tmp_path_factory.mktemp("library")
    write_material(base / "material")
    (base / "home").mkdir()
    (base / "home" / "encoders").symlink_to(encoders)
    ingest(Home(base / "home"), [base / "material"])
    return Room(base / "home", base / "material")


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """A Chromium."""
    path = find_chromium()
    assert path, "there is no Chromium for the browser tests; run: python -m tests.browser"
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=path, args=list(BROWSER_FLAGS))
        yield chromium
        chromium.close()


@pytest.fixture(scope="session")
def address(room: Room, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of the app on the small library, with one evaluation in it."""
    base = tmp_path_factory.mktemp("elsewhere")
    home = shutil.copytree(room.home, base / "home", symlinks=True)
    evaluate(home, write_gold(base / "gold.jsonl"), "hybrid", "lexical")
    with serving(home, base) as running:
        yield running


@pytest.fixture(scope="session")
def own_address(room: Room, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of an app whose library the test may change."""
    base = tmp_path_factory.mktemp("own")
    shutil.copytree(room.home, base / "home", symlinks=True)
    with serving(base / "home", base) as running:
        yield running


@pytest.fixture
def visit(browser: Browser, address: str) -> Iterator[Visit]:
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    context.set_default_timeout(WAIT)
    yield Visit(context.new_page(), address)
    context.close()


@pytest.fixture
def own_visit(browser: Browser, own_address: str) -> Iterator[Visit]:
    """A visit to a library that may be changed."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    context.set_default_timeout(WAIT)
    yield Visit(context.new_page(), own_address)
    context.close()
