"""A person's own library as its own gold: the question of every entry asked of a copy without its questions.

    questions = own_gold(library)
    with hide_questions(library) as hidden:
        evaluate_gold(hidden, questions, name="own library")

What is measured is whether a question leads to its answer by what the answer says. Real
search finds these very questions more easily, for it matches them too.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import dropwhile

from evals.gold import GoldSpan, Question
from evals.variants import rebuild
from ingest.writer import Progress
from retrieval.errors import GoldError
from retrieval.lexical import words
from retrieval.library import Library
from retrieval.text import one_line, plain
from retrieval.types import Passage, in_order

MIN_QUESTIONS = 20  # below that a recall's interval spans 0.4 and more: no measure
_MIN_WORDS = 3  # content words below which an answer ("True.") is not to be told from others without its question
_FOLDER = "own-evaluation"
_HEAD = 3  # words by which a question is looked up, and from which one with a question mark is cut anywhere
_LONG = 5  # words from which one without is: "k-means clustering" is a question on a card and a term elsewhere
_TOKEN = re.compile(r"[^\W_]+")
_MARK = re.compile(r"q?\d*")  # what numbers a question in a list: "12", "Q", "Q3"


def own_gold(library: Library, minimum: int = MIN_QUESTIONS) -> list[Question]:
    """Return one gold question for each question of the library's entries, in library order.

    Entries that ask the same in the same content words are one question, and each of their
    answers is right, wherever it stands; so is an answer with the same text under another
    question. Answers of a word or two are left out. The slice is the first folder (or the
    file) of the source. Raises GoldError where fewer than `minimum` questions are left.
    """
    groups: dict[str, list[GoldSpan]] = {}
    copies: dict[str, list[GoldSpan]] = defaultdict(list)
    asked: dict[str, tuple[str, str]] = {}
    for passage in _entries(library):
        entry, path = passage.entry, passage.locator.path
        assert entry is not None
        answer = library.text(path)[slice(*entry.answer)]
        if len(words(plain(answer))) < _MIN_WORDS:
            continue
        span = GoldSpan(path, answer, start=entry.answer[0])
        key = _meaning(entry.question)
        groups.setdefault(key, []).append(span)
        copies[_key(answer)].append(span)
        asked.setdefault(key, (passage.id, entry.question))
    if len(groups) < minimum:
        raise GoldError(
            f"{len(groups)} question entries with an answer in the library at {library.home.place}; measuring it on "
            f"itself needs {minimum}: ingest question banks, or write gold questions (prep eval GOLD.jsonl)"
        )
    return [
        Question(*asked[key], spans[0].path.split("/")[0], "test", _with_copies(spans, copies))
        for key, spans in groups.items()
    ]


def hide_questions(library: Library, progress: Progress | None = None) -> Library:
    """Index the library once more without the text of any entry's question, and open that; the caller closes it.

    The question is cut off its entry, its vector is not made, and where it stands once more
    (tables of contents, titles, other entries' notes) it goes as well. The copy is kept beside
    the index, so that a second run encodes only what is new.
    """
    hide = _Hider(p.entry.question for p in library.searcher.dense.all_passages() if p.entry)
    return rebuild(library, _FOLDER, lambda passage: _without_questions(passage, hide), progress)


def _entries(library: Library) -> Iterator[Passage]:
    """Yield the first passage of every entry in library order."""
    found = [p for p in library.searcher.dense.all_passages() if p.entry and p.entry.part == 1]
    yield from in_order(found)


def _with_copies(spans: Sequence[GoldSpan], copies: dict[str, list[GoldSpan]]) -> tuple[GoldSpan, ...]:
    """Return the answers of a question and whatever stands elsewhere with the same text, each once."""
    return tuple(dict.fromkeys(copy for span in spans for copy in (span, *copies[_key(span.quote)])))


def _without_questions(passage: Passage, hide: _Hider) -> Passage | None:
    """Return a passage as it is searched when no question may be matched; None where nothing is left of it."""
    start = passage.locator.span[0]
    cut = max(0, passage.entry.answer[0] - start) if passage.entry else 0
    text = hide(passage.text[cut:])
    if not any(c.isalnum() for c in plain(text)):
        return None
    names = [one_line(name) for name in (passage.locator.title, *passage.locator.heading)]
    kept = [hide(n) for n in dict.fromkeys(names) if n in passage.context]
    return replace(passage, text=text, context=" > ".join(n for n in kept if n.strip()), entry=None)


class _Hider:
    """Cuts questions out of texts: wherever they stand word for word, bare terms ("Dropout") as lines of their own."""

    def __init__(self, questions: Iterable[str]) -> None:
        self._terms: set[tuple[str, ...]] = set()
        self._long: dict[tuple[str, ...], list[tuple[str, ...]]] = defaultdict(list)
        for question in sorted(set(questions), key=len, reverse=True):
            key = tuple(_tokens(question))
            if len(key) >= (_HEAD if question.endswith("?") else _LONG):
                self._long[key[:_HEAD]].append(key)
            elif key:
                self._terms.add(key)

    def __call__(self, text: str) -> str:
        """Return the text as it is where it holds no question, else its plain reading without them."""
        read = plain(text)
        lines = self._cut(read).splitlines()
        kept = "\n".join(line for line in lines if not self._is_term(line))
        return text if kept == read else kept

    def _cut(self, text: str) -> str:
        places = list(_TOKEN.finditer(text))
        tokens = [m.group().casefold() for m in places]
        kept, position, n = [], 0, 0
        while n < len(tokens):
            known = self._long.get(tuple(tokens[n : n + _HEAD]), ())
            size = next((len(key) for key in known if tuple(tokens[n : n + len(key)]) == key), 0)
            if size:
                kept.append(text[position : places[n].start()])
                position = places[n + size - 1].end()
            n += max(1, size)
        return "".join([*kept, text[position:]])

    def _is_term(self, line: str) -> bool:
        """Tell whether a line is, but for its number, a bare term that is asked."""
        return tuple(dropwhile(_MARK.fullmatch, _tokens(line))) in self._terms


def _tokens(text: str) -> list[str]:
    return [token.casefold() for token in _TOKEN.findall(text)]


def _key(text: str) -> str:
    return " ".join(_tokens(plain(text)))


def _meaning(question: str) -> str:
    """Return the content words of a question in one order; its plain words where it has no others."""
    return " ".join(sorted(set(words(question)))) or _key(question)
