"""The words of the project as frozen values.

Spans are half-open character ranges in the extracted text of a source, lines and
pages are 1-based and inclusive, scores are higher-is-better.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

from retrieval.text import plain

PassageKind = Literal["prose", "qa", "code", "table", "list"]
SourceKind = Literal["guide", "bank", "paper", "notes"]
Mode = Literal["hybrid", "dense", "lexical"]
Mark = Literal["supported", "weak", "unsupported"]

MARKS: tuple[Mark, ...] = ("supported", "weak", "unsupported")
MODES: tuple[Mode, ...] = ("hybrid", "dense", "lexical")
PASSAGE_KINDS: tuple[PassageKind, ...] = ("prose", "qa", "code", "table", "list")

EMBEDDED_TEXT_VERSION = 2


@dataclass(frozen=True, slots=True)
class Locator:
    """Where a passage or a quote stands; `path` is relative to the root it was ingested from, with forward slashes."""

    path: str
    title: str
    span: tuple[int, int]
    lines: tuple[int, int] | None = None
    page: int | None = None
    heading: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Entry:
    """The question entry a passage is, or is a part of; all parts of one entry share its `id`.

    `answer` is the span of the whole reference answer in the extracted text; `difficulty` is
    the word its author gave ("easy", "senior"), "" where there is none; `phrasings` are other
    ways to ask the question, by which it is found and which are never cited.
    """

    id: str
    question: str
    answer: tuple[int, int]
    part: int = 1
    parts: int = 1
    difficulty: str = ""
    phrasings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Passage:
    """The unit that is indexed and cited; `text` is verbatim `extracted[span[0]:span[1]]`."""

    id: str
    text: str
    context: str
    locator: Locator
    kind: PassageKind
    topics: tuple[str, ...] = ()
    entry: Entry | None = None


def in_order(passages: Iterable[Passage]) -> list[Passage]:
    """Return passages in library order: by path, then by place."""
    return sorted(passages, key=lambda p: (p.locator.path, p.locator.span, p.id))


@dataclass(frozen=True, slots=True)
class Scores:
    """What each search gave a passage: `dense` in [-1, 1], `lexical` in [0, 1].

    `dense` is the cosine of the passage, raised toward that of its entry's question where that
    is nearer. `settled` is what the rest of the ranking added to the fused score or took off it:
    a heading that names what is asked, a list of references, too many passages of one source.
    """

    dense: float
    lexical: float
    settled: float = 0.0


@dataclass(frozen=True, slots=True)
class Hit:
    """A passage at a 1-based rank; `also` names further places whose words are the same or nearly so.

    `before` is the rank it had when a reranker read it, None where none did.
    """

    rank: int
    score: float
    scores: Scores
    passage: Passage
    also: tuple[Locator, ...] = ()
    before: int | None = None


@dataclass(frozen=True, slots=True)
class Citation:
    """A quoted span, numbered from 1; `quote` is verbatim at `locator.span`."""

    n: int
    quote: str
    locator: Locator
    passage_id: str


@dataclass(frozen=True, slots=True)
class Sentence:
    """One sentence of an answer with the numbers of the citations that carry it.

    A sentence that a model wrote has a mark, and unless it is supported the reason.
    """

    text: str
    citations: tuple[int, ...]
    mark: Mark | None = None
    why: str = ""


@dataclass(frozen=True, slots=True)
class Writing:
    """How a model took part in an answer; `tokens` are those of prompt and reply, where the server counts them.

    `fallback` says why the sentences are not the model's own, `missing` what it found no passage for.
    """

    model: str
    prompt: str
    seconds: float
    fallback: str = ""
    missing: str = ""
    tokens: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """Cited sentences in reading order, or an abstention (`answered` false) with the nearest topics."""

    question: str
    answered: bool
    confidence: float
    sentences: tuple[Sentence, ...] = ()
    citations: tuple[Citation, ...] = ()
    hits: tuple[Hit, ...] = ()
    nearest_topics: tuple[str, ...] = ()
    writing: Writing | None = None

    @property
    def written(self) -> bool:
        """Whether a model wrote the sentences; else they are quotes."""
        return self.writing is not None and not self.writing.fallback


@dataclass(frozen=True, slots=True)
class Topic:
    """A named region of the library: a folder, a guide, a section, a bank category or a tag."""

    id: str
    name: str
    kind: Literal["area", "guide", "section", "category", "tag"]
    parent: str | None
    passages: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Related:
    """A topic near another one, the cosine of their mean vectors, and why it is shown."""

    topic: Topic
    score: float
    reasons: tuple[str, ...]
    questions: tuple[str, ...] = field(default=())


def embedded_text(passage: Passage) -> str:
    """Return the one text that is embedded and searched for a passage: its context, then itself without markup."""
    return f"{passage.context}\n{plain(passage.text)}" if passage.context else plain(passage.text)


def passage_id(path: str, span: tuple[int, int], text: str) -> str:
    """Return 32 hex digits that depend on content and position only, so that ingesting twice changes nothing."""
    key = f"{path}\0{span[0]}\0{span[1]}\0{text}"
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()[:32]
