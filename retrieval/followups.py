"""A follow-up made into a question that stands alone: by the model, or by carrying over what was asked about."""

from __future__ import annotations

import re
from collections.abc import Sequence

from retrieval import prompt
from retrieval.errors import ModelError
from retrieval.lexical import words
from retrieval.llm import LanguageModel

_REWRITE_TOKENS = 80
_LONGEST = 400  # characters of a rewritten question; what is longer is no question
# What is asked of anything: words that name no subject, so that what holds no others needs one.
_SUBJECTLESS = frozenset(
    words(
        "advantages any anything assumptions benefits code compare cons consequences detail difference disadvantages "
        "downsides drawbacks elaborate else example explain fail formula give happen help intuition limitations "
        "more please practice pros reason show simplify steps tell useful weaknesses work"
    )
)
_LEANS = re.compile(
    r"\b(?:it|its|itself|they|them|their|theirs|these|those|this|the (?:former|latter|other|same|first|second|two))\b"
    r"|\bthat\W*$|^(?:and|but|or|so|also|what about|how about|why not|how so)\b"
    r"|^(?:for|in|with|without|at|on)(?: [\w-]+){1,2}\W*$",
    re.I,
)
_ASKING = re.compile(
    r"^\W*(?:and|but|so|also)?\W*(?:what's|(?:what|how|why|when) (?:is|are|does|do|about|can|would|should|not)|which|"
    r"who|where|can|could|should|is|are|does|do|explain|describe|define|tell me about)\b",
    re.I,
)


def standalone(question: str, earlier: Sequence[str], model: LanguageModel | None = None) -> str:
    """Return a question as it is searched; `earlier` are those before it as they were searched, oldest first.

    One that leans on nothing is returned as it is. Where a model fails or rambles, the words of the question before
    are carried over instead.
    """
    if not earlier or not leans(question):
        return question
    if model is not None:
        try:
            reply = "".join(model.write(prompt.rewrite_messages(question, earlier), _REWRITE_TOKENS))
        except ModelError:
            reply = ""
        rewritten = " ".join(prompt.harmless(prompt.THOUGHT.sub("", reply)).split()).strip("\"'“” ")
        if rewritten and len(rewritten) <= _LONGEST and set(words(rewritten)) & set(words(f"{earlier[-1]} {question}")):
            return rewritten
    return carried(question, earlier[-1])


def leans(question: str) -> bool:
    """Tell whether a question cannot be understood without the one before: it points back, or names no subject."""
    return bool(_LEANS.search(question.strip())) or set(words(question)) <= _SUBJECTLESS


def carried(question: str, before: str) -> str:
    """Return a question followed by what the one before it was about, in its own words; nothing is said twice."""
    topic = _ASKING.sub("", before).strip(" ?.!,:;")
    topic = topic.split(" (about: ", 1)[-1].removesuffix(")") if " (about: " in before else topic
    return question if not topic or set(words(topic)) <= set(words(question)) else f"{question} (about: {topic})"
