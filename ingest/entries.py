"""Question entries in Markdown: where a question stands with its answer under it.

The shapes are those people use: a heading that asks (or that is numbered or marked `Q:`
among headings that ask), a bold question, a `<summary>` that asks, a numbered list item
that asks and goes on. A question with no answer is no entry. A comment after the answer,
`<!-- phrasings: ... -->`, gives other ways to ask it, one a line or divided by bars.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from ingest.documents import Block, BlockKind, QuestionEntry, Span, covering
from retrieval.text import one_line

_MARK = re.compile(
    r"^Q(?:"
    r"(?:uestion|ues)?\s*\.?\s*#?(?:\d+\s*[:.)\-–]|[:.)]|[-–](?=\s))"  # a dash inside a word, as in Q-learning, is none
    r"|\d+\s(?=[^\n]*[?？؟][\s\"'”’)*\]]*(?:\n|$))"  # "Q3 results" is a heading, "Q3 What is bias?" a question
    r")\s*",
    re.I,
)
_NUMBER = re.compile(r"^(?:\*\*)?\(?(\d{1,3})[.):]\)?\s+")
_ASKS = re.compile(r"[?？؟][\s\"'”’)*\]]*$")
_ORDERS = re.compile(
    r"^(?:what|why|how|when|which|who|where|explain|describe|define|compare|derive|prove|show|list|name|give|write|state|"
    r"discuss|implement|design|tell|walk|suppose|consider|calculate|compute|find|create|is|are|do|does|can|should)\b",
    re.I,
)
_BOLD = re.compile(r"^\s*(?:\*\*|__)(?P<bold>.+?)(?:\*\*|__)(?P<rest>.*)$", re.S)
_ANSWER_MARK = re.compile(r"^\W*(?:show\s+)?(?:answer|solution|a|ans)\W*$", re.I)
_SUMMARY = re.compile(r"<summary>(?P<inner>.*?)</summary>", re.S | re.I)
_DETAILS = re.compile(r"`[^`\n]+`|<(?P<end>/?)details\b[^>]*>", re.I)  # a tag that is quoted as code opens nothing
_RULES = re.compile(r"^(?:\s|</?[A-Za-z][^>]*>|<!--.*?-->)*$", re.S)
_PLACEHOLDER = re.compile(
    r"^\W*(?:answers?(?: here| goes here| coming soon)?|todo|tbd|tba|n/?a|coming soon|wip)?\W*$", re.I
)
_DIFFICULTY = re.compile(r"\s*[(\[](?:★|☆|\*|easy|medium|hard)[^)\]]*[)\]]\s*$", re.I)
_PHRASINGS = re.compile(r"<!--\s*phrasings:(.*?)-->", re.S | re.I)
_BETWEEN = re.compile(r"[\r\n|]+")
_BULLET = re.compile(r"^\s*[-*•]\s+")
_MIN_NUMBERED = 3


@dataclass(frozen=True, slots=True)
class Node:
    """A top-level Markdown node. `inline` is the source of its first inline, `html` of an HTML block."""

    kind: BlockKind
    span: Span
    inline: str = ""
    level: int = 0
    html: str = ""
    units: tuple[Span, ...] = ()


@dataclass(frozen=True, slots=True)
class _Asked:
    """A question found at node `at`; its answer starts at `answer_from`, or with the next node."""

    at: int
    question: str
    start: int
    answer_from: int | None = None
    level: int = 99


def find_entries(
    nodes: Sequence[Node], blocks: Sequence[Block], text: str
) -> tuple[tuple[QuestionEntry, ...], tuple[str, ...]]:
    """Return the entries of a document in order, and a warning that counts the questions left without an answer."""
    asked = list(_questions(nodes, text))
    headings = {block.span: block.heading for block in blocks}
    paths = _paths(nodes, headings)
    levels = _levels_above(nodes)
    found: list[QuestionEntry] = []
    unanswered = 0
    for n, question in enumerate(asked):
        above = levels[question.at] if question.level == 99 else question.level
        stop = _end(nodes, question, above, asked[n + 1].at if n + 1 < len(asked) else len(nodes))
        closes = _closes(nodes, question, stop, text)
        answer = _answer(nodes, question, stop, closes, text)
        if answer is None:
            nested = stop == question.at + 1 and n + 1 < len(asked) and asked[n + 1].level > question.level
            unanswered += not nested
            continue
        path = tuple(h for h in paths[question.at] if h != question.question and _strip(h) != question.question)
        said = tuple(p for node in nodes[question.at : stop] for p in _said(node))
        span = question.start, max(answer[1], _rest(nodes[question.at : stop], answer[1], closes, text))
        found.append(QuestionEntry(question.question, span, answer, path, phrasings=said))
    found.extend(_listed(nodes, headings, text, [entry.span for entry in found]))
    found.sort(key=lambda entry: entry.span)
    warnings = (f"{unanswered} questions without an answer",) if unanswered else ()
    return tuple(found), warnings


def phrasings(text: str) -> tuple[str, ...]:
    """Return the ways to ask a question that stand in a text: one a line, or divided by bars."""
    return tuple(said for line in _BETWEEN.split(text) if (said := one_line(_BULLET.sub("", line))))


def _said(node: Node) -> tuple[str, ...]:
    return tuple(said for comment in _PHRASINGS.findall(node.html) for said in phrasings(comment))


def _questions(nodes: Sequence[Node], text: str) -> Iterator[_Asked]:
    numbered = _numbered_levels(nodes)
    for i, node in enumerate(nodes):
        if node.kind == "heading":
            name = one_line(node.inline)
            if _asks(name) or _MARK.match(name) or (node.level in numbered and _NUMBER.match(name)):
                yield _Asked(i, _strip(name), node.span[0], level=node.level)
        elif node.html and (summary := _SUMMARY.search(node.html)) and _asks(inner := one_line(summary["inner"])):
            yield _Asked(i, _strip(inner), node.span[0], node.span[0] + summary.end())
        elif node.inline:
            yield from _in_paragraph(i, node, text)


def _in_paragraph(i: int, node: Node, text: str) -> Iterator[_Asked]:
    """Find a bold or marked question at the head of a paragraph."""
    raw = text[node.span[0] : node.span[1]]
    bold = _BOLD.match(raw)
    if bold and (_asks(name := one_line(bold["bold"])) or (_MARK.match(name) and len(name) > 8)):
        rest = bold["rest"].strip()
        if not rest or not one_line(rest).strip(" :*_-–—"):
            yield _Asked(i, _strip(name), node.span[0])
        elif rest[:1].isupper() or "\n" in bold["rest"][:3] or rest[:1] in "-:":
            yield _Asked(i, _strip(name), node.span[0], node.span[0] + bold.start("rest"))
    elif _MARK.match(raw) and _asks(name := one_line(raw.split("\n", 1)[0])):
        answer = node.span[0] + len(raw.split("\n", 1)[0]) if "\n" in raw else None
        yield _Asked(i, _strip(name), node.span[0], answer)


def _numbered_levels(nodes: Sequence[Node]) -> set[int]:
    """Return the heading levels whose numbered headings are, by at least half, questions or orders."""
    total: Counter[int] = Counter()
    asking: Counter[int] = Counter()
    for node in nodes:
        if node.kind == "heading" and _NUMBER.match(name := one_line(node.inline)):
            total[node.level] += 1
            rest = _NUMBER.sub("", name)
            asking[node.level] += _asks(rest) or bool(_ORDERS.match(rest))
    return {level for level, count in total.items() if count >= _MIN_NUMBERED and 2 * asking[level] >= count}


def _paths(nodes: Sequence[Node], headings: Mapping[Span, tuple[str, ...]]) -> list[tuple[str, ...]]:
    """Return the path of headings above each node, or above the next one that is a block."""
    paths: list[tuple[str, ...]] = []
    path: tuple[str, ...] = ()
    for node in reversed(nodes):
        path = headings.get(node.span, path)
        paths.append(path)
    return paths[::-1]


def _levels_above(nodes: Sequence[Node]) -> list[int]:
    """Return the level of the last heading before each node, 0 where there is none."""
    levels: list[int] = []
    level = 0
    for node in nodes:
        levels.append(level)
        level = node.level if node.kind == "heading" else level
    return levels


def _end(nodes: Sequence[Node], question: _Asked, above: int, next_question: int) -> int:
    """Return the node after the answer: the next question, or the next heading of level `above` or higher."""
    for i in range(question.at + 1, next_question):
        if nodes[i].kind == "heading" and nodes[i].level <= above:
            if i == question.at + 1 and _ANSWER_MARK.match(one_line(nodes[i].inline)):
                continue
            return i
    return next_question


def _closes(nodes: Sequence[Node], question: _Asked, stop: int, text: str) -> int:
    """Return where the `<details>` that a question stands in closes before `stop`, else the end of the text."""
    if question.answer_from is None:
        return len(text)
    depth = 0
    for node in nodes[question.at : stop]:
        if node.kind == "code":
            continue
        for tag in _DETAILS.finditer(text, max(node.span[0], question.answer_from), node.span[1]):
            if tag["end"] is None:
                continue
            depth += -1 if tag["end"] else 1
            if depth < 0:
                return tag.start()
    return len(text)


def _answer(nodes: Sequence[Node], question: _Asked, stop: int, closes: int, text: str) -> Span | None:
    """Return the span of the answer without its markers ("Answer", bare tags, rules), None where there is none."""
    spans: list[Span] = []
    if question.answer_from is not None:
        spans.append((question.answer_from, min(nodes[question.at].span[1], closes)))
    under = [node for node in nodes[question.at + 1 : stop] if node.span[0] < closes]
    for node in under:
        span = node.span[0], min(node.span[1], closes)
        if node.html and _RULES.match(_SUMMARY.sub("", text[slice(*span)])):
            continue
        if (node.kind == "heading" or node.inline) and _ANSWER_MARK.match(one_line(text[slice(*span)])):
            continue
        spans.append(span)
    headings = {node.span for node in under if node.kind == "heading"}
    while spans and spans[-1] in headings:
        spans.pop()
    if not spans:
        return None
    start, end = spans[0][0], spans[-1][1]
    while start < end and (text[start].isspace() or text[start] in ":-–—"):
        start += 1
    while end > start and text[end - 1].isspace():
        end -= 1
    return None if start >= end or _PLACEHOLDER.match(one_line(text[start:end])) else (start, end)


def _rest(nodes: Sequence[Node], answered: int, closes: int, text: str) -> int:
    """Return the end of the text that goes on behind a `<details>` in the node where it closes, 0 where none does.

    An entry takes it along: a few words behind a tag are no passage of their own.
    """
    for start, end in (node.span for node in nodes):
        if start < answered and start <= closes < end and not _RULES.match(text[closes:end]):
            return end
    return 0


def _listed(
    nodes: Sequence[Node], headings: Mapping[Span, tuple[str, ...]], text: str, taken: Sequence[Span]
) -> Iterator[QuestionEntry]:
    """Find list items whose first line asks and that go on after it."""
    is_taken = covering(taken)
    for node in nodes:
        if node.kind != "list" or is_taken(node.span[0]):
            continue
        for start, end in node.units:
            first, _, rest = text[start:end].partition("\n")
            name = one_line(re.sub(r"^\s*(?:[-*+]|\d+[.)])\s+", "", first))
            if not _asks(name) or _PLACEHOLDER.match(one_line(rest)):
                continue
            answer = start + len(first) + 1
            while text[answer].isspace():
                answer += 1
            yield QuestionEntry(_strip(name), (start, end), (answer, end), headings.get(node.span, ()))


def _asks(name: str) -> bool:
    return bool(_ASKS.search(_DIFFICULTY.sub("", name)))


def _strip(name: str) -> str:
    """Return a question without its number, mark and level note."""
    name = _DIFFICULTY.sub("", name)
    return _MARK.sub("", _NUMBER.sub("", _MARK.sub("", name))).strip()
