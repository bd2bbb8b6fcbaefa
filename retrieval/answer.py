"""Hits to a short extractive answer: verbatim sentences in reading order, each with its citation.

One hit carries the answer, so that it reads as one thought: a question entry is answered by
its reference answer, prose by the sentences around the one that answers best. A hit that
ranks nearly as high adds its best sentence where that says something else. What a sentence
cannot stand without (what its first "It" means, the head of its table row or list, the numbers
that an example sets out from, the rest of a quotation) comes with it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence, Set
from dataclasses import dataclass
from typing import Protocol

from retrieval.arrays import Vectors
from retrieval.encoder import Encoder
from retrieval.lexical import words
from retrieval.search import points_elsewhere
from retrieval.text import plain, sentences
from retrieval.types import Citation, Hit, Locator, Passage, Sentence

MAX_SENTENCES = 6
_HITS = 5  # hits that sentences are taken from
_OF_ENTRY = 5  # sentences of a reference answer that is longer
_OF_PROSE = 4
_TOGETHER = 4  # a sentence with those before it that it leans on
_NEAR = 0.05  # below the score of the first hit, from which a hit adds nothing
_TERM_WEIGHT = 0.2  # of the share of the question's words that a sentence holds
_SAME = 0.85  # cosine above which two sentences say the same
_MIN_WORDS = 4
_LEANS = re.compile(
    r"\W*(?:so|they|it|this|these|those|that|its|their|but|however|then|thus|hence|therefore|and|or|such|otherwise|"
    r"instead|also|likewise|conversely|similarly|where|which|here|both|each|neither|for example|in contrast|"
    r"by contrast|the same)\b",
    re.I,
)
# Where a paragraph works with numbers, a result means nothing without what it sets out from. Years are no numbers.
_NUMBER = re.compile(r"(?<![\w.])(?!(?:19|20)\d\d\b(?!\.\d))\d")
_SETS_OUT = re.compile(r"\W*(?:take|suppose|assume|consider|imagine|picture|let|say)\b|.*\bexample\b", re.I | re.S)
_NEW_PARAGRAPH = re.compile(r"\n\s*?\n|\n[ \t]*(?:[-*+•]|\d{1,3}[.)])[ \t]")
_SPEECH_OPENS = re.compile(r"(?<![^\s(\[])[\"“](?=\S)")
_SPEECH_CLOSES = re.compile(r"(?<=\S)[\"”](?=[\s.,;:?!)\]]|$)")


class Sources(Protocol):
    """The extracted texts that quotes are taken from."""

    def source_text(self, path: str) -> str: ...

    def quote_locator(self, passage: Passage, span: tuple[int, int]) -> Locator: ...


@dataclass(frozen=True, slots=True)
class _Candidate:
    """A sentence of a passage, by its span in the source. `opens`: a paragraph or an item of a list begins with it."""

    span: tuple[int, int]
    text: str
    passage: Passage
    opens: bool


@dataclass(frozen=True, slots=True)
class _Pool:
    """The sentences of one hit in reading order, with their vectors `(n, dimensions)` and scores.

    `spoken` are the sentences of each quotation that goes on over more than one.
    """

    hit: Hit
    sentences: Sequence[_Candidate]
    vectors: Vectors
    scores: Sequence[float]
    spoken: Sequence[range]

    def best_first(self) -> list[int]:
        return sorted(range(len(self.scores)), key=lambda i: (-self.scores[i], i))

    def with_companions(self, i: int, chosen: Set[int] = frozenset()) -> set[int]:
        """Return a sentence and those it cannot stand without, the nearest few, but for the `chosen` ones."""
        found: set[int] = set()
        wanted = [i]
        while wanted and len(found) < _TOGETHER:
            i = wanted.pop(0)
            if i not in found and i not in chosen:
                found.add(i)
                wanted.extend(self._companions(i))
        return found

    def _companions(self, i: int) -> Iterator[int]:
        said = [sentence.text for sentence in self.sentences]
        more = i + 1 < len(said)
        for run in self.spoken:
            if i in run and len(run) <= _TOGETHER:
                yield from run
        if said[i].startswith("|"):
            head = _first_of_run(said, i, lambda text: text.startswith("|"))
            yield head
            if head == i and more and said[i + 1].startswith("|"):
                yield i + 1
        elif said[i][:1].islower():  # an item of a list, which goes on from what stands before the first one
            yield max(0, _first_of_run(said, i, lambda text: text[:1].islower()) - 1)
        elif i and _LEANS.match(said[i]):
            yield i - 1
        yield from self._example(i)
        if said[i].endswith((":", "?")) and more:
            yield i + 1

    def _example(self, i: int) -> Iterator[int]:
        """Yield what a sentence of a worked example leans on: all before a result, what follows where it sets out."""
        first = i
        while not self.sentences[first].opens:
            first -= 1
        said, begin = self.sentences[i].text, self.sentences[first].text
        if i == first:
            if _SETS_OUT.match(begin) and i + 1 < len(self.sentences) and not self.sentences[i + 1].opens:
                yield i + 1
        elif i - first < _TOGETHER and _NUMBER.search(said) and (_NUMBER.search(begin) or _SETS_OUT.match(begin)):
            yield from range(first, i)


def _first_of_run(texts: Sequence[str], i: int, belongs: Callable[[str], bool]) -> int:
    while i and belongs(texts[i - 1]):
        i -= 1
    return i


def compose(
    question: str, asked: Vectors, hits: Sequence[Hit], encoder: Encoder, sources: Sources
) -> tuple[tuple[Sentence, ...], tuple[Citation, ...]]:
    """Return the sentences of an answer and their citations, numbered in reading order.

    `asked` is the vector of the question. Empty where no sentence of the hits can stand alone.
    """
    pools = list(_pools(question, asked, hits, encoder, sources))
    if not pools:
        return (), ()
    carrier = _carrier(pools)
    picked = sorted(_of_entry(carrier) if carrier.hit.passage.entry else _of_prose(carrier))
    chosen = [carrier.sentences[i] for i in picked]
    said = [carrier.vectors[i] for i in picked]
    for pool in pools:
        if pool is carrier:
            continue
        best = pool.best_first()[0]
        more = sorted(pool.with_companions(best))
        new = max(float(vector @ pool.vectors[best]) for vector in said) < _SAME
        if new and len(said) + len(more) <= MAX_SENTENCES:
            chosen.extend(pool.sentences[i] for i in more)
            said.extend(pool.vectors[i] for i in more)
    return _cite(chosen, sources)


def _pools(question: str, asked: Vectors, hits: Sequence[Hit], encoder: Encoder, sources: Sources) -> Iterator[_Pool]:
    """Yield the sentences of the first hit that has any, and of those that rank nearly as high."""
    terms = frozenset(words(question))
    entries: set[str] = set()  # two hits may be parts of one
    enough: float | None = None
    for hit in hits[:_HITS]:
        if enough is not None and hit.score < enough:
            return
        entry = hit.passage.entry
        if points_elsewhere(hit.passage) or (entry and entry.id in entries):
            continue
        if candidates := _sentences(hit, sources):
            if enough is None:
                enough = hit.score - _NEAR
            if entry:
                entries.add(entry.id)
            yield _scored(hit, candidates, terms, asked, encoder)


def _carrier(pools: Sequence[_Pool]) -> _Pool:
    """Return the sentences of the hit that carries the answer: of prose, ranks being close, those with the best one."""
    if pools[0].hit.passage.entry:
        return pools[0]
    prose = [pool for pool in pools if not pool.hit.passage.entry]
    return max(prose, key=lambda pool: (max(pool.scores), -pool.hit.rank))


def _sentences(hit: Hit, sources: Sources) -> list[_Candidate]:
    """Return the sentences of a passage, of an entry those of its whole reference answer, other parts included."""
    passage = hit.passage
    start, end = passage.entry.answer if passage.entry else passage.locator.span
    text = sources.source_text(passage.locator.path)[start:end] if passage.entry else passage.text
    spans = sentences(text)
    if not passage.entry:
        spans = [(a, b) for a, b in spans if len(text[a:b].split()) >= _MIN_WORDS]
    found: list[_Candidate] = []
    before = 0
    for a, b in spans:
        opens = not found or bool(_NEW_PARAGRAPH.search(text, before, a))
        found.append(_Candidate((start + a, start + b), text[a:b], passage, opens))
        before = b
    return found


def _scored(
    hit: Hit, candidates: Sequence[_Candidate], terms: frozenset[str], asked: Vectors, encoder: Encoder
) -> _Pool:
    vectors = encoder.encode([plain(c.text) for c in candidates])
    held = [len(terms & frozenset(words(c.text))) / max(1, len(terms)) for c in candidates]
    scores = [float(cosine) + _TERM_WEIGHT * share for cosine, share in zip(vectors @ asked, held, strict=True)]
    return _Pool(hit, candidates, vectors, scores, _spoken(candidates))


def _spoken(candidates: Sequence[_Candidate]) -> list[range]:
    runs: list[range] = []
    opened: int | None = None
    for i, candidate in enumerate(candidates):
        more = len(_SPEECH_OPENS.findall(candidate.text)) - len(_SPEECH_CLOSES.findall(candidate.text))
        if more > 0:
            opened = i
        elif more < 0 and opened is not None:
            runs.append(range(opened, i + 1))
            opened = None
    return runs


def _of_entry(pool: _Pool) -> set[int]:
    """Choose from a reference answer: all of a short one, else its first sentence and the best of the rest.

    An example told in quotation marks that is too long to be given whole is left out, not told in part.
    """
    every = range(len(pool.sentences))
    if len(every) <= MAX_SENTENCES:
        return set(every)
    left_out = {i for run in pool.spoken if len(run) > _TOGETHER for i in run}
    if len(left_out) == len(every):
        left_out = set()
    chosen = pool.with_companions(min(set(every) - left_out))
    for i in pool.best_first():
        more = pool.with_companions(i, chosen)
        if len(chosen) + len(more) <= _OF_ENTRY and not more & left_out:
            chosen |= more
    return chosen


def _of_prose(pool: _Pool) -> set[int]:
    """Choose the best sentence and what stands beside it."""
    chosen = pool.with_companions(pool.best_first()[0])
    while len(chosen) < min(_OF_PROSE, len(pool.sentences)):
        beside = [i for i in range(len(pool.sentences)) if i not in chosen and chosen & {i - 1, i + 1}]
        if not beside:
            break
        more = pool.with_companions(max(beside, key=lambda i: (pool.scores[i], -i)), chosen)
        if len(chosen) + len(more) > MAX_SENTENCES:
            break
        chosen |= more
    return chosen


def _cite(chosen: Sequence[_Candidate], sources: Sources) -> tuple[tuple[Sentence, ...], tuple[Citation, ...]]:
    """Number one citation a sentence, in reading order."""
    made: list[Sentence] = []
    citations: list[Citation] = []
    for n, candidate in enumerate(chosen, 1):
        where = sources.quote_locator(candidate.passage, candidate.span)
        citations.append(Citation(n, candidate.text, where, candidate.passage.id))
        made.append(Sentence(candidate.text, (n,)))
    return tuple(made), tuple(citations)
