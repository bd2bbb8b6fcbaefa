"""The library as a whole: open it, search it, ask it. What the CLI, the app and other programs hold."""

from __future__ import annotations

import json
import os
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from types import TracebackType

from retrieval import answer, confidence, topics
from retrieval.encoder import Encoder, open_encoder
from retrieval.errors import EncoderError, FingerprintError, IndexCorruptError, QueryError
from retrieval.index import Where
from retrieval.manifest import Manifest
from retrieval.models import DEFAULT_MODEL, ModelFiles, find_model, model_fingerprint
from retrieval.reranker import Reranker
from retrieval.search import Filters, Searcher, any_of
from retrieval.store import Home, Store, storage_errors
from retrieval.text import line_starts, lines_of, valid
from retrieval.topics import TopicTree
from retrieval.types import Answer, Hit, Locator, Mode, Passage, Related, Topic

ANSWER_HITS = 8
_NEAREST = 5
_QUESTIONS = 3


def default_home() -> Path:
    """Return where a person's library lives unless another place is named."""
    from platformdirs import user_data_path

    return user_data_path("prepdesk", appauthor=False)


class Library:
    """One index, opened for reading. Notices a newer generation before each query."""

    def __init__(self, home: Store, encoder: Encoder | None = None, reranker: Reranker | None = None) -> None:
        self.home = home
        self.reranker = reranker
        self._encoder = encoder
        self._generation: _Generation | None = None
        self._now()

    @classmethod
    def open(cls, path: Path | str | None = None) -> Library:
        """Open the library at a folder, by default the person's own.

        Raises IndexMissingError where nothing was ingested yet, IndexCorruptError where the
        index cannot be opened, FingerprintError where it was built with another encoder.
        """
        return cls(Home(Path(path) if path is not None else default_home()))

    def __enter__(self) -> Library:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Release the open generation; a later query opens it again."""
        if self._generation:
            self._generation.close()
            self._generation = None

    @property
    def manifest(self) -> Manifest:
        return self._now().manifest

    @property
    def generation(self) -> str:
        return self._now().folder.name

    @property
    def folder(self) -> Path:
        """Where the manifest, topics and texts of the open generation stand."""
        return self._now().folder

    @property
    def topic_tree(self) -> TopicTree:
        return self._now().topics

    @property
    def searcher(self) -> Searcher:
        return self._now().searcher

    def search(self, query: str, k: int = 5, *, mode: Mode = "hybrid", filters: Filters | None = None) -> list[Hit]:
        """Return at most `k` hits, best first; raise QueryError for an empty query or a filter nothing matches."""
        generation = self._now()
        where = generation.where(filters)
        return generation.searcher.search(query, k, mode, where, self.reranker)

    def ask(self, question: str, *, filters: Filters | None = None) -> Answer:
        """Return a cited answer, or an abstention with the nearest topics; raise QueryError for an empty question."""
        question = valid(question)
        generation = self._now()
        searcher = generation.searcher
        where = generation.where(filters)
        found = searcher.candidates(question, where=where)
        hits = searcher.ranked(found, ANSWER_HITS, self.reranker)
        model = confidence.load()
        probability = model.chance.probability(confidence.features(found, hits, searcher.lexical)) if hits else 0.0
        if probability >= model.threshold:
            sentences, citations = answer.compose(question, found.vector, hits, searcher.encoder, generation)
            if sentences:
                return Answer(question, True, probability, sentences, citations, tuple(hits))
        nearest = generation.topics.nearest(found.vector, _NEAREST)
        return Answer(question, False, probability, hits=tuple(hits), nearest_topics=tuple(t.name for t, _ in nearest))

    def topics(self) -> tuple[Topic, ...]:
        """Return all topics: areas, guides, bank categories, sections, tags."""
        return self._now().topics.topics

    def related(self, topic: str, n: int = 5) -> list[Related]:
        """Return the topics most related to a topic, named by its id, its name or words near it.

        Raises QueryError where the library has no topics.
        """
        generation = self._now()
        found = generation.topics.related(generation.find_topic(topic), n)
        return [replace(related, questions=tuple(generation.questions(related.topic, _QUESTIONS))) for related in found]

    def questions(self, topic: Topic, n: int = 10) -> list[str]:
        """Return up to `n` questions of a topic's entries to practise on, those nearest to its middle first.

        Raises QueryError for a topic that the live generation no longer has.
        """
        return self._now().questions(topic, n)

    def find_topic(self, name: str) -> Topic:
        """Return the topic of that name, or the nearest one in meaning. Raises QueryError where there is none."""
        return self._now().find_topic(name)

    def text(self, path: str) -> str:
        """Return the extracted text of a source, the one its spans point into."""
        return self._now().source_text(path)

    def quote_locator(self, passage: Passage, span: tuple[int, int]) -> Locator:
        """Return where a quote of a passage's source stands, with the lines of the quote itself.

        Of a passage that the live generation no longer has as it was, the lines are those of the whole passage.
        """
        return self._now().quote_locator(passage, span)

    def _now(self) -> _Generation:
        """Return the live generation, opening it where it is new."""
        name = self.home.current_name()
        if self._generation is None or self._generation.folder.name != name:
            newer = _Generation(self.home, self.home.current(), self._encoder)
            if self._encoder is None:
                check_encoder(newer.manifest, self.home)
            self.close()
            self._generation = newer
        return self._generation


@dataclass
class _Generation:
    """One generation, opened piece by piece as pieces are needed."""

    home: Store
    folder: Path
    given_encoder: Encoder | None

    def __post_init__(self) -> None:
        self.manifest = Manifest.read(self.folder)
        self.records = self.manifest.by_path()
        self.holders = self.manifest.holders()
        self.of_topics: dict[str, Where] = {}
        self.line_maps: dict[str, tuple[tuple[int, ...], list[int] | None]] = {}
        self.held: set[str] = set()

    @cached_property
    def searcher(self) -> Searcher:
        # The model is verified and loaded beside the index: neither needs the other, and both take their time.
        with ThreadPoolExecutor(1) as beside, storage_errors(self.home.path), ExitStack() as opened:
            encoder = beside.submit(self._open_encoder)
            dense = self.home.dense(self.folder)
            opened.callback(dense.close)
            lexical = self.home.lexical(self.folder)
            if (count := dense.count()[0]) < len(lexical):
                raise IndexCorruptError(
                    f"the vector index in {self.folder} holds {count} of {len(lexical)} passages; "
                    "run: prep doctor --fix"
                )
            searcher = Searcher(encoder.result(), dense, lexical)
            opened.pop_all()
            return searcher

    def _open_encoder(self) -> Encoder:
        return self.given_encoder or open_encoder(self.manifest.model, self.home.encoders)

    @cached_property
    def topics(self) -> TopicTree:
        return TopicTree.read(self.folder)

    def find_topic(self, name: str) -> Topic:
        if not name.strip():
            raise QueryError("name a topic; see: prep topics")
        name = valid(name)
        found = self.topics.find(name)
        if found is None:
            nearest = self.topics.nearest(self.searcher.encoder.encode_query(name), 1)
            if not nearest:
                raise QueryError("the library has no topics yet; run: prep ingest")
            found = nearest[0][0]
        return found

    def questions(self, topic: Topic, n: int) -> list[str]:
        topic = self.topics.current(topic)
        dense, mean = self.searcher.dense, self.topics.mean(topic)
        vectors = dense.question_vectors(topic.passages)
        nearest = sorted(vectors, key=lambda id_: (-float(vectors[id_] @ mean), id_))[: 2 * n]
        passages = dense.passages(nearest)  # some may ask the same, of other sources
        return list(dict.fromkeys(entry.question for id_ in nearest if (entry := passages[id_].entry)))[:n]

    def where(self, filters: Filters | None) -> Where | None:
        """Return the filter as the index takes it. Raises QueryError for a source or topic that is not there."""
        if filters is None:
            return None
        for name in filters.topics:
            if name not in self.of_topics:
                self.of_topics[name] = self._of_topic(name)
        return filters.where(self.holders, [self.of_topics[name] for name in filters.topics])

    def _of_topic(self, name: str) -> Where:
        """Return the filter for a topic by its id or name, or for an area also as the files write it.

        Passages carry their categories and tags, each file in its own spelling; those of an area
        or guide are known by their sources.
        """
        topic = self.topics.find(name) or self.topics.find(f"area/{name}")
        if topic is None:
            raise QueryError(f"no topic {name!r} in the library; see: prep topics")
        tagged = self.searcher.dense.passages(self.topics.tagged(topic.name)).values()
        spelled = {name, topic.name, *topics.spellings(topic.name, tagged)}
        named: list[Where] = [{"topics": {"$contains": n}} for n in sorted(spelled)]
        if paths := topics.paths_of(topic, self.manifest.sources):
            named.append({"path": {"$in": paths}})
        elif topic.kind == "section" and not self.searcher.dense.ids(any_of(named)):
            guide = (topic.parent or "").removeprefix("guide/")
            raise QueryError(f"{topic.name!r} is a section, which is no filter; choose its file: --source {guide}")
        return any_of(named)

    def source_text(self, path: str) -> str:
        try:
            return self._text_file(path).read_bytes().decode("utf-8", "surrogatepass")
        except OSError as error:
            raise IndexCorruptError(
                f"the text of {path} is missing from the index; run: prep ingest --rebuild"
            ) from error
        except UnicodeDecodeError as error:
            raise IndexCorruptError(
                f"the text of {path} in the index is damaged ({error}); run: prep ingest --rebuild"
            ) from error

    def _text_file(self, path: str) -> Path:
        """Return where the extracted text of a source stands, of a copy that of its original."""
        record = self.records.get(self.holders.get(path, path))
        if record is None:
            raise QueryError(f"no source {path!r} in the library; see: prep status --sources")
        return self.folder / "texts" / record.text_name

    def quote_locator(self, passage: Passage, span: tuple[int, int]) -> Locator:
        """Return where a quote of a passage's source stands, with the lines of the quote itself."""
        if passage.locator.lines is None or not self._holds(passage):
            return replace(passage.locator, span=span)
        path = passage.locator.path
        if path not in self.line_maps:
            starts = line_starts(self.source_text(path))
            self.line_maps[path] = (starts, self._line_numbers(path, len(starts)))
        return replace(passage.locator, span=span, lines=lines_of(span, *self.line_maps[path]))

    def _line_numbers(self, path: str, count: int) -> list[int] | None:
        """Return the line of the file for each of the `count` lines of a text, None where they are the same."""
        text = self._text_file(path)
        file = text.with_name(f"{text.name}.lines")
        if not file.is_file():
            return None
        try:
            numbers: list[int] = json.loads(file.read_text(encoding="ascii"))
            if len(numbers) != count:
                raise ValueError(f"{len(numbers)} numbers for {count} lines")
        except (OSError, ValueError, TypeError) as error:
            raise IndexCorruptError(
                f"the line numbers of {path} in the index are damaged ({error}); run: prep ingest --rebuild"
            ) from error
        return numbers

    def _holds(self, passage: Passage) -> bool:
        """Tell whether a passage, which may come from an earlier generation, stands in this one at its place."""
        if passage.id not in self.held and passage.locator.path in self.records:
            start, end = passage.locator.span
            if self.source_text(passage.locator.path)[start:end] == passage.text:
                self.held.add(passage.id)
        return passage.id in self.held

    def close(self) -> None:
        if "searcher" in self.__dict__:
            self.searcher.dense.close()


def check_encoder(manifest: Manifest, home: Store) -> None:
    """Raise FingerprintError where an index was built with another encoder than the one installed under its name.

    Raises what `model_of` raises.
    """
    ours = model_fingerprint(model_of(manifest.model, home))
    if ours != manifest.encoder:
        raise FingerprintError(
            f"the index at {home.place} was built with the encoder {manifest.encoder}, the one installed is {ours}; "
            "run: prep ingest --rebuild"
        )


def model_of(name: str, home: Store) -> ModelFiles:
    """Return the model that an index was built with. Raises EncoderError, naming the way out, where it is gone."""
    try:
        return find_model(name)
    except EncoderError as error:
        raise EncoderError(
            f"the index at {home.place} was built with the model {name}, which is not there any more; "
            f"put it back, or run: prep ingest --rebuild --model {DEFAULT_MODEL}"
        ) from error


def quiet() -> None:
    """Turn off what libraries would send or print on their own: hub look-ups, telemetry, tokenizer warnings."""
    os.environ.setdefault("HF_HUB_OFFLINE", "0" if os.environ.get("PREP_DOWNLOAD_MODELS") == "1" else "1")
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    os.environ.setdefault("ANONYMIZED_TELEMETRY", "False")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
