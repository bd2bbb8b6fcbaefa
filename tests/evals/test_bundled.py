"""The bundled gold on the bundled corpus: its form, every quote of every answer, and the quality gate."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from evals import baseline
from evals.evaluate import evaluate_gold
from evals.gold import GOLD, Question, load_gold, of_split
from ingest.bundled import bundled_corpus
from ingest.pipeline import Report, ingest
from retrieval import Library
from retrieval.encoder import Encoder
from retrieval.manifest import Manifest
from retrieval.store import Home
from retrieval.types import Answer, Passage, embedded_text
from tests.evals.gold_checks import LOW_OVERLAP, SLICES, UNANSWERABLE_SLICES, breaches, lowest_overlap, rows
from tests.invariants import check_answer, check_generation, check_hits

BASELINE = Path(__file__).parents[2] / "evals" / "baseline.json"


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory, encoders: Path, encoder: Encoder) -> tuple[Home, Report]:
    """The bundled corpus, indexed once for this module."""
    home = Home(tmp_path_factory.mktemp("bundled"), encoders)
    return home, ingest(home, [bundled_corpus()])


@pytest.fixture(scope="module")
def bundled(built: tuple[Home, Report]) -> Iterator[Library]:
    with Library(built[0]) as library:
        yield library


@pytest.fixture(scope="module")
def gold() -> list[Question]:
    return load_gold(GOLD / "bundled.jsonl")


@pytest.fixture(scope="module")
def unanswerable() -> list[Question]:
    return load_gold(GOLD / "unanswerable.jsonl")


@pytest.fixture(scope="module")
def plain() -> list[Question]:
    return load_gold(GOLD / "plain.jsonl")


@pytest.fixture(scope="module")
def answers(
    bundled: Library, gold: list[Question], unanswerable: list[Question], plain: list[Question]
) -> dict[str, Answer]:
    """The answer to every dev question of all kinds."""
    return {q.id: bundled.ask(q.text) for q in of_split([*gold, *unanswerable, *plain], "dev")}


def test_the_corpus_is_indexed_whole(built: tuple[Home, Report], encoder: Encoder) -> None:
    """This test ensures that no file fails or is passed over, and that no passage is cut by the encoder's limit."""
    home, report = built
    assert (report.failed, report.skipped, report.warnings) == ((), (), ())
    check_generation(home)
    with Library(home) as library:
        texts = [embedded_text(p) for p in library.searcher.dense.all_passages()]
    assert max(encoder.count_tokens(texts)) + 2 <= encoder.max_tokens
    assert {r.kind for r in Manifest.read(home.current()).sources} == {"guide", "bank", "paper"}


def test_phrasings_are_many_and_no_gold(bundled: Library, gold: list[Question], plain: list[Question]) -> None:
    """This test ensures that the corpus does not carry the questions that it is measured by."""
    phrasings = [text.casefold() for p in _entries(bundled) if p.entry for text in p.entry.phrasings]
    assert len(phrasings) > 4_000
    assert not set(phrasings) & {q.text.casefold().strip() for q in (*gold, *plain)}


def _entries(library: Library) -> list[Passage]:
    return [p for p in library.searcher.dense.all_passages() if p.entry and p.entry.part == 1]


def test_the_gold_is_large_mixed_and_split(gold: list[Question], unanswerable: list[Question]) -> None:
    """This test ensures that there are enough questions of every kind in both splits."""
    assert len(gold) >= 400
    assert len(unanswerable) >= 150
    assert len({q.id for q in (*gold, *unanswerable)}) == len(gold) + len(unanswerable)
    assert {q.slice for q in gold} == SLICES
    assert {q.slice for q in unanswerable} == UNANSWERABLE_SLICES
    for questions in (gold, unanswerable):
        splits = Counter(q.split for q in questions)
        assert set(splits) == {"dev", "test"}
        assert min(splits.values()) > 0.4 * len(questions)


def test_gold_covers_every_area(gold: list[Question]) -> None:
    """This test ensures that guides of all areas, and the banks, are asked about."""
    areas = {span.path.split("/")[1] if span.path.startswith("guides") else "banks" for q in gold for span in q.spans}
    assert areas >= {p.name for p in (bundled_corpus() / "guides").iterdir()} | {"banks"}


def test_every_gold_quote_stands_once_in_its_file() -> None:
    """This test ensures that gold and corpus agree, word for word."""
    cache: dict[str, str] = {}
    for name in ("bundled", "unanswerable", "plain", "abbreviations"):
        assert list(breaches(GOLD / f"{name}.jsonl", cache)) == []


def test_half_of_the_gold_shares_few_words_with_its_answer() -> None:
    """This test ensures that the gold asks as people do, and not in the corpus's own words."""
    cache: dict[str, str] = {}
    shares = [lowest_overlap(row, cache) for row in rows(GOLD / "bundled.jsonl")]
    assert sum(share < LOW_OVERLAP for share in shares) >= 0.5 * len(shares)


def test_every_quote_of_every_answer_is_verbatim(bundled: Library, answers: dict[str, Answer]) -> None:
    """This test ensures that whatever is asked, no sentence is made up and no place is wrong."""
    for answer in answers.values():
        check_answer(answer, bundled)
        check_hits(answer.hits)
        assert len(answer.sentences) <= 6


def test_quality_holds_to_the_baseline(bundled: Library, gold: list[Question]) -> None:
    """This test ensures that ranking on the dev questions has not fallen below the kept run."""
    evaluation = evaluate_gold(bundled, of_split(gold, "dev"), name="dev")
    verdicts = baseline.gate(evaluation, baseline.load(BASELINE))
    assert [v.comparison.sentence(v.p) for v in verdicts if v.failed] == []


def test_abbreviations_find_what_writes_them_out(bundled: Library) -> None:
    """This test ensures that whoever types little but an abbreviation gets the entry on it: .94 do, .72 without."""
    found = evaluate_gold(bundled, load_gold(GOLD / "abbreviations.jsonl"), name="abbreviations").values("recall@5")
    assert sum(found) >= 0.9 * len(found)


def test_declining_holds_on_the_dev_questions(
    answers: dict[str, Answer], gold: list[Question], unanswerable: list[Question], plain: list[Question]
) -> None:
    """This test ensures that what is covered is answered and what is not is declined, in each set of the gold."""
    for questions in ([*gold, *unanswerable], plain):
        answered = [answers[q.id].answered for q in of_split(questions, "dev") if q.spans]
        declined = [not answers[q.id].answered for q in of_split(questions, "dev") if not q.spans]
        assert sum(answered) >= 0.9 * len(answered)
        assert sum(declined) >= 0.8 * len(declined)
