"""Follow-ups as they are searched: rewritten by a model, or with the topic of the question before carried over."""

from __future__ import annotations

import pytest

from retrieval.followups import carried, standalone
from retrieval.lexical import words
from retrieval.llm import Backend, LanguageModel
from tests.scripted_model import Refuses, Says, Turn, scripted

BEFORE = "What is dropout?"


def rewritten(turn: Turn, question: str = "Why does it work?") -> str:
    with scripted(turn) as server:
        return standalone(question, [BEFORE], LanguageModel(Backend(server.url, "small", window=4096, timeout=3)))


@pytest.mark.parametrize(
    "question",
    [
        "Why does it work?",
        "and at test time?",
        "and for trees?",
        "For trees?",
        "Why?",
        "Any drawbacks?",
        "what about those layers",
    ],
)
def test_a_follow_up_carries_the_topic_of_the_question_before(question: str) -> None:
    """This test ensures that without a model the words of the topic are searched beside those of the question."""
    searched = standalone(question, ["What is a p-value?", BEFORE])
    assert searched == f"{question} (about: dropout)"
    assert set(words(searched)) >= {"dropout", *words(question)}


@pytest.mark.parametrize(
    "question",
    [
        "What is a p-value and how is a confidence interval read?",
        "Explain gradient boosting with trees",
        "What is overfitting?",
        "overfitting",
    ],
)
def test_a_question_that_stands_alone_stays(question: str) -> None:
    """This test ensures that a new subject, of one word too, is not mixed with the old one."""
    assert standalone(question, [BEFORE]) == question


def test_the_first_question_stays() -> None:
    """This test ensures that nothing is carried over from nowhere."""
    assert standalone("Why does it work?", []) == "Why does it work?"


def test_a_topic_is_carried_along_a_chain() -> None:
    """This test ensures that the second follow-up is still about what the first question named."""
    first = standalone("Why does it work?", [BEFORE])
    assert standalone("And in practice?", [BEFORE, first]) == "And in practice? (about: dropout)"


def test_a_topic_keeps_its_parentheses() -> None:
    """This test ensures that of a topic carried on, no more than the parenthesis around it is taken off."""
    first = carried("why", "what is temperature (T)?")
    assert first == "why (about: temperature (T))"
    assert carried("and then", first) == "and then (about: temperature (T))"


def test_a_model_rewrites() -> None:
    """This test ensures that the model's question is taken, without quotation marks and thoughts."""
    assert rewritten(Says('<think>it is dropout</think>"Why does dropout work?"')) == "Why does dropout work?"


@pytest.mark.parametrize(
    "turn", [Refuses(401), Says(""), Says("lorem ipsum dolor"), Says("dropout " * 200), Says("Why", then="cut")]
)
def test_a_model_that_fails_or_rambles_is_done_without(turn: Turn) -> None:
    """This test ensures that a fault, nothing, another subject or a flood give the carried-over topic."""
    assert rewritten(turn) == "Why does it work? (about: dropout)"
