"""Whether a sentence is supported by the passages it cites: a few rules, then a small logistic model.

A number, formula or quotation that no cited passage holds decides alone, and so does a
sentence that stands in a cited passage word for word. What a passage orders whoever answers
is left out of it first. What remains is weighed by how near the sentence is to the best run
of passage sentences in meaning and in words. No entailment model runs here, so what swaps two
roles in the passage's own words can pass; evals/README.md says how often. Coefficients and
thresholds stand in support.json, fitted by `python -m evals.support --fit`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from importlib import resources

from retrieval import claims
from retrieval.arrays import Vectors
from retrieval.claims import Text
from retrieval.encoder import Encoder
from retrieval.lexical import words
from retrieval.logistic import Logistic
from retrieval.text import Span, plain, sentences
from retrieval.types import Mark, Passage

FEATURES = ("cosine", "clause", "neighbors", "opposed", "overstated", "denied")
_LONGEST_RUN = 3  # sentences of a passage that are compared as one
_FRAGMENT = 2  # blanks up to which words stand in a passage by chance
_LENGTH_COST = 0.03  # of each further sentence of a run, so that the shortest that says it is quoted


@dataclass(frozen=True, slots=True)
class Judgement:
    """A mark with its reason, and the span of each cited passage's source that comes nearest."""

    mark: Mark
    why: str
    doubt: float
    places: tuple[tuple[Passage, Span], ...] = ()


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Doubt from which a sentence is weak, and from which it is unsupported."""

    weak: float
    unsupported: float


@dataclass(frozen=True, slots=True)
class _Run:
    """Sentences that follow each other: their span in the source, how many they are."""

    span: Span
    text: Text
    length: int


@dataclass(frozen=True, slots=True)
class _Said:
    """A passage without its orders, cut into runs of one to three sentences; `vectors` `(runs, dimensions)`."""

    passage: Passage
    runs: tuple[_Run, ...]
    vectors: Vectors
    whole: Text
    known: frozenset[str]


@cache
def load() -> tuple[Logistic, Thresholds]:
    """Read the fitted model that ships with the project."""
    kept = json.loads(resources.files("retrieval").joinpath("support.json").read_text(encoding="ascii"))
    return Logistic.of(kept, FEATURES), Thresholds(kept["weak"], kept["unsupported"])


class Checker:
    """Judges sentences against passages; what is worked out of a passage is kept for the next sentence."""

    def __init__(self, encoder: Encoder) -> None:
        self._encoder = encoder
        self._said: dict[str, _Said] = {}

    def judge(self, sentence: str, cited: Sequence[Passage]) -> Judgement:
        """Return how well the cited passages together support a sentence; none cited supports nothing."""
        if not cited:
            return Judgement("unsupported", "cites no passage", 1.0)
        said = [self._read(passage) for passage in cited]
        features, runs = self._compare(sentence, said)
        places = tuple((passage, run.span) for passage, run in zip(cited, runs, strict=True))
        stating = [s.passage for s in said]
        if broken := broken_rule(sentence, stating):
            return Judgement("unsupported", broken, 1.0, places)
        if is_verbatim(sentence, stating):
            return Judgement("supported", "", 0.0, places)
        model, thresholds = load()
        doubt = model.probability(features)
        if doubt >= thresholds.unsupported:
            return Judgement("unsupported", "the passage it cites does not say this", doubt, places)
        if doubt >= thresholds.weak:
            return Judgement("weak", "the passage it cites says something near this", doubt, places)
        return Judgement("supported", "", doubt, places)

    def features(self, sentence: str, cited: Sequence[Passage]) -> tuple[float, ...]:
        """Return the features of a sentence, in the order of FEATURES."""
        return self._compare(sentence, [self._read(passage) for passage in cited])[0]

    def _read(self, passage: Passage) -> _Said:
        if passage.id not in self._said:
            passage = replace(passage, text=claims.without_orders(passage.text))
            spans = sentences(passage.text) or [(0, len(passage.text))]
            lengths = [(i, n) for n in range(1, _LONGEST_RUN + 1) for i in range(len(spans) - n + 1)]
            cut = [(spans[i][0], spans[i + n - 1][1], n) for i, n in lengths]
            start = passage.locator.span[0]
            runs = tuple(_Run((start + a, start + b), Text.of(passage.text[a:b]), n) for a, b, n in cut)
            self._said[passage.id] = _Said(
                passage,
                runs,
                self._encoder.encode([plain(passage.text[a:b]) for a, b, _ in cut]),
                Text.of(passage.text),
                frozenset(words(_heading(passage))),
            )
        return self._said[passage.id]

    def _compare(self, sentence: str, cited: Sequence[_Said]) -> tuple[tuple[float, ...], list[_Run]]:
        claim, vector = Text.of(sentence), self._encoder.encode([plain(sentence)])[0]
        cosine, best = -1.0, []
        for said in cited:
            cosines = (said.vectors @ vector).tolist()
            scores = [
                c + claims.coverage(claim, run.text, said.known) - _LENGTH_COST * run.length
                for c, run in zip(cosines, said.runs, strict=True)
            ]
            top = max(range(len(scores)), key=lambda i: (scores[i], -i))
            best.append(said.runs[top])
            cosine = max(cosine, cosines[top])
        near = joined([run.text for run in best])
        whole = joined([said.whole for said in cited])
        return (
            cosine,
            claims.weakest_clause(claim, near),
            claims.neighbors(claim, near),
            float(min(2, claims.opposed(claim, near))),
            float(min(2, claims.overstated(claim, whole))),
            float(claims.denied(claim, near)),
        ), best


def broken_rule(sentence: str, cited: Sequence[Passage]) -> str:
    """Return which number, formula or quotation of a sentence stands in none of the cited passages, or nothing."""
    texts = [f"{_heading(p)}\n{p.text}" for p in cited]
    if lost := claims.stated_numbers(sentence) - frozenset().union(*(claims.numbers(t) for t in texts)):
        return f"the number {min(lost)} is not in the passage it cites"
    squeezed = [claims.bare(t) for t in texts]
    if formula := next((f for f in claims.formulas(sentence) if not any(f in t for t in squeezed)), ""):
        return f"the formula {formula} is not in the passage it cites"
    folded = [" ".join(plain(t).casefold().split()) for t in texts]
    if quote := next((q for q in claims.quotations(sentence) if not any(q.casefold() in t for t in folded)), ""):
        return f"the quotation {quote!r} is not in the passage it cites"
    return ""


def is_verbatim(sentence: str, cited: Sequence[Passage]) -> bool:
    """Tell whether a cited passage holds a sentence word for word, or as a part of one of its own."""
    words_of = _squeezed(sentence)
    return words_of.count(" ") >= _FRAGMENT and any(f" {words_of} " in f" {_squeezed(p.text)} " for p in cited)


def joined(texts: Sequence[Text]) -> Text:
    """Return several texts as one."""
    if len(texts) == 1:
        return texts[0]
    return Text(
        tuple(s for t in texts for s in t.stems),
        tuple(c for t in texts for c in t.clauses),
        frozenset().union(*(t.lexemes for t in texts)),
    )


def _heading(passage: Passage) -> str:
    return f"{passage.context}\n{passage.entry.question}" if passage.entry else passage.context


def _squeezed(text: str) -> str:
    return " ".join(re.findall(r"\w+|[^\w\s.,;:!?\"'()]+", plain(text).casefold()))
