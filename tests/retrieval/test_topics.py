"""Topics made from passages with vectors worked out by hand: which there are, and which are related."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

from retrieval.manifest import SourceRecord
from retrieval.topics import TopicTree, build
from retrieval.types import Locator, Passage


def passage(path: str, n: int, *tags: str, heading: str = "") -> Passage:
    locator = Locator(path, path, (n, n + 1), heading=(heading,) if heading else ())
    return Passage(f"{path}-{n}", "x", "", locator, "prose", tags)


def guide(path: str, *related: str) -> SourceRecord:
    return SourceRecord("", "", path, "", 0, 0, title=path, kind="guide", related=related)


def tree_of_four() -> TopicTree:
    """Four guides whose vectors sum to nothing, so that the center is the origin; the first lies in an area."""
    vectors = np.array([[1, 0, 0], [0.8, 0.6, 0], [0.7, 0, 0.51**0.5], [-2.5, -0.6, -(0.51**0.5)]], np.float32)
    passages = [
        passage("nets/a.md", 0, "optimizers", "alone"),
        passage("b.md", 0, "optimizers"),
        passage("c.md", 0),
        passage("d.md", 0),
    ]
    records = [guide("nets/a.md"), guide("b.md"), guide("c.md", "nets/a.md"), guide("d.md")]
    return build(passages, vectors, {r.path: r for r in records}, {})


def test_related_topics_come_by_cosine_and_link_with_their_reasons() -> None:
    """This test ensures that a link counts 0.2, a shared tag is named, and the area around a topic is left out."""
    tree = tree_of_four()
    topic = tree.find("nets/a.md")
    assert topic is not None
    found = tree.related(topic, 5)
    assert [(r.topic.id, r.reasons[:-1]) for r in found] == [
        ("guide/c.md", ("linked by its author",)),  # 0.7 + 0.2
        ("guide/b.md", ("shares optimizers",)),  # 0.8
        ("guide/d.md", ()),
    ]
    # -2.5 over the root of 2.5**2 + 0.6**2 + 0.51
    assert [r.score for r in found] == pytest.approx([0.7, 0.8, -2.5 / 7.12**0.5], abs=1e-5)
    assert [r.reasons[-1] for r in found[:2]] == ["similar passages (cosine 0.70)", "similar passages (cosine 0.80)"]
    assert tree.related(topic, 1) == found[:1]


class Counted(tuple[str, ...]):
    """The passages of a topic, which count how often they are gone through."""

    times = 0

    def __iter__(self) -> Iterator[str]:
        Counted.times += 1
        return super().__iter__()


def test_a_tag_is_gone_through_no_more_often_for_more_guides() -> None:
    """This test ensures that the cost of `related` does not grow as guides times the passages of their tags."""
    passages = [passage(f"{n:02}.md", m, "shared") for n in range(50) for m in range(2)]
    vectors = np.eye(100, dtype=np.float32)
    tree = build(passages, vectors, {f"{n:02}.md": guide(f"{n:02}.md") for n in range(50)}, {})
    counted = tuple(replace(t, passages=Counted(t.passages)) if t.kind == "tag" else t for t in tree.topics)
    found = replace(tree, topics=counted).related(tree.topics[0], 5)
    assert [r.reasons[0] for r in found] == ["shares shared"] * 5
    assert Counted.times <= 2


def test_a_number_sign_belongs_to_a_heading() -> None:
    """This test ensures that C#, F# and J# basics are three names, and that one name in three files is no topic."""
    passages = [
        passage(f"{letter}#/notes.md", n, heading=heading)
        for letter in "CFJ"
        for n, heading in enumerate((f"{letter}# basics", f"{letter}# basics", "References #1", "References #1"))
    ]
    tree = build(passages, np.eye(12, dtype=np.float32), {p.locator.path: guide(p.locator.path) for p in passages}, {})
    assert [(t.id, t.name) for t in tree.topics if t.kind == "section"] == [
        ("section/C#/notes.md#c# basics", "C# basics"),
        ("section/F#/notes.md#f# basics", "F# basics"),
        ("section/J#/notes.md#j# basics", "J# basics"),
    ]
