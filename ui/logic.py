"""What the pages decide and how they put things; never imports streamlit.

Everything here that returns Markdown has been through `ui.safe_markdown`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from retrieval.lexical import grams, words
from retrieval.text import one_line
from retrieval.types import Answer, Citation, Hit, Locator, Topic, embedded_text
from ui.safe_markdown import (
    NOWHERE,
    Part,
    Span,
    code_block,
    code_language,
    code_parts,
    inline,
    literal,
    parts,
    plain_parts,
)

CONTEXT = 700  # characters shown before and after a passage
LONGEST = 6000  # characters of an excerpt; what is longer is cut and says so
MAX_QUESTION = 2000  # characters in the field; an address longer than this is refused by some browsers
_NEAR = 0.35  # cosine of a question entry to what was asked; below it they share no subject
_FRONT_MATTER = re.compile(r"\A---[ \t\r]*\n(?=[\w-]+[ \t]*:).*?\n---[ \t\r]*\n", re.S)
_BLOCK_START = ("```", "~~~", "|", "$$", "\\[")
_PLAIN = {".pdf", ".txt"}
_CODE = {".py": "python", ".sql": "sql"}  # sources that are code from the first line to the last
_TABLE = re.compile(r"\|.*\n[ \t]*\|[ \t:|-]*-[ \t:|-]*\r?\n[ \t]*\|")  # its head, the rule under it, and a row
_WORD = re.compile(r"[\w+#@.'’/-]*\w[+#]*")


@dataclass(frozen=True, slots=True)
class Paragraph:
    """Sentences of an answer that stand in one section of one source, as safe Markdown with their numbers."""

    markdown: str
    citations: tuple[Citation, ...]


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a passage was found: the question's words in it, and those of which it has only parts."""

    terms: tuple[str, ...]
    near: tuple[str, ...]


def short_path(path: str) -> str:
    """Return a path as people write it, their own folder as ~; an address stays as it is."""
    home = Path.home()
    return f"~/{Path(path).relative_to(home).as_posix()}" if Path(path).is_relative_to(home) else path


def is_plain(path: str) -> bool:
    """Tell whether the text of a source is no Markdown."""
    return PurePosixPath(path).suffix.lower() in _PLAIN


def code_of(path: str, text: str, span: Span) -> str | None:
    """Return the language of the code that a span of a source lies in; None where it is no code."""
    suffix = PurePosixPath(path).suffix.lower()
    if suffix in _CODE:
        return _CODE[suffix]
    return None if suffix in _PLAIN else code_language(text, span)


def label(text: str) -> str:
    """Return a question, title or heading of a document as safe Markdown on one line."""
    return inline(one_line(text))


def position(locator: Locator) -> str:
    """Return "page 4", "line 12", "lines 12-30" or nothing."""
    if locator.page is not None:
        return f"page {locator.page}"
    if not locator.lines:
        return ""
    first, last = locator.lines
    return f"line {first}" if first == last else f"lines {first}\u2013{last}"


def place(locator: Locator) -> str:
    """Return "Title › Heading · lines 12-30", safe as Markdown."""
    return " · ".join(filter(None, (section(locator), position(locator))))


def section(locator: Locator) -> str:
    """Return "Title › Heading", safe as Markdown."""
    headings = (name for name in locator.heading if name != locator.title)
    return " › ".join(label(name) for name in (locator.title or locator.path, *headings))


def paragraphs(answer: Answer, text_of: Callable[[str], str]) -> list[Paragraph]:
    """Group the sentences of an answer by section, each followed by its numbers.

    `text_of` gives the text of a source: a sentence may be lines of code, which only what stands around it tells.
    """
    by_number = {c.n: c for c in answer.citations}
    groups: list[tuple[tuple[object, ...], list[str], list[Citation]]] = []
    for sentence in answer.sentences:
        cited = [by_number[n] for n in sentence.citations]
        locator = cited[0].locator
        key = (locator.path, locator.heading, locator.page)
        marks = "".join(f" :blue-badge[{n}]" for n in sentence.citations)
        language = code_of(locator.path, text_of(locator.path), locator.span)
        if language is not None and not sentence.text.lstrip().startswith(("```", "~~~")):
            text = code_block(sentence.text, language) + marks
        else:
            text = _sentence(sentence.text, plain=is_plain(locator.path)) + marks
        if groups and groups[-1][0] == key:
            groups[-1][1].append(text)
            groups[-1][2].extend(cited)
        else:
            groups.append((key, [text], cited))
    return [Paragraph(_run(texts), tuple(cited)) for _, texts, cited in groups]


def _sentence(text: str, *, plain: bool) -> str:
    """Return one sentence of an answer as safe Markdown: prose on one line, code, formulas and tables as blocks."""
    if plain:
        return literal(text)
    stripped = text.strip()
    if _TABLE.match(stripped):
        stripped = "\n".join(line.strip() for line in stripped.split("\n"))  # an indented row would be code
    elif stripped.startswith("|"):
        return inline(" · ".join(cell.strip() for cell in stripped.strip("|").split("|") if cell.strip()))
    if stripped.startswith(_BLOCK_START):
        return "\n\n" + "".join(p.markdown for p in parts(stripped)).strip() + "\n\n"
    return inline(text)


def _run(texts: Sequence[str]) -> str:
    return re.sub(r"\n{3,}", "\n\n", re.sub(r"[ ]*(\n\n)[ ]*", r"\1", " ".join(texts))).strip()


def excerpt(text: str, passage: Span, quote: Span = NOWHERE, *, path: str, context: int = CONTEXT) -> list[Part]:
    """Return a passage with the paragraphs around it as safe parts, the quote marked.

    `text` is the extracted text of the source at `path`; both spans point into it.
    """
    start, end = _window(text, passage, quote, context)
    if end - start > LONGEST:
        start = max(start, (quote[0] if quote != NOWHERE else passage[0]) - CONTEXT)
        end = min(end, start + LONGEST)
    shown = text[start:end]
    inner = (max(quote[0] - start, 0), min(quote[1] - start, len(shown))) if quote != NOWHERE else NOWHERE
    if language := _CODE.get(PurePosixPath(path).suffix.lower()):
        return list(code_parts(shown, (0, len(shown)), inner, language))
    return plain_parts(shown, inner) if is_plain(path) else parts(shown, inner)


def _window(text: str, passage: Span, quote: Span, context: int) -> Span:
    """Widen a passage to whole paragraphs with up to `context` characters around, front matter left out."""
    low, high = (min(passage[0], quote[0]), max(passage[1], quote[1])) if quote != NOWHERE else passage
    start, end = low, high
    blocks = list(_paragraphs(text))
    first = next((i for i, (_, b) in enumerate(blocks) if b > low), 0)
    last = next((i for i, (a, _) in reversed(list(enumerate(blocks))) if a < high), len(blocks) - 1)
    if blocks:
        start, end = min(low, blocks[first][0]), max(high, blocks[last][1])
        while first > 0 and low - blocks[first - 1][0] <= context:
            first -= 1
            start = blocks[first][0]
        while last + 1 < len(blocks) and blocks[last + 1][1] - high <= context:
            last += 1
            end = blocks[last][1]
    return start, end


def _paragraphs(text: str) -> Iterator[Span]:
    """Yield the spans between empty lines, fenced code and display formulas kept whole."""
    front = _FRONT_MATTER.match(text)
    at = start = front.end() if front else 0
    closing = ""
    for line in text[at:].splitlines(keepends=True):
        bare = line.strip()
        if closing:
            closing = "" if bare.endswith(closing) else closing
        elif bare.startswith(("```", "~~~")):
            closing = bare[:3]
        elif bare.startswith("$$") and bare.count("$$") % 2:
            closing = "$$"
        elif not bare:
            if text[start:at].strip():
                yield start, at
            start = at + len(line)
        at += len(line)
    if text[start:at].strip():
        yield start, at


def text_pages(text: str, length: int = LONGEST) -> list[Span]:
    """Cut a text into pages of whole paragraphs with about `length` characters, front matter left out."""
    pages: list[Span] = []
    for start, end in _paragraphs(text):
        for a in range(start, end, length):
            b = min(end, a + length)
            if pages and b - pages[-1][0] <= length:
                pages[-1] = (pages[-1][0], b)
            else:
                pages.append((a, b))
    return pages or [(0, len(text))]


def reason(question: str, hit: Hit) -> Reason:
    """Tell which words of the question a passage holds, and of which it has most of the letters."""
    text = embedded_text(hit.passage)
    held, letters = frozenset(words(text)), frozenset(grams(text))
    terms: list[str] = []
    near: list[str] = []
    for word in dict.fromkeys(_WORD.findall(question)):
        stems, own = words(word), grams(word)
        if not stems:
            continue
        if any(stem in held for stem in stems):
            terms.append(word)
        elif len(own) > 1 and sum(g in letters for g in own) >= len(own) / 2:
            near.append(word)
    return Reason(tuple(terms), tuple(near))


def follow_ups(answer: Answer, nearby: Sequence[Hit], n: int = 4) -> list[str]:
    """Return questions of entries near an answer, that of the answer itself left out."""
    asked = _key(answer.question)
    used = {c.passage_id for c in answer.citations} if answer.citations else set()
    found: dict[str, str] = {}
    for hit in (*nearby, *answer.hits):
        entry = hit.passage.entry
        if answer.answered and hit.scores.dense < _NEAR:
            continue  # a small library has questions on other things only
        answered = hit.passage.id in used and answer.answered and len(used) == 1
        if entry and not answered and (key := _key(entry.question)) != asked:
            found.setdefault(key, one_line(entry.question))
    return list(found.values())[:n]


def _key(question: str) -> str:
    return " ".join(re.findall(r"\w+", question.casefold()))


def confidence_words(answer: Answer) -> str:
    """Return the confidence as a word with its number."""
    level = "high" if answer.confidence >= 0.85 else "fair" if answer.confidence >= 0.6 else "low"
    share = "over 99%" if answer.confidence > 0.99 else f"{answer.confidence:.0%}"
    return f"{level} confidence, {share}"


def topic_name(topic: Topic, topics: Sequence[Topic]) -> str:
    """Return the name of a topic, safe as Markdown; that of a section after its guide's."""
    above = next((t.name for t in topics if t.id == topic.parent), None) if topic.kind == "section" else None
    return " › ".join(label(name) for name in (above, topic.name) if name)


def cited(answer: Answer, number: int) -> Citation | None:
    """Return the citation of that number."""
    return next((c for c in answer.citations if c.n == number), None)
