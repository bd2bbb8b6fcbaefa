"""An answer in the words of a language model: written from the hits, sentence by sentence, each one checked.

No sentence leaves before it was cut out of the stream, cleaned of links and checked against
what it cites. Where the model fails, or too little of what it wrote is supported, the
extractive answer is given instead and says why.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace

from retrieval import prompt
from retrieval.errors import PrepdeskError
from retrieval.lexical import words
from retrieval.library import Library
from retrieval.llm import LanguageModel, Reply
from retrieval.search import Filters
from retrieval.support import Checker
from retrieval.text import Span, held, one_line, restored, sentences
from retrieval.types import Answer, Citation, Hit, Passage, Sentence, Writing

_NUMBERS = r"\[\s*[1-9]\d{0,2}(?:\s*[,;]\s*[1-9]\d{0,2})*\s*\]"  # no passage is 0: [0, 1] is an interval
_GROUPS = rf"{_NUMBERS}(?:[ \t]*{_NUMBERS})*"
_MARKS = re.compile(rf"(?:(?<![ \t])[ \t]++)?(?<![\w\])]){_GROUPS}")
# Some models set no blank: where a sentence cites nothing else, what is stuck to its last word is no index.
_MARKS_AT_END = re.compile(rf"(?<=[^\W\d_]{{2}}){_GROUPS}(?=[.!?…\"'”’)*\s]*\Z)")
_MARKS_AFTER = re.compile(rf"((?<![.!?…])[.!?…]++[\"'”’)*_]*+)[ \t]*({_GROUPS})[ \t]*")
_FEW = 3  # content words below which nothing is claimed that could be found
_SHARE_LEFT = 0.5  # of the sentences that may not be unsupported, for the answer to stand


class Writer:
    """Writes answers from a library with a model."""

    def __init__(self, library: Library, model: LanguageModel) -> None:
        self._library = library
        self._model = model

    def write(self, question: str, *, filters: Filters | None = None) -> Draft:
        """Begin an answer: search, and ask the model where the library covers the question.

        Raises QueryError as Library.ask does; a fault of the model or of the library is told in the answer.
        """
        return Draft(self._library, self._model, self._library.ask(question, filters=filters))


class Draft:
    """An answer as it is written: iterate once for its checked sentences, then take `answer`.

    `answer` is the extractive one until the iteration ends, and stays it where the writing fails. `guard` is held
    while the library is used, and never while the model is waited for.
    """

    def __init__(
        self,
        library: Library,
        model: LanguageModel,
        extractive: Answer,
        guard: AbstractContextManager[object] | None = None,
    ) -> None:
        self.answer = extractive
        self.stopped = False
        self._library = library
        self._model = model
        self._guard = guard or nullcontext()
        self._citations = _Citations(library)
        self._written: list[Sentence] = []
        self._reply: Reply | None = None
        self._started = time.monotonic()

    def __iter__(self) -> Iterator[Sentence]:
        if not self.answer.answered:
            return
        missing: list[str] = []
        try:
            chosen = self._model.chosen()
            messages, hits = prompt.answer_messages(self.answer.question, self.answer.hits, chosen.window)
            self._reply = self._model.write(messages, prompt.ANSWER_TOKENS)
            if self.stopped:
                self._reply.stop()
            with self._guard:
                checker = Checker(self._library.searcher.encoder)
            for text in _sentences_of(self._reply):
                if text.startswith(prompt.MISSING):
                    missing.append(text.removeprefix(prompt.MISSING).strip())
                    continue
                with self._guard:
                    self._written.append(_checked(text, hits, checker, self._citations))
                yield self._written[-1]
            fallback = _too_little(self._written, missing)
            if self.stopped and not self._written:
                fallback = "it was stopped before a sentence was written"
        except PrepdeskError as error:
            fallback = str(error)
        if fallback:
            self.answer = replace(self.answer, writing=self._writing(fallback, missing))
        else:
            self.answer = replace(self.so_far(), writing=self._writing("", missing))

    def so_far(self) -> Answer:
        """Return the answer with the sentences that were yielded; for the thread that iterates."""
        sentences, citations = tuple(self._written), self._citations.all()
        return replace(self.answer, sentences=sentences, citations=citations, writing=self._writing())

    def stop(self) -> None:
        """End the writing, from any thread: what is written by then is the answer, as if the model had ended there."""
        self.stopped = True
        if self._reply:
            self._reply.stop()

    def finish(self) -> Answer:
        """Write to the end and return the answer."""
        for _ in self:
            pass
        return self.answer

    def _writing(self, fallback: str = "", missing: Sequence[str] = ()) -> Writing:
        name, tokens = self._model.name, self._reply.tokens if self._reply else None
        seconds = time.monotonic() - self._started
        return Writing(name, prompt.VERSION, seconds, fallback, " ".join(missing), tokens)


class _Citations:
    """Quotes numbered in reading order; the same place gets the same number."""

    def __init__(self, library: Library) -> None:
        self._library = library
        self._made: dict[tuple[str, Span], Citation] = {}

    def number(self, passage: Passage, span: Span) -> int:
        key = (passage.id, span)
        if key not in self._made:
            start = passage.locator.span[0]
            quote = passage.text[span[0] - start : span[1] - start]
            locator = self._library.quote_locator(passage, span)
            self._made[key] = Citation(len(self._made) + 1, quote, locator, passage.id)
        return self._made[key].n

    def all(self) -> tuple[Citation, ...]:
        return tuple(self._made.values())


def _checked(text: str, hits: Sequence[Hit], checker: Checker, citations: _Citations) -> Sentence:
    """Return a sentence of the model with its mark, its numbers made those of quotes.

    One that names no passage is looked for in all of them, and is weak at best; so is one
    that also names a passage that was never shown.
    """
    said, code = held(text)
    marks = _MARKS if _MARKS.search(said) else _MARKS_AT_END
    named = list(dict.fromkeys(int(n) for group in marks.findall(said) for n in re.findall(r"\d+", group)))
    bare = _tidy(restored(marks.sub("", said), code))
    known = [n for n in named if 1 <= n <= len(hits)]
    unknown = [n for n in named if n not in known]
    if named and not known:
        return Sentence(bare, (), "unsupported", f"cites passage {unknown[0]}, which it was not given")
    if not named:
        found = min((checker.judge(bare, [hit.passage]) for hit in hits), key=lambda j: j.doubt)
        if found.mark == "unsupported" or len(words(bare)) < _FEW:
            return Sentence(bare, (), "unsupported", "cites no passage, and none says this")
        numbers = tuple(citations.number(*place) for place in found.places)
        return Sentence(bare, numbers, "weak", "cites no passage; this one was found for it")
    judged = checker.judge(bare, [hits[n - 1].passage for n in known])
    numbers = tuple(dict.fromkeys(citations.number(*place) for place in judged.places))
    if unknown and judged.mark == "supported":
        return Sentence(bare, numbers, "weak", f"also cites passage {unknown[0]}, which it was not given")
    return Sentence(bare, numbers, judged.mark, judged.why)


def _sentences_of(reply: Reply) -> Iterator[str]:
    """Yield whole sentences with their numbers as a reply comes; a last one that was cut off is left out."""
    raw, given = "", 0  # characters of the reply, thoughts left out, whose sentences were yielded
    for piece in reply:
        raw += piece
        text = prompt.THOUGHT.sub("", raw)
        stretch = text[given : given + _completed(text[given:])]
        yield from _cut(stretch)
        given += len(stretch)
    done = _cut(prompt.THOUGHT.sub("", raw)[given:])
    if reply.finish in ("length", "stopped") and not re.search(r"[.!?…\])\"'”’]\s*\Z", raw):
        done = done[:-1]
    yield from done


def _completed(text: str) -> int:
    """Return how many characters at the beginning of a text are sentences that nothing to come can change.

    The last sentence may still grow, and the one before may still get its numbers. A link or a tag may run over
    several; where it does not end yet, what was cut before must not be seen without what makes it one.
    """
    spans = sentences(_MARKS_AFTER.sub(lambda m: m[1] + " " * (len(m[0]) - len(m[1])), text))
    end = spans[-2][0] if len(spans) > 2 else 0
    return 0 if prompt.is_open(text[:end]) else end


def _cut(text: str) -> list[str]:
    """Return the sentences of a part of a reply, numbers before the full stop."""
    said, code = held(prompt.harmless(text))
    text = restored(_MARKS_AFTER.sub(r" \2\1 ", said), code)
    return [text[a:b].strip() for a, b in sentences(text) if any(c.isalpha() for c in text[a:b])]


def _tidy(text: str) -> str:
    """Return a sentence on one line, its formulas and code kept.

    It is cleaned once more: what marks of Markdown or a blank parted may be a link or a tag without them.
    """
    return prompt.harmless(re.sub(r"\s+([.,;:!?])", r"\1", one_line(text)))


def _too_little(written: Sequence[Sentence], missing: Sequence[str]) -> str:
    """Return why what was written cannot stand, or nothing."""
    if not written:
        return "the model found no answer in the passages" if missing else "the model wrote no sentence"
    good = sum(s.mark != "unsupported" for s in written)
    if good < _SHARE_LEFT * len(written):
        return f"only {good} of {len(written)} sentences that the model wrote are supported"
    return ""
