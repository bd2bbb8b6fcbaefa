"""Which sentences answer: each with what it cannot stand without, and never without the best one."""

from __future__ import annotations

from dataclasses import replace

from retrieval.answer import MAX_SENTENCES, compose
from retrieval.encoder import Encoder
from retrieval.types import Hit, Locator, Passage, Scores


class Source:
    """One text that is its own passage."""

    def __init__(self, text: str) -> None:
        self.text = text

    def source_text(self, _: str) -> str:
        return self.text

    def quote_locator(self, passage: Passage, span: tuple[int, int]) -> Locator:
        return replace(passage.locator, span=span)


def answered(encoder: Encoder, question: str, text: str) -> list[str]:
    passage = Passage("a", text, "", Locator("a.md", "A", (0, len(text))), "prose")
    hits = [Hit(1, 1.0, Scores(1.0, 0.0), passage)]
    said, quotes = compose(question, encoder.encode_query(question), hits, encoder, Source(text))
    assert [text[slice(*c.locator.span)] for c in quotes] == [s.text for s in said]
    return [s.text for s in said]


def test_an_item_of_a_list_comes_with_what_it_goes_on_from(encoder: Encoder) -> None:
    """This test ensures that no answer begins in the middle of a list."""
    text = (
        "Four things are done against overfitting of a network:\n\n- more training rows where labels are cheap to get\n"
        "- a penalty on the size of all weights\n- an early end of the training on held-out loss\n"
        "- dropout of units at random while it trains\n"
    )
    said = answered(encoder, "why drop out units at random while training", text)
    assert "dropout of units at random while it trains" in said
    assert said[0].startswith("Four things")


def test_a_chain_of_sentences_keeps_the_best_one(encoder: Encoder) -> None:
    """This test ensures that a sentence which leans on many others is in its own answer."""
    chain = " ".join(f"It was then changed by the team in version number {n} of the report." for n in range(8))
    best = "It zeroes random units, which is how dropout regularizes a network."
    said = answered(encoder, "how does dropout regularize a network", f"The method is old by now. {chain} {best}")
    assert best in said
    assert len(said) <= MAX_SENTENCES


def test_a_short_table_is_quoted_whole(encoder: Encoder) -> None:
    """This test ensures that who asks for kinds of a thing sees all rows, with their head."""
    table = "| linkage | distance of clusters |\n|---|---|\n| single | closest pair |\n| complete | farthest pair |"
    said = answered(encoder, "linkage types of clustering", f"Linkage says how far clusters are.\n\n{table}\n")
    assert table in said
