"""What stands on the map of the topics, and which names fit beside their dots. No streamlit here."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from retrieval.topics import TopicTree
from retrieval.types import Topic

# The picture that names are laid out for, in pixels. A wider one only pulls them apart.
_WIDTH, _HEIGHT, _MARGIN = 460, 330, 36
_LETTER, _LINE = 6.4, 15  # of a name at 12 pixels
_LONGEST = 26  # letters of a name on the map
_DOT = 9  # half of a large dot
_Align = Literal["left", "center", "right"]
_Side = tuple[int, int, _Align, float, float]  # of the name: dx and dy from the dot, anchor, its middle
_Box = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class Spot:
    """A topic on the map; `x` and `y` are about 0 to 1, `area` is the name of what it lies in."""

    topic: Topic
    area: str
    x: float
    y: float


@dataclass(frozen=True, slots=True)
class Label:
    """A name beside a dot: above it, below it, or on a side."""

    id: str
    text: str
    dx: int
    dy: int
    align: _Align


def spots(tree: TopicTree) -> list[Spot]:
    """Return the topics that have a place, in tree order."""
    areas = {t.id: t.name for t in tree.topics if t.kind == "area"}
    return [Spot(t, areas.get(t.parent or "", "other"), *tree.places[t.id]) for t in tree.topics if t.id in tree.places]


def labels(found: Sequence[Spot], wanted: Iterable[str]) -> list[Label]:
    """Name the wanted topics, the first ones first; a name that would cover another, or its dot, is left out."""
    by_id = {spot.topic.id: spot for spot in found}
    named = [by_id[id_] for id_ in dict.fromkeys(wanted) if id_ in by_id]
    taken: list[_Box] = [_box(*_pixel(spot), 2 * _DOT, 2 * _DOT) for spot in named]
    made: list[Label] = []
    for spot in named:
        name = spot.topic.name
        text = name if len(name) <= _LONGEST else f"{name[: _LONGEST - 1].rstrip()}…"
        x, y = _pixel(spot)
        width = _LETTER * len(text)
        sides: tuple[_Side, ...] = (
            (0, -17, "center", x, y - 17),
            (0, 17, "center", x, y + 17),
            (12, 0, "left", x + 12 + width / 2, y),
            (-12, 0, "right", x - 12 - width / 2, y),
        )
        for dx, dy, align, middle, line in sides:
            box = _box(middle, line, width, _LINE)
            if box[0] >= -_MARGIN and box[2] <= _WIDTH + _MARGIN and not any(_overlap(box, other) for other in taken):
                taken.append(box)
                made.append(Label(spot.topic.id, text, dx, dy, align))
                break
    return made


def _pixel(spot: Spot) -> tuple[float, float]:
    return spot.x * _WIDTH, (1 - spot.y) * _HEIGHT


def _box(x: float, y: float, width: float, height: float) -> _Box:
    return x - width / 2, y - height / 2, x + width / 2, y + height / 2


def _overlap(a: _Box, b: _Box) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]
