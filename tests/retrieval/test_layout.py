"""The layout of the map."""

from __future__ import annotations

import numpy as np
import pytest

from retrieval.layout import layout


def test_like_vectors_lie_near_each_other() -> None:
    """This test ensures that three bundles of directions make three heaps."""
    chance = np.random.default_rng(7)
    centers = np.eye(8)[:3]
    vectors = np.concatenate([c + 0.1 * chance.normal(size=(5, 8)) for c in centers])
    places = layout(vectors)
    middles = np.stack([places[5 * i : 5 * i + 5].mean(axis=0) for i in range(3)])
    inside = max(float(np.linalg.norm(places[5 * i : 5 * i + 5] - middles[i], axis=1).max()) for i in range(3))
    between = min(float(np.linalg.norm(middles[a] - middles[b])) for a, b in ((0, 1), (0, 2), (1, 2)))
    assert inside < between / 2


@pytest.mark.parametrize("count", [1, 2, 3, 60])
def test_every_topic_has_a_place_of_its_own(count: int) -> None:
    """This test ensures that few topics, and topics that are all the same, are laid out in the square."""
    places = layout(np.ones((count, 4)))
    assert places.shape == (count, 2)
    assert np.isfinite(places).all()
    assert (places >= -0.06).all()
    assert (places <= 1.06).all()
    assert len({tuple(p) for p in places.round(4).tolist()}) == count


def test_the_layout_is_the_same_every_time() -> None:
    """This test ensures that the map does not turn over when the page is opened again."""
    vectors = np.random.default_rng(1).normal(size=(20, 6))
    assert np.array_equal(layout(vectors), layout(vectors))
