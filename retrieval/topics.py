"""The topics of a library: areas, guides, sections, bank categories and tags, each with its mean vector.

Relatedness is the cosine of mean vectors after the library's own mean is taken off, since
the vectors of one library all share a direction that says nothing.
"""

from __future__ import annotations

import base64
import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from retrieval.arrays import Vectors, unit
from retrieval.errors import IndexCorruptError, QueryError
from retrieval.layout import layout
from retrieval.manifest import SourceRecord
from retrieval.types import Passage, Related, Topic

TopicKind = Literal["area", "guide", "section", "category", "tag"]

FILE_NAME = "topics.json"
_MIN_SECTION = 2  # passages; a smaller section is no topic of its own
_ON_MAP = 400  # topics, the largest ones; more cannot be told apart on one map
_BOILERPLATE = 3  # sources with a section of one name; such a name ("References") is no topic


@dataclass(frozen=True)
class TopicTree:
    """All topics in tree order with their mean vectors `(topics, dimensions)`, and links between guides."""

    topics: tuple[Topic, ...]
    means: Vectors
    center: NDArray[np.float32]
    links: Mapping[str, tuple[str, ...]]

    def find(self, name: str) -> Topic | None:
        """Return the topic of that id or name, areas and guides before sections, categories and tags."""
        wanted = _key(name)
        by_id = next((t for t in self.topics if t.id == name), None)
        return by_id or next(
            (t for kind in _ORDER for t in self.topics if t.kind == kind and _key(t.name) == wanted), None
        )

    def nearest(
        self, vector: NDArray[np.float32], n: int, kinds: Iterable[str] = ("guide", "category", "area")
    ) -> list[tuple[Topic, float]]:
        """Return the `n` topics nearest to a unit vector, best first, with their centered cosines."""
        if not self.topics:
            return []
        scores = unit(self.means - self.center) @ unit(vector - self.center)
        wanted = set(kinds)
        order = sorted(
            (i for i, t in enumerate(self.topics) if t.kind in wanted), key=lambda i: (-scores[i], self.topics[i].id)
        )
        return [(self.topics[i], float(scores[i])) for i in order[:n]]

    def current(self, topic: Topic) -> Topic:
        """Return the topic of the same id as it is here; raise QueryError where a newer generation has it no more."""
        return self.topics[self._row(topic)]

    def mean(self, topic: Topic) -> NDArray[np.float32]:
        """Return the mean vector of the topic of the same id; raise what `current` raises."""
        mean: NDArray[np.float32] = self.means[self._row(topic)]
        return mean

    def _row(self, topic: Topic) -> int:
        row = self._rows.get(topic.id)
        if row is None:
            raise QueryError(f"the topic {topic.name!r} is not in the library any more; see: prep topics")
        return row

    @cached_property
    def _rows(self) -> dict[str, int]:
        return {t.id: row for row, t in enumerate(self.topics)}

    def tagged(self, name: str) -> list[str]:
        """Return the ids of the passages that carry a name as a bank category or tag, however they spell it."""
        wanted = _key(name)
        named = (t for t in self.topics if t.kind in ("category", "tag") and _key(t.name) == wanted)
        return list(dict.fromkeys(id_ for t in named for id_ in t.passages))

    def related(self, topic: Topic, n: int) -> list[Related]:
        """Return the `n` topics most related to one, best first, each with its reasons.

        A link in the front matter of either guide counts 0.2 on top of the cosine, since a
        person put it there. Topics that contain, or lie within, the topic are left out. Raises
        what `current` raises.
        """
        topic = self.current(topic)
        ranked = []
        for other, score in self.nearest(self.mean(topic), len(self.topics), _ORDER[:4]):
            linked = other.id in self.links.get(topic.id, ()) or topic.id in self.links.get(other.id, ())
            ranked.append((score + 0.2 * linked, score, linked, other))
        ranked.sort(key=lambda row: (-row[0], row[3].id))
        own = set(topic.passages)
        tags = {t.name: set(t.passages) for t in self.topics if t.kind == "tag" and not own.isdisjoint(t.passages)}
        found: list[Related] = []
        for _, score, linked, other in ranked:
            if len(found) >= n:
                break
            theirs = set(other.passages)
            if other.id == topic.id or _key(other.name) == _key(topic.name) or own <= theirs or theirs <= own:
                continue
            reasons = []
            if linked:
                reasons.append("linked by its author")
            if shared := sorted(name for name, held in tags.items() if not theirs.isdisjoint(held)):
                reasons.append(f"shares {', '.join(shared[:3])}")
            reasons.append(f"similar passages (cosine {score:.2f})")
            found.append(Related(other, score, tuple(reasons)))
        return found

    @cached_property
    def places(self) -> dict[str, tuple[float, float]]:
        """Where the largest guides and bank categories stand on the map, or areas where there are none of those, by id.

        Both coordinates are about 0 to 1.
        """
        rows = [i for i, t in enumerate(self.topics) if t.kind in ("guide", "category")]
        rows = rows or [i for i, t in enumerate(self.topics) if t.kind == "area"]
        rows = sorted(sorted(rows, key=lambda i: (-len(self.topics[i].passages), self.topics[i].id))[:_ON_MAP])
        if not rows:
            return {}
        found = layout((self.means - self.center)[rows].astype(np.float64)).round(4).tolist()
        return {self.topics[i].id: (x, y) for i, (x, y) in zip(rows, found, strict=True)}

    def write(self, folder: Path) -> None:
        data = {
            # Not by asdict, which copies every id of a passage.
            "topics": [{f.name: getattr(topic, f.name) for f in fields(Topic)} for topic in self.topics],
            "links": {k: list(v) for k, v in self.links.items()},
            "dimensions": int(self.center.shape[0]),
            "means": base64.b64encode(self.means.astype(np.float16).tobytes()).decode("ascii"),
            "center": base64.b64encode(self.center.astype(np.float16).tobytes()).decode("ascii"),
        }
        (folder / FILE_NAME).write_text(json.dumps(data), encoding="ascii")

    @classmethod
    def read(cls, folder: Path) -> TopicTree:
        """Read the topics of a generation; raise IndexCorruptError if they are missing or malformed."""
        try:
            data = json.loads((folder / FILE_NAME).read_text(encoding="ascii"))
            topics = tuple(Topic(**{**t, "passages": tuple(t["passages"])}) for t in data["topics"])
            means = np.frombuffer(base64.b64decode(data["means"]), dtype=np.float16).astype(np.float32)
            center = np.frombuffer(base64.b64decode(data["center"]), dtype=np.float16).astype(np.float32)
            links = {k: tuple(v) for k, v in data["links"].items()}
            return cls(topics, means.reshape(len(topics), data["dimensions"]), center, links)
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise IndexCorruptError(f"{folder / FILE_NAME} cannot be read ({error}); run: prep doctor --fix") from error


_ORDER: tuple[TopicKind, ...] = ("area", "guide", "category", "section", "tag")


def build(
    passages: Sequence[Passage], vectors: Vectors, records: Mapping[str, SourceRecord], areas: Mapping[str, str]
) -> TopicTree:
    """Find the topics of a library from its passages, their vectors `(n, dimensions)` and its sources.

    `areas` gives titles to areas by id; areas it names come first, in its order.
    """
    members: dict[tuple[TopicKind, str], list[int]] = defaultdict(list)
    names: dict[tuple[TopicKind, str], tuple[str, str | None]] = {}
    heads: dict[str, str] = {}  # of sections by key, since paths and headings may have a "#" of their own

    def put(kind: TopicKind, key: str, row: int, name: str, parent: str | None) -> str:
        members[kind, key].append(row)
        names.setdefault((kind, key), (name, parent))
        return f"{kind}/{key}"

    for row, passage in enumerate(passages):
        path, record = passage.locator.path, records[passage.locator.path]
        area = _area(record)
        above = put("area", area, row, areas.get(area) or _spaced(area), None) if area else None
        if record.kind == "bank":
            if passage.locator.heading:
                put("category", _key(passage.locator.heading[0]), row, passage.locator.heading[0], above)
        else:
            above = put("guide", path, row, record.title, above)
            if passage.locator.heading:
                head = passage.locator.heading[0]
                key = f"{path}#{_key(head)}"
                put("section", key, row, head, above)
                heads[key] = _key(head)
        for tag in passage.topics:
            if tag != area and not (record.kind == "bank" and passage.locator.heading[:1] == (tag,)):
                put("tag", _key(tag), row, tag, None)
    places = {area: n for n, area in enumerate(areas)}
    spread = Counter(heads.values())
    kept = sorted(
        (
            key
            for key, rows in members.items()
            if key[0] != "section" or (len(rows) >= _MIN_SECTION and spread[heads[key[1]]] < _BOILERPLATE)
        ),
        key=lambda key: (_ORDER.index(key[0]), places.get(key[1], len(places)) if key[0] == "area" else 0, key[1]),
    )
    topics = tuple(
        Topic(f"{k[0]}/{k[1]}", names[k][0], k[0], names[k][1], tuple(passages[r].id for r in members[k])) for k in kept
    )
    dimensions = vectors.shape[1]
    means = (
        np.stack([unit(vectors[members[k]].mean(axis=0)) for k in kept])
        if kept
        else np.empty((0, dimensions), np.float32)
    )
    center = vectors.mean(axis=0) if len(vectors) else np.zeros(dimensions, np.float32)
    links = {f"guide/{r.path}": tuple(f"guide/{other}" for other in r.related) for r in records.values() if r.related}
    return TopicTree(topics, means.astype(np.float32), center.astype(np.float32), links)


def paths_of(topic: Topic, records: Iterable[SourceRecord]) -> list[str]:
    """Return the sources of an area or a guide, sorted; none for a topic of another kind."""
    key = topic.id.removeprefix(f"{topic.kind}/")
    if topic.kind == "guide":
        return [key]
    return sorted(r.path for r in records if _area(r) == key) if topic.kind == "area" else []


def spellings(name: str, passages: Iterable[Passage]) -> set[str]:
    """Return the categories and tags of passages that are a name, each as it is written."""
    wanted = _key(name)
    return {tag for passage in passages for tag in passage.topics if _key(tag) == wanted}


def _area(record: SourceRecord) -> str | None:
    return record.area or (record.path.split("/")[-2] if "/" in record.path else None)


def _spaced(name: str) -> str:
    """Return a folder's name as a title."""
    spaced = name.replace("-", " ").replace("_", " ").strip()
    return spaced[:1].upper() + spaced[1:]


def _key(name: str) -> str:
    return " ".join(name.casefold().replace("-", " ").replace("_", " ").split())
