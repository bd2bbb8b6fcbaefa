"""Documents to passages: along their structure, never over the encoder's limit.

A passage is a run of whole blocks of one section (and one page). What does not fit is cut
at list items, table rows or code lines, then at sentences, then at words; pieces of one
section are made of like size, because a short rest at the end retrieves badly. Sections
too small to stand alone are joined with their neighbors. A heading is in the context of
what stands under it; one with nothing under it is text. A question entry is one passage
where it fits and otherwise several parts that all know their question.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby, pairwise
from math import ceil

from ingest.documents import Block, Document, QuestionEntry, Span, passage_kind
from retrieval.text import one_line, plain, sentences
from retrieval.types import Entry, Locator, Passage, PassageKind, embedded_text, passage_id

VERSION = 5

TokenCounter = Callable[[Sequence[str]], list[int]]

_SPECIAL_TOKENS = 2
_MIN_SECTION = 60  # tokens; a smaller section joins its neighbor
_FULL = 0.86  # of the budget; from .84 to .87 passages hold as much of what answers in less text (evals/README.md)
_MIN_ROOM = 48  # tokens left for text when a heading path is absurdly long
_WORD = re.compile(r"\S+")


@dataclass(frozen=True, slots=True)
class _Piece:
    """An indivisible span with its kind, tokens, section and page."""

    span: Span
    kind: PassageKind
    tokens: int
    heading: tuple[str, ...]
    page: int | None
    opens: bool = False  # a heading: it stays with what follows


def fingerprint(max_tokens: int) -> str:
    """Return what a generation records, so that a change of the chunker asks for a rebuild."""
    return f"structure-v{VERSION}/{max_tokens}"


def chunk(document: Document, path: str, count_tokens: TokenCounter, max_tokens: int) -> list[Passage]:
    """Return the passages of a document in reading order; none embeds more than `max_tokens` word pieces."""
    return _Chunker(document, path, count_tokens, max_tokens).run()


class _Chunker:
    def __init__(self, document: Document, path: str, count_tokens: TokenCounter, max_tokens: int) -> None:
        self.document = document
        self.path = path
        self.count = count_tokens
        self.room = max_tokens - _SPECIAL_TOKENS

    def run(self) -> list[Passage]:
        taken = sorted(entry.span for entry in self.document.entries)
        outside = [part for block in self.document.blocks for part in self._outside(block, taken)]
        passages = [p for group in self._sections(outside, taken) for p in self._pack(group)]
        passages.extend(p for entry in self.document.entries for p in self._entry(entry))
        passages = [p for p in passages if any(c.isalnum() for c in plain(p.text))]
        return sorted(passages, key=lambda p: p.locator.span)

    def _outside(self, block: Block, taken: Sequence[Span]) -> Iterator[Block]:
        """Yield what of a block no entry takes: of a list whose first item is one, the other items."""
        position, last = block.span
        first = beyond = bisect_left(taken, (last, last))
        while first and taken[first - 1][1] > position:
            first -= 1
        if first == beyond:
            yield block
            return
        for start, end in [*taken[first:beyond], (last, last)]:
            said = self.document.text[position:start]
            if any(c.isalnum() for c in plain(said)):
                a, b = position + len(said) - len(said.lstrip()), position + len(said.rstrip())
                units = tuple(u for u in block.units if a <= u[0] and u[1] <= b)
                yield replace(block, span=(a, b), units=units)
            position = max(position, end)

    def _budget(self, context: str) -> int:
        return max(_MIN_ROOM, self.room - self.count([context + "\n"])[0])

    def _sections(self, blocks: Sequence[Block], taken: Sequence[Span]) -> Iterator[list[Block]]:
        """Yield runs of blocks that belong together: one section and page, small neighbors joined."""
        groups: list[list[Block]] = []
        for _, run in groupby(
            blocks, key=lambda b: (_own_path(b, self.document.text), b.page, bisect_left(taken, b.span))
        ):
            group = list(run)
            if any(b.kind != "heading" for b in group) or self._bare(group[-1]):
                groups.append(group)
        sizes = [sum(self.count([plain(self.document.text[b.span[0] : b.span[1]]) for b in group])) for group in groups]
        current: list[Block] = []
        size = 0
        above: tuple[str, ...] | None = None  # the path above a bare heading that ends `current`
        for group, tokens in zip(groups, sizes, strict=True):
            bare = all(b.kind == "heading" for b in group)
            # A bare heading goes with what follows in its section, and never with a full section before it.
            small = (size if bare else min(size, tokens)) < _MIN_SECTION and size + tokens <= 0.8 * self.room
            near = current and current[0].page == group[0].page and above in (None, group[0].heading)
            if near and small and not _between(current[-1], group[0], taken):
                current, size = current + group, size + tokens
            else:
                if current:
                    yield current
                current, size = group, tokens
            above = group[-1].heading if bare else None
        if current:
            yield current

    def _bare(self, heading: Block) -> bool:
        """Tell whether a heading is in no context: nothing stands under it, and it is not the title.

        One that a question follows is the label of a group of them; alone it would only stand in their way.
        """
        text, blocks = self.document.text, self.document.blocks
        n = bisect_left(blocks, heading.span[1], key=_start)
        if n < len(blocks) and (blocks[n].kind != "heading" or blocks[n].level > heading.level):
            return False
        if n < len(blocks) and any(entry.span[0] == blocks[n].span[0] for entry in self.document.entries):
            return False
        left_out = text[heading.span[1] : blocks[n].span[0] if n < len(blocks) else len(text)]  # a table of contents
        title = one_line(text[slice(*heading.span)]) == one_line(self.document.title)
        return not title and not any(c.isalnum() for c in plain(left_out))

    def _pack(self, group: list[Block]) -> Iterator[Passage]:
        """Yield passages of like size from the blocks of one section."""
        while len(group) > 1 and group[0].kind == "heading" and self._opens_all(group):
            group = group[1:]  # the heading stands in the context
        heading = _common([b.heading for b in group])
        context = self._context(heading)
        pieces = [
            p for b in group for p in self._pieces(b.span, passage_kind(b.kind), b.units, self._budget(context), b)
        ]
        for run in _balanced(pieces, self._budget(context)):
            yield from self._fitted(run, context, heading)

    def _opens_all(self, group: Sequence[Block]) -> bool:
        """Tell whether the first block is the heading that everything after it stands under."""
        own = _own_path(group[0], self.document.text)
        return _common([b.heading for b in group[1:]])[: len(own)] == own

    def _entry(self, entry: QuestionEntry) -> Iterator[Passage]:
        text = self.document.text
        entry_id = passage_id(self.path, entry.span, text[slice(*entry.span)])
        context = self._context(entry.heading)
        if sum(self.count([context + "\n", plain(text[slice(*entry.span)])])) <= self.room:
            spans = [entry.span]
        else:
            budget = self._budget(self._context((*entry.heading, entry.question)))
            first, last = (bisect_left(self.document.blocks, at, key=_start) for at in (entry.answer[0], entry.span[1]))
            inner = self.document.blocks[first:last]
            pieces: list[_Piece] = []
            position = entry.span[0]
            for start, end, units, block in self._inner_spans(entry, inner):
                if end > position:
                    pieces.extend(self._pieces((max(start, position), end), "qa", units, budget, block))
                    position = end
            runs = [r for run in _balanced(pieces, budget) for r in self._halved(run, entry)]
            spans = [(run[0].span[0], run[-1].span[1]) for run in runs]
        record = Entry(entry_id, entry.question, entry.answer, 1, len(spans), entry.difficulty, entry.phrasings)
        for part, span in enumerate(spans, 1):
            where = context if part == 1 else self._context((*entry.heading, entry.question))
            made = self._passage(span, where, entry.heading, "qa", entry.page)
            locator = replace(made.locator, lines=made.locator.lines or entry.lines)
            topics = tuple(dict.fromkeys((*made.topics, *entry.topics)))
            yield replace(made, locator=locator, topics=topics, entry=replace(record, part=part))

    def _halved(self, run: list[_Piece], entry: QuestionEntry) -> Iterator[list[_Piece]]:
        """Yield a run of an entry's pieces, in halves where the joined text is over the room after all."""
        text = self.document.text[run[0].span[0] : run[-1].span[1]]
        embedded = f"{self._context((*entry.heading, entry.question))}\n{plain(text)}"
        if len(run) > 1 and self.count([embedded])[0] > self.room:
            yield from self._halved(run[: len(run) // 2], entry)
            yield from self._halved(run[len(run) // 2 :], entry)
        else:
            yield run

    def _inner_spans(
        self, entry: QuestionEntry, inner: Sequence[Block]
    ) -> Iterator[tuple[int, int, tuple[Span, ...], Block]]:
        """Yield the stretches of an entry: its question, then each block of its answer."""
        whole = Block("prose", entry.span, entry.heading, entry.page)
        if not inner:
            yield (*entry.span, (), whole)
            return
        if entry.span[0] < inner[0].span[0]:
            yield entry.span[0], inner[0].span[0], (), whole
        for block in inner:
            yield block.span[0], min(block.span[1], entry.span[1]), block.units, block

    def _pieces(self, span: Span, kind: PassageKind, units: Sequence[Span], budget: int, block: Block) -> list[_Piece]:
        """Cut a span only as far as needed: whole, at its units, at sentences, at words."""
        text = self.document.text
        tokens = self.count([plain(text[slice(*span)])])[0]
        if tokens <= budget:
            return [_Piece(span, kind, tokens, block.heading, block.page, opens=block.kind == "heading")]
        finer = [u for u in units if span[0] <= u[0] and u[1] <= span[1]]
        if len(finer) < 2:
            finer = [(span[0] + a, span[0] + b) for a, b in sentences(text[slice(*span)])]
        if len(finer) < 2:
            finer = self._words(span)
        return [p for s in _cover(span, finer) for p in self._pieces(s, kind, (), budget, block)]

    def _words(self, span: Span) -> list[Span]:
        """Cut a span between words (or inside a word without end) so that each half is shorter; the caller recurses."""
        text = self.document.text[slice(*span)]
        middle = len(text) // 2
        starts = [m.start() for m in _WORD.finditer(text)][1:]
        cut = min(starts, key=lambda s: abs(s - middle), default=middle) or middle
        return [(span[0], span[0] + cut), (span[0] + cut, span[1])]

    def _fitted(self, run: Sequence[_Piece], context: str, heading: tuple[str, ...]) -> Iterator[Passage]:
        """Yield one passage, or two where the tokens of the joined pieces exceed the sum of theirs."""
        span = (run[0].span[0], run[-1].span[1])
        kinds = [p.kind for p in run]
        kind = max(sorted(set(kinds)), key=lambda k: sum(p.span[1] - p.span[0] for p in run if p.kind == k))
        passage = self._passage(span, context, heading, kind, run[0].page)
        if len(run) > 1 and self.count([embedded_text(passage)])[0] > self.room:
            yield from self._fitted(run[: len(run) // 2], context, heading)
            yield from self._fitted(run[len(run) // 2 :], context, heading)
            return
        yield passage

    def _passage(
        self, span: Span, context: str, heading: tuple[str, ...], kind: PassageKind, page: int | None
    ) -> Passage:
        text = self.document.text[slice(*span)]
        locator = Locator(self.path, self.document.title, span, self.document.lines(span), page, heading)
        topics = self.document.topics if not self.document.area else (self.document.area, *self.document.topics)
        return Passage(passage_id(self.path, span, text), text, context, locator, kind, tuple(dict.fromkeys(topics)))

    def _context(self, heading: Sequence[str]) -> str:
        """Return "title > heading > heading", its middle left out where it is longer than a third of the room."""
        title = one_line(self.document.title)
        names = [title, *(name for name in heading if name != title)]
        while len(names) > 2 and self.count([" > ".join(names)])[0] > self.room // 3:
            del names[1]
        context = " > ".join(names)
        while self.count([context])[0] > self.room // 3 and " " in context:
            context = context.rsplit(" ", max(1, context.count(" ") // 4))[0]
        return context


def _own_path(block: Block, text: str) -> tuple[str, ...]:
    """Return the path a block belongs to; a heading opens its own section."""
    if block.kind != "heading":
        return block.heading
    return (*block.heading, one_line(text[slice(*block.span)]))


def _between(before: Block, after: Block, taken: Sequence[Span]) -> bool:
    """Tell whether one of the sorted spans starts between two blocks."""
    n = bisect_left(taken, (before.span[1], 0))
    return n < len(taken) and taken[n][0] < after.span[0]


def _start(block: Block) -> int:
    return block.span[0]


def _common(paths: Sequence[tuple[str, ...]]) -> tuple[str, ...]:
    shortest = min(paths, key=len)
    for i, name in enumerate(shortest):
        if any(p[i] != name for p in paths):
            return shortest[:i]
    return shortest


def _cover(span: Span, cuts: Sequence[Span]) -> list[Span]:
    """Return spans that cover all of `span`, cut where each of `cuts` but the first starts."""
    edges = [span[0], *(c[0] for c in cuts[1:]), span[1]]
    return [(a, b) for a, b in pairwise(edges) if a < b]


def _balanced(pieces: Sequence[_Piece], budget: int) -> Iterator[list[_Piece]]:
    """Split pieces that are over the budget into runs of like size, which fill `_FULL` of it at most in the mean."""
    left = sum(p.tokens for p in pieces)
    runs = 1 if left <= budget else ceil(left / (_FULL * budget))
    run: list[_Piece] = []
    size = 0
    for piece in pieces:
        over = size + piece.tokens > budget
        full = size + piece.tokens / 2 > left / runs
        if run and (over or full):
            held = [run.pop()] if run[-1].opens and len(run) > 1 else []
            yield run
            left, runs = left - sum(p.tokens for p in run), max(1, runs - 1)
            run, size = held, sum(p.tokens for p in held)
        run.append(piece)
        size += piece.tokens
    if run:
        yield run
