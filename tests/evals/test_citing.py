"""Citation recall and precision by ALCE's definitions, worked out by hand on a small library."""

from __future__ import annotations

import pytest

from evals.citing import Timed, alce, evaluate_citing, timed
from retrieval import Library
from retrieval.llm import Backend, LanguageModel
from retrieval.support import Checker
from retrieval.types import Answer, Citation, Hit, Sentence
from retrieval.written import Writer
from tests.scripted_model import Says, scripted

SAID = "L2 regularization adds the sum of squared weights and shrinks all of them a little."
ALSO = "The loss jumps around or diverges to infinity within the first hundred steps."
DROPOUT = "Dropout sets each activation to zero with probability p during training"
UNSAID = "Dropout was invented by a bakery in Lisbon to sell warm bread."


def answer(hits: list[Hit], *sentences: tuple[str, tuple[int, ...]]) -> Answer:
    """Return an answer whose citation n quotes the whole of hit n."""
    citations = tuple(Citation(h.rank, h.passage.text, h.passage.locator, h.passage.id) for h in hits)
    return Answer("q", True, 0.9, tuple(Sentence(text, ns) for text, ns in sentences), citations, tuple(hits))


@pytest.fixture
def hits(library: Library) -> list[Hit]:
    """The passage that holds SAID, and after it one that holds ALSO; neither holds both."""
    found = [library.search(text, k=1)[0].passage for text in (SAID, ALSO)]
    assert SAID in found[0].text
    assert ALSO in found[1].text
    assert found[0] != found[1]
    return [Hit(n, 0.5, library.search(SAID, k=1)[0].scores, p) for n, p in enumerate(found, 1)]


@pytest.mark.parametrize(
    ("sentences", "recall", "precision"),
    [
        ([(SAID, (1,))], 1.0, 1.0),
        ([(SAID, (1,)), (UNSAID, (1,))], 0.5, 0.5),  # what is not supported has no precise citation
        ([(SAID, (1, 2))], 1.0, 0.5),  # the second is not needed
        ([(SAID, (2,))], 0.0, 0.0),
        ([(SAID, ())], 0.0, 0.0),  # right, but cites nothing
        ([(SAID, (1,)), (ALSO, (2,)), (SAID, ())], 2 / 3, 1.0),
    ],
)
def test_recall_and_precision_are_those_of_alce(
    library: Library,
    hits: list[Hit],
    sentences: list[tuple[str, tuple[int, ...]]],
    recall: float,
    precision: float,
) -> None:
    """This test ensures that a needless, a wrong and a missing citation cost what the paper says."""
    found = alce(answer(hits, *sentences), Checker(library.searcher.encoder))
    assert found == (pytest.approx(recall), pytest.approx(precision))


def test_quotes_support_themselves(library: Library) -> None:
    """This test ensures that an extractive answer, measured the same way, has perfect citations, and no model."""
    asked = timed(library.ask, ["What does dropout do?", "Which visa do I need for a layover in Doha?"])
    found = evaluate_citing(asked, Checker(library.searcher.encoder))
    assert (found.recall, found.precision, len(found.seconds)) == ((1.0,), (1.0,), 2)
    summary = found.summary()
    assert (summary["model"], summary["tokens"], summary["written"], summary["fallbacks"]) == (None, None, 0, 0)


def test_written_answers_count_their_tokens_and_fallbacks(library: Library) -> None:
    """This test ensures that a struck sentence lowers the recall, and that what fell back is counted."""
    with scripted(Says(f"{DROPOUT} [1]. {UNSAID[:-1]} [1]."), Says(UNSAID)) as server:
        writer = Writer(library, LanguageModel(Backend(server.url, "small", window=4096)))
        asked = timed(lambda text: writer.write(text).finish(), ["What does dropout do?"] * 2)
    found = evaluate_citing(asked, Checker(library.searcher.encoder))
    assert (found.recall, found.written, found.fallbacks, found.model) == ((0.5, 1.0), 1, 1, "small")
    assert found.summary()["tokens"] == {"prompt": 22, "reply": 14}
    assert isinstance(asked[0], Timed)
    assert asked[0].seconds > 0
