"""The features of the confidence model."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from ingest.pipeline import ingest
from retrieval import Library, confidence
from retrieval.store import Home

BANK = """- question: How do you get interviews through referrals?
  answer: |
    Ask people who have worked with you to hand your name to a hiring manager, and say which role you mean.
  phrasings:
    - i sent a hundred applications and heard nothing
- question: What does a recruiter want to know?
  answer: |
    Whether your experience fits the role, when you can start, and what you expect to be paid.
"""


def test_who_asks_in_the_words_of_a_phrasing_is_answered(home: Home, tmp_path: Path) -> None:
    """This test ensures that phrasings count where it is judged whether a question is covered, and not elsewhere."""
    (tmp_path / "bank.yaml").write_text(BANK, encoding="utf-8")
    ingest(home, [tmp_path / "bank.yaml"])
    question = "i sent a hundred applications and heard nothing"
    with Library(home) as library:
        lexical = library.searcher.lexical
        found = library.searcher.candidates(question)
        hits = library.searcher.hits(found, 3)
        assert hits[0].passage.entry
        assert hits[0].passage.entry.phrasings
        bare = [
            replace(h, passage=replace(h.passage, entry=h.passage.entry and replace(h.passage.entry, phrasings=())))
            for h in hits
        ]
        given = [confidence.features(found, some, lexical) for some in (hits, bare)]
        assert library.ask(question).answered
    (_, coverage, _), (_, without, _) = given
    assert coverage == 1.0
    assert without < 0.5
    assert given[0][0] == given[1][0]
    assert given[0][2] == given[1][2]
