"""The names on the map."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from retrieval.types import Topic
from ui.topic_map import _HEIGHT, _LETTER, _LINE, _WIDTH, Spot, labels

PLACES = st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1), st.integers(3, 40)), min_size=1, max_size=30)


def spot(n: int, x: float, y: float, length: int) -> Spot:
    return Spot(Topic(f"guide/{n}", "x" * length, "guide", None, ("p",)), "area", x, y)


@given(PLACES)
def test_names_never_cover_each_other(places: list[tuple[float, float, int]]) -> None:
    """This test ensures that of any crowd of dots only names that can be read are shown, the first one first."""
    found = [spot(n, *place) for n, place in enumerate(places)]
    by_id = {s.topic.id: s for s in found}
    made = labels(found, by_id)
    boxes = []
    for label in made:
        own, width = by_id[label.id], _LETTER * len(label.text)
        shift = {"center": 0.0, "left": width / 2, "right": -width / 2}[label.align]
        boxes.append((own.x * _WIDTH + label.dx + shift, (1 - own.y) * _HEIGHT + label.dy, width))
    for n, (x, y, width) in enumerate(boxes):
        for other_x, other_y, other_width in boxes[n + 1 :]:
            assert abs(x - other_x) >= (width + other_width) / 2 - 1e-6 or abs(y - other_y) >= _LINE - 1e-6
    order = [int(label.id.removeprefix("guide/")) for label in made]
    assert all(a < b for a, b in pairwise(order))


def test_a_lone_name_stands_above_its_dot_and_is_cut_where_it_is_long() -> None:
    """This test ensures that the open topic is named."""
    (label,) = labels([spot(1, 0.5, 0.5, 40)], ["guide/1", "guide/unknown"])
    assert (label.dx, label.dy, label.text) == (0, -17, "x" * 25 + "…")
