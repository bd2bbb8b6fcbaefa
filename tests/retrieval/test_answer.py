"""Which sentences answer: each with what it cannot stand without, and never without the best one."""

from __future__ import annotations

from dataclasses import replace

import pytest

from retrieval.answer import MAX_SENTENCES, compose
from retrieval.encoder import Encoder
from retrieval.types import Entry, Hit, Locator, Passage, Scores


class Source:
    """One text that is its own passage."""

    def __init__(self, text: str) -> None:
        self.text = text

    def source_text(self, _: str) -> str:
        return self.text

    def quote_locator(self, passage: Passage, span: tuple[int, int]) -> Locator:
        return replace(passage.locator, span=span)


def answered(encoder: Encoder, question: str, text: str, entry: Entry | None = None) -> list[str]:
    passage = Passage("a", text, "", Locator("a.md", "A", (0, len(text))), "qa" if entry else "prose", (), entry)
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


RULES = [
    "The cache holds a key and a value per layer and head.",
    "It grows with every token that is read.",
    "Its size often limits how many requests fit.",
    "Few heads for keys make it smaller.",
    "Old tokens may be dropped from it.",
]


@pytest.mark.parametrize(
    ("example", "asked", "wanted"),
    [
        (
            ["Suppose that this comes to 2 GiB.", "Sharing the heads reduces it to 0.5 GiB."],
            "to what does sharing the heads reduce the cache",
            ["Suppose that this comes to 2 GiB.", "Sharing the heads reduces it to 0.5 GiB."],
        ),
        (
            ["A small example shows the size of the cache.", "Read four tokens.", "The cache is then 2 MiB large."],
            "example of the size of the cache",
            ["A small example shows the size of the cache.", "Read four tokens.", "The cache is then 2 MiB large."],
        ),
        (
            ["Lunch in the garden was good in 2023.", "Sharing the heads came in 2019."],
            "when did the sharing of heads in the cache come",
            ["Sharing the heads came in 2019."],
        ),
    ],
    ids=["result", "set-up", "years"],
)
def test_an_example_is_given_from_what_it_sets_out_from(
    encoder: Encoder, example: list[str], asked: str, wanted: list[str]
) -> None:
    """This test ensures that no result of an example stands without its numbers, and that years are no example."""
    text = "\n\n".join(["\n".join(RULES[:3]), "\n".join(example), "\n".join(RULES[3:])])
    entry = Entry("e", "How large is the cache?", (0, len(text)), 1, 1)
    said = answered(encoder, asked, text, entry)
    assert [s for s in said if s in example] == wanted


POINTS = ["Say what they check first.", "The trap is to be the hero.", "Worse is to have delayed it.", "Keep it short."]
STORY = [f"I then talked with my manager about step {n}." for n in range(7)]


def spoken(story: list[str]) -> str:
    return f'Example: "{" ".join(story)}"'


@pytest.mark.parametrize(
    ("answer", "whole"),
    [
        ([*POINTS[:2], spoken(STORY), *POINTS[2:]], POINTS),
        ([POINTS[0], "It means “see both sides of a story”.", spoken(STORY), POINTS[1]], [POINTS[0], POINTS[1]]),
        ([spoken(STORY), *POINTS], POINTS),
        ([POINTS[0], 'A 6" disk is small.', *POINTS[1:], *STORY[:2]], POINTS[:1]),
        ([spoken(STORY)], ['Example: "' + STORY[0]]),
    ],
    ids=["in-the-middle", "curly-marks-in-a-sentence", "at-the-start", "inches", "nothing-else"],
)
def test_a_long_quotation_is_not_given_in_part(encoder: Encoder, answer: list[str], whole: list[str]) -> None:
    """This test ensures that nobody takes half of somebody's story for advice, and that a story alone is an answer."""
    text = " ".join(answer)
    entry = Entry("e", "Tell me about a conflict with your manager.", (0, len(text)), 1, 1)
    said = answered(encoder, "tell me about a conflict with your manager", text, entry)
    assert set(whole) <= set(said)
    assert " ".join(said).count('"') % 2 == 0 or len(answer) == 1 or '6"' in text


def test_a_short_quotation_is_given_whole(encoder: Encoder) -> None:
    """This test ensures that a story of three sentences has its end where it has its start."""
    story = spoken(["My manager and I had a conflict over the launch.", *STORY[:2]])
    text = " ".join([*POINTS, story, "Add a number.", "Name the outcome."])
    entry = Entry("e", "Tell me about a conflict with your manager.", (0, len(text)), 1, 1)
    said = " ".join(answered(encoder, "conflict with your manager over a launch", text, entry))
    assert story in said
